//! When a partition holds the others back, and when it follows them.
//!
//! The frontier waits for the partition whose watermark is least. That is right while its producers
//! may have more to say, and for nothing else:
//!
//! - **idle**: the log has been read to its very end, the brokers are heard, and no record has been
//!   accepted for `idle_after`. Silence counts from when the end was found: neither an outage nor
//!   an open transaction is silence of the producers, whatever they say once it is over.
//! - **overdue**: all that may be read has been read (or is, as it comes), and yet the partition's
//!   clock has not moved for `hold_max`. Records that move nothing, and a transaction that nobody
//!   ends, hold the others for that long at most.
//!
//! In both the partition follows the least watermark of those that do hold, and what arrives behind
//! that floor is late by it.

use crate::ingest::reader::Standing;
use crate::time::Millis;

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
    /// When the partition's clock last moved, or the start.
    moved: Millis,
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
            Standing::Unheard => (self.at_end, self.drained) = (None, None),
        }
    }

    /// A record was accepted; `moved`: and the partition's clock with it.
    pub fn accept(&mut self, now: Millis, moved: bool) {
        self.accepted = now;
        if moved {
            self.moved = now;
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
        let still = self.still(now, keeps_up)?;
        (still >= self.hold_max).then_some(Follows::Overdue)
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
        idleness.accept(1_000, true);
        assert_eq!(follows(&mut idleness, 30_999), None);
        assert_eq!(follows(&mut idleness, 31_000), Some(Follows::Silent));
        idleness.accept(31_001, true);
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
        idleness.accept(170_001, true);
        idleness.stand(Standing::AtEnd, 170_002);
        assert_eq!(follows(&mut idleness, 200_001), None);
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
            decoy.accept(second * 1_000, second == 0);
            decoy.stand(Standing::AtEnd, second * 1_000 + 500);
        }
        assert_eq!(follows(&mut decoy, 59_999), None);
        assert_eq!(follows(&mut decoy, 60_000), Some(Follows::Overdue));
        decoy.accept(87_000, false);
        assert_eq!(follows(&mut decoy, 87_000), Some(Follows::Overdue));
        decoy.accept(88_000, true);
        assert_eq!(follows(&mut decoy, 88_000), None, "its clock moves: it is alive");
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
