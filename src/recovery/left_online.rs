//! What a restart finds in the online store, and what follows for the rows that it makes again.

use super::{Recovery, writer};
use crate::checkpoint::Manifest;
use crate::fault;
use crate::online::redis::LeftRows;
use crate::wall_clock::wall_ms;
use tidemark_operators::online::Shown;
use tidemark_operators::time::{EventTime, Millis};

/// What the online store holds of the run before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOnline {
    /// It cannot be asked. It may hold rows as of the checkpoint, which it is compared with later.
    Unknown,
    /// Nothing that is known to be right.
    Nothing,
    /// These rows.
    Rows(LeftRows),
}

impl Recovery {
    /// Where the live clock stood then, or when a row was written last, and how long ago that is.
    pub(super) fn live(&self) -> (EventTime, Millis) {
        if fault::is_mutant("live_clock_forgotten") {
            return (0, 0);
        }
        let Manifest { partitions, live_clock, live_clock_at, .. } = &self.begun;
        let clocks = partitions.iter().filter_map(|mark| mark.clock);
        let live = clocks.chain([*live_clock]).max().unwrap_or(0);
        let silent = wall_ms().unwrap_or(0).saturating_sub(*live_clock_at);
        let silent = if live == 0 || *live_clock_at == 0 { 0 } else { silent };
        match self.left.get() {
            Some(LeftOnline::Rows(left)) if left.newest >= live => (left.newest, left.silent),
            _ => (live, silent),
        }
    }

    /// Whether there is a state to go on from.
    pub fn goes_on(&self) -> bool {
        self.begun.cut > 0
    }

    /// Tells what the online store holds of the run before, before any worker begins.
    pub fn left_online(&self, left: LeftOnline) {
        // It is told once.
        let _ = self.left.set(left);
    }

    /// What the online store shows of the run before, and for how long nobody has written there, as far
    /// as a checkpoint allows to tell which rows are others by now; `None`: all may be.
    pub fn online_shows(&self) -> Option<(Shown, Millis)> {
        let Manifest { cut, snapshot, live_clock_at, .. } = &self.begun;
        // What is restored is as of the ms before the cut.
        let restored = Shown { frontier: *cut, clock: cut.checked_sub(1)? };
        let silent = wall_ms().unwrap_or(0).saturating_sub(*live_clock_at);
        let (shown, silent) = match self.left.get()? {
            LeftOnline::Rows(left) => (left.shown, left.silent),
            LeftOnline::Unknown => (restored, silent),
            LeftOnline::Nothing => return None,
        };
        // Rows are read from here on at least.
        let read = snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of);
        let read = read.saturating_sub(writer::reach(&self.config.plan));
        let known = shown.clock >= restored.clock && shown.frontier >= read;
        known.then_some((shown, silent))
    }
}
