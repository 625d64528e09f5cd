//! Columns as bytes: whole numbers and texts. What is decoded is from outside: nothing in it panics,
//! and nothing is allocated that its length does not justify.

mod bits;
mod integers;
mod texts;

pub(super) use integers::{
    decode_ascending, decode_integers, encode_ascending, encode_integers, encode_places,
};
pub(super) use texts::{TEXTS_BYTES_MAX, decode_texts, encode_texts};

/// How many values of one column lie in one block: a column of equal values is a few bytes long,
/// whatever their number, so this bounds what a block can become.
pub(super) const BLOCK_ROWS: usize = 1 << 16;

/// Bytes are compressed to no less than this part of them, so that hostile ones cannot become more.
pub(super) const EXPANSION_MAX: usize = 64;

/// It takes two thirds of the time of level 1: time is what is short.
const ZSTD_LEVEL: i32 = -5;

/// Bytes that are read from the front.
pub(super) struct Encoded<'a>(pub &'a [u8]);

impl<'a> Encoded<'a> {
    pub fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number of seven bits a byte, the lowest first.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                return None;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

pub(super) fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        // The lowest seven bits.
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Small numbers of either sign as small numbers without one.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// `bytes` compressed, where that saves an eighth of them at least.
fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let packed = zstd::bulk::compress(bytes, ZSTD_LEVEL).ok()?;
    let pays = packed.len() < bytes.len() - bytes.len() / 8;
    (pays && packed.len() >= bytes.len().div_ceil(EXPANSION_MAX)).then_some(packed)
}

/// What [`compressed`] has made of so many bytes.
fn decompressed(packed: &[u8], bytes: usize) -> Option<Vec<u8>> {
    if bytes > packed.len().checked_mul(EXPANSION_MAX)? {
        return None;
    }
    zstd::bulk::decompress(packed, bytes).ok().filter(|plain| plain.len() == bytes)
}

#[cfg(test)]
mod tests;
