//! The same event twice: copies of a record are told by its id, as the partition's log alone says.

use crate::files::tidemark;
use crate::folder::Folder;
use crate::memory::{Log, Output, Run, replay, verdicts, watched};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use tidemark_operators::plan::Plan;
use tidemark_operators::verdict::Reason;

const T: u64 = 1_767_484_955_000;

/// A job file whose source has these keys, too.
fn text(source: &str) -> String {
    format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\ntime = \"timestamp\"\n\
         out_of_orderness = \"5s\"\n{source}\n\
         [sources.tx.fields]\ncard_id = \"string\"\namount = \"decimal\"\ntx = \"string?\"\n\
         shop = \"int?\"\n[entities.card]\nkey = \"card_id\"\n\
         [views.v]\nentity = \"card\"\n[views.v.features]\n\
         c = {{ aggregate = \"count\", window = \"5m\" }}\n\
         s = {{ aggregate = \"sum\", of = \"amount\", window = \"5m\" }}\n\
         d = {{ aggregate = \"distinct\", of = \"tx\", window = \"5m\" }}\n"
    )
}

fn job(source: &str) -> Arc<Plan> {
    tidemark_jobs::load("case.toml", &text(source)).unwrap_or_else(|e| panic!("{e}")).plan
}

const BY_TX: &str = "id = \"tx\"\nunique_within = \"10m\"";

/// A record of the card `c`.
fn record(ts: u64, tx: &str) -> String {
    format!(r#"{{"timestamp": {ts}, "card_id": "c", "amount": 10, "tx": {tx}}}"#)
}

/// One partition's records through `plan`, and how many duplicates were left out.
fn read(plan: &Arc<Plan>, records: &[String]) -> (Output, u64) {
    let log = vec![records.iter().map(|record| record.clone().into_bytes()).collect()];
    let (output, observer) = watched(plan, &log, &Run::default());
    let duplicates = observer.metrics.iter().flat_map(|m| &m.verdicts);
    (output, duplicates.map(|verdicts| verdicts.duplicate.get()).sum())
}

fn same_event_twice() -> Vec<String> {
    vec![record(T, "\"t1\""), record(T, "\"t1\""), record(T, "\"t2\"")]
}

#[test]
fn the_same_event_twice_counts_once() {
    let (output, duplicates) = read(&job(BY_TX), &same_event_twice());
    assert_eq!((output.verdicts, duplicates), ([2, 0, 0, 0], 1));
    assert_eq!(output.live["v/c"], r#"{"c":2,"s":20.0,"d":2}"#);
    assert!(output.dead.is_empty());
    let (output, duplicates) = read(&job(""), &same_event_twice());
    assert_eq!((output.verdicts, duplicates), ([3, 0, 0, 0], 0), "unless the job names an id");
}

#[test]
fn a_duplicate_is_a_dead_letter_where_the_job_says_so() {
    let plan = job(&format!("{BY_TX}\nduplicates = \"dead\""));
    let (output, left_out) = read(&plan, &same_event_twice());
    assert_eq!((output.verdicts, left_out), ([2, 0, 0, 1], 0));
    let [letter] = &output.dead[..] else { panic!("{:?}", output.dead) };
    assert_eq!((letter.reason, letter.offset), (Reason::Duplicate, 1));
    assert_eq!(letter.event_time, Some(T));
    let error = "a record with the same tx was accepted before it, within 600000 ms";
    assert_eq!(letter.error.as_deref(), Some(error));
}

#[test]
fn what_has_no_id_is_never_a_duplicate() {
    let plan = job("id = [\"tx\", \"shop\"]\nunique_within = \"10m\"");
    let record = |tx: &str, shop: &str| {
        format!(r#"{{"timestamp": {T}, "card_id": "c", "amount": 10, "tx": {tx}, "shop": {shop}}}"#)
    };
    for (tx, shop) in
        [("null", "1"), ("\"a\"", "null"), ("\"\"", "1"), ("\"a\"", "\"x\""), ("[]", "1")]
    {
        let (output, duplicates) = read(&plan, &[record(tx, shop), record(tx, shop)]);
        assert_eq!((output.verdicts, duplicates), ([2, 0, 0, 0], 0), "{tx} {shop}");
    }
    let twice = [record("\"a\"", "1"), record("\"a\"", "\"1.0\""), record("\"a\"", "2")];
    assert_eq!(read(&plan, &twice).1, 1, "an id is what was read, however it was written");
}

#[test]
fn malformed_and_late_are_told_before_a_duplicate_which_moves_nothing() {
    let plan = job(&BY_TX.replace("10m", "1m"));
    let records = [
        record(T, "\"t1\""),
        record(T + 4_000, "\"t1\""),
        record(T - 5_000, "\"t2\""),
        record(T + 8_000, "\"t3\""),
        record(T + 2_999, "\"t1\""),
        record(T, "\"t1\"").replace("10", "\"ten\""),
        record(T + 60_000, "\"t1\""),
    ];
    let (output, duplicates) = read(&plan, &records);
    assert_eq!((output.verdicts, duplicates), ([4, 1, 0, 1], 1));
    let dead: Vec<_> = output.dead.iter().map(|letter| (letter.offset, letter.reason)).collect();
    assert_eq!(dead, [(4, Reason::Late), (5, Reason::Malformed)]);
    assert_eq!(output.newest, T + 60_000);
}

#[test]
fn a_copy_in_another_partition_is_one_more_event() {
    let log = vec![vec![record(T, "\"t1\"").into_bytes()], vec![record(T, "\"t1\"").into_bytes()]];
    assert_eq!(replay(&job(BY_TX), &log, &Run::default()).verdicts, [2, 0, 0, 0]);
}

#[test]
fn a_replay_says_how_many_duplicates_there_were_and_gives_the_rows_of_the_log() {
    let folder = Folder::new("unique");
    folder.write("job.toml", text(BY_TX));
    let records: Vec<String> =
        (0..300_u64).map(|n| record(T + n, &format!("\"t{}\"", n % 97))).collect();
    folder.write("tx.jsonl", records.join("\n"));
    let ended =
        tidemark(folder.path(), "replay job.toml --source tx=tx.jsonl --sealed sealed.jsonl", b"");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let (output, duplicates) = read(&job(BY_TX), &records);
    assert_eq!(duplicates, 300 - 97);
    assert!(ended.out.contains("\"duplicate\":203"), "{}", ended.out);
    assert_eq!(std::fs::read_to_string(folder.path().join("sealed.jsonl")).unwrap(), output.sealed);
}

#[test]
fn check_says_what_is_told_and_what_that_takes() {
    let job = tidemark_jobs::load("case.toml", &text(BY_TX)).unwrap();
    let said = "  unique  by tx: a copy within 10m of its partition's clock is counted, and no event;\n\
                \u{20}         one in another partition is not told, and is one more event\n\
                \u{20} memory  100 MB at most for each million ids inside, of at most 4,000,000 for each \
                partition\n";
    assert!(job.report().contains(said), "{}", job.report());
}

#[test]
fn an_id_that_cannot_be_is_refused_before_the_job_runs() {
    for (source, said) in [
        ("id = \"tx\"", "unique_within"),
        ("unique_within = \"1m\"", "which the source does not name"),
        ("duplicates = \"dead\"", "which the source does not name"),
        ("id = \"txn\"\nunique_within = \"1m\"", "names no field: \"txn\""),
        ("id = []\nunique_within = \"1m\"", "must name 1 to 8 fields, not 0"),
    ] {
        let error = tidemark_jobs::load("case.toml", &text(source)).unwrap_err().to_string();
        assert!(error.contains(said), "{source}: {error}");
    }
}

/// The records that are there once: no duplicates, told by looking through all events before.
fn without_copies(partition: &[(u64, u8, u8)], within: u64) -> Vec<(u64, u8, u8)> {
    let mut kept: Vec<(u64, u8, u8)> = Vec::new();
    for &(ts, card, tx) in partition {
        let clock = kept.iter().map(|(at, ..)| *at).max();
        let now = clock.map_or(ts, |clock| clock.max(ts));
        let late = clock.is_some_and(|clock| ts < clock - 5_000);
        let copy = kept.iter().any(|(at, _, other)| *other == tx && at + within > now);
        if !late && !copy {
            kept.push((ts, card, tx));
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_remains_is_what_a_log_without_copies_gives_on_one_two_and_three_workers(
        partitions in prop::collection::vec(
            prop::collection::vec((0u64..4_000, 0u64..7_000, 0u8..4, 0u8..12), 1..60),
            1..4,
        ),
        within in 1u64..20_000,
        seed in 0u64..1_000,
    ) {
        let partitions: Vec<Vec<(u64, u8, u8)>> = partitions
            .into_iter()
            .map(|steps| {
                let mut now = T;
                steps
                    .into_iter()
                    .map(|(later, back, card, tx)| {
                        now += later;
                        (now - back, card, tx)
                    })
                    .collect()
            })
            .collect();
        let log = |partitions: &[Vec<(u64, u8, u8)>]| -> Log {
            let line = |(ts, card, tx): &(u64, u8, u8)| {
                let record = format!(
                    r#"{{"timestamp": {ts}, "card_id": "c{card}", "amount": {tx}, "tx": "t{tx}"}}"#
                );
                record.into_bytes()
            };
            partitions.iter().map(|records| records.iter().map(line).collect()).collect()
        };
        let plan = job(&format!("id = \"tx\"\nunique_within = \"{within}ms\""));
        let run = |workers| replay(&plan, &log(&partitions), &Run { workers, seed, ..Run::default() });
        let one = run(1);
        for workers in [2, 3] {
            let other = run(workers);
            prop_assert_eq!(&other.sealed, &one.sealed);
            prop_assert_eq!(&other.live, &one.live);
        }
        let once: Vec<_> = partitions.iter().map(|it| without_copies(it, within)).collect();
        let plain = replay(&job(""), &log(&once), &Run::default());
        prop_assert_eq!(plain.verdicts[0], once.iter().map(Vec::len).sum::<usize>() as u64);
        prop_assert_eq!(&one.live, &plain.live);
        // Row for row, but for the offsets, which a log without copies does not have.
        let rows = |sealed: &str| -> BTreeSet<String> {
            sealed.lines().map(|line| {
                let (head, tail) = line.split_once("\"offset\":").unwrap();
                format!("{head}{}", tail.trim_start_matches(|c: char| c.is_ascii_digit()))
            }).collect()
        };
        prop_assert_eq!(rows(&one.sealed), rows(&plain.sealed));
    }
}

#[test]
fn verdicts_add_up_to_the_records_read() {
    let log = vec![same_event_twice().into_iter().map(String::into_bytes).collect()];
    let (_, observer) = watched(&job(BY_TX), &log, &Run::default());
    let totals = observer.metrics.iter().flat_map(|m| &m.verdicts).map(|v| v.total()).sum::<u64>();
    assert_eq!((totals, verdicts(&observer)), (3, [2, 0, 0, 0]));
    let held: u64 = observer.metrics.iter().flat_map(|m| &m.unique).map(|ids| ids.held.get()).sum();
    assert_eq!(held, 2);
}
