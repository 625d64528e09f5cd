//! The state of one entity type on one worker, as it is seen from outside of its operator.

use super::forgetting::{EntityForgotten, FORGETTING_MAX, ForgetAsked};
use crate::cut::TimelineRows;
use crate::entity_log::{EntityLog, RowSearch, SearchError};
use crate::online::EntityIds;
use crate::plan::Window;
use crate::time::EventTime;
use crate::window::attach::{Attachments, WindowAgent, WindowState};
use std::collections::VecDeque;

/// The state, for whoever attaches windows to the running log or looks into it.
pub struct EntityState {
    /// Names, stash and log.
    pub log: EntityLog,
    pub(super) windows: Attachments,
    pub(super) clock: EventTime,
    /// Who is to be forgotten.
    pub(super) forgetting: VecDeque<ForgetAsked>,
}

impl EntityState {
    /// A window over the running log, complete from the present frontier on, to be imported into a
    /// dataflow. `None` when the log does not go back far enough for it.
    pub fn attach(&mut self, window: Window) -> Option<WindowAgent> {
        self.windows.attach(&self.log.log, window)
    }

    /// The plan's windows as of the frontier, in its order: what explains a row, checks it, or feeds a
    /// view that is added. Clone one to read it; a clone pins rows until it is advanced or dropped.
    pub fn planned(&self) -> impl ExactSizeIterator<Item = &WindowAgent> {
        self.windows.planned()
    }

    /// The live clock that everything that has arrived is applied at; 0 where no live windows are kept.
    pub fn clock(&self) -> EventTime {
        self.clock
    }

    /// Has the entity `id` be forgotten when the windows run next, and `told` once it is. Says whether it
    /// will be: at most [`FORGETTING_MAX`] wait.
    pub fn forget(&mut self, id: &[u8], told: impl FnOnce(EntityForgotten) + 'static) -> bool {
        let has_room = self.forgetting.len() < FORGETTING_MAX;
        if has_room {
            self.forgetting.push_back(ForgetAsked { id: id.to_vec(), told: Box::new(told) });
        }
        has_room
    }

    pub(super) fn is_asked_to_forget(&self) -> bool {
        !self.forgetting.is_empty()
    }

    /// Looks at about `budget` more rows for `search`; see [`RowSearch::look`].
    pub fn search(
        &self,
        search: &mut RowSearch,
        budget: u64,
    ) -> Option<Result<TimelineRows, SearchError>> {
        let found = search.look(&self.log, self.windows.upper(), budget)?;
        Some(if self.log.log.is_lost() { Err(SearchError::Lost) } else { found })
    }

    /// What the plan's windows hold, in its order.
    pub fn window_states(&self) -> impl Iterator<Item = WindowState> {
        self.windows.states()
    }
}

impl EntityIds for EntityState {
    fn id(&self, slot: u32) -> &[u8] {
        self.log.names.id(slot)
    }
}
