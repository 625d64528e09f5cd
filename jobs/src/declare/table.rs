//! `[tables.NAME]`: reference tables that events are looked up in.

use super::name;
use super::source::{Root, event_range, holding, split_path, time_field, type_named};
use crate::document::{At, Table};
use std::sync::Arc;
use tidemark_operators::plan::path::element;
use tidemark_operators::plan::{
    FieldPlan, Format, Matching, SourcePlan, TableColumn, TableFrom, TablePlan, TimeField,
    TimeForm, TimeUnit,
};
use tidemark_operators::time::{DAY, Millis, SECOND};
use tidemark_operators::value::Type;
use tidemark_operators::zone::Zone;

const COLUMNS_MAX: usize = 256;
const ROWS_DEFAULT: i64 = 1_000_000;
const ROWS_MAX: i64 = 10_000_000;
const RELOAD_DEFAULT: Millis = 10 * SECOND;

/// A table as it was written.
#[derive(Debug)]
pub(crate) struct TableDeclared {
    pub(crate) name: At<String>,
    pub(crate) description: String,
    /// Columns of an unknown type are as texts; that is recorded.
    pub(crate) plan: TablePlan,
    /// By column: whether its type is known.
    pub(crate) typed: Vec<bool>,
}

impl TableDeclared {
    pub(super) fn read(name: At<String>, mut table: Table<'_>, zone: &Arc<Zone>) -> Self {
        let (topic, file) = place(&mut table);
        table.need("key");
        let key = table.text("key").map(|key| key.value).unwrap_or_default();
        let matching = matching(&mut table);
        let (columns, typed) = columns(&mut table, &name.value, &key);
        let rows_max = table.integer("rows_max", 1..=ROWS_MAX).map_or(ROWS_DEFAULT, |at| at.value);
        let description = table.text("description").map(|text| text.value).unwrap_or_default();
        let from = match topic {
            Some(topic) => from_topic(&mut table, &name.value, topic, &columns, zone),
            None => from_file(&mut table, file),
        };
        table.finish();
        let plan = TablePlan {
            name: name.value.clone(),
            key,
            matching,
            columns,
            rows_max: usize::try_from(rows_max).unwrap_or(usize::MAX),
            from,
        };
        TableDeclared { name, description, plan, typed }
    }
}

/// Its topic, or else its file.
fn place(table: &mut Table<'_>) -> (Option<String>, String) {
    let (has_topic, has_file) = (table.has("topic"), table.has("file"));
    let topic = table.text("topic");
    let file = table.text("file");
    match (has_topic, has_file) {
        (false, false) => {
            table.need("file");
        }
        (true, true) => {
            table.refuse("file", "cannot stand beside \"topic\": a table has one or the other");
        }
        _ => {}
    }
    if let Some(topic) = topic.as_ref().filter(|topic| !super::source::is_topic(&topic.value)) {
        let message =
            format!("\"topic\" in {} is no Kafka topic: \"{}\"", table.label(), topic.value);
        table.problems().push(topic.span.start, Some("topic"), message, None);
    }
    if let Some(file) = file.as_ref().filter(|file| file.value.is_empty()) {
        let message = format!("\"file\" in {} is empty", table.label());
        table.problems().push(file.span.start, Some("file"), message, None);
    }
    (topic.map(|at| at.value), file.map(|at| at.value).unwrap_or_default())
}

fn matching(table: &mut Table<'_>) -> Matching {
    let prefix = table.choice("match", &["exact", "prefix"]).is_some_and(|at| at.value == "prefix");
    if prefix {
        table.refuse("key_type", "is for \"match\" exact: the key is an IP prefix");
        return Matching::Prefix;
    }
    let Some(ty) = table.text("key_type") else { return Matching::Exact(Type::Text) };
    let what = format!("the key of {}", table.label());
    match type_named(&ty, &what, table) {
        Some(Type::Double) => {
            let message = format!("{what} cannot be of type \"double\"");
            let hint = "doubles are not compared for equality: use \"decimal\"".to_owned();
            table.problems().wrong(&ty, message, Some(hint));
            Matching::Exact(Type::Text)
        }
        Some(ty) => Matching::Exact(ty),
        None => Matching::Exact(Type::Text),
    }
}

/// The columns, and whether the type of each is known.
fn columns(table: &mut Table<'_>, name: &str, key: &str) -> (Vec<TableColumn>, Vec<bool>) {
    table.need("columns");
    let label = format!("the columns of table \"{name}\"");
    let Some(mut inner) = table.table("columns", &label) else { return Default::default() };
    let problems = table.problems();
    let named = inner.named();
    if named.is_empty() {
        let message = format!("table \"{name}\" has no columns besides its key");
        problems.push(inner.at(), Some("columns"), message, None);
    }
    if let Some(first_too_many) = named.get(COLUMNS_MAX) {
        let message =
            format!("a table has at most {COLUMNS_MAX} columns, this one has {}", named.len());
        problems.wrong(&first_too_many.name, message, None);
    }
    let (mut columns, mut typed) = (Vec::new(), Vec::new());
    for entry in named.into_iter().take(COLUMNS_MAX) {
        let what = format!("column \"{}\"", entry.name.value);
        name::check(&entry.name, "column", problems);
        if entry.name.value == key {
            problems.wrong(&entry.name, format!("{what} has the name of the key"), None);
            continue;
        }
        let Some(text) = entry.as_text() else {
            entry.mistyped(&what, "a type such as \"decimal\"");
            continue;
        };
        let required = !text.value.ends_with('?');
        let ty = text.value.strip_suffix('?').unwrap_or(&text.value).to_owned();
        let ty = type_named(&text.map(|_| ty), &what, &inner);
        typed.push(ty.is_some());
        columns.push(TableColumn {
            name: entry.name.value,
            ty: ty.unwrap_or(Type::Text),
            required,
        });
    }
    (columns, typed)
}

fn from_file(table: &mut Table<'_>, path: String) -> TableFrom {
    for key in ["time", "out_of_orderness", "idle_after", "hold_max"] {
        table.refuse(key, "is for topics; a file has \"valid_from\"");
    }
    table.refuse("key_path", "is for topics; a file has a column that is the key");
    let valid_from = table.text("valid_from").map(|text| text.value);
    let reload = table.duration("reload", 100..=DAY).map_or(RELOAD_DEFAULT, |at| at.value);
    TableFrom::File { path, valid_from, reload }
}

/// Where the row's key is in that of a record; through objects alone.
fn key_path(table: &mut Table<'_>) -> Option<Vec<String>> {
    let text = table.text("key_path")?;
    let path = split_path(&text, "key_path", table)?;
    if path.iter().any(|part| element(part).is_some()) {
        let message = format!(
            "\"key_path\" in {} names an element of an array, which no row's key is read from",
            table.label()
        );
        table.problems().wrong(&text, message, None);
    }
    Some(path)
}

fn from_topic(
    table: &mut Table<'_>,
    name: &str,
    topic: String,
    columns: &[TableColumn],
    zone: &Arc<Zone>,
) -> TableFrom {
    table.refuse("valid_from", "is for files: a topic has \"time\"");
    table.refuse("reload", "is for files: a topic is read as it grows");
    table.need("time");
    let unknown = TimeField::new(Vec::new(), TimeUnit::Ms);
    let ms = TimeForm::new(TimeUnit::Ms);
    let time =
        time_field(table, "time", Format::Json, &ms, zone, &Root::default()).unwrap_or(unknown);
    let (earliest, latest) = event_range(table);
    table.need("out_of_orderness");
    let out_of_orderness = table.duration("out_of_orderness", 0..=30 * DAY);
    let (idle_after, hold_max) = holding(table);
    let key_path = key_path(table);
    let fields = columns.iter().map(|column| FieldPlan {
        required: column.required,
        ..FieldPlan::new(&column.name.clone(), column.ty)
    });
    TableFrom::Topic {
        key_path: key_path.unwrap_or_default(),
        source: Box::new(SourcePlan {
            topic: Some(topic),
            earliest,
            latest,
            out_of_orderness: out_of_orderness.map_or(0, |at| at.value),
            idle_after,
            hold_max,
            ..SourcePlan::new(name, time, fields.collect())
        }),
    }
}
