//! What is kept of the events in a window, an algebra a file.
//!
//! An algebra has a zero (a slot that was never touched), `add`, `remove` and `read`; what enters it
//! is exactly what leaves it, so adding and then removing an event leaves the state as it was, and
//! no order of the operations shows. Windows are written against the algebra only, a column at a
//! time: [`Accumulator`] is one algebra over one window of one attribute, for all entities.
//!
//! - [`count`]; [`sum`] and [`moments`]: exact integers up to 256 bits, one rounding when read;
//! - [`extreme`]: maximum and minimum by a monotone queue;
//! - [`sorted`]: the same of values that may be revised;
//! - [`counts`]: reference counts of (slot, value), under [`distinct`] and [`entropy`];
//! - [`hours`]: events by hour of the day;
//! - [`last`]: not a window: the latest event of an entity and the time of the one before it.
//!
#![doc = include_str!("aggregate.md")]

pub mod count;
pub mod counts;
pub mod distinct;
pub mod entropy;
pub mod extreme;
pub mod hours;
pub mod last;
pub mod moments;
pub mod sorted;
pub mod sum;
#[cfg(test)]
mod tests;

use crate::event_batch::NULL;
use crate::plan::{AccumulatorPlan, EntityPlan, Kind, Mask, Plan};
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::{Column, Type};
use std::sync::Arc;

/// What is read out of one accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reading {
    /// Events, or values that are not null: int.
    Count,
    /// Their sum: double.
    Sum,
    /// Their average: double or null.
    Avg,
    /// Their population standard deviation: double or null.
    Stddev,
    /// Their maximum or minimum: of the attribute's type, decimals as double; or null.
    Extreme,
    /// How many distinct ones: int.
    Distinct,
    /// Their entropy: double.
    Entropy {
        /// Divided by the logarithm of the number of distinct values.
        normalised: bool,
    },
    /// The share of the latest event's hour in the busiest: double or null.
    HourShare,
}

/// One aggregate's state for every slot, and how it changes.
pub trait Algebra {
    /// Makes the slots `0..slots` exist.
    fn grow(&mut self, slots: usize);

    /// An event of `ts` with this value enters. `value` is never null; it is 0 where the
    /// aggregate has no attribute.
    fn add(&mut self, slot: u32, value: i64, ts: EventTime);

    /// An event that was added leaves. Events leave in the order of `ts`, ties in any order.
    fn remove(&mut self, slot: u32, value: i64, ts: EventTime);

    /// Appends what `reading` says of `slot` to `out`.
    fn read(&self, slot: u32, reading: Reading, out: &mut Column);

    /// The rows of `lane`, with these values, will be added or removed next: the place to load what
    /// that will need, many loads at a time.
    fn warm(&self, _lane: &Lane, _values: &[i64]) {}

    /// Whether any event is inside for `slot`.
    fn holds(&self, slot: u32) -> bool;

    /// How many readings so far were at the limit of what is written, or beyond it.
    fn saturated(&self) -> u64 {
        0
    }

    /// About how much memory it takes, in bytes.
    fn memory(&self) -> usize;
}

/// The rows of one sealed step, as one window sees them: groups of rows with one ts each, and for
/// each group how many rows have entered and left the window by that ts.
pub struct Step<'a> {
    /// The slots of the rows to read out.
    pub slots: &'a [u32],
    /// For each group, the end of its rows in `slots`.
    pub group_ends: &'a [u32],
    /// Rows that enter.
    pub enter: &'a Lane,
    /// For each group, the end of what has entered by its ts; then the end of what enters after.
    pub enter_ends: &'a [u32],
    /// Rows that leave.
    pub leave: &'a Lane,
    /// As `enter_ends`.
    pub leave_ends: &'a [u32],
}

/// One algebra over one window, for all entities.
pub trait Accumulator {
    /// Makes the slots `0..slots` exist.
    fn grow(&mut self, slots: usize);

    /// Applies a step in time order and reads every row of a group after all of its group's
    /// changes: reading `i` goes to `outs[readings[i].1]`.
    fn replay(&mut self, step: &Step<'_>, readings: &[(Reading, usize)], outs: &mut [Column]);

    /// Rows enter, then rows leave (a row may do both).
    fn apply(&mut self, enter: &Lane, leave: &Lane);

    /// Appends a reading for each of `slots`.
    fn read(&self, slots: &[u32], reading: Reading, out: &mut Column);

    /// Whether any event is inside for `slot`.
    fn holds(&self, slot: u32) -> bool;

    /// How many readings so far were at the limit of what is written, or beyond it.
    fn saturated(&self) -> u64;

    /// About how much memory it takes, in bytes.
    fn memory(&self) -> usize;
}

/// An accumulator for `plan` of entity `entity` of the job `job`; hours are those of its time zone.
pub fn accumulator(
    plan: &AccumulatorPlan,
    entity: &EntityPlan,
    job: &Plan,
) -> Box<dyn Accumulator> {
    let attribute = plan.attribute.and_then(|a| entity.attributes.get(a));
    let ty = attribute.map_or(Type::Int, |a| a.ty);
    let revisable = entity.is_revisable(plan);
    let unit = ty.unit() as f64;
    match plan.kind {
        Kind::Count => Windowed::boxed(plan, count::Count::default()),
        Kind::Sum => Windowed::boxed(plan, sum::Sum::new(unit)),
        Kind::Moments => Windowed::boxed(plan, moments::Moments::new(unit)),
        Kind::Max if revisable => Windowed::boxed(plan, sorted::Sorted::<false>::new(ty)),
        Kind::Min if revisable => Windowed::boxed(plan, sorted::Sorted::<true>::new(ty)),
        Kind::Max => Windowed::boxed(plan, extreme::Extreme::<false>::new(ty)),
        Kind::Min => Windowed::boxed(plan, extreme::Extreme::<true>::new(ty)),
        Kind::Hours => Windowed::boxed(plan, hours::Hours::new(Arc::clone(&job.zone))),
        Kind::Distinct => Windowed::boxed(plan, distinct::Distinct::new(job.distinct_max)),
        Kind::Entropy => Windowed::boxed(plan, entropy::Entropy::new(job.distinct_max)),
    }
}

/// Which attributes some accumulator is over.
pub(crate) fn wanted_attributes(entity: &EntityPlan) -> Vec<bool> {
    let mut wanted = vec![false; entity.attributes.len()];
    for attribute in entity.accumulators.iter().filter_map(|a| a.attribute) {
        wanted[attribute] = true;
    }
    wanted
}

struct Windowed<A> {
    algebra: A,
    attribute: Option<usize>,
    mask: Mask,
}

impl<A: Algebra + 'static> Windowed<A> {
    fn boxed(plan: &AccumulatorPlan, algebra: A) -> Box<dyn Accumulator> {
        Box::new(Windowed { algebra, attribute: plan.attribute, mask: plan.mask })
    }

    /// Calls `change` for rows `from..to` of `lane` that concern this accumulator.
    #[inline]
    fn each(
        &mut self,
        lane: &Lane,
        values: &[i64],
        (from, to): (usize, usize),
        change: impl Fn(&mut A, u32, i64, EventTime),
    ) {
        let rows = lane.slots[from..to].iter().zip(&lane.times[from..to]);
        let rows = rows.zip(&lane.bits[from..to]);
        if self.attribute.is_none() {
            for ((slot, ts), bits) in rows {
                if bits & self.mask == self.mask {
                    change(&mut self.algebra, *slot, 0, *ts);
                }
            }
            return;
        }
        for (((slot, ts), bits), value) in rows.zip(&values[from..to]) {
            if bits & self.mask == self.mask && *value != NULL {
                change(&mut self.algebra, *slot, *value, *ts);
            }
        }
    }
}

impl<A: Algebra> Accumulator for Windowed<A>
where
    A: 'static,
{
    fn grow(&mut self, slots: usize) {
        self.algebra.grow(slots);
    }

    fn replay(&mut self, step: &Step<'_>, readings: &[(Reading, usize)], outs: &mut [Column]) {
        let entering = step.enter.values(self.attribute);
        let leaving = step.leave.values(self.attribute);
        self.algebra.warm(step.enter, entering);
        self.algebra.warm(step.leave, leaving);
        let (mut entered, mut left, mut read) = (0, 0, 0);
        for group in 0..step.leave_ends.len() {
            // A delayed row may enter and leave between two rows that are read.
            let to = step.enter_ends[group] as usize;
            self.each(step.enter, entering, (entered, to), A::add);
            entered = to;
            let to = step.leave_ends[group] as usize;
            self.each(step.leave, leaving, (left, to), A::remove);
            left = to;
            let to = step.group_ends.get(group).map_or(read, |end| *end as usize);
            for slot in &step.slots[read..to] {
                for (reading, out) in readings {
                    self.algebra.read(*slot, *reading, &mut outs[*out]);
                }
            }
            read = to;
        }
    }

    fn apply(&mut self, enter: &Lane, leave: &Lane) {
        let entering = enter.values(self.attribute);
        self.algebra.warm(enter, entering);
        self.each(enter, entering, (0, enter.len()), A::add);
        let leaving = leave.values(self.attribute);
        self.algebra.warm(leave, leaving);
        self.each(leave, leaving, (0, leave.len()), A::remove);
    }

    fn read(&self, slots: &[u32], reading: Reading, out: &mut Column) {
        for slot in slots {
            self.algebra.read(*slot, reading, out);
        }
    }

    fn holds(&self, slot: u32) -> bool {
        self.algebra.holds(slot)
    }

    fn saturated(&self) -> u64 {
        self.algebra.saturated()
    }

    fn memory(&self) -> usize {
        self.algebra.memory()
    }
}
