//! How many events in each hour of the day.

use super::{Algebra, Reading};
use crate::plan::Zone;
use crate::slab::Slab;
use crate::time::{EventTime, HOUR};
use crate::value::Column;
use std::sync::Arc;

/// Events by hour, and for each hour with events the time of its latest, so that the hour of the
/// latest of all is known whatever the order they came in.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    events: [u32; 24],
    latest: [EventTime; 24],
}

/// A stretch of time with one offset from UTC.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    from: i64,
    until: i64,
    offset: i64,
}

/// Hours of the day in a time zone, by slot.
pub struct Hours {
    zone: Arc<Zone>,
    /// Where the last event was: most events are where the one before was.
    span: Span,
    states: Slab<State>,
}

impl Hours {
    /// In the time zone `zone`.
    pub fn new(zone: Arc<Zone>) -> Self {
        Hours { zone, span: Span::default(), states: Slab::new() }
    }

    #[inline]
    fn hour(&mut self, ts: EventTime) -> usize {
        let ts = i64::try_from(ts).unwrap_or(i64::MAX);
        if ts < self.span.from || ts >= self.span.until {
            let offsets = &self.zone.offsets;
            let next = offsets.partition_point(|(from, _)| *from <= ts);
            let (from, offset) = next.checked_sub(1).map_or((i64::MIN, 0), |at| offsets[at]);
            let until = offsets.get(next).map_or(i64::MAX, |(from, _)| *from);
            self.span = Span { from, until, offset };
        }
        (ts.saturating_add(self.span.offset).div_euclid(HOUR as i64)).rem_euclid(24) as usize
    }
}

impl Algebra for Hours {
    fn grow(&mut self, slots: usize) {
        self.states.grow(slots);
    }

    #[inline]
    fn add(&mut self, slot: u32, _value: i64, ts: EventTime) {
        let hour = self.hour(ts);
        let state = &mut self.states[slot];
        state.events[hour] += 1;
        state.latest[hour] = state.latest[hour].max(ts);
    }

    #[inline]
    fn remove(&mut self, slot: u32, _value: i64, ts: EventTime) {
        let hour = self.hour(ts);
        let state = &mut self.states[slot];
        state.events[hour] -= 1;
        // Events leave oldest first, so the latest of an hour leaves last.
        if state.events[hour] == 0 {
            state.latest[hour] = 0;
        }
    }

    fn read(&self, slot: u32, _reading: Reading, out: &mut Column) {
        let State { events, latest } = &self.states[slot];
        let busiest = events.iter().copied().max().unwrap_or(0);
        if busiest == 0 {
            return out.push_null();
        }
        let held = events.iter().zip(latest).filter(|(events, _)| **events > 0);
        let own = held.max_by_key(|(_, latest)| **latest).map_or(0, |(events, _)| *events);
        out.push_double(f64::from(own) / f64::from(busiest));
    }

    fn holds(&self, slot: u32) -> bool {
        self.states[slot].events.iter().any(|events| *events > 0)
    }

    fn memory(&self) -> usize {
        self.states.bytes()
    }
}
