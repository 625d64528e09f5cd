//! When things happen: the clock of the n-th record, which never goes back.

use tidemark_operators::time::{EventTime, HOUR, Millis, SECOND};

/// 2026-01-04T00:00:00Z, a Sunday: where generated files begin.
pub(super) const START: EventTime = 1_767_484_800_000;

/// How busy each hour of the day is.
const HOURLY: [u64; 24] =
    [18, 12, 8, 6, 6, 9, 18, 34, 52, 64, 72, 80, 92, 88, 80, 78, 84, 96, 100, 92, 74, 56, 40, 28];

/// How busy the offices of the world are together, by the hour of the day in UTC.
const WORKING: [u64; 24] = [
    32, 32, 32, 30, 30, 36, 48, 66, 84, 92, 92, 88, 88, 96, 100, 100, 92, 78, 62, 52, 46, 40, 36,
    32,
];

/// How busy they are by the day of the week, from Monday.
const WEEK: [u64; 7] = [100, 100, 98, 98, 92, 24, 20];

/// How far live records are behind the clock at most: it is the wall clock.
const LIVE_SLACK: Millis = SECOND;

/// See the module.
#[derive(Clone, Debug)]
pub(super) enum Schedule {
    /// `events` records evenly over `span` from `start` on.
    Even { start: EventTime, span: Millis, events: u64 },
    /// `events` records over whole hours from `start` on, by the hours' weights, added up.
    Hourly { start: EventTime, cumulative: Vec<u64>, events: u64 },
    /// First `history` records evenly over `past` up to `start`, then one every `1e9 / every_ns` s.
    Live { start: EventTime, past: Millis, history: u64, every_ns: u64 },
    /// `events` records as the first says, then as the second.
    Then { first: Box<Schedule>, events: u64, second: Box<Schedule> },
}

impl Schedule {
    /// Over `hours` whole hours, as busy as [`HOURLY`] says; the first begins a day.
    pub fn daily(start: EventTime, hours: u32, events: u64) -> Self {
        Self::hourly(start, hours, events, busy)
    }

    /// Over `hours` whole hours, as offices are busy.
    pub fn weekly(start: EventTime, hours: u32, events: u64) -> Self {
        Self::hourly(start, hours, events, |hour| {
            let at = start + hour * HOUR;
            of(&WORKING, hour_of_day(at)) * of(&WEEK, day_of_week(at))
        })
    }

    fn hourly(start: EventTime, hours: u32, events: u64, weight: impl Fn(u64) -> u64) -> Self {
        let mut total = 0;
        let cumulative = (0..hours)
            .map(|hour| {
                total += weight(u64::from(hour));
                total
            })
            .collect();
        Schedule::Hourly { start, cumulative, events }
    }

    /// The clock at record `n`.
    pub fn at(&self, n: u64) -> EventTime {
        match self {
            Schedule::Even { start, span, events } => start + scale(n, *span, *events),
            Schedule::Hourly { start, cumulative, events } => {
                let total = cumulative.last().copied().unwrap_or(1);
                // In units of a weight's 2^20th part.
                let at = scale(n, total << 20, *events);
                let hour = cumulative.partition_point(|c| c << 20 <= at);
                let before = hour.checked_sub(1).and_then(|h| cumulative.get(h)).copied();
                let (before, end) = (before.unwrap_or(0), cumulative.get(hour).copied());
                let weight = end.map_or(1, |end| end - before) << 20;
                start + hour as u64 * HOUR + scale(at - (before << 20), HOUR, weight)
            }
            Schedule::Then { first, events, second } => match n.checked_sub(*events) {
                None => first.at(n),
                Some(n) => second.at(n),
            },
            Schedule::Live { start, past, history, every_ns } => match n.checked_sub(*history) {
                None => start - past + scale(n, *past, *history),
                Some(live) => start + scale(live, *every_ns, 1_000_000),
            },
        }
    }

    /// Whether record `n` is from a past with fewer records than the present.
    pub fn is_sparse(&self, n: u64) -> bool {
        matches!(self, Schedule::Then { events, .. } if n < *events)
    }

    /// How far behind the clock record `n` may be, besides being out of order.
    pub fn slack(&self, n: u64) -> Millis {
        match self {
            Schedule::Live { history, .. } if n >= *history => LIVE_SLACK,
            Schedule::Then { events, second, .. } if n >= *events => second.slack(n - events),
            _ => Millis::MAX,
        }
    }
}

/// How busy an hour of the day is, of 100.
pub(super) fn busy(hour: u64) -> u64 {
    of(&HOURLY, hour % 24)
}

fn of(weights: &[u64], at: u64) -> u64 {
    usize::try_from(at).ok().and_then(|at| weights.get(at)).copied().unwrap_or(1)
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

/// The day of the week, UTC, 0 on Monday.
pub(super) fn day_of_week(at: EventTime) -> u64 {
    // The epoch is a Thursday.
    (at / (24 * HOUR) + 3) % 7
}

/// How far behind the clock a record may be without being late.
pub(super) const OUT_OF_ORDER_MAX: Millis = 5 * SECOND;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_schedule_goes_back_and_each_covers_its_span() {
        let live = Schedule::Live { start: START, past: HOUR, history: 100, every_ns: 40_000_000 };
        let then = Schedule::Then {
            first: Box::new(Schedule::weekly(START - 25 * HOUR, 24, 300)),
            events: 300,
            second: Box::new(live.clone()),
        };
        for schedule in [
            Schedule::Even { start: START, span: 48 * HOUR, events: 1000 },
            Schedule::daily(START, 48, 1000),
            Schedule::weekly(START, 24 * 60, 1000),
            live.clone(),
            then,
        ] {
            let times: Vec<_> = (0..1000).map(|n| schedule.at(n)).collect();
            assert!(times.is_sorted());
        }
        let daily = Schedule::daily(START, 48, 100_000);
        assert_eq!((daily.at(0), daily.at(100_000)), (START, START + 48 * HOUR));
        let night = (0..100_000).filter(|n| hour_of_day(daily.at(*n)) == 3).count();
        let noon = (0..100_000).filter(|n| hour_of_day(daily.at(*n)) == 12).count();
        assert!(noon > 10 * night && night > 0, "{noon} {night}");
        let weekly = Schedule::weekly(START, 24 * 60, 100_000);
        assert_eq!((weekly.at(0), weekly.at(100_000)), (START, START + 24 * 60 * HOUR));
        let on = |day| (0..100_000).filter(|n| day_of_week(weekly.at(*n)) == day).count();
        assert!(on(6) > 0 && on(1) > 4 * on(6), "{} {}", on(1), on(6));
        assert_eq!((daily.slack(5), live.slack(99)), (Millis::MAX, Millis::MAX));
        assert_eq!(live.slack(100), LIVE_SLACK);
        assert_eq!(live.at(0), START - HOUR);
        assert_eq!((live.at(100), live.at(125)), (START, START + SECOND));
    }
}
