//! A source's lookups: names for what reference tables say about its events.

use super::super::name;
use super::{Definition, FieldDeclared, is_time};
use crate::document::{At, Literal, Table};
use tidemark_operators::plan::TimeField;

const LOOKUPS_MAX: usize = 256;

/// A lookup as it was written.
#[derive(Debug)]
pub(crate) struct LookupDeclared {
    pub(crate) name: At<String>,
    /// What else is known of it; `None` when something is missing, which is recorded.
    pub(crate) asked: Option<Asked>,
}

/// What is looked up.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) table: At<String>,
    /// A field of the source.
    pub(crate) key: At<String>,
    pub(crate) column: At<String>,
    pub(crate) default: Option<At<Literal>>,
}

/// Reads the table of a source's lookups.
pub(super) fn lookups(
    table: &mut Table<'_>,
    source: &str,
    fields: &[FieldDeclared],
    definitions: &[Definition],
    time: &TimeField,
) -> Vec<LookupDeclared> {
    let Some(mut inner) = table.table("lookup", &format!("the lookups of source \"{source}\""))
    else {
        return Vec::new();
    };
    let problems = table.problems();
    let named = inner.named();
    if let Some(first_too_many) = named.get(LOOKUPS_MAX) {
        let message =
            format!("a source has at most {LOOKUPS_MAX} lookups, this one has {}", named.len());
        problems.wrong(&first_too_many.name, message, None);
    }
    let mut lookups = Vec::new();
    for entry in named.into_iter().take(LOOKUPS_MAX) {
        let what = format!("lookup \"{}\"", entry.name.value);
        name::check(&entry.name, "lookup", problems);
        let field = fields.iter().any(|field| field.name == entry.name.value);
        if field || is_time(&entry.name.value, time) {
            problems.wrong(&entry.name, format!("{what} has the name of a field"), None);
            continue;
        }
        if definitions.iter().any(|it| it.name.value == entry.name.value) {
            problems.wrong(&entry.name, format!("{what} has the name of a definition"), None);
            continue;
        }
        let asked = match entry.as_table(what.clone()) {
            Some(table) => asked(table),
            None => {
                entry.mistyped(&what, "a table with \"table\", \"key\" and \"column\"");
                None
            }
        };
        lookups.push(LookupDeclared { name: entry.name, asked });
    }
    lookups
}

fn asked(mut table: Table<'_>) -> Option<Asked> {
    for key in ["table", "key", "column"] {
        table.need(key);
    }
    let (named, key, column) = (table.text("table"), table.text("key"), table.text("column"));
    let default = table.literal("default");
    table.finish();
    Some(Asked { table: named?, key: key?, column: column?, default })
}
