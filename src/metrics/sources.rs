//! Partitions: watermarks, reading positions, lag.

use crate::metrics::Scrape;
use crate::metrics::exposition::{Exposition, seconds};
use crate::metrics::snapshot::{KafkaSnapshot, RegistrySnapshot};

/// Where each partition stands.
pub(super) fn partitions(out: &mut Exposition, scrape: &Scrape<'_>) {
    let mut watermark = out.gauge(
        "tidemark_watermark_timestamp_seconds",
        "A partition's watermark: older records of it are late.",
    );
    let mut offset =
        out.gauge("tidemark_source_next_offset", "The offset of the next record to be read.");
    let mut idle =
        out.gauge("tidemark_source_idle", "Whether the partition is idle (1) or active (0).");
    let mut paused = out.gauge(
        "tidemark_source_paused",
        "Whether the partition is paused (1) because it ran too far ahead of the others.",
    );
    let mut overdue = out.gauge(
        "tidemark_source_overdue",
        "Whether the partition follows the others (1) because it held them back for hold_max.",
    );
    let mut still = out.gauge(
        "tidemark_source_still_seconds",
        "For how long the clock of a partition that is not idle has not moved, all being read, in \
         seconds: it holds the others back meanwhile, at most for hold_max.",
    );
    for worker in scrape.workers {
        let name = worker.worker.to_string();
        for progress in worker.progress() {
            let Some(source) = scrape.plan.sources.get(usize::from(progress.id.source)) else {
                continue;
            };
            let partition = progress.id.partition.to_string();
            let labels = [
                ("source", source.name.as_str()),
                ("partition", partition.as_str()),
                ("worker", name.as_str()),
            ];
            watermark.sample(&labels, seconds(progress.watermark));
            offset.count(&labels, progress.next_offset);
            idle.count(&labels, u64::from(progress.idle));
            paused.count(&labels, u64::from(progress.paused));
            overdue.count(&labels, u64::from(progress.overdue));
            still.sample(&labels, seconds(progress.still));
        }
    }
    for family in [watermark, offset, idle, paused, overdue, still] {
        out.add(family);
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
        "Offsets behind the last stable one, by topic and partition: open transactions, and what was \
         written after the first of them began. They cannot be read yet.",
    );
    for partition in &kafka.partitions {
        let number = partition.partition.to_string();
        let labels = [("topic", partition.topic.as_str()), ("partition", number.as_str())];
        if let Some(records) = partition.lag() {
            lag.count(&labels, records);
        }
        unstable.count(&labels, partition.unstable);
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
