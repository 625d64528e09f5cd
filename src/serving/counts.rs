//! What the server counts of itself.

use crate::metrics::snapshot::{RequestsCounted, ServingSnapshot};
use crate::serving::Serving;
use crate::serving::ask::AskedFeatures;
use crate::serving::freshness::Freshness;
use crate::serving::values::{AnsweredValues, ValueStatus};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tidemark_operators::metrics::Histogram;

/// The paths that are counted; all others count as the last.
pub(super) const ENDPOINTS: [&str; 3] = ["/get-online-features", "/v1/features", "other"];

/// The upper bounds of the buckets of how long answers took, in us.
const LATENCY_BOUNDS_US: &[u64] =
    &[50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];
/// Those of the entities of a question, as Feast has them.
const ENTITY_BOUNDS: &[u64] = &[1, 5, 10, 25, 50, 100, 250, 500, 1_000];

/// The counts.
pub(super) struct ServingCounts {
    /// By endpoint: answered, and refused.
    requests: [[AtomicU64; 2]; ENDPOINTS.len()],
    /// By endpoint.
    latency_us: [Histogram; ENDPOINTS.len()],
    /// How long the sources of rows took.
    reads_us: Histogram,
    /// Of each question that values were told of.
    entities: Histogram,
    /// By view and status.
    statuses: Vec<[AtomicU64; ValueStatus::ALL.len()]>,
}

impl ServingCounts {
    pub fn new(views: usize) -> ServingCounts {
        let mut statuses = Vec::new();
        statuses.resize_with(views, Default::default);
        ServingCounts {
            requests: Default::default(),
            latency_us: std::array::from_fn(|_| Histogram::new(LATENCY_BOUNDS_US)),
            reads_us: Histogram::new(LATENCY_BOUNDS_US),
            entities: Histogram::new(ENTITY_BOUNDS),
            statuses,
        }
    }

    /// A request to the endpoint at `endpoint` was answered, or refused, after `took`.
    pub fn request(&self, endpoint: usize, answered: bool, took: Duration) {
        let outcomes = self.requests.get(endpoint);
        if let Some(count) = outcomes.and_then(|it| it.get(usize::from(!answered))) {
            count.fetch_add(1, Relaxed);
        }
        if let Some(latency) = self.latency_us.get(endpoint) {
            latency.record(micros(took));
        }
    }

    /// Rows were read, or were not to be had, after `took`.
    pub fn read(&self, took: Duration) {
        self.reads_us.record(micros(took));
    }

    /// Values were told.
    pub fn values(&self, ask: &AskedFeatures, cells: &AnsweredValues, entities: usize) {
        self.entities.record(entities as u64);
        let mut at = 0;
        // Columns of a view mostly stand side by side.
        for columns in ask.columns.chunk_by(|(view, _), (next, _)| view == next) {
            let (mut more, first) = ([0; ValueStatus::ALL.len()], at);
            at += columns.len();
            (first..at).for_each(|column| cells.tally(column, &mut more));
            let counts = columns.first().and_then(|(view, _)| self.statuses.get(*view));
            let counts = counts.into_iter().flatten().zip(more);
            for (count, more) in counts.filter(|(_, more)| *more > 0) {
                count.fetch_add(more, Relaxed);
            }
        }
    }
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

impl Serving {
    /// All counts, and as of when values are.
    pub fn snapshot(&self, freshness: &Freshness, now: u64) -> ServingSnapshot {
        let counts = &self.counts;
        let requests = ENDPOINTS.iter().zip(&counts.requests).zip(&counts.latency_us);
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let views = self.catalogue.views.iter().zip(&counts.statuses);
        ServingSnapshot {
            project: self.catalogue.project.clone(),
            requests: requests
                .map(|((endpoint, [answered, refused]), latency)| RequestsCounted {
                    endpoint,
                    answered: answered.load(Relaxed),
                    refused: refused.load(Relaxed),
                    latency_us: latency.snapshot(),
                })
                .collect(),
            reads_us: counts.reads_us.snapshot(),
            entities: counts.entities.snapshot(),
            statuses: views
                .flat_map(|(view, counts)| {
                    ValueStatus::ALL.into_iter().zip(counts).map(|(status, count)| {
                        (view.name.clone(), status.name(), count.load(Relaxed))
                    })
                })
                .collect(),
            compiled_hits: compiled.hits,
            compiled_misses: compiled.misses,
            compiled: compiled.len() as u64,
            values_in_flight: self.values.load(Relaxed) as u64,
            sources: self.sources.snapshots(),
            fresh: freshness.stale.is_none(),
            age: freshness.age(now),
        }
    }
}
