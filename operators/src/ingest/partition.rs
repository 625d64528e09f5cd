//! One partition that this worker owns: its reader, its judge, and what it has above the frontier.

use crate::coordination::Status;
use crate::cut::{HistoryOverlap, Marks, PartitionMark, RecordCheck, SeenId};
use crate::ingest::decode::Decoded;
use crate::ingest::idleness::{Follows, Idleness};
use crate::ingest::judge::{Judge, Judged};
use crate::ingest::reader::{PartitionReader, Poll, RawBatch, Standing};
use crate::ingest::unique::Unique;
use crate::interner::stable_hash;
use crate::metrics::Ahead;
use crate::plan::SourcePlan;
use crate::time::{EventTime, Millis, SECOND};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Out of order by so many seconds, events are still counted without a look-up each.
const NEWEST_SECONDS: usize = 16;

/// Accepted events and the bytes that keep them, by second of event time, so that what has been
/// sealed can be taken off.
#[derive(Debug, Default)]
pub(crate) struct Unsealed {
    seconds: BTreeMap<u64, UnsealedSecond>,
    /// Seconds of the newest events, each at its place, with those events that are not in `seconds`
    /// yet: events that come one after the other are mostly of a few seconds.
    newest: [(u64, UnsealedSecond); NEWEST_SECONDS],
    pub rows: u64,
    pub bytes: u64,
}

/// Events of one second, and their bytes.
#[derive(Clone, Copy, Debug, Default)]
struct UnsealedSecond {
    rows: u64,
    bytes: u64,
}

impl UnsealedSecond {
    fn add(&mut self, other: UnsealedSecond) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

impl Unsealed {
    /// An event is kept in so many bytes, wherever that is.
    pub fn add(&mut self, ts: EventTime, bytes: u64) {
        let second = ts / SECOND;
        let at = (second % NEWEST_SECONDS as u64) as usize;
        if self.newest[at].0 != second {
            self.settle(at);
            self.newest[at].0 = second;
        }
        self.newest[at].1.add(UnsealedSecond { rows: 1, bytes });
        self.rows += 1;
        self.bytes += bytes;
    }

    fn settle(&mut self, at: usize) {
        let (second, kept) = std::mem::take(&mut self.newest[at]);
        if kept.rows > 0 {
            self.seconds.entry(second).or_default().add(kept);
        }
    }

    /// Everything below `frontier` is sealed.
    pub fn seal(&mut self, frontier: EventTime) {
        (0..NEWEST_SECONDS).for_each(|at| self.settle(at));
        while let Some(first) = self.seconds.first_entry() {
            if (first.key() + 1).saturating_mul(SECOND) > frontier {
                break;
            }
            let UnsealedSecond { rows, bytes } = first.remove();
            self.rows -= rows;
            self.bytes -= bytes;
        }
    }
}

/// A partition owned by this worker.
pub(crate) struct Owned {
    pub reader: Box<dyn PartitionReader>,
    pub judge: Judge,
    /// The ids of its events, where the job names one.
    pub unique: Option<Unique>,
    pub unsealed: Unsealed,
    /// Records read and not yet judged, and the next of them.
    pub raw: RawBatch,
    pub next: usize,
    pub ended: bool,
    /// It follows the least watermark of the partitions that hold the frontier.
    pub idle: bool,
    /// It does because it has held the others for too long.
    pub overdue: bool,
    pub paused: bool,
    /// The next record's schema is not there yet; looked at again in the next step.
    pub waiting: bool,
    /// Its reader opens its log as it is needed.
    pub opens: bool,
    pub accepted: u64,
    pub ahead: Ahead,
    /// The first accepted ts; 0 before it.
    pub first: EventTime,
    pub next_offset: u64,
    /// Where there are checkpoints.
    pub marks: Option<Rc<RefCell<Marks>>>,
    /// While records are read again, the time below which the state has the events: nothing older
    /// comes, and anything younger may.
    pub rereading: Option<EventTime>,
    /// The part whose events before a time are history's.
    history: Option<HistoryOverlap>,
    idleness: Idleness,
    /// For a partition that appeared while the job ran: the end of what it held then.
    found: Option<u64>,
    told: Option<Status>,
}

impl Owned {
    /// A partition of a worker whose capability stands at `held`: nothing older can be sent any
    /// more, so nothing older is accepted. One found later holds the frontier there.
    pub fn new(
        reader: Box<dyn PartitionReader>,
        plan: &SourcePlan,
        now: Millis,
        held: EventTime,
    ) -> Self {
        let mut judge = Judge::new(plan.time_bounds());
        judge.raise_floor(held);
        Owned {
            found: reader.found_later(),
            opens: reader.rests(),
            reader,
            judge,
            unique: Unique::new(plan),
            unsealed: Unsealed::default(),
            raw: RawBatch::default(),
            next: 0,
            ended: false,
            idle: false,
            overdue: false,
            paused: false,
            waiting: false,
            accepted: 0,
            ahead: Ahead::default(),
            first: 0,
            next_offset: 0,
            marks: None,
            rereading: None,
            history: None,
            idleness: Idleness::new(plan.idle_after, plan.hold_max, now),
            told: None,
        }
    }

    /// Goes on where `marks` says, with the ids of its events.
    pub fn resume(&mut self, marks: Rc<RefCell<Marks>>, ids: Vec<SeenId>) {
        let mut held = marks.borrow_mut();
        if let Some(unique) = &self.unique {
            let seen = unique.shared();
            seen.borrow_mut().resume(ids, held.mark.clock.unwrap_or(0));
            held.ids = Some(seen);
        }
        let PartitionMark { reread, clock, newest, accepted, first, history, .. } = held.mark;
        self.judge.resume(clock, newest);
        (self.accepted, self.first, self.history) = (accepted, first, history);
        // What is judged next, or read again before that.
        self.next_offset = reread;
        self.rereading = held.rereads.as_ref().map(|rereads| rereads.at);
        drop(held);
        self.marks = Some(marks);
    }

    /// Nothing older comes any more.
    pub fn watermark(&self) -> EventTime {
        self.rereading.unwrap_or_else(|| self.judge.watermark())
    }

    /// The last record of the batch at hand that has been judged, and where the partition stands
    /// behind it.
    pub fn mark(&self) {
        let Some(marks) = &self.marks else { return };
        let mark = &mut marks.borrow_mut().mark;
        (mark.clock, mark.newest) = (self.judge.clock(), self.judge.newest());
        (mark.accepted, mark.first, mark.history) = (self.accepted, self.first, self.history);
        let judged = self.next.checked_sub(1).and_then(|last| self.raw.records.get(last));
        let Some(last) = judged else { return };
        mark.read = self.next_offset;
        let start = self.raw.records.first().map(|first| first.offset);
        mark.start = mark.start.or(start);
        mark.last = Some(RecordCheck::of(last.offset, last.timestamp, self.raw.value(last)));
    }

    /// Whether records that were read are still to be judged.
    pub fn has_records(&self) -> bool {
        self.next < self.raw.records.len()
    }

    /// Whether there are records to judge, asking the reader when none are left.
    ///
    /// # Errors
    /// When the log cannot be read on.
    pub fn ready(&mut self, now: Millis) -> Result<bool, String> {
        if self.has_records() {
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        match self.reader.poll() {
            Poll::Records(raw) => {
                self.raw = raw;
                self.next = 0;
                self.idleness.stand(Standing::Behind, now);
                return Ok(!self.raw.records.is_empty());
            }
            Poll::Pending(standing) => {
                if matches!(standing, Standing::AtEnd | Standing::BeforeTransaction) {
                    // What is read again was there before: what is not there now has been removed.
                    self.end_reread();
                }
                self.idleness.stand(standing, now);
            }
            Poll::Ended => {
                self.end_reread();
                self.ended = true;
            }
            Poll::Failed(failure) => return Err(failure),
        }
        Ok(false)
    }

    /// What was to be read again has been.
    pub fn end_reread(&mut self) {
        self.rereading = None;
        if let Some(marks) = &self.marks {
            marks.borrow_mut().rereads = None;
        }
    }

    /// The time of the newest record of `decoded`, and the verdict on it.
    #[inline]
    pub fn judged(
        &mut self,
        decoded: &Decoded,
        ts: EventTime,
        arrival: Option<EventTime>,
    ) -> Judged {
        if let Some(judged) = self.by_history(decoded, ts, arrival) {
            return judged;
        }
        match &mut self.unique {
            None => self.judge.judge(ts, arrival),
            Some(unique) => {
                let row = decoded.rows().saturating_sub(1);
                let is_new = |at, clock| unique.admit(decoded, row, at, clock);
                self.judge.judge_new(ts, arrival, is_new)
            }
        }
    }

    /// The verdict on the newest record of `decoded` where it is in the part of the partition that
    /// history may have, and history has it.
    fn by_history(
        &mut self,
        decoded: &Decoded,
        ts: EventTime,
        arrival: Option<EventTime>,
    ) -> Option<Judged> {
        let part = self.history?;
        // The record itself has been counted.
        if self.next_offset > part.end {
            self.history = None;
            return None;
        }
        let row = decoded.rows().saturating_sub(1);
        let unique = &mut self.unique;
        self.judge.history(ts, arrival, part.until, |at, clock| {
            unique.as_mut().is_none_or(|unique| unique.admit(decoded, row, at, clock))
        })
    }

    /// Where its reader stood when it was asked last.
    pub fn standing(&self) -> Standing {
        self.idleness.standing()
    }

    /// Nothing is left to read, or nobody waits for what is.
    pub fn caught_up(&self) -> bool {
        self.ended || self.overdue || self.standing() == Standing::AtEnd
    }

    /// Takes note of an event that the judge has accepted.
    #[inline]
    pub fn accept(&mut self, ts: EventTime, now: Millis) {
        if self.first == 0 {
            self.first = ts;
        }
        self.accepted += 1;
        self.live(now);
    }

    /// Takes note of an event: the partition is not silent.
    pub fn live(&mut self, now: Millis) {
        let goes_on = self.idleness.accept(now, self.judge.clock());
        // Where it has held the others for too long, only a clock that goes on is life.
        if goes_on || !self.overdue {
            (self.idle, self.overdue) = (false, false);
        }
    }

    /// The next record has to wait: it is neither silence nor the end, so the partition holds its
    /// watermark, whatever it was before.
    pub fn wait(&mut self, now: Millis) {
        self.waiting = true;
        self.idleness.stand(Standing::Behind, now);
        (self.idle, self.overdue) = (false, false);
    }

    /// For how long its clock has stood while it held the others, all being read.
    pub fn still(&mut self, now: Millis) -> Millis {
        let keeps_up = self.reader.keeps_up(self.next_offset);
        self.idleness.still(now, keeps_up).unwrap_or(0)
    }

    /// Whether it follows the others, and why.
    fn follows(&mut self, now: Millis) -> Option<Follows> {
        let judged = |end| self.next_offset >= end || self.standing() == Standing::AtEnd;
        let judged = self.next >= self.raw.records.len() && self.found.is_none_or(judged);
        let told_nothing = self.found.is_some() && self.accepted == 0;
        let keeps_up = !self.waiting && self.reader.keeps_up(self.next_offset);
        self.idleness.follows(now, keeps_up, judged, told_nothing)
    }

    /// Becomes idle when it has been silent for long enough; follows `floor` while it is. A
    /// partition that was not read because it was paused, or because nothing was, is not silent:
    /// the reader is asked first.
    ///
    /// # Errors
    /// When the log cannot be read on.
    pub fn rest(&mut self, floor: Option<EventTime>, now: Millis) -> Result<(), String> {
        let held = self.ended || self.rereading.is_some();
        if held || (self.follows(now).is_none() && !self.idle) {
            return Ok(());
        }
        self.ready(now)?;
        // The reader may just have said that it has ended.
        let follows = if self.ended { None } else { self.follows(now) };
        self.idle = follows.is_some();
        self.overdue = follows == Some(Follows::Overdue);
        if self.idle {
            self.judge.raise_floor(floor.unwrap_or(0));
        }
        Ok(())
    }

    /// Its status, if it changed since it was last told.
    pub fn news(&mut self) -> Option<Status> {
        let status = Status {
            watermark: self.watermark(),
            clock: self.judge.clock(),
            newest: self.judge.newest(),
            accepted: self.accepted,
            active: !self.idle && !self.ended,
            caught_up: self.caught_up(),
            ended: self.ended,
        };
        (self.told != Some(status)).then(|| {
            self.told = Some(status);
            status
        })
    }
}

impl RecordCheck {
    /// Of the record at `offset` with this timestamp and value, empty where it has none.
    pub fn of(offset: u64, timestamp: Option<EventTime>, value: &[u8]) -> Self {
        RecordCheck { offset, timestamp, checksum: stable_hash(value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::reader::RawRecord;
    use crate::origin::PartitionId;
    use crate::plan::{TimeField, TimeUnit};
    use std::collections::VecDeque;

    /// What the reader says, and the end of what it held when it was found later.
    struct Script(VecDeque<Poll>, Option<u64>);

    impl PartitionReader for Script {
        fn id(&self) -> PartitionId {
            PartitionId { source: 0, partition: 0 }
        }

        fn poll(&mut self) -> Poll {
            self.0.pop_front().unwrap_or(Poll::Pending(Standing::AtEnd))
        }

        fn found_later(&self) -> Option<u64> {
            self.1
        }

        fn describe(&self) -> String {
            "script".to_owned()
        }
    }

    fn owned(polls: Vec<Poll>, found_later: Option<u64>, held: EventTime) -> Owned {
        let plan = SourcePlan {
            earliest: 0,
            latest: EventTime::MAX,
            idle_after: 1_000,
            hold_max: 2_000,
            ..SourcePlan::new(
                "script",
                TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms),
                Vec::new(),
            )
        };
        Owned::new(Box::new(Script(polls.into(), found_later)), &plan, 0, held)
    }

    fn records() -> Poll {
        Poll::Records(RawBatch { records: vec![RawRecord::default()], ..RawBatch::default() })
    }

    fn well() -> Poll {
        Poll::Pending(Standing::AtEnd)
    }

    /// Judges and accepts the record at hand.
    fn take(owned: &mut Owned, ts: EventTime, now: Millis) {
        owned.next += 1;
        owned.next_offset += 1;
        owned.judge.judge(ts, None);
        owned.accept(ts, now);
    }

    #[test]
    fn what_is_not_sealed_is_what_lies_in_seconds_that_are_not_over() {
        let mut unsealed = Unsealed::default();
        let mut twin: Vec<(EventTime, u64)> = Vec::new();
        let held = |unsealed: &Unsealed, twin: &[(EventTime, u64)]| {
            let bytes: u64 = twin.iter().map(|(_, bytes)| bytes).sum();
            assert_eq!((unsealed.rows, unsealed.bytes), (twin.len() as u64, bytes));
        };
        // Of one second side by side, back and forth between two, and older than what is there.
        let times = [5_000, 5_999, 6_000, 5_001, 6_001, 9_500, 5_500, 6_500, 9_999, 4_000];
        for (round, frontier) in [0, 5_999, 6_000, 6_001, 10_000, 30_000].into_iter().enumerate() {
            for (ts, bytes) in times.into_iter().zip(1..) {
                let ts = ts + round as u64 * 1_000;
                unsealed.add(ts, bytes);
                twin.push((ts, bytes));
                held(&unsealed, &twin);
            }
            unsealed.seal(frontier);
            twin.retain(|(ts, _)| (ts / SECOND + 1) * SECOND > frontier);
            held(&unsealed, &twin);
        }
        assert_eq!(unsealed.rows, 0);
    }

    #[test]
    fn a_partition_that_was_not_asked_is_not_idle() {
        let mut owned = owned(vec![well(), records()], None, 0);
        assert_eq!(owned.ready(0), Ok(false));
        // Paused for long; meanwhile a record has come.
        owned.rest(Some(500), 5_000).unwrap();
        assert!(!owned.idle && owned.judge.watermark() == 0 && owned.next == 0);
        owned.next = 1;
        owned.rest(Some(500), 6_000).unwrap();
        assert!(!owned.idle, "what it was told last was a record");
        assert_eq!(owned.ready(6_000), Ok(false));
        owned.rest(Some(500), 6_000).unwrap();
        assert!(owned.idle && owned.judge.watermark() == 500);
        owned.rest(None, 7_000).unwrap();
        assert_eq!(owned.judge.watermark(), 500, "when none is active, all hold");
    }

    #[test]
    fn an_idle_partition_does_not_follow_while_records_wait_or_its_broker_has_trouble() {
        let trouble = Poll::Pending(Standing::Unheard);
        let mut owned = owned(vec![well(), well(), trouble, well(), records()], None, 0);
        assert_eq!(owned.ready(0), Ok(false));
        owned.rest(Some(100), 1_000).unwrap();
        assert!(owned.idle && owned.judge.watermark() == 100);
        owned.rest(Some(200), 1_001).unwrap();
        assert!(!owned.idle && owned.judge.watermark() == 100, "a broker error is not idleness");
        assert_eq!(owned.ready(1_002), Ok(false));
        owned.rest(Some(200), 2_001).unwrap();
        assert_eq!(owned.judge.watermark(), 100, "silence counts from when the end was found");
        owned.rest(Some(200), 2_002).unwrap();
        assert_eq!(owned.judge.watermark(), 100, "a record waits");
        owned.next = 1;
        assert_eq!(owned.ready(2_003), Ok(false));
        owned.rest(Some(200), 2_003).unwrap();
        assert!(owned.idle && owned.judge.watermark() == 200);
    }

    #[test]
    fn a_partition_found_later_holds_the_frontier_until_what_it_held_has_been_judged() {
        let mut owned = owned(vec![records(), records()], Some(2), 90);
        assert!(!owned.idle && owned.news().unwrap().active);
        assert_eq!(owned.judge.watermark(), 90);
        owned.rest(Some(5_000), 10_000).unwrap();
        assert_eq!(owned.judge.watermark(), 90, "not even asked yet");
        assert_eq!(owned.ready(10_000), Ok(true));
        owned.next = 1;
        owned.next_offset = 1;
        owned.rest(Some(5_000), 10_000).unwrap();
        assert!(!owned.idle && owned.judge.watermark() == 90, "one is to come");
        assert_eq!(owned.ready(10_000), Ok(true));
        take(&mut owned, 95, 10_000);
        assert_eq!(owned.ready(10_000), Ok(false));
        owned.rest(Some(5_000), 10_999).unwrap();
        assert!(!owned.idle && owned.judge.watermark() == 95, "it is a partition like others");
        owned.rest(Some(5_000), 11_000).unwrap();
        assert!(owned.idle && owned.judge.watermark() == 5_000);
    }

    #[test]
    fn a_partition_found_empty_or_with_nothing_to_accept_holds_nobody() {
        let mut empty = owned(vec![well()], Some(0), 90);
        assert_eq!(empty.ready(0), Ok(false));
        empty.rest(Some(100), 0).unwrap();
        assert!(empty.idle && empty.judge.watermark() == 100);

        let mut refused = owned(vec![records(), well()], Some(1), 90);
        assert_eq!(refused.ready(0), Ok(true));
        (refused.next, refused.next_offset) = (1, 1);
        assert_eq!(refused.ready(0), Ok(false));
        refused.rest(Some(100), 0).unwrap();
        assert!(refused.idle && refused.judge.watermark() == 100);
    }

    #[test]
    fn an_overdue_partition_follows_and_only_a_record_that_moves_its_clock_ends_that() {
        let mut owned = owned(vec![records(), well(), records()], None, 0);
        owned.ready(0).unwrap();
        take(&mut owned, 50, 0);
        assert_eq!(owned.ready(0), Ok(false));
        assert_eq!(owned.ready(900), Ok(true));
        take(&mut owned, 50, 900);
        assert_eq!(owned.ready(900), Ok(false));
        owned.rest(Some(80), 1_899).unwrap();
        owned.accept(50, 1_900);
        owned.rest(Some(80), 1_999).unwrap();
        assert!(!owned.idle && owned.judge.watermark() == 50);
        assert_eq!(owned.still(1_999), 1_999);
        owned.rest(Some(80), 2_000).unwrap();
        assert!(owned.overdue && owned.idle && owned.judge.watermark() == 80);
        assert!(owned.caught_up(), "nobody waits for it");
        owned.accept(50, 2_200);
        assert!(owned.overdue && owned.idle, "it moved nothing");
        take(&mut owned, 81, 2_250);
        assert!(owned.overdue && owned.idle, "it moved its clock, which does not go on");
        take(&mut owned, 1_250, 2_300);
        assert!(!owned.overdue && !owned.idle && owned.judge.watermark() == 1_250);
    }
}
