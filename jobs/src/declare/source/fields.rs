//! A source's fields and definitions.

use super::super::{Written, name};
use super::{split_path, time_name};
use crate::document::{At, Table};
use tidemark_operators::plan::TimeField;
use tidemark_operators::value::Type;

const FIELDS_MAX: usize = 512;
const DEFINITIONS_MAX: usize = 256;
const TYPES: [Type; 7] =
    [Type::Text, Type::Int, Type::Decimal, Type::Double, Type::Bool, Type::Timestamp, Type::Ip];

/// A field as it was written.
#[derive(Debug)]
pub(crate) struct FieldDeclared {
    pub(crate) name: String,
    pub(crate) path: Vec<String>,
    /// `None` when what was written is no type; that is recorded.
    pub(crate) ty: Option<Type>,
    pub(crate) required: bool,
}

/// A named expression over a source's fields.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: At<String>,
    /// `None` when it does not parse; that is recorded.
    pub(crate) written: Option<Written>,
}

/// Reads the table of a source's fields.
pub(super) fn fields(table: &mut Table<'_>, source: &str, time: &TimeField) -> Vec<FieldDeclared> {
    let Some(mut inner) = table.table("fields", &format!("the fields of source \"{source}\""))
    else {
        return Vec::new();
    };
    let problems = table.problems();
    let named = inner.named();
    if let Some(first_too_many) = named.get(FIELDS_MAX) {
        let message =
            format!("a source has at most {FIELDS_MAX} fields, this one has {}", named.len());
        problems.wrong(&first_too_many.name, message, None);
    }
    let mut fields = Vec::new();
    for entry in named.into_iter().take(FIELDS_MAX) {
        let what = format!("field \"{}\"", entry.name.value);
        name::check(&entry.name, "field", problems);
        if entry.name.value == time_name(time) {
            let message = format!("{what} has the name of the event time");
            let hint =
                "remove it: \"time\" names the field already, and expressions may use it".into();
            problems.wrong(&entry.name, message, Some(hint));
            continue;
        }
        let name = entry.name.value.clone();
        let mut field = FieldDeclared { path: vec![name.clone()], name, ty: None, required: true };
        if let Some(text) = entry.as_text() {
            field.required = !text.value.ends_with('?');
            let name = text.value.strip_suffix('?').unwrap_or(&text.value).to_owned();
            field.ty = type_named(&text.map(|_| name), &what, &inner);
        } else if let Some(mut long) = entry.as_table(what.clone()) {
            long.need("type");
            field.ty = long.text("type").and_then(|name| type_named(&name, &what, &long));
            field.required = !long.boolean("optional").is_some_and(|flag| flag.value);
            if let Some(path) = long.text("path").and_then(|path| split_path(&path, "path", &long))
            {
                field.path = path;
            }
            long.finish();
        } else {
            entry.mistyped(&what, "a type such as \"string\", or a table with a \"type\"");
        }
        fields.push(field);
    }
    fields
}

pub(in super::super) fn type_named(
    name: &At<String>,
    what: &str,
    table: &Table<'_>,
) -> Option<Type> {
    let ty = TYPES.into_iter().find(|ty| ty.name() == name.value);
    if ty.is_none() {
        let message = format!("{what} cannot be of type \"{}\"", name.value);
        let meant =
            [("text", "string"), ("float", "double"), ("integer", "int"), ("boolean", "bool")];
        let hint = meant.iter().find(|(wrong, _)| *wrong == name.value);
        let hint = hint.map(|(_, right)| format!("did you mean \"{right}\"?"));
        match hint {
            Some(hint) => table.problems().wrong(name, message, Some(hint)),
            None => table.problems().unknown(name, message, TYPES.map(Type::name)),
        }
    }
    ty
}

/// Reads the table of a source's definitions.
pub(super) fn definitions(
    table: &mut Table<'_>,
    source: &str,
    fields: &[FieldDeclared],
    time: &TimeField,
) -> Vec<Definition> {
    let Some(mut inner) = table.table("define", &format!("the definitions of source \"{source}\""))
    else {
        return Vec::new();
    };
    let problems = table.problems();
    let named = inner.named();
    if let Some(first_too_many) = named.get(DEFINITIONS_MAX) {
        let message = format!(
            "a source has at most {DEFINITIONS_MAX} definitions, this one has {}",
            named.len()
        );
        problems.wrong(&first_too_many.name, message, None);
    }
    let mut definitions = Vec::new();
    for entry in named.into_iter().take(DEFINITIONS_MAX) {
        let what = format!("definition \"{}\"", entry.name.value);
        name::check(&entry.name, "definition", problems);
        let taken = fields.iter().any(|field| field.name == entry.name.value);
        if taken || entry.name.value == time_name(time) {
            problems.wrong(&entry.name, format!("{what} has the name of a field"), None);
            continue;
        }
        let written = match entry.as_text() {
            Some(text) => Written::parse(text, &what, problems),
            None => {
                entry.mistyped(&what, "an expression in quotes");
                None
            }
        };
        definitions.push(Definition { name: entry.name, written });
    }
    definitions
}
