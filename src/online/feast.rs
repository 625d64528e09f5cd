//! Feast's bytes in Redis (`entity_key_serialization_version: 3`), as Feast 0.67 writes and reads them.
//!
//! One hash an entity, which all views of its type share:
//!
//! ```text
//! key    u32le(1)  u32le(2) u32le(len) join_key  u32le(type) u32le(len) id  project
//! field  u32le(murmur3("view:feature"))        value  feast.types.Value
//! field  "_ts:view"                            value  google.protobuf.Timestamp
//! ```
//!
//! | feature | in Feast | bytes |
//! |---|---|---|
//! | int | Int64 | `20 varint` |
//! | timestamp | Int64, in ms | `20 varint` |
//! | decimal, double | Float64 | `29 f64le` |
//! | bool | Bool | `38 00`, `38 01` |
//! | text, ip | String | `12 len utf-8` |
//!
//! Ids are of type 2 (utf-8) or, where the key is an int, 4 (i64le). A null is an absent field. Of what
//! others may have put there an empty value is null, and numbers of other widths are read too.

use crate::online::text;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Type;

/// Types of ids.
const STRING: u32 = 2;
const INT64: u32 = 4;

/// A pattern of SCAN that, with a project behind it, all keys of one join key are like.
pub(crate) const PATTERN: &[u8] = b"\x01\0\0\0\x02\0\0\0*";

/// Tags of a value: field number and wire type.
const TEXT_TAG: u8 = 0x12;
const INT32_TAG: u8 = 0x18;
const INT64_TAG: u8 = 0x20;
const DOUBLE_TAG: u8 = 0x29;
const FLOAT_TAG: u8 = 0x35;
const BOOL_TAG: u8 = 0x38;

/// What comes before the id in the key of an entity of this join key, whose ids are of type `ty`.
pub(crate) fn key_head(join_key: &str, ty: Type) -> Vec<u8> {
    let mut head = Vec::with_capacity(16 + join_key.len());
    word(1, &mut head);
    word(STRING, &mut head);
    word(length(join_key.len()), &mut head);
    head.extend_from_slice(join_key.as_bytes());
    word(if ty == Type::Int { INT64 } else { STRING }, &mut head);
    head
}

/// Appends an id, which is known by its text. An int id that is no number is that of no entity.
pub(crate) fn push_id(ty: Type, id: &[u8], out: &mut Vec<u8>) {
    match whole(id).filter(|_| ty == Type::Int) {
        Some(number) => {
            word(8, out);
            out.extend_from_slice(&number.to_le_bytes());
        }
        None => {
            word(length(id.len()), out);
            out.extend_from_slice(id);
        }
    }
}

/// How many bytes `push_id` appends.
pub(crate) fn id_len(ty: Type, id: &[u8]) -> usize {
    4 + if ty == Type::Int && whole(id).is_some() { 8 } else { id.len() }
}

/// The id as text, and what follows it, from what follows the head of a key.
pub(crate) fn split_id(ty: Type, rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (len, rest) = rest.split_at_checked(4)?;
    let len = u32::from_le_bytes(len.try_into().ok()?);
    let (id, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    let id = match ty {
        Type::Int => i64::from_le_bytes(id.try_into().ok()?).to_string().into_bytes(),
        _ => id.to_vec(),
    };
    Some((id, rest))
}

/// The project of a key, when it is one with a single join key.
pub(crate) fn project_of(key: &[u8]) -> Option<&[u8]> {
    let rest = key.strip_prefix(&1_u32.to_le_bytes())?.strip_prefix(&STRING.to_le_bytes())?;
    let (_, rest) = split_id(Type::Text, rest)?;
    let (_, rest) = rest.split_at_checked(4)?;
    Some(split_id(Type::Text, rest)?.1)
}

/// The field of a feature.
pub(crate) fn field(view: &str, feature: &str) -> [u8; 4] {
    murmur3(format!("{view}:{feature}").as_bytes()).to_le_bytes()
}

/// The field that says as of when a view's features are.
pub(crate) fn stamp_field(view: &str) -> Vec<u8> {
    format!("_ts:{view}").into_bytes()
}

/// Appends a value by its word.
pub(crate) fn push_word(ty: Type, word: u64, out: &mut Vec<u8>) {
    let double = match ty {
        Type::Int | Type::Timestamp => {
            out.push(INT64_TAG);
            return varint(word, out);
        }
        Type::Bool => return out.extend_from_slice(&[BOOL_TAG, u8::from(word != 0)]),
        Type::Double => f64::from_bits(word),
        // As it is shown: the double next to it.
        Type::Decimal(_) => word.cast_signed() as f64 / ty.unit() as f64,
        Type::Text | Type::Ip => return,
    };
    out.push(DOUBLE_TAG);
    out.extend_from_slice(&double.to_le_bytes());
}

/// Appends a text or ip value by its bytes. One value that cannot be read would fail a whole request of
/// Feast's: what is no UTF-8 is made it.
pub(crate) fn push_bytes(ty: Type, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(TEXT_TAG);
    let written = match ty {
        Type::Ip => {
            let mut notation = Vec::new();
            text::bytes(ty, bytes, &mut notation);
            String::from_utf8_lossy(&notation).into_owned().into()
        }
        _ => String::from_utf8_lossy(bytes),
    };
    varint(written.len() as u64, out);
    out.extend_from_slice(written.as_bytes());
}

/// Appends the time `ms` as a protobuf timestamp.
pub(crate) fn push_stamp(ms: EventTime, out: &mut Vec<u8>) {
    for (tag, number) in [(0x08, ms / 1_000), (0x10, ms % 1_000 * 1_000_000)] {
        if number != 0 {
            out.push(tag);
            varint(number, out);
        }
    }
}

/// The time in ms that a protobuf timestamp says; `None` when it is none, or before 1970.
pub(crate) fn stamp(mut bytes: &[u8]) -> Option<EventTime> {
    let (mut seconds, mut nanos) = (0, 0);
    while let Some((tag, rest)) = bytes.split_first() {
        let (number, rest) = read_varint(rest)?;
        match tag {
            0x08 => seconds = number,
            0x10 => nanos = number,
            _ => return None,
        }
        bytes = rest;
    }
    (i64::try_from(seconds).is_ok() && nanos < 1_000_000_000)
        .then(|| seconds.checked_mul(1_000)?.checked_add(nanos / 1_000_000))
        .flatten()
}

/// What a value in Redis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredValue {
    /// Its text was appended.
    Text,
    /// It is null.
    Null,
    /// It is no value.
    Unreadable,
}

/// Appends the text of a value, as `text` writes values.
pub(crate) fn read(bytes: &[u8], out: &mut Vec<u8>) -> StoredValue {
    match bytes.split_first() {
        None => StoredValue::Null,
        // The null that Feast can also read.
        Some((0x98, [1, 0])) => StoredValue::Null,
        Some((tag, rest)) => match read_tagged(*tag, rest, out) {
            Some(()) => StoredValue::Text,
            None => StoredValue::Unreadable,
        },
    }
}

fn read_tagged(tag: u8, rest: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let double = match tag {
        INT32_TAG | INT64_TAG => {
            text::word(Type::Int, whole_varint(rest)?, out);
            return Some(());
        }
        BOOL_TAG => {
            text::word(Type::Bool, whole_varint(rest)?, out);
            return Some(());
        }
        TEXT_TAG => {
            let (len, text) = read_varint(rest)?;
            let text = Some(text).filter(|text| text.len() as u64 == len)?;
            out.extend_from_slice(std::str::from_utf8(text).ok()?.as_bytes());
            return Some(());
        }
        DOUBLE_TAG => f64::from_le_bytes(rest.try_into().ok()?),
        FLOAT_TAG => f64::from(f32::from_le_bytes(rest.try_into().ok()?)),
        _ => return None,
    };
    text::word(Type::Double, double.to_bits(), out);
    Some(())
}

/// A project's name for a job's: Feast takes letters, digits and `_`, which it does not begin with.
pub fn project_name(job: &str) -> String {
    let signs = job.chars().map(|sign| if sign.is_ascii_alphanumeric() { sign } else { '_' });
    let name: String = signs.collect();
    let name = name.trim_start_matches('_');
    if name.is_empty() { "tidemark".to_owned() } else { name.to_owned() }
}

/// MurmurHash3, x86, 32 bits, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mixed = |block: u32| block.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let (blocks, tail) = bytes.as_chunks::<4>();
    let mut hash = 0_u32;
    for block in blocks {
        hash ^= mixed(u32::from_le_bytes(*block));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let last = tail.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
    hash ^= mixed(last);
    hash ^= length(bytes.len());
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

fn word(number: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn whole(id: &[u8]) -> Option<i64> {
    std::str::from_utf8(id).ok()?.parse().ok()
}

fn varint(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0_u64;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f).checked_shl(u32::try_from(at).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

/// A varint and nothing behind it.
fn whole_varint(bytes: &[u8]) -> Option<u64> {
    read_varint(bytes).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number)
}

#[cfg(test)]
mod tests;
