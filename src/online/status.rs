//! What a store reports: plain numbers, for metrics, health and logs.

use crate::online::redis::Refusal;
use crate::online::table::Totals;

/// A count for each cause of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByCause {
    /// Because an event of the entity arrived.
    pub arrival: u64,
    /// By decay alone.
    pub decay: u64,
}

/// Commands sent to Redis and acknowledged by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    /// HSET.
    pub hset: u64,
    /// HDEL.
    pub hdel: u64,
    /// DEL.
    pub del: u64,
    /// PEXPIRE.
    pub pexpire: u64,
}

/// The circuit breaker; as a number 0, 1, 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum BreakerState {
    /// Redis answers.
    #[default]
    Closed = 0,
    /// One attempt is under way after a pause.
    HalfOpen = 1,
    /// Several attempts in a row failed: nothing is tried until the pause is over.
    Open = 2,
}

/// The upper bounds of a [`Histogram`]'s buckets in ms; the last bucket has none.
pub const LATENCY_BOUNDS_MS: [f64; 14] =
    [0.5, 1.0, 2.5, 5.0, 7.5, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 30_000.0];

/// How long rows took from the change that made them dirty to Redis's acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Rows by bucket (not cumulative): one for each of [`LATENCY_BOUNDS_MS`], and one beyond.
    pub counts: [u64; 15],
    /// The sum of all of them in us.
    pub sum_us: u64,
}

impl Histogram {
    /// How many rows.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The memory of Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStatus {
    /// Bytes in use.
    pub used: u64,
    /// The limit in bytes, when there is one.
    pub limit: Option<u64>,
    /// Whether the use has reached the alert threshold.
    pub alert: bool,
}

impl MemoryStatus {
    /// With `used` bytes in use and a limit of `max` (0: none), whose part `threshold` is a reason for
    /// alarm.
    #[expect(clippy::cast_precision_loss, reason = "a threshold needs no more precision")]
    pub(crate) fn of(used: u64, max: u64, threshold: f64) -> Self {
        let limit = Some(max).filter(|max| *max > 0);
        let alert = limit.is_some_and(|limit| used as f64 >= threshold * limit as f64);
        MemoryStatus { used, limit, alert }
    }
}

/// How a server of a cluster is.
#[derive(Clone, Debug, Default)]
pub struct NodeStatus {
    /// Where it listens.
    pub address: String,
    /// Whether every shard has a connection to it.
    pub connected: bool,
    /// The worst of the shards' breakers for it.
    pub breaker: BreakerState,
    /// Its memory, as last asked.
    pub memory: Option<MemoryStatus>,
    /// Keys that it evicted during this run and that were not all written again since.
    pub evicted: u64,
    /// Why it took no rows last, while that lasts; never with a password in it.
    pub last_error: Option<String>,
}

impl NodeStatus {
    /// Adds what another shard says of the same server.
    pub(crate) fn add(&mut self, other: &NodeStatus) {
        self.connected &= other.connected;
        self.breaker = self.breaker.max(other.breaker);
        self.memory = self.memory.or(other.memory);
        // One of the shards asks for these.
        self.evicted = self.evicted.max(other.evicted);
        self.last_error = self.last_error.take().or_else(|| other.last_error.clone());
    }
}

/// How the connection to Redis is and what went over it.
#[derive(Clone, Debug, Default)]
pub struct RedisStatus {
    /// Whether every shard has a connection.
    pub connected: bool,
    /// Whether nothing is written because the job has not caught up yet.
    pub held: bool,
    /// The worst of the shards' breakers.
    pub breaker: BreakerState,
    /// The last error, while it lasts; never with a password in it.
    pub last_error: Option<String>,
    /// Whether it takes no rows for want of memory.
    pub full: bool,
    /// Rows and keys that Redis does not have yet.
    pub dirty: u64,
    /// How long the oldest of them has waited for Redis, in ms; 0 while rows are held back.
    pub oldest_dirty_ms: u64,
    /// Whether all rows are being written again, because Redis lost its memory or is another one.
    pub reasserting: bool,
    /// How old the oldest change is that Redis does not have, in ms, whatever it waits for.
    pub behind_ms: u64,
    /// How long a row that was just written waits to be written again, in ms; 0 while few commands
    /// are sent. Such rows are among the dirty ones, and not late before their time has come.
    pub spacing_ms: u64,
    /// Rows acknowledged.
    pub rows_written: ByCause,
    /// Commands for rows changed by arrivals, and their deletions; without TTL refreshes.
    pub arrival: Commands,
    /// Commands for rows changed by decay, deletions, and TTL refreshes.
    pub decay: Commands,
    /// Round trips with at least one command, which is the count of flush sizes.
    pub pipelines: u64,
    /// The sum of flush sizes: rows and deletions sent.
    pub flushed: u64,
    /// Updates that hit a row that was dirty already, so that two were written as one.
    pub coalesced: u64,
    /// Attempts that failed and were or will be made again.
    pub retries: u64,
    /// Keys found evicted, expired, deleted or replaced by someone else, and written in full.
    pub healed: u64,
    /// Keys of an earlier run that were left to their TTL, because too many deletions waited.
    pub left_to_ttl: u64,
    /// Heartbeats acknowledged.
    pub beats: u64,
    /// Rows written again because Redis had lost all of them.
    pub rewritten: u64,
    /// Keys that Redis evicted during this run and that were not all written again since: they
    /// read as zeros.
    pub evicted: u64,
    /// Whether keys of earlier runs are being looked for.
    pub sweeping: bool,
    /// Keys of earlier runs found and waiting for their deletion.
    pub sweep_waiting: u64,
    /// Keys of earlier runs removed.
    pub swept: u64,
    /// Why the job may not write to this Redis: another living job writes one of its views, or a later
    /// run of this one has taken over.
    pub refused: Option<Refusal>,
    /// Redis's memory, as last asked; of a cluster that of the server with the most in use.
    pub memory: Option<MemoryStatus>,
    /// Each server of a cluster.
    pub nodes: Vec<NodeStatus>,
    /// From the first change to the acknowledgement, rows changed by arrivals.
    pub latency_arrival: Histogram,
    /// The same for rows changed by decay; their time starts when `decay_flush` has passed.
    pub latency_decay: Histogram,
}

/// What a store has done and how it is.
#[derive(Clone, Debug, Default)]
pub struct StoreStatus {
    /// Rows held now, in all views.
    pub rows: u64,
    /// Updates that changed a row.
    pub changed: ByCause,
    /// Updates that did not.
    pub unchanged: u64,
    /// Rows that went away.
    pub deleted: u64,
    /// For a store in Redis.
    pub redis: Option<RedisStatus>,
}

impl StoreStatus {
    pub(crate) fn new(totals: Totals, redis: Option<RedisStatus>) -> Self {
        StoreStatus {
            rows: totals.rows,
            changed: totals.changed,
            unchanged: totals.unchanged,
            deleted: totals.deleted,
            redis,
        }
    }
}
