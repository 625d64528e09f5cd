//! The verdict on each record of one partition: accepted, late or future.
//!
//! The watermark of a partition is `max(newest accepted ts - out_of_orderness, floor)`. Late is
//! decided against it alone, at the moment the record is read, so the same log gives the same
//! verdicts whatever else happens; the one exception is a floor, raised while the partition was
//! idle, and a letter says when it was the floor that decided.

use crate::time::{EventTime, Millis};
use crate::verdict::Verdict;

/// One partition's watermark.
#[derive(Clone, Debug)]
pub struct Judge {
    newest: Option<EventTime>,
    floor: EventTime,
    out_of_orderness: Millis,
    max_future_skew: Option<Millis>,
}

impl Judge {
    /// Nothing read yet.
    pub fn new(out_of_orderness: Millis, max_future_skew: Option<Millis>) -> Self {
        Judge { newest: None, floor: 0, out_of_orderness, max_future_skew }
    }

    /// Nothing older than this is accepted any more.
    pub fn watermark(&self) -> EventTime {
        self.own().max(self.floor)
    }

    /// The watermark by the partition's own records.
    fn own(&self) -> EventTime {
        self.newest.map_or(0, |newest| newest.saturating_sub(self.out_of_orderness))
    }

    /// The greatest accepted ts.
    pub fn newest(&self) -> Option<EventTime> {
        self.newest
    }

    /// The partition is idle: its watermark follows the others', never back.
    pub fn raise_floor(&mut self, floor: EventTime) {
        self.floor = self.floor.max(floor);
    }

    /// The verdict on a record of `ts` that arrived at `arrived` (where that is known).
    pub fn judge(&mut self, ts: EventTime, arrived: Option<EventTime>) -> Verdict {
        if let (Some(skew), Some(arrived)) = (self.max_future_skew, arrived)
            && ts > arrived.saturating_add(skew)
        {
            return Verdict::Future { ahead: ts - arrived };
        }
        let watermark = self.watermark();
        if ts < watermark {
            return Verdict::Late { by: watermark - ts, idle_floor: ts >= self.own() };
        }
        self.newest = self.newest.max(Some(ts));
        Verdict::Accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_millisecond_behind_the_watermark_is_late_and_at_it_is_not() {
        let mut judge = Judge::new(5_000, None);
        assert_eq!(judge.judge(100_000, None), Verdict::Accepted);
        assert_eq!(judge.watermark(), 95_000);
        assert_eq!(judge.judge(95_000, None), Verdict::Accepted);
        assert_eq!(judge.judge(94_999, None), Verdict::Late { by: 1, idle_floor: false });
    }

    #[test]
    fn a_future_record_moves_nothing() {
        let mut judge = Judge::new(0, Some(60_000));
        assert_eq!(judge.judge(160_001, Some(100_000)), Verdict::Future { ahead: 60_001 });
        assert_eq!((judge.watermark(), judge.newest()), (0, None));
        assert_eq!(judge.judge(160_000, Some(100_000)), Verdict::Accepted);
        assert_eq!(judge.judge(900_000, None), Verdict::Accepted, "no reference, no verdict");
    }

    #[test]
    fn a_floor_decides_only_where_the_own_watermark_would_not() {
        let mut judge = Judge::new(10, None);
        judge.judge(100, None);
        judge.raise_floor(500);
        judge.raise_floor(400);
        assert_eq!(judge.watermark(), 500);
        assert_eq!(judge.judge(95, None), Verdict::Late { by: 405, idle_floor: true });
        assert_eq!(judge.judge(89, None), Verdict::Late { by: 411, idle_floor: false });
        assert_eq!(judge.judge(500, None), Verdict::Accepted);
    }

    proptest::proptest! {
        #[test]
        fn the_watermark_never_goes_back_and_alone_says_what_is_late(
            out_of_orderness in 0u64..50,
            skew in proptest::option::of(0u64..100),
            steps in proptest::collection::vec((0u64..300, proptest::option::of(0u64..300), 0u8..4), 0..80),
        ) {
            let mut judge = Judge::new(out_of_orderness, skew);
            let (mut newest, mut floor) = (None, 0);
            for (ts, arrived, what) in steps {
                let before = judge.watermark();
                let own = newest.map_or(0, |n: u64| n.saturating_sub(out_of_orderness));
                assert_eq!(before, own.max(floor));
                if what == 0 {
                    floor = floor.max(ts);
                    judge.raise_floor(ts);
                } else {
                    let verdict = judge.judge(ts, arrived);
                    let ahead = arrived.and_then(|arrived| ts.checked_sub(arrived));
                    let future = skew.and_then(|skew| ahead.filter(|ahead| *ahead > skew));
                    let should = match future {
                        Some(ahead) => Verdict::Future { ahead },
                        None if ts < before => {
                            Verdict::Late { by: before - ts, idle_floor: ts >= own }
                        }
                        None => Verdict::Accepted,
                    };
                    assert_eq!(verdict, should);
                    if verdict == Verdict::Accepted {
                        newest = newest.max(Some(ts));
                    } else {
                        assert_eq!(judge.watermark(), before, "only events move it");
                    }
                }
                assert!(judge.watermark() >= before);
                assert_eq!(judge.newest(), newest);
            }
        }
    }
}
