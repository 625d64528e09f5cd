//! The order of rows, beside one that compares whole ids.

use super::{KeyedRows, OrderedRows};
use crate::offline::parquet_file::{HeldColumn, HeldValues, ParquetKind};
use proptest::prelude::*;

type Row = (Vec<u8>, u64, bool);

/// What a row is written as: its key, its time, `created`, and which it was.
type Written = (Vec<u8>, i64, i64, u32);

fn written(ordered: &OrderedRows) -> Vec<Written> {
    let ints = |column: &HeldColumn| match &column.values {
        HeldValues::Ints(held) => held.clone(),
        _ => unreachable!("times are whole numbers"),
    };
    let keys: Vec<Vec<u8>> = match &ordered.keys.values {
        HeldValues::Texts(held) => held.iter().map(|key| key.data().to_vec()).collect(),
        HeldValues::Ints(held) => held.iter().map(|key| key.to_string().into_bytes()).collect(),
        _ => unreachable!("keys are texts or whole numbers"),
    };
    let times = ints(&ordered.times).into_iter().zip(ints(&ordered.created));
    let rows = keys.into_iter().zip(times).zip(&ordered.places);
    rows.map(|((key, (time, created)), at)| (key, time, created, *at)).collect()
}

/// The same by comparing whole ids, an entity at a time.
fn naive<K: Ord + Clone>(rows: &[Row], key: impl Fn(&[u8]) -> K) -> Vec<Written> {
    let mut ids: Vec<(K, &Vec<u8>)> = rows.iter().map(|(id, ..)| (key(id), id)).collect();
    ids.sort();
    ids.dedup();
    let mut found = Vec::new();
    for (_, id) in ids {
        let own = rows.iter().enumerate().filter(|(_, row)| row.0 == *id);
        let mut own: Vec<(i64, usize)> = own.map(|(at, row)| (row.1 as i64 * 1_000, at)).collect();
        if own.iter().any(|(_, at)| rows[*at].2) {
            own.push((0, rows.len()));
            // Before rows of the same time.
            own.sort_by_key(|(time, at)| (*time, *at != rows.len(), *at));
        } else {
            own.sort_unstable();
        }
        for (at, (time, row)) in own.iter().enumerate() {
            let same = own[..at].iter().filter(|(before, _)| before == time).count();
            found.push((id.clone(), *time, time + same as i64, *row as u32));
        }
    }
    found
}

fn rows(ids: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((ids, 0..5_u64, prop::bool::weighted(0.3)), 1..60)
}

fn taken(kind: ParquetKind, rows: &[Row]) -> Vec<Written> {
    let mut keyed = KeyedRows::new(kind);
    for (id, as_of, first) in rows {
        keyed.push(id, *as_of, *first).unwrap();
    }
    let found = written(&keyed.take().unwrap());
    assert_eq!(keyed.len(), 0);
    found
}

proptest! {
    #[test]
    fn texts_come_in_the_order_of_their_bytes_with_a_row_of_no_events_before_an_entitys_first(
        rows in rows(prop_oneof![
            "[ab]{0,3}".prop_map(String::into_bytes),
            "card_[ab]{13,17}".prop_map(String::into_bytes),
            prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4),
            prop::collection::vec(prop_oneof![9 => Just(0_u8), 1 => Just(7)], 14..18),
        ]),
    ) {
        prop_assert_eq!(taken(ParquetKind::Text, &rows), naive(&rows, <[u8]>::to_vec));
    }

    #[test]
    fn texts_that_begin_alike_come_in_the_order_of_their_bytes(
        rows in rows("card_000000000000000000[ab]{0,17}".prop_map(String::into_bytes)),
    ) {
        prop_assert_eq!(taken(ParquetKind::Text, &rows), naive(&rows, <[u8]>::to_vec));
    }

    #[test]
    fn numbers_come_in_their_order(
        rows in rows(prop_oneof![-3..3_i64, Just(i64::MIN), Just(i64::MAX)]
            .prop_map(|id| id.to_string().into_bytes())),
    ) {
        let number = |id: &[u8]| std::str::from_utf8(id).unwrap().parse::<i64>().unwrap();
        prop_assert_eq!(taken(ParquetKind::Int, &rows), naive(&rows, number));
    }
}

#[test]
fn an_id_that_is_no_number_is_told() {
    let error = KeyedRows::new(ParquetKind::Int).push(b"7.0", 1, true).unwrap_err().to_string();
    assert!(error.contains("\"7.0\" is no whole number"), "{error}");
}
