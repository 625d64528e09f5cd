//! Partitions: watermarks, reading positions, lag.

use crate::metrics::Scrape;
use crate::metrics::exposition::{Exposition, Labels, seconds};
use crate::metrics::snapshot::{KafkaSnapshot, RegistrySnapshot};
use std::collections::BTreeMap;
use tidemark_operators::metrics::PartitionProgress;

/// Where the partitions of each source stand, all of a worker's together: there may be thousands of
/// them. What each one does is in `/overview`.
pub(super) fn partitions(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut watermark = out.gauge(
        "tidemark_watermark_timestamp_seconds",
        "The least watermark of a source's partitions that are not idle, which holds the others back.",
    );
    let mut last = out.gauge(
        "tidemark_watermark_partition",
        "The number of the partition of a source that has this watermark.",
    );
    let mut still = out.gauge(
        "tidemark_source_still_seconds",
        "For how long the clock of a partition that is not idle has not moved, all being read, in \
         seconds: it holds the others back meanwhile, at most for hold_max; of a source's the longest.",
    );
    let mut counts = COUNTED.map(|(name, help, counts)| (out.gauge(name, help), counts));
    by_source(scrape, |labels, of_source| {
        let not_idle = of_source.iter().filter(|progress| !progress.idle);
        if let Some(held) = not_idle.min_by_key(|progress| progress.watermark) {
            watermark.sample(labels, seconds(held.watermark));
            last.count(labels, held.id.partition.into());
        }
        still.sample(labels, seconds(of_source.iter().map(|p| p.still).max().unwrap_or(0)));
        for (family, counts) in &mut counts {
            let counted = of_source.iter().filter(|progress| counts(progress)).count();
            family.count(labels, counted.try_into().unwrap_or(u64::MAX));
        }
    });
    for family in [watermark, last, still].into_iter().chain(counts.map(|(family, _)| family)) {
        out.add(family);
    }
}

/// Name, help and condition of a count of partitions.
type PartitionCount = (&'static str, &'static str, fn(&PartitionProgress) -> bool);

const COUNTED: [PartitionCount; 4] = [
    ("tidemark_source_partitions", "The partitions of a source that are read.", |_| true),
    ("tidemark_source_idle", "Those that are idle, and follow the others.", |p| p.idle),
    (
        "tidemark_source_paused",
        "Those that are paused, because they ran too far ahead of the others.",
        |p| p.paused,
    ),
    (
        "tidemark_source_overdue",
        "Those that follow the others, because they held them back for hold_max.",
        |p| p.overdue,
    ),
];

/// Shows the partitions of each source to `show`, those of one worker at a time, with the labels of both.
pub(super) fn by_source(
    scrape: &Scrape<'_>,
    mut show: impl FnMut(Labels<'_>, &[PartitionProgress]),
) {
    for worker in scrape.workers {
        let (name, mut progress) = (worker.worker.to_string(), worker.progress());
        progress.sort_by_key(|progress| progress.id);
        for of_source in progress.chunk_by(|a, b| a.id.source == b.id.source) {
            let at = of_source.first().map(|progress| usize::from(progress.id.source));
            if let Some(source) = at.and_then(|at| scrape.plan.sources.get(at)) {
                show(&[("source", &source.name), ("worker", &name)], of_source);
            }
        }
    }
}

/// The schemas of Avro records.
pub(super) fn registry(out: &mut Exposition, registry: &RegistrySnapshot) {
    let mut requests = out.counter(
        "tidemark_registry_requests_total",
        "Requests to the schema registry, by outcome; only ok and missing are answers.",
    );
    for (outcome, count) in &registry.requests {
        requests.count(&[("outcome", outcome)], *count);
    }
    out.add(requests);
    for (name, help, count) in [
        (
            "tidemark_registry_pending_ids",
            "Schemas that records wait for: their partitions stand still.",
            registry.pending,
        ),
        (
            "tidemark_registry_unknown_ids",
            "Schemas that the registry does not have: their records become dead letters.",
            registry.unknown,
        ),
        ("tidemark_registry_known_ids", "Schemas held in this process.", registry.known),
        ("tidemark_registry_schema_bytes", "Bytes of the schemas held.", registry.bytes),
        (
            "tidemark_registry_up",
            "Whether the last request to the schema registry was answered: 1 or 0.",
            u64::from(registry.down.is_none()),
        ),
    ] {
        let mut family = out.gauge(name, help);
        family.count(&[], count);
        out.add(family);
    }
    let mut age = out.gauge(
        "tidemark_registry_last_error_age_seconds",
        "How long ago the last request to the schema registry failed, in seconds.",
    );
    if let Some(ms) = registry.last_error_age_ms {
        age.sample(&[], seconds(ms));
    }
    out.add(age);
}

/// How far reading is behind the ends of the topics.
pub(super) fn lag(out: &mut Exposition, kafka: &KafkaSnapshot) {
    let mut lag = out.gauge(
        "kafka_consumer_lag",
        "Records between the job and the end of the partition, those of open transactions included, \
         by topic and partition.",
    );
    let mut unstable = out.gauge(
        "tidemark_kafka_unstable_records",
        "Offsets behind the last stable one, by topic: open transactions, and what was written after \
         the first of them began in its partition. They cannot be read yet.",
    );
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    for partition in &kafka.partitions {
        let number = partition.partition.to_string();
        let labels = [("topic", partition.topic.as_str()), ("partition", number.as_str())];
        if let Some(records) = partition.lag() {
            lag.count(&labels, records);
        }
        let open = open.entry(&partition.topic).or_default();
        *open = open.saturating_add(partition.unstable);
    }
    for (topic, offsets) in open {
        unstable.count(&[("topic", topic)], offsets);
    }
    out.add(lag);
    out.add(unstable);
    let mut total = out.gauge(
        "kafka_total_consumer_lag",
        "Records between the job and the ends of all partitions whose end is known.",
    );
    total.count(&[], kafka.total_lag());
    out.add(total);
    let mut up = out.gauge("tidemark_kafka_up", "Whether the brokers can be reached: 1 or 0.");
    up.count(&[], u64::from(kafka.down.is_none()));
    out.add(up);
}
