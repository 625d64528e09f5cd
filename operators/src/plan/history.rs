//! What is derived of an event from the events of its entity before it.

use crate::plan::attribute::Mask;
use crate::time::Millis;

/// What a sequence derives of an event from the events of its entity before it, in the order of the
/// log. Only events with the mask count, as the event itself and before it; those before it only
/// when `ts > own ts - horizon`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SequencePlan {
    /// Only events with all of these bits; none of them is the bit of a [`Sequence::Changed`].
    pub mask: Mask,
    /// The attribute that is compared or carried, one that comes with the event or is looked up. A
    /// symbol, except for [`Sequence::Previous`].
    pub attribute: usize,
    /// How far back it looks, in ms.
    pub horizon: Millis,
    /// What is derived.
    pub what: Sequence,
}

/// See [`SequencePlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sequence {
    /// A filter bit: the event has the attribute, and it differs from that of the nearest event
    /// before it that has one. Not set when there is none.
    Changed {
        /// The number of the bit, below [`EntityPlan::filters`](super::EntityPlan::filters).
        bit: usize,
    },
    /// A bool (wide): no event before it has this value. Null when the attribute is.
    New {
        /// The derived attribute.
        target: usize,
    },
    /// The attribute of the event before it; null when there is none, or it has none.
    Previous {
        /// The derived attribute, of the same storage; a symbol is of the attribute's dictionary.
        target: usize,
    },
}

/// Sessions: maximal runs of an entity's events with `mask` whose gaps are at most `gap`. Each event
/// is stored with its session as of itself. To be read as last-event state with horizon
/// `gap + 1`, so that a session is open through its last event's ts + gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// The events that make the session; none of the bits is that of a [`Sequence::Changed`].
    pub mask: Mask,
    /// The longest gap inside a session, in ms.
    pub gap: Millis,
    /// The derived attribute (timestamp, wide) that gets the first event's ts, if it is asked for.
    pub start: Option<usize>,
    /// Attributes of the session's first event: which, and the derived attribute (of the same
    /// storage and dictionary) that gets it.
    pub firsts: Vec<(usize, usize)>,
    /// Counts of the session's events that have these bits too, so far: the derived attributes
    /// (int, wide).
    pub counts: Vec<(Mask, usize)>,
    /// Exact sums of the session's events that have these bits too, so far.
    pub sums: Vec<SessionSum>,
}

/// A running sum in a session, kept as `high * 2^62 + low` with `0 <= low < 2^62`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSum {
    /// Only events with all of these bits.
    pub mask: Mask,
    /// What is summed: a wide int or decimal.
    pub attribute: usize,
    /// The derived attribute (wide, of the summed type) that gets the high part.
    pub high: usize,
    /// The derived attribute (wide, of the summed type) that gets the low part.
    pub low: usize,
}

impl SessionSum {
    /// The low part has so many bits.
    const LOW_BITS: u32 = 62;

    /// The sum that is kept as these parts.
    #[inline]
    pub fn total(high: i64, low: i64) -> i128 {
        (i128::from(high) << Self::LOW_BITS) + i128::from(low)
    }

    /// The high and the low part of a sum.
    #[inline]
    pub fn parts(total: i128) -> (i64, i64) {
        ((total >> Self::LOW_BITS) as i64, (total & ((1 << Self::LOW_BITS) - 1)) as i64)
    }
}
