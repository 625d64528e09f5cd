//! `/forget/{entity}?id=ID`: with `POST` the job forgets an entity, with `GET` it says whether a restart
//! knows that.

use super::Introspect;
use super::routes::{json_answer, passed_on, refusal};
use super::row::run_of;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidemark_operators::time::EventTime;

/// Which entity is to be forgotten, or is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetQuestion {
    /// The entity type.
    pub entity: String,
    /// The entity's id.
    pub id: String,
    /// Whether it is only asked whether it is forgotten for good.
    pub looks: bool,
    /// Another process of a job asks, of that run of it.
    pub run: Option<String>,
}

/// What is told of a forgotten entity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetTold {
    /// The entity type.
    pub entity: String,
    /// Its id, as rows have it.
    pub id: String,
    /// Whether anything was held of it in memory; unless it is only asked about.
    pub held: Option<bool>,
    /// What of it with a time before this was sealed is forgotten; unless it is only asked about.
    pub before: Option<EventTime>,
    /// Whether a checkpoint says so, so that a restart knows it; nothing where there are none.
    pub durable: Option<bool>,
    /// Where more of it may be that the job does not reach.
    #[serde(default)]
    pub out_of_reach: Vec<String>,
}

/// What asking gave.
#[derive(Clone, Debug)]
pub enum ForgetAnswer {
    /// It is so.
    Told(ForgetTold),
    /// The job has no such entity type.
    UnknownEntity {
        /// The entity types that it has.
        known: Vec<String>,
    },
    /// What the process answers whose entity it is.
    Elsewhere {
        /// Its status code.
        code: u16,
        /// Its JSON.
        body: String,
    },
    /// It cannot be done now, or not here.
    Unavailable {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
}

impl ForgetQuestion {
    /// From the path and what is behind it; `None` when that is something else than one id.
    pub(super) fn of(
        (entity, looks): (String, bool),
        asked: Vec<(String, String)>,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let run = run_of(headers).map(str::to_owned);
        match <[_; 1]>::try_from(asked) {
            Ok([(key, id)]) if key == "id" => Some(ForgetQuestion { entity, id, looks, run }),
            _ => None,
        }
    }
}

/// What is answered where more or less is asked than one entity.
pub(super) fn not_asked() -> Response {
    let hint = "write /forget/{entity type}?id=ID, with what is no letter or digit as %XX";
    refusal(StatusCode::BAD_REQUEST, "one entity is named by its id", hint)
}

/// The answer to a question.
pub(super) fn forgotten(job: &dyn Introspect, asked: &ForgetQuestion) -> Response {
    match job.forget(asked) {
        ForgetAnswer::Told(told) => json_answer(StatusCode::OK, &told),
        ForgetAnswer::Elsewhere { code, body } => passed_on(code, body),
        ForgetAnswer::UnknownEntity { known } => {
            let hint = format!("the job has {}", known.join(", "));
            let error = format!("no entity type \"{}\"", asked.entity);
            refusal(StatusCode::NOT_FOUND, &error, &hint)
        }
        ForgetAnswer::Unavailable { why, hint } => {
            refusal(StatusCode::SERVICE_UNAVAILABLE, &format!("it is not forgotten: {why}"), &hint)
        }
    }
}
