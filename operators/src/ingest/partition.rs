//! One partition that this worker owns: its reader, its judge, and what it has above the frontier.

use crate::coordination::Status;
use crate::ingest::judge::Judge;
use crate::ingest::reader::{PartitionReader, Poll, RawBatch};
use crate::plan::SourcePlan;
use crate::time::{EventTime, Millis, SECOND};
use std::collections::BTreeMap;

/// Bytes of accepted events by second of event time, so that what has been sealed can be taken off.
#[derive(Debug, Default)]
pub(super) struct Unsealed {
    seconds: BTreeMap<u64, u64>,
    bytes: u64,
}

impl Unsealed {
    fn add(&mut self, ts: EventTime, bytes: u64) {
        *self.seconds.entry(ts / SECOND).or_default() += bytes;
        self.bytes += bytes;
    }

    /// Everything below `frontier` is sealed.
    fn seal(&mut self, frontier: EventTime) {
        while let Some(first) = self.seconds.first_entry() {
            if (first.key() + 1).saturating_mul(SECOND) > frontier {
                break;
            }
            self.bytes -= first.remove();
        }
    }
}

/// A partition owned by this worker.
pub(super) struct Owned {
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
    pub accepted: u64,
    /// The first accepted ts; 0 before it.
    pub first: EventTime,
    pub next_offset: u64,
    /// Monotonic time of the last accepted record, or of the start.
    pub alive: Millis,
    idle_after: Millis,
    told: Option<Status>,
}

impl Owned {
    pub fn new(reader: Box<dyn PartitionReader>, plan: &SourcePlan, now: Millis) -> Self {
        Owned {
            idle: reader.found_later(),
            reader,
            judge: Judge::new(plan.out_of_orderness, plan.max_future_skew),
            unsealed: Unsealed::default(),
            raw: RawBatch::default(),
            next: 0,
            caught_up: false,
            ended: false,
            paused: false,
            accepted: 0,
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
    }

    pub fn sealed(&mut self, frontier: EventTime) {
        self.unsealed.seal(frontier);
    }

    pub fn unsealed_bytes(&self) -> u64 {
        self.unsealed.bytes
    }

    /// Becomes idle when it has been silent for long enough; follows `floor` while it is.
    pub fn rest(&mut self, floor: Option<EventTime>, now: Millis) {
        let silent = now.saturating_sub(self.alive) >= self.idle_after;
        if !self.ended && self.caught_up && silent {
            self.idle = true;
        }
        if let (true, Some(floor)) = (self.idle, floor) {
            self.judge.raise_floor(floor);
        }
    }

    /// Its status, if it changed since it was last told.
    pub fn news(&mut self) -> Option<Status> {
        let status = Status {
            watermark: self.judge.watermark(),
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
