//! When things happen: the clock of the n-th record, which never goes back.

use tidemark_operators::time::{EventTime, HOUR, Millis, SECOND};

/// 2026-01-04T00:00:00Z, a Sunday: where generated files begin.
pub(super) const START: EventTime = 1_767_484_800_000;

/// How busy each hour of the day is.
pub(super) const HOURLY: [u64; 24] =
    [18, 12, 8, 6, 6, 9, 18, 34, 52, 64, 72, 80, 92, 88, 80, 78, 84, 96, 100, 92, 74, 56, 40, 28];

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    /// `events` records evenly over `span` from `start` on.
    Even { start: EventTime, span: Millis, events: u64 },
    /// `events` records over whole hours from `start` on, as busy as [`HOURLY`] says.
    Daily { start: EventTime, cumulative: Vec<u64>, events: u64 },
    /// First `history` records evenly over `past` up to `start`, then one every `1e9 / every_ns` s.
    Live { start: EventTime, past: Millis, history: u64, every_ns: u64 },
}

impl Schedule {
    /// Over `hours` whole hours.
    pub fn daily(start: EventTime, hours: u32, events: u64) -> Self {
        let mut total = 0;
        let cumulative = (0..hours)
            .map(|hour| {
                total += weight(u64::from(hour));
                total
            })
            .collect();
        Schedule::Daily { start, cumulative, events }
    }

    /// The clock at record `n`.
    pub fn at(&self, n: u64) -> EventTime {
        match self {
            Schedule::Even { start, span, events } => start + scale(n, *span, *events),
            Schedule::Daily { start, cumulative, events } => {
                let total = cumulative.last().copied().unwrap_or(1);
                // In units of a weight's 2^20th part.
                let at = scale(n, total << 20, *events);
                let hour = cumulative.partition_point(|c| c << 20 <= at) as u64;
                let weight = weight(hour) << 20;
                let before = hour
                    .checked_sub(1)
                    .and_then(|h| cumulative.get(usize::try_from(h).unwrap_or(usize::MAX)))
                    .map_or(0, |c| c << 20);
                start + hour * HOUR + scale(at - before, HOUR, weight)
            }
            Schedule::Live { start, past, history, every_ns } => match n.checked_sub(*history) {
                None => start - past + scale(n, *past, *history),
                Some(live) => start + scale(live, *every_ns, 1_000_000),
            },
        }
    }
}

fn weight(hour: u64) -> u64 {
    usize::try_from(hour % 24).ok().and_then(|h| HOURLY.get(h)).copied().unwrap_or(1)
}

/// `n * of / over`.
fn scale(n: u64, of: u64, over: u64) -> u64 {
    let scaled = u128::from(n) * u128::from(of) / u128::from(over.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// The hour of the day, UTC.
pub(super) fn hour_of_day(at: EventTime) -> u64 {
    at / HOUR % 24
}

/// How far behind the clock a record may be without being late.
pub(super) const OUT_OF_ORDER_MAX: Millis = 5 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schedule_goes_back_and_each_covers_its_span() {
        let live = Schedule::Live { start: START, past: HOUR, history: 100, every_ns: 40_000_000 };
        for schedule in [
            Schedule::Even { start: START, span: 48 * HOUR, events: 1000 },
            Schedule::daily(START, 48, 1000),
            live.clone(),
        ] {
            let times: Vec<_> = (0..1000).map(|n| schedule.at(n)).collect();
            assert!(times.is_sorted());
        }
        let daily = Schedule::daily(START, 48, 100_000);
        assert_eq!((daily.at(0), daily.at(100_000)), (START, START + 48 * HOUR));
        let night = (0..100_000).filter(|n| hour_of_day(daily.at(*n)) == 3).count();
        let noon = (0..100_000).filter(|n| hour_of_day(daily.at(*n)) == 12).count();
        assert!(noon > 10 * night && night > 0, "{noon} {night}");
        assert_eq!(live.at(0), START - HOUR);
        assert_eq!((live.at(100), live.at(125)), (START, START + SECOND));
    }
}
