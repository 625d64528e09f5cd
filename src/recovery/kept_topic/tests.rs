//! Runs one after another, which keep what one topic says.

use super::super::kept_table::TakenOver;
use super::*;
use crate::checkpoint::VersionRecords;
use crate::objects::Objects;
use crate::objects::memory::MemoryObjects;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use tidemark_operators::cut::RecordCheck;
use tidemark_operators::plan::{Matching, SourcePlan, TableColumn, TablePlan, TimeField, TimeUnit};
use tidemark_operators::value::Type;

fn plan(topic: &str, columns: &[(&str, Type)]) -> TablePlan {
    let column = |(name, ty): &(&str, Type)| TableColumn {
        name: (*name).to_owned(),
        ty: *ty,
        required: false,
    };
    let time = TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms);
    let source =
        SourcePlan { topic: Some(topic.to_owned()), ..SourcePlan::new("levels", time, Vec::new()) };
    TablePlan {
        name: "levels".to_owned(),
        key: "user".to_owned(),
        matching: Matching::Exact(Type::Text),
        columns: columns.iter().map(column).collect(),
        rows_max: 100,
        from: TableFrom::Topic { key_path: Vec::new(), source: Box::new(source) },
    }
}

struct Runs {
    objects: Arc<dyn Objects>,
    plan: TablePlan,
}

impl Runs {
    fn new() -> Self {
        Runs { objects: Arc::new(MemoryObjects::new()), plan: plan("t", &[("level", Type::Int)]) }
    }

    fn start(
        &self,
        generation: u64,
        (cut, base): (EventTime, Option<u64>),
        reached: EventTime,
    ) -> Result<(KeptTopic, Option<TopicRead>), RecoveryError> {
        let taken = TakenOver {
            objects: Arc::clone(&self.objects),
            keys: None,
            generation,
            writer: format!("run {generation}"),
            cut,
            progress: Arc::default(),
            over: Arc::default(),
        };
        let table = KeptTable::take_over((&self.plan, 0), taken, base, reached)?;
        KeptTopic::begin(&Arc::new(table))
    }
}

/// From then on the level of `user` is this; `None`: it is deleted.
fn level(user: u64, from: EventTime, level: Option<u64>) -> RowState {
    let cells = level.map(|level| vec![Cell::Word(level)]);
    RowState { key: format!("u{user}").into_bytes(), from, cells }
}

fn read(states: Vec<RowState>, (whole, at): (bool, EventTime), read: u64) -> TopicRead {
    let last = RecordCheck { offset: read, timestamp: Some(7), checksum: read };
    let mark = TopicMark { read, clock: Some(at), last: Some(last) };
    TopicRead { states, whole, at, partitions: BTreeMap::from([(3, mark)]) }
}

fn keep(kept: &mut KeptTopic, of: TopicRead) -> Result<(), RecoveryError> {
    kept.keep(of, &|| true)
}

/// Every state is looked at; of two of one time the last counts.
fn scan(states: &[RowState], user: u64, ts: EventTime) -> Option<u64> {
    let key = format!("u{user}").into_bytes();
    let seen = states.iter().filter(|state| state.key == key && state.from <= ts);
    match seen.max_by_key(|state| state.from)?.cells.as_deref()? {
        [Cell::Word(level)] => Some(*level),
        other => panic!("{other:?}"),
    }
}

/// Against a list of all that was ever kept, whatever is merged, released and repeated, from whatever
/// checkpoint a run goes on.
#[test]
fn every_run_sees_from_its_cut_on_what_was_kept_by_those_before() {
    for seed in 0..40 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let runs = Runs::new();
        let mut all: Vec<RowState> = Vec::new();
        let (mut at, mut cut, mut base, mut offset) = (0, 0, None, 0);
        for generation in 1..8 {
            let (mut kept, begun) = runs.start(generation, (cut, base), 0).unwrap();
            assert_eq!(begun.is_none(), generation == 1, "seed {seed}");
            let begun = begun.unwrap_or_default();
            assert_eq!(begun.partitions.get(&3).map_or(0, |mark| mark.read), offset);
            for ts in cut..at + 10 {
                for user in 0..4 {
                    let (found, said) = (scan(&begun.states, user, ts), scan(&all, user, ts));
                    assert_eq!(found, said, "seed {seed}, run {generation}, u{user} at {ts}");
                }
            }
            if generation == 1 {
                all.push(level(0, 2, Some(1)));
                keep(&mut kept, read(all.clone(), (true, 0), 0)).unwrap();
            }
            for _ in 0..rng.random_range(0..12) {
                at += rng.random_range(0..3);
                offset += rng.random_range(1..5);
                let states: BTreeMap<(u64, EventTime), RowState> = (0..rng.random_range(1..5))
                    .map(|_| {
                        let (user, from) = (rng.random_range(0..4), at + rng.random_range(0..6));
                        let to = rng.random_bool(0.8).then(|| rng.random_range(0..9));
                        ((user, from), level(user, from, to))
                    })
                    .collect();
                let states: Vec<RowState> = states.into_values().collect();
                all.extend_from_slice(&states);
                keep(&mut kept, read(states, (false, at), offset)).unwrap();
                if rng.random_bool(0.3) {
                    cut = rng.random_range(cut..=at);
                    kept.table.begun_progress().sealed_cut.store(cut, Ordering::Release);
                    base = kept.table.at(cut);
                }
                if rng.random_bool(0.2) {
                    kept.merge_all(&|| true).unwrap();
                }
                if rng.random_bool(0.2) {
                    kept.table.release(base.unwrap_or(0));
                }
            }
        }
    }
}

#[test]
fn much_that_is_kept_becomes_one_whole_version_and_what_is_before_it_goes() {
    let runs = Runs::new();
    let (mut kept, _) = runs.start(1, (0, None), 0).unwrap();
    keep(&mut kept, read(Vec::new(), (true, 0), 0)).unwrap();
    for batch in 1..=BATCHES_MAX as u64 {
        keep(&mut kept, read(vec![level(1, batch, Some(batch))], (false, batch), batch)).unwrap();
        kept.table.begun_progress().sealed_cut.store(batch, Ordering::Release);
        kept.merge(&|| true).unwrap();
    }
    let newest = kept.table.newest_whole().unwrap();
    assert_eq!((newest.number, newest.from, newest.rows.rows), (258, 256, 1));
    assert_eq!((kept.batches, kept.changed.len()), (0, 0));
    assert_eq!(kept.table.at(255), Some(1), "an older checkpoint needs all");
    assert_eq!(kept.table.at(256), Some(258));
}

#[test]
fn many_starts_between_two_updates_do_not_fill_the_state() {
    let runs = Runs::new();
    let (mut kept, _) = runs.start(1, (0, None), 0).unwrap();
    keep(&mut kept, read(vec![level(1, 0, Some(1))], (true, 0), 1)).unwrap();
    keep(&mut kept, read(vec![level(1, 5, Some(2))], (false, 5), 2)).unwrap();
    for generation in 2..=BATCHES_MAX as u64 + 2 {
        let (mut kept, begun) = runs.start(generation, (9, Some(1)), 0).unwrap();
        assert_eq!(begun.unwrap().states.last(), Some(&level(1, 5, Some(2))));
        kept.merge(&|| true).unwrap();
    }
    let (kept, begun) = runs.start(1_000, (9, Some(1)), 0).unwrap();
    assert_eq!(begun.unwrap().states, [level(1, 5, Some(2))], "from one whole version");
    assert!(kept.table.at(9) > Some(BATCHES_MAX as u64));
}

#[test]
fn a_run_that_was_taken_over_keeps_nothing_more_and_what_it_has_kept_counts() {
    let runs = Runs::new();
    let (mut first, _) = runs.start(1, (0, None), 0).unwrap();
    keep(&mut first, read(vec![level(1, 0, Some(1))], (true, 0), 4)).unwrap();
    keep(&mut first, read(vec![level(1, 7_000, Some(2))], (false, 7_000), 5)).unwrap();
    let (second, begun) = runs.start(2, (5_000, Some(1)), 6_000).unwrap();
    let error = keep(&mut first, read(vec![level(1, 9_000, None)], (false, 9_000), 6)).unwrap_err();
    assert!(error.is_taken_over() && error.to_string().contains("table \"levels\""), "{error}");
    let begun = begun.unwrap();
    assert_eq!(begun.states, [level(1, 0, Some(1)), level(1, 7_000, Some(2))]);
    let mark = begun.partitions[&3];
    assert_eq!((mark.read, mark.clock, mark.last.unwrap().offset), (5, Some(7_000), 5));
    assert_eq!(second.table.not_before(), 7_000, "nothing is seen before the newest");
}

#[test]
fn of_a_changed_definition_is_kept_what_has_all_that_is_needed() {
    let wide = plan("t", &[("level", Type::Int), ("name", Type::Text)]);
    let runs = Runs { plan: wide, ..Runs::new() };
    let state = |level| {
        let cells = Some(vec![Cell::Word(level), Cell::Bytes(b"one".to_vec())]);
        RowState { key: b"u1".to_vec(), from: 0, cells }
    };
    let (mut first, _) = runs.start(1, (0, None), 0).unwrap();
    keep(&mut first, read(vec![state(1)], (true, 0), 4)).unwrap();
    let start = |plan, generation| {
        Runs { plan, ..Runs { objects: Arc::clone(&runs.objects), ..Runs::new() } }
            .start(generation, (0, Some(1)), 0)
            .unwrap()
    };
    let (_, begun) = start(plan("t", &[("level", Type::Int)]), 2);
    assert_eq!(begun.unwrap().states, [level(1, 0, Some(1))], "it is the same without the column");
    let (_, begun) = start(plan("t", &[("level", Type::Int), ("age", Type::Int)]), 3);
    assert_eq!(begun, None, "it was not kept");
    let (_, begun) = start(plan("other", &[("level", Type::Int)]), 4);
    assert_eq!(begun, None, "it is another topic");
    let from = TableFrom::File { path: String::new(), valid_from: None, reload: 1 };
    let file = TablePlan { from, ..plan("t", &[("level", Type::Int)]) };
    let taken = Runs { plan: file, objects: Arc::clone(&runs.objects) };
    let (kept, begun) = taken.start(5, (0, Some(1)), 0).unwrap();
    assert_eq!(begun, None);
    assert!(kept.table.begin(Vec::new(), &|| true).unwrap()[0].0.is_empty(), "it is a file now");
}

#[test]
fn what_is_damaged_or_missing_is_named_and_never_used() {
    let runs = Runs::new();
    let (mut kept, _) = runs.start(1, (0, None), 0).unwrap();
    keep(&mut kept, read(vec![level(1, 0, Some(1))], (true, 0), 4)).unwrap();
    keep(&mut kept, read(vec![level(1, 5, None)], (false, 5), 5)).unwrap();
    let chain = VersionRecords::new(&*runs.objects).chain("levels", None).unwrap();
    let names: Vec<String> = chain
        .iter()
        .flat_map(|record| {
            [record.rows.name.clone(), VersionRecords::name("levels", record.number)]
        })
        .collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let whole = runs.objects.get(&name).unwrap().unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 4;
        for damage in [Some(flipped), Some(whole[..whole.len() / 2].to_vec()), None] {
            match &damage {
                Some(bytes) => runs.objects.put(&name, bytes).unwrap(),
                None => runs.objects.delete(&name).unwrap(),
            }
            let last = chain.last().map(|last| VersionRecords::name("levels", last.number));
            // The newest record that is missing was never there, for all that the others say.
            let is_last = damage.is_none() && last.as_ref() == Some(&name);
            match runs.start(1, (0, Some(1)), 0) {
                Err(error) => assert!(error.to_string().contains(&name), "{name}: {error}"),
                Ok(_) => assert!(is_last, "{name} is used"),
            }
            // What it has repeated goes.
            for number in chain.len() as u64 + 1..10 {
                runs.objects.delete(&VersionRecords::name("levels", number)).unwrap();
            }
            runs.objects.put(&name, &whole).unwrap();
        }
    }
}
