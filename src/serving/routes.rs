//! Paths and their answers.

use crate::config::IncompleteValues;
use crate::metrics::render_serving;
use crate::metrics::snapshot::Breaker;
use crate::online::BreakerState;
use crate::serving::answer::{AnswerForm, IdColumns};
use crate::serving::ask::AskedFeatures;
use crate::serving::counts::ENDPOINTS;
use crate::serving::feast_error::FeastError;
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::question::{self, Columns, Question};
use crate::serving::source::{AskedIds, SourceQuestion, ToldRows};
use crate::serving::{BODY_BYTES_MAX, Serving};
use crate::version::VERSION;
use crate::wall_clock::wall_ms;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use serde_json::json;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

const OPENAPI: &str = include_str!("openapi.json");

type ServingState = State<Arc<Serving>>;

/// The router over everything, also over `more`.
pub(super) fn router(serving: Arc<Serving>, more: Router<Arc<Serving>>) -> Router {
    Router::new()
        .merge(more)
        .route("/get-online-features", post(online_features))
        .route("/v1/features/{kind}/{name}", post(fetched))
        .route("/materialize", post(materialize))
        .route("/materialize-incremental", post(materialize))
        .route("/push", any(written_elsewhere))
        .route("/write-to-online-store", any(written_elsewhere))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(async || json_text(OPENAPI)))
        .fallback(async || FeastError::detail(404, "Not Found"))
        .method_not_allowed_fallback(async || FeastError::detail(405, "Method Not Allowed"))
        .with_state(serving)
}

async fn online_features(State(serving): ServingState, request: Request) -> Response {
    let begun = Instant::now();
    let answer = async { serving.answer(&body(request).await?).await };
    serving.counted(0, begun, answer.await)
}

async fn fetched(
    State(serving): ServingState,
    Path((kind, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    let begun = Instant::now();
    let answer = async {
        let ask = serving.fetched(&kind, &name)?;
        serving.fetch(&ask, &body(request).await?).await
    };
    serving.counted(1, begun, answer.await)
}

async fn materialize(State(serving): ServingState) -> Response {
    tracing::info!("asked to materialize: rows are kept current by the job, nothing is to be done");
    serving.counted(2, Instant::now(), Ok(json_text("null")))
}

async fn written_elsewhere(State(serving): ServingState) -> Response {
    let topics = serving.catalogue.topics.join(", ");
    let why = match topics.is_empty() {
        true => "features are computed from the job's sources and not written here".to_owned(),
        false => format!(
            "features are computed from events and not written here: produce the event to the topic {topics}"
        ),
    };
    serving.counted(2, Instant::now(), Err(FeastError::detail(405, why)))
}

async fn health(State(serving): ServingState) -> Response {
    let states = serving.sources.states();
    let closed = states.iter().find(|(_, state, _)| *state == BreakerState::Closed);
    // As of a job: what it depends on is down, and it goes on.
    let is_well =
        states.iter().all(|(_, state, why)| *state == BreakerState::Closed && why.is_none());
    let each = states.iter().map(|(name, state, why)| {
        json!({ "source": name, "breaker": Breaker::from(*state).name(), "passed_over": why })
    });
    let health = json!({
        "status": if is_well { "ok" } else { "degraded" },
        "job": serving.catalogue.job,
        "version": VERSION,
        "source": closed.map(|(name, ..)| name),
        "sources": each.collect::<Vec<_>>(),
    });
    json_text(health.to_string())
}

async fn ready(State(serving): ServingState) -> Response {
    let (freshness, source) = serving.freshness().await;
    let code = match freshness.stale {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = json!({
        "ready": freshness.stale.is_none(),
        "reason": freshness.stale,
        "as_of": freshness.as_of,
        "incomplete": freshness.incomplete.iter().collect::<BTreeMap<_, _>>(),
        "source": source.map(|at| serving.sources.name(at)),
    });
    (code, json_text(body.to_string())).into_response()
}

async fn metrics(State(serving): ServingState) -> Response {
    let (freshness, _) = serving.freshness().await;
    let snapshot = serving.snapshot(&freshness, wall_ms().unwrap_or(0));
    match render_serving(&snapshot) {
        Ok(text) => {
            let format = "text/plain; version=0.0.4; charset=utf-8";
            ([(header::CONTENT_TYPE, format)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "metrics of the feature server cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The body of a request, which says that it is JSON.
async fn body(request: Request) -> Result<Bytes, FeastError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json")) {
        let why = "Input should be a valid dictionary or object to extract fields from: send it \
                   with content-type application/json";
        return Err(FeastError::body("model_attributes_type", &[], why));
    }
    match tokio::time::timeout(BODY_TIMEOUT, to_bytes(request.into_body(), BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => {
            let why =
                format!("the body could not be read, or is longer than {BODY_BYTES_MAX} bytes");
            Err(FeastError::body("too_long", &[], why))
        }
        Err(_) => Err(FeastError::detail(408, "the body did not arrive in time")),
    }
}

/// The values of an answer that is on its way.
pub(super) struct InFlight {
    all: Arc<AtomicUsize>,
    count: usize,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.all.fetch_sub(self.count, Relaxed);
    }
}

/// A body, which counts until it is sent.
struct Sent {
    body: Vec<u8>,
    _in_flight: InFlight,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

impl Serving {
    pub(super) fn bounds(&self) -> AgeBounds {
        AgeBounds::of(&self.settings)
    }

    /// As of when values would be, and of which source.
    async fn freshness(&self) -> (Freshness, Option<usize>) {
        self.sources.freshness(&self.catalogue, self.bounds()).await
    }

    fn counted(
        &self,
        endpoint: usize,
        begun: Instant,
        answer: Result<Response, FeastError>,
    ) -> Response {
        debug_assert!(endpoint < ENDPOINTS.len());
        self.counts.request(endpoint, answer.is_ok(), begun.elapsed());
        answer.unwrap_or_else(IntoResponse::into_response)
    }

    /// ServingCounts the values of an answer that is begun.
    pub(super) fn begin(&self, columns: usize, rows: usize) -> Result<InFlight, FeastError> {
        let (count, max) = (columns.saturating_mul(rows), self.settings.values_in_flight);
        let begun = InFlight { all: Arc::clone(&self.values), count };
        if self.values.fetch_add(count, Relaxed).saturating_add(count) > max {
            return Err(FeastError::unavailable(format!(
                "{max} values are on their way already; ask again later, or raise \
                 \"values_in_flight\" in [serve]"
            )));
        }
        Ok(begun)
    }

    pub(super) fn form<'a>(&'a self, views_listed: bool, found: &'a ToldRows) -> AnswerForm<'a> {
        let passed_over = found.passed_over.iter();
        AnswerForm {
            catalogue: &self.catalogue,
            statuses: self.settings.statuses,
            missing: self.settings.missing,
            source: self.sources.name(found.source),
            passed_over: passed_over
                .map(|(at, why)| (self.sources.name(*at), why.as_str()))
                .collect(),
            views_listed,
            shown: found.shown.as_ref(),
            now: wall_ms().unwrap_or(0),
        }
    }

    /// The answer to a question of Feast's.
    async fn answer(&self, body: &[u8]) -> Result<Response, FeastError> {
        let question = Question::parse(body)?;
        let columns = question.columns()?;
        let ask = self.compile(&question)?;
        let (ids, shown) = self.ids(&ask, &columns)?;
        let in_flight = self.begin(ask.columns.len(), ids.rows)?;
        let found = self.told(&ask, &ids, question.positioned()).await?;
        let form = self.form(question.views_listed(), &found);
        let body = form.body(&ask, &shown, &found.cells, &found.freshness).await;
        Ok(json_bytes(body, in_flight))
    }

    /// The values of an answer, of which those are left out that the settings do not let out.
    /// `positioned`: with which events they show.
    pub(super) async fn told(
        &self,
        ask: &AskedFeatures,
        ids: &AskedIds<'_>,
        positioned: bool,
    ) -> Result<ToldRows, FeastError> {
        let asking = SourceQuestion { catalogue: &self.catalogue, ask, ids, bounds: self.bounds() };
        let begun = Instant::now();
        let found = match positioned {
            true => self.sources.read_positioned(asking).await,
            false => self.sources.read(asking).await,
        };
        self.counts.read(begun.elapsed());
        let mut found = found?;
        if self.settings.incomplete == IncompleteValues::Null {
            found.hide_incomplete(asking);
        }
        self.counts.values(ask, &found.cells, ids.rows);
        Ok(found)
    }

    fn compile(&self, question: &Question<'_>) -> Result<Arc<AskedFeatures>, FeastError> {
        self.compiled(question.text(), || {
            let full_names = question.full_names();
            match question.service() {
                Some(service) => self.catalogue.service(service, full_names),
                None => self.catalogue.features(&question.features()?, full_names),
            }
        })
    }

    /// What was compiled for this text before, or is now.
    pub(super) fn compiled(
        &self,
        text: String,
        compile: impl FnOnce() -> Result<AskedFeatures, FeastError>,
    ) -> Result<Arc<AskedFeatures>, FeastError> {
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ask) = lock().get(&text) {
            return Ok(ask);
        }
        let ask = Arc::new(compile()?);
        lock().put(text, Arc::clone(&ask));
        Ok(ask)
    }

    /// The ids of a question, by what reads them and as they are shown.
    fn ids<'a>(
        &'a self,
        ask: &AskedFeatures,
        columns: &'a Columns<'a>,
    ) -> Result<(AskedIds<'a>, IdColumns<'a>), FeastError> {
        let rows = columns.first().map_or(0, |(_, ids)| ids.len());
        // A group for each entity type.
        let place = |at| ask.groups.iter().position(|group| group.entity == at);
        let mut groups: Vec<Option<Vec<Cow<'a, str>>>> = vec![None; ask.groups.len()];
        let mut shown = IdColumns::new();
        for (name, asked) in columns {
            for at in self.catalogue.entities_of(name) {
                let Some(entity) = self.catalogue.entities.get(at) else { continue };
                // What nobody asks for is shown as it came, whatever it is.
                let echoes = if let Some(group) = place(at).and_then(|at| groups.get_mut(at)) {
                    let ids = asked
                        .iter()
                        .map(|asked| question::id(entity.ty, asked, self.settings.statuses));
                    let ids = group.insert(ids.collect::<Result<_, _>>()?);
                    let pairs = asked.iter().zip(ids);
                    pairs.map(|(asked, id)| question::echo(entity.ty, asked, id)).collect()
                } else {
                    asked.iter().map(|asked| Cow::Borrowed(asked.get())).collect()
                };
                let name = entity.join_key_json.as_str();
                if !shown.iter().any(|(known, _)| *known == name) {
                    shown.push((name, echoes));
                }
            }
        }
        let missing = |at: &usize| {
            let given = place(*at).and_then(|at| groups.get(at));
            given.is_some_and(|ids| rows == 0 || ids.is_none())
        };
        if let Some(at) = (0..self.catalogue.entities.len()).find(missing) {
            let empty = place(at).and_then(|at| groups.get(at)).is_some_and(Option::is_some);
            return Err(self.catalogue.keys_missing(at, empty, &shown));
        }
        let groups = groups.into_iter().map(Option::unwrap_or_default).collect();
        Ok((AskedIds { groups, rows }, shown))
    }
}

fn json_text(text: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text.into()).into_response()
}

pub(super) fn json_bytes(body: Vec<u8>, in_flight: InFlight) -> Response {
    json_text(Bytes::from_owner(Sent { body, _in_flight: in_flight }))
}
