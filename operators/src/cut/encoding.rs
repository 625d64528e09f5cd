//! How the state of an entity is written: numbers in as few bytes as they need, byte strings behind
//! their length. No number of a process is in it, and no floating point.
//!
//! A number is written seven bits a byte, the lowest first, the eighth bit saying that more follow;
//! one that may be negative as `2n` or `-2n - 1`.

use thiserror::Error;

/// Why encoded state cannot be read.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Bytes are missing.
    #[error("it ends too early")]
    Short,
    /// Bytes are left.
    #[error("it goes on behind its end")]
    Long,
    /// A number does not fit.
    #[error("a number in it is too large")]
    Large,
    /// A value is none that any row of the timeline has.
    #[error("no row of the timeline has one of its values")]
    Unknown,
    /// It is told a second time.
    #[error("it comes twice")]
    Twice,
    /// It speaks of an event at or after the cut.
    #[error("it has an event at or after the cut")]
    Later,
    /// No events leave this state behind.
    #[error("no events add up to it")]
    Impossible,
}

/// Appends a number.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number of up to 128 bits.
pub(crate) fn put_wide(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a number that may be negative.
#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, (number << 1 ^ number >> 63).cast_unsigned());
}

/// Appends a number of up to 128 bits that may be negative.
pub(crate) fn put_signed_wide(out: &mut Vec<u8>, number: i128) {
    put_wide(out, (number << 1 ^ number >> 127).cast_unsigned());
}

/// Appends a byte string.
#[inline]
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// What is left to be read of encoded state.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a>(&'a [u8]);

impl<'a> Encoded<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Encoded(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// That nothing is left.
    pub(crate) fn end(self) -> Result<(), Unreadable> {
        if self.is_empty() { Ok(()) } else { Err(Unreadable::Long) }
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        let (first, rest) = self.0.split_first().ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number of at most `bits` bits.
    #[inline]
    fn number(&mut self, bits: u32) -> Result<u128, Unreadable> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            let room = bits.saturating_sub(shift);
            if part != 0 && 128 - part.leading_zeros() > room {
                return Err(Unreadable::Large);
            }
            number |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
            if shift >= bits {
                return Err(Unreadable::Large);
            }
        }
    }

    /// See [`put`].
    pub(crate) fn take(&mut self) -> Result<u64, Unreadable> {
        Ok(self.number(u64::BITS)? as u64)
    }

    /// As [`take`](Self::take), at most 2^32 - 1.
    pub(crate) fn take_word(&mut self) -> Result<u32, Unreadable> {
        u32::try_from(self.take()?).map_err(|_| Unreadable::Large)
    }

    /// See [`put_wide`].
    pub(crate) fn take_wide(&mut self) -> Result<u128, Unreadable> {
        self.number(u128::BITS)
    }

    /// See [`put_signed`].
    pub(crate) fn take_signed(&mut self) -> Result<i64, Unreadable> {
        let number = self.take()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// See [`put_signed_wide`].
    pub(crate) fn take_signed_wide(&mut self) -> Result<i128, Unreadable> {
        let number = self.take_wide()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// See [`put_bytes`].
    pub(crate) fn take_bytes(&mut self) -> Result<&'a [u8], Unreadable> {
        let len = usize::try_from(self.take()?).map_err(|_| Unreadable::Short)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Unreadable::Short)?;
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            a in any::<u64>(), b in any::<i64>(), c in any::<u128>(), d in any::<i128>(),
            small in 0u64..300, text in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut out = Vec::new();
            put(&mut out, a);
            put_signed(&mut out, b);
            put_wide(&mut out, c);
            put_signed_wide(&mut out, d);
            put(&mut out, small);
            put_bytes(&mut out, &text);
            let mut from = Encoded::new(&out);
            prop_assert_eq!(from.take(), Ok(a));
            prop_assert_eq!(from.take_signed(), Ok(b));
            prop_assert_eq!(from.take_wide(), Ok(c));
            prop_assert_eq!(from.take_signed_wide(), Ok(d));
            prop_assert_eq!(from.take(), Ok(small));
            prop_assert_eq!(from.take_bytes(), Ok(&text[..]));
            prop_assert_eq!(from.end(), Ok(()));
        }

        #[test]
        fn bytes_from_anywhere_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut from = Encoded::new(&bytes);
            while from.take_bytes().is_ok() && !from.is_empty() {}
            let mut from = Encoded::new(&bytes);
            while from.take_signed_wide().is_ok() && from.take_signed().is_ok() {}
        }
    }

    #[test]
    fn a_number_that_does_not_fit_is_refused() {
        let mut out = Vec::new();
        put(&mut out, u64::from(u32::MAX) + 1);
        assert_eq!(Encoded::new(&out).take_word(), Err(Unreadable::Large));
        let mut out = Vec::new();
        put_wide(&mut out, u128::from(u64::MAX) + 1);
        assert_eq!(Encoded::new(&out).take(), Err(Unreadable::Large));
        assert_eq!(Encoded::new(&[0xff; 30]).take_wide(), Err(Unreadable::Large));
        assert_eq!(Encoded::new(&[0x80, 0x80]).take(), Err(Unreadable::Short));
        assert_eq!(Encoded::new(&[5, 1, 2]).take_bytes(), Err(Unreadable::Short));
        assert_eq!(Encoded::new(&[1]).end(), Err(Unreadable::Long));
    }
}
