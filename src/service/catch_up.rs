//! Whether the job has caught up.
//!
//! A partition of a topic has when it was judged up to the end it had at the start, open transactions
//! included (or its reader stood at the end: the last offsets of a log may hold no records), or when
//! nobody waits for it any more: a transaction that is never ended must not keep a job from being
//! ready. Any other partition has when
//! its reader stood at its end. When all have, what was read by then must still be computed: the
//! job has caught up once every worker's live clock has reached the greatest clock of the partitions
//! by then, or what bounds it. Of several processes each tells the others when it has read its partitions,
//! and the clock is the greatest of all.
//! Every one of these stays so once it was seen.

use crate::engine::Observer;
use crate::http::{PartitionReadiness, Readiness};
use crate::kafka::{AWAITED, KafkaStatus, PartitionStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tidemark_operators::coordination::Notice;
use tidemark_operators::metrics::PartitionProgress;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::{Plan, SourcePlan};
use tidemark_operators::time::EventTime;

/// What has been seen.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    /// Partitions of files that this process reads.
    files: usize,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    partitions: BTreeSet<PartitionId>,
    /// The greatest clock of the partitions when all of them had reached their ends.
    clock: Option<EventTime>,
    /// The other processes were told.
    told: bool,
    ready: bool,
}

/// Whether a source is read from its topic, when there is a Kafka client.
pub(super) fn is_topic(source: &SourcePlan) -> bool {
    source.topic.is_some() && source.files.is_empty()
}

impl CatchUp {
    /// Of a process that reads so many partitions of files.
    pub fn new(files: usize) -> Self {
        CatchUp { files, seen: Mutex::default() }
    }

    /// Looks at where the job stands.
    pub fn look(&self, plan: &Plan, observer: &Observer, kafka: Option<&KafkaStatus>) -> Readiness {
        let progress = observer.metrics.iter().flat_map(|worker| worker.progress());
        let progress: BTreeMap<_, _> = progress.map(|p| (p.id, p)).collect();
        let topics = kafka.map(KafkaStatus::partitions).unwrap_or_default();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut partitions = seen.topics(plan, &topics, &progress);
        let of_topics: BTreeSet<_> = topics.iter().map(|topic| topic.id).collect();
        let others = progress.values().filter(|p| !of_topics.contains(&p.id));
        partitions.extend(others.map(|p| seen.other(plan, p)));
        let reached = match kafka {
            None => observer.caught_up(),
            Some(kafka) => {
                kafka.is_open()
                    && partitions.len() >= topics.len() + self.files
                    && partitions.iter().all(|partition| partition.caught_up)
            }
        };
        if reached && seen.clock.is_none() {
            seen.clock = Some(progress.values().map(|p| p.clock).max().unwrap_or(0));
        }
        // A live clock that waits for the machine's has nothing left to compute.
        let computed = |clock: EventTime| {
            let mut workers = observer.metrics.iter();
            workers.all(|w| w.live_clock.get() >= clock.min(w.live_cap.get()))
        };
        let clock = seen.clock;
        let all_read = match (observer.shape().processes(), clock) {
            (1, clock) => clock,
            (_, Some(clock)) => {
                if !std::mem::replace(&mut seen.told, true) {
                    let process = observer.shape().process();
                    observer.tell(Notice::AllRead { process, clock });
                }
                observer.agreed().all_read()
            }
            (_, None) => None,
        };
        seen.ready |= all_read.is_some_and(computed);
        let elsewhere = clock.is_some() && all_read.is_none();
        let reason = (!seen.ready).then(|| match elsewhere {
            true => "other processes have not caught up".to_owned(),
            false => reason(kafka, &partitions, seen.clock.is_some()),
        });
        Readiness { ready: seen.ready, reason, partitions }
    }
}

impl Seen {
    fn topics(
        &mut self,
        plan: &Plan,
        topics: &[PartitionStatus],
        progress: &BTreeMap<PartitionId, PartitionProgress>,
    ) -> Vec<PartitionReadiness> {
        let mut partitions = Vec::with_capacity(topics.len());
        for topic in topics {
            let judged = progress.get(&topic.id);
            let next_offset = judged.map_or(0, |p| p.next_offset).max(topic.start);
            let at_end =
                judged.is_some_and(|p| (topic.reached_start_end && p.caught_up) || p.overdue);
            if next_offset >= topic.end_at_start || at_end {
                self.partitions.insert(topic.id);
            }
            let end = Some(topic.end_at_start);
            partitions.push(self.partition(plan, topic.id, next_offset, end, judged));
        }
        partitions
    }

    fn other(&mut self, plan: &Plan, progress: &PartitionProgress) -> PartitionReadiness {
        if progress.caught_up {
            self.partitions.insert(progress.id);
        }
        self.partition(plan, progress.id, progress.next_offset, None, Some(progress))
    }

    fn partition(
        &self,
        plan: &Plan,
        id: PartitionId,
        next_offset: u64,
        end_at_start: Option<u64>,
        progress: Option<&PartitionProgress>,
    ) -> PartitionReadiness {
        let source = plan.sources.get(usize::from(id.source));
        PartitionReadiness {
            source: source.map(|source| source.name.clone()).unwrap_or_default(),
            partition: id.partition,
            next_offset,
            end_at_start,
            watermark: progress.filter(|p| p.newest > 0).map(|p| p.watermark),
            caught_up: self.partitions.contains(&id),
        }
    }
}

fn reason(kafka: Option<&KafkaStatus>, partitions: &[PartitionReadiness], read: bool) -> String {
    let behind = partitions.iter().filter(|partition| !partition.caught_up).count();
    match kafka.and_then(KafkaStatus::error) {
        Some(error) if error.contains(AWAITED) => error,
        Some(error) => format!("the brokers cannot be reached: {error}"),
        None if partitions.is_empty() => "no partition has been opened yet".to_owned(),
        None if behind > 0 => {
            format!("{behind} of {} partitions have not caught up", partitions.len())
        }
        None if read => "what was read is still being computed".to_owned(),
        None => "not all partitions stood at their ends at one moment yet".to_owned(),
    }
}
