//! Rows from the table of the job in this process, and from those of its other processes.
//!
//! Each row is in the table of the process of its entity's worker. The values of an answer are as of the least live
//! clock of the workers of all processes that were asked for some of them; a question for nothing, by which
//! servers say of themselves how fresh they are, asks all. Where one does not answer there is no answer.

use crate::online::{HeldRow, Incomplete, OnlineStore};
use crate::serving::ask::Group;
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::hop::{AnswerParts, HopQuestion, HopWriter};
use crate::serving::owners::{Owners, places};
use crate::serving::source::{NotRead, SourceQuestion};
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
                         given none yet; ask again";
/// Why a process says nothing of rows that others than this one ask for.
const TOO_LONG: &str =
    "the answer would be longer than processes send each other; ask for fewer at once";

/// For each group of a question, and of it for each entity, which events its rows show.
pub(super) type ShownEvents = Vec<Vec<AppliedEvents>>;

/// The table, and what is known of the workers that write it.
pub struct EngineRows {
    store: Arc<dyn OnlineStore>,
    metrics: Vec<Arc<WorkerMetrics>>,
    caught_up: Box<dyn Fn() -> bool + Send + Sync>,
    incomplete: Box<dyn Fn() -> Incomplete + Send + Sync>,
    workers: Mutex<Workers>,
    /// The processes of the job, where there are several.
    owners: Option<Owners>,
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
            owners: None,
        }
    }

    /// The same of a job in several processes, whose other rows `owners` are asked for.
    #[must_use]
    pub fn with_owners(self, owners: Option<Owners>) -> Self {
        EngineRows { owners, ..self }
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

    /// The other processes, where there are some.
    pub(super) fn owners(&self) -> Option<&Owners> {
        self.owners.as_ref()
    }

    /// Asks processes that do not answer whether they do again, by a question for nothing.
    pub(super) fn probe(&self, bounds: AgeBounds) {
        let Some(owners) = &self.owners else { return };
        let AgeBounds { stale_after, behind_max } = bounds;
        let nothing = HopQuestion { stale_after, behind_max, ..HopQuestion::default() };
        if let Ok(question) = serde_json::to_vec(&nothing) {
            owners.probe(&question.into());
        }
    }

    pub(super) async fn read(
        &self,
        asking: SourceQuestion<'_>,
    ) -> Result<(AnsweredValues, Freshness), NotRead> {
        let mut cells = AnsweredValues::new(asking.ask.columns.len(), asking.ids.rows);
        let Some(owners) = &self.owners else {
            let freshness = self.read_own(asking, &mut cells).await;
            return Ok((cells, freshness));
        };
        let parts = owners.parts(asking.ids);
        let answered = owners.ask(asking, &parts, false)?;
        let mut own = None;
        if parts.keys().any(|process| owners.is_here(*process)) {
            own = Some(known(self.read_own(asking, &mut cells).await)?);
        }
        let mut into = AnswerParts { ask: asking.ask, cells: &mut cells, shown: None };
        let freshness = owners.gather(&parts, answered, own, &mut into).await?;
        Ok((cells, freshness))
    }

    /// Reads the rows of this process.
    async fn read_own(
        &self,
        SourceQuestion { ask, ids, bounds, .. }: SourceQuestion<'_>,
        cells: &mut AnsweredValues,
    ) -> Freshness {
        let freshness = self.freshness(bounds);
        if freshness.stale.is_some() {
            return freshness;
        }
        let mut read = 0;
        for row in 0..ids.rows {
            for (group, ids) in ask.groups.iter().zip(&ids.groups) {
                let Some(id) = ids.get(row) else { continue };
                let mut found = |place, held: Option<HeldRow<'_>>| {
                    put(group, (place, row), held.as_ref(), cells);
                };
                // Of an entity of another process nothing is found, not even that there is no row.
                self.store.read(group.entity, id.as_bytes(), &group.views, &mut found);
            }
            read += ask.columns.len();
            if read >= VALUES_AT_ONCE {
                read = 0;
                tokio::task::yield_now().await;
            }
        }
        freshness
    }

    /// The same with which events the rows of each entity show, by group; `Err`: why that cannot be told
    /// now.
    pub(super) async fn read_positioned(
        &self,
        asking: SourceQuestion<'_>,
    ) -> Result<(AnsweredValues, Freshness, ShownEvents), NotRead> {
        let (mut cells, mut shown) = places(asking);
        let Some(owners) = &self.owners else {
            let own = self.show_own(asking, &mut cells, &mut shown).await?;
            return Ok((cells, own, shown));
        };
        let parts = owners.parts(asking.ids);
        let answered = owners.ask(asking, &parts, true)?;
        let mut own = None;
        if parts.keys().any(|process| owners.is_here(*process)) {
            own = Some(self.show_own(asking, &mut cells, &mut shown).await?);
        }
        let mut into = AnswerParts { ask: asking.ask, cells: &mut cells, shown: Some(&mut shown) };
        let freshness = owners.gather(&parts, answered, own, &mut into).await?;
        match freshness.stale {
            Some(why) => Err(NotRead::Down(why)),
            None => Ok((cells, freshness, shown)),
        }
    }

    async fn show_own(
        &self,
        SourceQuestion { ask, ids, bounds, .. }: SourceQuestion<'_>,
        cells: &mut AnsweredValues,
        shown: &mut ShownEvents,
    ) -> Result<Freshness, NotRead> {
        let (freshness, begun) = (self.freshness(bounds), Instant::now());
        if let Some(why) = freshness.stale {
            return Err(NotRead::Down(why));
        }
        let groups = ask.groups.iter().zip(&ids.groups).zip(shown);
        for ((group, ids), shown) in groups {
            for (row, (id, shown)) in ids.iter().zip(shown).enumerate() {
                if self.owners.as_ref().is_some_and(|owners| !owners.is_own(id)) {
                    continue;
                }
                let mut found = |place, held: Option<HeldRow<'_>>| {
                    put(group, (place, row), held.as_ref(), cells);
                };
                let (entity, views) = (group.entity, &*group.views);
                *shown = self.shown(begun, (entity, id, views), &mut found).await?;
                if row % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
        Ok(freshness)
    }

    /// Reads the rows of an entity once none of them is on its way; which events they show.
    async fn shown(
        &self,
        begun: Instant,
        (entity, id, views): (usize, &str, &[usize]),
        found: &mut (dyn FnMut(usize, Option<HeldRow<'_>>) + Send),
    ) -> Result<AppliedEvents, NotRead> {
        loop {
            match self.store.read_applied(entity, id.as_bytes(), views, found) {
                Some(events) => return Ok(events),
                None if begun.elapsed() < SHOWN_WITHIN => tokio::time::sleep(SHOWN_EVERY).await,
                None => return Err(NotRead::Down(NOT_SHOWN.to_owned())),
            }
        }
    }

    /// The answer to another process that asks for rows of this one.
    pub(super) async fn tell(&self, question: &HopQuestion<'_>) -> Result<Vec<u8>, NotRead> {
        let (freshness, begun) = (self.freshness(question.bounds()), Instant::now());
        let mut writer = HopWriter::new(&freshness);
        if freshness.stale.is_some() {
            return Ok(writer.end(None));
        }
        let (mut shown, mut read) = (ShownEvents::new(), 0);
        for group in &question.groups {
            writer.group();
            let mut of_group = Vec::new();
            for id in &group.ids {
                let (entity, views) = (group.entity, &*group.views);
                let mut found = |place, held: Option<HeldRow<'_>>| {
                    let features = group.features.get(place).map(std::ops::Deref::deref);
                    writer.row(features.unwrap_or_default(), held.as_ref());
                };
                match question.positions {
                    true => {
                        of_group.push(self.shown(begun, (entity, id, views), &mut found).await?);
                    }
                    false => self.store.read(entity, id.as_bytes(), views, &mut found),
                }
                if writer.is_too_long() {
                    return Err(NotRead::Refused(TOO_LONG.to_owned()));
                }
                read += group.features.iter().map(|features| features.len().max(1)).sum::<usize>();
                if read >= VALUES_AT_ONCE {
                    read = 0;
                    tokio::task::yield_now().await;
                }
            }
            writer.group_ends();
            shown.push(of_group);
        }
        Ok(writer.end(question.positions.then_some(&*shown)))
    }
}

/// What is known of rows, where anything is.
fn known(freshness: Freshness) -> Result<Freshness, NotRead> {
    match (freshness.as_of, &freshness.stale) {
        (None, Some(why)) => Err(NotRead::Down(why.clone())),
        _ => Ok(freshness),
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
