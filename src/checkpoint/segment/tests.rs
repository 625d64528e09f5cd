//! What is written comes back, and what is not as it was written is found.

use super::super::samples::{any_rows, cut_off, flipped, lines, rows, schema, told};
use super::*;
use crate::checkpoint::{StateKeys, Verified, store};
use crate::objects::memory::MemoryObjects;
use crate::objects::{Creation, Objects};
use proptest::prelude::*;

const NAME: &str = "segments/1-2-0-card";
/// Of format 1, written by the first program that wrote it.
const FIXTURE: &[u8] = include_bytes!("../../../tests/data/checkpoint/segment-1");

fn encoded(rows: &TimelineRows) -> (StoredObject, ListedSegment) {
    encode_segment(NAME.to_owned(), schema(), 1_000..9_000_000, rows, None).unwrap()
}

fn read(
    object: &StoredObject,
    listed: &ListedSegment,
    keys: Option<&StateKeys>,
) -> Result<Vec<String>, CheckpointError> {
    let objects = MemoryObjects::new();
    store(&objects, object)?;
    verify_segment(&objects, listed, keys)?;
    let segment = SegmentReader::open(&objects, listed, keys)?;
    let mut read = Vec::new();
    for block in 0..segment.blocks() {
        let rows = segment.rows(block)?;
        assert!(rows.ids.len() <= rows.len());
        read.extend(lines(&rows));
    }
    Ok(read)
}

proptest! {
    #[test]
    fn rows_of_any_kind_come_back(rows in any_rows()) {
        let (object, listed) = encoded(&rows);
        prop_assert_eq!(listed.rows, rows.len() as u64);
        prop_assert_eq!(read(&object, &listed, None).unwrap(), lines(&rows));
    }

    #[test]
    fn bytes_that_are_no_segment_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let (_, listed) = encoded(&rows(3, 1));
        let listed = ListedSegment { bytes: bytes.len() as u64, crc32c: crc32c::crc32c(&bytes), ..listed };
        let object = StoredObject { name: NAME.to_owned(), bytes };
        prop_assert!(read(&object, &listed, None).is_err());
    }

    #[test]
    fn blocks_that_are_none_are_refused_whatever_their_checksums_say(
        seed in 0..1_000u64, at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        // One byte of the content of a block is another, and all checksums are right.
        let sample = rows(40, seed);
        let mut object = ObjectWriter::new(NAME.to_owned(), None);
        let mut content = content_of(&sample);
        content.ids = push_texts(&mut object, &sample.ids).unwrap();
        content.values = sample.attributes.iter().map(|attribute| match attribute {
            AttributeValues::Words(_) => None,
            AttributeValues::Symbols { values, .. } => Some(push_texts(&mut object, values).unwrap()),
        }).collect();
        let mut block = columns::encode(&sample, 0..40);
        let at = at.index(block.len());
        block[at] = byte;
        object.push(&block).unwrap();
        let object = object.finish(KIND, content).unwrap();
        let (_, listed) = encoded(&sample);
        let listed = ListedSegment { bytes: object.size(), crc32c: object.crc32c(), ..listed };
        // It is refused, or it is some rows; it never panics.
        if let Err(error) = read(&object, &listed, None) {
            prop_assert!(error.to_string().contains("in block 3 at byte "), "{}", error);
        }
    }
}

fn content_of(rows: &TimelineRows) -> SegmentContent {
    SegmentContent {
        schema: schema(),
        rows: rows.len() as u64,
        from: 1_000,
        to: 9_000_000,
        ids: Vec::new(),
        values: Vec::new(),
        blocks: vec![(rows.len() as u32, rows.times[0], *rows.times.last().unwrap())],
    }
}

#[test]
fn rows_of_several_blocks_come_back_and_blocks_out_of_a_range_are_passed_over() {
    let count = 3 * BLOCK_ROWS as u64 + 5;
    let rows = rows(count, 3);
    let (object, listed) = encoded(&rows);
    assert_eq!(read(&object, &listed, None).unwrap(), lines(&rows));

    let objects = MemoryObjects::new();
    store(&objects, &object).unwrap();
    let segment = SegmentReader::open(&objects, &listed, None).unwrap();
    assert_eq!(segment.blocks(), 4);
    let within = |range| segment.blocks_within(range).collect::<Vec<_>>();
    assert_eq!(within(0..u64::MAX), [0, 1, 2, 3]);
    assert_eq!(within(0..1_000), [0; 0]);
    assert_eq!(within(0..1_001), [0]);
    let second = rows.times[BLOCK_ROWS];
    assert_eq!(within(second + 1..second + 2), [1]);
    assert_eq!(within(rows.times[count as usize - 1]..u64::MAX), [3]);
    assert_eq!(within(rows.times[count as usize - 1] + 1..u64::MAX), [0; 0]);
    assert!(segment.rows(4).is_err());
}

#[test]
fn a_segment_without_rows_is_one() {
    let rows = rows(0, 1);
    let (object, listed) = encoded(&rows);
    assert_eq!(listed.rows, 0);
    assert_eq!(read(&object, &listed, None).unwrap(), [""; 0]);
}

#[test]
fn every_flipped_bit_every_cut_and_every_surplus_is_found_and_the_object_is_named() {
    let (object, listed) = encoded(&rows(9, 5));
    assert!(object.bytes.len() < 2_000, "{}", object.bytes.len());
    let fails = |bytes: Vec<u8>, how: String| {
        let error = read(&StoredObject { name: NAME.to_owned(), bytes }, &listed, None);
        told(error, NAME, &how)
    };
    for (bytes, how) in flipped(&object.bytes) {
        fails(bytes, how);
    }
    for (bytes, how) in cut_off(&object.bytes) {
        let error = fails(bytes, how);
        assert!(error.contains("it is cut off"), "{error}");
    }
    let error = fails([&object.bytes[..], b"x"].concat(), "one byte more".to_owned());
    assert!(error.contains(&format!("it has more than {} bytes", listed.bytes)), "{error}");
    let error = fails([b"x", &object.bytes[..]].concat(), "one byte before".to_owned());
    assert!(error.contains("it has more than"), "{error}");
}

#[test]
fn a_damaged_block_is_named_with_its_place_and_the_next_step() {
    let (mut object, listed) = encoded(&rows(9, 5));
    object.bytes[0] ^= 1;
    let error = read(&object, &listed, None).unwrap_err().to_string();
    assert!(
        error.starts_with("could not use segments/1-2-0-card in memory: in block 0 at byte 0, "),
        "{error}"
    );
    assert!(error.ends_with("look for other faults with `tidemark checkpoint verify`"), "{error}");
    let objects = MemoryObjects::new();
    let error = SegmentReader::open(&objects, &listed, None).err().unwrap().to_string();
    assert!(error.contains("in memory: it is missing; "), "{error}");
}

#[test]
fn a_segment_that_is_not_the_one_that_is_listed_is_found() {
    let (object, listed) = encoded(&rows(9, 5));
    let (other, _) = encoded(&rows(9, 6));
    type Change = fn(&mut ListedSegment);
    let changes: [(Change, &str); 6] = [
        (|listed| listed.entity = "user".to_owned(), "it is of another entity type"),
        (|listed| listed.rows += 1, "it has another number of rows"),
        (|listed| listed.from -= 1, "it has another range of times"),
        (|listed| listed.to += 1, "it has another range of times"),
        (|listed| listed.crc32c ^= 1, "its checksum is "),
        (|listed| listed.bytes = 3, "it is listed with too few bytes"),
    ];
    for (change, expected) in changes {
        let mut listed = listed.clone();
        change(&mut listed);
        let error = read(&object, &listed, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(read(&other, &ListedSegment { bytes: other.size(), ..listed }, None).is_err());
}

#[test]
fn rows_that_are_none_are_not_written() {
    type Change = fn(&mut TimelineRows);
    let changes: [(Change, &str); 9] = [
        (|rows| rows.bits.truncate(8), "its columns differ in length"),
        (|rows| rows.entities[3] = 99, "an entity has no id"),
        (|rows| rows.times.swap(0, 8), "its times are not in order"),
        (|rows| rows.times[0] = 0, "a row is before its range"),
        (|rows| rows.times[8] = 9_000_000, "a row is behind its range"),
        (|rows| drop(rows.attributes.pop()), "its attributes are others"),
        (|rows| rows.attributes[0] = AttributeValues::Words(vec![0; 8]), "an attribute is none"),
        (
            |rows| match &mut rows.attributes[1] {
                AttributeValues::Symbols { places, .. } => places[0] = 4,
                AttributeValues::Words(_) => unreachable!(),
            },
            "an attribute is none",
        ),
        (
            |rows| {
                let none =
                    AttributeValues::Symbols { values: Texts::default(), places: vec![0; 8] };
                rows.attributes[1] = none;
            },
            "an attribute is none",
        ),
    ];
    for (change, expected) in changes {
        let mut rows = rows(9, 5);
        rows.times = (2_000..2_009).collect();
        change(&mut rows);
        let encoded = encode_segment(NAME.to_owned(), schema(), 1_000..9_000_000, &rows, None);
        let error = encoded.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn an_encrypted_segment_comes_back_with_its_key_and_shows_no_id_without() {
    let folder = std::env::temp_dir().join(format!("tidemark-segment-keys-{}", std::process::id()));
    std::fs::write(&folder, format!("2026 {}", "a1".repeat(32))).unwrap();
    let keys = StateKeys::read(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    let cipher = keys.cipher().unwrap();
    let rows = rows(100, 1);
    let encode = |cipher| {
        encode_segment(NAME.to_owned(), schema(), 1_000..9_000_000, &rows, cipher).unwrap()
    };
    let (object, listed) = encode(Some(&cipher));
    assert_eq!(read(&object, &listed, Some(&keys)).unwrap(), lines(&rows));
    let error = read(&object, &listed, None).unwrap_err().to_string();
    assert!(error.contains("it is encrypted with key \"2026\", which is not there"), "{error}");
    let objects = MemoryObjects::new();
    store(&objects, &object).unwrap();
    let verified = |listed, keys| verify_segment(&objects, listed, keys);
    assert_eq!(verified(&listed, None).unwrap(), Verified::Checksums);
    assert_eq!(verified(&listed, Some(&keys)).unwrap(), Verified::Whole);
    objects.held().get_mut(NAME).unwrap()[20] ^= 1;
    assert!(verified(&listed, None).is_err());
    // One that is not encrypted is read with keys too.
    let (plain, listed) = encode(None);
    assert_eq!(read(&plain, &listed, Some(&keys)).unwrap(), lines(&rows));
    let shows = |object: &StoredObject, text: &[u8]| {
        object.bytes.windows(text.len()).any(|bytes| bytes == text)
    };
    assert!(shows(&plain, b"Germany") && !shows(&object, b"Germany"));
}

#[test]
fn what_format_1_wrote_is_read() {
    let expected = rows(60, 7);
    let (object, listed) = encoded(&expected);
    if std::env::var_os("TIDEMARK_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/checkpoint/segment-1");
        std::fs::write(path, &object.bytes).unwrap();
    }
    let fixture = StoredObject { name: NAME.to_owned(), bytes: FIXTURE.to_vec() };
    let listed = ListedSegment { bytes: fixture.size(), crc32c: fixture.crc32c(), ..listed };
    assert_eq!(read(&fixture, &listed, None).unwrap(), lines(&expected));
}

#[test]
fn a_segment_of_a_newer_program_is_refused_by_its_format() {
    let (object, listed) = encoded(&rows(9, 5));
    let (blocks, tail) = object.bytes.split_at(object.bytes.len() - 16);
    let length = u32::from_le_bytes(tail[..4].try_into().unwrap()) as usize;
    let (blocks, footer) = blocks.split_at(blocks.len() - length);
    let footer = String::from_utf8(footer.to_vec()).unwrap();
    let newer = footer.replace("{\"format\":1,", "{\"format\":2,\"unknown\":{},");
    let newer = newer.as_bytes();
    let tail =
        [&(newer.len() as u32).to_le_bytes()[..], &crc32c::crc32c(newer).to_le_bytes(), &tail[8..]];
    let bytes = [blocks, newer, &tail.concat()].concat();
    let listed =
        ListedSegment { bytes: bytes.len() as u64, crc32c: crc32c::crc32c(&bytes), ..listed };
    let object = StoredObject { name: NAME.to_owned(), bytes };
    let error = read(&object, &listed, None).unwrap_err().to_string();
    let expected = "could not read segments/1-2-0-card in memory: it has format 2, and this program \
                    knows 1 and older; ";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn an_object_that_was_stored_although_the_call_failed_is_stored() {
    let (object, _) = encoded(&rows(9, 5));
    let objects = MemoryObjects::new();
    assert_eq!(objects.put_new(NAME, &object.bytes).unwrap(), Creation::Created);
    store(&objects, &object).unwrap();
    let other = StoredObject { bytes: vec![1], ..object };
    let error = store(&objects, &other).unwrap_err().to_string();
    assert!(error.contains("another object has this name"), "{error}");
}
