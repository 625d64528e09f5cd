//! How the windows of an entity type are run.

use super::EntityRestore;
use crate::cut::SharedCutSink;
use crate::metrics::WorkerMetrics;
use crate::plan::{EntityPlan, Plan};
use crate::probes::EntityProbes;
use crate::reference::tables::TablesRef;
use crate::sealed::SealedWindows;
use crate::sealed_lines::LineForm;
use crate::shared::{Limits, SharedRef};
use crate::time::Millis;
use std::sync::Arc;

/// What becomes of sealed rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// Nobody wants them: no sealed windows are kept.
    None,
    /// Nobody wants them, but the state as of the seal is kept, for snapshots.
    State {
        /// Accumulators over windows whose rows leave at most so many ms after their time are not:
        /// whoever restores a snapshot makes them from rows. Nor are those that the state of live windows
        /// says, where these are kept.
        rebuilt: Millis,
    },
    /// They are computed and counted.
    Count,
    /// They are written as lines.
    Lines,
    /// The same, and rows at decay edges that differ from those before them: see
    /// [`ChangedRow`](crate::sealed::ChangedRow). Where there are no checkpoints, time goes on behind the
    /// last event until nothing is left of it.
    Changes,
    /// Those of [`Lines`](Sealing::Lines), or with `changes` of [`Changes`](Sealing::Changes), packed: see
    /// [`PackedRow`](crate::sealed_lines::PackedRow).
    Packed {
        /// Whether there are also rows at decay edges.
        changes: bool,
    },
    /// Nobody wants them, but what they would be at any time: the [probes](WindowsConfig::probes) of an
    /// entity are answered, where it has any.
    Probes,
    /// The same of live windows: what they would hold at any time of the events that had
    /// [arrived](crate::event_batch::EventBatch::arrivals) by then.
    Arrived,
}

impl Sealing {
    /// As what rows are written; `None`: they are not.
    pub const fn line_form(self) -> Option<LineForm> {
        match self {
            Sealing::Lines | Sealing::Changes => Some(LineForm::Json),
            Sealing::Packed { .. } => Some(LineForm::Packed),
            Sealing::None | Sealing::State { .. } | Sealing::Count => None,
            Sealing::Probes | Sealing::Arrived => None,
        }
    }

    /// Whether nothing is wanted but answers to [probes](WindowsConfig::probes).
    pub(super) const fn answers(self) -> bool {
        matches!(self, Sealing::Probes | Sealing::Arrived)
    }

    /// Has `windows` of `entity` give out the rows that are wanted.
    pub(super) fn follow(self, windows: SealedWindows, entity: &EntityPlan) -> SealedWindows {
        match self {
            Sealing::Changes | Sealing::Packed { changes: true } => {
                windows.following_changes(entity)
            }
            _ => windows,
        }
    }
}

/// What becomes of live rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// Nobody wants them: no live windows are kept.
    None,
    /// Handed out as they change.
    EveryStep,
    /// Handed out once, when all is over.
    AtEnd,
}

/// How an entity's windows are run.
pub struct WindowsConfig {
    /// The job.
    pub plan: Arc<Plan>,
    /// Which entity of it.
    pub entity: usize,
    /// Bounds.
    pub limits: Limits,
    /// The reference tables.
    pub tables: TablesRef,
    /// What becomes of sealed rows.
    pub sealing: Sealing,
    /// Where [`Sealing`] answers them, what is asked of the entity; `None`: nothing.
    pub probes: Option<EntityProbes>,
    /// What becomes of live rows.
    pub serving: Serving,
    /// What the worker counts.
    pub metrics: Arc<WorkerMetrics>,
    /// Shared with the other operators and the loop.
    pub shared: SharedRef,
    /// Where the worker's part of checkpoints goes; `None`: there are none.
    pub cuts: Option<SharedCutSink>,
    /// What the state is restored from before anything else happens; `None`: there is none.
    pub restore: Option<EntityRestore>,
}
