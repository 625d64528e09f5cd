//! The rules of `scripts/prometheus`: Prometheus takes them, each fires for its fault and for no other, and
//! none on a healthy job or on one that catches up.

use super::full_scrape;
use crate::metrics::render_serving;
use crate::metrics::snapshot::{ServedSource, ServingSnapshot};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../monitoring.md");
const ALERTS: &str = include_str!("../../../scripts/prometheus/alerts.yml");
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/prometheus/alerts.yml");

/// What `promtool` says, which is nothing but praise.
fn promtool(args: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("promtool is needed; run: scripts/setup tests");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool says:\n{said}");
    said
}

#[test]
fn promtool_finds_nothing_wrong() {
    let said = promtool(&["check", "metrics"], &full_scrape());
    assert!(said.trim().is_empty(), "promtool says:\n{said}");
}

#[test]
fn prometheus_takes_the_rules_and_the_settings_beside_them() {
    let said = promtool(&["check", "rules", "scripts/prometheus/alerts.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
    let said = promtool(&["check", "config", "scripts/prometheus/prometheus.yml"], "");
    assert!(said.contains("SUCCESS: 1 rule files found"), "{said}");
}

#[test]
fn no_alert_fires_while_a_job_catches_up_unless_it_stands_still() {
    let said = promtool(&["test", "rules", "src/metrics/alerts_test.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
}

/// A job that runs well, an hour long: series, and what they are each minute.
const HEALTHY: [(&str, &str); 30] = [
    ("up{job=\"tidemark\"}", "1x60"),
    ("tidemark_ready", "1x60"),
    ("stream_events_processed_total{worker=\"0\"}", "0+60000x60"),
    ("tidemark_worker_steps_total{worker=\"0\"}", "0+30000x60"),
    ("tidemark_worker_cpu_seconds_total{worker=\"0\"}", "0+30x60"),
    ("tidemark_source_waited_seconds_total{for=\"state\",worker=\"0\"}", "0x60"),
    ("tidemark_source_waited_seconds_total{for=\"frontier\",worker=\"0\"}", "0+50x60"),
    ("kafka_total_consumer_lag", "40x60"),
    ("tidemark_watermark_timestamp_seconds{source=\"tx\",worker=\"0\"}", "1000+60x60"),
    ("tidemark_watermark_timestamp_seconds{source=\"tx\",worker=\"1\"}", "1020+60x60"),
    ("tidemark_watermark_partition{source=\"tx\",worker=\"0\"}", "0x60"),
    ("tidemark_watermark_partition{source=\"tx\",worker=\"1\"}", "1x60"),
    ("tidemark_frontier_timestamp_seconds{worker=\"0\"}", "1000+60x60"),
    ("tidemark_frontier_lag_seconds{worker=\"0\"}", "30x60"),
    ("stream_processing_latency_seconds_bucket{le=\"0.05\"}", "0+1000x60"),
    ("stream_processing_latency_seconds_bucket{le=\"+Inf\"}", "0+1000x60"),
    ("tidemark_kafka_up", "1x60"),
    ("tidemark_registry_up", "1x60"),
    ("transactions_failed_total{worker=\"0\"}", "0+1x60"),
    ("redis_circuit_breaker_status", "0x60"),
    ("redis_memory_usage_bytes", "500x60"),
    ("redis_memory_limit_bytes", "1000x60"),
    ("tidemark_online_evicted_keys", "0x60"),
    ("tidemark_serving_fresh", "1x60"),
    ("tidemark_serving_breaker_status{source=\"engine\"}", "0x60"),
    // One that was probed a few times, and came back each time.
    ("tidemark_serving_breaker_status{source=\"redis\"}", "0 2 2 1 0 2 1 2 0x52"),
    ("tidemark_sink_up{sink=\"dead_letters\"}", "1x60"),
    ("tidemark_checkpoint_age_seconds", "9x60"),
    ("tidemark_disk_free_bytes{folder=\"state\"}", "1e10x60"),
    ("process_resident_memory_bytes", "500x60"),
];

/// The series that the others are held against.
const LIMITS: [(&str, &str); 5] = [
    ("tidemark_memory_limit_bytes", "1000x60"),
    ("tidemark_state_limit_bytes", "1000x60"),
    ("tidemark_state_bytes{entity=\"card\",part=\"timeline\",worker=\"0\"}", "900x60"),
    ("tidemark_state_reusable_bytes{entity=\"card\",worker=\"0\"}", "300x60"),
    ("tidemark_online_rows_bytes", "100x60"),
];

/// By fault: the alert, and what is otherwise than in a healthy job.
const FAULTS: [(&str, &[(&str, &str)]); 41] = [
    ("TidemarkDown", &[("up{job=\"tidemark\"}", "0x60")]),
    ("TidemarkDown", &[("up{job=\"shop/tidemark\"}", "0x60")]),
    ("TidemarkAbsent", &[("up{job=\"tidemark\"}", "_x60")]),
    ("TidemarkWorkerStalled", &[("tidemark_worker_steps_total{worker=\"0\"}", "30000x60")]),
    ("TidemarkLag", &[("kafka_total_consumer_lag", "1001x60")]),
    ("TidemarkWorkerBusy", &[("tidemark_worker_cpu_seconds_total{worker=\"0\"}", "0+56x60")]),
    (
        "TidemarkBackPressure",
        &[("tidemark_source_waited_seconds_total{for=\"state\",worker=\"0\"}", "0+40x60")],
    ),
    (
        "TidemarkSlow",
        &[
            ("stream_processing_latency_seconds_bucket{le=\"0.05\"}", "0+900x60"),
            ("stream_processing_latency_seconds_bucket{le=\"1\"}", "0+1000x60"),
        ],
    ),
    ("TidemarkKafkaDown", &[("tidemark_kafka_up", "0x60")]),
    ("TidemarkRegistryDown", &[("tidemark_registry_up", "0x60")]),
    (
        "TidemarkTableNotReloaded",
        &[("tidemark_table_failures_total{table=\"merchants\"}", "0+1x60")],
    ),
    ("TidemarkTransactionsFail", &[("transactions_failed_total{worker=\"0\"}", "0+7x60")]),
    ("TidemarkDeadLetters", &[DEGRADED[0]]),
    ("TidemarkClockAhead", &[DEGRADED[1]]),
    ("TidemarkClockAhead", &[DEGRADED[2]]),
    ("TidemarkClockBehind", &[DEGRADED[3]]),
    ("TidemarkClockBehind", &[DEGRADED[4]]),
    ("TidemarkClockBehind", &[DEGRADED[5]]),
    ("TidemarkRowsPending", &[DEGRADED[6]]),
    ("TidemarkDegraded", &[DEGRADED[7]]),
    ("TidemarkDegraded", &[DEGRADED[8]]),
    ("TidemarkStoreDown", &[("redis_circuit_breaker_status", "1x60")]),
    ("TidemarkStoreDown", &[("redis_circuit_breaker_status", "2x60"), DEGRADED[6]]),
    ("TidemarkStoreMemory", &[("redis_memory_usage_bytes", "801x60")]),
    (
        // A full store has one alert, not those of one that does not answer, fills and lets rows wait.
        "TidemarkStoreFull",
        &[
            ("tidemark_online_full", "1x60"),
            ("redis_circuit_breaker_status", "2x60"),
            ("redis_memory_usage_bytes", "1000x60"),
            ("tidemark_online_evicted_keys", "7x60"),
            DEGRADED[6],
        ],
    ),
    (
        // So has one that makes room by itself,
        "TidemarkStoreEvicts",
        &[("tidemark_online_evicted_keys", "7x60"), ("redis_memory_usage_bytes", "1000x60")],
    ),
    (
        // and one that was nearly full when it ceased to answer.
        "TidemarkStoreDown",
        &[("redis_circuit_breaker_status", "2x60"), ("redis_memory_usage_bytes", "950x60")],
    ),
    ("TidemarkStoreEvicts", &[("tidemark_online_evicted_keys", "7x60")]),
    ("TidemarkServingStale", &[("tidemark_serving_fresh", "0x60")]),
    (
        "TidemarkSourcePassedOver",
        // It is probed again and again.
        &[("tidemark_serving_breaker_status{source=\"redis\"}", "2 1 2 2 1 2x55")],
    ),
    (
        // One alert where no source is current.
        "TidemarkServingStale",
        &[
            ("tidemark_serving_fresh", "0x60"),
            ("tidemark_serving_breaker_status{source=\"engine\"}", "2x60"),
            ("tidemark_serving_breaker_status{source=\"redis\"}", "2x60"),
        ],
    ),
    ("TidemarkSinkDown", &[("tidemark_sink_up{sink=\"dead_letters\"}", "0x60")]),
    ("TidemarkCheckpointOld", &[("tidemark_checkpoint_age_seconds", "0+60x60")]),
    ("TidemarkDiskFull", &[("tidemark_disk_free_bytes{folder=\"state\"}", "1e9x60")]),
    (
        "TidemarkStateFull",
        &[("tidemark_state_reusable_bytes{entity=\"card\",worker=\"0\"}", "100x60")],
    ),
    (
        // What is not read for it is no news.
        "TidemarkStateFull",
        &[
            ("tidemark_state_reusable_bytes{entity=\"card\",worker=\"0\"}", "0x60"),
            ("tidemark_degraded{component=\"fraud\",reason=\"state_full\"}", "1x60"),
            ("kafka_total_consumer_lag", "0+60000x60"),
            ("tidemark_source_waited_seconds_total{for=\"state\",worker=\"0\"}", "0+40x60"),
        ],
    ),
    ("TidemarkMemory", &[("process_resident_memory_bytes", "950x60")]),
    (
        "TidemarkFrontierHeld",
        &[
            ("tidemark_watermark_timestamp_seconds{source=\"tx\",worker=\"0\"}", "1000x60"),
            ("tidemark_frontier_timestamp_seconds{worker=\"0\"}", "1000x60"),
            ("tidemark_frontier_lag_seconds{worker=\"0\"}", "0+60x60"),
        ],
    ),
    (
        // Now one partition, now the other: the source stands still.
        "TidemarkFrontierHeld",
        &[
            ("tidemark_watermark_timestamp_seconds{source=\"tx\",worker=\"1\"}", "1005x60"),
            ("tidemark_watermark_partition{source=\"tx\",worker=\"1\"}", "1 2 1 2 1 2 3 1 4x50"),
            ("tidemark_frontier_timestamp_seconds{worker=\"0\"}", "1000x60"),
            ("tidemark_frontier_lag_seconds{worker=\"0\"}", "0+60x60"),
        ],
    ),
    (
        "TidemarkCatchUpStandsStill",
        &[("tidemark_ready", "0x60"), ("stream_events_processed_total{worker=\"0\"}", "5x60")],
    ),
    ("TidemarkLagGrows", &[("kafka_total_consumer_lag", "0+60000x60")]),
];

/// Reasons of `/health`.
const DEGRADED: [(&str, &str); 10] = [
    ("tidemark_degraded{component=\"tx\",reason=\"refused_share\"}", "1x60"),
    ("tidemark_degraded{component=\"tx\",reason=\"corrected\"}", "1x60"),
    ("tidemark_degraded{component=\"tx\",reason=\"frontier_held\"}", "1x60"),
    ("tidemark_degraded{component=\"fraud\",reason=\"clock_behind\"}", "1x60"),
    ("tidemark_degraded{component=\"fraud\",reason=\"machine_clock\"}", "1x60"),
    ("tidemark_degraded{component=\"tx\",reason=\"slow_timestamps\"}", "1x60"),
    ("tidemark_degraded{component=\"online (redis)\",reason=\"pending_after\"}", "1x60"),
    ("tidemark_degraded{component=\"tx\",reason=\"invalid_field\"}", "1x60"),
    ("tidemark_degraded{component=\"tx\",reason=\"unkept_ids\"}", "1x60"),
    ("tidemark_degraded{component=\"memory\",reason=\"cold\"}", "1x60"),
];

/// Alerts that a fault brings along beside its own: what grows without end is also there.
fn beside(alert: &str) -> &'static [&'static str] {
    match alert {
        "TidemarkLagGrows" => &["TidemarkLag"],
        _ => &[],
    }
}

/// A test for promtool: the series, and which alerts fire after an hour.
fn case(name: &str, otherwise: &[(&str, &str)], alerts: &[&str]) -> String {
    let mut series: BTreeMap<&str, &str> = HEALTHY.into_iter().chain(LIMITS).collect();
    series.extend(otherwise.iter().copied());
    let mut text = format!("  - name: {name}\n    interval: 1m\n    input_series:\n");
    for (series, values) in series {
        let _ = writeln!(text, "      - {{series: '{series}', values: '{values}'}}");
    }
    text += "    promql_expr_test:\n";
    text += "      - expr: count by (alertname) (ALERTS{alertstate=\"firing\"})\n";
    text += "        eval_time: 1h\n        exp_samples:\n";
    for alert in alerts {
        let _ = writeln!(text, "          - {{labels: '{{alertname=\"{alert}\"}}', value: 1}}");
    }
    text
}

/// All rules, by name.
fn alerts() -> Vec<&'static str> {
    ALERTS.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

#[test]
fn each_alert_fires_for_its_fault_alone_and_none_on_a_healthy_job() {
    let mut tests = case("a healthy job", &[], &[]);
    for (number, (alert, otherwise)) in FAULTS.iter().enumerate() {
        let firing: Vec<_> = [*alert].into_iter().chain(beside(alert).iter().copied()).collect();
        tests += &case(&format!("{alert} {number}"), otherwise, &firing);
    }
    let file = std::env::temp_dir().join(format!("tidemark-alerts-{}.yml", std::process::id()));
    let head = format!("rule_files: ['{RULES}']\nevaluation_interval: 1m\ntests:\n");
    std::fs::write(&file, head + &tests).unwrap();
    let said = promtool(&["test", "rules", file.to_str().unwrap()], "");
    assert!(said.contains("SUCCESS"), "{said}");
    let _ = std::fs::remove_file(&file);
    assert!(alerts().len() > 25);
    for alert in alerts() {
        assert!(FAULTS.iter().any(|(fires, _)| *fires == alert), "no fault in which {alert} fires");
        assert!(PAGE.contains(&format!("`{alert}`")), "monitoring.md does not name {alert}");
    }
}

#[test]
fn rules_that_people_know_by_name_are_there() {
    for known in [
        "kafka_total_consumer_lag > 1000",
        "redis_memory_usage_bytes / redis_memory_limit_bytes > 0.8",
        "rate(transactions_failed_total[5m]) > 0.1",
        "redis_circuit_breaker_status > 0",
    ] {
        assert!(ALERTS.contains(known), "{known}");
    }
}

#[test]
fn every_metric_of_an_alert_is_one_that_is_shown() {
    let sources = vec![ServedSource::default()];
    let serving = ServingSnapshot { fresh: true, sources, ..ServingSnapshot::default() };
    let text = full_scrape() + &render_serving(&serving).unwrap();
    let words = ALERTS
        .lines()
        .filter(|l| !l.trim_start().starts_with(['#', 'S', '-']) && !l.contains("summary:"))
        .flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    let prefixes = ["tidemark_", "stream_", "kafka_", "redis_", "process_", "transactions_"];
    let metrics: Vec<_> = words.filter(|w| prefixes.iter().any(|p| w.starts_with(p))).collect();
    assert!(metrics.len() > 25, "{metrics:?}");
    for metric in metrics {
        let shown = |l: &str| l.strip_prefix(metric).is_some_and(|l| l.starts_with(['{', ' ']));
        assert!(text.lines().any(shown), "no metric {metric}");
    }
}
