//! From which event time on a view's rows lack nothing.
//!
//! A run that begins in the middle of a log has not seen what came before. A partition that began
//! at offset 0, and any that is no topic's, was read whole. For each other partition, nothing that
//! its log holds after `first + out_of_orderness + max_ahead` is missing, where `first` is the first
//! event that was accepted from it: what came before it in the log had moved the partition's clock no
//! further than to `first + out_of_orderness`, or `first` would have been late, and lies at most
//! `max_ahead` ahead of that. So rows are complete once the clock has passed the greatest such time
//! of the sources that feed the view's entity by the view's longest extent (delay and length of a
//! window, or a horizon). Where `max_ahead` is `"none"` nobody can say how far ahead an event lay that
//! was not read: the time is that of the others.
//!
//! A partition that was silent for a while after the start has a later first event than it would
//! need: the time is an upper bound, never too early.

use super::Service;
use crate::kafka::KafkaStatus;
use std::collections::BTreeSet;
use tidemark_operators::metrics::PartitionProgress;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

impl Service {
    /// From which time on rows of the view at job index `view` lack nothing; `None`: they never did.
    pub(super) fn complete_from(&self, view: usize) -> Option<EventTime> {
        let kafka = self.kafka.as_deref();
        let read = complete_from(&self.plan, view, kafka, &self.progress());
        read.max(self.lacking.as_ref().and_then(|lacking| lacking(view)))
    }

    /// The views whose rows lack nothing, by job index. To be asked once the job has caught up.
    pub fn complete_views(&self) -> impl Iterator<Item = usize> {
        let (progress, clock) = (self.progress(), self.live_clock());
        let kafka = self.kafka.as_deref();
        let complete = move |view: &usize| {
            let lacking = self.lacking.as_ref().and_then(|lacking| lacking(*view));
            is_complete(&self.plan, *view, kafka, &progress, clock)
                && lacking.is_none_or(|from| from <= clock)
        };
        (0..self.plan.views.len()).filter(complete)
    }
}

/// The event time from which on rows of the view at job index `view` are complete; `None` when
/// every log was read from its beginning.
fn complete_from(
    plan: &Plan,
    view: usize,
    kafka: Option<&KafkaStatus>,
    progress: &[PartitionProgress],
) -> Option<EventTime> {
    complete_after(plan, view, &cut(kafka), progress)
}

/// Whether rows of the view lack nothing at live clock `clock`. A topic's partition that did not
/// begin at its start and has not accepted anything may lack everything: nothing is known of what
/// came before.
fn is_complete(
    plan: &Plan,
    view: usize,
    kafka: Option<&KafkaStatus>,
    progress: &[PartitionProgress],
    clock: EventTime,
) -> bool {
    let cut = cut(kafka);
    !is_unknown(plan, view, &cut, progress)
        && complete_after(plan, view, &cut, progress).is_none_or(|from| from <= clock)
}

/// The partitions that did not begin at the start of their logs.
fn cut(kafka: Option<&KafkaStatus>) -> BTreeSet<PartitionId> {
    let topics = kafka.map(KafkaStatus::partitions).unwrap_or_default();
    topics.iter().filter(|p| p.start > 0).map(|p| p.id).collect()
}

fn is_unknown(
    plan: &Plan,
    view: usize,
    cut: &BTreeSet<PartitionId>,
    progress: &[PartitionProgress],
) -> bool {
    let entity = plan.views.get(view).and_then(|at| plan.entities.get(at.entity));
    let sources = entity.map(|entity| entity.sources.as_slice()).unwrap_or_default();
    let feeds = |source: u16| matches!(sources.get(usize::from(source)), Some(Some(_)));
    let begun = |id: &PartitionId| progress.iter().any(|p| p.id == *id && p.first > 0);
    cut.iter().any(|id| feeds(id.source) && !begun(id))
}

fn complete_after(
    plan: &Plan,
    view: usize,
    cut: &BTreeSet<PartitionId>,
    progress: &[PartitionProgress],
) -> Option<EventTime> {
    let entity = plan.entities.get(plan.views.get(view)?.entity)?;
    let extents = plan.view(view)?.extents.iter().map(|(_, extent)| *extent);
    let longest = extents.max().unwrap_or(0);
    let feeds = |source: u16| matches!(entity.sources.get(usize::from(source)), Some(Some(_)));
    let begun = progress.iter().filter(|p| p.first > 0 && cut.contains(&p.id));
    let known = begun.filter(|p| feeds(p.id.source)).filter_map(|p| {
        let source = plan.sources.get(usize::from(p.id.source))?;
        let ahead = source.max_ahead.unwrap_or(0);
        Some(p.first.saturating_add(source.out_of_orderness).saturating_add(ahead))
    });
    Some(known.max()?.saturating_add(longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::ingest::reader::Standing;
    use tidemark_operators::metrics::Ahead;

    fn partition(partition: u32, first: EventTime) -> PartitionProgress {
        PartitionProgress {
            id: PartitionId { source: 0, partition },
            watermark: 0,
            clock: first,
            newest: first,
            ahead: Ahead::default(),
            first,
            next_offset: 0,
            idle: false,
            caught_up: false,
            paused: false,
            standing: Standing::Behind,
            overdue: false,
            still: 0,
        }
    }

    #[test]
    fn only_partitions_that_began_in_the_middle_of_their_logs_count() {
        let plan = crate::job_file::load("fraud").unwrap().plan;
        let progress = [partition(0, 9_000), partition(1, 1_000), partition(2, 5_000)];
        let cut = |partitions: &[u32]| {
            partitions.iter().map(|p| PartitionId { source: 0, partition: *p }).collect()
        };
        assert_eq!(complete_after(&plan, 0, &cut(&[]), &progress), None);
        let extents = &plan.view(0).unwrap().extents;
        let longest = extents.iter().map(|(_, extent)| *extent).max().unwrap();
        let disorder = plan.sources[0].out_of_orderness;
        // What was not read may have been ahead of its arrival.
        let ahead = plan.sources[0].max_ahead.unwrap();
        assert!(ahead > 0);
        let expected = Some(5_000 + disorder + ahead + longest);
        assert_eq!(complete_after(&plan, 0, &cut(&[1, 2]), &progress), expected);
    }

    #[test]
    fn a_partition_begun_in_the_middle_that_has_told_nothing_leaves_all_unknown() {
        let plan = crate::job_file::load("fraud").unwrap().plan;
        let progress = [partition(0, 9_000), partition(1, 0)];
        let cut = |partitions: &[u32]| -> BTreeSet<PartitionId> {
            partitions.iter().map(|p| PartitionId { source: 0, partition: *p }).collect()
        };
        assert!(!is_unknown(&plan, 0, &cut(&[]), &progress));
        assert!(!is_unknown(&plan, 0, &cut(&[0]), &progress));
        assert!(is_unknown(&plan, 0, &cut(&[0, 1]), &progress));
        assert!(is_unknown(&plan, 0, &cut(&[2]), &progress), "not even seen by a worker");
        assert!(is_complete(&plan, 0, None, &progress, 0), "files are read whole");
    }
}
