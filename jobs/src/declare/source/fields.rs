//! A source's fields and definitions.

use super::super::{Written, name};
use super::paths::{path_of, read_path};
use super::place;
use super::reading::{self, Base};
use super::{EVENT_TIME, is_time};
use crate::document::{At, Literal, Table};
use crate::times;
use tidemark_operators::ingest::decode::exact_value_of;
use tidemark_operators::plan::{FieldPlan, Place, ReadOptions, TimeField};
use tidemark_operators::value::{SCALE_MAX, Type, Value};

const FIELDS_MAX: usize = 512;
const ALIASES_MAX: usize = 16;
const DEFINITIONS_MAX: usize = 256;
/// The types as a job file calls them, decimals of another scale aside.
const TYPES: [Type; 7] =
    [Type::Text, Type::Int, Type::DECIMAL, Type::Double, Type::Bool, Type::Timestamp, Type::Ip];

/// A field as it was written.
#[derive(Debug)]
pub(crate) struct FieldDeclared {
    pub(crate) name: String,
    pub(crate) place: Place,
    pub(crate) path: Vec<String>,
    /// Where else it may be, the first that is there first.
    pub(crate) aliases: Vec<Vec<String>>,
    /// Where in the file the path stands, and each of the aliases.
    pub(crate) at: Vec<usize>,
    /// What it is where it is absent.
    pub(crate) default: Option<Value>,
    /// `None` when what was written is no type; that is recorded.
    pub(crate) ty: Option<Type>,
    pub(crate) required: bool,
    pub(crate) reading: ReadOptions,
}

/// A named expression over a source's fields.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: At<String>,
    /// `None` when it does not parse; that is recorded.
    pub(crate) written: Option<Written>,
}

/// Reads the table of a source's fields.
pub(super) fn fields(table: &mut Table<'_>, source: &str, base: &Base) -> Vec<FieldDeclared> {
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
    let mut fields: Vec<FieldDeclared> = Vec::new();
    for entry in named.into_iter().take(FIELDS_MAX) {
        let what = format!("field \"{}\"", entry.name.value);
        name::check(&entry.name, "field", problems);
        if entry.name.value == EVENT_TIME {
            let message = format!("{what} has the name that the event time has in expressions");
            let hint = "remove it, or give it another name and path = \"event_time\"".to_owned();
            problems.wrong(&entry.name, message, Some(hint));
            continue;
        }
        let name = entry.name.value.clone();
        let at = entry.name.span.start;
        let mut field = FieldDeclared::new(name, at, reading::plain(base, true));
        if let Some(text) = entry.as_text() {
            field.set_type(text, &what, &inner);
            field.reading = reading::plain(base, field.required);
            base.root().place(&mut field, false, &inner);
        } else if let Some(mut long) = entry.as_table(what.clone()) {
            long.need("type");
            if let Some(text) = long.text("type") {
                field.set_type(text, &what, &long);
            }
            field.read(&mut long, &what, base);
            let outer = base.root().outer_of(&field, &mut long);
            base.root().place(&mut field, outer, &long);
            long.finish();
        } else {
            entry.mistyped(&what, "a type such as \"string\", or a table with a \"type\"");
        }
        for path in field.paths() {
            let same = |other: &&FieldDeclared| {
                other.place == field.place && other.paths().any(|p| p == path)
            };
            if let Some(other) = fields.iter().find(same) {
                let path = field.place.shown(path);
                let message = format!("{what} and field \"{}\" both read \"{path}\"", other.name);
                let hint = "let one of them read it; a definition can give it a second name".into();
                problems.wrong(&entry.name, message, Some(hint));
            }
        }
        fields.push(field);
    }
    fields
}

impl FieldDeclared {
    /// One that is where its name says, and of which nothing else is known.
    fn new(name: String, at: usize, reading: ReadOptions) -> Self {
        let path = vec![name.clone()];
        let (aliases, default, at, place) = (Vec::new(), None, vec![at], Place::Value);
        FieldDeclared { name, place, path, aliases, at, default, ty: None, required: true, reading }
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Vec<String>> {
        [&self.path].into_iter().chain(&self.aliases)
    }

    /// How it is read, where something reads it.
    pub(crate) fn plan(&self) -> FieldPlan {
        FieldPlan {
            name: self.name.clone(),
            place: self.place.clone(),
            path: self.path.clone(),
            ty: self.ty.unwrap_or(Type::Text),
            required: self.required,
            aliases: self.aliases.clone(),
            default: self.default.clone(),
            reading: self.reading.clone(),
        }
    }

    /// A type, and a question mark where it may be missing.
    fn set_type(&mut self, text: At<String>, what: &str, table: &Table<'_>) {
        self.required = !text.value.ends_with('?');
        let name = text.value.strip_suffix('?').unwrap_or(&text.value).to_owned();
        self.ty = type_named(&text.map(|_| name), what, table);
    }

    /// Reads the long way to write it, but for its type.
    fn read(&mut self, table: &mut Table<'_>, what: &str, base: &Base) {
        if let Some(optional) = table.boolean("optional") {
            self.required = self.required && !optional.value;
        }
        if let Some(placed) = place::placed(table, &["path", "aliases"]) {
            place::check_type(&placed, self.ty, what, table);
            (self.place, self.path, self.at) = (placed.place, placed.path, vec![placed.at]);
        }
        if let Some(path) = read_path(table, "path", base.format()) {
            (self.path, self.at) = (path.value, vec![path.span.start]);
        }
        let aliases = table.texts("aliases").unwrap_or_default();
        if let Some(first_too_many) = aliases.get(ALIASES_MAX) {
            let message =
                format!("{what} has {} aliases, the limit is {ALIASES_MAX}", aliases.len());
            table.problems().wrong(first_too_many, message, None);
        }
        for alias in aliases.iter().take(ALIASES_MAX) {
            let Some(path) = path_of(alias, "aliases", base.format(), table) else {
                continue;
            };
            if self.paths().any(|known| *known == path) {
                let message = format!("{what} reads \"{}\" twice", alias.value);
                table.problems().wrong(alias, message, Some("remove this alias".into()));
                continue;
            }
            self.aliases.push(path);
            self.at.push(alias.span.start);
        }
        self.reading = reading::of_field(table, base, self.ty, self.required);
        let default = table.literal("default");
        self.default =
            default.zip(self.ty).and_then(|(literal, ty)| default_of(ty, &literal, what, table));
    }
}

/// The value of a default: what a record could have in its place, or a time as a date.
fn default_of(ty: Type, literal: &At<Literal>, what: &str, table: &Table<'_>) -> Option<Value> {
    let time = match &literal.value {
        Literal::Text(text) | Literal::Date(text) if ty == Type::Timestamp => {
            times::event_time(text).and_then(|ms| i64::try_from(ms).ok())
        }
        _ => None,
    };
    let value = time.map(Value::Timestamp).or_else(|| exact_value_of(ty, literal.value.scalar()?));
    if value.is_none() {
        let wanted = match ty {
            Type::Int => "an integer, such as 0",
            Type::Decimal(_) => {
                "a number of at most 18 digits, and no more decimals than its type, such as 0.5"
            }
            Type::Double => "a finite number, such as 0.5",
            Type::Bool => "true or false",
            Type::Text => "a text in quotes",
            Type::Timestamp => {
                "a time since 1970, such as \"2026-01-31T00:00:00Z\", or its milliseconds"
            }
            Type::Ip => "an address in quotes, such as \"192.0.2.1\"",
        };
        let found = &literal.value;
        let message = format!("the default of {what} must be {wanted}, found {found}");
        table.problems().push(literal.span.start, Some("default"), message, None);
    }
    value
}

pub(in super::super) fn type_named(
    name: &At<String>,
    what: &str,
    table: &Table<'_>,
) -> Option<Type> {
    let ty = Type::named(&name.value);
    if ty.is_none() && name.value.starts_with("decimal(") {
        let message = format!("{what} cannot be of type \"{}\"", name.value);
        let hint = format!("a decimal has 0 to {SCALE_MAX} decimals, as in \"decimal(2)\"");
        table.problems().wrong(name, message, Some(hint));
    } else if ty.is_none() {
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
        if taken || is_time(&entry.name.value, time) {
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
