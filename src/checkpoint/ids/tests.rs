//! Files of ids, there and back.

use super::super::samples::damage_is_told;
use super::*;
use crate::checkpoint::store;
use crate::objects::memory::MemoryObjects;

/// Of format 1, written by the first program that wrote it.
const FIXTURE: &[u8] = include_bytes!("../../../tests/data/checkpoint/ids-1");
const NAME: &str = "ids/0000000001-00000000000000000002-0-0";

fn of(partition: u32) -> IdsOf {
    IdsOf { source: "tx".to_owned(), partition, fields: vec!["id string".to_owned()] }
}

/// So many ids that look random, and are the same everywhere.
fn ids(count: u64) -> Vec<SeenId> {
    let id = |at: u64| {
        let [low, high] = [at, at + 7].map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut hash = [0; 16];
        hash[..8].copy_from_slice(&low.to_le_bytes());
        hash[8..].copy_from_slice(&high.to_le_bytes());
        SeenId { at: 1_764_356_400_000 + at * 37 % 1_000, hash, class: hash[3] }
    };
    (0..count).map(id).collect()
}

fn written(parts: &[(u32, Vec<SeenId>)]) -> (StoredObject, ListedIds) {
    let mut writer = IdsWriter::new(NAME.to_owned(), None);
    parts.iter().for_each(|(partition, ids)| writer.push(&of(*partition), ids).unwrap());
    writer.finish(0).unwrap()
}

fn read(
    object: &StoredObject,
    listed: &ListedIds,
) -> Result<Vec<(u32, Vec<SeenId>)>, CheckpointError> {
    let objects = MemoryObjects::new();
    store(&objects, object)?;
    verify_ids(&objects, listed, None)?;
    let reader = IdsReader::open(&objects, listed, None)?;
    let block = |at| reader.ids(at).map(|(of, ids)| (of.partition, ids));
    (0..reader.blocks()).map(block).collect()
}

#[test]
fn ids_come_back_as_they_were_whose_they_were() {
    let many = ids(BLOCK_ROWS as u64 + 3);
    let (object, listed) = written(&[(3, ids(5)), (1, Vec::new()), (0, many.clone())]);
    let latest = many.iter().map(|id| id.at).max().unwrap();
    assert_eq!(listed.partitions[1], ("tx".to_owned(), 0, latest));
    assert_eq!(listed.ids, many.len() as u64 + 5);
    let (first, last) = many.split_at(BLOCK_ROWS);
    let expected = vec![(3, ids(5)), (0, first.to_vec()), (0, last.to_vec())];
    assert_eq!(read(&object, &listed).unwrap(), expected);
    assert!(object.size() < 21 * listed.ids, "{} bytes", object.size());
}

#[test]
fn every_flipped_bit_every_cut_and_every_surplus_is_found_and_the_object_is_named() {
    let (object, listed) = written(&[(0, ids(4)), (1, ids(2))]);
    damage_is_told(&object, |damaged| read(damaged, &listed));
}

#[test]
fn what_format_1_wrote_is_read() {
    let expected = vec![(0, ids(40)), (2, ids(3))];
    let (object, listed) = written(&expected);
    if std::env::var_os("TIDEMARK_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/checkpoint/ids-1");
        std::fs::write(path, &object.bytes).unwrap();
    }
    let fixture = StoredObject { name: NAME.to_owned(), bytes: FIXTURE.to_vec() };
    let listed = ListedIds { bytes: fixture.size(), crc32c: fixture.crc32c(), ..listed };
    assert_eq!(read(&fixture, &listed).unwrap(), expected);
}

#[test]
fn files_of_one_level_become_one_and_large_ones_stay() {
    let file = |level, ids| {
        let (name, partitions) = (NAME.to_owned(), Vec::new());
        ListedIds { name, level, ids, partitions, bytes: 0, crc32c: 0 }
    };
    let mut files: Vec<_> = (0..MERGED_FILES).map(|_| file(1, 5)).collect();
    files.pop();
    files.extend((0..3).map(|_| file(0, 5)));
    assert!(mergeable_ids(&files).is_none());
    files.push(file(1, 5));
    let (level, merged) = mergeable_ids(&files).unwrap();
    assert_eq!((level, merged.len()), (2, MERGED_FILES));
    assert!(merged.iter().all(|one| one.level == 1));
    files.retain(|one| one.level == 0);
    files.extend((0..MERGED_FILES).map(|_| file(1, MERGED_IDS_MAX / 4)));
    assert!(mergeable_ids(&files).is_none(), "they would be too large");
}
