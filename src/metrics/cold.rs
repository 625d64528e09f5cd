//! Events that have left memory, where some do.

use super::Scrape;
use super::exposition::{Exposition, float};
use tidemark_operators::metrics::EntityMetrics;

/// Nanoseconds in a second.
const NS: f64 = 1e9;

/// What is elsewhere, by entity type, and what it costs.
pub(super) fn events(out: &mut Exposition, scrape: &Scrape<'_>) {
    type Value = fn(&EntityMetrics) -> f64;
    let gauges: [(&str, &str, Value); 3] = [
        (
            "tidemark_cold_events",
            "Events of the timeline that have left memory, by entity type: those back for a while included.",
            |held| float(held.cold_rows.get()),
        ),
        ("tidemark_cold_bytes", "Bytes on disk of the events that have left memory.", |held| {
            float(held.cold_bytes.get())
        }),
        (
            "tidemark_cold_chunks_back",
            "Chunks of events that have left memory and are back, because a window lets go of them.",
            |held| float(held.cold_back.get()),
        ),
    ];
    let counters: [(&str, &str, Value); 3] = [
        (
            "tidemark_cold_reads_total",
            "Chunks of events that were read back, once for each edge of a window that comes to them.",
            |held| float(held.cold_reads.get()),
        ),
        (
            "tidemark_cold_failures_total",
            "Chunks of events that could not be written and stay in memory until it succeeds.",
            |held| float(held.cold_failures.get()),
        ),
        (
            "tidemark_cold_wait_seconds_total",
            "Time in which a worker waited for events to be read back, in seconds.",
            |held| float(held.cold_wait_ns.get()) / NS,
        ),
    ];
    let families = gauges.map(|(name, help, value)| (out.gauge(name, help), value));
    let counters = counters.map(|(name, help, value)| (out.counter(name, help), value));
    for (mut family, value) in families.into_iter().chain(counters) {
        for worker in scrape.workers {
            let name = worker.worker.to_string();
            let entities = scrape.plan.entities.iter().zip(&worker.entities);
            for (plan, held) in entities.filter(|(_, held)| held.hot_window.get() > 0) {
                family.sample(&[("entity", &plan.name), ("worker", &name)], value(held));
            }
        }
        out.add(family);
    }
}
