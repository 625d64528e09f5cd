//! What the parts report, in the form that metrics and health take.

use crate::connect::millis;
use crate::http::components::folder_of;
use crate::kafka::KafkaStatus;
use crate::metrics::snapshot::{
    Breaker, CauseSnapshot, DiskSnapshot, KafkaPartition, KafkaSnapshot, NODES_SHOWN_MAX,
    NodeSnapshot, OnlineSnapshot, RegistrySnapshot,
};
use crate::online::{Commands, Histogram, NodeStatus, RedisStatus, StoreStatus};
use crate::process::disk_space;
use crate::registry::RegistryStatus;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tidemark_operators::metrics::HistogramSnapshot;
use tidemark_operators::plan::Plan;

/// [`crate::online::LATENCY_BOUNDS_MS`] in us.
const WRITE_BOUNDS_US: &[u64] = &[
    500, 1_000, 2_500, 5_000, 7_500, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// The folders of `files`, each once; one that cannot be asked is left out.
pub(super) fn disks(files: &[PathBuf]) -> Vec<DiskSnapshot> {
    let folders: BTreeSet<_> = files.iter().map(|file| folder_of(file)).collect();
    let disk = |folder: &std::path::Path| {
        let (free_bytes, size_bytes) = disk_space(folder).ok()?;
        Some(DiskSnapshot { folder: folder.display().to_string(), free_bytes, size_bytes })
    };
    folders.into_iter().filter_map(disk).collect()
}

/// The online store, whose rows take `table_bytes` in the process.
pub(super) fn online(status: StoreStatus, table_bytes: u64) -> OnlineSnapshot {
    match status.redis {
        None => OnlineSnapshot { table_bytes, ..embedded(&status) },
        Some(redis) => in_redis(status.rows, table_bytes, redis),
    }
}

/// A row is written with its update: nothing ever waits.
fn embedded(status: &StoreStatus) -> OnlineSnapshot {
    let cause =
        |cause, rows_written| CauseSnapshot { cause, rows_written, ..CauseSnapshot::default() };
    OnlineSnapshot {
        kind: "embedded",
        rows_held: status.rows,
        causes: vec![
            cause("arrival", status.changed.arrival),
            cause("decay", status.changed.decay),
        ],
        ..OnlineSnapshot::default()
    }
}

fn in_redis(rows: u64, table_bytes: u64, redis: RedisStatus) -> OnlineSnapshot {
    let down = match redis.refused.map(|refused| refused.why).or(redis.last_error) {
        Some(error) => Some(error),
        None => (!redis.connected).then(|| "not connected yet".to_owned()),
    };
    let cause = |cause, rows_written, commands: Commands, latency: &Histogram| CauseSnapshot {
        cause,
        rows_written,
        commands: vec![
            ("hset", commands.hset),
            ("hdel", commands.hdel),
            ("del", commands.del),
            ("pexpire", commands.pexpire),
        ],
        write_us: HistogramSnapshot {
            bounds: WRITE_BOUNDS_US,
            counts: latency.counts.to_vec(),
            sum: latency.sum_us,
        },
    };
    OnlineSnapshot {
        kind: "redis",
        full: redis.full && down.is_some(),
        down,
        rows_held: rows,
        table_bytes,
        causes: vec![
            cause("arrival", redis.rows_written.arrival, redis.arrival, &redis.latency_arrival),
            cause("decay", redis.rows_written.decay, redis.decay, &redis.latency_decay),
        ],
        rows_coalesced: redis.coalesced,
        rows_pending: redis.dirty,
        oldest_pending_ms: redis.oldest_dirty_ms,
        behind_ms: redis.behind_ms,
        spacing_ms: redis.spacing_ms,
        pipelines_ok: redis.pipelines,
        pipelines_failed: redis.retries,
        rows_flushed: redis.flushed,
        rows_healed: redis.healed,
        heartbeats: redis.beats,
        rewriting: redis.reasserting,
        rows_rewritten: redis.rewritten,
        keys_evicted: redis.evicted,
        keys_left_to_ttl: redis.left_to_ttl,
        sweeping: redis.sweeping,
        sweep_waiting: redis.sweep_waiting,
        keys_swept: redis.swept,
        memory_used_bytes: redis.memory.map(|memory| memory.used),
        memory_limit_bytes: redis.memory.and_then(|memory| memory.limit),
        memory_alert: redis.memory.is_some_and(|memory| memory.alert),
        breaker: Some(redis.breaker.into()),
        held_back: redis.held,
        nodes: nodes(redis.nodes),
    }
}

/// The servers of a cluster by address, those that are down first to be shown.
fn nodes(told: Vec<NodeStatus>) -> Vec<NodeSnapshot> {
    let node = |node: NodeStatus| {
        let breaker = Breaker::from(node.breaker);
        let open =
            || (breaker != Breaker::Closed).then(|| format!("circuit breaker {}", breaker.name()));
        let down = node.last_error.or_else(open);
        NodeSnapshot {
            down: down.or_else(|| (!node.connected).then(|| "not connected yet".to_owned())),
            address: node.address,
            memory_used_bytes: node.memory.map(|memory| memory.used),
            memory_limit_bytes: node.memory.and_then(|memory| memory.limit),
            keys_evicted: node.evicted,
            breaker,
        }
    };
    let mut nodes: Vec<_> = told.into_iter().map(node).collect();
    nodes.sort_by(|a, b| (a.down.is_none(), &a.address).cmp(&(b.down.is_none(), &b.address)));
    nodes.truncate(NODES_SHOWN_MAX);
    nodes.sort_by(|a, b| a.address.cmp(&b.address));
    nodes
}

/// The topics. What is behind a partition's position but holds no records is no lag.
pub(super) fn kafka(plan: &Plan, status: &KafkaStatus) -> KafkaSnapshot {
    let source = |source: u16| plan.sources.get(usize::from(source)).map(|s| s.name.clone());
    let partitions = status.partitions().into_iter().map(|partition| KafkaPartition {
        source: source(partition.id.source).unwrap_or_default(),
        topic: partition.topic,
        partition: partition.id.partition,
        next_offset: partition.position,
        end_offset: Some(partition.position.saturating_add(partition.lag)),
        unstable: partition.unstable,
    });
    KafkaSnapshot { down: status.error(), partitions: partitions.collect() }
}

/// The schema registry.
pub(super) fn registry(status: RegistryStatus) -> RegistrySnapshot {
    RegistrySnapshot {
        down: status.error,
        requests: status.requests.iter().map(|(outcome, count)| (outcome.name(), *count)).collect(),
        known: status.known as u64,
        pending: status.pending as u64,
        denied: status.denied,
        unknown: status.unknown as u64,
        bytes: status.bytes as u64,
        last_error_age_ms: status.last_error_age.map(millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::BreakerState;
    use crate::online::LATENCY_BOUNDS_MS;

    #[test]
    fn the_bounds_in_us_are_those_in_ms() {
        let ms = WRITE_BOUNDS_US.iter().map(|us| crate::metrics::float(*us) / 1_000.0);
        assert_eq!(ms.collect::<Vec<_>>(), LATENCY_BOUNDS_MS);
    }

    #[test]
    fn of_many_servers_a_bounded_number_is_shown_and_those_that_are_down_before_others() {
        let node = |number: usize| NodeStatus {
            address: format!("10.0.0.{number:03}:6379"),
            connected: number != 98,
            last_error: (number == 97).then(|| "refused".to_owned()),
            breaker: if number == 99 { BreakerState::Open } else { BreakerState::Closed },
            evicted: number as u64,
            ..NodeStatus::default()
        };
        let shown = nodes((0..100).rev().map(node).collect());
        assert_eq!(shown.len(), NODES_SHOWN_MAX);
        assert_eq!((&*shown[0].address, shown[7].keys_evicted), ("10.0.0.000:6379", 7));
        let down: Vec<_> = shown.iter().filter_map(|node| node.down.as_deref()).collect();
        assert_eq!(down, ["refused", "not connected yet", "circuit breaker open"]);
    }

    #[test]
    fn an_error_of_redis_is_why_the_store_is_down() {
        let redis = RedisStatus {
            connected: false,
            breaker: BreakerState::Open,
            last_error: Some("connection refused".to_owned()),
            dirty: 3,
            ..RedisStatus::default()
        };
        let snapshot = online(StoreStatus { redis: Some(redis), ..StoreStatus::default() }, 0);
        assert_eq!(snapshot.down.as_deref(), Some("connection refused"));
        assert_eq!((snapshot.breaker, snapshot.rows_pending), (Some(Breaker::Open), 3));
    }
}
