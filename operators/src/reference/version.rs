//! A file's rows, and what another version of it changes.

use super::row::{Key, Row};
use crate::time::EventTime;
use crate::value::Cell;
use std::collections::BTreeMap;

/// A row and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// Its key.
    pub key: Key,
    /// The rest.
    pub row: Row,
}

/// All rows of one version of a file, each by its key and the time from which on it is valid.
#[derive(Clone, Debug, Default)]
pub struct Version {
    rows: BTreeMap<(Key, EventTime), Vec<Cell>>,
}

/// One change of a table: `1` adds the row, `-1` removes it.
pub type Change = ((Key, Row), isize);

/// What a version changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows removed and added.
    pub changes: Vec<Change>,
    /// How many were added.
    pub added: u64,
    /// How many were removed.
    pub removed: u64,
}

impl Version {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Becomes the version with `rows`, of which no two have the same key and time (of such the
    /// last is taken); says what that changes.
    pub fn replace(&mut self, rows: Vec<TableRow>) -> Changes {
        let new = rows.into_iter().map(|TableRow { key, row }| ((key, row.valid_from), row.cells));
        let new: BTreeMap<_, _> = new.collect();
        let old = std::mem::take(&mut self.rows);
        let mut changes = Changes::default();
        for ((key, valid_from), cells) in &new {
            let at = (key.clone(), *valid_from);
            if old.get(&at) != Some(cells) {
                let row = Row { valid_from: *valid_from, cells: cells.clone() };
                changes.changes.push(((key.clone(), row), 1));
                changes.added += 1;
            }
        }
        for ((key, valid_from), cells) in old {
            let at = (key, valid_from);
            if new.get(&at) != Some(&cells) {
                changes.changes.push(((at.0, Row { valid_from, cells }), -1));
                changes.removed += 1;
            }
        }
        self.rows = new;
        changes
    }
}
