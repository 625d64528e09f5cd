//! Rows of a checkpoint as they are once their segments have been merged.

use crate::folder::Folder;
use rand::{Rng, rngs::SmallRng};
use tidemark::checkpoint::{
    AttributeSchema, EntitySchema, SegmentReader, encode_segment, merge_segments, store,
};
use tidemark::objects::LocalObjects;
use tidemark_operators::cut::TimelineRows;

/// The oldest of the parts of each entity type, which are in the order of their times, are written as
/// segments, merged, and read again; the others stay as they are.
pub fn merged(rows: Vec<Vec<TimelineRows>>, rng: &mut SmallRng) -> Vec<Vec<TimelineRows>> {
    let folder = Folder::new("merged");
    let objects = LocalObjects::create(folder.path()).unwrap();
    let merged = rows.into_iter().enumerate().map(|(entity, mut parts)| {
        let later = parts.split_off(parts.len().min(rng.random_range(2..8)));
        let Some(first) = parts.first() else { return later };
        let schema = EntitySchema {
            entity: format!("entity_{entity}"),
            filters: vec!["a filter".to_owned()],
            attributes: vec![AttributeSchema::default(); first.attributes.len()],
            ..EntitySchema::default()
        };
        let name = |part: usize| format!("segments/{entity}-{part}");
        let mut listed = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let range = part.times[0]..part.times[part.len() - 1] + 1;
            let segment = encode_segment(name(at), schema.clone(), range, part, None);
            let (object, segment) = segment.unwrap();
            store(&objects, &object).unwrap();
            listed.push(segment);
        }
        let (object, segment) =
            merge_segments(&objects, &listed, &[], name(listed.len()), None, None).unwrap();
        store(&objects, &object).unwrap();
        let all: usize = parts.iter().map(TimelineRows::len).sum();
        assert_eq!(segment.rows, all as u64);
        let reader = SegmentReader::open(&objects, &segment, None).unwrap();
        let read = (0..reader.blocks()).map(|block| reader.rows(block).unwrap());
        read.chain(later).collect()
    });
    merged.collect()
}
