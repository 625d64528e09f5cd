//! How busy workers are, and what keeps them from reading: whether more of them would help.

use super::Scrape;
use super::exposition::{Exposition, float, seconds};
use tidemark_operators::metrics::WaitFor;

/// CPU time of each worker, and the time in which it read nothing.
pub(super) fn workers(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut cpu = out.counter(
        "tidemark_worker_cpu_seconds_total",
        "CPU time of the worker's thread, in seconds: at a rate near 1 its core is full.",
    );
    let mut waited = out.counter(
        "tidemark_source_waited_seconds_total",
        "Time in which a worker was kept from reading, in seconds, by what it \
         waited for: dead_letters, in_flight, state or frontier.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        cpu.sample(&[("worker", &name)], float(worker.cpu_ns.get()) / 1e9);
        for wait in WaitFor::ALL {
            let labels = [("for", wait.name()), ("worker", name.as_str())];
            waited.sample(&labels, seconds(worker.waits.of(wait).get()));
        }
    }
    out.add(cpu);
    out.add(waited);
}

/// What the operators of each worker do, where that is watched.
pub(super) fn operators(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut busy = out.counter(
        "tidemark_operator_busy_seconds_total",
        "For how long the operators of a name were at work, in seconds.",
    );
    let mut activations = out
        .counter("tidemark_operator_activations_total", "How often the operators of a name were.");
    let mut received = out.counter(
        "tidemark_operator_received_total",
        "Elements sent to the operators of a name: batches of events, dead letters, rows.",
    );
    let mut sent = out.counter(
        "tidemark_operator_sent_total",
        "Elements that the operators of a name sent: batches of events, dead letters, rows.",
    );
    let mut parked = out.counter(
        "tidemark_worker_parked_seconds_total",
        "For how long the worker slept as nothing was to be done, in seconds.",
    );
    let mut progress = out.counter(
        "tidemark_progress_messages_total",
        "Messages of progress between workers and scopes, sent and received.",
    );
    let mut updates =
        out.counter("tidemark_progress_updates_total", "Changes of progress in those messages.");
    for (worker, load) in scrape.workers.iter().filter_map(|w| Some((w, w.load.get()?))) {
        let name = worker.worker.to_string();
        for operator in &load.operators {
            let labels = [("operator", operator.name.as_str()), ("worker", name.as_str())];
            busy.sample(&labels, float(operator.busy_ns) / 1e9);
            activations.count(&labels, operator.activations);
            received.count(&labels, operator.received);
            sent.count(&labels, operator.sent);
        }
        parked.sample(&[("worker", &name)], float(load.parked_ns) / 1e9);
        progress.count(&[("worker", &name)], load.progress_messages);
        updates.count(&[("worker", &name)], load.progress_updates);
    }
    for family in [busy, activations, received, sent, parked, progress, updates] {
        out.add(family);
    }
}

/// Space where files are written.
pub(super) fn disks(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut free = out.gauge(
        "tidemark_disk_free_bytes",
        "Bytes that may still be written where the job writes files, by folder.",
    );
    let mut size = out.gauge("tidemark_disk_size_bytes", "Bytes of that file system, by folder.");
    for disk in scrape.disks {
        let labels = [("folder", disk.folder.as_str())];
        free.sample(&labels, float(disk.free_bytes));
        size.sample(&labels, float(disk.size_bytes));
    }
    out.add(free);
    out.add(size);
}
