//! What is held in memory, and how much of that is free inside.

use std::iter::Sum;

/// Bytes that are held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldBytes {
    /// All of them.
    pub held: u64,
    /// Those of them that nothing is in: tables do not give back what they have grown to, but fill it
    /// again before they grow.
    pub reusable: u64,
}

impl HeldBytes {
    /// What something is in.
    pub fn used(self) -> u64 {
        self.held.saturating_sub(self.reusable)
    }
}

impl Sum for HeldBytes {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(HeldBytes::default(), |sum, one| HeldBytes {
            held: sum.held.saturating_add(one.held),
            reusable: sum.reusable.saturating_add(one.reusable),
        })
    }
}
