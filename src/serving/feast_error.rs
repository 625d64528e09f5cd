//! What is not answered, in the words and the forms of Feast's server: its clients read them.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request that gets no features.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FeastError {
    code: u16,
    body: Value,
    collision: bool,
}

impl FeastError {
    /// What Feast answers with 500 and the text of an exception.
    pub fn text(why: impl Into<String>) -> FeastError {
        FeastError { code: 500, body: Value::String(why.into()), collision: false }
    }

    /// An error of Feast's own classes: a JSON text that holds JSON.
    pub fn feast(code: u16, class: &str, message: impl Into<String>) -> FeastError {
        // In the order in which Feast writes them.
        let (class, message) = (json!(class), json!(message.into()));
        let inner =
            format!(r#"{{"module": "feast.errors", "class": {class}, "message": {message}}}"#);
        FeastError { code, body: Value::String(inner), collision: false }
    }

    /// Two columns of one name.
    pub fn collision(name: &str, full_names: bool) -> FeastError {
        let remedy = match full_names {
            true => {
                "please ensure that the feature views or their own features have different names."
            }
            false => {
                "either use the full feature name by setting 'full_feature_names=True', or ensure \
                 that the features in question have different names."
            }
        };
        let message =
            format!("Duplicate features named {name} found.\nTo resolve this collision, {remedy}");
        FeastError {
            collision: true,
            ..FeastError::feast(500, "FeatureNameCollisionError", message)
        }
    }

    /// Whether two columns would have one name.
    pub fn is_collision(&self) -> bool {
        self.collision
    }

    /// The reason alone.
    pub fn why(&self) -> String {
        match &self.body {
            Value::String(why) => why.clone(),
            body => body.get("detail").unwrap_or(body).to_string(),
        }
    }

    /// A body that is no question: what is wrong with which part of it.
    pub fn body(kind: &str, place: &[&str], message: impl Into<String>) -> FeastError {
        let place: Vec<&str> = ["body"].iter().chain(place).copied().collect();
        let message = message.into();
        let body = json!({ "detail": [{ "type": kind, "loc": place, "msg": message }] });
        FeastError { code: 422, body, collision: false }
    }

    /// A body that is no JSON.
    pub fn json(text: &[u8], error: &serde_json::Error) -> FeastError {
        let lines = text.split_inclusive(|byte| *byte == b'\n').take(error.line().max(1) - 1);
        // One that is cut off fails where it ends.
        let column = error.column().saturating_sub(usize::from(!error.is_eof()));
        let at = lines.map(<[u8]>::len).sum::<usize>() + column;
        let body = json!({ "detail": [{
            "type": "json_invalid", "loc": ["body", at], "msg": "JSON decode error",
            "input": {}, "ctx": { "error": error.to_string() },
        }] });
        FeastError { code: 422, body, collision: false }
    }

    /// `{"detail": ..}`, as FastAPI says it.
    pub fn detail(code: u16, why: impl Into<String>) -> FeastError {
        FeastError { code, body: json!({ "detail": why.into() }), collision: false }
    }

    /// Whether somebody else may be asked, or the same later.
    pub fn unavailable(why: impl std::fmt::Display) -> FeastError {
        FeastError { code: 503, body: Value::String(why.to_string()), collision: false }
    }
}

impl IntoResponse for FeastError {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (code, [(header::CONTENT_TYPE, "application/json")], self.body.to_string()).into_response()
    }
}
