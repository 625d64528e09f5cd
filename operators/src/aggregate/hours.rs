//! How many events in each hour of the day.
//!
//! A slot's words are the events of each hour, and then the time of the latest event of each (two
//! words, the lower first; 0: no event), so that the hour of the latest of all is known whatever the
//! order they came in.

use super::{Algebra, ByValue, Reading};
use crate::cut::{Encoded, Unreadable, put};
use crate::time::{EventTime, HOUR};
use crate::value::double_word;
use crate::zone::Zone;
use std::sync::Arc;

const HOURS: usize = 24;
/// The words of a slot.
type HourWords = [u32; 3 * HOURS];

/// The time of the latest event of `hour`.
#[inline]
fn latest(state: &HourWords, hour: usize) -> EventTime {
    let at = HOURS + 2 * hour;
    u64::from(state[at + 1]) << 32 | u64::from(state[at])
}

#[inline]
fn set_latest(state: &mut HourWords, hour: usize, ts: EventTime) {
    let at = HOURS + 2 * hour;
    (state[at], state[at + 1]) = (ts as u32, (ts >> 32) as u32);
}

/// A stretch of time with one offset from UTC.
#[derive(Clone, Copy, Debug, Default)]
struct HourSpan {
    from: i64,
    until: i64,
    offset: i64,
}

/// Hours of the day in a time zone.
///
/// ```
/// use std::sync::Arc;
/// use tidemark_operators::aggregate::{Algebra, Reading, hours::Hours};
/// use tidemark_operators::time::HOUR;
/// use tidemark_operators::zone::Zone;
///
/// let (mut hours, mut card) = (Hours::new(Arc::new(Zone::utc())), [0; 72]);
/// [8, 8, 9].iter().for_each(|hour| hours.add(&mut card, 0, 0, hour * HOUR));
/// let read = hours.read(&card, Reading::HourShare).map(f64::from_bits);
/// assert_eq!(read, Some(0.5), "one event at the latest one's hour, two at the busiest");
/// ```
#[derive(Clone)]
pub struct Hours {
    zone: Arc<Zone>,
    /// Where the last event was: most events are where the one before was.
    span: HourSpan,
}

impl Hours {
    /// In the time zone `zone`.
    pub fn new(zone: Arc<Zone>) -> Self {
        Hours { zone, span: HourSpan::default() }
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
    type State = HourWords;

    #[inline]
    fn add(&mut self, state: &mut HourWords, _slot: u32, _value: i64, ts: EventTime) {
        let hour = self.hour(ts);
        state[hour] += 1;
        if ts > latest(state, hour) {
            set_latest(state, hour, ts);
        }
    }

    #[inline]
    fn remove(&mut self, state: &mut HourWords, _slot: u32, _value: i64, ts: EventTime) {
        let hour = self.hour(ts);
        state[hour] -= 1;
        // Events leave oldest first, so the latest of an hour leaves last.
        if state[hour] == 0 {
            set_latest(state, hour, 0);
        }
    }

    fn read(&self, state: &HourWords, _reading: Reading) -> Option<u64> {
        let (events, _) = state.split_at(HOURS);
        let busiest = *events.iter().max().filter(|events| **events > 0)?;
        let held = (0..HOURS).filter(|hour| events[*hour] > 0);
        let own = held.max_by_key(|hour| latest(state, *hour)).map_or(0, |hour| events[hour]);
        double_word(f64::from(own) / f64::from(busiest))
    }

    fn holds(&self, state: &HourWords) -> bool {
        state.iter().take(HOURS).any(|events| *events > 0)
    }

    fn save(&self, state: &HourWords, by: &ByValue<'_>, out: &mut Vec<u8>) {
        // An hour a bit, then of each of these its events and how old the latest of them is.
        let held = (0..HOURS).filter(|hour| state[*hour] > 0);
        let bits = held.clone().fold(0, |bits, hour| bits | 1 << hour);
        if bits != 0 {
            put(out, bits);
        }
        for hour in held {
            put(out, u64::from(state[hour]));
            put(out, by.age(latest(state, hour)));
        }
    }

    fn load(
        &mut self,
        state: &mut HourWords,
        _slot: u32,
        by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let bits = from.take_word()?;
        if bits == 0 || bits >> HOURS != 0 {
            return Err(Unreadable::Impossible);
        }
        for hour in (0..HOURS).filter(|hour| bits >> hour & 1 == 1) {
            let (events, ts) = (from.take_word()?, by.time(from.take()?)?);
            if events == 0 || self.hour(ts) != hour {
                return Err(Unreadable::Impossible);
            }
            state[hour] = events;
            set_latest(state, hour, ts);
        }
        Ok(())
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
            let mut state = [0; 3 * HOURS];
            let length = *[HOUR, DAY, 7 * DAY].choose(&mut rng).unwrap();
            let (mut inside, mut clock) = (Vec::new(), 0);
            for _ in 0..300 {
                let most = *[MINUTE, 5 * HOUR, DAY / 2].choose(&mut rng).unwrap();
                clock += rng.random_range(0..most);
                let mut gone: Vec<u64> =
                    inside.iter().copied().filter(|ts| ts + length <= clock).collect();
                gone.sort_unstable();
                gone.iter().for_each(|ts| hours.remove(&mut state, 0, 0, *ts));
                inside.retain(|ts| ts + length > clock);
                let ts = clock - rng.random_range(0..length.min(clock + 1));
                hours.add(&mut state, 0, 0, ts);
                inside.push(ts);
                let read = hours.read(&state, Reading::HourShare).map(f64::from_bits);
                assert_eq!(read, naive(&zone, &inside), "seed {seed} at {clock}");
            }
            inside.sort_unstable();
            inside.iter().for_each(|ts| hours.remove(&mut state, 0, 0, *ts));
            assert_eq!(state, [0; 3 * HOURS], "seed {seed}");
            assert_eq!(hours.read(&state, Reading::HourShare), None);
        }
    }
}
