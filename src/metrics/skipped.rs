//! What was skipped of records in envelopes.

use crate::metrics::Scrape;
use crate::metrics::exposition::Exposition;
use tidemark_operators::plan::Operation;

/// Adds the counts of all sources whose records are in envelopes.
pub(super) fn write(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut skipped = out.counter(
        "tidemark_skipped_records_total",
        "Records of operations that the job does not read, by source and operation: c, r, u, d, t, m, \
         other or tombstone.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        let sources = scrape.plan.sources.iter().zip(&worker.verdicts);
        for (source, verdicts) in sources.filter(|(source, _)| source.envelope.is_some()) {
            for (operation, count) in Operation::ALL.iter().zip(&verdicts.skipped) {
                let labels = [
                    ("source", source.name.as_str()),
                    ("op", operation.name()),
                    ("worker", name.as_str()),
                ];
                skipped.count(&labels, count.get());
            }
        }
    }
    out.add(skipped);
}
