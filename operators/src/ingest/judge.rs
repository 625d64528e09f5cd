//! The time of each record of one partition, and the verdict on it: accepted, late, future or a
//! duplicate.
//!
//! ```text
//!  ts ──────┬─→ min(ts, arrival + max_ahead) ──→ the event's time: order, windows, lateness
//!  arrival ─┴─→ min(ts, arrival) ──────────────→ the partition's clock, and all that follows it
//! ```
//!
//! An event cannot have happened after it was written down, so a fast clock is corrected, not
//! believed; and what lies ahead of its arrival moves nobody's clock, so one record does not decide
//! what time it is for the others. Both are functions of the one record.
//!
//! The watermark of a partition is `max(clock - out_of_orderness, floor)`, its clock the greatest
//! `min(ts, arrival)` of its accepted records. Late is decided against it alone, at the moment the
//! record is read, so the same log gives the same verdicts whatever else happens and whenever it is
//! read; the one exception is a floor, raised while the partition was idle, and a letter says when it
//! was the floor that decided.

use crate::plan::TimeBounds;
use crate::time::{EventTime, Millis};
use crate::verdict::Verdict;

/// A record's time, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The time that the event has: its `ts`, or less where that lies too far ahead of its arrival.
    pub time: EventTime,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What time a record of `ts` that arrived at `arrival` (where that is known) says it is.
pub fn clock(ts: EventTime, arrival: Option<EventTime>) -> EventTime {
    arrival.map_or(ts, |arrival| ts.min(arrival))
}

/// One partition's clock and watermark.
///
/// ```
/// use tidemark_operators::ingest::judge::{Judge, Judged};
/// use tidemark_operators::plan::TimeBounds;
/// use tidemark_operators::verdict::Verdict;
///
/// let bounds =
///     TimeBounds { out_of_orderness: 5_000, max_ahead: Some(5_000), max_future_skew: None };
/// let mut judge = Judge::new(bounds);
/// // Stamped nine minutes ahead of its arrival: corrected, and nobody's clock follows it.
/// let ahead = judge.judge(640_000, Some(100_000));
/// assert_eq!(ahead, Judged { time: 105_000, verdict: Verdict::Accepted });
/// assert_eq!((judge.clock(), judge.watermark()), (Some(100_000), 95_000));
/// assert_eq!(judge.judge(95_000, Some(101_000)).verdict, Verdict::Accepted);
/// let late = judge.judge(94_000, Some(102_000)).verdict;
/// assert_eq!(late, Verdict::Late { by: 1_000, idle_floor: false });
/// ```
#[derive(Clone, Debug)]
pub struct Judge {
    bounds: TimeBounds,
    clock: Option<EventTime>,
    newest: Option<EventTime>,
    floor: EventTime,
}

impl Judge {
    /// Nothing read yet.
    pub fn new(bounds: TimeBounds) -> Self {
        Judge { bounds, clock: None, newest: None, floor: 0 }
    }

    /// Goes on where the greatest clock of the accepted records was `clock`, and their greatest time
    /// `newest`.
    pub fn resume(&mut self, clock: Option<EventTime>, newest: Option<EventTime>) {
        (self.clock, self.newest) = (self.clock.max(clock), self.newest.max(newest));
    }

    /// Nothing older than this is accepted any more.
    pub fn watermark(&self) -> EventTime {
        self.own().max(self.floor)
    }

    /// The watermark by the partition's own records.
    fn own(&self) -> EventTime {
        self.clock.map_or(0, |clock| clock.saturating_sub(self.bounds.out_of_orderness))
    }

    /// The greatest `min(ts, arrival)` of the accepted records.
    pub fn clock(&self) -> Option<EventTime> {
        self.clock
    }

    /// The greatest time of an accepted event: ahead of the clock by at most `max_ahead`.
    pub fn newest(&self) -> Option<EventTime> {
        self.newest
    }

    /// The partition is idle: its watermark follows the others', never back.
    pub fn raise_floor(&mut self, floor: EventTime) {
        self.floor = self.floor.max(floor);
    }

    /// The time of a record of `ts` that arrived at `arrival` (where that is known), and the verdict
    /// on it.
    pub fn judge(&mut self, ts: EventTime, arrival: Option<EventTime>) -> Judged {
        self.judge_new(ts, arrival, |_, _| true)
    }

    /// The same, where `is_new` says of a record that is in time whether it is no duplicate: by its
    /// `min(ts, arrival)`, and by the clock as it stands once the record is accepted. A duplicate moves
    /// nothing.
    ///
    /// ```
    /// use tidemark_operators::ingest::judge::Judge;
    /// use tidemark_operators::plan::TimeBounds;
    /// use tidemark_operators::verdict::Verdict;
    ///
    /// let bounds = TimeBounds { out_of_orderness: 0, max_ahead: None, max_future_skew: None };
    /// let mut judge = Judge::new(bounds);
    /// assert_eq!(judge.judge_new(90, None, |_, _| false).verdict, Verdict::Duplicate);
    /// assert_eq!(judge.clock(), None);
    /// assert_eq!(judge.judge_new(80, None, |at, clock| at == clock).verdict, Verdict::Accepted);
    /// ```
    #[inline]
    pub fn judge_new(
        &mut self,
        ts: EventTime,
        arrival: Option<EventTime>,
        is_new: impl FnOnce(EventTime, EventTime) -> bool,
    ) -> Judged {
        let time = self.bounds.event_time(ts, arrival);
        if let Some(ahead) = self.too_far_ahead(ts, arrival) {
            return Judged { time, verdict: Verdict::Future { ahead } };
        }
        let watermark = self.watermark();
        if time < watermark {
            let late = Verdict::Late { by: watermark - time, idle_floor: time >= self.own() };
            return Judged { time, verdict: late };
        }
        let own = clock(ts, arrival);
        let clock = self.clock.map_or(own, |clock| clock.max(own));
        if !is_new(own, clock) {
            return Judged { time, verdict: Verdict::Duplicate };
        }
        self.clock = Some(clock);
        self.newest = self.newest.max(Some(time));
        Judged { time, verdict: Verdict::Accepted }
    }

    /// The time of a record before `until` that is an event by the partition's own records: where those
    /// before that time were read from somewhere else, it is among them. It moves the clock as it did
    /// in the whole log, so that the same records are late behind it. `None`: it is to be judged.
    ///
    /// ```
    /// use tidemark_operators::ingest::judge::Judge;
    /// use tidemark_operators::plan::TimeBounds;
    /// use tidemark_operators::verdict::Verdict;
    ///
    /// let bounds = TimeBounds { out_of_orderness: 10, max_ahead: None, max_future_skew: None };
    /// let mut judge = Judge::new(bounds);
    /// judge.raise_floor(100);
    /// let history = judge.history(95, None, 100, |_, _| true);
    /// assert_eq!(history.map(|judged| judged.verdict), Some(Verdict::History));
    /// assert_eq!((judge.clock(), judge.newest()), (Some(95), None));
    /// assert_eq!(judge.history(84, None, 100, |_, _| true), None, "late in the whole log, too");
    /// assert_eq!(judge.history(100, None, 100, |_, _| true), None);
    /// ```
    pub fn history(
        &mut self,
        ts: EventTime,
        arrival: Option<EventTime>,
        until: EventTime,
        is_new: impl FnOnce(EventTime, EventTime) -> bool,
    ) -> Option<Judged> {
        let time = self.bounds.event_time(ts, arrival);
        if time >= until || time < self.own() || self.too_far_ahead(ts, arrival).is_some() {
            return None;
        }
        let own = clock(ts, arrival);
        let clock = self.clock.map_or(own, |clock| clock.max(own));
        if is_new(own, clock) {
            self.clock = Some(clock);
        }
        Some(Judged { time, verdict: Verdict::History })
    }

    /// By how much `ts` is ahead of `arrival`, where that is more than is allowed.
    fn too_far_ahead(&self, ts: EventTime, arrival: Option<EventTime>) -> Option<Millis> {
        let (skew, arrival) = self.bounds.max_future_skew.zip(arrival)?;
        (ts > arrival.saturating_add(skew)).then(|| ts - arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Accepted, Future, Late};

    fn bounds(out_of_orderness: Millis, max_ahead: Option<Millis>) -> TimeBounds {
        TimeBounds { out_of_orderness, max_ahead, max_future_skew: None }
    }

    fn verdict(judge: &mut Judge, ts: EventTime, arrival: Option<EventTime>) -> Verdict {
        judge.judge(ts, arrival).verdict
    }

    #[test]
    fn one_millisecond_behind_the_watermark_is_late_and_at_it_is_not() {
        let mut judge = Judge::new(bounds(5_000, None));
        assert_eq!(verdict(&mut judge, 100_000, None), Accepted);
        assert_eq!(judge.watermark(), 95_000);
        assert_eq!(verdict(&mut judge, 95_000, None), Accepted);
        assert_eq!(verdict(&mut judge, 94_999, None), Late { by: 1, idle_floor: false });
    }

    #[test]
    fn one_millisecond_further_ahead_than_max_ahead_is_corrected_and_at_it_is_not() {
        let mut judge = Judge::new(bounds(0, Some(5_000)));
        let accepted = |time| Judged { time, verdict: Accepted };
        assert_eq!(judge.judge(105_000, Some(100_000)), accepted(105_000));
        assert_eq!(judge.judge(105_001, Some(100_000)), accepted(105_000));
        assert_eq!(judge.judge(EventTime::MAX, Some(100_000)), accepted(105_000));
        assert_eq!((judge.clock(), judge.newest()), (Some(100_000), Some(105_000)));
        assert_eq!(judge.judge(99_999, Some(100_000)).verdict, Late { by: 1, idle_floor: false });
    }

    #[test]
    fn without_a_bound_the_time_is_ts_and_the_clock_is_bounded_all_the_same() {
        let mut judge = Judge::new(bounds(10, None));
        let ahead = Judged { time: 900_000, verdict: Accepted };
        assert_eq!(judge.judge(900_000, Some(100_000)), ahead);
        assert_eq!((judge.watermark(), judge.newest()), (99_990, Some(900_000)));
        assert_eq!(verdict(&mut judge, 99_990, Some(100_001)), Accepted);
        assert_eq!(judge.judge(900_000, None), ahead, "nothing is known of its arrival");
        assert_eq!(judge.watermark(), 899_990);
    }

    #[test]
    fn a_record_whose_arrival_lags_its_time_by_more_than_both_bounds_is_late() {
        let mut judge = Judge::new(bounds(5_000, Some(2_000)));
        assert_eq!(verdict(&mut judge, 100_000, Some(100_000)), Accepted);
        // Stamped 7 s slow it is just on time, and 1 ms slower it is late: at 94,999.
        assert_eq!(judge.judge(100_000, Some(93_000)), Judged { time: 95_000, verdict: Accepted });
        assert_eq!(verdict(&mut judge, 100_000, Some(92_999)), Late { by: 1, idle_floor: false });
    }

    #[test]
    fn a_future_record_moves_nothing() {
        let future = TimeBounds { max_future_skew: Some(60_000), ..bounds(0, Some(60_000)) };
        let mut judge = Judge::new(future);
        assert_eq!(verdict(&mut judge, 160_001, Some(100_000)), Future { ahead: 60_001 });
        assert_eq!((judge.watermark(), judge.newest()), (0, None));
        assert_eq!(verdict(&mut judge, 160_000, Some(100_000)), Accepted);
        assert_eq!(verdict(&mut judge, 900_000, None), Accepted, "no reference, no verdict");
    }

    #[test]
    fn a_floor_decides_only_where_the_own_watermark_would_not() {
        let mut judge = Judge::new(bounds(10, None));
        judge.judge(100, None);
        judge.raise_floor(500);
        judge.raise_floor(400);
        assert_eq!(judge.watermark(), 500);
        assert_eq!(verdict(&mut judge, 95, None), Late { by: 405, idle_floor: true });
        assert_eq!(verdict(&mut judge, 89, None), Late { by: 411, idle_floor: false });
        assert_eq!(verdict(&mut judge, 500, None), Accepted);
    }

    proptest::proptest! {
        #[test]
        fn the_watermark_never_goes_back_and_alone_says_what_is_late(
            out_of_orderness in 0u64..50,
            max_ahead in proptest::option::of(0u64..60),
            max_future_skew in proptest::option::of(0u64..100),
            steps in proptest::collection::vec((0u64..300, proptest::option::of(0u64..300), 0u8..4), 0..80),
        ) {
            let mut judge = Judge::new(TimeBounds { out_of_orderness, max_ahead, max_future_skew });
            // The naive twin: all accepted records, looked through at each step.
            let mut accepted: Vec<(u64, u64)> = Vec::new();
            let mut floor = 0;
            for (ts, arrival, what) in steps {
                let before = judge.watermark();
                let clocks = accepted.iter().map(|(_, clock)| clock.saturating_sub(out_of_orderness));
                let own = clocks.max().unwrap_or(0);
                assert_eq!(before, own.max(floor));
                if what == 0 {
                    floor = floor.max(ts);
                    judge.raise_floor(ts);
                } else {
                    let Judged { time, verdict } = judge.judge(ts, arrival);
                    let latest = arrival.zip(max_ahead).map(|(arrival, ahead)| arrival + ahead);
                    assert_eq!(time, latest.map_or(ts, |latest| ts.min(latest)));
                    let ahead = arrival.and_then(|arrival| ts.checked_sub(arrival));
                    let future = max_future_skew.and_then(|skew| ahead.filter(|ahead| *ahead > skew));
                    let should = match future {
                        Some(ahead) => Future { ahead },
                        None if time < before => {
                            Late { by: before - time, idle_floor: time >= own }
                        }
                        None => Accepted,
                    };
                    assert_eq!(verdict, should);
                    if verdict == Accepted {
                        accepted.push((time, arrival.map_or(ts, |arrival| ts.min(arrival))));
                    } else {
                        assert_eq!(judge.watermark(), before, "only events move it");
                    }
                }
                assert!(judge.watermark() >= before);
                assert_eq!(judge.newest(), accepted.iter().map(|(time, _)| *time).max());
                assert_eq!(judge.clock(), accepted.iter().map(|(_, clock)| *clock).max());
            }
        }
    }
}
