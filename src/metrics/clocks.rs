//! What the records say of the time against what their arrivals say.

use crate::metrics::Scrape;
use crate::metrics::exposition::{Exposition, seconds};
use tidemark_operators::metrics::{ClockCounts, Counter};

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

/// By partition: its clock, and how far its events lie ahead of their arrivals.
pub(super) fn partitions(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut clock = out.gauge(
        "tidemark_partition_clock_timestamp_seconds",
        "A partition's clock: the greatest of its events' times, each bounded by its arrival.",
    );
    let mut ahead = out.counter(
        "tidemark_partition_events_ahead_total",
        "Events of a partition whose event-time field lies ahead of their arrival.",
    );
    let mut by = out.counter(
        "tidemark_partition_ahead_seconds_total",
        "How far ahead of their arrivals, in seconds, all events of a partition together.",
    );
    for worker in scrape.workers {
        let number = worker.worker.to_string();
        for progress in worker.progress() {
            let Some(source) = scrape.plan.sources.get(usize::from(progress.id.source)) else {
                continue;
            };
            let partition = progress.id.partition.to_string();
            let labels = [
                ("source", source.name.as_str()),
                ("partition", partition.as_str()),
                ("worker", number.as_str()),
            ];
            clock.sample(&labels, seconds(progress.clock));
            ahead.count(&labels, progress.ahead.events);
            by.sample(&labels, seconds(progress.ahead.by_ms));
        }
    }
    for family in [clock, ahead, by] {
        out.add(family);
    }
}
