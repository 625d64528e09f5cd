//! An entity type and its timeline.

use crate::plan::attribute::{AttributePlan, Feed, Mask};
use crate::plan::history::{Sequence, SequencePlan, SessionPlan};
use crate::plan::table::{LatePredicate, LookupPlan};
use crate::plan::view::ViewPlan;
use crate::plan::window::{AccumulatorPlan, Kind, LastPlan, Window};

/// How one source feeds an entity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntitySource {
    /// The field that is the key. Events without it do not concern this entity.
    pub key: usize,
    /// For each attribute of the entity what it is in this source.
    pub attributes: Vec<Feed>,
    /// For each filter bit of the entity the source's predicate; `None`: never set in this source
    /// (or derived).
    pub bits: Vec<Option<usize>>,
}

/// One entity type and its timeline.
#[derive(Clone, Debug)]
pub struct EntityPlan {
    /// Its name: `card`.
    pub name: String,
    /// For each source of the job, how it feeds this entity.
    pub sources: Vec<Option<EntitySource>>,
    /// What the log keeps of an event besides its time and entity.
    pub attributes: Vec<AttributePlan>,
    /// Filter bits in use, at most 64. Bits that say "is an event of view v" come first where a
    /// view has a `where` or not all sources.
    pub filters: usize,
    /// What is looked up in tables, before anything else is derived.
    pub lookups: Vec<LookupPlan>,
    /// Filter bits that depend on it.
    pub late: Vec<LatePredicate>,
    /// What is derived from the events before an event.
    pub sequences: Vec<SequencePlan>,
    /// The sessions that features read.
    pub sessions: Vec<SessionPlan>,
    /// The distinct windows that accumulators are kept for.
    pub windows: Vec<Window>,
    /// What is accumulated; features read these, and equal ones are shared between views.
    pub accumulators: Vec<AccumulatorPlan>,
    /// Last-event state; equal ones are shared.
    pub lasts: Vec<LastPlan>,
    /// The entity's views in job order.
    pub views: Vec<ViewPlan>,
}

impl EntityPlan {
    /// The filter bits that are derived, from the events before an event or from what is looked up.
    pub fn derived_bits(&self) -> Mask {
        let bits = self.sequences.iter().map(|s| match s.what {
            Sequence::Changed { bit } => 1 << bit,
            Sequence::New { .. } | Sequence::Previous { .. } => 0,
        });
        let late = self.late.iter().map(|late| 1 << late.bit);
        bits.chain(late).fold(0, |all, bit| all | bit)
    }

    /// Whether an event may leave an accumulator at any time, whatever came after it: then the state
    /// without an event follows from the state with it.
    pub fn is_invertible(&self, accumulator: &AccumulatorPlan) -> bool {
        match accumulator.kind {
            Kind::Count | Kind::Sum | Kind::Moments | Kind::Distinct | Kind::Entropy => true,
            Kind::Max | Kind::Min => self.is_revisable(accumulator),
            Kind::Hours => false,
        }
    }

    /// Whether an event that is inside may come to count otherwise (or not to count any more),
    /// because something it is derived from arrives late.
    pub fn is_revisable(&self, accumulator: &AccumulatorPlan) -> bool {
        let attribute = accumulator.attribute.and_then(|a| self.attributes.get(a));
        accumulator.mask & self.derived_bits() != 0 || attribute.is_some_and(|a| a.derived)
    }
}
