//! The documentation beside a job, below `/docs/`.

use crate::docs::ServedDocs;
use crate::http::page;
use crate::http::routes::answered_on;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// What pages are made from, one at a time: on a thread that nothing else waits for.
#[derive(Clone)]
struct Documentation {
    docs: Arc<ServedDocs>,
    making: Arc<Semaphore>,
}

/// The paths.
pub(crate) fn router<S>(docs: Arc<ServedDocs>) -> Router<S> {
    let documentation = Documentation { docs, making: Arc::new(Semaphore::new(1)) };
    Router::new()
        // Links lead to what is below it, also behind a proxy that has a path before ours.
        .route("/docs", get(async || (StatusCode::SEE_OTHER, [(header::LOCATION, "docs/")])))
        .route("/docs/", get(async |State(it): State<Documentation>| it.file(String::new()).await))
        .route(
            "/docs/{file}",
            get(async |State(it): State<Documentation>, Path(file): Path<String>| {
                it.file(file).await
            }),
        )
        .with_state(documentation)
}

impl Documentation {
    async fn file(self, name: String) -> Response {
        let Documentation { docs, making } = self;
        answered_on(making, move || match docs.file(&name) {
            Some(file) => page::answer(file.kind, file.text.into_owned()),
            None => StatusCode::NOT_FOUND.into_response(),
        })
        .await
    }
}
