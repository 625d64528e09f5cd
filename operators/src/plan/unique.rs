//! What makes a record of a source itself, so that a copy of it is told.

use crate::time::Millis;

/// The default of [`UniquePlan::ids_max`].
pub const UNIQUE_IDS_MAX: usize = 4_000_000;

/// Copies of a source's records are no events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UniquePlan {
    /// The fields whose values together are the id: indices into
    /// [`SourcePlan::fields`](super::SourcePlan::fields). A record that lacks one of them has no id.
    pub id: Vec<usize>,
    /// A record is a duplicate while its partition's clock is less than this beyond that of an
    /// accepted one with its id.
    pub within: Millis,
    /// How many ids are kept for a partition; more are not, and their copies are events.
    pub ids_max: usize,
    /// What becomes of a duplicate.
    pub duplicates: Duplicates,
}

/// In how many steps the ids of [`within`](UniquePlan::within) are forgotten.
const STEPS: Millis = 64;

impl UniquePlan {
    /// For how long of clock time ids are forgotten together.
    pub fn step(&self) -> Millis {
        self.within.div_ceil(STEPS).max(1)
    }

    /// Once the partition's clock is so far beyond an id, it is held no more.
    pub fn held_for(&self) -> Millis {
        self.within.saturating_add(self.step())
    }
}

/// What becomes of a record that was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// It is counted and left out.
    Skip,
    /// It is counted and a dead letter.
    Dead,
}
