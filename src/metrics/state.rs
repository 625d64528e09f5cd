//! What the state takes in memory, against what it may take.

use super::Scrape;
use super::exposition::{Exposition, float};

/// Bytes by entity type and part, those of rows, and the limit.
pub(super) fn bytes(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut bytes = out.gauge(
        "tidemark_state_bytes",
        "Bytes of the state by entity type and part (timeline, unsealed, accumulators, history, dictionaries, checkpoint, lines); all but the timeline once a second or so.",
    );
    let mut reusable = out.gauge(
        "tidemark_state_reusable_bytes",
        "Those bytes of the state, by entity type, that nothing is in: they are filled again before it grows.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for (plan, held) in scrape.plan.entities.iter().zip(&worker.entities) {
            let entity = ("entity", plan.name.as_str());
            for (part, held) in held.parts() {
                bytes.count(&[entity, ("part", part), ("worker", &name)], held);
            }
            reusable.count(&[entity, ("worker", &name)], held.reusable_bytes.get());
        }
    }
    let mut rows = out.gauge(
        "tidemark_online_rows_bytes",
        "Bytes of the newest rows in the process, which are part of the state.",
    );
    if let Some(online) = scrape.online {
        rows.sample(&[], float(online.table_bytes));
    }
    let mut limit = out.gauge(
        "tidemark_state_limit_bytes",
        "What the state may take (limits.state_bytes): nothing is read while it does.",
    );
    if let Some(bytes) = scrape.state_limit {
        limit.sample(&[], float(bytes));
    }
    for family in [bytes, reusable, rows, limit] {
        out.add(family);
    }
}
