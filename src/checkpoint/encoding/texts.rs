//! Columns of byte strings: their lengths, then their bytes in one of three forms.
//!
//! - Plain: one behind the other.
//! - After one another: of each only what is different from the beginning of the one before, which
//!   takes a fifth of the time of the third form. For short ones: ids begin alike.
//! - Compressed.

use super::integers::{decode_integers, encode_integers, encode_places};
use super::{BLOCK_ROWS, EXPANSION_MAX, Encoded, compressed, decompressed, push_varint};
use tidemark_operators::cut::Texts;

/// How many bytes of texts lie in one block, unless a single one is longer: what is compressed at
/// once.
pub(in super::super) const TEXTS_BYTES_MAX: usize = 4 << 20;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
const AFTER: u8 = 2;

/// Texts are short when they have so many bytes each on average, at most.
const SHORT_BYTES: usize = 32;
/// How much of the one before is looked at: a byte says how much is alike.
const ALIKE_MAX: usize = 255;

/// Appends those from place `from` to `to`.
pub(in super::super) fn encode_texts(texts: &Texts, from: usize, to: usize, out: &mut Vec<u8>) {
    let (bytes, ends) = texts.parts();
    let start = match from.checked_sub(1) {
        Some(before) => ends.get(before).map_or(bytes.len(), |end| *end as usize),
        None => 0,
    };
    let ends = ends.get(from..to).unwrap_or_default();
    let mut before = start;
    let lengths = ends.iter().map(|end| {
        let end = *end as usize;
        let length = end - before;
        before = end;
        length as u64
    });
    let lengths: Vec<u64> = lengths.collect();
    // A length is below 4 GiB.
    encode_integers(&lengths, u64::cast_signed, out);
    let plain = bytes.get(start..before).unwrap_or_default();
    if plain.len() <= lengths.len() * SHORT_BYTES {
        let (alike, rest) = after_one_another(plain, &lengths);
        if rest.len() < plain.len() - plain.len() / 8
            && plain.len() <= rest.len().saturating_mul(EXPANSION_MAX)
        {
            out.push(AFTER);
            encode_places(&alike, out);
            return push_bytes(&rest, out);
        }
        out.push(PLAIN);
        return push_bytes(plain, out);
    }
    match compressed(plain) {
        Some(packed) => {
            out.push(ZSTD);
            push_bytes(&packed, out);
        }
        None => {
            out.push(PLAIN);
            push_bytes(plain, out);
        }
    }
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    push_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// For each text how many bytes of it are as in the one before, and what follows them.
fn after_one_another(plain: &[u8], lengths: &[u64]) -> (Vec<u8>, Vec<u8>) {
    let (mut alike, mut rest) = (Vec::with_capacity(lengths.len()), Vec::new());
    rest.reserve(plain.len() / 2);
    let (mut before, mut left): (&[u8], &[u8]) = (&[], plain);
    for length in lengths {
        let length = usize::try_from(*length).unwrap_or(usize::MAX);
        let (text, following) = left.split_at_checked(length).unwrap_or((left, &[]));
        let both = text.iter().zip(before).take(ALIKE_MAX);
        let same = both.take_while(|(a, b)| a == b).count();
        // At most ALIKE_MAX.
        alike.push(u8::try_from(same).unwrap_or(u8::MAX));
        rest.extend_from_slice(text.get(same..).unwrap_or_default());
        (before, left) = (text, following);
    }
    (alike, rest)
}

/// Appends to `texts` so many that are read; `None` when the bytes are none, or `texts` has no room
/// for them.
pub(in super::super) fn decode_texts(
    encoded: &mut Encoded<'_>,
    count: usize,
    texts: &mut Texts,
) -> Option<()> {
    let mut lengths = Vec::with_capacity(count.min(BLOCK_ROWS));
    let mut all = Some(0usize);
    decode_integers(encoded, count, |length| {
        let length = usize::try_from(length).ok();
        all = all.zip(length).and_then(|(all, length)| all.checked_add(length));
        lengths.push(length.unwrap_or(0));
    })?;
    let all = all?;
    let form = encoded.byte()?;
    if form == AFTER {
        return decode_after(encoded, &lengths, all, texts);
    }
    let stored = taken(encoded)?;
    let unpacked;
    let mut plain = match form {
        PLAIN if stored.len() == all => stored,
        ZSTD => {
            unpacked = decompressed(stored, all)?;
            &unpacked
        }
        _ => return None,
    };
    for length in lengths {
        let (text, rest) = plain.split_at_checked(length)?;
        texts.push(text)?;
        plain = rest;
    }
    Some(())
}

/// What [`push_bytes`] wrote.
fn taken<'a>(encoded: &mut Encoded<'a>) -> Option<&'a [u8]> {
    let bytes = usize::try_from(encoded.varint()?).ok()?;
    encoded.take(bytes)
}

fn decode_after(
    encoded: &mut Encoded<'_>,
    lengths: &[usize],
    all: usize,
    texts: &mut Texts,
) -> Option<()> {
    let mut alike = Vec::with_capacity(lengths.len());
    // One that is none is longer than every text before it.
    let of = |same: i64| usize::try_from(same).unwrap_or(usize::MAX);
    decode_integers(encoded, lengths.len(), |same| alike.push(of(same)))?;
    let mut rest = taken(encoded)?;
    if all > rest.len().checked_mul(EXPANSION_MAX)? {
        return None;
    }
    let mut text = Vec::new();
    for (length, same) in lengths.iter().zip(alike) {
        if same > text.len() {
            return None;
        }
        text.truncate(same);
        let (own, following) = rest.split_at_checked(length.checked_sub(same)?)?;
        text.extend_from_slice(own);
        texts.push(&text)?;
        rest = following;
    }
    rest.is_empty().then_some(())
}
