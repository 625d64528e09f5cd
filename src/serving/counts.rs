//! What the server counts of itself.

use crate::metrics::snapshot::{RequestsCounted, ServingSnapshot};
use crate::serving::Serving;
use crate::serving::ask::AskedFeatures;
use crate::serving::freshness::Freshness;
use crate::serving::values::{AnsweredValues, ValueStatus};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tidemark_operators::metrics::HistogramSnapshot;

/// The paths that are counted; all others count as the last.
pub(super) const ENDPOINTS: [&str; 3] = ["/get-online-features", "/v1/features", "other"];

/// The upper bounds of the buckets of how long answers took, in us.
const LATENCY_BOUNDS_US: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

/// The counts.
pub(super) struct ServingCounts {
    /// By endpoint: answered, and refused.
    requests: [[AtomicU64; 2]; ENDPOINTS.len()],
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_us: AtomicU64,
    entities: AtomicU64,
    /// By view and status.
    statuses: Vec<[AtomicU64; ValueStatus::ALL.len()]>,
}

impl ServingCounts {
    pub fn new(views: usize) -> ServingCounts {
        let mut statuses = Vec::new();
        statuses.resize_with(views, Default::default);
        ServingCounts {
            requests: Default::default(),
            latency: Default::default(),
            latency_us: AtomicU64::new(0),
            entities: AtomicU64::new(0),
            statuses,
        }
    }

    /// A request to the endpoint at `endpoint` was answered, or refused, after `took`.
    pub fn request(&self, endpoint: usize, answered: bool, took: Duration) {
        let outcomes = self.requests.get(endpoint);
        if let Some(count) = outcomes.and_then(|it| it.get(usize::from(!answered))) {
            count.fetch_add(1, Relaxed);
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(count) = self.latency.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.latency_us.fetch_add(us, Relaxed);
    }

    /// Values were told.
    pub fn values(&self, ask: &AskedFeatures, cells: &AnsweredValues, entities: usize) {
        self.entities.fetch_add(entities as u64, Relaxed);
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

impl Serving {
    /// All counts, and as of when values are.
    pub fn snapshot(&self, freshness: &Freshness, now: u64) -> ServingSnapshot {
        let counts = &self.counts;
        let requests = ENDPOINTS.iter().zip(&counts.requests);
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let views = self.catalogue.views.iter().zip(&counts.statuses);
        ServingSnapshot {
            project: self.catalogue.project.clone(),
            requests: requests
                .map(|(endpoint, [answered, refused])| RequestsCounted {
                    endpoint,
                    answered: answered.load(Relaxed),
                    refused: refused.load(Relaxed),
                })
                .collect(),
            latency_us: HistogramSnapshot {
                bounds: &LATENCY_BOUNDS_US,
                counts: counts.latency.iter().map(|count| count.load(Relaxed)).collect(),
                sum: counts.latency_us.load(Relaxed),
            },
            entities: counts.entities.load(Relaxed),
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
