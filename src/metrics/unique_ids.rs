//! The ids that copies of records are told by.

use super::Scrape;
use super::exposition::Exposition;

/// How many are held, and how many were not.
pub(super) fn write(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut held = out.gauge(
        "tidemark_unique_ids",
        "Ids held so that copies of their records are told, by source.",
    );
    let mut unkept = out.counter(
        "tidemark_unique_ids_unkept_total",
        "Ids that were not kept for want of room (unique_ids_max): copies of these records are events.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for (source, ids) in scrape.plan.sources.iter().zip(&worker.unique) {
            if source.unique.is_some() {
                let labels = [("source", source.name.as_str()), ("worker", name.as_str())];
                held.count(&labels, ids.held.get());
                unkept.count(&labels, ids.unkept.get());
            }
        }
    }
    out.add(held);
    out.add(unkept);
}
