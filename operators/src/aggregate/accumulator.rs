//! One algebra over one window of one attribute.

use super::count::Count;
use super::distinct::Distinct;
use super::entropy::Entropy;
use super::extreme::Extreme;
use super::hours::Hours;
use super::moments::Moments;
use super::multisets::Multisets;
use super::sorted::Sorted;
use super::states::{SlotStates, StateWords};
use super::sum::Sum;
use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable};
use crate::event_batch::NULL;
use crate::plan::{AccumulatorPlan, EntityPlan, Kind, Mask, Plan};
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::{Column, Type};
use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

/// Every algebra there is.
#[derive(Clone)]
enum AnyAlgebra {
    Count(Count),
    Sum(Sum),
    Moments(Moments),
    Max(Extreme<false>),
    Min(Extreme<true>),
    SortedMax(Sorted<false>),
    SortedMin(Sorted<true>),
    Hours(Hours),
    Distinct(Distinct),
    Entropy(Entropy),
}

/// `$then`, with `$algebra` being the one that `$any` is.
macro_rules! with_algebra {
    ($any:expr, $algebra:ident => $then:expr) => {
        match $any {
            AnyAlgebra::Count($algebra) => $then,
            AnyAlgebra::Sum($algebra) => $then,
            AnyAlgebra::Moments($algebra) => $then,
            AnyAlgebra::Max($algebra) => $then,
            AnyAlgebra::Min($algebra) => $then,
            AnyAlgebra::SortedMax($algebra) => $then,
            AnyAlgebra::SortedMin($algebra) => $then,
            AnyAlgebra::Hours($algebra) => $then,
            AnyAlgebra::Distinct($algebra) => $then,
            AnyAlgebra::Entropy($algebra) => $then,
        }
    };
}

impl AnyAlgebra {
    fn new(plan: &AccumulatorPlan, entity: &EntityPlan, job: &Plan) -> Self {
        let attribute = plan.attribute.and_then(|a| entity.attributes.get(a));
        let ty = attribute.map_or(Type::Int, |a| a.ty);
        let revisable = entity.is_revisable(plan);
        let unit = ty.unit() as f64;
        match plan.kind {
            Kind::Count => AnyAlgebra::Count(Count),
            Kind::Sum => AnyAlgebra::Sum(Sum::new(unit)),
            Kind::Moments => AnyAlgebra::Moments(Moments::new(unit)),
            Kind::Max if revisable => AnyAlgebra::SortedMax(Sorted::new(ty)),
            Kind::Min if revisable => AnyAlgebra::SortedMin(Sorted::new(ty)),
            Kind::Max => AnyAlgebra::Max(Extreme::new(ty)),
            Kind::Min => AnyAlgebra::Min(Extreme::new(ty)),
            Kind::Hours => AnyAlgebra::Hours(Hours::new(Arc::clone(&job.zone))),
            Kind::Distinct => AnyAlgebra::Distinct(Distinct::new(job.distinct_max)),
            Kind::Entropy => AnyAlgebra::Entropy(Entropy::new(job.distinct_max)),
        }
    }
}

/// What all accumulators ask of a row that enters or leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowKey {
    pub slot: u32,
    pub ts: EventTime,
    pub bits: Mask,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Accumulator {
    algebra: AnyAlgebra,
    attribute: Option<usize>,
    mask: Mask,
    /// Whether what entered it may be revised.
    pub revisable: bool,
    /// The first of its words among a slot's.
    pub at: usize,
}

impl Accumulator {
    /// An accumulator for `plan` of entity `entity` of the job `job`; hours are those of its time
    /// zone.
    pub fn new(plan: &AccumulatorPlan, entity: &EntityPlan, job: &Plan) -> Self {
        Accumulator {
            algebra: AnyAlgebra::new(plan, entity, job),
            attribute: plan.attribute,
            mask: plan.mask,
            revisable: entity.is_revisable(plan),
            at: 0,
        }
    }

    /// How many words of a slot are its own.
    pub fn words(&self) -> usize {
        fn words<A: Algebra>(_: &A) -> usize {
            A::State::LEN
        }
        with_algebra!(&self.algebra, algebra => words(algebra))
    }

    /// The values it is over among those of `lane`; empty when it has no attribute.
    pub fn values<'a>(&self, lane: &'a Lane) -> &'a [i64] {
        lane.values(self.attribute)
    }

    /// Loads what rows of these slots, with these values, will need. The words must be loaded.
    pub fn warm(&self, states: &SlotStates, slots: &[u32], values: &[i64]) {
        fn warm<A: Algebra>(
            algebra: &A,
            of: &Accumulator,
            states: &SlotStates,
            slots: &[u32],
            values: &[i64],
        ) {
            if A::WARMS {
                let rows = slots.iter().zip(values);
                black_box(rows.fold(0, |sum, (slot, value)| {
                    let state = A::State::of(states.of(*slot), of.at);
                    sum ^ algebra.warm(state, *slot, *value)
                }));
            }
        }
        with_algebra!(&self.algebra, algebra => warm(algebra, self, states, slots, values));
    }

    /// A row with this value enters, or else leaves `state`, all of its slot's words.
    #[inline]
    pub fn change<const ENTERS: bool>(
        &mut self,
        state: &mut [u32],
        RowKey { slot, ts, bits }: RowKey,
        value: i64,
    ) {
        if bits & self.mask == self.mask && value != NULL {
            let at = self.at;
            with_algebra!(&mut self.algebra, algebra => {
                change::<_, ENTERS>(algebra, (state, at), slot, value, ts)
            });
        }
    }

    /// Rows `rows` of `lane` enter, or else leave.
    pub fn pass<const ENTERS: bool>(
        &mut self,
        states: &mut SlotStates,
        lane: &Lane,
        rows: Range<usize>,
    ) {
        let values = lane.values(self.attribute);
        let (mask, at) = (self.mask, self.at);
        with_algebra!(&mut self.algebra, algebra => {
            for row in rows {
                let (slot, bits) = (lane.slots[row], lane.bits[row]);
                let value = if self.attribute.is_some() { values[row] } else { 0 };
                if bits & mask == mask && value != NULL {
                    let state = states.of_mut(slot);
                    change::<_, ENTERS>(algebra, (state, at), slot, value, lane.times[row]);
                }
            }
        });
    }

    /// What `reading` says of `state`, all of a slot's words.
    #[inline]
    pub fn read(&self, state: &[u32], reading: Reading) -> Option<u64> {
        let at = self.at;
        with_algebra!(&self.algebra, algebra => algebra.read(StateWords::of(state, at), reading))
    }

    /// Appends what it says of each of `slots`.
    pub fn read_slots(
        &self,
        states: &SlotStates,
        slots: &[u32],
        reading: Reading,
        out: &mut Column,
    ) {
        let at = self.at;
        with_algebra!(&self.algebra, algebra => {
            for slot in slots {
                out.push(algebra.read(StateWords::of(states.of(*slot), at), reading));
            }
        });
    }

    /// Whether any event is inside of `state`, all of a slot's words.
    pub fn holds(&self, state: &[u32]) -> bool {
        let at = self.at;
        with_algebra!(&self.algebra, algebra => algebra.holds(StateWords::of(state, at)))
    }

    /// Appends what is kept in `state`, all of a slot's words.
    pub fn save(&self, state: &[u32], by: &ByValue<'_>, out: &mut Vec<u8>) {
        let at = self.at;
        with_algebra!(&self.algebra, algebra => algebra.save(StateWords::of(state, at), by, out));
    }

    /// Makes `state`, all words of `slot`, what was told of it.
    pub fn load(
        &mut self,
        state: &mut [u32],
        slot: u32,
        by: &ByValue<'_>,
        mut from: Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let at = self.at;
        with_algebra!(&mut self.algebra, algebra => {
            let state = StateWords::of_mut(state, at);
            if algebra.holds(state) && algebra.many().is_none() {
                return Err(Unreadable::Twice);
            }
            algebra.load(state, slot, by, &mut from)?;
        });
        from.end()
    }

    /// Whether the values in `state`, all of a slot's words, are in the table of
    /// [`many`](Self::many).
    pub fn has_many(&self, state: &[u32]) -> bool {
        let at = self.at;
        with_algebra!(&self.algebra, algebra => algebra.has_many(StateWords::of(state, at)))
    }

    /// Where values of slots that have many of them are.
    pub fn many(&self) -> Option<&Multisets> {
        with_algebra!(&self.algebra, algebra => algebra.many())
    }

    /// How many readings so far were at the limit of what is written, or beyond it.
    pub fn saturated(&self) -> u64 {
        with_algebra!(&self.algebra, algebra => algebra.saturated())
    }

    /// About how much memory it takes beside the words, in bytes.
    pub fn memory(&self) -> usize {
        with_algebra!(&self.algebra, algebra => algebra.memory())
    }

    /// How much of it nothing is in, in bytes.
    pub fn reusable(&self) -> usize {
        with_algebra!(&self.algebra, algebra => algebra.reusable())
    }
}

#[inline]
fn change<A: Algebra, const ENTERS: bool>(
    algebra: &mut A,
    (state, at): (&mut [u32], usize),
    slot: u32,
    value: i64,
    ts: EventTime,
) {
    let state = A::State::of_mut(state, at);
    match ENTERS {
        true => algebra.add(state, slot, value, ts),
        false => algebra.remove(state, slot, value, ts),
    }
}
