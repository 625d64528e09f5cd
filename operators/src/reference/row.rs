//! Rows of a table as they go between workers and stand in arrangements.

use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// A key: the bytes that stand for a value in a dictionary (texts and addresses as they are, other
/// values as 8 bytes, little-endian), or those of a [`Prefix`](super::address::Prefix).
pub type Key = Vec<u8>;

/// One value of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Cell {
    /// None.
    Null,
    /// What has 64 bits, as in a [`Column`](crate::value::Column).
    Word(u64),
    /// A text or an address.
    Bytes(Vec<u8>),
}

impl Cell {
    /// The bytes that stand for it in a dictionary; `None` for null.
    pub(super) fn dictionary<'a>(&'a self, word: &'a mut [u8; 8]) -> Option<&'a [u8]> {
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

/// What a row has besides its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Row {
    /// Events before this do not see it; 0: all do.
    pub valid_from: EventTime,
    /// A value for each column of the table.
    pub cells: Vec<Cell>,
}
