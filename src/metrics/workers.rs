//! What the workers count.

use crate::metrics::Scrape;
use crate::metrics::exposition::{Exposition, float, seconds};
use crate::metrics::{skipped, unique_ids};
use crate::text::duration_text;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::plan::Window;
use tidemark_operators::value::Type;
use tidemark_operators::verdict::Reason;

/// Nanoseconds in a second.
const NS: f64 = 1e9;

/// Adds one family with one sample a worker.
fn per_worker(
    out: &mut Exposition,
    scrape: &Scrape<'_>,
    kind: CellKind,
    name: &str,
    help: &str,
    value: impl Fn(&WorkerMetrics) -> Option<f64>,
) {
    let mut family = match kind {
        CellKind::Counter => out.counter(name, help),
        CellKind::Gauge => out.gauge(name, help),
    };
    for worker in scrape.workers {
        if let Some(value) = value(worker) {
            family.sample(&[("worker", &worker.worker.to_string())], value);
        }
    }
    out.add(family);
}

#[derive(Clone, Copy)]
enum CellKind {
    Counter,
    Gauge,
}

/// Records by verdict.
pub(super) fn verdicts(out: &mut Exposition, scrape: &Scrape<'_>) {
    let sum = |f: fn(&tidemark_operators::metrics::VerdictCounts) -> u64| {
        move |w: &WorkerMetrics| Some(float(w.verdicts.iter().map(f).sum()))
    };
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "stream_events_processed_total",
        "Records read and judged, whatever the verdict.",
        sum(|v| v.total()),
    );
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "transactions_processed_total",
        "Records that became events.",
        sum(|v| v.accepted.get()),
    );
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "transactions_failed_total",
        "Dead letters that are not late: all that could not be read, and records from the future.",
        sum(|v| v.dead_letters() - v.late.get()),
    );
    let mut dead = out.counter(
        "tidemark_dead_letters_total",
        "Records that became dead letters, by reason: late, future, malformed, schema, tombstone or duplicate.",
    );
    for worker in scrape.workers {
        for (source, counts) in scrape.plan.sources.iter().zip(&worker.verdicts) {
            for reason in Reason::ALL {
                dead.count(
                    &[
                        ("source", &source.name),
                        ("reason", reason.name()),
                        ("worker", &worker.worker.to_string()),
                    ],
                    counts.dead(reason).get(),
                );
            }
        }
    }
    out.add(dead);
    left_out(out, scrape);
    let mut late = out.histogram(
        "tidemark_late_by_seconds",
        "How far behind the watermark late records were, in seconds of event time.",
    );
    for worker in scrape.workers {
        let labels = [("worker", worker.worker.to_string())];
        late.buckets(&borrowed(&labels), &worker.late_by_ms.snapshot(), 1e3);
    }
    out.add(late);
}

/// What of the records is in no feature, or not to the last digit, although they are no dead letters.
fn left_out(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut keyless = out.counter(
        "tidemark_keyless_records_total",
        "Records without a key of any entity, which are left out, by source.",
    );
    let mut duplicate = out.counter(
        "tidemark_duplicate_records_total",
        "Records whose id an event before them has, which are left out, by source.",
    );
    let mut history = out.counter(
        "tidemark_history_records_total",
        "Records of topics that are passed over because a backfill has read them from files, by source.",
    );
    let mut invalid = out.counter(
        "tidemark_invalid_fields_total",
        "Values that were there, could not be read and are null in their events, by source and field.",
    );
    let mut rounded = out.counter(
        "tidemark_decimals_rounded_total",
        "Decimals that had more digits than their fields keep and are rounded in their events, by source and field.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for (at, source) in scrape.plan.sources.iter().enumerate() {
            let decimals = source.fields.iter().enumerate();
            for (index, field) in decimals.filter(|(_, field)| field.ty.is_like(Type::DECIMAL)) {
                let labels =
                    [("source", source.name.as_str()), ("field", &field.name), ("worker", &name)];
                let count = worker.rounded.get(at).and_then(|counts| counts.get(index));
                rounded.count(&labels, count.map_or(0, |count| count.get()));
            }
            let labels = [("source", source.name.as_str()), ("worker", name.as_str())];
            keyless.count(&labels, worker.verdicts.get(at).map_or(0, |v| v.keyless.get()));
            duplicate.count(&labels, worker.verdicts.get(at).map_or(0, |v| v.duplicate.get()));
            history.count(&labels, worker.verdicts.get(at).map_or(0, |v| v.history.get()));
            for (index, field) in source.fields.iter().enumerate().filter(|(_, f)| !f.required) {
                let labels =
                    [("source", source.name.as_str()), ("field", &field.name), ("worker", &name)];
                invalid.count(&labels, worker.invalid.get(at).map_or(0, |v| v.count(index)));
            }
        }
    }
    out.add(keyless);
    out.add(duplicate);
    out.add(history);
    out.add(invalid);
    out.add(rounded);
    skipped::write(out, scrape);
    unique_ids::write(out, scrape);
}

fn borrowed<'a>(labels: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    labels.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// Rows and features computed, and how long they took.
pub(super) fn rows(out: &mut Exposition, scrape: &Scrape<'_>) {
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "stream_features_computed_total",
        "Feature values computed, in sealed and live rows.",
        |w| Some(float(w.features.get())),
    );
    let mut rows = out.counter(
        "tidemark_rows_total",
        "Feature rows computed: sealed (one an event and view) and live (newest of an entity).",
    );
    let mut latency = out.histogram(
        "stream_processing_latency_seconds",
        "From a record's arrival until its live row was handed to the online sink, in seconds.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        rows.count(&[("kind", "sealed"), ("worker", &name)], worker.rows_sealed.get());
        rows.count(&[("kind", "live"), ("worker", &name)], worker.rows_live.get());
        latency.buckets(&[("worker", &name)], &worker.latency_ns.snapshot(), NS);
    }
    out.add(rows);
    out.add(latency);
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "tidemark_distinct_saturated_total",
        "Distinct counts that were read at distinct_max or beyond it, which is what is written of them.",
        |w| Some(float(w.distinct_saturated.get())),
    );
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "tidemark_int_overflows_total",
        "Integer results out of range, which are shown as null.",
        |w| Some(float(w.int_overflows.get())),
    );
    per_worker(
        out,
        scrape,
        CellKind::Counter,
        "tidemark_worker_steps_total",
        "Steps of the worker, idle ones included; one that stands still is stalled.",
        |w| Some(float(w.steps.get())),
    );
}

/// The frontier and the live clock. A worker that has seen no event yet shows neither.
pub(super) fn clocks(out: &mut Exposition, scrape: &Scrape<'_>) {
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_frontier_timestamp_seconds",
        "The frontier: every accepted event before this event time is known.",
        |w| frontier(w).map(seconds),
    );
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_live_clock_timestamp_seconds",
        "The live clock, in seconds since the Unix epoch: what live rows are as of.",
        |w| live_clock(w).map(seconds),
    );
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_frontier_lag_seconds",
        "How far the frontier is behind the live clock, in seconds of event time.",
        |w| Some(seconds(live_clock(w)?.saturating_sub(frontier(w)?.saturating_sub(1)))),
    );
}

fn live_clock(worker: &WorkerMetrics) -> Option<u64> {
    Some(worker.live_clock.get()).filter(|clock| *clock > 0)
}

/// The frontier; once all inputs have closed, the first time after the live clock.
fn frontier(worker: &WorkerMetrics) -> Option<u64> {
    match worker.frontier.get() {
        0 => None,
        u64::MAX => Some(worker.live_clock.get().saturating_add(1)),
        frontier => Some(frontier),
    }
}

/// What is held for entities.
pub(super) fn state(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut entities = out.gauge("tidemark_entities", "Entities that hold state, by type.");
    let mut rows = out.gauge("tidemark_timeline_events", "Events in the timeline, by entity type.");
    let mut hottest = out.gauge(
        "tidemark_hottest_entity_ratio",
        "The share of the newest events that came from the busiest entity, 0 to 1.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for (plan, held) in scrape.plan.entities.iter().zip(&worker.entities) {
            let labels = [("entity", plan.name.as_str()), ("worker", name.as_str())];
            entities.count(&labels, held.entities.get());
            rows.count(&labels, held.timeline_rows.get());
            hottest.sample(&labels, float(held.hottest_per_mille.get()) / 1e3);
        }
    }
    for family in [entities, rows, hottest] {
        out.add(family);
    }
    windows(out, scrape);
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_dictionary_entries",
        "Attribute values and entity ids in the dictionaries.",
        |w| Some(float(w.dictionary_entries.get())),
    );
}

/// What is held for windows: a series for every window length of an entity type says what is inside,
/// one for all of them what that takes.
fn windows(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut events =
        out.gauge("sliding_window_size", "Events inside a window, by entity type and window.");
    let mut batches = out.gauge(
        "tidemark_window_batches",
        "Batches of the arrangements of an entity type's windows: 1 each while nothing but the log reads it.",
    );
    let mut rows = out.gauge(
        "tidemark_window_rows",
        "Events of the timeline that the arrangement of an entity type's longest window reaches back to.",
    );
    let mut bytes = out.gauge(
        "tidemark_window_bytes",
        "Bytes of those events, which all windows of the entity type share, and of the batches.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for (plan, held) in scrape.plan.entities.iter().zip(&worker.entities) {
            for (window, held) in plan.windows.iter().zip(&held.windows) {
                let window = window_text(*window);
                let labels = [("entity", &*plan.name), ("window", &*window), ("worker", &*name)];
                events.count(&labels, held.events.get());
            }
            if plan.windows.is_empty() {
                continue;
            }
            let labels = [("entity", &*plan.name), ("worker", &*name)];
            let windows = || held.windows.iter();
            batches.count(&labels, windows().map(|w| w.batches.get()).sum());
            rows.count(&labels, windows().map(|w| w.rows.get()).max().unwrap_or(0));
            bytes.count(&labels, windows().map(|w| w.bytes.get()).max().unwrap_or(0));
        }
    }
    for family in [events, batches, rows, bytes] {
        out.add(family);
    }
}

/// A window as a label: `5m`, or `5m delayed 7d`.
pub(crate) fn window_text(window: Window) -> String {
    let length = duration_text(window.length);
    match window.delay {
        0 => length,
        delay => format!("{length} delayed {}", duration_text(delay)),
    }
}

/// The reference tables.
pub(super) fn tables(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut rows = out.gauge("tidemark_table_rows", "Rows of a reference table.");
    let mut versions = out.counter(
        "tidemark_table_versions_total",
        "Versions of a reference table's file, or records of its topic, that took effect.",
    );
    let mut failures = out.counter(
        "tidemark_table_failures_total",
        "Versions or records of a reference table that could not be read; the old ones stay.",
    );
    let mut effective = out.gauge(
        "tidemark_table_effective_timestamp_seconds",
        "The event time from which on the newest version of a reference table is seen.",
    );
    let mut updates = out.gauge(
        "tidemark_table_updates",
        "Updates held of a reference table: its rows, and what changed since the sealed events.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for (plan, table) in scrape.plan.tables.iter().zip(&worker.tables) {
            updates.count(&[("table", &plan.name), ("worker", &name)], table.updates.get());
            // One worker reads them.
            if worker.worker == 0 {
                let labels = [("table", plan.name.as_str())];
                rows.count(&labels, table.rows.get());
                versions.count(&labels, table.versions.get());
                failures.count(&labels, table.failures.get());
                effective.sample(&labels, seconds(table.effective.get()));
            }
        }
    }
    for family in [rows, versions, failures, effective, updates] {
        out.add(family);
    }
}

/// What waits inside the dataflow.
pub(super) fn stash(out: &mut Exposition, scrape: &Scrape<'_>) {
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_unsealed_events",
        "Events accepted and not yet behind the frontier.",
        |w| Some(float(w.unsealed_rows.get())),
    );
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_unsealed_bytes",
        "Bytes of the events that are not yet behind the frontier.",
        |w| Some(float(w.unsealed_bytes.get())),
    );
    per_worker(
        out,
        scrape,
        CellKind::Gauge,
        "tidemark_in_flight_bytes",
        "Bytes sent to other workers and not yet taken in.",
        |w| Some(float(w.in_flight_bytes.get())),
    );
}
