//! Runs one after another, which keep the versions of one table.

use super::reads::seen_from;
use super::*;
use crate::objects::memory::{CallFault, MemoryObjects};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use tidemark_operators::plan::{Matching, TableColumn, TableFrom};
use tidemark_operators::reference::input::above;
use tidemark_operators::reference::row::Row;
use tidemark_operators::value::{Cell, Type};

fn plan(columns: &[(&str, Type)]) -> TablePlan {
    let column = |(name, ty): &(&str, Type)| TableColumn {
        name: (*name).to_owned(),
        ty: *ty,
        required: false,
    };
    TablePlan {
        name: "levels".to_owned(),
        key: "user".to_owned(),
        matching: Matching::Exact(Type::Text),
        columns: columns.iter().map(column).collect(),
        rows_max: 100,
        from: TableFrom::File { path: String::new(), valid_from: None, reload: 1 },
    }
}

/// The version that says so everywhere.
fn version(level: u64) -> Vec<TableRow> {
    let row = Row { valid_from: 0, cells: vec![Cell::Word(level)] };
    vec![TableRow { key: b"u".to_vec(), row }]
}

fn level(rows: &[TableRow]) -> u64 {
    match rows.first().map(|row| row.row.cells.as_slice()) {
        Some([Cell::Word(level)]) => *level,
        other => panic!("{other:?}"),
    }
}

struct Runs {
    objects: Arc<dyn Objects>,
    plan: TablePlan,
    keys: Option<Arc<StateKeys>>,
}

impl Runs {
    fn new() -> Self {
        let plan = plan(&[("level", Type::Int)]);
        Runs { objects: Arc::new(MemoryObjects::new()), plan, keys: None }
    }

    fn start(
        &self,
        generation: u64,
        (cut, base): (EventTime, Option<u64>),
        reached: EventTime,
    ) -> Result<KeptTable, RecoveryError> {
        let taken = TakenOver {
            objects: Arc::clone(&self.objects),
            keys: self.keys.clone(),
            generation,
            writer: format!("run {generation}"),
            cut,
            progress: Arc::default(),
            over: Arc::default(),
        };
        KeptTable::take_over((&self.plan, 0), taken, base, reached)
    }
}

fn take(table: &KeptTable, from: EventTime, rows: &[TableRow]) -> Result<(), RecoveryError> {
    let listed = table.store(rows, &|| true)?.expect("it is another version");
    table.record(from, listed, &|| true)
}

/// What events see, by the time from which on they do.
type Seen = BTreeMap<EventTime, u64>;

fn at(seen: &Seen, ts: EventTime) -> u64 {
    *seen.range(..=ts).next_back().expect("there is a version").1
}

#[test]
fn an_event_that_is_read_again_sees_the_version_that_it_saw_before_whatever_has_happened() {
    for seed in 0..150 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let runs = Runs::new();
        // Of all runs so far: what events see that no run has been able to say anything else of.
        let mut seen = Seen::new();
        let (mut cut, mut base, mut next) = (0, None, 1);
        let mut reached = 0;
        for generation in 1..6 {
            let table = runs.start(generation, (cut, base), above(reached)).unwrap();
            if rng.random_bool(0.4) {
                next += 1;
            }
            let begun = table.begin(version(next), &|| true).unwrap();
            let now: Seen = begun.iter().map(|(rows, from)| (*from, level(rows))).collect();
            for ts in (cut..reached.max(cut)).step_by(100) {
                assert_eq!(at(&now, ts), at(&seen, ts), "seed {seed}, {generation}, at {ts}");
            }
            let newest = *now.last_key_value().unwrap().0;
            assert_eq!(at(&now, EventTime::MAX), next, "seed {seed}: the file is in use");
            for (from, level) in now {
                if from >= newest || from >= cut {
                    seen.split_off(&from);
                    seen.insert(from, level);
                }
            }
            // The frontier moves; versions come, and manifests, and the process ends somewhere.
            for _ in 0..rng.random_range(0..12) {
                match rng.random_range(0..3) {
                    0 => {
                        next += 1;
                        let from = above(reached).max(*seen.last_key_value().unwrap().0);
                        let from = from.max(table.not_before());
                        take(&table, from, &version(next)).unwrap();
                        seen.insert(from, next);
                    }
                    1 => reached += rng.random_range(0..3_000),
                    _ => {
                        cut = cut.max(reached / 1_000 * 1_000);
                        base = table.at(cut);
                        table.release(base.unwrap());
                    }
                }
            }
        }
    }
}

#[test]
fn of_the_records_those_stay_in_use_that_an_event_behind_the_cut_sees() {
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let record = |number, from| VersionRecord {
            table: "levels".to_owned(),
            number,
            generation: 1,
            writer: String::new(),
            created_at: 0,
            from,
            reached: 0,
            rows: ListedVersion { name: String::new(), rows: 0, bytes: 0, crc32c: 0 },
            topic: None,
        };
        let mut from = 0;
        let chain: Vec<VersionRecord> = (1..=rng.random_range(1..12))
            .map(|number| {
                // Once in a while a definition begins anew, from before those that are there.
                from = if rng.random_bool(0.1) { 3 } else { from + rng.random_range(0..4) };
                record(number, from)
            })
            .collect();
        let cut = rng.random_range(0..20);
        let seen = seen_from(&chain, cut);
        let naive = |ts| chain.iter().rev().find(|record| record.from <= ts);
        for ts in cut..40 {
            let found = seen.iter().rev().find(|record| record.from <= ts).copied();
            assert_eq!(found, naive(ts), "seed {seed}, at {ts}");
        }
        let used = (cut..40).filter_map(naive).map(|record| record.number);
        let used: std::collections::BTreeSet<u64> = used.collect();
        assert!(seen.iter().map(|record| record.number).eq(used), "seed {seed}: none too many");
    }
}

#[test]
fn a_run_that_was_taken_over_records_nothing_more_and_what_it_has_recorded_counts() {
    let runs = Runs::new();
    let first = runs.start(1, (0, None), 0).unwrap();
    assert_eq!(first.begin(version(1), &|| true).unwrap().len(), 1);
    // The second has taken the manifests over, and the first does not know.
    take(&first, 7_000, &version(2)).unwrap();
    let second = runs.start(2, (5_000, Some(1)), 6_000).unwrap();
    let error = take(&first, 9_000, &version(3)).unwrap_err();
    assert!(error.is_taken_over() && error.to_string().contains("table \"levels\""), "{error}");
    let begun = second.begin(version(2), &|| true).unwrap();
    let begun: Vec<_> = begun.iter().map(|(rows, from)| (*from, level(rows))).collect();
    assert_eq!(begun, [(0, 1), (7_000, 2)]);
    assert_eq!(second.not_before(), 7_000, "no version is seen before the newest");
    let error = runs.start(1, (0, None), 0).err().expect("a later one leads");
    assert!(error.is_taken_over(), "{error}");
}

#[test]
fn a_file_that_changed_between_two_runs_is_seen_behind_all_that_was_given_out() {
    let runs = Runs::new();
    runs.start(1, (0, None), 0).unwrap().begin(version(1), &|| true).unwrap();
    // The second looks at what was given out, and ends before it has said anything else.
    runs.start(2, (0, None), 8_000).unwrap();
    let third = runs.start(3, (0, None), 1_000).unwrap();
    let begun = third.begin(version(2), &|| true).unwrap();
    let begun: Vec<_> = begun.iter().map(|(rows, from)| (*from, level(rows))).collect();
    assert_eq!(begun, [(0, 1), (8_000, 2)]);
    assert!(third.store(&version(2), &|| true).unwrap().is_none(), "it is the newest");
}

#[test]
fn of_a_changed_definition_is_kept_what_has_all_that_is_needed() {
    let runs = Runs { plan: plan(&[("level", Type::Int), ("name", Type::Text)]), ..Runs::new() };
    let row = |level, name: &str| {
        let cells = vec![Cell::Word(level), Cell::Bytes(name.as_bytes().to_vec())];
        vec![TableRow { key: b"u".to_vec(), row: Row { valid_from: 0, cells } }]
    };
    let first = runs.start(1, (0, None), 0).unwrap();
    first.begin(row(1, "one"), &|| true).unwrap();
    take(&first, 6_000, &row(2, "two")).unwrap();
    // A column less.
    let runs = Runs { plan: plan(&[("level", Type::Int)]), ..runs };
    let second = runs.start(2, (5_000, Some(1)), 7_000).unwrap();
    let begun = second.begin(version(2), &|| true).unwrap();
    let begun: Vec<_> = begun.iter().map(|(rows, from)| (*from, level(rows))).collect();
    assert_eq!(begun, [(0, 1), (6_000, 2)], "it is the same without the column");
    // One more: what is kept does not have it, so the table is as it is now.
    let runs = Runs { plan: plan(&[("level", Type::Int), ("age", Type::Int)]), ..runs };
    let wide = |level| {
        let cells = vec![Cell::Word(level), Cell::Word(9)];
        vec![TableRow { key: b"u".to_vec(), row: Row { valid_from: 0, cells } }]
    };
    let third = runs.start(3, (5_000, Some(1)), 7_000).unwrap();
    let begun = third.begin(wide(4), &|| true).unwrap();
    assert_eq!(begun, [(wide(4), 0)]);
    take(&third, 9_000, &wide(5)).unwrap();
    // It goes on with those, also from a checkpoint that is older.
    let fourth = runs.start(4, (5_000, Some(1)), 7_000).unwrap();
    let begun = fourth.begin(wide(5), &|| true).unwrap();
    assert_eq!(begun, [(wide(4), 0), (wide(5), 9_000)]);
}

#[test]
fn what_a_store_has_carried_out_and_not_acknowledged_is_done_once() {
    for fault in [CallFault::Before, CallFault::After] {
        let calls = AtomicUsize::new(0);
        let objects =
            MemoryObjects::asking(move |_: &str| match calls.fetch_add(1, Ordering::Relaxed) % 4 {
                1 => fault,
                _ => CallFault::None,
            });
        let runs = Runs { objects: Arc::new(objects), ..Runs::new() };
        let table = (0..20).find_map(|_| runs.start(1, (0, None), 0).ok()).expect("it starts");
        table.begin(version(1), &|| true).unwrap();
        take(&table, 5_000, &version(2)).unwrap();
        assert_eq!(table.versions(), 2);
        let records = VersionRecords::new(&*runs.objects);
        let chain = (0..20).find_map(|_| records.chain("levels", None).ok()).expect("it is read");
        assert_eq!(chain.len(), 2, "{fault:?}");
    }
}

#[test]
fn the_file_waits_while_there_are_too_many_versions() {
    let runs = Runs::new();
    let table = runs.start(1, (0, None), 0).unwrap();
    table.begin(version(1), &|| true).unwrap();
    for number in 2..=VERSIONS_MAX as u64 {
        assert_eq!(table.full(), None);
        take(&table, number * 1_000, &version(number)).unwrap();
    }
    let why = table.full().expect("it is full");
    assert!(why.starts_with("the state holds 1000 versions of the table \"levels\""), "{why}");
    table.release(table.at(900_000).unwrap());
    assert_eq!((table.full(), table.versions()), (None, 101));
}

#[test]
fn with_keys_the_rows_of_a_version_are_encrypted_and_come_back_with_them_only() {
    let path = std::env::temp_dir().join(format!("tidemark-kept-table-{}", std::process::id()));
    std::fs::write(&path, format!("first {}\n", "7a".repeat(32))).unwrap();
    let keys = Some(Arc::new(StateKeys::read(&path).unwrap()));
    std::fs::remove_file(&path).unwrap();
    let runs = Runs { plan: plan(&[("name", Type::Text)]), keys, ..Runs::new() };
    let row = Row { valid_from: 0, cells: vec![Cell::Bytes(b"Margarete Maultasch".to_vec())] };
    let rows = vec![TableRow { key: b"somebody".to_vec(), row }];
    runs.start(1, (0, None), 0).unwrap().begin(rows.clone(), &|| true).unwrap();
    let listed = runs.objects.list("").unwrap();
    assert_eq!(listed.len(), 2);
    for object in listed {
        let bytes = runs.objects.get(&object.name).unwrap().unwrap();
        for plain in [&b"somebody"[..], b"Maultasch"] {
            assert!(!bytes.windows(plain.len()).any(|at| at == plain), "{}", object.name);
        }
    }
    let second = runs.start(2, (0, Some(1)), 0).unwrap();
    assert_eq!(second.begin(rows.clone(), &|| true).unwrap(), [(rows.clone(), 0)]);
    let runs = Runs { keys: None, ..runs };
    let error = runs.start(3, (0, Some(1)), 0).unwrap().begin(rows, &|| true).unwrap_err();
    assert!(error.to_string().contains("versions/"), "{error}");
}
