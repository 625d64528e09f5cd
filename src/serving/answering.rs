//! What this process answers to the others of its job, which ask for rows of its entities.
//!
//! They ask at the port at which it answers everybody, by `POST /rows`, and say of which run of the job they are:
//! a question of another run, or for entities of another process, is answered 409 and never with rows, so that
//! nobody mixes those of two runs or of two shapes. Who has a page open in a browser cannot ask.
//!
//! # Bounds
//! [`BODIES_MAX`] questions are read at once, each within [`BODY_TIMEOUT`] and of the bytes in `hop`; the values of
//! all answers that are being made are `values_in_flight` of `[serve]`, beside those of the feature server. What
//! is beyond is answered 429.

use crate::http::{MoreRoutes, RUN_HEADER};
use crate::serving::engine::{EngineRows, LOOK_EVERY};
use crate::serving::hop::{HopQuestion, HopRefusal, PATH, QUESTION_BYTES_MAX, VALUES_MAX};
use crate::serving::source::NotRead;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Questions that are read at once.
const BODIES_MAX: usize = 32;
/// How long a question may take to arrive: who asks waits no longer for its answer.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
struct RowHops {
    rows: Arc<EngineRows>,
    bodies: Semaphore,
    values: Semaphore,
    values_max: usize,
}

/// Why a question is not answered.
type Unanswered = (StatusCode, String);

/// Whoever asks is of another run, or takes this process for another one.
const OTHERS: &str = "another run of the job asks, or one of another shape";

/// The path at which the other processes of a job are told `rows`, with at most so many values on their way; `None`:
/// there are none.
pub fn row_hops(rows: &Arc<EngineRows>, values_in_flight: usize) -> Option<MoreRoutes> {
    rows.owners()?;
    let rows = Arc::clone(rows);
    Some(Box::new(move || {
        tokio::spawn(look_for_ever(Arc::clone(&rows)));
        let values = Semaphore::new(values_in_flight);
        let bodies = Semaphore::new(BODIES_MAX);
        let hops = RowHops { rows, bodies, values, values_max: values_in_flight };
        Router::new().route(PATH, post(answered)).with_state(Arc::new(hops))
    }))
}

/// Looks at the workers, also where this process has no feature server that does.
async fn look_for_ever(rows: Arc<EngineRows>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        rows.look();
    }
}

async fn answered(State(hops): State<Arc<RowHops>>, request: Request) -> Response {
    match hops.answer(request).await {
        Ok(told) => ([(header::CONTENT_TYPE, "application/json")], told).into_response(),
        Err((code, error)) => {
            let told = serde_json::to_vec(&HopRefusal { error }).unwrap_or_default();
            (code, [(header::CONTENT_TYPE, "application/json")], told).into_response()
        }
    }
}

impl RowHops {
    async fn answer(&self, request: Request) -> Result<Vec<u8>, Unanswered> {
        let others = || (StatusCode::CONFLICT, OTHERS.to_owned());
        let owners = self.rows.owners().ok_or_else(others)?;
        let run = request.headers().get(RUN_HEADER).map(|run| run.as_bytes());
        if run != Some(owners.run().as_bytes()) {
            return Err(others());
        }
        let body = self.body(request).await?;
        let question: HopQuestion<'_> = serde_json::from_slice(&body)
            .map_err(|error| bad(format!("the question cannot be read: {error}")))?;
        let values = question.values();
        if !question.is_whole() || values > VALUES_MAX {
            return Err(bad(format!(
                "it is no question, or asks for more than {VALUES_MAX} values"
            )));
        }
        let mut ids = question.groups.iter().flat_map(|group| &group.ids);
        if !ids.all(|id| owners.is_own(id)) {
            return Err(others());
        }
        let values = u32::try_from(values.min(self.values_max)).unwrap_or(u32::MAX);
        let Ok(_on_their_way) = self.values.try_acquire_many(values) else {
            let why = format!(
                "{} values are on their way from it already; ask again later, or raise \
                 \"values_in_flight\" in [serve]",
                self.values_max
            );
            return Err((StatusCode::TOO_MANY_REQUESTS, why));
        };
        self.rows.tell(&question).await.map_err(|why| match why {
            NotRead::Refused(why) => (StatusCode::PAYLOAD_TOO_LARGE, why),
            NotRead::Busy(why) | NotRead::Down(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        })
    }

    async fn body(&self, request: Request) -> Result<axum::body::Bytes, Unanswered> {
        let read = async {
            let _place = self.bodies.acquire().await;
            to_bytes(request.into_body(), QUESTION_BYTES_MAX).await
        };
        match tokio::time::timeout(BODY_TIMEOUT, read).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(_)) => Err((
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the question broke off, or has more than {QUESTION_BYTES_MAX} bytes"),
            )),
            Err(_) => Err((
                StatusCode::REQUEST_TIMEOUT,
                format!("the question has not arrived within {} ms", BODY_TIMEOUT.as_millis()),
            )),
        }
    }
}

fn bad(why: String) -> Unanswered {
    (StatusCode::BAD_REQUEST, why)
}
