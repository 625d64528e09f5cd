//! Generated traffic as it would arrive: on an open-loop schedule, with the wall clock as event
//! time.
//!
//! Each partition has a thread of its own that hands over what is due, every millisecond. When the
//! worker does not keep up the thread waits, but the schedule does not: each batch says when its
//! first record was due, so that latency counts the waiting too.

mod retelling;

pub use retelling::Retelling;

use super::random::mix;
use super::schedule::Schedule;
use super::{Cast, GenerateError, Generator, Options, Profile};
use crate::feed::{FeedSender, ThreadFeed, feed};
use crate::source::Waker;
use crate::wall_clock::wall_ms;
use std::thread;
use std::time::{Duration, Instant};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch, RawRecord};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::{EventTime, HOUR, MINUTE, Millis};

/// How many batches of a partition wait for the worker at most.
const BATCHES_MAX: usize = 16;
/// How many records a batch has at most.
const BATCH_RECORDS_MAX: usize = 4_096;
/// How often a thread looks what is due.
const TICK: Duration = Duration::from_millis(1);
/// How much of the past before behaviour is as dense as the present: the rest reaches further back.
const DENSE_PAST: Millis = 10 * MINUTE;
/// How long a thread sleeps at most, so that it notices its end.
const SLEEP_MAX: Duration = Duration::from_millis(50);

/// What a live generator produces.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// What the traffic looks like.
    pub profile: Profile,
    /// Decides everything but the times.
    pub seed: u64,
    /// Records per second over all partitions, above 0.
    pub rate: f64,
    /// How many partitions there are, on all workers together.
    pub partitions: u32,
    /// How many cards, or users, over all partitions.
    pub cards: u32,
    /// The fraction of records that are late.
    pub late: f64,
    /// The fraction of records that are malformed.
    pub malformed: f64,
    /// A simulated past at full speed before the live traffic, so that windows are filled.
    pub history: Option<History>,
    /// How many live records over all partitions, history not counted; `None`: no end.
    pub events: Option<u64>,
    /// The zero of the monotonic clock of [`RawBatch::due_ns`]; live records are due from now on.
    pub origin: Instant,
    /// What the traffic is for.
    pub cast: Cast,
    /// The event time of the first live record of partition 0; `None`: the wall clock's, of each
    /// partition when it starts.
    pub present: Option<EventTime>,
}

/// A simulated past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// How long it lasts, in ms, up to the present. Records are evenly spread over it, but in the
    /// profile `behavior`, and for a story ([`Cast::Story`]), as dense as the present in the last ten
    /// minutes, and before that by the hours (and days of the week), so that it can reach far back.
    pub span: Millis,
    /// How many records over all partitions.
    pub events: u64,
}

/// A worker's share of a live generator. Dropping the readers ends the threads.
pub struct LiveGenerator {
    appeared: Vec<Box<dyn PartitionReader>>,
}

impl LiveGenerator {
    /// Starts a thread for each partition of `mine`, the caller's share of
    /// `0..options.partitions`.
    ///
    /// # Errors
    /// When an option is out of its bounds, or a thread cannot be started.
    pub fn start(
        options: &LiveOptions,
        mine: &[PartitionId],
        waker: &Waker,
    ) -> Result<Self, GenerateError> {
        let mut appeared: Vec<Box<dyn PartitionReader>> = Vec::with_capacity(mine.len());
        for id in mine {
            let (sender, feed) = feed(BATCHES_MAX, Waker::clone(waker));
            let producer = Producer::new(options, id.partition, sender)?;
            let name = format!("generator-{}", id.partition);
            let started = thread::Builder::new().name(name).spawn(move || producer.run());
            started.map_err(|source| GenerateError::Io { path: "(thread)".into(), source })?;
            appeared.push(Box::new(LivePartition { id: *id, feed }));
        }
        Ok(Self { appeared })
    }
}

impl Partitions for LiveGenerator {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        std::mem::take(&mut self.appeared)
    }

    fn may_grow(&self) -> bool {
        false
    }
}

struct LivePartition {
    id: PartitionId,
    feed: ThreadFeed,
}

impl PartitionReader for LivePartition {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        self.feed.poll()
    }

    fn describe(&self) -> String {
        format!("generator[{}]", self.id.partition)
    }
}

/// The thread of one partition.
struct Producer {
    generator: Generator,
    sender: FeedSender,
    /// When the first live record is due, by three clocks.
    start: Instant,
    start_ns: u64,
    start_wall: EventTime,
    every_ns: u64,
    history: u64,
    produced: u64,
}

impl Producer {
    fn new(
        options: &LiveOptions,
        partition: u32,
        sender: FeedSender,
    ) -> Result<Self, GenerateError> {
        let rate_is_usable = options.rate.is_finite() && options.rate >= 0.001;
        if !rate_is_usable || options.rate > 1e8 {
            let bounds = "from 0.001 to 1e8 records per second".to_owned();
            return Err(GenerateError::Option { option: "rate", bounds });
        }
        let every_ns = every_ns(options);
        let turn = turn(options, partition);
        let start = Instant::now() + turn;
        let start_wall = options.present.or_else(wall_ms).unwrap_or(0) + millis(turn);
        let history = options.history.map_or(0, |h| share(options, partition, h.events));
        Ok(Self {
            generator: generator(options, partition, start_wall)?,
            sender,
            start,
            start_ns: nanos(start.saturating_duration_since(options.origin)),
            start_wall,
            every_ns,
            history,
            produced: 0,
        })
    }

    fn run(mut self) {
        loop {
            let due = self.due_records();
            if due == 0 {
                self.sender.set_caught_up(true);
                if self.sender.is_closed() {
                    return;
                }
                let next = self.due(self.produced - self.history);
                let wait = next.saturating_sub(self.start.elapsed());
                thread::sleep(wait.clamp(TICK, SLEEP_MAX));
                continue;
            }
            self.sender.set_caught_up(false);
            match self.batch(due) {
                Some(batch) => {
                    if !self.sender.send(batch) {
                        return;
                    }
                }
                None => return self.sender.end(Ok(())),
            }
        }
    }

    /// When a live record is due after the start.
    fn due(&self, live: u64) -> Duration {
        Duration::from_nanos(live.saturating_mul(self.every_ns))
    }

    /// How many records are due, at most a batch.
    fn due_records(&self) -> usize {
        let max = BATCH_RECORDS_MAX as u64;
        let due = match self.history.checked_sub(self.produced) {
            Some(past) if past > 0 => past,
            _ => {
                let live = self.produced - self.history;
                let since = Instant::now().checked_duration_since(self.start);
                let due = since.map_or(0, |since| nanos(since) / self.every_ns + 1);
                due.saturating_sub(live)
            }
        };
        usize::try_from(due.min(max)).unwrap_or(BATCH_RECORDS_MAX)
    }

    /// The next records, at most `count`; `None` after the last.
    fn batch(&mut self, count: usize) -> Option<RawBatch> {
        let mut batch = RawBatch {
            bytes: Vec::with_capacity(count * 300),
            records: Vec::with_capacity(count),
            read_at: Some(self.start_wall + millis(self.start.elapsed())),
            due_ns: self.produced.checked_sub(self.history).map_or(0, |live| {
                self.start_ns.saturating_add(live.saturating_mul(self.every_ns)).max(1)
            }),
            ..RawBatch::default()
        };
        for _ in 0..count {
            let Some(record) = self.generator.next() else { break };
            let (key, value) = (Some(batch.keep(record.key)), Some(batch.keep(record.line)));
            let offset = self.produced;
            batch.records.push(RawRecord { offset, key, value, ..RawRecord::default() });
            self.produced += 1;
        }
        (!batch.records.is_empty()).then_some(batch)
    }
}

/// The time between two live records of a partition.
fn every_ns(options: &LiveOptions) -> u64 {
    ((1e9 * f64::from(options.partitions.max(1)) / options.rate) as u64).max(1)
}

/// How long after the first a partition begins its live records: they take turns, for at low rates
/// all of them at once would be a pulse.
fn turn(options: &LiveOptions, partition: u32) -> Duration {
    let partitions = u128::from(options.partitions.max(1));
    let turn = u128::from(every_ns(options)) * u128::from(partition) / partitions;
    Duration::from_nanos(u64::try_from(turn).unwrap_or(0))
}

/// A partition's share of so many records.
fn share(options: &LiveOptions, partition: u32, events: u64) -> u64 {
    let partitions = u64::from(options.partitions.max(1));
    events / partitions + u64::from(u64::from(partition) < events % partitions)
}

/// The records of a partition whose first live one happens at `start`.
fn generator(
    options: &LiveOptions,
    partition: u32,
    start: EventTime,
) -> Result<Generator, GenerateError> {
    let past = options.history.map_or(0, |h| h.span);
    let history = options.history.map_or(0, |h| share(options, partition, h.events));
    let live = options.events.map_or(u64::MAX - history, |n| share(options, partition, n));
    let traffic = Options {
        profile: options.profile,
        events: history.saturating_add(live),
        seed: mix(options.seed, u64::from(partition)),
        partitions: 1,
        cards: (options.cards / options.partitions.max(1)).max(1),
        hours: 1,
        late: options.late,
        malformed: options.malformed,
    };
    let lane = (partition, options.partitions);
    let schedule = schedule(options, start, past, history);
    Generator::scheduled(traffic, schedule, lane, options.cast)
}

/// When history and live records happen.
pub(super) fn schedule(
    options: &LiveOptions,
    start: EventTime,
    past: Millis,
    history: u64,
) -> Schedule {
    let every_ns = every_ns(options);
    let dense = (DENSE_PAST * 1_000_000 / every_ns).min(history / 2);
    let dense_span = dense.saturating_mul(every_ns) / 1_000_000;
    let reaches_back = options.profile == Profile::Behavior || options.cast == Cast::Story;
    if !reaches_back || past < dense_span + HOUR {
        return Schedule::Live { start, past, history, every_ns };
    }
    let hours = u32::try_from((past - dense_span) / HOUR).unwrap_or(u32::MAX);
    let first = start - dense_span - u64::from(hours) * HOUR;
    let long_ago = history - dense;
    let first = match options.profile {
        Profile::Behavior => Schedule::weekly(first, hours, long_ago),
        _ => Schedule::daily(first, hours, long_ago),
    };
    Schedule::Then {
        first: Box::new(first),
        events: long_ago,
        second: Box::new(Schedule::Live { start, past: dense_span, history: dense, every_ns }),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
