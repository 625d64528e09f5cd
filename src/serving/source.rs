//! A source of rows.

use crate::serving::ask::AskedFeatures;
use crate::serving::catalogue::Catalogue;
use crate::serving::engine::{EngineRows, ShownEvents};
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::owners::Owners;
use crate::serving::redis::RedisRows;
use crate::serving::values::AnsweredValues;
use std::borrow::Cow;
use std::sync::Arc;

/// A source of rows.
pub enum RowSource {
    /// The tables of the job, in this process and its others.
    Engine(Arc<EngineRows>),
    /// A Redis that the job writes to, or one that follows it.
    Redis(RedisRows),
}

/// The ids of a question: for each of its groups one an entity.
#[derive(Default)]
pub(super) struct AskedIds<'a> {
    pub groups: Vec<Vec<Cow<'a, str>>>,
    /// How many entities.
    pub rows: usize,
}

/// A question, as it goes from source to source.
#[derive(Clone, Copy)]
pub(super) struct SourceQuestion<'a> {
    pub catalogue: &'a Catalogue,
    pub ask: &'a AskedFeatures,
    pub ids: &'a AskedIds<'a>,
    pub bounds: AgeBounds,
}

/// Why a source has told nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotRead {
    /// More is asked of it than it can take.
    Busy(String),
    /// It answers, but not with these rows.
    Refused(String),
    /// It does not answer, or not in time.
    Down(String),
}

impl NotRead {
    /// The reason alone.
    pub fn why(self) -> String {
        match self {
            NotRead::Busy(why) | NotRead::Refused(why) | NotRead::Down(why) => why,
        }
    }
}

/// An answer's values, and whose they are.
pub(super) struct ToldRows {
    pub cells: AnsweredValues,
    pub freshness: Freshness,
    /// Which source.
    pub source: usize,
    /// Others that were looked at, and why it was none of them.
    pub passed_over: Vec<(usize, String)>,
    /// Which events the rows show, where it was asked.
    pub shown: Option<ShownEvents>,
}

impl ToldRows {
    /// Makes nulls of the values of views that may lack something.
    pub(super) fn hide_incomplete(
        &mut self,
        SourceQuestion { catalogue, ask, .. }: SourceQuestion<'_>,
    ) {
        let incomplete = &self.freshness.incomplete;
        let views = ask.columns.iter().map(|(view, _)| catalogue.views.get(*view));
        for (column, view) in views.enumerate() {
            if view.is_some_and(|view| incomplete.of(&view.name).is_some()) {
                self.cells.hide(column);
            }
        }
    }
}

impl RowSource {
    /// The tables of a job.
    pub fn engine(rows: impl Into<Arc<EngineRows>>) -> Self {
        RowSource::Engine(rows.into())
    }

    /// What answers and metrics call it.
    pub(super) fn name(&self) -> &str {
        match self {
            RowSource::Engine(_) => "engine",
            RowSource::Redis(rows) => rows.name(),
        }
    }

    /// Whether its rows are on several servers or processes, of which one may be down by itself.
    pub(super) fn is_clustered(&self) -> bool {
        match self {
            RowSource::Engine(rows) => rows.owners().is_some(),
            RowSource::Redis(rows) => rows.is_clustered(),
        }
    }

    /// Requests that wait for it; `None`: none ever does.
    pub(super) fn waiting(&self) -> Option<usize> {
        match self {
            RowSource::Engine(rows) => rows.owners().map(Owners::waiting),
            RowSource::Redis(rows) => Some(rows.waiting()),
        }
    }

    /// The values that are asked for, and as of when they are.
    pub(super) async fn read(
        &self,
        asking: SourceQuestion<'_>,
    ) -> Result<(AnsweredValues, Freshness), NotRead> {
        match self {
            RowSource::Engine(rows) => rows.read(asking).await,
            RowSource::Redis(rows) => rows.read(asking).await,
        }
    }
}
