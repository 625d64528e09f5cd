//! `/log`: the log level, and another one from now on.

use super::routes::{in_time, json_answer};
use crate::logging;
use axum::body::{Body, to_bytes};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

/// The longest level or filter that is read, in bytes.
const LEVEL_BYTES_MAX: usize = 1024;

/// The level that holds.
pub(super) async fn shown() -> Response {
    json_answer(StatusCode::OK, &json!({ "level": logging::level() }))
}

/// The body is the level, or filter, that holds from now on.
pub(super) async fn changed(body: Body) -> Response {
    in_time(async move { Ok(change(body).await) }).await
}

async fn change(body: Body) -> Response {
    let Ok(body) = to_bytes(body, LEVEL_BYTES_MAX).await else {
        let error = format!("a level has at most {LEVEL_BYTES_MAX} bytes");
        let answer = json!({ "error": error, "hint": logging::LEVEL_HINT });
        return json_answer(StatusCode::PAYLOAD_TOO_LARGE, &answer);
    };
    let level = String::from_utf8_lossy(&body);
    match logging::set_level(level.trim()) {
        Ok(before) => {
            json_answer(StatusCode::OK, &json!({ "level": level.trim(), "before": before }))
        }
        Err(error) => {
            let answer = json!({ "error": error.to_string(), "hint": logging::LEVEL_HINT });
            json_answer(StatusCode::BAD_REQUEST, &answer)
        }
    }
}
