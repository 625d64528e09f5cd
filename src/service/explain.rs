//! Why a feature of an entity is what it is: asked of the worker that holds its events, or of the process
//! that the worker is of, and computed from them on the thread that was asked.
//!
//! One at a time a process: an explanation takes as much memory as [`HELD_EVENTS_MAX`] events, and for as
//! long as it takes a part of a core. Another one is refused meanwhile.

use super::Service;
use crate::engine::{HELD_EVENTS_MAX, HeldError};
use crate::entity_id;
use crate::explained::{LiveQuestion, RowTold};
use crate::http::{ExplainAnswer, ExplainQuestion};
use std::time::Duration;
use tidemark_jobs::document::nearest;
use tidemark_operators::plan::ViewPlan;

/// After so long a row that was on its way when it was asked has arrived.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

impl Service {
    /// Explains a feature.
    pub(super) fn why(&self, asked: &ExplainQuestion) -> ExplainAnswer {
        let (index, view) = match self.view_named(&asked.view) {
            Ok(found) => found,
            Err(nearest) => return ExplainAnswer::UnknownView { nearest },
        };
        let names = || view.features.iter().map(|feature| feature.name.as_str());
        let Some(feature) = names().position(|name| name == asked.feature) else {
            let near = nearest(&asked.feature, names()).map(str::to_owned);
            return ExplainAnswer::UnknownFeature { nearest: near };
        };
        let id = entity_id::known_as(&self.plan, index, &asked.id).into_owned();
        // For the hop, too: a process that hangs holds one thread and no more.
        let Ok(_explaining) = self.explaining.try_lock() else {
            return later("another feature is being explained".to_owned());
        };
        match self.elsewhere(&id, asked.run.as_deref()) {
            Ok(None) => {}
            Ok(Some((peers, owner))) => return peers.explain(owner, asked),
            Err(why) => return later(why),
        }
        match self.explanation((index, view), feature, &id) {
            Ok(answer) => answer,
            Err(error @ HeldError::Many) => ExplainAnswer::TooMuch {
                why: format!("the entity has {error}"),
                hint: format!(
                    "`tidemark explain` reads its events from the log, as many as there are; a running \
                     job tells of entities with at most {HELD_EVENTS_MAX}"
                ),
            },
            Err(error) => later(error.to_string()),
        }
    }

    fn explanation(
        &self,
        (index, view): (usize, &ViewPlan),
        feature: usize,
        id: &str,
    ) -> Result<ExplainAnswer, HeldError> {
        let (Some(job), Some(of)) = (&self.explained, self.plan.views.get(index)) else {
            return Err(HeldError::Ended);
        };
        let asked = LiveQuestion { job, view: (index, of.view), entity: of.entity, feature, id };
        let mut again = true;
        loop {
            let held = self.observer.held(of.entity, id.as_bytes())?;
            let row = self.own_row((index, view), id.to_owned());
            let row =
                row.and_then(|row| Some(RowTold { as_of: row.as_of, value: row.value(feature)? }));
            let answer = match asked.answer(held, row) {
                Ok(answer) => answer,
                Err(error) => return Ok(later(error.to_string())),
            };
            if !answer.agrees && !answer.lacks && std::mem::take(&mut again) {
                std::thread::sleep(ON_ITS_WAY);
                continue;
            }
            return Ok(match serde_json::value::to_raw_value(&answer) {
                Ok(text) => ExplainAnswer::Explained(text),
                Err(error) => later(error.to_string()),
            });
        }
    }
}

/// What is not told now.
fn later(why: String) -> ExplainAnswer {
    ExplainAnswer::Unavailable { why, hint: "ask again in a second".to_owned() }
}
