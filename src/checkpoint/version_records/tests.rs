//! Records one after another, damage to them, and what may go.

use super::super::manifests::Manifests;
use super::super::samples::{cut_off, flipped};
use super::*;
use crate::objects::memory::MemoryObjects;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Of format 4, which was the first for records, written by the first program that wrote it.
const FIXTURE: &[u8] = include_bytes!("../../../tests/data/checkpoint/version-record-4");

/// The same of format 5, which was the first for tables that are topics.
const TOPIC_FIXTURE: &[u8] = include_bytes!("../../../tests/data/checkpoint/version-record-5");

/// A record of what was read of a topic.
fn of_topic() -> VersionRecord {
    let check = CheckRecord {
        offset: 40,
        timestamp: Some(1_764_356_389_000),
        checksum: 12_345_678_901_234_567_890,
    };
    let read = TopicPartition {
        partition: 0,
        read: 41,
        clock: Some(1_764_356_389_000),
        check: Some(check),
    };
    let topic = TopicPosition {
        name: "levels".to_owned(),
        id: Some("b2y3kTcOTxaQ".to_owned()),
        whole: false,
        partitions: vec![read, TopicPartition { partition: 1, ..TopicPartition::default() }],
    };
    VersionRecord { topic: Some(topic), ..record(7, 3, 1_764_356_390_000) }
}

fn record(number: u64, generation: u64, from: EventTime) -> VersionRecord {
    let rows = format!("versions/{generation:010}-{number:020}-0-0");
    VersionRecord {
        table: "levels".to_owned(),
        number,
        generation,
        writer: "5e884898da28".to_owned(),
        created_at: 1_764_356_400_123,
        from,
        reached: from + 1_000,
        rows: ListedVersion { name: rows, rows: 3, bytes: 400, crc32c: 17 },
        topic: None,
    }
}

fn stored(objects: &MemoryObjects, record: &VersionRecord) {
    assert_eq!(VersionRecords::new(objects).create(record).unwrap(), Creation::Created);
    objects.put(&record.rows.name, b"rows").unwrap();
}

#[test]
fn of_two_processes_that_create_a_record_one_learns_that_the_other_is_there() {
    let objects = MemoryObjects::new();
    let records = VersionRecords::new(&objects);
    assert!(records.chain("levels", None).unwrap().is_empty());
    stored(&objects, &record(1, 1, 0));
    assert_eq!(records.create(&record(1, 1, 0)).unwrap(), Creation::Created, "tried again");
    assert_eq!(records.create(&record(1, 2, 0)).unwrap(), Creation::Exists);
    stored(&objects, &record(2, 2, 5));
    stored(&objects, &VersionRecord { table: "level".to_owned(), ..record(1, 1, 0) });
    assert_eq!(records.chain("levels", None).unwrap(), [record(1, 1, 0), record(2, 2, 5)]);
    assert_eq!(records.chain("levels", Some(2)).unwrap(), [record(2, 2, 5)]);
}

#[test]
fn a_record_that_is_damaged_or_missing_is_named_and_none_is_used_without_it() {
    let objects = MemoryObjects::new();
    (1..=3).for_each(|number| stored(&objects, &record(number, 1, number * 1_000)));
    let records = VersionRecords::new(&objects);
    let name = table_record_name("levels", 2);
    let bytes = objects.get(&name).unwrap().unwrap();
    let fails = |how: &str| {
        let error = records.chain("levels", Some(1)).err();
        let error = error.unwrap_or_else(|| panic!("{how} is not found")).to_string();
        assert!(error.contains(&format!("could not use {name} in memory")), "{how}: {error}");
    };
    for (bytes, how) in flipped(&bytes).chain(cut_off(&bytes)) {
        objects.put(&name, &bytes).unwrap();
        fails(&how);
    }
    objects.delete(&name).unwrap();
    fails("missing");
    objects.put(&name, &objects.get(&table_record_name("levels", 3)).unwrap().unwrap()).unwrap();
    fails("another one");
    assert_eq!(
        records.chain("levels", Some(3)).unwrap().len(),
        1,
        "the newest is not in need of it"
    );
    let error = records.chain("levels", Some(4)).unwrap_err().to_string();
    assert!(error.contains("levels/00000000000000000004 in memory: it is missing"), "{error}");
}

#[test]
fn what_format_4_wrote_is_read() {
    let name = table_record_name("levels", 7);
    let object = sealed(name.clone(), &record(7, 3, 1_764_356_390_000)).unwrap();
    if std::env::var_os("TIDEMARK_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/checkpoint/version-record-4");
        std::fs::write(path, &object.bytes).unwrap();
    }
    let objects = MemoryObjects::new();
    objects.put(&name, FIXTURE).unwrap();
    let read = VersionRecords::new(&objects).read("levels", 7).unwrap();
    assert_eq!(read, record(7, 3, 1_764_356_390_000));
}

#[test]
fn what_format_5_wrote_is_read_and_written_so() {
    let objects = MemoryObjects::new();
    let name = table_record_name("levels", 7);
    let records = VersionRecords::new(&objects);
    assert_eq!(records.create(&of_topic()).unwrap(), Creation::Created);
    assert_eq!(objects.get(&name).unwrap().unwrap(), TOPIC_FIXTURE);
    let read = records.read("levels", 7).unwrap();
    assert_eq!(read, of_topic());
    assert!(!read.is_whole() && record(7, 3, 0).is_whole());
}

/// Against what is said of it: a version stays exactly as long as one of the newest three manifests needs
/// it or it is newer, and its rows as long as a record lists them.
#[test]
fn a_version_goes_once_no_kept_manifest_needs_it_and_never_before() {
    for seed in 0..60 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let objects = MemoryObjects::new();
        let manifests = Manifests::new(&objects);
        let mut leader = manifests.take_over(&Manifest::default(), "a", 0).unwrap();
        let held = BTreeSet::from(["levels".to_owned()]);
        let mut all: Vec<VersionRecord> = Vec::new();
        let mut bases = vec![None];
        let mut cut = 0;
        for _ in 0..30 {
            for _ in 0..rng.random_range(0..3) {
                let number = all.len() as u64 + 1;
                let from = cut + rng.random_range(0..4_000);
                let mut next = record(number, 1, from);
                // As a process does that takes over: the same rows once more.
                if let Some(last) = all.last().filter(|_| rng.random_bool(0.3)) {
                    next = VersionRecord { rows: last.rows.clone(), ..next };
                }
                stored(&objects, &next);
                all.push(next);
            }
            cut += rng.random_range(0..3_000);
            let base = all.iter().rev().find(|record| record.from <= cut).or(all.first());
            let base = base.map(|record| record.number);
            let tables = base.map(|base| ("levels".to_owned(), base)).into_iter().collect();
            leader.append(Manifest { cut, tables, ..Manifest::default() }).unwrap();
            bases.push(base);
            if rng.random_bool(0.5) {
                continue;
            }
            leader.collect(u64::MAX).unwrap();
            leader.collect_versions(&held, &|_, _| None).unwrap();
            let kept = &bases[bases.len().saturating_sub(3)..];
            let least = kept.iter().copied().min().unwrap();
            let there = VersionRecords::new(&objects).numbers().unwrap().remove("levels");
            let there = there.unwrap_or_default();
            let needed = |record: &&VersionRecord| least.is_none_or(|least| record.number >= least);
            let expected: Vec<u64> = all.iter().filter(needed).map(|r| r.number).collect();
            assert_eq!(there, expected, "seed {seed}");
            let names: BTreeSet<&str> =
                all.iter().filter(needed).map(|record| record.rows.name.as_str()).collect();
            let rows = objects.list(VERSIONS).unwrap();
            assert!(rows.iter().map(|one| one.name.as_str()).eq(names), "seed {seed}");
        }
    }
}

#[test]
fn of_a_table_that_the_job_no_longer_has_what_no_manifest_names_goes() {
    let objects = MemoryObjects::new();
    let manifests = Manifests::new(&objects);
    let mut leader = manifests.take_over(&Manifest::default(), "a", 0).unwrap();
    (1..=2).for_each(|number| stored(&objects, &record(number, 1, 0)));
    let tables = BTreeMap::from([("levels".to_owned(), 2)]);
    leader.append(Manifest { tables, ..Manifest::default() }).unwrap();
    leader.collect_versions(&BTreeSet::new(), &|_, _| None).unwrap();
    let numbers = || VersionRecords::new(&objects).numbers().unwrap().remove("levels");
    assert_eq!(numbers(), Some(vec![2]), "one needs it still");
    (0..3).for_each(|_| leader.append(Manifest::default()).unwrap());
    leader.collect_versions(&BTreeSet::new(), &|_, _| None).unwrap();
    assert_eq!(numbers(), None);
    assert!(objects.list(VERSIONS).unwrap().is_empty());
}
