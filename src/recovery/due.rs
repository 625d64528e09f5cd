//! When a checkpoint is due.

use super::part::LetterRoom;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tidemark_operators::cut::Cut;
use tidemark_operators::time::EventTime;

/// How far checkpoints are, for whoever asks for the next.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The newest cut of which all has been handed over.
    pub gathered: AtomicU64,
    /// The newest cut that is committed.
    pub committed: AtomicU64,
    /// One is wanted at once.
    pub wanted: AtomicBool,
}

/// How many cuts may be gathered and not committed.
const IN_FLIGHT_MAX: u64 = 2;

/// Says when the next cut is due: an interval after the one before, or earlier where one is wanted or
/// dead letters wait for it. The one before has been handed over by then, so nothing piles up.
pub(super) struct Due {
    interval: Duration,
    progress: Arc<Progress>,
    room: Arc<LetterRoom>,
    last: Cut,
    asked_at: Instant,
}

impl Due {
    /// Of a job that goes on from the cut `at`, or from 0.
    pub fn new(
        interval: Duration,
        progress: Arc<Progress>,
        room: Arc<LetterRoom>,
        at: EventTime,
    ) -> Self {
        let last = Cut { number: 0, at };
        Due { interval, progress, room, last, asked_at: Instant::now() }
    }

    /// The cut that is due when everything before `frontier` is sealed.
    pub fn next(&mut self, frontier: EventTime) -> Option<Cut> {
        let gathered = self.progress.gathered.load(Ordering::Acquire);
        let committed = self.progress.committed.load(Ordering::Acquire);
        if gathered < self.last.number || gathered - committed.min(gathered) >= IN_FLIGHT_MAX {
            return None;
        }
        let wanted = self.progress.wanted.load(Ordering::Acquire) || self.room.is_short();
        if !wanted && self.asked_at.elapsed() < self.interval {
            return None;
        }
        self.progress.wanted.store(false, Ordering::Release);
        self.asked_at = Instant::now();
        let at = Cut::below(frontier).max(self.last.at);
        self.last = Cut { number: self.last.number + 1, at };
        Some(self.last)
    }
}
