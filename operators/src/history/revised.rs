//! Rows that have become others while they wait to be sealed.

use crate::origin::Origin;
use crate::timeline::lane::Lane;
use crate::timeline::stash::{Stash, Stashed};

/// Rows whose derived values have changed: as they were, and as they are.
#[derive(Debug, Default)]
pub struct Revised {
    /// As they were.
    pub old: Lane,
    /// The same rows as they are.
    pub new: Lane,
    /// Where they are from.
    pub origins: Vec<Origin>,
}

impl Revised {
    /// Nothing, of rows with so many attributes.
    pub(crate) fn new(attributes: usize) -> Self {
        let lane = || Lane::new(&vec![true; attributes]);
        Revised { old: lane(), new: lane(), origins: Vec::new() }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.old.clear();
        self.new.clear();
        self.origins.clear();
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Takes row `row` of `old`, which is that of `entry`, and the same as it is now, if it is
    /// another one.
    pub(crate) fn compare(&mut self, old: &Lane, row: usize, stash: &Stash, entry: &Stashed) {
        old.copy(row, &mut self.old);
        stash.block(entry).copy(entry.row as usize, &mut self.new);
        self.settle(entry.origin);
    }

    /// Takes the row as it is before `change`, and keeps it when it is another one after.
    /// Says whether it is.
    pub(crate) fn watch(&mut self, stash: &Stash, entry: &Stashed, change: impl FnOnce()) -> bool {
        let (block, row) = (stash.block(entry), entry.row as usize);
        block.copy(row, &mut self.old);
        change();
        block.copy(row, &mut self.new);
        self.settle(entry.origin)
    }

    /// Keeps the newest pair of rows if they differ; says whether they do.
    fn settle(&mut self, origin: Origin) -> bool {
        let differ = !self.old.last_equals(&self.new);
        if differ {
            self.origins.push(origin);
        } else {
            self.old.pop();
            self.new.pop();
        }
        differ
    }
}
