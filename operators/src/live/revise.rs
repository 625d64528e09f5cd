//! Rows whose derived values have changed after they were applied.

use super::LiveWindows;
use crate::entity_log::{EntityLog, Revised};
use crate::online::Cause;
use crate::timeline::names::Names;

impl LiveWindows {
    /// Applies what has changed of rows in the stash without any arrival.
    pub fn revised(&mut self, log: &mut EntityLog) {
        let EntityLog { names, revised, .. } = log;
        self.revise(revised, names);
        revised.clear();
    }

    /// Puts rows as they are in the place of the rows as they were, wherever these are inside.
    pub(super) fn revise(&mut self, revised: &Revised, names: &mut Names) {
        let Revised { old, new, origins } = revised;
        for at in 0..self.windows.len() {
            let place = &mut self.windows[at];
            place.enter.clear();
            place.leave.clear();
            for (row, ts) in old.times.iter().enumerate() {
                if place.holds(*ts, self.clock) {
                    new.copy(row, &mut place.enter);
                    old.copy(row, &mut place.leave);
                }
            }
            if !place.enter.is_empty() {
                self.accumulators.revise(at, &place.leave, &place.enter);
            }
            place.enter.clear();
            place.leave.clear();
        }
        for last in &mut self.lasts {
            for (row, origin) in origins.iter().enumerate() {
                last.revise(new, *origin, row, names);
            }
        }
        for view in &mut self.views {
            for ((slot, was), is) in new.slots.iter().zip(&old.bits).zip(&new.bits) {
                if view.sees(*was) || view.sees(*is) {
                    view.touch(*slot, Cause::Arrival);
                }
            }
        }
    }
}
