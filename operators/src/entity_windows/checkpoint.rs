//! What the windows of an entity type do for checkpoints, beside their own work: hand over what one
//! takes, and begin from one.

use super::handed::Handed;
use super::restoring::RestoreStep;
use super::running::Running;
use super::{Activation, Sealing, WindowsConfig};
use crate::live::LiveWindows;
use crate::online::{Cause, HANDOUT_ROWS};
use crate::snapshot::Snapped;
use crate::time::EventTime;
use std::rc::Rc;

impl Running {
    /// A slice of the state as of the snapshot `wanted`, which is where everything is sealed to; false:
    /// nothing may be sealed yet.
    pub(super) fn tell_states(&mut self, wanted: EventTime) -> bool {
        if self.is_lost() {
            return false;
        }
        let (Some(handed), Some(sealed)) = (&mut self.handed, &self.sealing) else { return true };
        let WindowsConfig { plan, entity, sealing, .. } = &self.config;
        let lessened = matches!(sealing, Sealing::State { .. });
        let log = &self.state.borrow().log;
        let live = self.live.as_mut().filter(|_| lessened);
        let mut of = Snapped { entity: &plan.entities[*entity], sealed, live, log };
        handed.states(plan, &mut of, wanted);
        false
    }

    /// Hands over what a checkpoint takes; says whether there is more.
    pub(super) fn hand_over(&mut self) -> bool {
        let lost = self.is_lost();
        let Some(handed) = self.handed.as_mut().filter(|_| !lost) else { return false };
        let more = handed.rows(&self.state.borrow().log, self.config.shared.cut.get(), self.sealed);
        more.unwrap_or_else(|failure| {
            self.config.shared.fail(failure);
            false
        })
    }

    /// The same at the end, for the last cut.
    pub(super) fn hand_over_last(&mut self) {
        if self.is_lost() {
            return;
        }
        let last = self.config.shared.last_cut.get();
        let (Some(handed), Some(_)) = (&mut self.handed, last) else { return };
        let log = &self.state.borrow().log;
        let mut more = Ok(true);
        while more == Ok(true) {
            more = handed.rows(log, last, self.sealed);
        }
        if let Err(failure) = more {
            self.config.shared.fail(failure);
        }
    }

    /// After a restore, has more rows given out anew; says whether there are more of them.
    pub(super) fn touch_anew(&mut self) -> bool {
        let (Some(from), Some(live)) = (self.anew, &mut self.live) else { return false };
        let cause = match live.shown() {
            // The rows are not yet what the store shows: there is nothing to compare with before.
            Some(clock) if live.clock() < clock => return false,
            Some(_) => Cause::Restored,
            None => Cause::Decay,
        };
        let names = &self.state.borrow().log.names;
        self.anew = live.touch_all(from, HANDOUT_ROWS, cause, names);
        self.anew.is_some()
    }

    /// A slice of the restore.
    pub(super) fn restore(&mut self) -> Activation {
        let Some(restoring) = &mut self.restoring else { return Activation::Again };
        let WindowsConfig { plan, entity, limits, shared, .. } = &self.config;
        let of = &plan.entities[*entity];
        let state = &mut *self.state.borrow_mut();
        match restoring.step(plan, of, state, limits.slice_rows) {
            Ok(RestoreStep::Again) => Activation::Again,
            Ok(RestoreStep::Wait) => Activation::Soon,
            Ok(RestoreStep::Done(sealed)) => {
                self.live = self.live.take().map(|_| {
                    let mut live = LiveWindows::at(plan, of, &sealed, &mut state.log);
                    if let Some(shown) = restoring.shown() {
                        live.show(shown, &state.log);
                    }
                    live
                });
                restoring.forgotten(&mut self.forgetting);
                state.log.forget_restored([]);
                self.sealed = restoring.cut();
                self.anew = Some(0);
                let first = state.log.log.end();
                self.handed = self.config.cuts.as_ref().map(|sink| {
                    Handed::new(Rc::clone(sink), (*entity, of), &state.log, (first, self.sealed))
                });
                let sealed = match self.config.sealing {
                    Sealing::State { rebuilt } if self.live.is_some() => {
                        sealed.lessened(plan, of, rebuilt)
                    }
                    sealing => sealing.follow(*sealed, of),
                };
                self.sealing = self.sealing.take().map(|_| sealed);
                self.restoring = None;
                Activation::Again
            }
            Err(failure) => {
                shared.fail(failure);
                self.restoring = None;
                Activation::Wait
            }
        }
    }
}
