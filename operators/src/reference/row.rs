//! Rows of a table as they go between workers and stand in arrangements.

use crate::time::EventTime;
use crate::value::Cell;
use serde::{Deserialize, Serialize};

/// A key: the bytes that stand for a value in a dictionary (texts and addresses as they are, other
/// values as 8 bytes, little-endian), or those of a [`Prefix`](super::address::Prefix).
pub type Key = Vec<u8>;

/// What a row has besides its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Row {
    /// Events before this do not see it; 0: all do.
    pub valid_from: EventTime,
    /// A value for each column of the table.
    pub cells: Vec<Cell>,
}
