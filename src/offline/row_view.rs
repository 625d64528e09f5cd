//! What a file of a view's rows has: the columns that stores of features and warehouses join by.
//!
//! ```text
//! card_id | event_timestamp | created | the features .. | source | source_partition | source_offset
//! ```
//!
//! A row is as of `event_timestamp`. Of rows of one entity and time the one with the latest `created` has
//! seen the others: it is `event_timestamp`, and a microsecond later for each of them before it. The last
//! three say which event the row belongs to; they are null in rows that time alone has changed, and in those
//! of 1970, which say what features were before anything was known.
//!
//! # Why this way
//!
//! - A timestamp among features is whole milliseconds, as online: a join gives what is served.
//! - The names of the last three are long, since `offset` and `partition` are words of SQL.

use super::parquet_file::{ParquetKind, ParquetValue};
use std::borrow::Cow;
use std::collections::HashSet;
use tidemark_jobs::docs::empty_row;
use tidemark_operators::plan::{JoinKey, Plan};
use tidemark_operators::value::{Type, Value};

/// The columns in front of the features, behind the key.
const TIMES: [&str; 2] = ["event_timestamp", "created"];
/// The columns behind the features, and what they have.
const ORIGIN: [(&str, ParquetKind); 3] = [
    ("source", ParquetKind::Text),
    ("source_partition", ParquetKind::Int),
    ("source_offset", ParquetKind::Int),
];

/// The columns of a view's rows.
#[derive(Clone, Debug, PartialEq)]
pub struct RowView {
    /// The view's name.
    pub name: String,
    /// All columns: the key, the times, the features, the origin.
    pub columns: Vec<(String, ParquetKind)>,
    /// For each feature its name as it stands in a line, and what it has.
    pub(super) features: Vec<(String, ParquetKind)>,
    /// What each feature is of no events.
    pub(super) empty: Vec<ParquetValue<'static>>,
}

impl RowView {
    /// Those of all views of `plan`, in the order of the job.
    ///
    /// # Errors
    /// When two columns of a view would have one name; upper and lower case count for nothing, as in SQL.
    pub fn all(plan: &Plan) -> Result<Vec<Self>, String> {
        let views = (0..plan.views.len()).filter_map(|at| plan.view(at).zip(plan.views.get(at)));
        let mut all = Vec::with_capacity(plan.views.len());
        for (view, index) in views {
            let Some(entity) = plan.entities.get(index.entity) else { continue };
            let key = JoinKey::of(plan, entity);
            let key_kind = if key.ty == Type::Int { ParquetKind::Int } else { ParquetKind::Text };
            let mut columns = vec![(key.name, key_kind)];
            columns.extend(TIMES.map(|name| (name.to_owned(), ParquetKind::Time)));
            let features =
                view.features.iter().map(|feature| (feature.name.clone(), kind(feature.ty)));
            columns.extend(features);
            columns.extend(ORIGIN.map(|(name, kind)| (name.to_owned(), kind)));
            let mut known = HashSet::new();
            if let Some((twice, _)) =
                columns.iter().find(|(name, _)| !known.insert(name.to_lowercase()))
            {
                return Err(format!(
                    "rows of the view {} would have two columns \"{twice}\": the key, event_timestamp, \
                     created, source, source_partition and source_offset stand beside its features; rename \
                     the feature",
                    view.name
                ));
            }
            let comma = |at| if at > 0 { "," } else { "" };
            let named = |(at, feature): (usize, &tidemark_operators::plan::FeaturePlan)| {
                let name = tidemark_operators::json::quoted(&feature.name);
                (format!("{}{name}:", comma(at)), kind(feature.ty))
            };
            all.push(RowView {
                name: view.name.clone(),
                columns,
                features: view.features.iter().enumerate().map(named).collect(),
                empty: empty_row(view, &plan.zone).into_iter().map(column_value).collect(),
            });
        }
        Ok(all)
    }

    /// Its features by name.
    pub(super) fn named_features(&self) -> impl Iterator<Item = (&str, ParquetKind)> {
        let features = self.columns.iter().skip(1 + TIMES.len()).take(self.features.len());
        features.map(|(name, kind)| (name.as_str(), *kind))
    }

    /// Its columns, as a file is made with them.
    pub(super) fn named(&self) -> Vec<(&str, ParquetKind)> {
        self.columns.iter().map(|(name, kind)| (name.as_str(), *kind)).collect()
    }
}

/// A feature as its column has it.
fn column_value(value: Value) -> ParquetValue<'static> {
    let text = |text: String| ParquetValue::Text(Cow::Owned(text.into_bytes()));
    match value {
        Value::Null => ParquetValue::Null,
        Value::Int(value) | Value::Timestamp(value) => ParquetValue::Int(value),
        Value::Decimal(units, scale) => {
            ParquetValue::Double(Value::decimal_as_double(units, scale))
        }
        Value::Double(value) => ParquetValue::Double(value),
        Value::Bool(value) => ParquetValue::Bool(value),
        Value::Text(value) => text(value),
        Value::Ip(address) => text(address.to_string()),
    }
}

/// What a feature's column has.
fn kind(ty: Type) -> ParquetKind {
    match ty {
        Type::Int | Type::Timestamp => ParquetKind::Int,
        Type::Decimal(_) | Type::Double => ParquetKind::Double,
        Type::Bool => ParquetKind::Bool,
        Type::Text | Type::Ip => ParquetKind::Text,
    }
}
