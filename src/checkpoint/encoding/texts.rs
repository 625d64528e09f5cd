//! Columns of byte strings: their lengths, then their bytes.

use super::integers::{decode_integers, encode_integers};
use super::{Encoded, compressed, decompressed, push_varint};
use tidemark_operators::cut::Texts;

/// How many bytes of texts lie in one block, unless a single one is longer: what is compressed at
/// once.
pub(in super::super) const TEXTS_BYTES_MAX: usize = 4 << 20;

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Appends those from place `from` to `to`.
pub(in super::super) fn encode_texts(texts: &Texts, from: usize, to: usize, out: &mut Vec<u8>) {
    let (bytes, ends) = texts.parts();
    let end = |place: usize| match place.checked_sub(1) {
        Some(before) => ends.get(before).map_or(bytes.len(), |end| *end as usize),
        None => 0,
    };
    let mut before = end(from);
    let lengths = ends.get(from..to).unwrap_or_default().iter().map(|end| {
        let end = *end as usize;
        let length = end - before;
        before = end;
        length as u64
    });
    // A length is below 4 GiB.
    encode_integers(&lengths.collect::<Vec<_>>(), u64::cast_signed, out);
    let plain = bytes.get(end(from)..end(to)).unwrap_or_default();
    let packed = compressed(plain);
    let (form, stored) = packed.as_deref().map_or((PLAIN, plain), |packed| (ZSTD, packed));
    out.push(form);
    push_varint(stored.len() as u64, out);
    out.extend_from_slice(stored);
}

/// Appends to `texts` so many that are read; `None` when the bytes are none, or `texts` has no room
/// for them.
pub(in super::super) fn decode_texts(
    encoded: &mut Encoded<'_>,
    count: usize,
    texts: &mut Texts,
) -> Option<()> {
    let mut lengths = Vec::with_capacity(count.min(super::BLOCK_ROWS));
    let mut all = Some(0usize);
    decode_integers(encoded, count, |length| {
        let length = usize::try_from(length).ok();
        all = all.zip(length).and_then(|(all, length)| all.checked_add(length));
        lengths.push(length.unwrap_or(0));
    })?;
    let all = all?;
    let form = encoded.byte()?;
    let stored = usize::try_from(encoded.varint()?).ok()?;
    let stored = encoded.take(stored)?;
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
