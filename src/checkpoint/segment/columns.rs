//! A block of rows as bytes.

use super::super::encoding::{
    Encoded, decode_ascending, decode_integers, encode_ascending, encode_integers, encode_places,
};
use std::ops::Range;
use tidemark_operators::cut::{AttributeValues, TimelineRows};
use tidemark_operators::time::EventTime;

/// Rows whose ids and values are places in the segment's lists.
pub(super) struct PlacedRows {
    pub times: Vec<EventTime>,
    pub entities: Vec<u32>,
    pub bits: Vec<u64>,
    pub attributes: Vec<PlacedValues>,
}

/// An attribute of [`PlacedRows`].
pub(super) enum PlacedValues {
    Words(Vec<i64>),
    /// Plus one; 0 is null.
    Places(Vec<u32>),
}

pub(super) fn encode(rows: &TimelineRows, places: Range<usize>) -> Vec<u8> {
    // What most columns take, so that little is moved as it grows.
    let columns = 3 + rows.attributes.len();
    let mut out = Vec::with_capacity(places.len() * columns * 2);
    encode_ascending(rows.times.get(places.clone()).unwrap_or_default(), &mut out);
    let entities = rows.entities.get(places.clone()).unwrap_or_default();
    encode_places(entities, &mut out);
    let bits = rows.bits.get(places.clone()).unwrap_or_default();
    encode_integers(bits, u64::cast_signed, &mut out);
    for attribute in &rows.attributes {
        match attribute {
            AttributeValues::Words(words) => {
                let words = words.get(places.clone()).unwrap_or_default();
                encode_integers(words, |word| word, &mut out);
            }
            AttributeValues::Symbols { places: of, .. } => {
                let of = of.get(places.clone()).unwrap_or_default();
                encode_places(of, &mut out);
            }
        }
    }
    out
}

/// So many rows, of attributes that have their words here or not; `None` when the bytes are none.
pub(super) fn decode(bytes: &[u8], count: usize, is_words: &[bool]) -> Option<PlacedRows> {
    let mut encoded = Encoded(bytes);
    let times = decode_ascending(&mut encoded, count)?;
    let entities = decode_places(&mut encoded, count)?;
    let bits = decode_words(&mut encoded, count)?;
    let attributes = is_words.iter().map(|is_words| {
        Some(match is_words {
            true => PlacedValues::Words(decode_words(&mut encoded, count)?),
            false => PlacedValues::Places(decode_places(&mut encoded, count)?),
        })
    });
    let attributes = attributes.collect::<Option<_>>()?;
    let bits = bits.into_iter().map(i64::cast_unsigned).collect();
    encoded.0.is_empty().then_some(PlacedRows { times, entities, bits, attributes })
}

fn decode_words(encoded: &mut Encoded<'_>, count: usize) -> Option<Vec<i64>> {
    let mut words = Vec::with_capacity(count);
    decode_integers(encoded, count, |word| words.push(word))?;
    Some(words)
}

fn decode_places(encoded: &mut Encoded<'_>, count: usize) -> Option<Vec<u32>> {
    let mut places = Vec::with_capacity(count);
    let mut fits = true;
    decode_integers(encoded, count, |place| {
        let place = u32::try_from(place);
        fits &= place.is_ok();
        places.push(place.unwrap_or(0));
    })?;
    fits.then_some(places)
}
