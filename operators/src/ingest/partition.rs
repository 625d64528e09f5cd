//! One partition that this worker owns: its reader, its judge, and what it has above the frontier.

use crate::coordination::Status;
use crate::ingest::judge::Judge;
use crate::ingest::reader::{PartitionReader, Poll, RawBatch};
use crate::metrics::Ahead;
use crate::plan::SourcePlan;
use crate::time::{EventTime, Millis, SECOND};
use std::collections::BTreeMap;

/// Accepted events and their bytes by second of event time, so that what has been sealed can be
/// taken off.
#[derive(Debug, Default)]
pub(crate) struct Unsealed {
    seconds: BTreeMap<u64, (u64, u64)>,
    pub rows: u64,
    pub bytes: u64,
}

impl Unsealed {
    fn add(&mut self, ts: EventTime, bytes: u64) {
        let second = self.seconds.entry(ts / SECOND).or_default();
        *second = (second.0 + 1, second.1 + bytes);
        self.rows += 1;
        self.bytes += bytes;
    }

    /// Everything below `frontier` is sealed.
    pub fn seal(&mut self, frontier: EventTime) {
        while let Some(first) = self.seconds.first_entry() {
            if (first.key() + 1).saturating_mul(SECOND) > frontier {
                break;
            }
            let (rows, bytes) = first.remove();
            self.rows -= rows;
            self.bytes -= bytes;
        }
    }
}

/// A partition owned by this worker.
pub(crate) struct Owned {
    pub reader: Box<dyn PartitionReader>,
    pub judge: Judge,
    pub unsealed: Unsealed,
    /// Records read and not yet judged, and the next of them.
    pub raw: RawBatch,
    pub next: usize,
    pub caught_up: bool,
    pub ended: bool,
    pub idle: bool,
    pub paused: bool,
    /// The next record's schema is not there yet; looked at again in the next step.
    pub waiting: bool,
    pub accepted: u64,
    pub ahead: Ahead,
    /// The first accepted ts; 0 before it.
    pub first: EventTime,
    pub next_offset: u64,
    /// Monotonic time of the last accepted record, or of the start.
    pub alive: Millis,
    idle_after: Millis,
    /// It appeared while the job ran, and none of its records has been accepted.
    fresh: bool,
    told: Option<Status>,
}

impl Owned {
    /// A partition of a worker whose capability stands at `held`: nothing older can be sent any
    /// more, so nothing older is accepted. One found later starts at `floor`, if that is later.
    pub fn new(
        reader: Box<dyn PartitionReader>,
        plan: &SourcePlan,
        now: Millis,
        held: EventTime,
        floor: Option<EventTime>,
    ) -> Self {
        let fresh = reader.found_later();
        let mut judge = Judge::new(plan.time_bounds());
        judge.raise_floor(floor.filter(|_| fresh).unwrap_or(0).max(held));
        Owned {
            idle: fresh,
            fresh,
            reader,
            judge,
            unsealed: Unsealed::default(),
            raw: RawBatch::default(),
            next: 0,
            caught_up: false,
            ended: false,
            paused: false,
            waiting: false,
            accepted: 0,
            ahead: Ahead::default(),
            first: 0,
            next_offset: 0,
            alive: now,
            idle_after: plan.idle_after,
            told: None,
        }
    }

    /// Whether there are records to judge, asking the reader when none are left.
    ///
    /// # Errors
    /// When the log cannot be read on.
    pub fn ready(&mut self) -> Result<bool, String> {
        if self.next < self.raw.records.len() {
            return Ok(true);
        }
        if self.ended {
            return Ok(false);
        }
        match self.reader.poll() {
            Poll::Records(raw) => {
                self.raw = raw;
                self.next = 0;
                self.caught_up = false;
                return Ok(!self.raw.records.is_empty());
            }
            Poll::Pending { caught_up } => self.caught_up = caught_up,
            Poll::Ended => {
                self.ended = true;
                self.caught_up = true;
            }
            Poll::Failed(failure) => return Err(failure),
        }
        Ok(false)
    }

    /// Takes note of an accepted event.
    #[inline]
    pub fn accept(&mut self, ts: EventTime, bytes: usize, now: Millis) {
        self.unsealed.add(ts, bytes as u64);
        if self.accepted == 0 {
            self.first = ts;
        }
        self.accepted += 1;
        self.alive = now;
        self.idle = false;
        self.fresh = false;
    }

    /// The next record has to wait: it is neither silence nor the end, so the partition holds its
    /// watermark, whatever it was before.
    pub fn wait(&mut self) {
        self.waiting = true;
        self.caught_up = false;
        self.idle = false;
    }

    /// Becomes idle when it has been silent for long enough; follows `floor` while it is. A
    /// partition that was not read because it was paused, or because nothing was, is not silent:
    /// the reader is asked first. Nor is one whose broker has trouble.
    ///
    /// # Errors
    /// When the log cannot be read on.
    pub fn rest(&mut self, floor: Option<EventTime>, now: Millis) -> Result<(), String> {
        let silent = self.caught_up && now.saturating_sub(self.alive) >= self.idle_after;
        let behind = floor.is_some_and(|floor| floor > self.judge.watermark());
        let moves = if self.idle { behind } else { silent };
        if self.ended || !moves || self.ready()? {
            return Ok(());
        }
        // The reader may just have said that it has ended.
        if !self.ended && (self.caught_up || self.fresh) {
            self.idle = true;
            self.judge.raise_floor(floor.unwrap_or(0));
        }
        Ok(())
    }

    /// Its status, if it changed since it was last told.
    pub fn news(&mut self) -> Option<Status> {
        let status = Status {
            watermark: self.judge.watermark(),
            clock: self.judge.clock(),
            newest: self.judge.newest(),
            accepted: self.accepted,
            active: !self.idle && !self.ended,
            caught_up: self.caught_up,
            ended: self.ended,
        };
        (self.told != Some(status)).then(|| {
            self.told = Some(status);
            status
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::reader::RawRecord;
    use crate::origin::PartitionId;
    use crate::plan::{Arrival, Format, Start, TimeField, TimeUnit};
    use std::collections::VecDeque;

    struct Script(VecDeque<Poll>, bool);

    impl PartitionReader for Script {
        fn id(&self) -> PartitionId {
            PartitionId { source: 0, partition: 0 }
        }

        fn poll(&mut self) -> Poll {
            self.0.pop_front().unwrap_or(Poll::Pending { caught_up: true })
        }

        fn found_later(&self) -> bool {
            self.1
        }

        fn describe(&self) -> String {
            "script".to_owned()
        }
    }

    fn owned(polls: Vec<Poll>, found_later: bool, held: EventTime) -> Owned {
        let plan = SourcePlan {
            name: "script".to_owned(),
            topic: None,
            files: Vec::new(),
            format: Format::Json,
            schema_wait: 0,
            start: Start::Earliest,
            time: TimeField { path: vec!["ts".to_owned()], unit: TimeUnit::Ms },
            arrival: Arrival::Timestamp,
            max_ahead: None,
            earliest: 0,
            latest: EventTime::MAX,
            out_of_orderness: 0,
            idle_after: 1_000,
            max_future_skew: None,
            fields: Vec::new(),
            predicates: Vec::new(),
            keys: Vec::new(),
        };
        Owned::new(Box::new(Script(polls.into(), found_later)), &plan, 0, held, Some(70))
    }

    fn records() -> Poll {
        Poll::Records(RawBatch { records: vec![RawRecord::default()], ..RawBatch::default() })
    }

    #[test]
    fn a_partition_that_was_not_asked_is_not_idle() {
        let caught_up = Poll::Pending { caught_up: true };
        let mut owned = owned(vec![caught_up, records()], false, 0);
        assert_eq!(owned.ready(), Ok(false));
        // Paused for long; meanwhile a record has come.
        owned.rest(Some(500), 5_000).unwrap();
        assert!(!owned.idle && owned.judge.watermark() == 0 && owned.next == 0);
        owned.next = 1;
        owned.rest(Some(500), 6_000).unwrap();
        assert!(!owned.idle, "what it was told last was a record");
        assert_eq!(owned.ready(), Ok(false));
        owned.rest(Some(500), 6_000).unwrap();
        assert!(owned.idle && owned.judge.watermark() == 500);
        owned.rest(None, 7_000).unwrap();
        assert_eq!(owned.judge.watermark(), 500, "when none is active, all hold");
    }

    #[test]
    fn an_idle_partition_does_not_follow_while_records_wait_or_its_broker_has_trouble() {
        let trouble = Poll::Pending { caught_up: false };
        let well = || Poll::Pending { caught_up: true };
        let mut owned = owned(vec![well(), well(), trouble, records()], false, 0);
        assert_eq!(owned.ready(), Ok(false));
        owned.rest(Some(100), 1_000).unwrap();
        assert!(owned.idle && owned.judge.watermark() == 100);
        owned.rest(Some(200), 1_001).unwrap();
        assert_eq!(owned.judge.watermark(), 100, "a broker error is not idleness");
        owned.rest(Some(200), 1_002).unwrap();
        assert_eq!(owned.judge.watermark(), 100, "a record waits");
        owned.next = 1;
        owned.rest(Some(200), 1_003).unwrap();
        assert_eq!(owned.judge.watermark(), 200);
    }

    #[test]
    fn a_partition_found_later_starts_where_its_worker_stands() {
        let watermark = |found_later, held| owned(vec![], found_later, held).judge.watermark();
        assert_eq!(watermark(true, 0), 70);
        assert_eq!(watermark(true, 90), 90, "older events could not be sent any more");
        assert_eq!(watermark(false, 0), 0);
        let mut owned = owned(vec![Poll::Pending { caught_up: false }], true, 90);
        assert!(owned.idle);
        owned.rest(Some(100), 0).unwrap();
        assert_eq!(owned.judge.watermark(), 100, "nothing of it was accepted: it holds nobody");
    }
}
