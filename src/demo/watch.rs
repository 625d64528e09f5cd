//! What the screen is told: counts of the workers, and rows of the busiest entities.

use super::columns::{Column, columns};
use super::letters::NewestLetters;
use super::recent::RecentRecords;
use crate::engine::{self, Observer};
use crate::logging::KeptLines;
use crate::online::OnlineStore;
use crate::process::ProcessUsage;
use crate::screen::{HotEntity, ScreenState, Watchlist};
use crate::text::duration_short;
use ratatui::crossterm::terminal;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::metrics::{HistogramSnapshot, WorkerMetrics};
use tidemark_operators::plan::Plan;
use tidemark_operators::value::Value;
use tidemark_operators::verdict::Reason;

/// Lines of the screen that are not for entities.
const OTHER_LINES: u16 = 13;
/// Entities with new records that are considered at least.
const RECENT_MIN: usize = 8;
/// Looks for which an entity that is no longer busy stays: 10 s of the live screen.
const LINGER: u32 = 40;

/// Counts of all workers together.
#[derive(Clone, Debug, Default)]
pub(super) struct WatchTotals {
    /// Records that became events.
    pub accepted: u64,
    /// Dead letters, in the order of [`Reason::ALL`].
    pub dead: [u64; Reason::ALL.len()],
    /// From arrival to the row, in ns.
    pub latency_ns: HistogramSnapshot,
}

impl WatchTotals {
    /// As of now.
    pub fn of(workers: &[Arc<WorkerMetrics>]) -> Self {
        let mut totals = WatchTotals::default();
        for worker in workers {
            for counts in &worker.verdicts {
                totals.accepted += counts.accepted.get();
                for (total, reason) in totals.dead.iter_mut().zip(Reason::ALL) {
                    *total += counts.dead(reason).get();
                }
            }
            totals.latency_ns.add(&worker.latency_ns.snapshot());
        }
        totals
    }
}

/// Looks at a running job.
pub(super) struct DemoWatch {
    /// Where HTTP listens.
    pub http: Option<String>,
    plan: Arc<Plan>,
    observer: Observer,
    store: Arc<dyn OnlineStore>,
    letters: NewestLetters,
    log: KeptLines,
    recent: RecentRecords,
    /// The entity type of the table.
    entity: usize,
    columns: Vec<Column>,
    watchlist: Watchlist,
}

impl DemoWatch {
    /// Looks at the job that runs with `run`. The table is of the entity of the job's first view.
    pub fn new(
        run: &engine::Settings,
        observer: Observer,
        store: Arc<dyn OnlineStore>,
        letters: NewestLetters,
        log: KeptLines,
        recent: RecentRecords,
    ) -> Self {
        let plan = Arc::clone(&run.plan);
        let entity = plan.views.first().map_or(0, |view| view.entity);
        let columns = columns(&plan, entity);
        let (http, watchlist) = (None, Watchlist::default());
        DemoWatch { http, plan, observer, store, letters, log, recent, entity, columns, watchlist }
    }

    /// What runs, and where it can be asked.
    pub fn greeting(&self) -> String {
        let http = self.http.as_ref().map_or_else(String::new, |http| format!(", http://{http}"));
        let workers = self.observer.metrics.len();
        format!("job {} on generated traffic, workers: {workers}{http}\n", self.plan.name)
    }

    /// The job as of now, with as many entities as there is room for in the `terminal`.
    pub fn look(&mut self, terminal: bool) -> ScreenState {
        let workers = &self.observer.metrics;
        let WatchTotals { accepted, dead, latency_ns } = WatchTotals::of(workers);
        let held = |f: fn(&tidemark_operators::metrics::EntityMetrics) -> u64| {
            workers.iter().flat_map(|w| &w.entities).map(f).sum::<u64>()
        };
        let known = |time: u64| Some(time).filter(|time| (1..u64::MAX).contains(time));
        let clocks = workers.iter().filter_map(|w| known(w.live_clock.get()));
        let frontiers = workers.iter().map(|w| known(w.frontier.get()));
        let changed = self.store.status().changed;
        ScreenState {
            job: self.plan.name.clone(),
            uptime: self.observer.started().elapsed(),
            http: self.http.clone(),
            workers: workers.len(),
            accepted,
            dead,
            newest_dead: self.letters.newest().map(|letter| brief(&letter)),
            live_clock: clocks.max(),
            frontier: frontiers.min().flatten(),
            latency_ns,
            rows: changed.arrival + changed.decay,
            entities: held(|e| e.entities.get()),
            timeline_rows: held(|e| e.timeline_rows.get()),
            timeline_bytes: held(|e| e.timeline_bytes.get()),
            rss_bytes: ProcessUsage::now().rss_bytes,
            entity: self
                .plan
                .entities
                .get(self.entity)
                .map_or_else(String::new, |e| e.name.clone()),
            features: self.columns.iter().map(|(_, _, name)| name.clone()).collect(),
            hottest: self.hottest(terminal),
            log: self.log.lines(),
            ended: false,
        }
    }

    fn hottest(&mut self, terminal: bool) -> Vec<HotEntity> {
        let height = terminal.then(|| terminal::size().map_or(24, |(_, height)| height));
        let lines = usize::from(height.map_or(1, |height| height.saturating_sub(OTHER_LINES)));
        let of_entity = self.observer.metrics.iter().filter_map(|w| w.entities.get(self.entity));
        let mut busy: Vec<(String, u32)> = of_entity.flat_map(|e| e.hottest()).collect();
        // Workers have about as many events each, so their shares compare.
        busy.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
        let busy = busy.into_iter().map(|(id, _)| id);
        // Who is here now goes before who has been busy for long, where records have such keys.
        let recent = self.recent.busiest(lines.max(RECENT_MIN)).into_iter();
        let mut seen = HashSet::new();
        let known = recent.filter(|id| self.has_row(id)).chain(busy);
        let busy: Vec<String> = known.filter(|id| seen.insert(id.clone())).collect();
        let shown = self.watchlist.choose(&busy, lines, LINGER);
        shown.into_iter().map(|id| HotEntity { values: self.values(&id), id }).collect()
    }

    /// Whether there is such an entity in the table's type.
    fn has_row(&self, id: &str) -> bool {
        let views = self.plan.views.iter().enumerate();
        let mut views = views.filter(|(_, view)| view.entity == self.entity);
        views.any(|(view, _)| self.store.get(view, id.as_bytes()).is_some())
    }

    /// The values of an entity; null where it has no row.
    fn values(&self, id: &str) -> Vec<Value> {
        let mut rows = BTreeMap::new();
        let mut value = |(view, at, _): &Column| {
            let row = rows.entry(*view).or_insert_with(|| self.store.get(*view, id.as_bytes()));
            row.as_ref().and_then(|row| row.values.get(*at).cloned()).unwrap_or(Value::Null)
        };
        self.columns.iter().map(&mut value).collect()
    }
}

/// A dead letter in a few words.
fn brief(letter: &DeadLetter) -> String {
    let key = letter.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
    match letter.late_by {
        Some(late_by) => format!("{key} {} late", duration_short(late_by)),
        None => format!("{key} {}", letter.reason.name()),
    }
}
