//! As much of Thrift's compact protocol as it takes to look over the headers of a Parquet file before a
//! library takes memory for what they claim.

/// How deep what is skipped may be.
const DEPTH_MAX: u8 = 16;

/// The type of a field or an element, by its number in the protocol.
pub(super) mod kind {
    pub const BYTE: u8 = 3;
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LIST: u8 = 9;
    pub const SET: u8 = 10;
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
}

/// Bytes that are read from their beginning. `None` of its functions: they end too early, or are no such
/// thing.
#[derive(Clone, Debug)]
pub(super) struct Thrift<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Thrift<'b> {
    pub const fn new(bytes: &'b [u8]) -> Self {
        Thrift { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub const fn at(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    /// A number with a sign, of 16, 32 or 64 bits.
    pub fn int(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Bytes, or a text.
    pub fn binary(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let end = self.at.checked_add(length)?;
        let binary = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(binary)
    }

    /// The next field of a struct whose last one had the number `last`: its number, which becomes
    /// `last`, and its kind. `Some(None)` at the end.
    pub fn field(&mut self, last: &mut i64) -> Option<Option<u8>> {
        let head = self.byte()?;
        if head == 0 {
            return Some(None);
        }
        *last = match i64::from(head >> 4) {
            0 => self.int()?,
            more => last.checked_add(more)?,
        };
        Some(Some(head & 0x0f))
    }

    /// The head of a list: the kind of its elements, and how many there are.
    pub fn list(&mut self) -> Option<(u8, u64)> {
        let head = self.byte()?;
        let count = match head >> 4 {
            0x0f => self.number()?,
            count => u64::from(count),
        };
        Some((head & 0x0f, count))
    }

    /// Reads past a field of this kind.
    pub fn skip(&mut self, kind: u8) -> Option<()> {
        // A field of a bool has no more than its head.
        if matches!(kind, 1 | 2) { Some(()) } else { self.skip_within(kind, DEPTH_MAX) }
    }

    fn skip_within(&mut self, kind: u8, depth: u8) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // Elements that are bools have a byte each.
            1 | 2 | kind::BYTE => self.byte().map(|_| ()),
            4..=6 => self.number().map(|_| ()),
            kind::DOUBLE => {
                self.at = self.at.checked_add(8).filter(|at| *at <= self.bytes.len())?;
                Some(())
            }
            kind::BINARY => self.binary().map(|_| ()),
            kind::LIST | kind::SET => {
                let (kind, count) = self.list()?;
                (0..count).try_for_each(|_| self.skip_within(kind, depth))
            }
            kind::MAP => {
                let count = self.number()?;
                let kinds = if count > 0 { self.byte()? } else { 0 };
                (0..count).try_for_each(|_| {
                    self.skip_within(kinds >> 4, depth)?;
                    self.skip_within(kinds & 0x0f, depth)
                })
            }
            kind::STRUCT => {
                let mut last = 0;
                while let Some(kind) = self.field(&mut last)? {
                    if !matches!(kind, 1 | 2) {
                        self.skip_within(kind, depth)?;
                    }
                }
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_is_read_field_by_field_and_past_what_nobody_asks_for() {
        // 1: i32 -3, 3: list of two binaries, 4: true, 20: i64 300, end; then a byte.
        let bytes = [0x15, 5, 0x29, 0x28, 1, b'a', 0, 0x11, 0x06, 40, 0xd8, 4, 0, 9];
        let mut read = Thrift::new(&bytes);
        let mut last = 0;
        assert_eq!(read.field(&mut last), Some(Some(5)));
        assert_eq!((last, read.int()), (1, Some(-3)));
        assert_eq!(read.field(&mut last), Some(Some(kind::LIST)));
        assert_eq!((last, read.skip(kind::LIST)), (3, Some(())));
        assert_eq!(read.field(&mut last), Some(Some(1)));
        assert_eq!((last, read.skip(1)), (4, Some(())));
        assert_eq!(read.field(&mut last), Some(Some(6)));
        assert_eq!((last, read.int()), (20, Some(300)));
        assert_eq!(read.field(&mut last), Some(None));
        assert_eq!(read.at(), bytes.len() - 1);
        assert_eq!(Thrift::new(&bytes).skip(kind::STRUCT), Some(()));
    }

    #[test]
    fn what_claims_to_be_longer_than_it_is_or_is_nested_without_end_is_nothing() {
        assert_eq!(Thrift::new(&[0xff; 12]).int(), None);
        assert_eq!(Thrift::new(&[0xf0, 0xff, 0xff, 0x0f]).binary(), None);
        // A list of 2^28 structs that are not there, and lists in lists.
        assert_eq!(Thrift::new(&[0xfc, 0xff, 0xff, 0xff, 0x7f]).skip(kind::LIST), None);
        assert_eq!(Thrift::new(&[0x19; 1_000]).skip(kind::LIST), None);
    }
}
