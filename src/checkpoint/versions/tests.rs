//! Versions of tables, there and back.

use super::super::samples::damage_is_told;
use super::*;
use crate::checkpoint::store;
use crate::objects::memory::MemoryObjects;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Of format 1, written by the first program that wrote it.
const FIXTURE: &[u8] = include_bytes!("../../../tests/data/checkpoint/version-1");
const NAME: &str = "versions/0000000001-00000000000000000002-0-0";

fn definition(columns: &[(&str, &str)]) -> TableDefinition {
    let column = |(name, ty): &(&str, &str)| ColumnDefinition {
        name: (*name).to_owned(),
        ty: (*ty).to_owned(),
    };
    TableDefinition {
        table: "t".to_owned(),
        key: "key".to_owned(),
        matching: "string".to_owned(),
        columns: columns.iter().map(column).collect(),
    }
}

fn all_types() -> TableDefinition {
    definition(&[
        ("amount", "decimal"),
        ("share", "double"),
        ("label", "string"),
        ("at", "ip"),
        ("good", "bool"),
        ("never", "string"),
    ])
}

/// Rows of [`all_types`], in the order of their keys.
fn rows(count: usize, rng: &mut SmallRng) -> Vec<TableRow> {
    let row = |at: usize, rng: &mut SmallRng| {
        let word = |word: i64, rng: &mut SmallRng| match rng.random_bool(0.8) {
            true => Cell::Word(word.cast_unsigned()),
            false => Cell::Null,
        };
        let bytes = |bytes: Vec<u8>, rng: &mut SmallRng| match rng.random_bool(0.8) {
            true => Cell::Bytes(bytes),
            false => Cell::Null,
        };
        let amount = [i64::MIN, i64::MAX, -1, 0, 25_000_000][rng.random_range(0..5)];
        let label = "x".repeat(rng.random_range(0..9)).into_bytes();
        let address = vec![10, 0, rng.random(), rng.random()];
        let share = rng.random::<f64>().to_bits().cast_signed();
        let good = i64::from(rng.random_bool(0.5));
        let cells = vec![
            word(amount, rng),
            word(share, rng),
            bytes(label, rng),
            bytes(address, rng),
            word(good, rng),
            Cell::Null,
        ];
        let valid_from = [0, 5, 1_764_356_400_000, u64::MAX][at % 4];
        TableRow { key: format!("k{at:06}").into_bytes(), row: Row { valid_from, cells } }
    };
    (0..count).map(|at| row(at, rng)).collect()
}

fn written(rows: &[TableRow], definition: TableDefinition) -> (StoredObject, ListedVersion) {
    let encoded = EncodedVersion::of(rows).unwrap();
    encoded.object(NAME.to_owned(), definition, None).unwrap()
}

fn read(object: &StoredObject, listed: &ListedVersion) -> Result<Vec<TableRow>, CheckpointError> {
    let objects = MemoryObjects::new();
    store(&objects, object)?;
    verify_version(&objects, "t", listed, None)?;
    let reader = VersionReader::open(&objects, "t", listed, None)?;
    let blocks = (0..reader.blocks()).map(|number| reader.rows(number));
    Ok(blocks.collect::<Result<Vec<_>, _>>()?.concat())
}

#[test]
fn rows_come_back_as_they_were_in_the_order_of_their_keys() {
    for seed in 0..40 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let count = [0, 1, 2, 300, BLOCK_ROWS + 3][if seed == 0 { 4 } else { seed as usize % 4 }];
        let all = rows(count, &mut rng);
        let mut given = all.clone();
        given.shuffle(&mut rng);
        let (object, listed) = written(&given, all_types());
        assert_eq!(listed.rows, count as u64);
        assert!(read(&object, &listed).unwrap() == all, "seed {seed}");
        let digest = |rows: &[TableRow]| EncodedVersion::of(rows).unwrap().digest();
        assert_eq!(digest(&given), digest(&all), "equal versions are equal");
        if let Some(row) = given.first_mut() {
            row.row.cells[5] = Cell::Bytes(Vec::new());
            assert_ne!(digest(&given), digest(&all), "an empty text is not null");
        }
    }
}

#[test]
fn every_flipped_bit_every_cut_and_every_surplus_is_found_and_the_object_is_named() {
    let few = rows(4, &mut SmallRng::seed_from_u64(7));
    let (object, listed) = written(&few, all_types());
    damage_is_told(&object, |damaged| read(damaged, &listed));
    let objects = MemoryObjects::new();
    let error = verify_version(&objects, "t", &listed, None).unwrap_err().to_string();
    assert!(error.contains(&format!("could not use {NAME} in memory: it is missing")), "{error}");
    store(&objects, &object).unwrap();
    let error = verify_version(&objects, "other", &listed, None).unwrap_err().to_string();
    assert!(error.contains("it is of another table than its record says"), "{error}");
}

#[test]
fn what_format_1_wrote_is_read() {
    let expected = rows(40, &mut SmallRng::seed_from_u64(3));
    let (object, listed) = written(&expected, all_types());
    if std::env::var_os("TIDEMARK_WRITE_FIXTURES").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/checkpoint/version-1");
        std::fs::write(path, &object.bytes).unwrap();
    }
    let fixture = StoredObject { name: NAME.to_owned(), bytes: FIXTURE.to_vec() };
    let listed = ListedVersion { bytes: fixture.size(), crc32c: fixture.crc32c(), ..listed };
    assert!(read(&fixture, &listed).unwrap() == expected);
}

#[test]
fn a_definition_takes_what_it_needs_of_another_and_says_what_is_not_there() {
    let held = definition(&[("a", "int"), ("b", "string"), ("c", "decimal")]);
    let own = definition(&[("c", "decimal"), ("a", "int")]);
    assert_eq!(held.places(&own), Ok(vec![2, 0]));
    let lacks = |own: &TableDefinition| held.places(own).unwrap_err();
    assert_eq!(lacks(&definition(&[("d", "int")])), "it had no column \"d\" then");
    assert_eq!(lacks(&definition(&[("a", "decimal")])), "its column \"a\" was of another type");
    let prefix = TableDefinition { matching: "prefix".to_owned(), ..own };
    assert_eq!(lacks(&prefix), "its key was \"key\" (string), and is \"key\" (prefix)");
}
