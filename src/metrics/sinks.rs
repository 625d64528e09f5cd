//! The online store, dead letters and sealed rows.

use crate::metrics::exposition::{Exposition, float, seconds};
use crate::metrics::snapshot::{LogSinkSnapshot, OnlineSnapshot};

/// Rows on their way to the online store. The names beginning with `redis_` are shown for the
/// embedded store too, so that one dashboard serves both.
pub(super) fn online(out: &mut Exposition, online: &OnlineSnapshot) {
    pipelines(out, online);
    causes(out, online);
    rows(out, online);
    waiting(out, online);
    state(out, online);
}

/// What was sent.
fn pipelines(out: &mut Exposition, online: &OnlineSnapshot) {
    let mut writes =
        out.counter("redis_writes_total", "Rows written to the online store, deletions included.");
    writes.count(&[], online.rows_written());
    out.add(writes);
    let mut pipelines = out.counter(
        "redis_pipeline_operations_total",
        "Pipelines sent to the online store, by result: ok or error (sent again later).",
    );
    pipelines.count(&[("result", "ok")], online.pipelines_ok);
    pipelines.count(&[("result", "error")], online.pipelines_failed);
    out.add(pipelines);
}

/// What became of rows and keys.
fn rows(out: &mut Exposition, online: &OnlineSnapshot) {
    for (name, help, count) in [
        (
            "tidemark_online_rows_coalesced_total",
            "Rows replaced by a newer row of their entity and view before they were written.",
            online.rows_coalesced,
        ),
        (
            "tidemark_online_flushed_rows_total",
            "Rows in all flushes; divided by the pipelines it is the mean flush size.",
            online.rows_flushed,
        ),
        (
            "tidemark_online_healed_total",
            "Keys that someone else had removed or replaced, and that were written anew.",
            online.rows_healed,
        ),
        (
            "tidemark_online_rewritten_total",
            "Rows written again because the online store had lost all of them.",
            online.rows_rewritten,
        ),
        (
            "tidemark_online_swept_total",
            "Keys of earlier runs removed, because this run does not hold them.",
            online.keys_swept,
        ),
        (
            "tidemark_online_left_to_ttl_total",
            "Keys not removed because too many deletions waited: they expire.",
            online.keys_left_to_ttl,
        ),
        (
            "tidemark_online_heartbeats_total",
            "Heartbeats written, by all workers.",
            online.heartbeats,
        ),
    ] {
        let mut family = out.counter(name, help);
        family.count(&[], count);
        out.add(family);
    }
}

/// What is held, and what waits.
fn waiting(out: &mut Exposition, online: &OnlineSnapshot) {
    let mut held = out.gauge("tidemark_online_rows", "Rows of the online store in this process.");
    held.count(&[], online.rows_held);
    out.add(held);
    let mut pending =
        out.gauge("tidemark_online_rows_pending", "Rows that wait for the online store.");
    pending.count(&[], online.rows_pending);
    out.add(pending);
    let mut oldest = out.gauge(
        "tidemark_online_oldest_pending_seconds",
        "How long the oldest waiting row has waited, in seconds; not counted what it waits on purpose.",
    );
    oldest.sample(&[], seconds(online.oldest_pending_ms));
    out.add(oldest);
    let mut waiting = out.gauge(
        "tidemark_online_sweep_waiting",
        "Keys of earlier runs found and waiting for their deletion.",
    );
    waiting.count(&[], online.sweep_waiting);
    out.add(waiting);
    let mut behind = out.gauge(
        "tidemark_online_behind_seconds",
        "How old the oldest change is that the online store does not have, whatever it waits for.",
    );
    behind.sample(&[], seconds(online.behind_ms));
    out.add(behind);
    let mut spacing = out.gauge(
        "tidemark_online_spacing_seconds",
        "How long a row that was just written waits to be written again: 0 below write_rate.",
    );
    spacing.sample(&[], seconds(online.spacing_ms));
    out.add(spacing);
}

/// What is counted by cause: arrival or decay.
fn causes(out: &mut Exposition, online: &OnlineSnapshot) {
    let mut rows = out.counter(
        "tidemark_online_rows_written_total",
        "Rows written, by cause: an arrival, or decay alone.",
    );
    let mut commands = out.counter(
        "tidemark_online_commands_total",
        "Commands sent to the online store, by command and cause.",
    );
    let mut latency = out.histogram(
        "tidemark_online_write_seconds",
        "From a row's first change to the store's acknowledgement, in seconds.",
    );
    for cause in &online.causes {
        let label = ("cause", cause.cause);
        rows.count(&[label], cause.rows_written);
        for (command, count) in &cause.commands {
            commands.count(&[("command", command), label], *count);
        }
        if !cause.write_us.counts.is_empty() {
            latency.buckets(&[label], &cause.write_us, 1e6);
        }
    }
    for family in [rows, commands, latency] {
        out.add(family);
    }
}

/// Whether the store takes rows.
fn state(out: &mut Exposition, online: &OnlineSnapshot) {
    let mut up = out.gauge("tidemark_online_up", "Whether the online store takes rows: 1 or 0.");
    up.count(&[("kind", online.kind)], u64::from(online.down.is_none()));
    out.add(up);
    let mut full = out.gauge(
        "tidemark_online_full",
        "Whether the online store takes no rows for want of memory: 1 or 0.",
    );
    full.count(&[], u64::from(online.full));
    out.add(full);
    let mut held = out.gauge(
        "tidemark_online_held_back",
        "Whether rows are held back (1) until every partition has caught up.",
    );
    held.count(&[], u64::from(online.held_back));
    out.add(held);
    let mut rewriting = out.gauge(
        "tidemark_online_rewriting",
        "Whether the online store lost its rows and all are being written again: 1 or 0.",
    );
    rewriting.count(&[], u64::from(online.rewriting));
    out.add(rewriting);
    let mut evicted = out.gauge(
        "tidemark_online_evicted_keys",
        "Keys evicted during this run and not all written again since: they read as zeros.",
    );
    evicted.count(&[], online.keys_evicted);
    out.add(evicted);
    let mut breaker = out.gauge(
        "redis_circuit_breaker_status",
        "The circuit breaker of the online store: closed 0, half-open 1, open 2.",
    );
    if let Some(state) = online.breaker {
        breaker.count(&[], state.number());
    }
    out.add(breaker);
}

/// Each server of a Redis Cluster; of other stores nothing.
pub(super) fn nodes(out: &mut Exposition, online: &OnlineSnapshot) {
    let mut up = out.gauge(
        "tidemark_online_node_up",
        "Whether this server of the Redis Cluster takes rows: 1 or 0.",
    );
    let mut breaker = out.gauge(
        "tidemark_online_node_breaker_status",
        "The circuit breaker of this server of the Redis Cluster: closed 0, half-open 1, open 2.",
    );
    let mut used = out.gauge(
        "tidemark_online_node_memory_usage_bytes",
        "Memory that this server of the Redis Cluster uses.",
    );
    let mut limit = out.gauge(
        "tidemark_online_node_memory_limit_bytes",
        "Memory that this server of the Redis Cluster may use.",
    );
    let mut evicted = out.gauge(
        "tidemark_online_node_evicted_keys",
        "Keys that this server of the Redis Cluster evicted during this run and not all written again since.",
    );
    for node in &online.nodes {
        let labels = [("node", &*node.address)];
        up.count(&labels, u64::from(node.down.is_none()));
        breaker.count(&labels, node.breaker.number());
        evicted.count(&labels, node.keys_evicted);
        for (family, bytes) in
            [(&mut used, node.memory_used_bytes), (&mut limit, node.memory_limit_bytes)]
        {
            if let Some(bytes) = bytes {
                family.sample(&labels, float(bytes));
            }
        }
    }
    for family in [up, breaker, used, limit, evicted] {
        out.add(family);
    }
}

/// Memory of the online store.
pub(super) fn memory(out: &mut Exposition, online: &OnlineSnapshot) {
    let mut used = out.gauge("redis_memory_usage_bytes", "Memory the online store uses.");
    if let Some(bytes) = online.memory_used_bytes {
        used.sample(&[], float(bytes));
    }
    out.add(used);
    let mut limit = out.gauge("redis_memory_limit_bytes", "Memory the online store may use.");
    if let Some(bytes) = online.memory_limit_bytes {
        limit.sample(&[], float(bytes));
    }
    out.add(limit);
    let mut alert = out.gauge(
        "tidemark_online_memory_alert",
        "Whether the online store's memory has reached the alert threshold: 1 or 0.",
    );
    if online.memory_limit_bytes.is_some() {
        alert.count(&[], u64::from(online.memory_alert));
    }
    out.add(alert);
}

/// Sinks that write logs.
pub(super) fn logs(out: &mut Exposition, sinks: &[LogSinkSnapshot]) {
    let mut written =
        out.counter("tidemark_sink_records_total", "Records written and acknowledged, by sink.");
    let mut retries =
        out.counter("tidemark_sink_retries_total", "Attempts that failed and were repeated.");
    let mut pending =
        out.gauge("tidemark_sink_pending", "Records taken and not yet acknowledged, by sink.");
    let mut bytes = out.gauge(
        "tidemark_sink_pending_bytes",
        "Bytes taken and not yet acknowledged, by sink, where records are not counted.",
    );
    let mut up = out.gauge("tidemark_sink_up", "Whether the sink can be written to: 1 or 0.");
    for sink in sinks {
        let labels = [("sink", sink.name)];
        written.count(&labels, sink.written);
        retries.count(&labels, sink.retries);
        pending.count(&labels, sink.pending);
        if let Some(waiting) = sink.pending_bytes {
            bytes.count(&labels, waiting);
        }
        up.count(&labels, u64::from(sink.down.is_none()));
    }
    for family in [written, retries, pending, bytes, up] {
        out.add(family);
    }
}
