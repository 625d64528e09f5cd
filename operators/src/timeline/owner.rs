//! Whose an entity is.

use crate::interner::stable_hash;

/// A worker among all: entities are spread over them by their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Which worker, from 0.
    pub worker: usize,
    /// How many there are.
    pub workers: usize,
}

impl Owner {
    /// The only worker.
    pub const ALL: Owner = Owner { worker: 0, workers: 1 };

    /// Whether the entity with this id is its own.
    ///
    /// ```
    /// use tidemark_operators::timeline::owner::Owner;
    ///
    /// let owners = [0, 1, 2].map(|worker| Owner { worker, workers: 3 });
    /// assert_eq!(owners.iter().filter(|owner| owner.owns(b"card-17")).count(), 1);
    /// ```
    pub fn owns(self, id: &[u8]) -> bool {
        self.workers <= 1 || Owner::of(stable_hash(id), self.workers) == self.worker
    }

    /// The worker, of `workers`, of an entity whose id has this hash.
    #[inline]
    pub fn of(hash: u64, workers: usize) -> usize {
        (hash % workers.max(1) as u64) as usize
    }
}
