//! Values of columns as JSON.

use tidemark_operators::json::push_json;
use tidemark_operators::plan::{FeaturePlan, ViewPlan};
use tidemark_operators::value::{Column, Type};

/// The features of a view as JSON, from row `row` of its columns.
pub(crate) fn features(view: &ViewPlan, columns: &[Column], row: usize) -> Vec<String> {
    let json = |feature: &FeaturePlan| json_text(columns.get(feature.column), feature.ty, row);
    view.features.iter().map(json).collect()
}

/// A value of a column as JSON; null where there is no column.
pub(super) fn json_text(column: Option<&Column>, ty: Type, row: usize) -> String {
    let mut out = Vec::new();
    match column {
        Some(column) => push_json(column, ty, row, &mut out),
        None => out.extend_from_slice(b"null"),
    }
    String::from_utf8_lossy(&out).into_owned()
}
