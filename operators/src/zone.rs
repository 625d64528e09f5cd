//! Time zones as data.

/// A time zone as a table of offsets from UTC, so that the dataflow reads no tz database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The IANA name.
    pub name: String,
    /// `(from, offset)`: from this ms since the epoch on, local time is UTC plus `offset` ms.
    /// Ascending; the first entry starts at `i64::MIN`.
    pub offsets: Vec<(i64, i64)>,
}
