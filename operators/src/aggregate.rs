//! What is kept of the events in a window, an algebra a file.
//!
//! An [`Algebra`] says how a slot's state changes: a few words, all zero before anything has come,
//! and `add`, `remove` and `read` over them. What enters is exactly what leaves, so adding and then
//! removing an event leaves the state as it was, and no order of the operations shows. Windows are
//! written against the algebra only. What slots share (pools, tables) stays beside the words, in the
//! algebra's value. [`Accumulators`] are all of an entity type: one algebra over one window of one
//! attribute each, for all slots, whose words lie side by side.
//!
//! - [`count`]; [`sum`] and [`moments`]: exact integers up to 256 bits, one rounding when read;
//! - [`extreme`]: maximum and minimum by a monotone queue;
//! - [`sorted`]: the same of values that may be revised;
//! - [`multisets`]: how often each value is inside, under [`distinct`] and [`entropy`]; a few beside
//!   each other, many in a table of reference [`counts`];
//! - [`hours`]: events by hour of the day;
//! - [`last`]: not a window: the latest event of an entity and the time of the one before it.
//!
//! # State by value
//!
//! Whatever is kept of a slot is a function of the events inside, and can be told by value, which is
//! how it can outlive the process:
//!
//! | algebra | by value |
//! |---|---|
//! | count, sum, moments, hours | the words themselves: numbers and event times |
//! | extreme | (time, value) of the queue, oldest first: added in this order they make it again |
//! | sorted | (value, count) of the tree |
//! | distinct, entropy | (value, count); the words follow from them |
//!
//! A word that is not a number of this kind is a place in a pool or tree of the same algebra, and
//! means nothing outside of it: it is given anew when the state is made again. [`Algebra::save`] tells
//! it, [`Algebra::load`] makes it again. Slots and symbols are numbers of a worker's dictionaries, which
//! tell them by value too.
//!
#![doc = include_str!("aggregate.md")]

mod accumulator;
mod accumulators;
mod by_value;
pub mod count;
pub mod counts;
pub mod distinct;
pub mod entropy;
pub mod extreme;
pub mod hours;
pub mod last;
pub mod moments;
pub mod multisets;
pub mod sorted;
mod states;
pub mod sum;
#[cfg(test)]
mod tests;

use crate::cut::{Encoded, Unreadable};
use crate::plan::EntityPlan;
use crate::time::EventTime;
use multisets::Multisets;

pub use accumulators::{Accumulators, RowReading, Step, WindowStep};
pub use by_value::ByValue;
pub use states::StateWords;

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

/// How the state of a slot changes with the events inside, and what it says.
///
/// Slots are only passed for what an algebra keeps of all of them in one table.
pub trait Algebra {
    /// The words of a slot: `[u32; N]`. All zero: nothing is inside.
    type State: StateWords;
    /// Whether [`Algebra::warm`] loads anything.
    const WARMS: bool = false;

    /// An event of `ts` with this value enters. `value` is never null; it is 0 where the
    /// aggregate has no attribute.
    fn add(&mut self, state: &mut Self::State, slot: u32, value: i64, ts: EventTime);

    /// An event that was added leaves. Events leave in the order of `ts`, ties in any order.
    fn remove(&mut self, state: &mut Self::State, slot: u32, value: i64, ts: EventTime);

    /// What `reading` says: the word of a [`Column`](crate::value::Column), or null.
    fn read(&self, state: &Self::State, reading: Reading) -> Option<u64>;

    /// Whether any event is inside.
    fn holds(&self, state: &Self::State) -> bool;

    /// This value will be added or removed soon: the place to load what that will need. What it
    /// gives is for the caller to throw away visibly (`black_box`).
    #[inline]
    fn warm(&self, _state: &Self::State, _slot: u32, _value: i64) -> u32 {
        0
    }

    /// Appends what is kept of a slot, by value; nothing when nothing is inside. What is in the
    /// table of [`many`](Self::many) is left out.
    fn save(&self, state: &Self::State, by: &ByValue<'_>, out: &mut Vec<u8>);

    /// Makes a slot, in which nothing is, what [`save`](Self::save) told of it. Values of the table
    /// of [`many`](Self::many) may come in several parts, each value once.
    ///
    /// # Errors
    ///
    /// When it cannot be read; the slot is then of no use.
    fn load(
        &mut self,
        state: &mut Self::State,
        slot: u32,
        by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable>;

    /// Where values of slots that have many of them are.
    fn many(&self) -> Option<&Multisets> {
        None
    }

    /// Whether the values of this slot are there.
    fn has_many(&self, _state: &Self::State) -> bool {
        false
    }

    /// How many readings so far were at the limit of what is written, or beyond it.
    fn saturated(&self) -> u64 {
        0
    }

    /// About how much memory it takes beside the words, in bytes.
    fn memory(&self) -> usize {
        0
    }

    /// How much of it nothing is in: kept for what comes, in bytes.
    fn reusable(&self) -> usize {
        0
    }
}

/// Which attributes some accumulator over window `window` is over.
pub(crate) fn wanted_attributes(entity: &EntityPlan, window: usize) -> Vec<bool> {
    let mut wanted = vec![false; entity.attributes.len()];
    let over = entity.accumulators.iter().filter(|a| a.window == window);
    for attribute in over.filter_map(|a| a.attribute) {
        wanted[attribute] = true;
    }
    wanted
}
