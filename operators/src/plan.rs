//! What a checked job compiles to: everything the dataflow has to know, with names resolved to
//! indices. `jobs` makes it; nothing here checks it again.

mod alive;
mod arrival;
mod attribute;
mod entity;
pub mod envelope;
mod field;
mod history;
pub mod identity;
mod join_key;
pub mod path;
mod place;
mod source;
mod table;
mod unique;
mod view;
mod window;

pub use alive::Alive;
pub use arrival::{Arrival, TimeBounds};
pub use attribute::{AttributePlan, Feed, Mask, Storage};
pub use entity::{EntityPlan, EntitySource};
pub use envelope::{EnvelopePlan, Operation};
pub use field::{Encoding, FieldPlan, Invalid, Pick, ReadOptions, TEXT_BYTES_MAX};
pub use history::{Sequence, SequencePlan, SessionPlan, SessionSum};
pub use join_key::JoinKey;
pub use place::{Place, RecordPart};
pub use source::{
    Computed, Format, Framing, Keyless, SourcePlan, Start, TimeField, TimeForm, TimeUnit,
};
pub use table::{LatePredicate, LookupPlan, Matching, TableColumn, TableFrom, TablePlan};
pub use unique::{Duplicates, UNIQUE_IDS_MAX, UniquePlan};
pub use view::{FeaturePlan, Read, ViewIndex, ViewPlan};
pub use window::{AccumulatorPlan, Kind, LastPlan, Window};

use crate::time::Millis;
use crate::zone::Zone;
use std::sync::Arc;

/// A whole job.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// Sources, in the order of the job file; the order breaks ties between events.
    pub sources: Vec<SourcePlan>,
    /// Reference tables, in the order of the job file.
    pub tables: Vec<TablePlan>,
    /// Entities; each has a timeline of its own.
    pub entities: Vec<EntityPlan>,
    /// Views in job order: the entity each belongs to and its place among that entity's views.
    pub views: Vec<ViewIndex>,
    /// The job's time zone, for `hour` and `weekday`.
    pub zone: Arc<Zone>,
    /// Distinct counts from this on are counted when they are read
    /// ([`WorkerMetrics::distinct_saturated`](crate::metrics::WorkerMetrics::distinct_saturated)): what
    /// is written of them is this, by the views' expressions. `None`: any is written as it is.
    pub distinct_max: Option<u64>,
}

impl Plan {
    /// The same where windows know of events `lag` ms after their time. Of a window that they leave
    /// before that, what is read is nothing that was asked for: see [`Plan::too_short`].
    #[must_use]
    pub fn known_after(&self, lag: Millis) -> Plan {
        let mut plan = self.clone();
        for window in plan.entities.iter_mut().flat_map(|entity| &mut entity.windows) {
            *window = window.known_after(lag).unwrap_or(Window { length: 1, delay: lag });
        }
        plan
    }

    /// A window that a feature of a view reads, and that events leave before they are known where that is
    /// `lag` ms after their time.
    pub fn too_short(&self, view: usize, feature: usize, lag: Millis) -> Option<Window> {
        let entity = self.entities.get(self.views.get(view)?.entity)?;
        let view = self.view(view)?;
        let reads = view.reads_of(view.features.get(feature)?.column);
        let reads = reads.into_iter().filter_map(|at| view.reads.get(at));
        let accumulators = reads.flat_map(|read| read.accumulators());
        let windows = accumulators.filter_map(|at| entity.accumulators.get(at));
        let mut windows = windows.filter_map(|it| entity.windows.get(it.window).copied());
        windows.find(|window| window.known_after(lag).is_none())
    }

    /// The view at job index `view`.
    pub fn view(&self, view: usize) -> Option<&ViewPlan> {
        let at = self.views.get(view)?;
        self.entities.get(at.entity)?.views.get(at.view)
    }
}
