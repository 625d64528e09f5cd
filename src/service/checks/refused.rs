//! Too large a share of records that become dead letters: of one source (one of ten may be refused
//! whole), and of all of them (each of many may be too small to be judged alone).
//!
//! The share is that of the records read, but for those of operations that the job does not read, in
//! the last `refused_over`, none of them from before the job had caught up: what a history holds is no
//! news. It is found from [`RECORDS_LEAST`] records on, and then until the share is down again, so that
//! few records do not make it come and go.
//!
//! Bound: the samples of [`Recent`] by source.

use crate::connect::millis;
use crate::http::Part;
use crate::metrics::float;
use crate::metrics::snapshot::RefusedSnapshot;
use crate::service::checks::recent::Recent;
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{count_text, duration_short};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::VerdictCounts;
use tidemark_operators::plan::Plan;
use tidemark_operators::verdict::Reason;

/// Of fewer records no share is found, nor shown as a metric.
pub(crate) const RECORDS_LEAST: u64 = 100;

/// What is counted: all records, and dead letters by reason.
const COUNTS: usize = 1 + Reason::ALL.len();

/// Finds sources, and the job, of whose records too many become dead letters.
#[derive(Debug)]
pub(crate) struct Refused {
    share: f64,
    over: Duration,
    /// By source in plan order; the last one is all of them.
    series: Mutex<Vec<Series>>,
}

/// What was read until some moment, or since one.
#[derive(Clone, Copy, Debug, Default)]
struct Read([u64; COUNTS]);

impl Read {
    fn add(&mut self, counts: &VerdictCounts) {
        let dead = Reason::ALL.into_iter().map(|reason| counts.dead(reason).get());
        for (sum, count) in self.0.iter_mut().zip([counts.judged()].into_iter().chain(dead)) {
            *sum += count;
        }
    }

    fn total(&self) -> u64 {
        let [total, ..] = self.0;
        total
    }

    fn dead(&self) -> &[u64] {
        let [_, dead @ ..] = &self.0;
        dead
    }

    fn share(&self) -> f64 {
        float(self.dead().iter().sum()) / float(self.total().max(1))
    }

    /// The reason of most of the dead letters.
    fn mostly(&self) -> &'static str {
        let most = Reason::ALL.iter().zip(self.dead()).max_by_key(|(_, dead)| **dead);
        most.map_or("", |(reason, _)| reason.name())
    }
}

#[derive(Clone, Debug, Default)]
struct Series {
    recent: Option<Recent<COUNTS>>,
    /// What was read over `refused_over`, or since the job had caught up, and how long that was.
    newest: (Read, Duration),
    found: bool,
}

impl Series {
    fn look(&mut self, read: Read, now: Instant, over: Duration, limit: f64) {
        let recent = self.recent.get_or_insert_with(|| Recent::new(read.0, now, over));
        let window = Read(recent.look(read.0, now));
        self.newest = (window, recent.since(now));
        self.found = window.share() > limit && (self.found || window.total() >= RECORDS_LEAST);
    }

    fn text(&self, whose: &str, limit: f64) -> String {
        let (window, over) = &self.newest;
        format!(
            "{} of the {} records {whose} in the last {} became dead letters, more than \
             refused_share ({}), most of them {}: `tidemark dlq` shows them",
            percent(window.share()),
            count_text(window.total()),
            duration_short(millis(*over)),
            percent(limit),
            window.mostly(),
        )
    }
}

impl Refused {
    pub fn new(share: f64, over: Duration) -> Self {
        Refused { share, over, series: Mutex::default() }
    }

    /// The shares as of the last look, of sources and of all, without those of too few records.
    pub fn shares(&self, plan: &Plan) -> Vec<RefusedSnapshot> {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let names = plan.sources.iter().map(|source| Some(source.name.clone())).chain([None]);
        let known = names.zip(series.iter().map(|series| &series.newest.0));
        let known = known.filter(|(_, window)| window.total() >= RECORDS_LEAST);
        known.map(|(source, window)| RefusedSnapshot { source, share: window.share() }).collect()
    }
}

impl HealthCheck for Refused {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let sources = &moment.plan.sources;
        if !moment.caught_up {
            series.clear();
            return Vec::new();
        }
        series.resize(sources.len() + 1, Series::default());
        let mut reads = vec![Read::default(); sources.len() + 1];
        for worker in moment.workers {
            for (source, counts) in worker.verdicts.iter().enumerate() {
                for at in [source, sources.len()] {
                    if let Some(read) = reads.get_mut(at) {
                        read.add(counts);
                    }
                }
            }
        }
        for (series, read) in series.iter_mut().zip(reads) {
            series.look(read, moment.now, self.over, self.share);
        }
        let reason = "refused_share";
        let mut findings: Vec<_> = sources
            .iter()
            .zip(series.iter())
            .filter(|(_, series)| series.found)
            .map(|(source, series)| Finding {
                part: Part::Source,
                component: source.name.clone(),
                reason,
                text: series.text("read", self.share),
            })
            .collect();
        if let Some(all) = series.last().filter(|all| all.found) {
            let component = moment.plan.name.clone();
            let text = all.text("read from all sources", self.share);
            findings.push(Finding { part: Part::Job, component, reason, text });
        }
        findings
    }
}

/// A share as people read it.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::recent::SAMPLES;
    use crate::service::checks::tests::World;

    /// A check with the default limits over a job of so many sources.
    struct Job {
        world: World,
        check: Refused,
    }

    impl Job {
        fn new(sources: usize) -> Self {
            let check = Refused::new(0.05, Duration::from_secs(300));
            Job { world: World::of(sources), check }
        }

        fn read(&self, source: usize, accepted: u64, late: u64) {
            let counts = &self.world.workers[0].verdicts[source];
            counts.accepted.add(accepted);
            counts.late.add(late);
        }

        /// The components in which something is found so many seconds after the start.
        fn found(&self, at: u64) -> Vec<String> {
            let findings = self.check.look(&self.world.moment(at));
            findings.into_iter().map(|finding| finding.component).collect()
        }
    }

    #[test]
    fn a_share_above_the_limit_is_found_and_one_at_it_is_not() {
        let job = Job::new(1);
        assert_eq!(job.found(0), [""; 0]);
        job.read(0, 950, 50);
        assert_eq!(job.found(1), [""; 0]);
        job.read(0, 0, 1);
        assert_eq!(job.found(2), ["source_0", "fraud"]);
        let text = job.check.look(&job.world.moment(3)).remove(0).text;
        let begin = "5.1 % of the 1,001 records read in the last 3.0 s became dead letters, more \
                     than refused_share (5.0 %), most of them late";
        assert!(text.starts_with(begin), "{text}");
    }

    #[test]
    fn few_records_are_not_judged_and_do_not_end_what_was_found() {
        let job = Job::new(1);
        assert_eq!(job.found(0), [""; 0]);
        job.read(0, 0, RECORDS_LEAST - 1);
        assert_eq!(job.found(1), [""; 0]);
        assert_eq!(job.check.shares(&job.world.plan), []);
        job.read(0, 0, 1);
        assert_eq!(job.found(2), ["source_0", "fraud"]);
        // A record a minute, all refused: fewer than the least count from here on.
        let mut at = 2;
        for _ in 0..30 {
            at += 60;
            job.read(0, 0, 1);
            assert_eq!(job.found(at), ["source_0", "fraud"], "after {at} s");
        }
        assert_eq!(job.check.shares(&job.world.plan), []);
        // Then none at all.
        for _ in 0..6 {
            at += 60;
            job.found(at);
        }
        assert_eq!(job.found(at), [""; 0]);
    }

    #[test]
    fn a_source_of_ten_that_is_refused_whole_is_found_alone() {
        let job = Job::new(10);
        assert_eq!(job.found(0), [""; 0]);
        for source in 0..9 {
            job.read(source, 1_000, 0);
        }
        job.read(9, 0, 200);
        assert_eq!(job.found(1), ["source_9"]);
        let shares = job.check.shares(&job.world.plan);
        assert_eq!(shares.len(), 11);
        assert!((shares[9].share - 1.0).abs() < 1e-9, "{shares:?}");
        assert_eq!(shares[10].source, None);
    }

    #[test]
    fn sources_too_small_to_be_judged_alone_are_judged_together() {
        let job = Job::new(10);
        assert_eq!(job.found(0), [""; 0]);
        for source in 0..10 {
            job.read(source, 10, 10);
        }
        assert_eq!(job.found(1), ["fraud"]);
    }

    #[test]
    fn what_was_read_while_catching_up_does_not_count() {
        let mut job = Job::new(1);
        job.world.caught_up = false;
        job.read(0, 1_000, 9_000);
        assert_eq!(job.found(0), [""; 0]);
        job.read(0, 1_000, 9_000);
        assert_eq!(job.found(1), [""; 0]);
        job.world.caught_up = true;
        assert_eq!(job.found(2), [""; 0]);
        job.read(0, 1_000, 0);
        assert_eq!(job.found(3), [""; 0]);
        job.read(0, 0, 1_000);
        assert_eq!(job.found(4), ["source_0", "fraud"]);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten_and_samples_are_bounded() {
        let job = Job::new(1);
        job.found(0);
        job.read(0, 0, 1_000);
        assert_eq!(job.found(1), ["source_0", "fraud"]);
        for at in 2..1_000 {
            job.read(0, 10, 0);
            let found = !job.found(at).is_empty();
            // The last look that still has them is less than one part of the window beyond it.
            assert_eq!(found, at < 305, "after {at} s");
        }
        let series = job.check.series.lock().unwrap();
        let samples = series[0].recent.as_ref().unwrap().samples();
        assert!(samples <= SAMPLES as usize + 2, "{samples}");
    }
}
