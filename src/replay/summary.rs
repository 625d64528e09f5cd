//! What a command says at its end that ran a job over files.

use crate::engine::Observer;
use crate::process;
use serde::Serialize;
use std::time::Duration;

/// The line of JSON at the end.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub events: u64,
    accepted: u64,
    late: u64,
    future: u64,
    malformed: u64,
    schema: u64,
    tombstone: u64,
    keyless: u64,
    duplicate: u64,
    pub skipped: u64,
    invalid_fields: u64,
    pub rows: u64,
    wall_s: f64,
    cpu_s: f64,
    events_per_cpu_s: f64,
    peak_rss_bytes: u64,
}

impl Summary {
    /// Of what the workers counted; `invalid_fields` values of fields were invalid.
    pub fn new(observer: &Observer, invalid_fields: u64, wall: Duration) -> Self {
        let sum = |count: fn(&tidemark_operators::metrics::VerdictCounts) -> u64| -> u64 {
            observer.metrics.iter().flat_map(|m| &m.verdicts).map(count).sum()
        };
        let events = sum(|v| v.total());
        let cpu = process::cpu_time().as_secs_f64();
        Summary {
            events,
            accepted: sum(|v| v.accepted.get()),
            late: sum(|v| v.late.get()),
            future: sum(|v| v.future.get()),
            malformed: sum(|v| v.malformed.get()),
            schema: sum(|v| v.schema.get()),
            tombstone: sum(|v| v.tombstone.get()),
            keyless: sum(|v| v.keyless.get()),
            duplicate: sum(|v| v.duplicate.get() + v.duplicate_dead.get()),
            skipped: sum(|v| v.skipped_all()),
            invalid_fields,
            rows: observer.metrics.iter().map(|m| m.rows_sealed.get()).sum(),
            wall_s: wall.as_secs_f64(),
            cpu_s: cpu,
            events_per_cpu_s: if cpu > 0.0 { (events as f64 / cpu).round() } else { 0.0 },
            peak_rss_bytes: process::peak_rss_bytes(),
        }
    }
}
