//! What the records say of the time against what their arrivals say.

use crate::metrics::Scrape;
use crate::metrics::exposition::{Exposition, seconds};
use crate::metrics::sources::by_source;
use tidemark_operators::metrics::{ClockCounts, Counter, PartitionProgress};

/// Name, help and place of a count by source.
type Count = (&'static str, &'static str, fn(&ClockCounts) -> &Counter);

const COUNTS: [Count; 5] = [
    (
        "tidemark_events_corrected_total",
        "Events whose time was set back to their arrival plus max_ahead.",
        |counts| &counts.corrected,
    ),
    (
        "tidemark_late_by_arrival_total",
        "Late records that their event-time fields alone would have had on time: slow timestamps.",
        |counts| &counts.late_by_arrival,
    ),
    (
        "tidemark_events_stamped_total",
        "Events whose records have a timestamp in the topic.",
        |counts| &counts.stamped,
    ),
    (
        "tidemark_events_stamped_with_event_time_total",
        "Those whose timestamp is their event time, which says nothing of their arrival.",
        |counts| &counts.stamped_with_ts,
    ),
    ("tidemark_events_arrival_known_total", "Events whose arrival is known.", |counts| {
        &counts.arrivals
    }),
];

/// By source: what was corrected, and what timestamps are worth.
pub(super) fn sources(out: &mut Exposition, scrape: &Scrape<'_>) {
    for (name, help, count) in COUNTS {
        let mut family = out.counter(name, help);
        for worker in scrape.workers {
            let number = worker.worker.to_string();
            for (source, counts) in scrape.plan.sources.iter().zip(&worker.clocks) {
                let labels = [("source", source.name.as_str()), ("worker", number.as_str())];
                family.count(&labels, count(counts).get());
            }
        }
        out.add(family);
    }
    let mut by = out.histogram(
        "tidemark_corrected_by_seconds",
        "By how much the times of corrected events were set back, in seconds.",
    );
    for worker in scrape.workers {
        let number = worker.worker.to_string();
        for (source, counts) in scrape.plan.sources.iter().zip(&worker.clocks) {
            let labels = [("source", source.name.as_str()), ("worker", number.as_str())];
            by.buckets(&labels, &counts.corrected_by_ms.snapshot(), 1e3);
        }
    }
    out.add(by);
}

/// By source: the clock, and how far its events lie ahead of their arrivals.
pub(super) fn partitions(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut clock = out.gauge(
        "tidemark_source_clock_timestamp_seconds",
        "A source's newest clock: the greatest of its events' times, each bounded by its arrival.",
    );
    let mut ahead = out.counter(
        "tidemark_source_events_ahead_total",
        "Events of a source whose event-time field lies ahead of their arrival.",
    );
    let mut by = out.counter(
        "tidemark_source_ahead_seconds_total",
        "How far ahead of their arrivals, in seconds, all events of a source together.",
    );
    by_source(scrape, |labels, of_source| {
        let sum = |of: fn(&PartitionProgress) -> u64| {
            of_source.iter().map(of).fold(0, u64::saturating_add)
        };
        clock.sample(labels, seconds(of_source.iter().map(|p| p.clock).max().unwrap_or(0)));
        ahead.count(labels, sum(|progress| progress.ahead.events));
        by.sample(labels, seconds(sum(|progress| progress.ahead.by_ms)));
    });
    for family in [clock, ahead, by] {
        out.add(family);
    }
}
