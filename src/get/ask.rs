//! Asking a running process for a row.

use crate::ask::{self, PATIENCE, segment};
use crate::failure::Failure;
use crate::get::document::JsonRow;
use crate::http::ShownPositions;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;
use tidemark_operators::time::EventTime;

/// How often rows are asked for that are being written, and how long it is waited in between.
const BUSY_TRIES: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_millis(200);
const UNAVAILABLE: u16 = 503;

/// The row of `id` in `view` from the process at `url`; `None` when it has none.
///
/// # Errors
/// When nobody answers there, or what answers is not a job with that view.
pub(super) fn row(url: &str, view: &str, id: &str) -> Result<Option<JsonRow>, Failure> {
    asked(url, (view, id), "").map(|(row, _)| row)
}

/// A row of a running process.
pub(crate) struct PositionedRow {
    /// `None`: there is none.
    pub row: Option<JsonRow>,
    /// The live clock as of which that is.
    pub as_of: EventTime,
    /// Which events it shows.
    pub positions: ShownPositions,
}

/// The same, with the events that it shows.
///
/// # Errors
/// As [`row`], and when the process does not tell of them.
pub(crate) fn positioned_row(url: &str, view: &str, id: &str) -> Result<PositionedRow, Failure> {
    let (row, body) = asked(url, (view, id), "&positions=true")?;
    let told = body.as_of.zip(body.positions);
    let (as_of, positions) = told.ok_or_else(|| {
        let why = format!("the process at {url} does not tell which events its rows show");
        Failure::failed(why).hint("it is of an older release: use the one that this is of")
    })?;
    Ok(PositionedRow { row, as_of, positions })
}

/// An answer, once there is room for one.
fn answered(path: &str, tries: u32) -> Result<(u16, String), ureq::Error> {
    let mut answer = ask::get(path, PATIENCE)?;
    for _ in 1..tries {
        if answer.0 != UNAVAILABLE {
            break;
        }
        std::thread::sleep(BUSY_PAUSE);
        answer = ask::get(path, PATIENCE)?;
    }
    Ok(answer)
}

fn asked(
    url: &str,
    (view, id): (&str, &str),
    more: &str,
) -> Result<(Option<JsonRow>, Body), Failure> {
    let path = format!("{url}/features/{}?id={}{more}", segment(view), segment(id));
    let tries = if more.is_empty() { 1 } else { BUSY_TRIES };
    let (code, answer) = answered(&path, tries).map_err(|error| {
        Failure::failed(format!("cannot ask the job at {url} for a row: {error}")).hint(
            "start `tidemark demo` or `tidemark run JOB`, or name another address by --http URL, \
             HEALTH_CHECK_PORT, or \"port\" in [http] of cluster.toml; rows in Redis are read \
             with the job: tidemark get JOB VIEW ID",
        )
    })?;
    let mut body: Body = serde_json::from_str(&answer).map_err(|_| {
        Failure::failed(format!("what answers at {url} is no tidemark process (status {code})"))
            .hint("name the address that `tidemark run` or `tidemark demo` shows, by --http URL")
    })?;
    match (code, body.features.take(), body.as_of) {
        (200, Some(features), Some(_)) => Ok((Some(features.0), body)),
        (404, _, Some(_)) => Ok((None, body)),
        _ => {
            let why = body.error.as_deref().unwrap_or("no reason given");
            let failure = Failure::failed(format!("the job at {url} did not give the row: {why}"));
            let hint = body.hint.unwrap_or_else(|| "see its log".to_owned());
            Err(failure.hint(format!("{hint}; it is asked as tidemark get [JOB] VIEW ID")))
        }
    }
}

/// What there may be in an answer.
#[derive(Deserialize)]
struct Body {
    features: Option<OrderedFeatures>,
    as_of: Option<u64>,
    positions: Option<ShownPositions>,
    error: Option<String>,
    hint: Option<String>,
}

/// Features in the order of the answer, which is that of the job. Values are kept as they are written:
/// reading numbers could change their last digits.
struct OrderedFeatures(JsonRow);

impl<'de> Deserialize<'de> for OrderedFeatures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = OrderedFeatures;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names and values of features")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<OrderedFeatures, M::Error> {
        let mut row = JsonRow::new();
        while let Some(entry) = map.next_entry()? {
            row.push(entry);
        }
        Ok(OrderedFeatures(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn a_row_keeps_the_order_of_the_answer_and_the_digits_of_numbers() {
        let answer = r#"{"as_of":1,"features":{"z":188.19954698275865,"a":"a\"b","n":null}}"#;
        let body: Body = serde_json::from_str(answer).unwrap();
        let row = body.features.unwrap().0;
        let shown = row.iter().map(|(n, v)| (n.as_str(), v.as_deref().map(RawValue::get)));
        let shown: Vec<_> = shown.collect();
        assert_eq!(
            shown,
            [("z", Some("188.19954698275865")), ("a", Some(r#""a\"b""#)), ("n", None)]
        );
    }
}
