//! How much memory the state of a job may take, and what follows when it takes that much.
//!
//! State leaves with time, and time goes on with what is read. So beyond [`LITTLE_PERCENT`] of the
//! limit reading goes on slowly, and only where it moves the frontier; at the limit it stops.
//! Partitions that are silent follow the others meanwhile, checkpoints, letters and rows are written,
//! and whoever asks is answered.
//!
//! Tables by entity do not shrink, but fill up again what is free in them before they grow: what counts
//! is what is in use. As long as that is not all, memory stays below [`HELD_PERCENT`] of the limit.

use std::fmt;
use std::sync::Arc;
use tidemark_operators::metrics::{HeldBytes, WorkerMetrics};
use tidemark_operators::shared::Room;

/// The share of the limit, in hundredths, from which on little is read.
/// Tables that grow double, so there must be room for that below the limit.
const LITTLE_PERCENT: u64 = 90;
/// The share of the limit, in hundredths, that may be held in all, with what is free in tables.
pub(crate) const HELD_PERCENT: u64 = 110;

/// See the module.
pub struct StateBound {
    limit: u64,
    rows: Box<dyn Fn() -> HeldBytes + Send + Sync>,
}

impl StateBound {
    /// A bound of `limit` bytes; `rows` says what the newest rows take in the process. It is asked once
    /// a step of each worker.
    pub fn new(limit: u64, rows: impl Fn() -> HeldBytes + Send + Sync + 'static) -> Self {
        StateBound { limit, rows: Box::new(rows) }
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What the state takes in all: of the entities of all `workers`, and the newest rows.
    pub fn held(&self, workers: &[Arc<WorkerMetrics>]) -> HeldBytes {
        let entities = workers.iter().flat_map(|worker| &worker.entities);
        entities.map(|entity| entity.held()).chain([(self.rows)()]).sum()
    }

    /// Whether there is room beside what is held.
    pub fn room(&self, held: HeldBytes) -> Room {
        let percent = |percent: u64| self.limit / 100 * percent;
        if held.used() >= self.limit || held.held >= percent(HELD_PERCENT) {
            Room::None
        } else if held.used() >= percent(LITTLE_PERCENT) {
            Room::Little
        } else {
            Room::Enough
        }
    }
}

impl fmt::Debug for StateBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateBound").field("limit", &self.limit).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_slows_down_before_the_limit_and_stops_at_it_whatever_is_free_in_tables() {
        let bound = StateBound::new(1_000, HeldBytes::default);
        let room = |held, reusable| bound.room(HeldBytes { held, reusable });
        assert_eq!((room(899, 0), room(900, 0)), (Room::Enough, Room::Little));
        assert_eq!((room(999, 0), room(1_000, 0)), (Room::Little, Room::None));
        assert_eq!((room(1_050, 200), room(1_050, 150)), (Room::Enough, Room::Little));
        assert_eq!((room(1_099, 900), room(1_100, 900)), (Room::Enough, Room::None));
    }
}
