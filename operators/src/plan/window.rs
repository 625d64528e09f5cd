//! Windows, and what is kept of the events in them.

use crate::plan::attribute::Mask;
use crate::time::{EventTime, Millis};

/// A time window over a timeline: at clock `t` it holds the events with
/// `t - delay - length < ts <= t - delay`.
///
/// ```
/// use tidemark_operators::plan::Window;
///
/// let window = Window { length: 300_000, delay: 60_000 };
/// assert_eq!((window.enters(1_000), window.leaves(1_000)), (61_000, 361_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Its length in ms, at least 1.
    pub length: Millis,
    /// Its delay in ms.
    pub delay: Millis,
}

impl Window {
    /// The clock at which an event of `ts` enters.
    pub const fn enters(self, ts: EventTime) -> EventTime {
        ts.saturating_add(self.delay)
    }

    /// The same window where events are known `lag` ms after their time: they enter no sooner than that, and
    /// leave as they did. `None`: they leave before they are known.
    ///
    /// ```
    /// use tidemark_operators::plan::Window;
    ///
    /// let window = Window { length: 300_000, delay: 60_000 };
    /// assert_eq!(window.known_after(90_000), Some(Window { length: 270_000, delay: 90_000 }));
    /// assert_eq!((window.known_after(60_000), window.known_after(360_000)), (Some(window), None));
    /// ```
    pub fn known_after(self, lag: Millis) -> Option<Window> {
        let delay = self.delay.max(lag);
        let length = self.leaves(0).checked_sub(delay).filter(|length| *length > 0)?;
        Some(Window { length, delay })
    }

    /// The clock at which an event of `ts` leaves.
    pub const fn leaves(self, ts: EventTime) -> EventTime {
        ts.saturating_add(self.delay).saturating_add(self.length)
    }
}

/// What is kept of the events in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// How many events.
    Count,
    /// How many values and their sum.
    Sum,
    /// As `Sum`, and the sum of squares.
    Moments,
    /// The maximum.
    Max,
    /// The minimum.
    Min,
    /// Distinct values, by reference counts.
    Distinct,
    /// As `Distinct`, and the entropy's integer sum.
    Entropy,
    /// How many events in each hour of the day, in the job's time zone, and the latest of them. No
    /// bit of its mask may be derived or looked up.
    Hours,
}

/// One accumulator over one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AccumulatorPlan {
    /// What is kept.
    pub kind: Kind,
    /// The attribute it is kept over; `None` for counts.
    pub attribute: Option<usize>,
    /// Only events with all of these bits.
    pub mask: Mask,
    /// Index into [`EntityPlan::windows`](super::EntityPlan::windows).
    pub window: usize,
}

/// What is kept of an entity's last events: the latest one's time and attributes, and the time of
/// the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LastPlan {
    /// Only events with all of these bits.
    pub mask: Mask,
    /// The attributes kept of the latest event.
    pub attributes: Vec<usize>,
    /// The longest horizon any reader has: the state is freed after it.
    pub horizon: Millis,
}
