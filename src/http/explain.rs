//! `/explain/{view}?id=ID&feature=NAME`: why a feature of an entity is what it is.

use super::Introspect;
use super::routes::{json_answer, passed_on, refusal, unknown_name};
use super::row::run_of;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::value::RawValue;

/// Which feature is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainQuestion {
    /// The view.
    pub view: String,
    /// The entity's id.
    pub id: String,
    /// A feature of the view.
    pub feature: String,
    /// Another process of a job asks, of that run of it.
    pub run: Option<String>,
}

/// What asking gave.
#[derive(Clone, Debug)]
pub enum ExplainAnswer {
    /// The explanation: JSON.
    Explained(Box<RawValue>),
    /// The job has no such view.
    UnknownView {
        /// The view with the nearest name, when one is near.
        nearest: Option<String>,
    },
    /// The view has no such feature.
    UnknownFeature {
        /// The feature with the nearest name, when one is near.
        nearest: Option<String>,
    },
    /// What the process answers whose entity it is.
    Elsewhere {
        /// Its status code.
        code: u16,
        /// Its JSON.
        body: String,
    },
    /// There is more than is told.
    TooMuch {
        /// Of what.
        why: String,
        /// What to do.
        hint: String,
    },
    /// It cannot be told now, or not here.
    Unavailable {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
}

impl ExplainQuestion {
    /// From the path and what is behind it; `None` when that is something else.
    pub(super) fn of(
        view: String,
        asked: Vec<(String, String)>,
        headers: &HeaderMap,
    ) -> Option<ExplainQuestion> {
        let (mut id, mut feature) = (None, None);
        for (key, value) in asked {
            let place = match key.as_str() {
                "id" => &mut id,
                "feature" => &mut feature,
                _ => return None,
            };
            if place.replace(value).is_some() {
                return None;
            }
        }
        let run = run_of(headers).map(str::to_owned);
        Some(ExplainQuestion { view, id: id?, feature: feature?, run })
    }
}

/// What is answered where more or less is asked than one feature of one entity.
pub(super) fn not_asked() -> Response {
    let hint = "write /explain/{view}?id=ID&feature=NAME, with what is no letter or digit as %XX";
    refusal(StatusCode::BAD_REQUEST, "one feature of one entity is asked about", hint)
}

fn not_told(code: StatusCode, why: &str, hint: &str) -> Response {
    refusal(code, &format!("it cannot be explained: {why}"), hint)
}

/// The answer to a question.
pub(super) fn explained(job: &dyn Introspect, asked: &ExplainQuestion) -> Response {
    match job.explain(asked) {
        ExplainAnswer::Explained(text) => json_answer(StatusCode::OK, &text),
        ExplainAnswer::Elsewhere { code, body } => passed_on(code, body),
        ExplainAnswer::UnknownView { nearest } => {
            unknown_name("view", &asked.view, nearest.as_deref())
        }
        ExplainAnswer::UnknownFeature { nearest } => {
            unknown_name("feature", &asked.feature, nearest.as_deref())
        }
        ExplainAnswer::TooMuch { why, hint } => {
            not_told(StatusCode::UNPROCESSABLE_ENTITY, &why, &hint)
        }
        ExplainAnswer::Unavailable { why, hint } => {
            not_told(StatusCode::SERVICE_UNAVAILABLE, &why, &hint)
        }
    }
}
