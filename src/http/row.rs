//! `/features/{view}/{id}`: one row.

use super::ShownPositions;
use axum::http::HeaderMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Value;

/// The header in which a process that asks another one says of which run of the job it is.
pub const RUN_HEADER: &str = "tidemark-run";

/// How much of what is not understood is shown.
const SHOWN_CHARS: usize = 100;

/// The run that such a process says it is of.
pub(super) fn run_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(RUN_HEADER).map(|run| run.to_str().unwrap_or_default())
}

/// Which row is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowQuestion {
    /// The view.
    pub view: String,
    /// The entity's id.
    pub id: String,
    /// Whether it is to be told which events the row shows.
    pub positions: bool,
    /// Another process of a job asks, of that run of it.
    pub run: Option<String>,
}

impl RowQuestion {
    /// From the path and what is behind it.
    ///
    /// # Errors
    /// What of it is something else.
    pub(super) fn of(
        view: String,
        mut id: Option<String>,
        asked: Vec<(String, String)>,
        headers: &HeaderMap,
    ) -> Result<RowQuestion, String> {
        let mut positions = None;
        for (key, value) in asked {
            match (key.as_str(), value.as_str()) {
                ("id", _) if id.is_none() => id = Some(value),
                ("positions", "true" | "false") if positions.is_none() => {
                    positions = Some(value == "true");
                }
                ("id", _) => return Err("one entity is asked for by one id".to_owned()),
                ("positions", _) => return Err("\"positions\" is true or false, once".to_owned()),
                (key, _) => {
                    let key: String = key.chars().take(SHOWN_CHARS).collect();
                    return Err(format!("nothing reads \"{key}\" of a question for a row"));
                }
            }
        }
        let run = run_of(headers).map(str::to_owned);
        let id = id.ok_or("one entity is asked for by one id")?;
        Ok(RowQuestion { view, id, positions: positions.unwrap_or(false), run })
    }
}

/// What asking for a row gave.
#[derive(Clone, Debug, PartialEq)]
pub enum RowAnswer {
    /// The row.
    Row(FeatureRow),
    /// The view exists and holds nothing for this entity. A missing row reads as the empty values:
    /// counts, sums and ratios 0, everything else null.
    NoRow {
        /// The live clock as of which there is none.
        as_of: EventTime,
        /// Which events that is of, where it was asked.
        positions: Option<ShownPositions>,
    },
    /// The job has no such view.
    UnknownView {
        /// The view with the nearest name, when one is near.
        nearest: Option<String>,
    },
    /// What the process answers whose entity it is.
    Elsewhere {
        /// Its status code: 200 or 404.
        code: u16,
        /// Its JSON.
        body: String,
    },
    /// The store cannot be asked now; the text says why, free of secrets.
    Unavailable(String),
}

/// The newest row of one entity and view.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureRow {
    /// The view's name.
    pub view: String,
    /// The entity's type.
    pub entity_type: String,
    /// The entity's id.
    pub entity_id: String,
    /// The live clock the row is as of.
    pub as_of: EventTime,
    /// The event time from which on the view's windows are complete: a window that reaches back
    /// before it may lack events that were never read. `None` when the whole log was read.
    pub complete_from: Option<EventTime>,
    /// Which events the row shows, where it was asked.
    pub positions: Option<ShownPositions>,
    /// Names and values of all features, in job order.
    pub features: Vec<(String, Value)>,
}

impl FeatureRow {
    /// The value of the feature `at`, by its place in the row, as JSON shows it.
    pub fn value(&self, at: usize) -> Option<Box<RawValue>> {
        let (_, value) = self.features.get(at)?;
        serde_json::value::to_raw_value(&Shown(value)).ok()
    }
}

impl Serialize for FeatureRow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("view", &self.view)?;
        map.serialize_entry("entity_type", &self.entity_type)?;
        map.serialize_entry("entity_id", &self.entity_id)?;
        map.serialize_entry("as_of", &self.as_of)?;
        map.serialize_entry("complete_from", &self.complete_from)?;
        if let Some(positions) = &self.positions {
            map.serialize_entry("positions", positions)?;
        }
        map.serialize_entry("features", &Features(&self.features))?;
        map.end()
    }
}

struct Features<'a>(&'a [(String, Value)]);

impl Serialize for Features<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, &Shown(value))?;
        }
        map.end()
    }
}

/// A value as JSON shows it.
struct Shown<'a>(&'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Int(value) | Value::Timestamp(value) => serializer.serialize_i64(*value),
            Value::Decimal(units, scale) => {
                serializer.serialize_f64(Value::decimal_as_double(*units, *scale))
            }
            Value::Double(value) => serializer.serialize_f64(*value),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Text(value) => serializer.serialize_str(value),
            Value::Ip(value) => serializer.collect_str(value),
        }
    }
}
