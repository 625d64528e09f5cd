//! Where the edges of live windows stand, and what passes them.

use super::LiveWindows;
use crate::entity_log::EntityLog;
use crate::time::{EventTime, Millis};
use crate::timeline::lane::Lane;

/// Rows that have an edge, `edge` ms after their ts, after `clock` and up to `to`: from the log (from
/// `seq` on, which stands after what had its edge by `clock`, and moves) and from the stash.
pub(super) fn edges(
    log: &EntityLog,
    seq: &mut u64,
    edge: Millis,
    (clock, to): (EventTime, EventTime),
    lane: &mut Lane,
) {
    lane.clear();
    let from = *seq;
    *seq = log.log.partition(from, |ts| ts.saturating_add(edge) <= to);
    log.log.copy(from, *seq, lane);
    let (lo, hi) = ((clock + 1).saturating_sub(edge), (to + 1).saturating_sub(edge));
    if log.stash.floor().is_some_and(|floor| floor < hi) {
        log.stash.copy(lo, hi, lane);
    }
}

impl LiveWindows {
    /// Appends where the edges of the windows stand in the log.
    pub fn places(&self, places: &mut Vec<u64>) {
        places.extend(self.windows.iter().flat_map(|place| [place.entered, place.left]));
    }

    /// The latest clock up to `to` that no window needs more than about `budget` rows to reach.
    pub(super) fn reachable(&self, log: &EntityLog, to: EventTime, budget: u64) -> EventTime {
        let mut reachable = to;
        for place in &self.windows {
            let (delay, extent) = (place.window.delay, place.window.leaves(0));
            reachable = self.edge_reachable(log, place.left, extent, reachable, budget);
            if delay > 0 {
                reachable = self.edge_reachable(log, place.entered, delay, reachable, budget);
            }
        }
        reachable
    }

    /// The same for one edge of a window, whose place in the log is `seq`.
    fn edge_reachable(
        &self,
        log: &EntityLog,
        seq: u64,
        edge: Millis,
        to: EventTime,
        budget: u64,
    ) -> EventTime {
        // Far rows may be elsewhere, and are not asked for where they do not matter.
        let matters = |ts: EventTime| ts.saturating_add(edge) < to;
        let by_log = log.log.time_if(seq.saturating_add(budget), matters);
        let by_log = by_log.map(|ts| ts.saturating_add(edge));
        // Rows of one ts have their edge together.
        let to = by_log.filter(|limit| *limit > self.clock).map_or(to, |limit| to.min(limit));
        let (lo, hi) = ((self.clock + 1).saturating_sub(edge), (to + 1).saturating_sub(edge));
        match log.stash.reach(lo, hi, budget) {
            Some(ts) => to.min((ts - 1).saturating_add(edge)),
            None => to,
        }
    }
}
