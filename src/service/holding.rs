//! Partitions that hold the others back without having anything to say, and those that did so for too
//! long: what `/health` says of a source for them.

use crate::metrics::snapshot::KafkaSnapshot;
use crate::text::{count_text, duration_short, duration_text};
use tidemark_operators::ingest::reader::Standing;
use tidemark_operators::metrics::PartitionProgress;
use tidemark_operators::plan::SourcePlan;

/// What to say of the source `plan`, the job's `at`th, if one of its partitions has held the others
/// back for as long as silence may last. Of several the one is named whose clock has stood for
/// longest.
///
/// `progress` is that of all partitions of the job: who is alone holds nobody.
pub(super) fn holding(
    plan: &SourcePlan,
    at: usize,
    progress: &[PartitionProgress],
    kafka: Option<&KafkaSnapshot>,
) -> Option<String> {
    let newest = progress.iter().map(|p| p.watermark).max()?;
    let holds = |p: &&PartitionProgress| {
        let behind = p.still >= plan.idle_after && p.watermark < newest;
        usize::from(p.id.source) == at && (p.overdue || behind) && progress.len() > 1
    };
    let worst = progress.iter().filter(holds).max_by_key(|p| p.still)?;
    let partition = worst.id.partition;
    let why = match worst.standing {
        Standing::BeforeTransaction => {
            let of_source = kafka.map(|kafka| kafka.partitions.iter());
            let unstable = of_source
                .and_then(|mut all| all.find(|p| p.source == plan.name && p.partition == partition))
                .map_or(0, |p| p.unstable);
            format!(
                "a transaction is open there, with {} offsets behind it: end it \
                 (kafka-transactions.sh --abort), or lower transaction.timeout.ms of the producer",
                count_text(unstable)
            )
        }
        Standing::AtEnd | Standing::Behind | Standing::Unheard => {
            "its records do not move its clock: look whose they are".to_owned()
        }
    };
    let (still, hold_max) = (duration_short(worst.still), duration_text(plan.hold_max));
    Some(match worst.overdue {
        true => format!(
            "the clock of partition {partition} has stood for {still}, longer than hold_max \
             ({hold_max}) or, not long after that, than idle_after again; so it follows the others, \
             and what it says behind them is late; {why}"
        ),
        false => format!(
            "partition {partition} has held the others back for {still}, for {hold_max} at most; \
             {why}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::snapshot::KafkaPartition;
    use tidemark_operators::metrics::Ahead;
    use tidemark_operators::origin::PartitionId;

    fn progress(partition: u32, watermark: u64) -> PartitionProgress {
        PartitionProgress {
            id: PartitionId { source: 0, partition },
            watermark,
            clock: watermark,
            newest: watermark,
            ahead: Ahead::default(),
            first: 1,
            next_offset: 7,
            idle: false,
            caught_up: false,
            paused: false,
            standing: Standing::BeforeTransaction,
            overdue: false,
            still: 45_000,
        }
    }

    #[test]
    fn a_partition_is_named_that_holds_others_for_longer_than_silence_may_last() {
        let plan = crate::metrics::tests::small_plan().sources.remove(0);
        let kafka = KafkaSnapshot {
            partitions: vec![KafkaPartition {
                source: plan.name.clone(),
                partition: 3,
                unstable: 1_225,
                ..KafkaPartition::default()
            }],
            ..KafkaSnapshot::default()
        };
        let said = |all: &[PartitionProgress]| holding(&plan, 0, all, Some(&kafka));
        let (held, ahead) =
            (progress(3, 1_000), PartitionProgress { still: 0, ..progress(1, 2_000) });
        let text = said(&[held, ahead]).unwrap();
        for part in
            ["partition 3", "45.0 s", "1m at most", "1,225 offsets", "kafka-transactions.sh"]
        {
            assert!(text.contains(part), "{part} is missing in: {text}");
        }
        assert_eq!(said(&[held]), None, "there is nobody else");
        assert_eq!(said(&[PartitionProgress { watermark: 1_000, ..ahead }, held]), None);
        assert_eq!(said(&[PartitionProgress { still: 29_999, ..held }, ahead]), None);
        assert_eq!(holding(&plan, 1, &[held, ahead], None), None, "it is of another source");

        let standing = Standing::AtEnd;
        let overdue = PartitionProgress { overdue: true, idle: true, standing, ..held };
        let text = said(&[PartitionProgress { watermark: 2_000, ..overdue }, ahead]).unwrap();
        assert!(text.contains("longer than hold_max") && text.contains("clock"), "{text}");
    }
}
