//! Columns come back as they were, and bytes that are none are refused.

use super::bits::{pack, packed_bytes, unpack};
use super::*;
use proptest::prelude::*;
use tidemark_operators::cut::Texts;
use tidemark_operators::event_batch::NULL;

fn integers(values: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_integers(values, |value| value, &mut bytes);
    bytes
}

fn integers_back(bytes: &[u8], count: usize) -> Option<Vec<i64>> {
    let (mut encoded, mut values) = (Encoded(bytes), Vec::new());
    decode_integers(&mut encoded, count, |value| values.push(value))?;
    encoded.0.is_empty().then_some(values)
}

/// What columns hold: places, amounts, nulls, hashes, the ends of the range.
fn value() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..20i64,
        4 => (0..100_000i64).prop_map(|cents| cents * 10_000),
        1 => Just(NULL),
        1 => any::<i64>(),
        1 => prop_oneof![Just(i64::MIN + 1), Just(i64::MAX), Just(-1)],
    ]
}

proptest! {
    #[test]
    fn whole_numbers_come_back(values in prop::collection::vec(value(), 0..1_000)) {
        prop_assert_eq!(integers_back(&integers(&values), values.len()), Some(values));
    }

    #[test]
    fn places_come_back(places in prop::collection::vec(prop_oneof![9 => 0..40u32, 1 => any::<u32>()], 0..1_000)) {
        let mut bytes = Vec::new();
        encode_places(&places, &mut bytes);
        let expected: Vec<_> = places.iter().map(|place| i64::from(*place)).collect();
        prop_assert_eq!(integers_back(&bytes, places.len()), Some(expected));
    }

    #[test]
    fn whole_numbers_of_one_kind_come_back(
        base in any::<i64>(), factor in 1..1_000_000i64, steps in prop::collection::vec(0..300i64, 1..600)
    ) {
        let values: Vec<_> = steps.iter().map(|step| base.saturating_add(step * factor)).collect();
        prop_assert_eq!(integers_back(&integers(&values), values.len()), Some(values));
    }

    #[test]
    fn ascending_numbers_come_back(first in 0..u64::MAX / 2, steps in prop::collection::vec(0..9_000u64, 0..600)) {
        let values: Vec<_> = steps.iter().scan(first, |at, step| { *at += step; Some(*at) }).collect();
        let mut bytes = Vec::new();
        encode_ascending(&values, &mut bytes);
        let mut encoded = Encoded(&bytes);
        prop_assert_eq!(decode_ascending(&mut encoded, values.len()), Some(values));
        prop_assert!(encoded.0.is_empty());
    }

    #[test]
    fn texts_come_back(
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..400),
        front in 0..50usize,
        tail in 0..50usize,
        same in 0..3u8,
    ) {
        let mut held = Texts::default();
        for text in &texts {
            let alike = [&b"card_00"[..], text].concat();
            held.push(match same { 0 => b"card_0000017", 1 => text, _ => &alike });
        }
        let (from, to) = (front.min(texts.len()), texts.len().saturating_sub(tail).max(front.min(texts.len())));
        let mut bytes = Vec::new();
        encode_texts(&held, from, to, &mut bytes);
        let (mut encoded, mut back) = (Encoded(&bytes), Texts::default());
        back.push(b"before");
        prop_assert_eq!(decode_texts(&mut encoded, to - from, &mut back), Some(()));
        prop_assert!(encoded.0.is_empty());
        let expected: Vec<_> = std::iter::once(&b"before"[..])
            .chain(held.iter().skip(from).take(to - from))
            .collect();
        prop_assert_eq!(back.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bytes_that_are_no_column_are_refused_or_read_but_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200), count in 0..600usize
    ) {
        let _ = integers_back(&bytes, count);
        let _ = decode_ascending(&mut Encoded(&bytes), count);
        let _ = decode_texts(&mut Encoded(&bytes), count, &mut Texts::default());
        let _ = Encoded(&bytes).varint();
    }
}

#[test]
fn every_width_is_packed_and_unpacked() {
    for width in 0..=64 {
        let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
        let values: Vec<u64> =
            (1..78u64).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask).collect();
        let mut bytes = vec![1, 2, 3];
        pack(&values, width, &mut bytes);
        assert_eq!(bytes.len() - 3, packed_bytes(values.len(), width), "{width}");
        let mut back = Vec::new();
        unpack(&bytes[3..], width, values.len(), |value| back.push(value));
        assert_eq!(back, values, "{width}");
    }
}

#[test]
fn a_number_of_seven_bits_a_byte_has_one_form_and_an_end() {
    for value in [0, 1, 127, 128, 16_384, u64::from(u32::MAX), u64::MAX] {
        let mut bytes = Vec::new();
        push_varint(value, &mut bytes);
        assert_eq!(Encoded(&bytes).varint(), Some(value));
        assert_eq!(Encoded(&bytes[..bytes.len() - 1]).varint(), None);
    }
    assert_eq!(Encoded(&[0xff; 10]).varint(), None);
    assert_eq!(Encoded(&[0x80; 20]).varint(), None);
    for value in [0, -1, 1, i64::MIN, i64::MAX] {
        assert_eq!(unzigzag(zigzag(value)), value);
    }
}

#[test]
fn what_values_have_in_common_takes_no_room() {
    // Group by group: width, exceptions, base, factor.
    assert_eq!(integers(&[7; 256]).len(), 4);
    assert_eq!(integers(&[NULL; 256]).len(), 4);
    // Whole cents in millionths, below 1,000 cents: 10 bits each.
    let cents: Vec<_> = (0..256).map(|at| (at * 37 % 1_000) * 10_000).collect();
    assert!(integers(&cents).len() < 256 * 10 / 8 + 8, "{}", integers(&cents).len());
    // One that is much larger than the others does not widen them.
    let mut small: Vec<_> = (0..256).map(|at| at % 8).collect();
    small[77] = 1 << 40;
    assert!(integers(&small).len() < 256 * 3 / 8 + 16, "{}", integers(&small).len());
    assert_eq!(integers_back(&integers(&small), 256), Some(small));
}

#[test]
fn ids_that_begin_alike_are_written_without_what_they_share() {
    let mut ids = Texts::default();
    let numbers = (0..1_000u32).map(|at| at.wrapping_mul(2_654_435_761) % 10_000_000);
    numbers.for_each(|number| assert!(ids.push(format!("card_{number:07}").as_bytes()).is_some()));
    let mut bytes = Vec::new();
    encode_texts(&ids, 0, 1_000, &mut bytes);
    assert!(bytes.len() < 8_000, "{}", bytes.len());
    let mut back = Texts::default();
    assert_eq!(decode_texts(&mut Encoded(&bytes), 1_000, &mut back), Some(()));
    assert_eq!(back, ids);

    // The same again and again would be nothing but what it shares.
    let mut same = Texts::default();
    (0..1_000).for_each(|_| assert!(same.push(b"card_0000017").is_some()));
    let mut bytes = Vec::new();
    encode_texts(&same, 0, 1_000, &mut bytes);
    assert_eq!(decode_texts(&mut Encoded(&bytes), 1_000, &mut back), Some(()));
    assert!(bytes.len() > 12_000 / EXPANSION_MAX, "{}", bytes.len());
    let mut hostile = integers(&[12; 1_000]);
    hostile.push(2);
    hostile.extend(integers(&[[0; 1].as_slice(), &[12; 999]].concat()));
    push_varint(12, &mut hostile);
    hostile.extend(b"card_0000017");
    assert_eq!(decode_texts(&mut Encoded(&hostile), 1_000, &mut back), None);
}

#[test]
fn texts_never_become_more_than_their_bytes_justify() {
    let mut texts = Texts::default();
    texts.push(&vec![b'x'; 1 << 20]);
    let mut bytes = Vec::new();
    encode_texts(&texts, 0, 1, &mut bytes);
    // It would be a few bytes of zstd.
    assert_eq!(decode_texts(&mut Encoded(&bytes), 1, &mut Texts::default()), Some(()));
    assert!(bytes.len() > (1 << 20) / EXPANSION_MAX, "{}", bytes.len());

    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    assert!(bomb.len() < 1_000);
    let mut bytes = integers(&[1 << 20]);
    bytes.push(1);
    push_varint(bomb.len() as u64, &mut bytes);
    bytes.extend(bomb);
    assert_eq!(decode_texts(&mut Encoded(&bytes), 1, &mut Texts::default()), None);
}
