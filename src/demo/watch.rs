//! What the screen is told: counts of the workers, and the rows of those who are shown.

use super::columns::{Column, columns};
use super::flagged::{Flagged, HeldRows, Interest};
use super::letters::DemoLetters;
use super::past::{OpenPast, window_names};
use super::recent::RecentRecords;
use super::story::{FeatureValues, Story};
use super::traffic::Traffic;
use crate::dead_letters::LetterInShort;
use crate::engine::{self, Observer};
use crate::logging::KeptLines;
use crate::online::OnlineStore;
use crate::process::ProcessUsage;
use crate::screen::{Ask, EntityPage, ScreenState, ShownEntity, number};
use crate::text::duration_short;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tidemark_operators::metrics::{HistogramSnapshot, WorkerMetrics};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Value;
use tidemark_operators::verdict::Reason;

/// Entities in the table at most.
const SHOWN_MAX: usize = 128;
/// Entities that are considered for it at most.
const CONSIDERED_MAX: usize = 4_096;

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
    letters: DemoLetters,
    log: KeptLines,
    recent: RecentRecords,
    traffic: Traffic,
    /// The entity type of the table.
    entity: usize,
    columns: Vec<Column>,
    /// `None`: a job of somebody's own, of which nothing is known.
    story: Option<&'static Story>,
    flagged: Flagged,
    /// The events of the page that is open.
    past: Option<OpenPast>,
}

impl DemoWatch {
    /// Looks at the job that runs with `run` on `traffic`. The table is of the entity of the job's
    /// first view.
    pub fn new(
        run: &engine::Settings,
        observer: Observer,
        store: Arc<dyn OnlineStore>,
        letters: DemoLetters,
        traffic: Traffic,
    ) -> Self {
        let plan = Arc::clone(&run.plan);
        let entity = plan.views.first().map_or(0, |view| view.entity);
        let columns = columns(&plan, entity);
        let story = Story::of(traffic.profile(), &plan, &columns);
        let gate = story.and_then(|story| story.gate(&plan));
        DemoWatch {
            http: None,
            columns: story.map_or(columns.clone(), |story| story.first(columns)),
            flagged: Flagged::new(Interest::new(&plan, entity, gate), run.shape.local()),
            recent: traffic.recent(),
            log: KeptLines::default(),
            past: None,
            plan,
            observer,
            store,
            letters,
            traffic,
            entity,
            story,
        }
    }

    /// Shows the lines that are logged, too.
    pub fn with_log(mut self, log: KeptLines) -> Self {
        self.log = log;
        self
    }

    /// What has to see the rows on their way to the store.
    pub fn flagged(&self) -> Flagged {
        self.flagged.clone()
    }

    /// What runs, and how it can be asked: commands that work as they stand.
    pub fn greeting(&self) -> String {
        let http =
            self.http.as_ref().map_or_else(String::new, |http| format!(", page: http://{http}"));
        let workers = self.observer.metrics.len();
        let regular = format!("{}_0000017", self.entity_name());
        format!(
            "job {} on generated traffic, workers: {workers}{http}\n{}\n",
            self.plan.name,
            self.command(&regular)
        )
    }

    fn entity_name(&self) -> &str {
        self.plan.entities.get(self.entity).map_or("", |entity| entity.name.as_str())
    }

    /// The command that asks for the row of an entity, of the view that says most about it.
    fn command(&self, id: &str) -> String {
        let first = self.columns.first().map_or(0, |(view, ..)| *view);
        let view = self.plan.view(first).map_or("", |view| view.name.as_str());
        let http = self.http.as_deref().unwrap_or("localhost:8088");
        format!("curl http://{http}/features/{view}/{id}")
    }

    /// The job as of now.
    pub fn look(&mut self, ask: &Ask) -> ScreenState {
        let workers = &self.observer.metrics;
        let WatchTotals { accepted, dead, latency_ns } = WatchTotals::of(workers);
        let held = |f: fn(&tidemark_operators::metrics::EntityMetrics) -> u64| {
            workers.iter().flat_map(|w| &w.entities).map(f).sum::<u64>()
        };
        let known = |time: u64| Some(time).filter(|time| (1..u64::MAX).contains(time));
        let clocks = workers.iter().filter_map(|w| known(w.live_clock.get()));
        let frontiers = workers.iter().map(|w| known(w.frontier.get()));
        let changed = self.store.status().changed;
        let (past, read) = (self.traffic.past(), accepted + dead.iter().sum::<u64>());
        let mut state = ScreenState {
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
            past_percent: (read < past).then(|| read.saturating_mul(100) / past.max(1)),
            entity: self.entity_name().to_owned(),
            features: self.columns.iter().map(|(_, _, name)| name.clone()).collect(),
            log: self.log.lines(),
            ..ScreenState::default()
        };
        self.show(ask, &mut state);
        state
    }

    /// Fills in who is shown.
    fn show(&mut self, ask: &Ask, state: &mut ScreenState) {
        let everybody = ask.everybody || self.story.is_none();
        let busiest = if everybody { self.busiest() } else { Vec::new() };
        let mut rows = self.flagged.hold();
        let ids = if everybody { busiest } else { rows.flagged(CONSIDERED_MAX) };
        let shown = ids.into_iter().filter_map(|id| self.entity_shown(id, &mut rows));
        let mut shown: Vec<ShownEntity> =
            shown.filter(|entity| everybody || entity.grounds.is_some()).collect();
        state.shown_of = shown.len();
        let first = |entity: &ShownEntity| entity.values.first().and_then(number).unwrap_or(0.0);
        shown.sort_by(|one, other| {
            first(other).total_cmp(&first(one)).then_with(|| one.id.cmp(&other.id))
        });
        shown.truncate(SHOWN_MAX);
        let page = ask.page.as_ref().map(|id| (id, self.entity_shown(id.clone(), &mut rows)));
        let ids = shown.iter().map(|entity| entity.id.as_str());
        rows.count_only(&ids.chain(ask.page.as_deref()).collect());
        drop(rows);
        let page = page.map(|(id, entity)| self.page(id, entity, state.live_clock.unwrap_or(0)));
        state.page = page;
        (state.title, state.nobody) = match self.story {
            Some(story) => (story.title.to_owned(), story.nobody.to_owned()),
            None => (format!("The busiest of type {}", state.entity), "nobody yet".to_owned()),
        };
        state.shown = shown;
    }

    /// Whose records came lately, or of whom the engine has counted most.
    fn busiest(&self) -> Vec<String> {
        let of_entity = self.observer.metrics.iter().filter_map(|w| w.entities.get(self.entity));
        let mut busy: Vec<(String, u32)> = of_entity.flat_map(|e| e.hottest()).collect();
        // Workers have about as many events each, so their shares compare.
        busy.sort_by_key(|(_, share)| Reverse(*share));
        let busy = busy.into_iter().map(|(id, _)| id);
        let mut seen = HashSet::new();
        // Who is here now goes before who has been busy for long, where records have such keys.
        let all = self.recent.busiest(SHOWN_MAX).into_iter().chain(busy);
        all.filter(|id| seen.insert(id.clone())).take(SHOWN_MAX).collect()
    }

    /// An entity as the table shows it; `None` when it has no row.
    fn entity_shown(&self, id: String, held: &mut HeldRows<'_>) -> Option<ShownEntity> {
        let mut rows = BTreeMap::new();
        let mut value = |(view, at, _): &Column| {
            let row = rows.entry(*view).or_insert_with(|| self.store.get(*view, id.as_bytes()));
            row.as_ref().and_then(|row| row.values.get(*at).cloned()).unwrap_or(Value::Null)
        };
        let values: Vec<Value> = self.columns.iter().map(&mut value).collect();
        if rows.values().all(Option::is_none) {
            return None;
        }
        let judge = self.story.map(|story| story.judge);
        let of = FeatureValues { columns: &self.columns, values: &values };
        let grounds = judge.and_then(|judge| judge(&of));
        let (arrivals, command) = (held.arrivals(&id), self.command(&id));
        Some(ShownEntity { id, values, grounds, arrivals, command })
    }

    /// The page of the entity `id` as of `clock`.
    fn page(&mut self, id: &str, entity: Option<ShownEntity>, clock: EventTime) -> EntityPage {
        let Some(plan) = self.plan.entities.get(self.entity) else { return EntityPage::default() };
        let past = match self.past.take().filter(|past| past.is_of(id)) {
            Some(past) => past,
            None => OpenPast::of(&self.traffic, id),
        };
        let past = self.past.insert(past);
        EntityPage {
            known: entity.is_some(),
            windows: window_names(plan),
            events: past.events(plan, clock),
            entity: entity
                .unwrap_or_else(|| ShownEntity { id: id.to_owned(), ..ShownEntity::default() }),
        }
    }
}

/// A dead letter in a few words.
fn brief(letter: &LetterInShort) -> String {
    let key = letter.key.as_deref().unwrap_or_default();
    match letter.late_by {
        Some(late_by) => format!("{key} {} late", duration_short(late_by)),
        None => format!("{key} {}", letter.reason.name()),
    }
}
