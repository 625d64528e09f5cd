//! `/metrics`: what the job, its sources and its sinks say in Prometheus' text format.
//!
//! Names without the prefix `tidemark_` are those that existing dashboards query; they keep their
//! meaning. Everything a worker counts has a `worker` label. Neither partitions nor entity ids become
//! labels of it: the number of its series follows the job, never its topics or its data.

mod checkpoints;
mod clocks;
mod cold;
mod exposition;
mod health;
mod load;
mod serving;
mod sinks;
mod skipped;
pub mod snapshot;
mod sources;
mod state;
mod unique_ids;
mod workers;

use crate::process::ProcessUsage;
pub(crate) use exposition::float;
use exposition::{Exposition, seconds};
pub use serving::render_serving;
use snapshot::{
    CheckpointSnapshot, DegradedSnapshot, DiskSnapshot, KafkaSnapshot, LogSinkSnapshot,
    OnlineSnapshot, RefusedSnapshot, RegistrySnapshot,
};
use std::sync::Arc;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::Millis;
pub(crate) use workers::window_text;

/// Series of one worker (those with its `worker` label) at most, in the jobs that are shipped: what
/// fifty workers may ask of a Prometheus. Of another job it follows its sources, entity types, windows
/// and fields.
pub const WORKER_SERIES_MAX: usize = 300;

/// Series of the process at most, besides those of its workers and one for each partition it reads.
pub const PROCESS_SERIES_MAX: usize = 150;

/// Everything that is shown, as of one moment.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// The job.
    pub plan: &'a Plan,
    /// Its workers in this process.
    pub workers: &'a [Arc<WorkerMetrics>],
    /// The online store.
    pub online: Option<&'a OnlineSnapshot>,
    /// The Kafka client, when a source is a topic.
    pub kafka: Option<&'a KafkaSnapshot>,
    /// The schema registry, when a source needs it.
    pub registry: Option<&'a RegistrySnapshot>,
    /// The sinks that write logs: dead letters, sealed rows.
    pub logs: &'a [LogSinkSnapshot],
    /// The checkpoints, where there are any.
    pub checkpoints: Option<&'a CheckpointSnapshot>,
    /// What needs attention although its part works.
    pub degraded: &'a [DegradedSnapshot],
    /// The shares of dead letters, by source and of all.
    pub refused: &'a [RefusedSnapshot],
    /// How far the live clock is behind the arrival of the newest record, in ms.
    pub clock_behind: Option<Millis>,
    /// What the state may take in memory; `None`: it is not bounded.
    pub state_limit: Option<u64>,
    /// Where files are written, each folder once.
    pub disks: &'a [DiskSnapshot],
    /// Whether the job has caught up.
    pub ready: bool,
    /// What the process uses.
    pub process: &'a ProcessUsage,
}

/// The text of a scrape.
///
/// # Errors
/// When a name is not one that Prometheus allows, which is a defect of this module.
pub fn render(scrape: &Scrape<'_>) -> Result<String, prometheus::Error> {
    let mut out = Exposition::default();
    workers::verdicts(&mut out, scrape);
    workers::rows(&mut out, scrape);
    workers::clocks(&mut out, scrape);
    workers::state(&mut out, scrape);
    state::bytes(&mut out, scrape);
    cold::events(&mut out, scrape);
    workers::tables(&mut out, scrape);
    workers::stash(&mut out, scrape);
    load::workers(&mut out, scrape);
    load::operators(&mut out, scrape);
    sources::partitions(&mut out, scrape);
    clocks::sources(&mut out, scrape);
    clocks::partitions(&mut out, scrape);
    if let Some(kafka) = scrape.kafka {
        sources::lag(&mut out, kafka);
    }
    if let Some(registry) = scrape.registry {
        sources::registry(&mut out, registry);
    }
    if let Some(online) = scrape.online {
        sinks::online(&mut out, online);
        sinks::memory(&mut out, online);
        sinks::nodes(&mut out, online);
    }
    sinks::logs(&mut out, scrape.logs);
    if let Some(checkpoints) = scrape.checkpoints {
        checkpoints::written(&mut out, checkpoints);
    }
    health::degraded(&mut out, scrape.degraded);
    health::refused(&mut out, scrape.refused);
    health::clock_behind(&mut out, scrape.clock_behind);
    load::disks(&mut out, scrape);
    process(&mut out, scrape);
    out.text()
}

fn process(out: &mut Exposition, scrape: &Scrape<'_>) {
    let usage = scrape.process;
    let mut info = out.gauge("tidemark_build_info", "Always 1; the version is a label.");
    info.sample(&[("version", crate::version::VERSION), ("job", &scrape.plan.name)], 1.0);
    out.add(info);
    let mut ready = out.gauge("tidemark_ready", "Whether the job has caught up: 1 or 0.");
    ready.count(&[], u64::from(scrape.ready));
    out.add(ready);
    let mut cpu = out.counter(
        "process_cpu_seconds_total",
        "User and system CPU time the process has used, in seconds.",
    );
    cpu.sample(&[], usage.cpu.as_secs_f64());
    out.add(cpu);
    let mut rss =
        out.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.");
    rss.sample(&[], float(usage.rss_bytes));
    out.add(rss);
    let mut limit = out.gauge(
        "tidemark_memory_limit_bytes",
        "Memory the process may use: its container's or the machine's.",
    );
    if usage.limit_bytes > 0 {
        limit.sample(&[], float(usage.limit_bytes));
    }
    out.add(limit);
    let mut start = out.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since the Unix epoch.",
    );
    start.sample(&[], seconds(usage.started_ms));
    out.add(start);
}

#[cfg(test)]
pub(crate) mod tests;
