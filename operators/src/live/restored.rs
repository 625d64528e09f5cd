//! Live windows that begin at a cut, and every row of theirs given out again.

use super::LiveWindows;
use crate::entity_log::EntityLog;
use crate::online::{Cause, Shown};
use crate::plan::{EntityPlan, Plan};
use crate::sealed::SealedWindows;
use crate::sealed::state::inside;
use crate::time::EventTime;
use crate::timeline::names::Names;

impl LiveWindows {
    /// Windows for `entity` of `plan` that begin where `sealed` is, which has come to a cut over `log`
    /// and keeps all state (it may be [lessened](SealedWindows::lessened) after): at the last ms before it,
    /// with nothing in the stash.
    pub fn at(
        plan: &Plan,
        entity: &EntityPlan,
        sealed: &SealedWindows,
        log: &mut EntityLog,
    ) -> Self {
        let mut live = LiveWindows::new(plan, entity);
        live.clock = sealed.clock();
        live.accumulators = sealed.accumulators().clone();
        live.grow(log.names.entities.end());
        for (own, other) in live.lasts.iter_mut().zip(sealed.lasts()) {
            own.take_over(other, log.names.entities.end(), &mut log.names);
        }
        for place in &mut live.windows {
            (place.left, place.entered) = inside(place.window, &log.log, live.clock);
            place.inside = place.entered - place.left;
        }
        live
    }

    /// The online store shows rows as of `shown`: edges up to its clock are no news, rows from its
    /// frontier on may be.
    pub fn show(&mut self, shown: Shown, log: &EntityLog) {
        self.shown = Some(shown.clock);
        let rows = &log.log;
        let from = rows.partition(rows.start(), |ts| ts < shown.frontier);
        for chunk in rows.cover(from, rows.end()) {
            let first = u32::try_from(from.max(chunk.base()) - chunk.base()).unwrap_or(u32::MAX);
            let Some(columns) = chunk.columns() else { continue };
            for row in first..chunk.len() {
                let slot = columns.slots()[row as usize].get();
                self.views.iter_mut().for_each(|view| view.touch(slot, Cause::Decay));
            }
        }
    }

    /// The clock that the online store shows rows as of, where that is known.
    pub fn shown(&self) -> Option<EventTime> {
        self.shown
    }

    /// Marks the rows of the slots from `from` on to be given out, for `cause`: those of about `budget`
    /// slots. The slot to go on with; `None` once all are marked.
    pub fn touch_all(
        &mut self,
        from: u32,
        budget: usize,
        cause: Cause,
        names: &Names,
    ) -> Option<u32> {
        let end = names.entities.end() as u32;
        let budget = u32::try_from(budget.max(1)).unwrap_or(u32::MAX);
        let to = end.min(from.saturating_add(budget));
        self.grow(names.entities.end());
        for slot in (from..to).filter(|slot| names.entities.is_used(*slot)) {
            self.views.iter_mut().for_each(|view| view.touch(slot, cause));
        }
        (to < end).then_some(to)
    }
}
