//! Rows from the table of the job in this process.

use crate::online::{HeldRow, Incomplete, OnlineStore};
use crate::serving::ask::Group;
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::source::SourceQuestion;
use crate::serving::values::{AnsweredValues, ValueStatus};
use crate::wall_clock::wall_ms;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::AppliedEvents;
use tidemark_operators::time::EventTime;

/// How often the workers are looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// After so many steps of a worker, rows of a live clock have come out of its dataflow.
const STEPS: u64 = 3;

/// How often it is asked which views lack something.
const INCOMPLETE_EVERY: Duration = Duration::from_secs(1);

/// Values after which a long answer lets others through.
const VALUES_AT_ONCE: usize = 4_096;
/// The same, in entities whose events are told, too.
const ROWS_AT_ONCE: usize = 64;

/// How long rows that are on their way are waited for, and how often it is looked whether they have come.
const SHOWN_WITHIN: Duration = Duration::from_millis(500);
const SHOWN_EVERY: Duration = Duration::from_millis(1);
const NOT_SHOWN: &str = "which events rows show is not known: they are being written, or their worker has \
                         given none yet, or is in another process; ask again";

/// For each group of a question, and of it for each entity, which events its rows show.
pub(super) type ShownEvents = Vec<Vec<AppliedEvents>>;

/// The table, and what is known of the workers that write it.
pub struct EngineRows {
    store: Arc<dyn OnlineStore>,
    metrics: Vec<Arc<WorkerMetrics>>,
    caught_up: Box<dyn Fn() -> bool + Send + Sync>,
    incomplete: Box<dyn Fn() -> Incomplete + Send + Sync>,
    workers: Mutex<Workers>,
}

#[derive(Debug, Default)]
struct Workers {
    caught_up: bool,
    seen: Vec<Seen>,
    /// Views whose rows may lack something, and when that was asked.
    incomplete: Option<(Incomplete, Instant)>,
}

/// One worker, as last seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    steps: u64,
    /// When it was first seen with so many steps.
    since: Instant,
    /// A clock whose rows may still be on their way to the table, and the steps when it was read.
    asked: (u64, EventTime),
    /// The newest clock whose rows are in the table; 0: none is known.
    clock: EventTime,
}

impl EngineRows {
    /// The rows of `store`, which the workers that `metrics` are of write; `caught_up` says whether the
    /// job has caught up, and once it does goes on saying so.
    pub fn new(
        store: Arc<dyn OnlineStore>,
        metrics: Vec<Arc<WorkerMetrics>>,
        caught_up: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        EngineRows {
            store,
            metrics,
            caught_up: Box::new(caught_up),
            incomplete: Box::new(Incomplete::default),
            workers: Mutex::default(),
        }
    }

    /// The same of a job whose rows may lack something, as `incomplete` says: by default they do not. It
    /// is asked once the job has caught up.
    #[must_use]
    pub fn with_incomplete(
        self,
        incomplete: impl Fn() -> Incomplete + Send + Sync + 'static,
    ) -> Self {
        EngineRows { incomplete: Box::new(incomplete), ..self }
    }

    /// Looks at the workers.
    pub(super) fn look(&self) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.caught_up = workers.caught_up || (self.caught_up)();
        let now = Instant::now();
        let asked = workers.incomplete.as_ref().map(|(_, asked)| *asked);
        if workers.caught_up && asked.is_none_or(|asked| now - asked >= INCOMPLETE_EVERY) {
            workers.incomplete = Some(((self.incomplete)(), now));
        }
        for (at, metrics) in self.metrics.iter().enumerate() {
            // The clock first: steps that pass in between only make the wait longer.
            let clock = metrics.live_clock.get();
            let steps = metrics.steps.get();
            match workers.seen.get_mut(at) {
                Some(seen) => {
                    if seen.steps != steps {
                        (seen.steps, seen.since) = (steps, now);
                    }
                    if steps >= seen.asked.0.saturating_add(STEPS) {
                        seen.clock = seen.asked.1;
                        seen.asked = (steps, clock);
                    }
                }
                None => {
                    let seen = Seen { steps, since: now, asked: (steps, clock), clock: 0 };
                    workers.seen.push(seen);
                }
            }
        }
    }

    /// As of when rows are that are read from now on.
    pub(super) fn freshness(&self, bounds: AgeBounds) -> Freshness {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let clock = workers.seen.iter().map(|seen| seen.clock).min().unwrap_or(0);
        if !workers.caught_up {
            return Freshness::unknown("the job has not caught up");
        }
        if clock == 0 {
            return Freshness::unknown("the job has not computed any row yet");
        }
        let still = workers.seen.iter().map(|seen| seen.since.elapsed()).max().unwrap_or_default();
        let still = u64::try_from(still.as_millis()).unwrap_or(u64::MAX);
        let behind = wall_ms().unwrap_or(0).saturating_sub(clock);
        let stale = if still > bounds.stale_after {
            Some(format!("a worker has stood still for {still} ms"))
        } else if behind > bounds.behind_max {
            Some(format!("the live clock is {behind} ms behind"))
        } else {
            None
        };
        let incomplete = workers.incomplete.as_ref().map(|(views, _)| views.at(clock));
        let incomplete = incomplete.unwrap_or_default();
        Freshness { as_of: Some(clock), stale, silent: 0, incomplete }
    }

    pub(super) async fn read(
        &self,
        SourceQuestion { ask, ids, bounds, .. }: SourceQuestion<'_>,
    ) -> (AnsweredValues, Freshness) {
        let freshness = self.freshness(bounds);
        let mut cells = AnsweredValues::new(ask.columns.len(), ids.rows);
        if freshness.stale.is_some() {
            return (cells, freshness);
        }
        let mut read = 0;
        for row in 0..ids.rows {
            for (group, ids) in ask.groups.iter().zip(&ids.groups) {
                let Some(id) = ids.get(row) else { continue };
                let mut found = |place, held: Option<HeldRow<'_>>| {
                    put(group, (place, row), held.as_ref(), &mut cells);
                };
                self.store.read(group.entity, id.as_bytes(), &group.views, &mut found);
            }
            read += ask.columns.len();
            if read >= VALUES_AT_ONCE {
                read = 0;
                tokio::task::yield_now().await;
            }
        }
        (cells, freshness)
    }

    /// The same with which events the rows of each entity show, by group; `Err`: why that cannot be told
    /// now.
    pub(super) async fn read_positioned(
        &self,
        SourceQuestion { ask, ids, bounds, .. }: SourceQuestion<'_>,
    ) -> Result<(AnsweredValues, Freshness, ShownEvents), String> {
        let (freshness, begun) = (self.freshness(bounds), Instant::now());
        if let Some(why) = freshness.stale {
            return Err(why);
        }
        let mut cells = AnsweredValues::new(ask.columns.len(), ids.rows);
        let mut shown = ShownEvents::new();
        for (group, ids) in ask.groups.iter().zip(&ids.groups) {
            let mut of_group = Vec::with_capacity(ids.len());
            for (row, id) in ids.iter().enumerate() {
                let events = loop {
                    let mut found = |place, held: Option<HeldRow<'_>>| {
                        put(group, (place, row), held.as_ref(), &mut cells);
                    };
                    let (entity, views) = (group.entity, &group.views);
                    match self.store.read_applied(entity, id.as_bytes(), views, &mut found) {
                        Some(events) => break events,
                        None if begun.elapsed() < SHOWN_WITHIN => {
                            tokio::time::sleep(SHOWN_EVERY).await;
                        }
                        None => return Err(NOT_SHOWN.to_owned()),
                    }
                };
                of_group.push(events);
                if row % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
            shown.push(of_group);
        }
        Ok((cells, freshness, shown))
    }
}

/// Puts what was found of a row: that of a view by its place in the group, of an entity by its place in the
/// question.
fn put(
    group: &Group,
    (place, row): (usize, usize),
    held: Option<&HeldRow<'_>>,
    cells: &mut AnsweredValues,
) {
    let Some(reads) = group.reads.get(place) else { return };
    for (column, feature) in &reads.columns {
        let Some(feature) = reads.features.get(*feature) else { continue };
        match held {
            Some(held) => {
                cells.put(*column, row, held.as_of(), |out| match held.json(*feature, out) {
                    true => ValueStatus::Present,
                    false => ValueStatus::Null,
                })
            }
            None => cells.put(*column, row, 0, |_| ValueStatus::NotFound),
        }
    }
}
