mod alerts;

use super::*;
use crate::metrics::snapshot::{
    Breaker, CauseSnapshot, DegradedSnapshot, KafkaPartition, NodeSnapshot,
};
use std::time::Duration;
use tidemark_operators::ingest::reader::Standing;
use tidemark_operators::metrics::{Ahead, Histogram, PartitionProgress};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{EntityPlan, Matching, SourcePlan};
use tidemark_operators::plan::{TableFrom, TablePlan, TimeField, TimeUnit, Window};
use tidemark_operators::value::Type;
use tidemark_operators::zone::Zone;

/// A plan with one source and one entity, with a plain and a delayed window.
pub(crate) fn small_plan() -> Plan {
    Plan {
        name: "fraud".to_owned(),
        sources: vec![SourcePlan {
            topic: Some("tx".to_owned()),
            earliest: 0,
            latest: u64::MAX,
            out_of_orderness: 5_000,
            idle_after: 30_000,
            hold_max: 60_000,
            ..SourcePlan::new(
                "transactions",
                TimeField::new(vec!["timestamp".to_owned()], TimeUnit::Ms),
                Vec::new(),
            )
        }],
        tables: Vec::new(),
        entities: vec![EntityPlan {
            name: "card".to_owned(),
            sources: Vec::new(),
            attributes: Vec::new(),
            lookups: Vec::new(),
            late: Vec::new(),
            sequences: Vec::new(),
            sessions: Vec::new(),
            filters: 0,
            windows: vec![
                Window { length: 300_000, delay: 0 },
                Window { length: 86_400_000, delay: 604_800_000 },
            ],
            accumulators: Vec::new(),
            lasts: Vec::new(),
            views: Vec::new(),
        }],
        views: Vec::new(),
        zone: Arc::new(Zone::utc()),
        distinct_max: None,
    }
}

fn workers(plan: &Plan) -> Vec<Arc<WorkerMetrics>> {
    let worker = WorkerMetrics::new(0, plan);
    worker.verdicts[0].accepted.add(90);
    worker.verdicts[0].late.add(5);
    worker.verdicts[0].future.add(3);
    worker.verdicts[0].malformed.add(2);
    worker.late_by_ms.record_many(700, 5);
    worker.latency_ns.record_many(1_200_000, 90);
    worker.rows_live.add(80);
    worker.features.add(800);
    worker.frontier.set(1_700_000_000_000);
    worker.live_clock.set(1_700_000_004_999);
    worker.entities[0].entities.set(7);
    let window = &worker.entities[0].windows[0];
    window.events.set(12);
    window.batches.set(1);
    window.rows.set(13);
    window.bytes.set(700);
    worker.entities[0].hottest_per_mille.set(125);
    let behind = PartitionProgress {
        id: PartitionId { source: 0, partition: 3 },
        watermark: 1_700_000_000_000,
        clock: 1_700_000_005_000,
        newest: 1_700_000_005_000,
        ahead: Ahead::default(),
        first: 1_699_999_000_000,
        next_offset: 100,
        idle: false,
        caught_up: true,
        paused: false,
        standing: Standing::AtEnd,
        overdue: false,
        still: 1_500,
    };
    let id = |partition| PartitionId { source: 0, partition };
    let ahead = Ahead { events: 3, by_ms: 1_500, ..Ahead::default() };
    let first =
        PartitionProgress { id: id(0), watermark: 1_700_000_002_000, ahead, still: 0, ..behind };
    let idle = PartitionProgress {
        id: id(7),
        watermark: 1,
        clock: 1,
        idle: true,
        ahead,
        still: 0,
        ..behind
    };
    worker.set_progress([behind, first, idle]);
    vec![Arc::new(worker), Arc::new(WorkerMetrics::new(1, plan))]
}

fn full_scrape() -> String {
    let mut plan = small_plan();
    plan.tables.push(TablePlan {
        name: "merchants".to_owned(),
        key: "id".to_owned(),
        matching: Matching::Exact(Type::Text),
        columns: Vec::new(),
        rows_max: 10,
        from: TableFrom::File { path: "m.csv".to_owned(), valid_from: None, reload: 60_000 },
    });
    let write = Histogram::new(&[500, 1_000]);
    write.record_many(700, 80);
    let online = OnlineSnapshot {
        kind: "redis",
        causes: vec![CauseSnapshot {
            cause: "arrival",
            rows_written: 80,
            commands: vec![("hset", 80), ("pexpire", 7)],
            write_us: write.snapshot(),
        }],
        pipelines_ok: 4,
        pipelines_failed: 1,
        memory_used_bytes: Some(900),
        memory_limit_bytes: Some(1_000),
        memory_alert: true,
        breaker: Some(Breaker::HalfOpen),
        nodes: vec![
            NodeSnapshot {
                address: "10.0.0.1:6379".to_owned(),
                memory_used_bytes: Some(500),
                ..NodeSnapshot::default()
            },
            NodeSnapshot {
                address: "[::1]:6379".to_owned(),
                down: Some("refused".to_owned()),
                memory_used_bytes: Some(900),
                memory_limit_bytes: Some(1_000),
                keys_evicted: 4,
                breaker: Breaker::Open,
            },
        ],
        ..OnlineSnapshot::default()
    };
    let kafka = KafkaSnapshot {
        down: None,
        partitions: vec![KafkaPartition {
            source: "transactions".to_owned(),
            topic: "tx".to_owned(),
            partition: 3,
            next_offset: 100,
            end_offset: Some(130),
            unstable: 20,
        }],
    };
    let logs = [LogSinkSnapshot { name: "dead_letters", written: 10, ..Default::default() }];
    let registry = RegistrySnapshot {
        requests: vec![("ok", 3), ("forbidden", 2)],
        pending: 1,
        last_error_age_ms: Some(1_500),
        ..RegistrySnapshot::default()
    };
    let degraded =
        [DegradedSnapshot { component: "online (redis)".to_owned(), reason: "pending_after" }];
    let disks = [DiskSnapshot { folder: "state".to_owned(), free_bytes: 5, size_bytes: 9 }];
    let refused = [
        RefusedSnapshot { source: Some("transactions".to_owned()), share: 0.25 },
        RefusedSnapshot { source: None, share: 0.125 },
    ];
    render(&Scrape {
        plan: &plan,
        workers: &workers(&plan),
        online: Some(&online),
        kafka: Some(&kafka),
        registry: Some(&registry),
        logs: &logs,
        checkpoints: Some(&CheckpointSnapshot { age: Some(Duration::ZERO), ..Default::default() }),
        degraded: &degraded,
        refused: &refused,
        clock_behind: Some(90_500),
        state_limit: Some(1 << 30),
        disks: &disks,
        ready: true,
        process: &ProcessUsage::now(),
    })
    .unwrap()
}

#[test]
fn names_that_dashboards_query_are_there_with_their_meaning() {
    let text = full_scrape();
    for line in [
        "stream_events_processed_total{worker=\"0\"} 100",
        "stream_features_computed_total{worker=\"0\"} 800",
        "stream_processing_latency_seconds_bucket{worker=\"0\",le=\"0.002\"} 90",
        "stream_processing_latency_seconds_bucket{worker=\"0\",le=\"0.001\"} 0",
        "transactions_processed_total{worker=\"0\"} 90",
        "transactions_failed_total{worker=\"0\"} 5",
        "redis_writes_total 80",
        "redis_pipeline_operations_total{result=\"error\"} 1",
        "redis_memory_usage_bytes 900",
        "redis_memory_limit_bytes 1000",
        "redis_circuit_breaker_status 1",
        "kafka_consumer_lag{topic=\"tx\",partition=\"3\"} 30",
        "kafka_total_consumer_lag 30",
        "tidemark_registry_requests_total{outcome=\"forbidden\"} 2",
        "tidemark_registry_pending_ids 1",
        "tidemark_registry_up 1",
        "tidemark_registry_last_error_age_seconds 1.5",
        "sliding_window_size{entity=\"card\",window=\"5m\",worker=\"0\"} 12",
        "sliding_window_size{entity=\"card\",window=\"24h delayed 7d\",worker=\"0\"} 0",
        "tidemark_window_batches{entity=\"card\",worker=\"0\"} 1",
        "tidemark_window_rows{entity=\"card\",worker=\"0\"} 13",
        "tidemark_window_bytes{entity=\"card\",worker=\"0\"} 700",
        "tidemark_dead_letters_total{source=\"transactions\",reason=\"late\",worker=\"0\"} 5",
        "tidemark_late_by_seconds_bucket{worker=\"0\",le=\"1\"} 5",
        "tidemark_frontier_lag_seconds{worker=\"0\"} 5",
        "tidemark_hottest_entity_ratio{entity=\"card\",worker=\"0\"} 0.125",
        "tidemark_online_memory_alert 1",
        "tidemark_online_node_up{node=\"10.0.0.1:6379\"} 1",
        "tidemark_online_node_up{node=\"[::1]:6379\"} 0",
        "tidemark_online_node_breaker_status{node=\"10.0.0.1:6379\"} 0",
        "tidemark_online_node_breaker_status{node=\"[::1]:6379\"} 2",
        "tidemark_online_node_memory_usage_bytes{node=\"10.0.0.1:6379\"} 500",
        "tidemark_online_node_memory_limit_bytes{node=\"[::1]:6379\"} 1000",
        "tidemark_online_node_evicted_keys{node=\"[::1]:6379\"} 4",
        "tidemark_degraded{component=\"online (redis)\",reason=\"pending_after\"} 1",
        "tidemark_source_refused_ratio{source=\"transactions\"} 0.25",
        "tidemark_refused_ratio 0.125",
        "tidemark_live_clock_behind_seconds 90.5",
        "tidemark_online_commands_total{command=\"pexpire\",cause=\"arrival\"} 7",
        "tidemark_online_write_seconds_bucket{cause=\"arrival\",le=\"0.001\"} 80",
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
    }
    assert!(text.contains(
        "tidemark_watermark_timestamp_seconds{source=\"transactions\",worker=\"0\"} 1700000000"
    ));
    assert!(text.contains("tidemark_kafka_unstable_records{topic=\"tx\"} 20\n"), "{text}");
}

#[test]
fn a_worker_before_its_first_event_shows_no_clocks() {
    let text = full_scrape();
    assert!(!text.contains("tidemark_live_clock_timestamp_seconds{worker=\"1\"}"), "{text}");
}

#[test]
fn each_family_is_described_once() {
    let text = full_scrape();
    let mut names: Vec<_> = text.lines().filter(|l| l.starts_with("# TYPE")).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn of_a_sources_partitions_the_one_is_named_that_is_furthest_behind_and_not_idle() {
    let text = full_scrape();
    for (name, value) in [
        ("tidemark_watermark_timestamp_seconds", "1700000000"),
        ("tidemark_watermark_partition", "3"),
        ("tidemark_source_partitions", "3"),
        ("tidemark_source_idle", "1"),
        ("tidemark_source_paused", "0"),
        ("tidemark_source_still_seconds", "1.5"),
        ("tidemark_source_clock_timestamp_seconds", "1700000005"),
        ("tidemark_source_events_ahead_total", "6"),
        ("tidemark_source_ahead_seconds_total", "3"),
    ] {
        let line = format!("{name}{{source=\"transactions\",worker=\"0\"}} {value}");
        assert!(text.lines().any(|l| l == line), "no line {line} in\n{text}");
    }
    let partitions = text.lines().filter(|l| l.contains("worker=") && l.contains("partition="));
    assert_eq!(partitions.count(), 0, "{text}");
}
