//! The chain of manifests in one process after another, and damage to them.

use super::super::manifest::{
    HistoryMark, LackingState, ListedIndex, PartitionMark, Position, ReadHistory, Snapshot,
};
use super::super::samples::{cut_off, flipped, rows, schema, states};
use super::super::{
    ForgottenEntity, ListedIds, ListedStates, SEGMENTS_LISTED_MAX, StatesWriter, StoredObject,
    encode_segment,
};
use super::*;
use crate::checkpoint::{CheckRecord, Verified, verify_segment, verify_states};
use crate::objects::memory::MemoryObjects;

/// Of each format, written by the first program that wrote it.
const FIXTURES: [&[u8]; 4] = [
    include_bytes!("../../../tests/data/checkpoint/manifest-1"),
    include_bytes!("../../../tests/data/checkpoint/manifest-2"),
    include_bytes!("../../../tests/data/checkpoint/manifest-3"),
    include_bytes!("../../../tests/data/checkpoint/manifest-4"),
];

/// One with something in every field.
fn full() -> Manifest {
    Manifest {
        sequence: 7,
        generation: 3,
        writer: "5e884898da28".to_owned(),
        store_id: "store".to_owned(),
        live_clock_at: 1_764_356_400_100,
        created_at: 1_764_356_400_123,
        program: "0.1.0".to_owned(),
        time_zones: "2025b".to_owned(),
        job: "fraud".to_owned(),
        fingerprint: [("card".to_owned(), "amount decimal wide".to_owned())].into(),
        cut: 1_764_356_390_000,
        live_clock: 1_764_356_399_001,
        partitions: vec![PartitionMark {
            source: "transactions".to_owned(),
            partition: 3,
            identity: Some("Yk3t".to_owned()),
            first_offset: Some(17),
            first_accepted: Some(1_764_000_000_000),
            read: u64::MAX,
            reread: 4_500,
            clock: Some(1_764_356_398_000),
            newest: Some(1_764_356_398_000),
            accepted: 17,
            refused: vec![(4_501, 4_502), (4_600, 4_700)],
            check: Some(CheckRecord { offset: 3, timestamp: Some(1), checksum: u64::MAX }),
            history: Some(HistoryMark { end: 4_600, until: 1_764_356_390_000 }),
        }],
        rows_from: Some(1_764_000_000_000),
        lacking: vec![LackingState {
            entity: "card".to_owned(),
            what: "count of transactions in 60000 ms".to_owned(),
            since: 1_764_356_390_000,
        }],
        segments: vec![segment(1)],
        indexes: vec![ListedIndex {
            name: "indexes/0000000003-00000000000000000006-0-0".to_owned(),
            segments: 500,
            rows: 7,
            from: 0,
            to: 9,
            bytes: 10,
            crc32c: 11,
        }],
        snapshot: Some(Snapshot {
            as_of: 60_000,
            states: vec![ListedStates {
                name: "states/0000000003-00000000000000000006-0-0".to_owned(),
                entity: "card".to_owned(),
                as_of: 60_000,
                entities: 1,
                bytes: 2,
                crc32c: 3,
            }],
        }),
        ids: vec![ListedIds {
            name: "ids/0000000003-00000000000000000006-0-0".to_owned(),
            level: 1,
            ids: 2,
            partitions: vec![("transactions".to_owned(), 3, 1_764_356_397_000)],
            bytes: 4,
            crc32c: 5,
        }],
        outbox: [
            ("letters".to_owned(), Position::Number(12)),
            ("rows".to_owned(), Position::Text("rows-12.jsonl".to_owned())),
        ]
        .into(),
        tables: [("ip_reputation".to_owned(), 4)].into(),
        tombstones: vec![ForgottenEntity {
            entity: "card".to_owned(),
            id: "card_1".to_owned(),
            before: 1_764_356_380_000,
            ..ForgottenEntity::default()
        }],
        history: Some(ReadHistory {
            files: [("transactions".to_owned(), vec!["may.jsonl.zst".to_owned()])].into(),
            until: Some(1_764_356_390_000),
            is_whole: true,
        }),
    }
}

fn segment(number: u64) -> ListedSegment {
    ListedSegment {
        name: format!("segments/0000000001-{number:020}-0-0"),
        entity: "card".to_owned(),
        rows: 1,
        from: number,
        to: number + 1,
        bytes: 5,
        crc32c: 0,
        merged: false,
    }
}

fn taken_over<'a>(objects: &'a dyn Objects, writer: &str) -> Leader<'a> {
    Manifests::new(objects).take_over(&Manifest::default(), writer, 1).unwrap()
}

fn put(objects: &dyn Objects, name: &str) {
    store(objects, &StoredObject { name: name.to_owned(), bytes: b"bytes".to_vec() }).unwrap();
}

#[test]
fn a_manifest_comes_back_from_a_text_that_people_can_read() {
    let objects = MemoryObjects::new();
    let object = sealed(manifest_name(7), &full()).unwrap();
    if std::env::var_os("TIDEMARK_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/checkpoint/manifest-4");
        std::fs::write(path, &object.bytes).unwrap();
    }
    store(&objects, &object).unwrap();
    assert_eq!(Manifests::new(&objects).read(7).unwrap(), Some(full()));
    assert_eq!(Manifests::new(&objects).read(8).unwrap(), None);
    let text = String::from_utf8(object.bytes).unwrap();
    assert!(text.contains("\n  \"cut\": 1764356390000,\n"), "{text}");
}

#[test]
fn what_formats_1_to_4_wrote_is_read() {
    let mut third = Manifest { history: None, ..full() };
    third.partitions.iter_mut().for_each(|mark| mark.history = None);
    let second = Manifest { rows_from: None, lacking: Vec::new(), ..third.clone() };
    let nothing = Manifest { store_id: String::new(), live_clock_at: 0, ..second.clone() };
    let first = Manifest { ids: Vec::new(), ..nothing };
    for (fixture, expected) in FIXTURES.into_iter().zip([first, second, third, full()]) {
        let objects = MemoryObjects::new();
        objects.held().insert(manifest_name(7), fixture.to_vec());
        assert_eq!(Manifests::new(&objects).read(7).unwrap(), Some(expected));
    }
}

#[test]
fn every_flipped_bit_every_cut_and_every_surplus_of_a_manifest_is_found() {
    let object = sealed(manifest_name(7), &full()).unwrap();
    let fails = |bytes: Vec<u8>, how: String| {
        let objects = MemoryObjects::new();
        objects.held().insert(manifest_name(7), bytes);
        let error = Manifests::new(&objects).read(7).err();
        let error = error.unwrap_or_else(|| panic!("{how} is not found")).to_string();
        assert!(error.contains(&manifest_name(7)), "{how}: {error}");
    };
    let damaged = flipped(&object.bytes).chain(cut_off(&object.bytes));
    damaged.for_each(|(bytes, how)| fails(bytes, how));
    fails([&object.bytes[..], b"\n"].concat(), "one byte more".to_owned());
    // Under another number it is another's.
    let objects = MemoryObjects::new();
    objects.held().insert(manifest_name(8), object.bytes);
    let error = Manifests::new(&objects).read(8).unwrap_err().to_string();
    assert!(error.contains("it is manifest 7"), "{error}");
}

#[test]
fn a_process_goes_on_from_the_newest_and_the_one_before_it_is_fenced() {
    let objects = MemoryObjects::new();
    let mut first = taken_over(&objects, "a");
    assert_eq!((first.manifest().generation, first.manifest().sequence), (1, 1));
    first.append(Manifest { cut: 10, ..first.manifest().clone() }).unwrap();
    let mut second = taken_over(&objects, "b");
    let manifest = second.manifest().clone();
    assert_eq!((manifest.generation, manifest.sequence, manifest.cut), (2, 3, 10));
    let error = first.append(Manifest { cut: 20, ..first.manifest().clone() }).unwrap_err();
    assert!(matches!(error, CheckpointError::Fenced { sequence: 3, generation: 1, .. }));
    assert!(error.to_string().contains("so this one must end"), "{error}");
    assert!(matches!(first.collect(9), Err(CheckpointError::Fenced { .. })));
    second.append(Manifest { cut: 30, ..manifest }).unwrap();
    let newest = Manifests::new(&objects).newest().unwrap().unwrap();
    assert_eq!((newest.manifest.cut, newest.manifest.sequence, newest.next), (30, 4, 5));
}

#[test]
fn a_process_that_slept_while_its_number_was_collected_is_fenced_all_the_same() {
    let objects = MemoryObjects::new();
    let mut first = taken_over(&objects, "a");
    let mut second = taken_over(&objects, "b");
    for cut in 1..6 {
        second.append(Manifest { cut, ..second.manifest().clone() }).unwrap();
        second.collect(99).unwrap();
    }
    assert_eq!(Manifests::new(&objects).sequences().unwrap(), [5, 6, 7]);
    // Number 2, the next for the first, is free again.
    let error = first.append(first.manifest().clone()).unwrap_err();
    assert!(error.to_string().contains("manifest 7 is there"), "{error}");
    let newest = Manifests::new(&objects).newest().unwrap().unwrap();
    assert_eq!((newest.manifest.cut, newest.manifest.sequence), (5, 7));
}

#[test]
fn a_manifest_that_was_created_although_the_call_failed_is_the_leaders_own() {
    let objects = MemoryObjects::new();
    let mut leader = taken_over(&objects, "a");
    let next = Manifest { cut: 5, ..leader.manifest().clone() };
    let created = Manifest { sequence: 2, ..next.clone() };
    objects.held().insert(manifest_name(2), sealed(String::new(), &created).unwrap().bytes);
    leader.append(next).unwrap();
    assert_eq!(leader.manifest().sequence, 2);
}

#[test]
fn a_torn_newest_manifest_is_passed_over_and_told_and_its_number_is_not_used_again() {
    let objects = MemoryObjects::new();
    let mut leader = taken_over(&objects, "a");
    leader.append(Manifest { cut: 10, ..leader.manifest().clone() }).unwrap();
    leader.append(Manifest { cut: 20, ..leader.manifest().clone() }).unwrap();
    objects.held().get_mut(&manifest_name(3)).unwrap().truncate(40);
    let newest = Manifests::new(&objects).newest().unwrap().unwrap();
    assert_eq!((newest.manifest.cut, newest.next, newest.skipped.len()), (10, 4, 1));
    assert_eq!(newest.skipped[0].object, manifest_name(3));
    let second = taken_over(&objects, "b");
    assert_eq!((second.manifest().sequence, second.manifest().cut), (4, 10));
    assert_eq!(second.skipped()[0].object, manifest_name(3));
    // The one that wrote it goes on to number 4.
    assert!(matches!(leader.append(Manifest::default()), Err(CheckpointError::Fenced { .. })));
}

#[test]
fn damage_to_all_manifests_is_an_error_and_no_beginning_from_nothing() {
    let objects = MemoryObjects::new();
    taken_over(&objects, "a");
    taken_over(&objects, "b");
    for bytes in objects.held().values_mut() {
        bytes[5] ^= 1;
    }
    let error = Manifests::new(&objects).take_over(&Manifest::default(), "c", 1);
    let error = error.err().unwrap().to_string();
    assert!(error.contains(&manifest_name(2)), "{error}");
    assert_eq!(objects.held().len(), 2);
}

#[test]
fn a_manifest_of_a_newer_program_stops_an_older_one() {
    let objects = MemoryObjects::new();
    taken_over(&objects, "a");
    let newer = String::from_utf8(sealed(String::new(), &full()).unwrap().bytes).unwrap();
    let (text, _) = newer.rsplit_once("{\"bytes\"").unwrap();
    let text = text.replace("\"format\": 4,", "\"format\": 5, \"unknown\": 0,");
    let seal = format!(
        "{{\"bytes\": {}, \"crc32c\": \"{:08x}\"}}\n",
        text.len(),
        crc32c::crc32c(text.as_bytes())
    );
    objects.held().insert(manifest_name(2), (text + &seal).into_bytes());
    let error = Manifests::new(&objects).take_over(&Manifest::default(), "b", 1);
    let error = error.err().unwrap().to_string();
    assert!(error.contains("it has format 5, and this program knows 4"), "{error}");
    assert_eq!(objects.held().len(), 2);
}

#[test]
fn what_no_kept_manifest_lists_goes_unless_it_is_still_being_written() {
    let objects = MemoryObjects::new();
    let name = |generation, sequence, number| {
        let written = WrittenBy { generation, sequence, worker: 0, number };
        object_name(ListedKind::Segment, written)
    };
    let listed = |name: &str, to| ListedSegment { name: name.to_owned(), to, ..segment(0) };
    put(&objects, &name(1, 2, 0));
    put(&objects, &name(1, 2, 1));
    taken_over(&objects, "a");
    let mut leader = taken_over(&objects, "b");
    for sequence in 3..8 {
        put(&objects, &name(2, sequence, 0));
        let mut next = leader.manifest().clone();
        next.retire(sequence - 2);
        next.segments.push(listed(&name(2, sequence, 0), sequence));
        leader.append(next).unwrap();
    }
    // Of another process of before, of this one, of one that is being written, of the next ones.
    for kept_or_not in [name(1, 9, 0), name(2, 5, 9), name(2, 7, 9), name(2, 8, 0), name(3, 1, 0)] {
        put(&objects, &kept_or_not);
    }
    put(&objects, "segments/what-is-not-ours");
    let collected = leader.collect(7).unwrap();
    let left: Vec<_> = objects.held().keys().cloned().collect();
    let expected = [
        manifest_name(5),
        manifest_name(6),
        manifest_name(7),
        // Listed by manifest 5, 6 and 7.
        name(2, 4, 0),
        name(2, 5, 0),
        name(2, 6, 0),
        name(2, 7, 0),
        name(2, 7, 9),
        name(2, 8, 0),
        name(3, 1, 0),
        "segments/what-is-not-ours".to_owned(),
    ];
    assert_eq!(left, expected);
    assert_eq!((collected.manifests, collected.objects, collected.bytes), (4, 5, 25));
    assert_eq!(leader.collect(7).unwrap(), Collected::default());
}

#[test]
fn the_oldest_of_too_many_segments_are_listed_through_an_index() {
    let objects = MemoryObjects::new();
    let mut leader = taken_over(&objects, "a");
    let all: Vec<_> = (0..SEGMENTS_LISTED_MAX as u64 + 1).map(segment).collect();
    all.iter().for_each(|segment| put(&objects, &segment.name));
    let many = Manifest { segments: all.clone(), ..leader.manifest().clone() };
    leader.append(many.clone()).unwrap();
    let manifest = leader.manifest().clone();
    assert_eq!((manifest.segments.len(), manifest.indexes.len()), (500, 1));
    assert_eq!(manifest.indexes[0].segments, 501);
    assert_eq!(leader.segments().unwrap(), all);
    leader.collect(99).unwrap();
    assert_eq!(
        objects.held().keys().filter(|name| name.starts_with("segments/")).count(),
        all.len()
    );

    let index = manifest.indexes[0].name.clone();
    objects.held().get_mut(&index).unwrap()[5] ^= 1;
    let error = leader.segments().unwrap_err().to_string();
    assert!(error.contains(&index), "{error}");
    let held = objects.held().len();
    assert!(leader.collect(99).is_err());
    assert_eq!(objects.held().len(), held);

    // When all that it lists is old it goes as a whole.
    let mut next = manifest;
    next.retire(501);
    assert_eq!((next.segments.len(), next.indexes.len()), (500, 0));
}

#[test]
fn names_say_who_wrote_them_and_only_what_is_a_manifests_is_one() {
    let written = WrittenBy { generation: 2, sequence: 17, worker: 0, number: 3 };
    for kind in [ListedKind::Segment, ListedKind::States, ListedKind::Index] {
        assert_eq!(written_in(&object_name(kind, written)), Some((2, 17)));
    }
    assert_eq!(written_in("segments/x"), None);
    assert_eq!(written_in("segments"), None);
    assert_eq!(manifest_sequence(&manifest_name(u64::MAX)), Some(u64::MAX));
    for name in ["manifests/1", "manifests/x", "segments/00000000000000000001", "manifests/"] {
        assert_eq!(manifest_sequence(name), None, "{name}");
    }
}

#[test]
fn segments_and_snapshots_are_listed_as_they_were_written() {
    let objects = MemoryObjects::new();
    let mut leader = taken_over(&objects, "a");
    let written = WrittenBy { generation: 1, sequence: 2, worker: 0, number: 0 };
    let name = object_name(ListedKind::Segment, written);
    let (object, segment) =
        encode_segment(name, schema(), 1_000..60_000, &rows(20, 1), None).unwrap();
    store(&objects, &object).unwrap();
    let states = states(3);
    let identities = states.components.iter().map(|component| component.identity.clone());
    let name = object_name(ListedKind::States, written);
    let mut writer = StatesWriter::new(name, "card".to_owned(), 60_000, identities.collect(), None);
    writer.push(&states).unwrap();
    let (object, listed) = writer.finish().unwrap();
    store(&objects, &object).unwrap();
    let mut next = leader.manifest().clone();
    next.segments.push(segment);
    next.snapshot = Some(Snapshot { as_of: 60_000, states: vec![listed] });
    leader.append(next).unwrap();
    leader.collect(3).unwrap();

    let newest = Manifests::new(&objects).newest().unwrap().unwrap().manifest;
    let segment = &newest.segments[0];
    assert_eq!(verify_segment(&objects, segment, None).unwrap(), Verified::Whole);
    let listed = &newest.snapshot.unwrap().states[0];
    assert_eq!(verify_states(&objects, listed, None).unwrap(), Verified::Whole);
}
