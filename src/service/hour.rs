//! The last hour of a running job, a sample each few seconds: what the page draws.
//!
//! Bound: [`SAMPLES_MAX`] samples.

use crate::http::overview::{OperatorOverview, RateSample, WorkerOverview};
use crate::metrics::float;
use crate::process::ProcessUsage;
use crate::wall_clock::wall_ms;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::{
    HistogramSnapshot, OperatorLoad, VerdictCounts, WaitFor, WorkerMetrics,
};
use tidemark_operators::time::Millis;

/// The time between two samples, as ticks of a second allow.
const EVERY: Duration = Duration::from_millis(4_500);
/// The same of the first samples: who has just started a job wants to see it move.
const EVERY_AT_FIRST: Duration = Duration::from_millis(900);
/// How many those are.
const FIRST_SAMPLES: usize = 10;
/// How many are kept: an hour's.
const SAMPLES_MAX: usize = 720;
/// The share of the time from which on it is told what a worker waited for.
const WAITED_SHARE: f64 = 0.05;

/// The ring of samples, and where all counters stood at the newest.
#[derive(Default)]
pub(super) struct Hour {
    kept: Mutex<HourKept>,
}

#[derive(Default)]
struct HourKept {
    samples: VecDeque<RateSample>,
    workers: Vec<WorkerOverview>,
    operators: Vec<OperatorOverview>,
    sources: Vec<SourceRates>,
    before: Option<CountersStanding>,
}

/// What came from a source in the newest sample.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SourceRates {
    /// Records a second that were read.
    pub records: f64,
    /// By how many records a second the job falls behind its topic; below 0 it catches up.
    pub lag_growth: f64,
}

/// Where the counters stand.
struct CountersStanding {
    at: Instant,
    cpu: Duration,
    workers: Vec<WorkerStanding>,
    sources: Vec<u64>,
    distance: Distance,
}

struct WorkerStanding {
    records: u64,
    events: u64,
    dead_letters: u64,
    rows: u64,
    latency: HistogramSnapshot,
    cpu_ns: u64,
    /// None where they are not watched.
    operators: Vec<OperatorLoad>,
    /// In ms, in the order of [`WaitFor::ALL`].
    waited: [Millis; WaitFor::ALL.len()],
}

/// What else a sample tells of its moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Distance {
    /// How far the frontier is behind the live clock.
    pub behind: Option<Millis>,
    /// Records between the job and the ends of all topics.
    pub lag: Option<u64>,
    /// The same by source.
    pub of_sources: Vec<Option<u64>>,
    /// How long rows took from their making to the store's acknowledgement, in us, since the start.
    pub stored: HistogramSnapshot,
}

/// What is known of the last hour.
pub(super) struct HourTold {
    /// The samples, oldest first.
    pub samples: Vec<RateSample>,
    /// The workers over the newest.
    pub workers: Vec<WorkerOverview>,
    /// The operators over the newest, in the order of the dataflow.
    pub operators: Vec<OperatorOverview>,
    /// The sources over the newest, in the order of the job.
    pub sources: Vec<SourceRates>,
}

impl Hour {
    /// What is known.
    pub fn told(&self) -> HourTold {
        let kept = self.kept();
        HourTold {
            samples: kept.samples.iter().copied().collect(),
            workers: kept.workers.clone(),
            operators: kept.operators.clone(),
            sources: kept.sources.clone(),
        }
    }

    /// Takes a sample, if the last one is long enough ago.
    pub fn look(&self, workers: &[Arc<WorkerMetrics>], distance: impl FnOnce() -> Distance) {
        let now = Instant::now();
        if !self.kept().is_due(now) {
            return;
        }
        // Asked without the lock: whoever reads the page meanwhile does not wait for it.
        let standing = CountersStanding::now(now, workers, distance());
        let mut kept = self.kept();
        if let Some(before) = kept.before.replace(standing) {
            kept.add(&before, workers);
        }
    }

    fn kept(&self) -> MutexGuard<'_, HourKept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CountersStanding {
    fn now(at: Instant, workers: &[Arc<WorkerMetrics>], distance: Distance) -> Self {
        let sum = |worker: &WorkerMetrics, of: fn(&VerdictCounts) -> u64| {
            worker.verdicts.iter().map(of).sum::<u64>()
        };
        let worker = |worker: &Arc<WorkerMetrics>| WorkerStanding {
            records: sum(worker, VerdictCounts::total),
            events: sum(worker, |counts| counts.accepted.get()),
            dead_letters: sum(worker, VerdictCounts::dead_letters),
            rows: worker.rows_live.get(),
            latency: worker.latency_ns.snapshot(),
            cpu_ns: worker.cpu_ns.get(),
            operators: worker.load.get().map(|load| load.operators).unwrap_or_default(),
            waited: WaitFor::ALL.map(|wait| worker.waits.of(wait).get()),
        };
        let of_source = |at: usize| {
            let counts = workers.iter().filter_map(|worker| worker.verdicts.get(at));
            counts.map(VerdictCounts::total).sum()
        };
        CountersStanding {
            at,
            cpu: crate::process::cpu_time(),
            workers: workers.iter().map(worker).collect(),
            sources: (0..distance.of_sources.len()).map(of_source).collect(),
            distance,
        }
    }
}

impl HourKept {
    fn is_due(&self, now: Instant) -> bool {
        let every = if self.samples.len() < FIRST_SAMPLES { EVERY_AT_FIRST } else { EVERY };
        self.before.as_ref().is_none_or(|before| now.duration_since(before.at) >= every)
    }

    /// Adds what happened since `before`.
    fn add(&mut self, before: &CountersStanding, workers: &[Arc<WorkerMetrics>]) {
        let Some(now) = &self.before else { return };
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(1e-3);
        let sample = sample(now, before, seconds);
        let pairs = now.workers.iter().zip(&before.workers);
        let shown = |(metrics, (now, before)): (&Arc<WorkerMetrics>, _)| {
            worker(metrics, now, before, seconds)
        };
        self.workers = workers.iter().zip(pairs.clone()).map(shown).collect();
        self.operators = operators(workers, pairs, seconds);
        let lag =
            |of: &CountersStanding, at: usize| of.distance.of_sources.get(at).copied().flatten();
        let source = |(at, (records, earlier)): (usize, (&u64, &u64))| SourceRates {
            records: rate(*records, *earlier, seconds),
            lag_growth: match (lag(now, at), lag(before, at)) {
                (Some(now), Some(before)) => (float(now) - float(before)) / seconds,
                _ => 0.0,
            },
        };
        self.sources = now.sources.iter().zip(&before.sources).enumerate().map(source).collect();
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

fn sample(now: &CountersStanding, before: &CountersStanding, seconds: f64) -> RateSample {
    let pairs = || now.workers.iter().zip(&before.workers);
    let sum = |of: fn(&WorkerStanding) -> u64| {
        pairs().map(|(now, before)| rate(of(now), of(before), seconds)).sum::<f64>()
    };
    let mut latency = HistogramSnapshot::default();
    for (now, before) in pairs() {
        latency.add(&now.latency.since(&before.latency));
    }
    let stored = now.distance.stored.since(&before.distance.stored);
    RateSample {
        at: wall_ms().unwrap_or(0),
        events: sum(|w| w.events),
        dead_letters: sum(|w| w.dead_letters),
        rows: sum(|w| w.rows),
        p50: ms(latency.quantile(500)),
        p99: ms(latency.quantile(990)),
        stored: ms(stored.quantile(990).map(|us| us.saturating_mul(1_000))),
        behind: now.distance.behind,
        lag: now.distance.lag,
        memory: ProcessUsage::now().rss_bytes,
        busy: now.cpu.saturating_sub(before.cpu).as_secs_f64() / seconds,
    }
}

fn worker(
    metrics: &WorkerMetrics,
    now: &WorkerStanding,
    before: &WorkerStanding,
    seconds: f64,
) -> WorkerOverview {
    let waited = now.waited.iter().zip(&before.waited);
    let waited = waited.map(|(now, before)| rate(*now, *before, seconds) / 1e3);
    let most = WaitFor::ALL.iter().zip(waited).max_by(|(_, a), (_, b)| a.total_cmp(b));
    let most = most.filter(|(_, share)| *share >= WAITED_SHARE);
    WorkerOverview {
        worker: metrics.worker,
        records: rate(now.records, before.records, seconds),
        rows: rate(now.rows, before.rows, seconds),
        busy: rate(now.cpu_ns, before.cpu_ns, seconds) / 1e9,
        waits: most.map(|(wait, share)| (wait.name().into(), share)),
        p99: ms(now.latency.since(&before.latency).quantile(990)),
        ..WorkerOverview::default()
    }
}

/// The operators of all workers by name, in the order in which they are first met.
fn operators<'a>(
    workers: &[Arc<WorkerMetrics>],
    standings: impl Iterator<Item = (&'a WorkerStanding, &'a WorkerStanding)>,
    seconds: f64,
) -> Vec<OperatorOverview> {
    let mut all: Vec<OperatorOverview> = Vec::new();
    for (worker, (now, before)) in workers.iter().zip(standings) {
        for load in &now.operators {
            let earlier = before.operators.iter().find(|earlier| earlier.name == load.name);
            let since =
                |of: fn(&OperatorLoad) -> u64| rate(of(load), earlier.map_or(0, of), seconds);
            let busy = since(|load| load.busy_ns) / 1e9;
            let known = all.iter().position(|known| known.operator == load.name);
            let at = known.unwrap_or_else(|| {
                let operator = load.name.clone();
                all.push(OperatorOverview { operator, ..OperatorOverview::default() });
                all.len() - 1
            });
            let Some(of) = all.get_mut(at) else { continue };
            of.busy += busy;
            of.received += since(|load| load.received);
            of.sent += since(|load| load.sent);
            of.busy_seconds += float(load.busy_ns) / 1e9;
            if busy > of.busiest.map_or(0.0, |(_, most)| most) {
                of.busiest = Some((worker.worker, busy));
            }
        }
    }
    all
}

fn rate(now: u64, before: u64, seconds: f64) -> f64 {
    float(now.saturating_sub(before)) / seconds
}

/// Nanoseconds in ms.
fn ms(ns: Option<u64>) -> Option<f64> {
    ns.map(|ns| float(ns) / 1e6)
}
