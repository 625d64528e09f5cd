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

use super::{LackingStatus, Service};
use crate::kafka::KafkaStatus;
use crate::online::Incomplete;
use std::collections::BTreeSet;
use tidemark_operators::metrics::PartitionProgress;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

impl Service {
    /// Adds from which time on rows of a view, by job index, lack nothing of what a changed job began to
    /// keep late.
    #[must_use]
    pub fn with_lacking(
        mut self,
        status: Option<impl Fn(usize) -> Option<EventTime> + Send + Sync + 'static>,
    ) -> Self {
        self.lacking = status.map(|status| Box::new(status) as LackingStatus);
        self
    }

    /// The views whose rows lack nothing, by job index. To be asked once the job has caught up.
    pub fn complete_views(&self) -> impl Iterator<Item = usize> {
        let clock = self.live_clock();
        let complete = move |from: Option<EventTime>| from.is_some_and(|from| from <= clock);
        self.covered_by_all().filter(move |(_, from)| complete(*from)).map(|(view, _)| view)
    }

    /// The views whose rows lacked something at first or still do, and until when. To be asked once the
    /// job has caught up.
    pub fn incomplete(&self) -> Incomplete {
        let mut all = Incomplete::default();
        for (view, from) in self.covered_by_all().filter(|(_, from)| *from != Some(0)) {
            if let Some(view) = self.plan.view(view) {
                all.add(&view.name, from);
            }
        }
        all
    }

    /// The same as [`covered`](Self::covered), of what all processes read.
    fn covered_by_all(&self) -> impl Iterator<Item = (usize, Option<EventTime>)> {
        let agreed = self.observer.agreed();
        let several = self.observer.shape().processes() > 1;
        self.covered().into_iter().map(move |(view, from)| match several {
            true => (view, u32::try_from(view).ok().and_then(|view| agreed.covered_from(view))),
            false => (view, from),
        })
    }

    /// By view at its job index, from when on its rows lack nothing of what this process reads and goes
    /// on from; 0: they never did, `None`: nobody knows.
    pub fn covered(&self) -> Vec<(usize, Option<EventTime>)> {
        let (progress, kafka) = (self.progress(), self.kafka.as_deref());
        let covered = |view| {
            let read = covered_from(&self.plan, view, kafka, &progress)?;
            Some(read.max(self.lacking(view).unwrap_or(0)))
        };
        (0..self.plan.views.len()).map(|view| (view, covered(view))).collect()
    }

    fn lacking(&self, view: usize) -> Option<EventTime> {
        self.lacking.as_ref().and_then(|lacking| lacking(view))
    }

    /// From which time on rows of the view at job index `view` lack nothing; `None`: they never did.
    pub(super) fn complete_from(&self, view: usize) -> Option<EventTime> {
        let kafka = self.kafka.as_deref();
        let here = complete_from(&self.plan, view, kafka, &self.progress());
        let agreed =
            u32::try_from(view).ok().and_then(|view| self.observer.agreed().covered_from(view));
        here.max(agreed.filter(|from| *from > 0)).max(self.lacking(view))
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

/// The same, 0 when every log was read from its beginning; `None` when nobody knows: a topic's partition
/// that did not begin at its start and has not accepted anything may lack everything.
fn covered_from(
    plan: &Plan,
    view: usize,
    kafka: Option<&KafkaStatus>,
    progress: &[PartitionProgress],
) -> Option<EventTime> {
    let cut = cut(kafka);
    let known = !is_unknown(plan, view, &cut, progress);
    known.then(|| complete_after(plan, view, &cut, progress).unwrap_or(0))
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
        assert_eq!(covered_from(&plan, 0, None, &progress), Some(0), "files are read whole");
    }
}
