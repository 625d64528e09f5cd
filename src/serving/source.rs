//! Where rows come from.

use crate::serving::answer::AnsweredValues;
use crate::serving::ask::AskedFeatures;
use crate::serving::catalogue::Catalogue;
use crate::serving::engine::EngineRows;
use crate::serving::feast_error::FeastError;
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::redis::RedisRows;
use crate::serving::{Serving, engine};
use std::borrow::Cow;
use std::sync::Arc;

/// A source of rows.
pub enum RowSource {
    /// The table of the job in this process.
    Engine(EngineRows),
    /// Redis, as the job writes it.
    Redis(RedisRows),
}

/// The ids of a question: for each of its groups one an entity.
pub(super) struct AskedIds<'a> {
    pub groups: Vec<Vec<Cow<'a, str>>>,
    /// How many entities.
    pub rows: usize,
}

impl RowSource {
    /// What answers and metrics call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            RowSource::Engine(_) => "engine",
            RowSource::Redis(_) => "redis",
        }
    }

    /// The values that are asked for, and as of when they are.
    pub(super) async fn read(
        &self,
        catalogue: &Catalogue,
        ask: &AskedFeatures,
        ids: &AskedIds<'_>,
        bounds: AgeBounds,
    ) -> Result<(AnsweredValues, Freshness), FeastError> {
        match self {
            RowSource::Engine(rows) => Ok(rows.read(ask, ids, bounds).await),
            RowSource::Redis(rows) => rows.read(catalogue, ask, ids, bounds).await,
        }
    }

    /// As of when values would be.
    pub(super) async fn freshness(&self, bounds: AgeBounds) -> Result<Freshness, FeastError> {
        match self {
            RowSource::Engine(rows) => Ok(rows.freshness(bounds)),
            RowSource::Redis(rows) => rows.freshness(bounds).await,
        }
    }
}

/// Looks at the source for as long as the server runs.
pub(super) async fn watch(serving: Arc<Serving>) {
    let mut looks = tokio::time::interval(engine::LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let RowSource::Engine(rows) = &serving.source {
            rows.look();
        }
    }
}
