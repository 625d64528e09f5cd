//! The page of a running job: a few files inside the binary, which ask nobody but this server.

use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const PAGE: &str = include_str!("page/page.html");
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What belongs to the page: name, kind and text.
const FILES: [(&str, &str, &str); 7] = [
    ("page.css", CSS, include_str!("page/page.css")),
    ("page.js", SCRIPT, include_str!("page/page.js")),
    ("draw.js", SCRIPT, include_str!("page/draw.js")),
    ("tables.js", SCRIPT, include_str!("page/tables.js")),
    ("entity.js", SCRIPT, include_str!("page/entity.js")),
    ("why.js", SCRIPT, include_str!("page/why.js")),
    ("catalogue.js", SCRIPT, include_str!("page/catalogue.js")),
];

/// What the page may do: load its own files and ask this server. Ids and reasons that hold markup
/// stay text, and would do nothing if they did not.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";

/// Whether who asks is a browser: it names HTML, where `curl` takes anything.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accepts.is_some_and(|accept| accept.contains("text/html"))
}

pub(super) fn page() -> Response {
    answer("text/html; charset=utf-8", PAGE)
}

/// `/page/{file}`.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => answer(kind, *text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) fn answer(kind: &'static str, text: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version of Tidemark may answer here next.
        (header::CACHE_CONTROL, "no-cache"),
        // Of the same path others get a list of paths.
        (header::VARY, "accept"),
    ];
    (headers.map(|(name, value)| (name, HeaderValue::from_static(value))), text.into())
        .into_response()
}
