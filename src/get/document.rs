//! A row as JSON.

use crate::online::redis::TextRow;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::value::Type;

/// What `tidemark get --format json` prints.
#[derive(Serialize)]
pub(super) struct RowDocument<'a> {
    job: &'a str,
    view: &'a str,
    id: &'a str,
    /// Numbers as the store has them, to the last digit.
    features: BTreeMap<&'a str, Option<Box<RawValue>>>,
}

/// The document of a row of `view`.
pub(super) fn document<'a>(
    job: &'a str,
    view: &'a ViewPlan,
    id: &'a str,
    row: &'a TextRow,
) -> RowDocument<'a> {
    let features = row.iter().map(|(name, value)| {
        let feature = view.features.iter().find(|feature| feature.name == *name);
        let ty = feature.map_or(Type::Text, |feature| feature.ty);
        (name.as_str(), value.as_deref().and_then(|value| json(ty, value)))
    });
    RowDocument { job, view: &view.name, id, features: features.collect() }
}

/// A value of a type as JSON; what is no value of it, as the text it is.
fn json(ty: Type, value: &str) -> Option<Box<RawValue>> {
    let plain = match ty {
        Type::Int | Type::Decimal | Type::Double | Type::Timestamp => {
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
        let text = serde_json::to_string(&document("fraud", view, "c\"1", &row)).unwrap();
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
    fn what_is_no_value_of_the_type_is_a_text() {
        assert_eq!(json(Type::Int, "3x").unwrap().get(), "\"3x\"");
        assert_eq!(json(Type::Text, "3").unwrap().get(), "\"3\"");
        assert_eq!(json(Type::Bool, "1").unwrap().get(), "\"1\"");
    }
}
