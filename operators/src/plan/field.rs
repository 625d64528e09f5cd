//! Fields of a source: where they are in a record, and what they take.

use super::place::Place;
use super::source::{TimeForm, TimeUnit};
use crate::value::{Type, Value};
use std::net::IpAddr;

/// The default of [`ReadOptions::text_bytes_max`].
pub const TEXT_BYTES_MAX: usize = 1024;

/// One field of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldPlan {
    /// Its name in the job.
    pub name: String,
    /// In what of the record it is.
    pub place: Place,
    /// Where it is in that: names, and elements of arrays (see [`path`](super::path)). Empty where it
    /// is all of it.
    pub path: Vec<String>,
    /// Where else it may be: of `path` and these, in this order, the first that a record has is
    /// read. No two fields share a path.
    pub aliases: Vec<Vec<String>>,
    /// Its type.
    pub ty: Type,
    /// Whether a record without it (or with null) is malformed.
    pub required: bool,
    /// What stands in for it in a record that has none of its paths (a null is no absence). Never
    /// [`Value::Null`], and of the field's type.
    pub default: Option<Value>,
    /// How its values are read.
    pub reading: ReadOptions,
}

impl FieldPlan {
    /// A required field of type `ty` in the record's value, at the key that is its name.
    ///
    /// ```
    /// use tidemark_operators::plan::FieldPlan;
    /// use tidemark_operators::value::Type;
    ///
    /// let optional = FieldPlan { required: false, ..FieldPlan::new("amount", Type::DECIMAL) };
    /// assert_eq!(optional.path, ["amount"]);
    /// ```
    pub fn new(name: &str, ty: Type) -> Self {
        FieldPlan {
            name: name.to_owned(),
            place: Place::Value,
            path: vec![name.to_owned()],
            aliases: Vec::new(),
            ty,
            required: true,
            default: None,
            reading: ReadOptions::default(),
        }
    }
}

/// How the values of a field are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whether a value of another kind is taken that says the same: a number in a text, a whole
    /// number as an id. Else only the type's own form is.
    pub coerce: bool,
    /// Texts that mean null, whatever the type. An empty or blank text is null for every type but
    /// string in any case, as long as `coerce` is set.
    pub null_values: Vec<String>,
    /// What becomes of a value that is there and cannot be read.
    pub invalid: Invalid,
    /// The most bytes of a string; a longer one cannot be read.
    pub text_bytes_max: usize,
    /// How a timestamp is read.
    pub time: TimeForm,
    /// The first and the last ms since the epoch that a timestamp may be.
    pub times: (i64, i64),
    /// Which address of several is meant; `None`: a list is no address.
    pub pick: Option<Pick>,
    /// How the bytes of a number are written; `None`: it is written as a number. JSON only, and only of
    /// fields in the record's value.
    pub encoding: Option<Encoding>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        ReadOptions {
            coerce: true,
            null_values: Vec::new(),
            invalid: Invalid::Reject,
            text_bytes_max: TEXT_BYTES_MAX,
            time: TimeForm::new(TimeUnit::Ms),
            times: (-i64::MAX, i64::MAX),
            pick: None,
            encoding: None,
        }
    }
}

impl ReadOptions {
    /// Whether a timestamp may be this one, in ms since the epoch.
    #[inline]
    pub const fn holds_time(&self, ms: i64) -> bool {
        self.times.0 <= ms && ms <= self.times.1
    }
}

/// How a number is written whose bytes (big-endian, two's complement, at most 16) stand in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// A text: the number without its point, which has so many decimals.
    Unscaled(u32),
    /// An object: `value` as above, and `scale`, which says how many decimals it has.
    Scaled,
}

/// Which address of a list is meant: of one that every proxy appended to (`X-Forwarded-For`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// The first: what the client says.
    First,
    /// The last: whom the last proxy heard.
    Last,
    /// From the end, the first one that is in none of these networks (the address each begins with,
    /// and its length in bits); the first of the list when all are.
    LastUntrusted(Vec<(IpAddr, u8)>),
}

/// What becomes of a value that is there and cannot be read as its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The field is null, and that is counted.
    Null,
    /// The record is malformed.
    Reject,
}
