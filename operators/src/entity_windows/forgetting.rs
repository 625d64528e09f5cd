//! Entities that are forgotten while the job runs, as if nothing of them had come before.
//!
//! An entity loses its number: what its events have left in windows, sequences and histories stays with the
//! number, which is nobody's from then on, and goes as it would have gone; whoever comes with the id gets
//! another number, of which nothing is known. So nothing has to be taken out of anything, and no other
//! entity is touched. Of a number that is nobody's no row is given out, and no checkpoint has anything.
//!
//! ```text
//! asked ──> rows are given out as gone ──(the sink has them)──> the number loses its id, checkpoints are told
//! ```
//!
//! In between nothing arrives and nothing is sealed. While a snapshot is told it waits.

use super::handed::Handed;
use super::running::Running;
use super::{Activation, Serving};
use crate::cut::Forgotten;
use crate::forgotten::ForgottenEvents;
use crate::interner::stable_hash;
use crate::timeline::owner::Owner;
use std::collections::VecDeque;

/// The most entities of a type that wait on a worker to be forgotten.
pub const FORGETTING_MAX: usize = 1_024;

/// What has become of an entity that somebody asked to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityForgotten {
    /// Whether anything was held of it in memory.
    pub held: bool,
    /// Up to where it is forgotten.
    pub forgotten: Forgotten,
}

/// Told once it is so.
type TellForgotten = Box<dyn FnOnce(EntityForgotten)>;

/// Who is to be forgotten.
pub(super) struct ForgetAsked {
    pub id: Vec<u8>,
    pub told: TellForgotten,
}

/// See the module.
#[derive(Default)]
pub(super) struct Forgetting {
    /// Entities whose rows are being given out as gone.
    leaving: Vec<Leaving>,
    /// Events that come again and are dropped.
    pub events: ForgottenEvents,
    /// Entities that were forgotten before a restart: the online store may have missed it.
    again: VecDeque<Vec<u8>>,
}

struct Leaving {
    id: Vec<u8>,
    slot: u32,
    held: bool,
    /// `None`: it was forgotten before.
    told: Option<TellForgotten>,
}

impl Forgetting {
    /// Goes on from what was forgotten before a restart.
    pub fn of(forgotten: &[Forgotten]) -> Self {
        let mut forgetting = Forgetting::default();
        forgotten.iter().for_each(|one| forgetting.events.add(one));
        forgetting
    }

    /// Has the online store be told again of those that are `owner`'s.
    pub fn again(&mut self, forgotten: &[Forgotten], owner: Owner) {
        let own = forgotten.iter().filter(|one| owner.owns(&one.id));
        self.again.extend(own.map(|one| one.id.clone()));
    }
}

impl Running {
    /// A step of forgetting; `None`: nothing more is to be done for it now.
    pub(super) fn forget(&mut self) -> Option<Activation> {
        if !self.forgetting.leaving.is_empty() {
            self.forgotten();
        }
        let telling = self.handed.as_ref().is_some_and(Handed::is_telling);
        let is_asked =
            !self.forgetting.again.is_empty() || self.state.borrow().is_asked_to_forget();
        if telling || !is_asked {
            return None;
        }
        self.leave();
        if self.config.serving == Serving::EveryStep {
            self.hand_out();
            self.unretired = !self.rows.batches.is_empty();
            return Some(Activation::Again);
        }
        self.forgotten();
        None
    }

    /// Has the rows of those that are asked for be given out as gone.
    fn leave(&mut self) {
        let state = &mut *self.state.borrow_mut();
        let names = &mut state.log.names;
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        let again = self.forgetting.again.len().min(FORGETTING_MAX);
        let again = self.forgetting.again.drain(..again).map(|id| (id, None));
        let asked = state.forgetting.drain(..).map(|asked| (asked.id, Some(asked.told)));
        for (id, told) in again.chain(asked) {
            let hash = stable_hash(&id);
            let held = names.entities.find(&id, hash).is_some();
            // It has a user until it is forgotten, so that its number is nobody else's meanwhile.
            let slot = names.entities.intern(&id, hash);
            match (&told, held) {
                (None, true) => changed.push(slot),
                _ => gone.push(slot),
            }
            self.forgetting.leaving.push(Leaving { id, slot, held, told });
        }
        if let Some(live) = &mut self.live {
            live.leave(&gone, names);
            live.touch(&changed);
        }
    }

    /// The sink has those rows: the numbers lose their ids.
    fn forgotten(&mut self) {
        let state = &mut *self.state.borrow_mut();
        let before = state.windows.upper();
        let names = &mut state.log.names;
        if let Some(live) = &mut self.live {
            live.leave(&[], names);
        }
        for Leaving { id, slot, held, told } in std::mem::take(&mut self.forgetting.leaving) {
            if let Some(told) = told {
                let forgotten = Forgotten { id, before, read: self.applied.offsets.clone() };
                if let Some(handed) = &mut self.handed {
                    handed.forget(slot, &forgotten);
                }
                names.entities.unname(slot);
                self.forgetting.events.add(&forgotten);
                told(EntityForgotten { held, forgotten });
            }
            names.entities.release(slot);
        }
    }
}
