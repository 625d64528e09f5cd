//! When a partition holds the others back, and when it follows them.
//!
//! The frontier waits for the partition whose watermark is least. That is right while its producers
//! may have more to say, and for nothing else:
//!
//! - **idle**: the log has been read to its very end, the brokers are heard, and no record has been
//!   accepted for `idle_after`. Silence counts from when the end was found: neither an outage nor
//!   an open transaction is silence of the producers, whatever they say once it is over.
//! - **overdue**: all that may be read has been read (or is, as it comes), and yet the partition's
//!   clock has not kept going for `hold_max`. Records that move it by nothing to speak of, and a
//!   transaction that nobody ends, hold the others for that long at most; and for `idle_after` where
//!   they have done so not long ago, or a record now and then would buy `hold_max` each time.
//!
//! In both the partition follows the least watermark of those that do hold, and what arrives behind
//! that floor is late by it.

use crate::ingest::reader::Standing;
use crate::time::{EventTime, Millis};

/// A clock goes on when it moves by at least this part of the time since it last did: one that a
/// record moves by a millisecond now and then stands.
const PACE: u64 = 2;
/// For this many times `hold_max` after a partition was overdue it holds the others for no longer
/// than a silent one does.
const REMEMBERED: u64 = 10;

/// Why a partition does not hold the others back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It is idle.
    Silent,
    /// It has held them for `hold_max`.
    Overdue,
}

/// What has been seen of a partition, in monotonic time.
#[derive(Debug)]
pub(crate) struct Idleness {
    idle_after: Millis,
    hold_max: Millis,
    standing: Standing,
    /// The last accepted record, or the start.
    accepted: Millis,
    /// When the partition's clock last went on, or the start, or the brokers were not heard.
    moved: Millis,
    /// Where it stood then; `None`: no record has moved it yet.
    clock: Option<EventTime>,
    /// The last time that it was overdue.
    overdue: Option<Millis>,
    /// The first time that it stood at its end since the brokers were not heard, or since it stood
    /// before a transaction. Records in between are no break: they are what ended the silence.
    at_end: Option<Millis>,
    /// The first time that nothing was left to read since the brokers were not heard.
    drained: Option<Millis>,
    /// The last time that it was idle.
    followed: Millis,
}

impl Idleness {
    /// A partition that is read from `now` on. It is never overdue before it could be idle.
    pub fn new(idle_after: Millis, hold_max: Millis, now: Millis) -> Self {
        Idleness {
            idle_after,
            hold_max: hold_max.max(idle_after),
            standing: Standing::Behind,
            accepted: now,
            moved: now,
            clock: None,
            overdue: None,
            at_end: None,
            drained: None,
            followed: now,
        }
    }

    /// Where the reader stood when it was asked last.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The reader said where it stands; [`Standing::Behind`] when it gave records.
    pub fn stand(&mut self, standing: Standing, now: Millis) {
        self.standing = standing;
        match standing {
            Standing::Behind => {}
            Standing::AtEnd => {
                self.at_end.get_or_insert(now);
                self.drained.get_or_insert(now);
            }
            Standing::BeforeTransaction => {
                self.at_end = None;
                self.drained.get_or_insert(now);
            }
            Standing::Unheard => {
                (self.at_end, self.drained) = (None, None);
                // What its clock stood meanwhile is not its producers'.
                self.moved = now;
            }
        }
    }

    /// A record was accepted, and the partition's clock stands at `clock` now; says whether it goes
    /// on.
    #[inline]
    pub fn accept(&mut self, now: Millis, clock: Option<EventTime>) -> bool {
        self.accepted = now;
        let goes_on = match (clock, self.clock) {
            (Some(clock), Some(before)) => {
                let by = clock.saturating_sub(before);
                by > 0 && by.saturating_mul(PACE) >= now.saturating_sub(self.moved)
            }
            (clock, None) => clock.is_some(),
            (None, Some(_)) => false,
        };
        if goes_on {
            (self.moved, self.clock) = (now, clock);
        }
        goes_on
    }

    /// For how long it may hold the others while its clock stands.
    fn patience(&self, now: Millis) -> Millis {
        let memory = self.hold_max.saturating_mul(REMEMBERED);
        match self.overdue {
            Some(then) if now.saturating_sub(then) < memory => self.idle_after,
            _ => self.hold_max,
        }
    }

    /// For how long the partition's clock has stood although nothing was left to read; `None` where
    /// there is, or where nothing is known. `keeps_up`: records come without a pause, and are judged
    /// as they come.
    pub fn still(&mut self, now: Millis, keeps_up: bool) -> Option<Millis> {
        let drained = match self.standing {
            Standing::AtEnd | Standing::BeforeTransaction => self.drained,
            Standing::Behind if keeps_up => Some(*self.drained.get_or_insert(now)),
            Standing::Behind | Standing::Unheard => None,
        };
        let since = drained?.max(self.moved).max(self.followed);
        Some(now.saturating_sub(since))
    }

    /// Whether it follows the others. `may_be_silent`: nothing that it is known to hold is still to
    /// be judged; `told_nothing`: and none of that was accepted, so there is no one to wait for.
    pub fn follows(
        &mut self,
        now: Millis,
        keeps_up: bool,
        may_be_silent: bool,
        told_nothing: bool,
    ) -> Option<Follows> {
        let at_end = self.at_end.filter(|_| self.standing == Standing::AtEnd && may_be_silent);
        if at_end.is_some_and(|at_end| {
            told_nothing || now.saturating_sub(at_end.max(self.accepted)) >= self.idle_after
        }) {
            self.followed = now;
            return Some(Follows::Silent);
        }
        let overdue = self.still(now, keeps_up)? >= self.patience(now);
        overdue.then(|| {
            self.overdue = Some(now);
            Follows::Overdue
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Millis = 30_000;
    const HOLD: Millis = 60_000;

    fn at_end() -> Idleness {
        let mut idleness = Idleness::new(IDLE, HOLD, 0);
        idleness.stand(Standing::AtEnd, 0);
        idleness
    }

    fn follows(idleness: &mut Idleness, now: Millis) -> Option<Follows> {
        idleness.follows(now, false, true, false)
    }

    #[test]
    fn a_partition_is_idle_when_it_has_been_silent_at_its_end_for_long_enough() {
        let mut idleness = at_end();
        idleness.accept(1_000, Some(1_000));
        assert_eq!(follows(&mut idleness, 30_999), None);
        assert_eq!(follows(&mut idleness, 31_000), Some(Follows::Silent));
        idleness.accept(31_001, Some(31_000));
        assert_eq!(follows(&mut idleness, 31_002), None);
    }

    #[test]
    fn an_outage_is_not_silence_and_what_follows_it_begins_when_the_end_was_found() {
        let mut idleness = at_end();
        idleness.stand(Standing::Unheard, 20_000);
        assert_eq!(follows(&mut idleness, 500_000), None);
        idleness.stand(Standing::Behind, 500_000);
        assert_eq!(follows(&mut idleness, 500_000), None);
        idleness.stand(Standing::AtEnd, 501_000);
        assert_eq!(follows(&mut idleness, 530_999), None);
        assert_eq!(follows(&mut idleness, 531_000), Some(Follows::Silent));
        // Nor is it once the partition has been idle.
        idleness.stand(Standing::Unheard, 540_000);
        assert_eq!(follows(&mut idleness, 540_000), None);
        idleness.stand(Standing::AtEnd, 550_000);
        assert_eq!(follows(&mut idleness, 579_999), None);
        assert_eq!(follows(&mut idleness, 580_000), Some(Follows::Silent));
    }

    #[test]
    fn an_open_transaction_is_not_silence_and_holds_for_less_than_hold_max() {
        let mut idleness = at_end();
        assert_eq!(follows(&mut idleness, 100_000), Some(Follows::Silent));
        idleness.stand(Standing::BeforeTransaction, 100_050);
        assert_eq!(follows(&mut idleness, 159_999), None, "held since it was last idle");
        assert_eq!(idleness.still(159_999, false), Some(59_999));
        assert_eq!(follows(&mut idleness, 160_000), Some(Follows::Overdue));
        assert_eq!(follows(&mut idleness, 170_000), Some(Follows::Overdue), "and stays so");
        // It ends: what it wrote is read, and silence begins.
        idleness.stand(Standing::Behind, 170_001);
        idleness.accept(170_001, Some(170_000));
        idleness.stand(Standing::AtEnd, 170_002);
        assert_eq!(follows(&mut idleness, 200_000), None);
        assert_eq!(follows(&mut idleness, 200_002), Some(Follows::Silent));
    }

    #[test]
    fn records_that_are_refused_are_no_life_and_a_record_that_moves_nothing_buys_no_time() {
        let mut refused = at_end();
        for second in 1..30 {
            refused.stand(Standing::Behind, second * 1_000);
            refused.stand(Standing::AtEnd, second * 1_000 + 500);
        }
        assert_eq!(follows(&mut refused, 30_000), Some(Follows::Silent));

        let mut decoy = at_end();
        for second in [0, 29, 58] {
            decoy.stand(Standing::Behind, second * 1_000);
            decoy.accept(second * 1_000, Some(7));
            decoy.stand(Standing::AtEnd, second * 1_000 + 500);
        }
        assert_eq!(follows(&mut decoy, 59_999), None);
        assert_eq!(follows(&mut decoy, 60_000), Some(Follows::Overdue));
        assert!(!decoy.accept(87_000, Some(7)));
        assert_eq!(follows(&mut decoy, 87_000), Some(Follows::Overdue));
        assert!(decoy.accept(88_000, Some(88_000)));
        assert_eq!(follows(&mut decoy, 88_000), None, "its clock moves: it is alive");
    }

    #[test]
    fn a_clock_that_is_moved_by_a_millisecond_now_and_then_stands() {
        let mut decoy = at_end();
        decoy.accept(0, Some(100_000));
        for step in 1..=2 {
            decoy.accept(step * 29_000, Some(100_000 + step));
            assert_eq!(follows(&mut decoy, step * 29_000), None);
        }
        assert_eq!(follows(&mut decoy, 60_000), Some(Follows::Overdue));
        // At half the pace of time it is slow, and alive.
        let mut slow = at_end();
        slow.accept(0, Some(100_000));
        for step in 1..100 {
            assert!(slow.accept(step * 20_000, Some(100_000 + step * 10_000)));
            assert_eq!(follows(&mut slow, step * 20_000), None);
        }
    }

    #[test]
    fn what_could_not_be_written_during_an_outage_may_come_slowly_after_it() {
        let mut back = at_end();
        back.accept(0, Some(100_000));
        for second in 1..=300 {
            back.stand(Standing::Unheard, second * 1_000);
        }
        // At twice the pace of time, and far behind those who are back already.
        for second in 1..=200 {
            let now = 300_000 + second * 1_000;
            back.stand(Standing::Behind, now);
            assert!(back.accept(now, Some(100_000 + second * 2_000)));
            back.stand(Standing::AtEnd, now);
            assert_eq!(follows(&mut back, now), None);
        }
    }

    #[test]
    fn who_has_held_the_others_too_long_holds_them_no_longer_than_silence_does_for_a_while() {
        let mut decoy = at_end();
        decoy.accept(0, Some(0));
        decoy.accept(29_000, Some(0));
        decoy.accept(58_000, Some(0));
        assert_eq!(follows(&mut decoy, 60_000), Some(Follows::Overdue));
        // One record at the floor, and others that move nothing.
        assert!(decoy.accept(87_000, Some(82_000)));
        assert!(!decoy.accept(116_000, Some(82_000)));
        assert_eq!(follows(&mut decoy, 116_999), None);
        assert_eq!(follows(&mut decoy, 117_000), Some(Follows::Overdue));
        // Ten times `hold_max` later it is forgotten.
        decoy.accept(717_000, Some(700_000));
        for now in [717_000, 746_000, 775_000] {
            decoy.accept(now, Some(700_000));
            assert_eq!(follows(&mut decoy, now), None);
        }
        assert_eq!(follows(&mut decoy, 776_999), None);
        assert_eq!(follows(&mut decoy, 777_000), Some(Follows::Overdue));
    }

    #[test]
    fn a_flood_that_moves_nothing_is_overdue_where_it_is_judged_as_it_comes() {
        let mut flood = Idleness::new(IDLE, HOLD, 0);
        flood.stand(Standing::Behind, 0);
        assert_eq!(flood.follows(500_000, false, true, false), None, "a backlog is being read");
        assert_eq!(flood.follows(500_000, true, true, false), None);
        assert_eq!(flood.follows(559_999, true, true, false), None);
        assert_eq!(flood.follows(560_000, true, true, false), Some(Follows::Overdue));
        flood.stand(Standing::Unheard, 560_001);
        assert_eq!(flood.follows(560_002, true, true, false), None);
    }

    #[test]
    fn a_partition_that_holds_what_was_not_judged_yet_is_not_idle() {
        let mut idleness = at_end();
        assert_eq!(idleness.follows(40_000, false, false, false), None);
        assert_eq!(idleness.follows(40_000, false, true, false), Some(Follows::Silent));
        let mut empty = at_end();
        assert_eq!(
            empty.follows(1, false, true, true),
            Some(Follows::Silent),
            "nobody to wait for"
        );
    }
}
