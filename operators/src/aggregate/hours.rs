//! How many events in each hour of the day.

use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::{EventTime, HOUR};
use crate::value::Column;
use crate::zone::Zone;
use std::sync::Arc;

/// Events by hour, and for each hour with events the time of its latest, so that the hour of the
/// latest of all is known whatever the order they came in.
#[derive(Clone, Copy, Debug, Default)]
struct HourCounts {
    events: [u32; 24],
    latest: [EventTime; 24],
}

/// A stretch of time with one offset from UTC.
#[derive(Clone, Copy, Debug, Default)]
struct HourSpan {
    from: i64,
    until: i64,
    offset: i64,
}

/// Hours of the day in a time zone, by slot.
///
/// ```
/// use std::sync::Arc;
/// use tidemark_operators::aggregate::{Algebra, Reading, hours::Hours};
/// use tidemark_operators::time::HOUR;
/// use tidemark_operators::value::Column;
/// use tidemark_operators::zone::Zone;
///
/// let utc = Zone::utc();
/// let mut hours = Hours::new(Arc::new(utc));
/// hours.grow(1);
/// [8, 8, 9].iter().for_each(|hour| hours.add(0, 0, hour * HOUR));
/// let mut out = Column::default();
/// hours.read(0, Reading::HourShare, &mut out);
/// assert_eq!(out.double(0), Some(0.5), "one event at the latest one's hour, two at the busiest");
/// ```
pub struct Hours {
    zone: Arc<Zone>,
    /// Where the last event was: most events are where the one before was.
    span: HourSpan,
    states: Slab<HourCounts>,
}

impl Hours {
    /// In the time zone `zone`.
    pub fn new(zone: Arc<Zone>) -> Self {
        Hours { zone, span: HourSpan::default(), states: Slab::new() }
    }

    #[inline]
    fn hour(&mut self, ts: EventTime) -> usize {
        let ts = i64::try_from(ts).unwrap_or(i64::MAX);
        if ts < self.span.from || ts >= self.span.until {
            let offsets = &self.zone.offsets;
            let next = offsets.partition_point(|(from, _)| *from <= ts);
            let (from, offset) = next.checked_sub(1).map_or((i64::MIN, 0), |at| offsets[at]);
            let until = offsets.get(next).map_or(i64::MAX, |(from, _)| *from);
            self.span = HourSpan { from, until, offset };
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
        let HourCounts { events, latest } = &self.states[slot];
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{DAY, MINUTE};
    use rand::prelude::*;
    use rand::rngs::SmallRng;

    /// UTC+1, and UTC+2 from the tenth day to the twentieth; by half an hour less on the fifteenth.
    fn zone() -> Zone {
        let hour = HOUR as i64;
        let day = |n: u64| (n * DAY) as i64;
        let offsets = vec![
            (i64::MIN, hour),
            (day(10) + hour, 2 * hour),
            (day(15), 3 * hour / 2),
            (day(16), 2 * hour),
            (day(20) + hour, hour),
        ];
        Zone { name: "Somewhere".to_owned(), offsets }
    }

    /// The hour on the clock's face, counted up from midnight of the first day.
    fn hour(zone: &Zone, ts: u64) -> u64 {
        let offset = zone.offsets.iter().rev().find(|(from, _)| *from <= ts as i64).unwrap().1;
        (ts as i64 + offset) as u64 % DAY / HOUR
    }

    fn naive(zone: &Zone, inside: &[u64]) -> Option<f64> {
        let latest = hour(zone, *inside.iter().max()?);
        let count = |h: u64| inside.iter().filter(|ts| hour(zone, **ts) == h).count();
        let busiest = (0..24).map(count).max()?;
        Some(count(latest) as f64 / busiest as f64)
    }

    #[test]
    fn the_share_of_the_latest_hour_is_what_counting_all_events_inside_says() {
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let zone = Arc::new(zone());
            let mut hours = Hours::new(Arc::clone(&zone));
            hours.grow(1);
            let length = *[HOUR, DAY, 7 * DAY].choose(&mut rng).unwrap();
            let (mut inside, mut clock) = (Vec::new(), 0);
            for _ in 0..300 {
                let most = *[MINUTE, 5 * HOUR, DAY / 2].choose(&mut rng).unwrap();
                clock += rng.random_range(0..most);
                let mut gone: Vec<u64> =
                    inside.iter().copied().filter(|ts| ts + length <= clock).collect();
                gone.sort_unstable();
                gone.iter().for_each(|ts| hours.remove(0, 0, *ts));
                inside.retain(|ts| ts + length > clock);
                let ts = clock - rng.random_range(0..length.min(clock + 1));
                hours.add(0, 0, ts);
                inside.push(ts);
                let mut out = Column::default();
                hours.read(0, Reading::HourShare, &mut out);
                assert_eq!(out.double(0), naive(&zone, &inside), "seed {seed} at {clock}");
            }
            inside.sort_unstable();
            inside.iter().for_each(|ts| hours.remove(0, 0, *ts));
            let mut out = Column::default();
            hours.read(0, Reading::HourShare, &mut out);
            assert_eq!((out.double(0), hours.holds(0)), (None, false));
        }
    }
}
