//! Paths and their answers.

use crate::http::explain::{self, ExplainQuestion};
use crate::http::health::Status;
use crate::http::hosts::{self, HostNames};
use crate::http::page;
use crate::http::row::{RowAnswer, RowQuestion};
use crate::http::server::{ANSWER_TIMEOUT, ASKING_THREADS};
use crate::http::shared::{PAGES_MAX, SharedOverview};
use crate::http::{ForgetQuestion, Introspect, Readiness, documentation, forget, log};
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Whom the paths ask.
#[derive(Clone)]
struct Job {
    asked: Arc<dyn Introspect>,
    /// Threads for what may take long: the others are for what must not wait.
    asking: Arc<Semaphore>,
    shared: Arc<SharedOverview>,
}

const INDEX: &str = "\
tidemark

/metrics               Prometheus metrics
/                      in a browser, a page that shows all of this
/overview              what the page shows; /overview/live says it each second
/catalogue             the features of the job
/docs/                 in a browser, every feature and service of the job, and the manual
/health                every component, its state and reason
/ready                 200 once every partition has caught up, 503 before
/log                   the log level; POST one to change it
/settings              the job and the settings that the process runs with
/features/{view}/{id}  the newest feature row of one entity
/features/{view}?id=   the same for any id, also one that is empty or holds a /
                       with &positions=true also which events the row shows
/explain/{view}?id=&feature=  which events make a feature of it, and when each leaves
/forget/{entity}?id=   whether an entity is forgotten for good; POST to forget it
";

/// The router over everything, also over `more`. To be made inside of the runtime that serves it.
pub(super) fn router(job: Arc<dyn Introspect>, names: HostNames, more: Router) -> Router {
    let (asking, shared) =
        (Arc::new(Semaphore::new(ASKING_THREADS)), SharedOverview::new(Arc::clone(&job)));
    tokio::spawn(Arc::clone(&shared).tell_for_ever(Arc::clone(&asking)));
    let docs = job.documentation().map_or_else(Router::new, documentation::router);
    let job = Job { asked: job, asking, shared };
    let router = Router::new()
        .merge(docs)
        .route("/", get(index))
        .route("/page/{file}", get(page::file))
        .route("/overview", get(overview))
        .route("/overview/live", get(live))
        .route("/catalogue", get(catalogue))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/log", get(log::shown).post(log::changed))
        .route("/settings", get(settings))
        .route("/features/{view}", get(features_asked))
        .route("/features/{view}/{id}", get(features))
        .route("/explain/{view}", get(explained))
        .route("/forget/{entity}", get(forgotten).post(forgotten))
        .fallback(unknown)
        .method_not_allowed_fallback(method)
        .with_state(job)
        .merge(more);
    hosts::guard(router, names)
}

async fn index(headers: HeaderMap) -> Response {
    if page::wanted(&headers) { page::page() } else { plain(INDEX.to_owned()) }
}

async fn overview(State(job): State<Job>) -> Response {
    let shared = Arc::clone(&job.shared);
    answer(job, move |_| json_answer(StatusCode::OK, &*shared.overview())).await
}

async fn live(State(job): State<Job>) -> Response {
    let shared = Arc::clone(&job.shared);
    answer(job, move |_| match shared.open_page() {
        Some(events) => {
            let headers =
                [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
            (headers, Body::new(events)).into_response()
        }
        None => {
            let error = format!("{PAGES_MAX} pages are open, which is as many as are told");
            refusal(StatusCode::SERVICE_UNAVAILABLE, &error, "ask /overview every few seconds")
        }
    })
    .await
}

async fn catalogue(State(job): State<Job>) -> Response {
    answer(job, |job| json_answer(StatusCode::OK, &job.catalogue())).await
}

async fn metrics(State(job): State<Job>) -> Response {
    answer(job, |job| {
        let format = "text/plain; version=0.0.4; charset=utf-8";
        ([(header::CONTENT_TYPE, format)], job.metrics()).into_response()
    })
    .await
}

async fn health(State(job): State<Job>) -> Response {
    answer_at_once(job, |job| {
        let health = job.health();
        let code = match health.status() {
            Status::Ok | Status::Degraded => StatusCode::OK,
            Status::Stalled => StatusCode::SERVICE_UNAVAILABLE,
        };
        json_answer(code, &health)
    })
    .await
}

async fn settings(State(job): State<Job>) -> Response {
    answer(job, |job| json_answer(StatusCode::OK, &job.settings())).await
}

async fn ready(State(job): State<Job>) -> Response {
    answer_at_once(job, |job| {
        let readiness: Readiness = job.readiness();
        let code = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json_answer(code, &readiness)
    })
    .await
}

/// Names in a path; what is no text is refused as everything else is.
struct Named<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(names)| Named(names)).map_err(|_| {
            let hint = "write what is no letter or digit as %XX, in UTF-8";
            refusal(StatusCode::BAD_REQUEST, "a name in the path is no text", hint)
        })
    }
}

async fn features(
    State(job): State<Job>,
    Named((view, id)): Named<(String, String)>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    row_asked(job, RowQuestion::of(view, Some(id), pairs(&uri), &headers)).await
}

async fn features_asked(
    State(job): State<Job>,
    Named(view): Named<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    row_asked(job, RowQuestion::of(view, None, pairs(&uri), &headers)).await
}

async fn row_asked(job: Job, asked: Result<RowQuestion, String>) -> Response {
    match asked {
        Ok(asked) => answer(job, move |job| row(job, &asked)).await,
        Err(error) => {
            let hint = "write /features/{view}?id=ID, with what is no letter or digit as %XX, and \
                        &positions=true to be told which events it shows";
            refusal(StatusCode::BAD_REQUEST, &error, hint)
        }
    }
}

async fn explained(
    State(job): State<Job>,
    Named(view): Named<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match ExplainQuestion::of(view, pairs(&uri), &headers) {
        Some(question) => answer(job, move |job| explain::explained(job, &question)).await,
        None => explain::not_asked(),
    }
}

/// `POST` asks for it, anything else whether it is so.
async fn forgotten(
    State(job): State<Job>,
    Named(entity): Named<String>,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    match ForgetQuestion::of((entity, method != Method::POST), pairs(&uri), &headers) {
        Some(asked) => answer(job, move |job| forget::forgotten(job, &asked)).await,
        None => forget::not_asked(),
    }
}

/// What is asked behind a path; nothing where that is no pairs.
fn pairs(uri: &Uri) -> Vec<(String, String)> {
    Query::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

fn row(job: &dyn Introspect, asked: &RowQuestion) -> Response {
    let RowQuestion { view, id, .. } = asked;
    match job.row(asked) {
        RowAnswer::Row(row) => json_answer(StatusCode::OK, &row),
        RowAnswer::NoRow { as_of, positions } => {
            let mut answer = json!({
                "error": format!("no row for \"{id}\" in view \"{view}\""),
                "hint": "a missing row reads as the empty values: counts, sums and ratios 0, \
                         everything else null",
                "as_of": as_of,
            });
            if let (Some(positions), Some(members)) = (positions, answer.as_object_mut()) {
                members.insert("positions".to_owned(), json!(positions));
            }
            json_answer(StatusCode::NOT_FOUND, &answer)
        }
        RowAnswer::UnknownView { nearest } => unknown_name("view", view, nearest.as_deref()),
        RowAnswer::Elsewhere { code, body } => passed_on(code, body),
        RowAnswer::Unavailable(why) => {
            let error = format!("the row cannot be read: {why}");
            json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": error }))
        }
    }
}

/// What is answered where the job has no such view or feature.
pub(super) fn unknown_name(kind: &str, name: &str, nearest: Option<&str>) -> Response {
    let hint = match nearest {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("`tidemark check` lists the {kind}s of a job"),
    };
    refusal(StatusCode::NOT_FOUND, &format!("no {kind} \"{name}\""), &hint)
}

/// What another process has answered.
pub(super) fn passed_on(code: u16, body: String) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn unknown() -> Response {
    let hint = "there are /, /metrics, /health, /ready, /overview, /catalogue, /docs/, /log, \
                /settings, /features/{view}/{id}, /features/{view}?id=, \
                /explain/{view}?id=&feature= and /forget/{entity}?id=";
    refusal(StatusCode::NOT_FOUND, "no such path", hint)
}

async fn method() -> Response {
    let error = json!({ "error": "only GET is answered, and POST at /log and /forget" });
    json_answer(StatusCode::METHOD_NOT_ALLOWED, &error)
}

/// Asks the job on one of the threads that may wait, once there is one.
async fn answer(
    job: Job,
    ask: impl FnOnce(&dyn Introspect) -> Response + Send + 'static,
) -> Response {
    let Job { asked, asking, .. } = job;
    answered_on(asking, move || ask(asked.as_ref())).await
}

/// Answers on one of the threads that `threads` counts, once there is one.
pub(super) async fn answered_on(
    threads: Arc<Semaphore>,
    make: impl FnOnce() -> Response + Send + 'static,
) -> Response {
    in_time(async move {
        // Held by the thread, which goes on when nobody waits for it any more.
        let thread = threads.acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            let _thread = thread;
            make()
        })
        .await
    })
    .await
}

/// Asks the job on a thread that is kept for it.
async fn answer_at_once(
    job: Job,
    ask: impl FnOnce(&dyn Introspect) -> Response + Send + 'static,
) -> Response {
    in_time(tokio::task::spawn_blocking(move || ask(job.asked.as_ref()))).await
}

/// Waits for an answer, and only so long.
pub(super) async fn in_time(
    answer: impl Future<Output = Result<Response, tokio::task::JoinError>>,
) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            let error = json!({ "error": "answering failed; the log has the reason" });
            json_answer(StatusCode::INTERNAL_SERVER_ERROR, &error)
        }
        Err(_) => {
            let error = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
            json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": error }))
        }
    }
}

/// What is not answered, why, and what to do.
pub(super) fn refusal(code: StatusCode, error: &str, hint: &str) -> Response {
    json_answer(code, &json!({ "error": error, "hint": hint }))
}

pub(super) fn json_answer(code: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_string(body) {
        Ok(mut text) => {
            text.push('\n');
            (code, [(header::CONTENT_TYPE, "application/json")], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot write an answer as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn plain(text: String) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
