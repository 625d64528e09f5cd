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
        "Time in which a worker read nothing although something was there, in seconds, by what it \
         waited for: dead_letters, in_flight, state or frontier.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        cpu.sample(&[("worker", &name)], float(worker.cpu_ns.get()) / 1e9);
        for wait in WaitFor::ALL {
            let labels = [("for", wait.name()), ("worker", name.as_str())];
            waited.sample(&labels, seconds(worker.waits.of(wait)));
        }
    }
    out.add(cpu);
    out.add(waited);
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
