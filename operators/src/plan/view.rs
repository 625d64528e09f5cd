//! Views: what is read from an entity's state, and the features made of it.

use crate::expression::Expr;
use crate::plan::attribute::Mask;
use crate::time::Millis;
use crate::value::Type;
use std::collections::BTreeSet;

/// Where a view of the job is found: `plan.entities[entity].views[view]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewIndex {
    /// Index into [`Plan::entities`](super::Plan::entities).
    pub entity: usize,
    /// Index into [`EntityPlan::views`](super::EntityPlan::views).
    pub view: usize,
}

/// One value read from the state of an entity at a clock `t`; a column of [`ViewPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Events in the window: int.
    Count {
        /// Index into [`EntityPlan::accumulators`](super::EntityPlan::accumulators); any kind but
        /// max and min. For kinds over an attribute it counts the values that are not null.
        accumulator: usize,
    },
    /// Sum: double.
    Sum {
        /// A `Sum` or `Moments`.
        accumulator: usize,
    },
    /// Average: double, null when there are no values.
    Avg {
        /// A `Sum` or `Moments`.
        accumulator: usize,
    },
    /// Population standard deviation: double, null when there are no values.
    Stddev {
        /// A `Moments`.
        accumulator: usize,
    },
    /// Maximum or minimum, of the attribute's type (decimals as double); null when there are none.
    Extreme {
        /// A `Max` or `Min`.
        accumulator: usize,
    },
    /// Distinct values: int, exact.
    Distinct {
        /// A `Distinct` or `Entropy`.
        accumulator: usize,
    },
    /// Shannon's entropy in nats: double, 0 with at most one distinct value.
    Entropy {
        /// An `Entropy`.
        accumulator: usize,
        /// Divided by the logarithm of the number of distinct values.
        normalised: bool,
    },
    /// Events in the hour of the day of the latest event over those in the busiest hour: double;
    /// null when there are none.
    HourShare {
        /// An `Hours`.
        accumulator: usize,
    },
    /// A running sum of a session at the latest event: double; 0 when that is `horizon` old.
    SessionSum {
        /// Index into [`EntityPlan::lasts`](super::EntityPlan::lasts).
        last: usize,
        /// The index of [`SessionSum::high`](super::SessionSum::high) in that
        /// [`LastPlan::attributes`](super::LastPlan::attributes).
        high: usize,
        /// The index of [`SessionSum::low`](super::SessionSum::low) there.
        low: usize,
        /// How long it is shown: the session's gap and one ms.
        horizon: Millis,
    },
    /// One count over another: double, 0 when the denominator is.
    Ratio {
        /// A `Count`.
        numerator: usize,
        /// A `Count`.
        denominator: usize,
    },
    /// An attribute of the latest event, of the attribute's type; null when the event has none or
    /// is `horizon` old.
    Latest {
        /// Index into [`EntityPlan::lasts`](super::EntityPlan::lasts).
        last: usize,
        /// Index into that [`LastPlan::attributes`](super::LastPlan::attributes).
        attribute: usize,
        /// How long it is shown.
        horizon: Millis,
    },
    /// The time of the latest event: timestamp; null when it is `horizon` old.
    LatestTime {
        /// Index into [`EntityPlan::lasts`](super::EntityPlan::lasts).
        last: usize,
        /// How long it is shown.
        horizon: Millis,
    },
    /// Milliseconds between the latest event and the one before it: int; null when the latest is
    /// `horizon` old, or the one before it is not within `horizon` of it.
    Gap {
        /// Index into [`EntityPlan::lasts`](super::EntityPlan::lasts).
        last: usize,
        /// How long it is shown, and how far back it looks.
        horizon: Millis,
    },
}

impl Read {
    /// The accumulators it reads; none where it reads last-event state.
    pub fn accumulators(self) -> impl Iterator<Item = usize> {
        let (first, second) = match self {
            Read::Count { accumulator }
            | Read::Sum { accumulator }
            | Read::Avg { accumulator }
            | Read::Stddev { accumulator }
            | Read::Extreme { accumulator }
            | Read::Distinct { accumulator }
            | Read::Entropy { accumulator, .. }
            | Read::HourShare { accumulator } => (Some(accumulator), None),
            Read::Ratio { numerator, denominator } => (Some(numerator), Some(denominator)),
            Read::SessionSum { .. }
            | Read::Latest { .. }
            | Read::LatestTime { .. }
            | Read::Gap { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }
}

impl Read {
    /// The last-event state it reads; `None` where it reads accumulators.
    pub fn last(self) -> Option<usize> {
        match self {
            Read::SessionSum { last, .. }
            | Read::Latest { last, .. }
            | Read::LatestTime { last, .. }
            | Read::Gap { last, .. } => Some(last),
            Read::Count { .. }
            | Read::Sum { .. }
            | Read::Avg { .. }
            | Read::Stddev { .. }
            | Read::Extreme { .. }
            | Read::Distinct { .. }
            | Read::Entropy { .. }
            | Read::HourShare { .. }
            | Read::Ratio { .. } => None,
        }
    }
}

/// One view: a row per entity.
#[derive(Clone, Debug)]
pub struct ViewPlan {
    /// Its name, unique in the job.
    pub name: String,
    /// Its place among the job's views.
    pub index: usize,
    /// The bits that make an event one of this view's; 0: every event of the entity.
    pub mask: Mask,
    /// How long its rows live in the online store without being refreshed; a dead man's switch.
    pub ttl: Millis,
    /// Values read from state: the first columns.
    pub reads: Vec<Read>,
    /// Expressions over columns before them (inputs are column indices): the columns after the
    /// reads, in this order.
    pub derived: Vec<Expr>,
    /// The features in job order.
    pub features: Vec<FeaturePlan>,
    /// How long an event keeps the row alive: for each mask (the view's bits included), the
    /// greatest `delay + length` or horizon of the features that see such events. Lists only what
    /// is not implied by an entry with fewer bits and at least its extent.
    pub extents: Vec<(Mask, Millis)>,
}

impl ViewPlan {
    /// What of [`reads`](Self::reads) the column at `column` is made of in the end, ascending.
    pub fn reads_of(&self, column: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::new(), vec![column]);
        while let Some(column) = open.pop() {
            match column.checked_sub(self.reads.len()) {
                None => drop(found.insert(column)),
                // Only columns before it.
                Some(at) => open.extend(self.derived.get(at).map(Expr::inputs).unwrap_or_default()),
            }
        }
        found
    }
}

/// One feature of a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeaturePlan {
    /// Its name, unique in the view.
    pub name: String,
    /// Its type. Decimals never appear: they are shown as doubles.
    pub ty: Type,
    /// Whether it can be null.
    pub nullable: bool,
    /// The column that holds it.
    pub column: usize,
}
