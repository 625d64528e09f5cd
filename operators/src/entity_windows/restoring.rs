//! An entity type's state, made again from a checkpoint before anything else happens.
//!
//! First the rows before the snapshot's cut, which only the log needs; then the states as of it; then
//! the rows up to the checkpoint's cut, which go through the windows as sealed ones do, but that nobody
//! is given them; live windows begin where that ends. A slice a step.

use super::forgetting::Forgetting;
use super::{EntityRestore, EntityState, Restored};
use crate::online::Shown;
use crate::plan::{EntityPlan, Plan};
use crate::sealed::SealedWindows;
use crate::snapshot::SnapshotReader;
use crate::time::EventTime;
use crate::timeline::owner::Owner;
use crate::window::attach::Attachments;

/// See the module.
pub(super) struct Restoring {
    from: EntityRestore,
    owner: Owner,
    windows: Option<(SealedWindows, SnapshotReader)>,
    sealed: Option<SealedWindows>,
    /// A step of the windows that is not through yet.
    folding: bool,
    /// All pieces have come.
    ended: bool,
}

/// How far it is.
pub(super) enum RestoreStep {
    /// There is more to do.
    Again,
    /// Something has to come first.
    Wait,
    /// All is there: the sealed windows, as of the cut.
    Done(Box<SealedWindows>),
}

impl Restoring {
    pub fn new(from: EntityRestore, owner: Owner) -> Self {
        Restoring { from, owner, windows: None, sealed: None, folding: false, ended: false }
    }

    /// The cut that is restored.
    pub fn cut(&self) -> EventTime {
        self.from.cut
    }

    /// Hands on what is forgotten: all of it is left out by now.
    pub fn forgotten(&mut self, forgetting: &mut Forgetting) {
        forgetting.again(&self.from.forgotten, self.owner);
    }

    /// What the online store is known to show.
    pub fn shown(&self) -> Option<Shown> {
        self.from.shown
    }

    /// Appends where the windows stand in the log.
    pub fn places(&self, places: &mut Vec<u64>) {
        self.sealed.iter().for_each(|sealed| sealed.places(places));
    }

    /// A slice of it.
    ///
    /// # Errors
    /// When what the checkpoint has cannot be what the job has kept, or cannot be read.
    pub fn step(
        &mut self,
        plan: &Plan,
        entity: &EntityPlan,
        state: &mut EntityState,
        budget: u64,
    ) -> Result<RestoreStep, String> {
        if self.folding {
            let EntityState { log, windows, .. } = state;
            let sealed = self.sealed.as_mut();
            self.folding = !sealed.is_none_or(|s| s.fold(&log.log, &mut log.names, budget));
            if !self.folding {
                windows.compact();
            }
            return Ok(RestoreStep::Again);
        }
        let piece = if self.ended { Restored::End } else { self.from.feed.next() };
        match piece {
            Restored::Wait => return Ok(RestoreStep::Wait),
            Restored::Failed(why) => return Err(why),
            Restored::Rows { parts, times, mapping } => {
                let end = times.end;
                let folds = end > self.from.snapshot;
                if folds {
                    self.begin_folding(plan, entity, state);
                }
                let since = if folds { times.start } else { EventTime::MAX };
                let parts: Vec<_> = parts.iter().map(|part| &**part).collect();
                let put = state.log.restore(&parts, &mapping, times, self.owner, since);
                put.map_err(|error| error.to_string())?;
                if folds {
                    self.seal(state, end);
                }
            }
            Restored::States(states) => {
                let (sealed, reader) = self.windows(plan, entity, state);
                let loaded = reader.load(&states, sealed, &mut state.log);
                loaded.map_err(|error| error.to_string())?;
            }
            Restored::End => {
                self.ended = true;
                self.begin_folding(plan, entity, state);
                let cut = self.from.cut;
                if state.windows.upper() < cut {
                    self.seal(state, cut);
                    return Ok(RestoreStep::Again);
                }
                if let Some(sealed) = self.sealed.take() {
                    return Ok(RestoreStep::Done(Box::new(sealed)));
                }
            }
        }
        Ok(RestoreStep::Again)
    }

    /// The windows as of the snapshot, being loaded.
    fn windows(
        &mut self,
        plan: &Plan,
        entity: &EntityPlan,
        state: &mut EntityState,
    ) -> (&mut SealedWindows, &mut SnapshotReader) {
        let (snapshot, owner) = (self.from.snapshot, self.owner);
        let EntityState { log, windows, .. } = state;
        let (sealed, reader) = self.windows.get_or_insert_with(|| {
            *windows = Attachments::at(&entity.windows, &log.log, snapshot);
            let sealed = SealedWindows::at(plan, entity, &log.log, snapshot);
            (sealed, SnapshotReader::new(plan, entity, snapshot, owner, None))
        });
        (sealed, reader)
    }

    /// All states are loaded.
    fn begin_folding(&mut self, plan: &Plan, entity: &EntityPlan, state: &mut EntityState) {
        if self.sealed.is_some() {
            return;
        }
        self.windows(plan, entity, state);
        if let Some((mut sealed, reader)) = self.windows.take() {
            let made = reader.finish(&mut sealed, &mut state.log);
            self.from.feed.made(&made);
            self.sealed = Some(sealed);
        }
    }

    /// Begins the step of the windows up to `hi`.
    fn seal(&mut self, state: &mut EntityState, hi: EventTime) {
        let EntityState { log, windows, .. } = state;
        windows.seal(&log.log, hi);
        if let Some(sealed) = &mut self.sealed {
            sealed.begin(windows.newest(), hi);
            self.folding = true;
        }
    }
}
