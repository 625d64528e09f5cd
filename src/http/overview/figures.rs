//! The figures of an overview. They are those of `/metrics`, and rates of those.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use tidemark_operators::time::{EventTime, Millis};

/// One worker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerOverview {
    /// Its number among all of the job.
    pub worker: usize,
    /// Records a second that it read.
    pub records: f64,
    /// Rows a second that it handed to the online store.
    pub rows: f64,
    /// The share of a core that its thread used, 0 to 1.
    pub busy: f64,
    /// What it waited for most instead of reading what was there (`dead_letters`, `in_flight`, `state`,
    /// `frontier`), and for which share of the time; `None` where that is little.
    pub waits: Option<(Cow<'static, str>, f64)>,
    /// From arrival to row, the 99th percentile in ms; `None` when no row was made.
    pub p99: Option<f64>,
    /// Bytes of its state.
    pub held: u64,
    /// Bytes of events that wait for the frontier.
    pub unsealed: u64,
    /// Bytes sent to other workers and not yet taken in.
    pub in_flight: u64,
    /// For how long it has not stepped, in words; `None` while it does.
    pub stalled: Option<String>,
}

/// The operators of one name, of all workers of the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperatorOverview {
    /// Their name.
    pub operator: String,
    /// Cores that they kept busy, over all workers.
    pub busy: f64,
    /// The worker that they kept busiest, and for which share of the time; `None` where none was.
    pub busiest: Option<(usize, f64)>,
    /// Elements a second that were sent to them: batches of events, dead letters, rows.
    pub received: f64,
    /// Elements a second that they sent.
    pub sent: f64,
    /// For how long they have been at work since the start, in seconds, over all workers.
    pub busy_seconds: f64,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PartitionOverview {
    /// The source's name in the job.
    pub source: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record to read.
    pub next_offset: u64,
    /// Records between there and its end; `None` where that is unknown.
    pub lag: Option<u64>,
    /// Its clock; `None` before the first event.
    pub clock: Option<EventTime>,
    /// For how long no record was read from it, in ms.
    pub quiet: Millis,
    /// Whether the frontier stands where this partition is.
    pub holds: bool,
    /// Whether it is silent and follows the others.
    pub idle: bool,
    /// Whether it follows the others because it has held them for too long.
    pub overdue: bool,
    /// Whether it waits because it ran too far ahead of the others.
    pub paused: bool,
    /// The share of its events of the last half minute whose times lie ahead of their arrival, 0 to 1;
    /// `None` where too few came, or no arrivals are known.
    pub ahead: Option<f64>,
    /// By how much those do on average, in ms.
    pub ahead_by: Millis,
}

/// For so long nothing may have been read from a partition, in ms, before that is told.
const QUIET_FOR: Millis = 20_000;
/// The share of a partition's newest events ahead of their arrival from which on its clock is told of.
pub(crate) const AHEAD_SHARE: f64 = 0.1;

impl PartitionOverview {
    /// Whether it has something to tell that others have not.
    pub fn tells(&self) -> bool {
        let is_ahead = self.ahead.is_some_and(|share| share > AHEAD_SHARE);
        let stands = self.holds || self.idle || self.overdue || self.paused;
        stands || is_ahead || self.quiet > QUIET_FOR
    }
}

/// What became of the records of one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceOverview {
    /// Its name in the job.
    pub source: String,
    /// Records a second that were read of it.
    pub records: f64,
    /// Records between the job and the ends of its topic; `None` where it has none.
    pub lag: Option<u64>,
    /// By how many records a second that grows, or shrinks below 0.
    pub lag_growth: f64,
    /// Its partitions that wait for the others.
    pub paused: usize,
    /// Why its brokers cannot be reached; `None` while they can.
    pub down: Option<String>,
    /// Records that became events.
    pub accepted: u64,
    /// Records that are in no feature and no dead letters: without a key, copies, operations that the
    /// job does not read.
    pub left_out: u64,
    /// Dead letters by reason, of which there are some.
    pub dead_letters: Vec<(Cow<'static, str>, u64)>,
    /// Events whose time was set back, because it lay too far ahead of their arrival.
    pub corrected: u64,
}

/// What is held of one entity type.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntityOverview {
    /// Its name in the job.
    pub entity: String,
    /// Entities that hold something.
    pub count: u64,
    /// Events inside its longest window.
    pub events: u64,
    /// Bytes of all that.
    pub held: u64,
    /// The busiest of them, with the share of the newest events in thousandths; at most 10.
    pub busiest: Vec<(String, u32)>,
}

/// One view of the job.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewOverview {
    /// Its name.
    pub view: String,
    /// What it is a view of.
    pub entity: String,
    /// How many features it has.
    pub features: usize,
}

/// Where rows or dead letters go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkOverview {
    /// Its name.
    pub sink: String,
    /// What was written so far.
    pub written: u64,
    /// Rows that a newer one of the same entity replaced before they were written; `None` of what writes
    /// everything.
    #[serde(default)]
    pub merged: Option<u64>,
    /// What waits to be written.
    pub waiting: u64,
    /// The same in bytes, of a sink that does not count what waits.
    pub waiting_bytes: Option<u64>,
    /// How old the oldest change is that the sink does not have, in ms; `None` where nobody knows.
    pub behind: Option<Millis>,
    /// Whether what waits is missing for who reads it there: not what is just being written, or waits on
    /// purpose.
    #[serde(default)]
    pub lacks: bool,
    /// Why it takes nothing now.
    pub down: Option<String>,
}

/// The newest checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckpointOverview {
    /// Segments that it lists.
    pub segments: u64,
    /// Bytes that were written since the start: rows, merged segments and snapshots.
    pub written: u64,
    /// How long ago the newest one was whole, in ms, or the beginning before the first; `None` in a
    /// process that makes none.
    pub age: Option<Millis>,
}

/// Memory of the process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryOverview {
    /// Bytes in RAM.
    pub resident: u64,
    /// Bytes that it may have; 0 when unknown.
    pub limit: u64,
    /// Bytes of state that are in use.
    pub state: u64,
    /// What the state may take; `None` where nothing bounds it.
    pub state_limit: Option<u64>,
}

/// One process of a job that runs in several.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessOverview {
    /// Its number.
    pub process: usize,
    /// Where it is asked.
    pub url: String,
    /// Whether it is the one that answers.
    pub own: bool,
}

/// What happened in some seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RateSample {
    /// When it ended, in ms since the Unix epoch.
    pub at: u64,
    /// Events a second.
    pub events: f64,
    /// Dead letters a second.
    pub dead_letters: f64,
    /// Rows a second that were handed to the online store.
    pub rows: f64,
    /// From arrival to row, the median in ms; `None` when no row was made.
    pub p50: Option<f64>,
    /// The 99th percentile of the same.
    pub p99: Option<f64>,
    /// From there to the online store's acknowledgement, the 99th percentile in ms; `None` when none came,
    /// or a row is there with its update.
    #[serde(default)]
    pub stored: Option<f64>,
    /// How far the frontier is behind the live clock, in ms of event time.
    pub behind: Option<Millis>,
    /// Records between the job and the ends of all topics; `None` where it reads none.
    pub lag: Option<u64>,
    /// Bytes of the process in memory.
    pub memory: u64,
    /// The share of a core that the process used; above 1 with several.
    pub busy: f64,
}
