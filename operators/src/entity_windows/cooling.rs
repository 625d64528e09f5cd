//! Rows that leave memory, and what follows when one cannot be read back.
//!
//! A step reads back what it needs where it needs it. Where that fails, the windows are without rows that
//! they need, and go on to the end of the step with wrong values: none of them leaves the operator, no
//! checkpoint has any, the job is stopped and says why.

use super::handed::Handed;
use super::running::Running;
use super::{Activation, EntityState};
use crate::live::LiveWindows;
use crate::online_rows::LiveRows;
use crate::sealed::SealedWindows;
use crate::time::EventTime;

impl Running {
    /// As [`step`](Self::step), and lets rows go that no window lets go of for a while.
    pub(super) fn step_cooling(&mut self, frontier: Option<EventTime>) -> Activation {
        if !self.state.borrow().log.log.goes_cold() {
            return self.step(frontier);
        }
        if self.stops_lost() {
            return Activation::Soon;
        }
        // What is restored comes faster than it can be written.
        if self.restoring.is_some() && self.cool() {
            return Activation::Soon;
        }
        let pace = self.step(frontier);
        if self.stops_lost() {
            return Activation::Soon;
        }
        self.cool();
        pace
    }

    /// Stops the job where rows could not be read back. Nothing is given from then on, and the operator holds
    /// its output where it was before the step: nobody goes past rows that are missing.
    fn stops_lost(&mut self) -> bool {
        let lost = self.state.borrow().log.log.lost();
        if let Some(why) = &lost {
            self.config.shared.fail(why.clone());
            (self.writer, self.rows) = (None, LiveRows::default());
        }
        lost.is_some()
    }

    /// Whether rows could not be read back.
    pub(super) fn is_lost(&self) -> bool {
        self.state.borrow().log.log.is_lost()
    }

    /// Lets rows go; says whether there are more to go as soon as others have been written.
    fn cool(&mut self) -> bool {
        let Running { state, live, sealing, restoring, handed, places, .. } = self;
        let EntityState { log, windows, clock, .. } = &mut *state.borrow_mut();
        places.clear();
        windows.places(places);
        if let Some(live) = live {
            LiveWindows::places(live, places);
        }
        let mut now = windows.upper().max(*clock);
        let mut through = log.log.end();
        if let Some(restoring) = restoring {
            restoring.places(places);
            now = now.max(restoring.cut());
        } else {
            if let Some(sealing) = sealing {
                SealedWindows::places(sealing, places);
                through = through.min(sealing.low_water());
            }
            // While checkpoints cannot be written, what they will take is no reason to fill the memory.
            places.extend(handed.as_ref().map(Handed::copied));
        }
        log.log.cool(now, through, places)
    }
}
