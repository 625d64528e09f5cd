//! The status of what stands outside the dataflow, as plain values taken at one moment.

use crate::online::BreakerState;
use std::time::Duration;
use tidemark_operators::metrics::HistogramSnapshot;
use tidemark_operators::time::Millis;

/// The state of a circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// Requests go through.
    #[default]
    Closed,
    /// One request is tried.
    HalfOpen,
    /// Nothing is tried until the cool-down has passed.
    Open,
}

impl From<BreakerState> for Breaker {
    fn from(state: BreakerState) -> Self {
        match state {
            BreakerState::Closed => Breaker::Closed,
            BreakerState::HalfOpen => Breaker::HalfOpen,
            BreakerState::Open => Breaker::Open,
        }
    }
}

impl Breaker {
    /// The number dashboards know: closed 0, half-open 1, open 2.
    pub const fn number(self) -> u64 {
        match self {
            Breaker::Closed => 0,
            Breaker::HalfOpen => 1,
            Breaker::Open => 2,
        }
    }

    /// The name in health reports.
    pub const fn name(self) -> &'static str {
        match self {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half-open",
            Breaker::Open => "open",
        }
    }
}

/// What is counted apart for rows changed by arrivals and for rows changed by decay alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CauseSnapshot {
    /// `arrival` or `decay`.
    pub cause: &'static str,
    /// Rows written (a row deleted counts as one).
    pub rows_written: u64,
    /// Commands sent, by name in small letters: `hset`, `hdel`, `del`, `pexpire`.
    pub commands: Vec<(&'static str, u64)>,
    /// From a row's first change to the store's acknowledgement, in us; without counts when it is
    /// not measured.
    pub write_us: HistogramSnapshot,
}

/// The online store.
#[derive(Clone, Debug, Default)]
pub struct OnlineSnapshot {
    /// `redis` or `embedded`.
    pub kind: &'static str,
    /// Why it takes no rows now; `None` when it does. Free of secrets.
    pub down: Option<String>,
    /// Whether that is because its memory is full.
    pub full: bool,
    /// Rows held in this process.
    pub rows_held: u64,
    /// What they take in the process, in bytes.
    pub table_bytes: u64,
    /// What was written, by cause.
    pub causes: Vec<CauseSnapshot>,
    /// Rows that a newer row of the same entity and view replaced before they were written.
    pub rows_coalesced: u64,
    /// Rows waiting to be written.
    pub rows_pending: u64,
    /// How long the oldest of them has waited, in ms.
    pub oldest_pending_ms: u64,
    /// How old the oldest change is that the store does not have, in ms.
    pub behind_ms: u64,
    /// How long a row that was just written waits to be written again, in ms.
    pub spacing_ms: u64,
    /// Pipelines that were answered in full. Each is a flush.
    pub pipelines_ok: u64,
    /// Pipelines that failed and were tried again.
    pub pipelines_failed: u64,
    /// The sum of the sizes of all flushes, in rows.
    pub rows_flushed: u64,
    /// Keys that someone else had removed or replaced, and that were written anew.
    pub rows_healed: u64,
    /// Heartbeats written.
    pub heartbeats: u64,
    /// Whether the store lost its rows and all are being written again.
    pub rewriting: bool,
    /// Rows written again for that.
    pub rows_rewritten: u64,
    /// Keys evicted during this run that were not all written again since: they read as zeros.
    pub keys_evicted: u64,
    /// Keys of an earlier run whose deletion was not queued, because too many waited.
    pub keys_left_to_ttl: u64,
    /// Whether keys of earlier runs are being looked for.
    pub sweeping: bool,
    /// Keys of earlier runs that wait for their deletion.
    pub sweep_waiting: u64,
    /// Keys of earlier runs removed.
    pub keys_swept: u64,
    /// Bytes the store uses, when it says so.
    pub memory_used_bytes: Option<u64>,
    /// Bytes it may use, when there is a limit.
    pub memory_limit_bytes: Option<u64>,
    /// Whether its memory has reached the alert threshold.
    pub memory_alert: bool,
    /// The circuit breaker; `None` for a store that has none.
    pub breaker: Option<Breaker>,
    /// Whether rows are held back until every partition has caught up.
    pub held_back: bool,
    /// The servers of a Redis Cluster that have slots; of more than [`NODES_SHOWN_MAX`] those that are down
    /// and then the first by address.
    pub nodes: Vec<NodeSnapshot>,
}

/// Servers of a cluster that are shown each by itself.
pub const NODES_SHOWN_MAX: usize = 64;

/// One server of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSnapshot {
    /// Where it listens: host and port.
    pub address: String,
    /// Why it takes no rows; `None` when it does. Free of secrets.
    pub down: Option<String>,
    /// Bytes it uses, when it says so.
    pub memory_used_bytes: Option<u64>,
    /// Bytes it may use, when there is a limit.
    pub memory_limit_bytes: Option<u64>,
    /// Keys it evicted during this run that were not all written again since.
    pub keys_evicted: u64,
    /// Its circuit breaker.
    pub breaker: Breaker,
}

impl OnlineSnapshot {
    /// Rows written, whatever the cause.
    pub fn rows_written(&self) -> u64 {
        self.causes.iter().map(|cause| cause.rows_written).fold(0, u64::saturating_add)
    }
}

/// One partition of a topic, as the broker sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaPartition {
    /// The source's name in the job.
    pub source: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record the job reads.
    pub next_offset: u64,
    /// The end of the partition, when the broker has said it.
    pub end_offset: Option<u64>,
    /// Offsets before that end that belong to open transactions or come after one began.
    pub unstable: u64,
}

impl KafkaPartition {
    /// Records between the job and the end of the partition.
    pub fn lag(&self) -> Option<u64> {
        self.end_offset.map(|end| end.saturating_sub(self.next_offset))
    }
}

/// The Kafka client.
#[derive(Clone, Debug, Default)]
pub struct KafkaSnapshot {
    /// Why the brokers cannot be reached; `None` while they can. Free of secrets.
    pub down: Option<String>,
    /// All partitions that are read.
    pub partitions: Vec<KafkaPartition>,
}

impl KafkaSnapshot {
    /// The lag of all partitions whose end is known.
    pub fn total_lag(&self) -> u64 {
        self.partitions.iter().filter_map(KafkaPartition::lag).fold(0, u64::saturating_add)
    }
}

/// The client of the schema registry.
#[derive(Clone, Debug, Default)]
pub struct RegistrySnapshot {
    /// Why no schemas can be had; `None` while they can. Free of secrets.
    pub down: Option<String>,
    /// Requests so far, by outcome.
    pub requests: Vec<(&'static str, u64)>,
    /// Schemas held.
    pub known: u64,
    /// Ids of schemas that records wait for.
    pub pending: u64,
    /// One of those, when the registry says that there is no such schema.
    pub denied: Option<u32>,
    /// Ids whose records become dead letters.
    pub unknown: u64,
    /// Bytes of the schemas held.
    pub bytes: u64,
    /// How long ago the last request failed, in ms; `None` when none has.
    pub last_error_age_ms: Option<u64>,
}

/// A sink that writes in order and drops nothing: dead letters, sealed rows.
#[derive(Clone, Debug, Default)]
pub struct LogSinkSnapshot {
    /// `dead_letters`, `sealed`, `offline_parquet` or `offline_postgres`.
    pub name: &'static str,
    /// Why nothing can be written now; `None` while it can. Free of secrets.
    pub down: Option<String>,
    /// Records written and acknowledged.
    pub written: u64,
    /// Records taken and not yet acknowledged.
    pub pending: u64,
    /// The same in bytes, of a sink that does not count records.
    pub pending_bytes: Option<u64>,
    /// Attempts that failed and were repeated.
    pub retries: u64,
}

/// What checkpoints have cost since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointSnapshot {
    /// Checkpoints of this run that are whole, those without a change included.
    pub committed: u64,
    /// How long ago the newest of them was, or the beginning before the first; `None` in a process that
    /// commits none.
    pub age: Option<Duration>,
    /// Segments that the newest one lists.
    pub segments: u64,
    /// Forgotten entities that it lists.
    pub forgotten: u64,
    /// Bytes of segments of new rows.
    pub row_bytes: u64,
    /// Bytes of segments that others were merged into.
    pub merged_bytes: u64,
    /// Bytes of snapshots.
    pub snapshot_bytes: u64,
    /// Bytes of versions of reference tables.
    pub table_bytes: u64,
    /// How many versions of each reference table are held, by its name.
    pub table_versions: Vec<(String, u64)>,
    /// Segments that were merged into others.
    pub merged_segments: u64,
    /// Bytes of the checkpoint that the job goes on from.
    pub restore_bytes: u64,
    /// Bytes of it that are read.
    pub restored_bytes: u64,
    /// Why their store takes nothing now; `None`: it does. Free of secrets.
    pub failing: Option<String>,
}

/// The file system of a folder in which files are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskSnapshot {
    /// The folder, as the settings name it.
    pub folder: String,
    /// Bytes that may still be written.
    pub free_bytes: u64,
    /// Bytes in all.
    pub size_bytes: u64,
}

/// Something that needs attention although its part works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DegradedSnapshot {
    /// The component, as `/health` names it.
    pub component: String,
    /// The reason: one word.
    pub reason: &'static str,
}

/// The share of records that became dead letters of late.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RefusedSnapshot {
    /// Of which source; `None` for all together.
    pub source: Option<String>,
    /// The share, 0 to 1.
    pub share: f64,
}

/// A source of the feature server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedSource {
    /// Its name.
    pub name: String,
    /// Answers from its rows.
    pub answers: u64,
    /// How often it was passed over, by reason.
    pub passed_over: Vec<(&'static str, u64)>,
    /// Its circuit breaker.
    pub breaker: Breaker,
    /// Requests that wait for a connection to it; `None`: it needs none.
    pub waiting: Option<u64>,
}

/// What the feature server counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServingSnapshot {
    /// Feast's project.
    pub project: String,
    /// Requests, by endpoint.
    pub requests: Vec<RequestsCounted>,
    /// How long the sources of rows took for each question, in us.
    pub reads_us: HistogramSnapshot,
    /// Entities of each question that features were told of.
    pub entities: HistogramSnapshot,
    /// Values by view and status.
    pub statuses: Vec<(String, &'static str, u64)>,
    /// Questions that were compiled before.
    pub compiled_hits: u64,
    /// Questions that were not.
    pub compiled_misses: u64,
    /// Compiled questions that are kept.
    pub compiled: u64,
    /// Values of the answers that are on their way.
    pub values_in_flight: u64,
    /// Where rows come from, in their order.
    pub sources: Vec<ServedSource>,
    /// Whether values are told.
    pub fresh: bool,
    /// How old they are, in ms.
    pub age: Option<Millis>,
}

/// Requests to one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestsCounted {
    /// Its path.
    pub endpoint: &'static str,
    /// Those that got an answer.
    pub answered: u64,
    /// Those that did not.
    pub refused: u64,
    /// How long they took, in us.
    pub latency_us: HistogramSnapshot,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_whose_end_is_unknown_has_no_lag() {
        let mut partition = KafkaPartition { next_offset: 5, ..KafkaPartition::default() };
        assert_eq!(partition.lag(), None);
        partition.end_offset = Some(3);
        assert_eq!(partition.lag(), Some(0));
        partition.end_offset = Some(9);
        let kafka = KafkaSnapshot { down: None, partitions: vec![partition.clone(), partition] };
        assert_eq!(kafka.total_lag(), 8);
    }
}
