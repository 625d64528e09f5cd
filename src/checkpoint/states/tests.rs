//! What is written comes back, and what is not as it was written is found.

use super::super::samples::{damage_is_told, states, texts};
use super::*;
use crate::checkpoint::store;
use crate::objects::memory::MemoryObjects;

const NAME: &str = "states/1-2-0-card";
/// Of format 1, written by the first program that wrote it.
const FIXTURE: &[u8] = include_bytes!("../../../tests/data/checkpoint/states-1");

fn written(slices: &[EntityStates]) -> (StoredObject, ListedStates) {
    let components = slices[0].components.iter().map(|component| component.identity.clone());
    let (name, entity) = (NAME.to_owned(), "card".to_owned());
    let mut writer = StatesWriter::new(name, entity, slices[0].as_of, components.collect(), None);
    slices.iter().for_each(|slice| writer.push(slice).unwrap());
    writer.finish().unwrap()
}

fn lines(states: &EntityStates) -> Vec<String> {
    let line = |at: usize| {
        let of = states.components.iter().map(|component| component.states.get(at).unwrap());
        format!("{} {:?} {:?}", states.as_of, states.ids.get(at).unwrap(), of.collect::<Vec<_>>())
    };
    (0..states.ids.len()).map(line).collect()
}

fn read(object: &StoredObject, listed: &ListedStates) -> Result<Vec<String>, CheckpointError> {
    let objects = MemoryObjects::new();
    store(&objects, object)?;
    verify_states(&objects, listed, None)?;
    let reader = StatesReader::open(&objects, listed, None)?;
    let mut read = Vec::new();
    for block in 0..reader.blocks() {
        read.extend(lines(&reader.states(block)?));
    }
    Ok(read)
}

#[test]
fn states_come_back_slice_by_slice() {
    let slices = [states(5), states(0), states(BLOCK_ROWS as u64 + 3), states(1)];
    let (object, listed) = written(&slices);
    assert_eq!(listed.entities, BLOCK_ROWS as u64 + 9);
    let expected: Vec<_> = slices.iter().flat_map(lines).collect();
    assert_eq!(read(&object, &listed).unwrap(), expected);
    let none = [EntityStates { as_of: 7, ..EntityStates::default() }];
    let (object, listed) = written(&none);
    assert_eq!((listed.as_of, read(&object, &listed).unwrap().len()), (7, 0));
}

#[test]
fn a_block_is_no_longer_than_it_may_be_unless_one_entity_is() {
    let long = vec![b'x'; TEXTS_BYTES_MAX / 2];
    let too_long = vec![b'y'; TEXTS_BYTES_MAX + 1];
    let component = |of: &[&[u8]]| StateComponent {
        identity: "latest".to_owned(),
        states: texts(of.iter().copied()),
    };
    let big = EntityStates {
        as_of: 1,
        ids: texts([&b"a"[..], b"b", b"c", b"d"]),
        components: vec![component(&[&long, &long, &too_long, b""])],
    };
    let (object, listed) = written(std::slice::from_ref(&big));
    let objects = MemoryObjects::new();
    store(&objects, &object).unwrap();
    let reader = StatesReader::open(&objects, &listed, None).unwrap();
    let counts: Vec<_> =
        (0..reader.blocks()).map(|at| reader.states(at).unwrap().ids.len()).collect();
    assert_eq!(counts, [1, 1, 1, 1]);
    assert_eq!(read(&object, &listed).unwrap(), lines(&big));
}

#[test]
fn every_flipped_bit_every_cut_and_every_surplus_is_found_and_the_object_is_named() {
    let (object, listed) = written(&[states(4)]);
    damage_is_told(&object, |damaged| read(damaged, &listed));
}

#[test]
fn a_file_that_is_not_the_one_that_is_listed_is_found() {
    let (object, listed) = written(&[states(4)]);
    type Change = fn(&mut ListedStates);
    let changes: [(Change, &str); 4] = [
        (|listed| listed.entity = "user".to_owned(), "it is of another entity type"),
        (|listed| listed.as_of += 1, "it is as of another cut"),
        (|listed| listed.entities += 1, "it has another number of entities"),
        (|listed| listed.crc32c ^= 1, "its checksum is "),
    ];
    for (change, expected) in changes {
        let mut listed = listed.clone();
        change(&mut listed);
        let error = read(&object, &listed).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn slices_that_do_not_go_together_are_not_written() {
    type Change = fn(&mut EntityStates);
    let changes: [(Change, &str); 3] = [
        (|states| states.as_of += 1, "a part of it is as of another cut"),
        (|states| drop(states.components.pop()), "a part of it has other components"),
        (|states| states.ids = Texts::default(), "a component has not one state for each entity"),
    ];
    for (change, expected) in changes {
        let first = states(4);
        let identities = first.components.iter().map(|component| component.identity.clone());
        let (name, entity) = (NAME.to_owned(), "card".to_owned());
        let mut writer = StatesWriter::new(name, entity, first.as_of, identities.collect(), None);
        writer.push(&first).unwrap();
        let mut second = states(4);
        change(&mut second);
        let error = writer.push(&second).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn what_format_1_wrote_is_read() {
    let expected = states(40);
    let (object, listed) = written(std::slice::from_ref(&expected));
    if std::env::var_os("TIDEMARK_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/checkpoint/states-1");
        std::fs::write(path, &object.bytes).unwrap();
    }
    let fixture = StoredObject { name: NAME.to_owned(), bytes: FIXTURE.to_vec() };
    let listed = ListedStates { bytes: fixture.size(), crc32c: fixture.crc32c(), ..listed };
    assert_eq!(read(&fixture, &listed).unwrap(), lines(&expected));
}
