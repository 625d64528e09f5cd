//! The types of attributes and features, single values, and columns of them.

mod address;

pub use address::{address, address_bytes, parse_address};

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// The type of an attribute, an expression or a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Type {
    /// A signed 64-bit integer; `i64::MIN` is out of range, it stands for null in the log.
    Int,
    /// Fixed-point with so many decimals, at most [`SCALE_MAX`]: an `i64` of units of `10^-scale`, at
    /// most [`DECIMAL_UNITS_MAX`] of them in magnitude when read.
    Decimal(u8),
    /// An IEEE double. Never NaN or infinite in a row, and never in accumulated state.
    Double,
    /// True or false.
    Bool,
    /// A UTF-8 string.
    Text,
    /// Milliseconds since the Unix epoch, UTC.
    Timestamp,
    /// An IP address: 4 bytes (v4) or 16 bytes (v6), network order. An IPv4 address inside of an
    /// IPv6 one (`::ffff:192.0.2.7`, as dual-stack servers write it) is that IPv4 address, and has
    /// 4 bytes; see [`parse_address`].
    Ip,
}

/// The most decimals that a decimal can have.
pub const SCALE_MAX: u8 = 12;

/// The names of the decimals, by scale.
const DECIMALS: [&str; SCALE_MAX as usize + 1] = [
    "decimal(0)",
    "decimal(1)",
    "decimal(2)",
    "decimal(3)",
    "decimal(4)",
    "decimal(5)",
    "decimal",
    "decimal(7)",
    "decimal(8)",
    "decimal(9)",
    "decimal(10)",
    "decimal(11)",
    "decimal(12)",
];

impl Type {
    /// The decimal that a job file calls `decimal`: of 6 decimals.
    pub const DECIMAL: Type = Type::Decimal(6);

    /// The type of this name in a job file; `decimal(6)` is `decimal`.
    pub fn named(name: &str) -> Option<Type> {
        let scale = DECIMALS.iter().position(|decimal| *decimal == name);
        if let Some(scale) = scale.and_then(|scale| u8::try_from(scale).ok()) {
            return Some(Type::Decimal(scale));
        }
        Some(match name {
            "decimal(6)" => Type::DECIMAL,
            "int" => Type::Int,
            "double" => Type::Double,
            "bool" => Type::Bool,
            "string" => Type::Text,
            "timestamp" => Type::Timestamp,
            "ip" => Type::Ip,
            _ => return None,
        })
    }

    /// Whether both are the same, decimals of any scale counting as one.
    pub fn is_like(self, other: Type) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// How much the word of 1 is: `10^scale` for a decimal, else 1.
    pub const fn unit(self) -> i64 {
        match self {
            Type::Decimal(scale) => {
                10_i64.pow(if scale < SCALE_MAX { scale } else { SCALE_MAX } as u32)
            }
            _ => 1,
        }
    }

    /// The name a job file uses.
    pub fn name(self) -> &'static str {
        match self {
            Type::Int => "int",
            Type::Decimal(scale) => DECIMALS.get(usize::from(scale)).copied().unwrap_or("decimal"),
            Type::Double => "double",
            Type::Bool => "bool",
            Type::Text => "string",
            Type::Timestamp => "timestamp",
            Type::Ip => "ip",
        }
    }

    /// Whether values are numbers: int, decimal or double.
    pub const fn is_numeric(self) -> bool {
        matches!(self, Type::Int | Type::Decimal(_) | Type::Double)
    }

    /// Whether values are byte strings (text and addresses), kept in a column's byte arena.
    pub const fn is_bytes(self) -> bool {
        matches!(self, Type::Text | Type::Ip)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The bound on a decimal's magnitude in its units, 18 digits in all: what is beyond it in a record
/// cannot be read.
pub const DECIMAL_UNITS_MAX: i64 = 1_000_000_000_000_000_000 - 1;

/// The word of a double as a column has it: a NaN or an infinity is null, negative zero is zero.
#[inline]
pub(crate) fn double_word(value: f64) -> Option<u64> {
    // Adding +0.0 turns -0.0 into +0.0 and changes nothing else.
    value.is_finite().then(|| (value + 0.0).to_bits())
}

/// A column of values of one type, some of them null: what decoding fills, expressions are
/// evaluated over, and feature rows are made of.
///
/// `words` holds a value's 64 bits: `i64` for int, decimal (its units) and timestamp, the bits of
/// an `f64` for double, 0 or 1 for bool, and `start << 32 | end` into `bytes` for text and ip. The
/// word of a null is 0 and says nothing.
///
/// ```
/// use tidemark_operators::value::Column;
///
/// let mut names = Column::default();
/// names.push_bytes(b"se");
/// names.push_null();
/// assert_eq!(names.len(), 2);
/// assert_eq!((names.bytes(0), names.bytes(1)), (Some(&b"se"[..]), None));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// One word a value.
    pub words: Vec<u64>,
    /// Whether the value is there (not null). As long as `words`.
    pub valid: Vec<bool>,
    /// The bytes of text and ip values.
    pub bytes: Vec<u8>,
}

impl Column {
    /// The number of values, nulls included.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Forgets all values and keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.valid.clear();
        self.bytes.clear();
    }

    /// How much memory it takes, in bytes.
    pub fn memory(&self) -> usize {
        self.words.capacity() * size_of::<u64>() + self.valid.capacity() + self.bytes.capacity()
    }

    /// Cuts back to the first `len` values; their bytes stay.
    pub fn truncate(&mut self, len: usize) {
        self.words.truncate(len);
        self.valid.truncate(len);
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        self.words.push(0);
        self.valid.push(false);
    }

    /// Appends a value by its word; not for text and ip.
    #[inline]
    pub fn push_word(&mut self, word: u64) {
        self.words.push(word);
        self.valid.push(true);
    }

    /// Appends a value by its word, or a null; not for text and ip.
    #[inline]
    pub fn push(&mut self, word: Option<u64>) {
        match word {
            Some(word) => self.push_word(word),
            None => self.push_null(),
        }
    }

    /// Makes it `len` nulls, each of which is to be [`Column::set`].
    pub(crate) fn reset(&mut self, len: usize) {
        self.clear();
        self.words.resize(len, 0);
        self.valid.resize(len, false);
    }

    /// Makes the null at `row` this value.
    #[inline]
    pub(crate) fn set(&mut self, row: usize, word: Option<u64>) {
        if let Some(word) = word {
            self.words[row] = word;
            self.valid[row] = true;
        }
    }

    /// Appends an int, a decimal's units or a timestamp.
    #[inline]
    pub fn push_int(&mut self, value: i64) {
        self.push_word(value.cast_unsigned());
    }

    /// Appends a double; a NaN or an infinity becomes null, negative zero becomes zero.
    #[inline]
    pub fn push_double(&mut self, value: f64) {
        self.push(double_word(value));
    }

    /// Appends a bool.
    #[inline]
    pub fn push_bool(&mut self, value: bool) {
        self.push_word(u64::from(value));
    }

    /// Appends a byte string: the UTF-8 of a text, or an address. A column whose arena would pass
    /// 4 GiB takes a null instead; batches are bounded far below that.
    #[inline]
    pub fn push_bytes(&mut self, value: &[u8]) {
        let start = self.bytes.len();
        let end = start + value.len();
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => {
                self.bytes.extend_from_slice(value);
                self.push_word(u64::from(start) << 32 | u64::from(end));
            }
            _ => self.push_null(),
        }
    }

    /// Appends an address, as [`address_bytes`] has it.
    #[inline]
    pub fn push_ip(&mut self, address: IpAddr) {
        match address.to_canonical() {
            IpAddr::V4(v4) => self.push_bytes(&v4.octets()),
            IpAddr::V6(v6) => self.push_bytes(&v6.octets()),
        }
    }

    /// Appends any value.
    pub fn push_value(&mut self, value: &Value) {
        match value {
            Value::Null => self.push_null(),
            Value::Int(v) | Value::Decimal(v, _) | Value::Timestamp(v) => self.push_int(*v),
            Value::Double(v) => self.push_double(*v),
            Value::Bool(v) => self.push_bool(*v),
            Value::Text(text) => self.push_bytes(text.as_bytes()),
            Value::Ip(address) => self.push_ip(*address),
        }
    }

    /// The word at `row`, or `None` when it is null or past the end.
    #[inline]
    pub fn word(&self, row: usize) -> Option<u64> {
        match (self.valid.get(row), self.words.get(row)) {
            (Some(true), Some(word)) => Some(*word),
            _ => None,
        }
    }

    /// The int, units of a decimal or timestamp at `row`.
    #[inline]
    pub fn int(&self, row: usize) -> Option<i64> {
        self.word(row).map(u64::cast_signed)
    }

    /// The double at `row`.
    #[inline]
    pub fn double(&self, row: usize) -> Option<f64> {
        self.word(row).map(f64::from_bits)
    }

    /// The bool at `row`.
    #[inline]
    pub fn bool(&self, row: usize) -> Option<bool> {
        self.word(row).map(|w| w != 0)
    }

    /// The bytes of the text or ip at `row`.
    #[inline]
    pub fn bytes(&self, row: usize) -> Option<&[u8]> {
        self.word(row).and_then(|w| self.bytes.get((w >> 32) as usize..(w & 0xffff_ffff) as usize))
    }
}

/// One owned value: for the edges (HTTP, tests, literals), never for a hot path.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// An int.
    Int(i64),
    /// A decimal: its units, and how many decimals it has.
    Decimal(i64, u8),
    /// A double.
    Double(f64),
    /// A bool.
    Bool(bool),
    /// A text.
    Text(String),
    /// A timestamp in ms.
    Timestamp(i64),
    /// An address.
    Ip(IpAddr),
}

impl Value {
    /// The double nearest to a decimal of so many units.
    #[expect(clippy::cast_precision_loss, reason = "decimals are shown as the nearest double")]
    pub fn decimal_as_double(units: i64, scale: u8) -> f64 {
        units as f64 / Type::Decimal(scale).unit() as f64
    }
}

/// One value of a row in a reference table: owned, ordered and hashable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cell {
    /// None.
    Null,
    /// What has 64 bits, as in a [`Column`].
    Word(u64),
    /// A text or an address.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The bytes that stand for it in a dictionary; `None` for null.
    pub(crate) fn dictionary<'a>(&'a self, word: &'a mut [u8; 8]) -> Option<&'a [u8]> {
        match self {
            Cell::Null => None,
            Cell::Word(bits) => {
                *word = bits.to_le_bytes();
                Some(word)
            }
            Cell::Bytes(bytes) => Some(bytes),
        }
    }
}
