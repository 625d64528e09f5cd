//! A row as JSON.

use crate::online::redis::TextRow;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::value::Type;

/// A row: names and values, which are JSON, to the last digit as where they are from; `None` is null.
pub(crate) type JsonRow = Vec<(String, Option<Box<RawValue>>)>;

/// What `tidemark get --format json` prints.
#[derive(Serialize)]
pub(super) struct RowDocument<'a> {
    job: Option<&'a str>,
    view: &'a str,
    id: &'a str,
    features: BTreeMap<String, Option<Box<RawValue>>>,
}

/// The document of a row.
pub(super) fn document<'a>(
    job: Option<&'a str>,
    view: &'a str,
    id: &'a str,
    row: JsonRow,
) -> RowDocument<'a> {
    RowDocument { job, view, id, features: row.into_iter().collect() }
}

/// A row of `view` as a store has it, in the types of its features.
pub(super) fn typed(view: &ViewPlan, row: &TextRow) -> JsonRow {
    let value = |(name, value): &(String, Option<String>)| {
        let feature = view.features.iter().find(|feature| feature.name == *name);
        let ty = feature.map_or(Type::Text, |feature| feature.ty);
        (name.clone(), value.as_deref().and_then(|value| json(ty, value)))
    };
    row.iter().map(value).collect()
}

/// A value as a store has it: a text without its quotes.
pub(super) fn text(value: Option<&RawValue>) -> String {
    let written = value.map_or("null", RawValue::get);
    match written.starts_with('"') {
        true => serde_json::from_str(written).unwrap_or_else(|_| written.to_owned()),
        false => written.to_owned(),
    }
}

/// A value of a type as JSON; what is no value of it, as the text it is.
fn json(ty: Type, value: &str) -> Option<Box<RawValue>> {
    let plain = match ty {
        Type::Int | Type::Decimal(_) | Type::Double | Type::Timestamp => {
            serde_json::from_str::<serde_json::Number>(value).is_ok()
        }
        Type::Bool => matches!(value, "true" | "false"),
        Type::Text | Type::Ip => false,
    };
    let text = if plain { value.to_owned() } else { serde_json::to_string(value).ok()? };
    RawValue::from_string(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_row_is_one_document_with_typed_values() {
        let plan = crate::job_file::load("fraud").unwrap().plan;
        let view = plan.view(0).unwrap();
        let row: TextRow = [
            ("txn_count_5m", Some("3")),
            ("amount_sum_5m", Some("188.19954698275865")),
            ("is_high_velocity", Some("true")),
            ("amount_zscore", None),
        ]
        .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
        .to_vec();
        let document = document(Some("fraud"), &view.name, "c\"1", typed(view, &row));
        let text = serde_json::to_string(&document).unwrap();
        assert!(text.contains(":188.19954698275865,") || text.contains(":188.19954698275865}"));
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            read,
            json!({"job": "fraud", "view": "transaction_stats_5m", "id": "c\"1", "features": {
                "txn_count_5m": 3, "amount_sum_5m": 188.19954698275865,
                "is_high_velocity": true, "amount_zscore": null,
            }})
        );
    }

    #[test]
    fn a_value_is_shown_as_the_store_has_it() {
        let shown =
            |text: &str| super::text(Some(&RawValue::from_string(text.to_owned()).unwrap()));
        assert_eq!(shown("188.19954698275865"), "188.19954698275865");
        assert_eq!(shown("\"a\\\"b\""), "a\"b");
        assert_eq!(super::text(None), "null");
    }

    #[test]
    fn what_is_no_value_of_the_type_is_a_text() {
        assert_eq!(json(Type::Int, "3x").unwrap().get(), "\"3x\"");
        assert_eq!(json(Type::Text, "3").unwrap().get(), "\"3\"");
        assert_eq!(json(Type::Bool, "1").unwrap().get(), "\"1\"");
    }
}
