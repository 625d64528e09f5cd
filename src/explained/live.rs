//! Why a feature of a running job is what it is: from the events that the job holds of the entity, as of
//! its live clock, beside the value that it shows.
//!
//! A job holds events as long as the longest window of their entity type. A feature over the latest event
//! may rest on one that is older: then the value is what is shown, and it is said that it rests on what is
//! not held any more; the same where the session of the latest event may have begun before.

use super::document::{Explained, JsonValue, value};
use super::inputs::Explaining;
use super::reading::{form, session_of};
use crate::engine::EntityHeld;
use crate::failure::Failure;
use serde::Serialize;
use std::collections::BTreeMap;
use tidemark_jobs::Job;
use tidemark_operators::plan::Read;
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::{EventTime, Millis, SECOND};

/// The most events, values and changes that are listed of each input.
const LISTED: usize = 20;
/// Times before now at which the value is told, and how far they are apart.
const MOVED_POINTS: u64 = 60;
const MOVED_EVERY: Millis = 10 * SECOND;

/// Which feature of whom.
pub(crate) struct LiveQuestion<'a> {
    pub job: &'a Job,
    /// The view's place in the job, and in the entity.
    pub view: (usize, usize),
    /// The entity type's place in the job.
    pub entity: usize,
    /// The feature's place in the view.
    pub feature: usize,
    pub id: &'a str,
}

/// A value in the row that the job shows.
#[derive(Debug, Serialize)]
pub(crate) struct RowTold {
    pub as_of: EventTime,
    pub value: JsonValue,
}

/// See the module.
#[derive(Debug, Serialize)]
pub(crate) struct LiveExplained {
    #[serde(flatten)]
    pub explained: Explained,
    /// The value in the row, where there is one.
    pub row: Option<RowTold>,
    /// Whether the events make that value.
    pub agrees: bool,
    /// Whether it may rest on events that are not held: then not all that it is over are listed.
    pub lacks: bool,
    /// Events up to then are not held any more.
    pub let_go: Option<EventTime>,
    /// Events whose times lie ahead of the live clock, and which count.
    pub ahead: u64,
    /// What it was before, in event time, oldest first.
    pub moved: Vec<MovedValue>,
}

/// What a feature was at a time.
#[derive(Debug, Serialize)]
pub(crate) struct MovedValue {
    pub at: EventTime,
    /// `None`: it may have rested on events that are not held.
    pub value: Option<JsonValue>,
}

impl LiveQuestion<'_> {
    /// The answer, from what is held and the row that is shown.
    ///
    /// # Errors
    /// When the events are none of the job, which is a defect.
    pub fn answer(&self, held: EntityHeld, row: Option<RowTold>) -> Result<LiveExplained, Failure> {
        let EntityHeld { events, clock, let_go } = held;
        let parts = [(events, Vec::new())];
        let recomputed = Recomputed::new(&self.job.plan, self.entity, self.id.as_bytes(), &parts);
        let recomputed = recomputed.map_err(Failure::failed)?.live_from(clock);
        let mut explaining = Explaining {
            job: self.job,
            view: self.view,
            at: clock,
            limit: LISTED,
            places: None,
            id: self.id.to_owned(),
            recomputed,
            rows: BTreeMap::new(),
        };
        let own = explaining.value(self.feature, clock)?;
        let as_of = row.as_ref().map(|row| row.as_of.min(clock));
        // Between its clock and this one nothing has changed it.
        let then = as_of.map(|at| explaining.value(self.feature, at)).transpose()?;
        let lacks = self.lacks(&explaining.recomputed, clock, let_go);
        let shown = row.as_ref().map(|row| row.value.get());
        let agrees = shown.is_none_or(|shown| {
            is_same(shown, &own) || then.is_some_and(|then| is_same(shown, &then))
        });
        let mut moved = Vec::new();
        for back in (1..=MOVED_POINTS).rev() {
            let Some(at) = clock.checked_sub(back.saturating_mul(MOVED_EVERY)) else { continue };
            let known = !self.lacks(&explaining.recomputed, at, let_go);
            let was = known.then(|| explaining.value(self.feature, at)).transpose()?;
            moved.push(MovedValue { at, value: was.map(value) });
        }
        let ahead = explaining.recomputed.ahead(clock);
        let explained = explaining.explain(std::iter::once(self.feature))?;
        Ok(LiveExplained { explained, row, agrees, lacks, let_go, ahead, moved })
    }

    /// Whether the feature may rest at `at` on events up to `let_go`.
    fn lacks(&self, held: &Recomputed, at: EventTime, let_go: Option<EventTime>) -> bool {
        let Some(let_go) = let_go else { return false };
        let (Some(view), entity) = (self.job.plan.view(self.view.0), held.entity()) else {
            return true;
        };
        let Some(feature) = view.features.get(self.feature) else { return true };
        let reads = view.reads_of(feature.column).into_iter();
        let mut reads = reads.filter_map(|column| view.reads.get(column).copied());
        reads.any(|read| {
            form(read, entity).iter().any(|form| match (form.window, form.latest) {
                (Some(window), _) => window.leaves(let_go) > at,
                (None, Some((mask, horizon))) => {
                    let latest = held.newest(mask, at, None);
                    let before = match read {
                        Read::Gap { .. } => {
                            latest.and_then(|latest| held.newest(mask, at, Some(latest)))
                        }
                        _ => latest,
                    };
                    let session = session_of(entity, form).zip(latest);
                    let reaches_back = session.is_some_and(|(session, latest)| {
                        let first = held.session(session, latest).first().copied();
                        let began = first.map_or(0, |first| held.time(first));
                        began.saturating_sub(session.gap) <= let_go
                    });
                    reaches_back || before.is_none() && let_go.saturating_add(horizon) > at
                }
                (None, None) => false,
            })
        })
    }
}

/// Whether two JSON texts are the same value.
fn is_same(one: &str, other: &str) -> bool {
    let number = |text: &str| text.parse::<f64>().ok();
    one == other || number(one).zip(number(other)).is_some_and(|(one, other)| one == other)
}
