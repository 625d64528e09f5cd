//! What makes a record itself: `id`, and for how long copies of it are told.

use super::fields::FieldDeclared;
use crate::document::{At, Table, suggestion};
use tidemark_operators::plan::{Duplicates, UNIQUE_IDS_MAX, UniquePlan};
use tidemark_operators::time::DAY;
use tidemark_operators::value::Type;

/// The most fields of an id.
const ID_FIELDS_MAX: usize = 8;
/// The bounds on how many ids are kept for a partition.
const IDS_MAX: std::ops::RangeInclusive<i64> = 1_000..=1_000_000_000;

/// Reads what `table`, a source with these fields, says of ids; the plan's are indices into them.
pub(super) fn unique(table: &mut Table<'_>, fields: &[FieldDeclared]) -> Option<UniquePlan> {
    if !table.has("id") {
        for key in ["unique_within", "unique_ids_max", "duplicates"] {
            table.refuse(key, "is about records with an \"id\", which the source does not name");
        }
        return None;
    }
    let names = match table.is_list("id") {
        true => table.texts("id")?,
        false => vec![table.text("id")?],
    };
    if names.is_empty() || names.len() > ID_FIELDS_MAX {
        let message = format!(
            "\"id\" in {} must name 1 to {ID_FIELDS_MAX} fields, not {}",
            table.label(),
            names.len()
        );
        table.problems().push(table.at(), Some("id"), message, None);
    }
    let id = names.iter().filter_map(|name| field(name, fields, table)).collect();
    table.need("unique_within");
    let within = table.duration("unique_within", 1..=366 * DAY);
    let ids_max = table.integer("unique_ids_max", IDS_MAX);
    let ids_max = ids_max.and_then(|at| usize::try_from(at.value).ok());
    let duplicates = match table.choice("duplicates", &["skip", "dead"]).map(|at| at.value) {
        Some("dead") => Duplicates::Dead,
        _ => Duplicates::Skip,
    };
    let (within, ids_max) = (within?.value, ids_max.unwrap_or(UNIQUE_IDS_MAX));
    Some(UniquePlan { id, within, ids_max, duplicates })
}

/// The field that is called so.
fn field(name: &At<String>, fields: &[FieldDeclared], table: &Table<'_>) -> Option<usize> {
    let Some(at) = fields.iter().position(|field| field.name == name.value) else {
        let message = format!("\"id\" in {} names no field: \"{}\"", table.label(), name.value);
        let hint = suggestion(&name.value, fields.iter().map(|field| field.name.as_str()));
        table.problems().push(name.span.start, Some("id"), message, hint);
        return None;
    };
    if fields.get(at).is_some_and(|field| field.ty == Some(Type::Double)) {
        let message = format!(
            "\"id\" in {} cannot be \"{}\": a double is rounded, so that two ids may be one",
            table.label(),
            name.value
        );
        let hint = "declare the field as a string".to_owned();
        table.problems().push(name.span.start, Some("id"), message, Some(hint));
        return None;
    }
    Some(at)
}
