//! Values that were there and cannot be read, or not to the last digit.
//!
//! Nothing is decided while a record is read: of a key that is there twice the last value counts, and of
//! several paths the first. What was wrong with a value is kept until then.

use super::{Row, wrong};
use crate::ingest::decode::error::DecodeError;
use crate::ingest::decode::trie::Leaf;

/// What is to be told of a value that was there.
#[derive(Clone, Debug)]
pub(in crate::ingest::decode) enum Fault {
    /// It cannot be read.
    Unreadable { place: Affected, error: DecodeError },
    /// It is a decimal of this field, and had more digits.
    Rounded(usize),
}

impl Fault {
    /// Whether it is about this field.
    pub fn is_of(&self, asked: usize) -> bool {
        match self {
            Fault::Unreadable { place, .. } => *place == Affected::Field(asked),
            Fault::Rounded(field) => *field == asked,
        }
    }

    /// Whether what cannot be read was to be this.
    pub fn is_at(&self, asked: Affected) -> bool {
        matches!(self, Fault::Unreadable { place, .. } if *place == asked)
    }
}

/// What a value was to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingest::decode) enum Affected {
    Field(usize),
    Time,
    Arrival,
}

impl<'a> Row<'a> {
    /// A value of a kind that cannot be right.
    #[cold]
    pub fn refuse(&mut self, leaf: usize, found: &str) {
        if let Some(leaf) = self.leaves.get(leaf) {
            self.fault(leaf, wrong(leaf, found));
        }
    }

    /// Something else than an object, at one whose keys are wanted: all of them are there, and wrong.
    #[cold]
    pub fn refuse_object(&mut self, node: usize, error: &DecodeError) {
        self.restart(node);
        let leaves = self.leaves;
        let below = self.nodes.get(node).map(|n| n.below.clone()).unwrap_or_default();
        for leaf in below.iter().filter_map(|leaf| leaves.get(*leaf)) {
            self.fault(leaf, error.clone());
        }
    }

    /// The value at `leaf` can be nothing that it is wanted for.
    #[cold]
    pub(super) fn fault(&mut self, leaf: &'a Leaf, error: DecodeError) {
        if let Some((field, _)) = leaf.field {
            self.fault_field(leaf, field, error.clone());
        }
        if leaf.is_time() {
            self.fault_time(leaf, error);
        }
    }

    /// The value at `leaf` is none of the field: as long as no other one decides, it is null.
    #[cold]
    pub(super) fn fault_field(&mut self, leaf: &'a Leaf, field: usize, error: DecodeError) {
        let mut decides = false;
        self.cell(leaf, field, |column| {
            column.push_null();
            decides = true;
        });
        if decides {
            self.faults.push(Fault::Unreadable { place: Affected::Field(field), error });
        }
    }

    /// The value at `leaf` is the field's, but for the digits that it does not keep.
    #[cold]
    pub(super) fn put_rounded(&mut self, leaf: &'a Leaf, field: usize, units: i64) {
        let mut decides = false;
        self.cell(leaf, field, |column| {
            column.push_int(units);
            decides = true;
        });
        if decides {
            self.faults.push(Fault::Rounded(field));
        }
    }

    #[cold]
    pub(super) fn fault_time(&mut self, leaf: &Leaf, error: DecodeError) {
        self.forget_times(leaf);
        if leaf.time.is_some() {
            let error = error.clone();
            self.faults.push(Fault::Unreadable { place: Affected::Time, error });
        }
        if leaf.arrival.is_some() {
            self.faults.push(Fault::Unreadable { place: Affected::Arrival, error });
        }
    }

    /// No time has been read at `leaf`, and nothing was wrong with one.
    pub(super) fn forget_times(&mut self, leaf: &Leaf) {
        if leaf.time.is_some() {
            self.time = None;
            self.mend(Affected::Time);
        }
        if leaf.arrival.is_some() {
            self.arrival = None;
            self.mend(Affected::Arrival);
        }
    }

    /// What was wrong before decides no longer.
    #[inline]
    pub(super) fn mend(&mut self, place: Affected) {
        if !self.faults.is_empty() {
            self.faults.retain(|fault| !fault.is_at(place));
        }
    }

    /// The same for all that was said of a field.
    #[inline]
    pub(super) fn mend_field(&mut self, field: usize) {
        if !self.faults.is_empty() {
            self.faults.retain(|fault| !fault.is_of(field));
        }
    }
}
