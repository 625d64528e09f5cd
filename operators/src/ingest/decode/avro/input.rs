//! The bytes of a record, read from the front.

/// What is wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Truncated,
    Varint,
    Int,
    Length,
    Size,
    Boolean,
    Branch,
    Symbol,
    Depth,
}

impl Bad {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Bad::Truncated => "it ends too early",
            Bad::Varint => "a number has more than 64 bits",
            Bad::Int => "an int has more than 32 bits",
            Bad::Length => "a length is negative or beyond the end",
            Bad::Size => "a block has not the size it says",
            Bad::Boolean => "a boolean is neither 0 nor 1",
            Bad::Branch => "a union has no such branch",
            Bad::Symbol => "an enum has no such symbol",
            Bad::Depth => "it is nested too deeply",
        }
    }
}

/// See the module.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { bytes, at: 0 }
    }

    /// How many bytes have been read.
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// A long, or the count of a block.
    #[inline]
    pub fn long(&mut self) -> Result<i64, Bad> {
        let raw = match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                u64::from(*byte)
            }
            _ => self.varint()?,
        };
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn varint(&mut self) -> Result<u64, Bad> {
        let mut value = 0_u64;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        for (at, byte) in rest.iter().take(10).enumerate() {
            let low = u64::from(byte & 0x7f);
            // Of the tenth byte one bit is left.
            if at == 9 && *byte > 1 {
                return Err(Bad::Varint);
            }
            value |= low << (7 * at);
            if *byte < 0x80 {
                self.at += at + 1;
                return Ok(value);
            }
        }
        Err(if rest.len() < 10 { Bad::Truncated } else { Bad::Varint })
    }

    /// An int.
    #[inline]
    pub fn int(&mut self) -> Result<i64, Bad> {
        let value = self.long()?;
        if i32::try_from(value).is_ok() { Ok(value) } else { Err(Bad::Int) }
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Bad> {
        let end = self.at.checked_add(count).ok_or(Bad::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(Bad::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bad> {
        self.take(N)?.try_into().map_err(|_| Bad::Truncated)
    }

    pub fn float(&mut self) -> Result<f32, Bad> {
        self.array().map(f32::from_le_bytes)
    }

    #[inline]
    pub fn double(&mut self) -> Result<f64, Bad> {
        self.array().map(f64::from_le_bytes)
    }

    pub fn boolean(&mut self) -> Result<bool, Bad> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(Bad::Boolean),
        }
    }

    /// A length in bytes that is within what is left.
    #[inline]
    fn length(&mut self) -> Result<usize, Bad> {
        let length = usize::try_from(self.long()?).map_err(|_| Bad::Length)?;
        if length <= self.left() { Ok(length) } else { Err(Bad::Length) }
    }

    /// Bytes or a string, behind their length.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Bad> {
        let length = self.length()?;
        self.take(length)
    }

    #[inline]
    pub fn skip_varint(&mut self) -> Result<(), Bad> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(())
            }
            _ => self.varint().map(drop),
        }
    }

    /// The branch of a union or the symbol of an enum: which of `of`.
    #[inline]
    pub fn which(&mut self, of: usize, bad: Bad) -> Result<usize, Bad> {
        let at = usize::try_from(self.long()?).map_err(|_| bad)?;
        if at < of { Ok(at) } else { Err(bad) }
    }

    /// The head of a block of an array or a map: how many items follow, 0 at the end; and their
    /// size in bytes where the writer said so.
    #[inline]
    pub fn block(&mut self) -> Result<(u64, Option<usize>), Bad> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        Ok((count.unsigned_abs(), Some(self.length()?)))
    }
}
