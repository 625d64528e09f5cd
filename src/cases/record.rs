//! Records of a source, made from fields by their names.

use crate::text::time_text;
use std::collections::BTreeMap;
use tidemark_jobs::Job;
use tidemark_jobs::document::{At, Literal, Named, Problems};
use tidemark_operators::plan::path::{element, places, shown as shown_path};
use tidemark_operators::plan::{FieldPlan, Plan, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::time::{DAY, EventTime};

/// Values by field (its place in [`Shape::fields`]), each as JSON.
pub(super) type Fields = BTreeMap<usize, String>;

/// What the records of a source look like.
#[derive(Clone, Copy)]
pub(super) struct Shape<'a> {
    /// Where times are.
    pub source: &'a SourcePlan,
    /// All fields the job declares, read or not.
    pub fields: &'a [FieldPlan],
}

/// The shapes of the sources of `job`, whose plan may be another version of its own.
pub(super) fn shapes<'a>(job: &'a Job, plan: &'a Plan) -> Vec<Shape<'a>> {
    let both = plan.sources.iter().zip(&job.sources);
    both.map(|(source, text)| Shape { source, fields: &text.declared }).collect()
}

/// Reads fields: by their names in the job, or nested as the record has them.
pub(super) fn read(entries: Vec<Named<'_>>, shape: Shape<'_>, problems: &Problems<'_>) -> Fields {
    let mut fields = Fields::new();
    read_below(entries, "", shape, problems, &mut fields);
    fields
}

fn read_below(
    entries: Vec<Named<'_>>,
    prefix: &str,
    shape: Shape<'_>,
    problems: &Problems<'_>,
    fields: &mut Fields,
) {
    for entry in entries {
        let name = format!("{prefix}{}", entry.name.value);
        if let Some(mut below) = entry.as_table(name.clone()) {
            read_below(below.named(), &format!("{name}."), shape, problems, fields);
            continue;
        }
        let at = At { value: name, span: entry.name.span.clone() };
        let Some(field) = find(&at, shape, problems) else { continue };
        match entry.as_literal().and_then(|literal| json(&literal.value)) {
            Some(value) => {
                fields.insert(field, value);
            }
            None => entry.mistyped(
                &format!("field \"{}\"", at.value),
                "a text, a number, true or false (for others write the record's text as \"raw\")",
            ),
        }
    }
}

/// The field that `name` means; what it is not is recorded.
pub(super) fn find(name: &At<String>, shape: Shape<'_>, problems: &Problems<'_>) -> Option<usize> {
    let Shape { source, fields } = shape;
    let is_named = |field: &FieldPlan| field.name == name.value;
    let is_there = |field: &FieldPlan| field.place.shown(&field.path) == name.value;
    let found = fields.iter().position(is_named).or_else(|| fields.iter().position(is_there));
    let Some(found) = found else {
        if name.value == shown_path(&source.time.path) {
            let message =
                format!("\"{}\" is the event time, which is written as \"at\"", name.value);
            problems.wrong(name, message, None);
            return None;
        }
        let message = format!("unknown field \"{}\" of source \"{}\"", name.value, source.name);
        problems.unknown(name, message, fields.iter().map(|field| field.name.as_str()));
        return None;
    };
    Some(found)
}

/// As JSON; `None` for what is no value there.
fn json(value: &Literal) -> Option<String> {
    match value {
        Literal::Text(text) => Some(quoted(text)),
        Literal::Number(digits) => {
            digits.parse::<f64>().is_ok_and(f64::is_finite).then(|| digits.clone())
        }
        Literal::Bool(flag) => Some(flag.to_string()),
        Literal::Date(_) => None,
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The record of `fields` at event time `at`. `arrived` goes in where the source reads it from the
/// record.
pub(super) fn write(
    shape: Shape<'_>,
    fields: &Fields,
    at: EventTime,
    arrived: Option<EventTime>,
) -> Vec<u8> {
    let mut root = Object::default();
    for (field, value) in fields {
        if let Some(field) = shape.fields.get(*field) {
            root.put(&field.place.path_alone(&field.path), value.clone());
        }
    }
    let source = shape.source;
    let op = source
        .envelope
        .as_ref()
        .and_then(|envelope| Some((source.fields.get(envelope.op)?, envelope.ops.first()?)));
    if let Some((field, op)) = op {
        let given = |at: &usize| shape.fields.get(*at).is_some_and(|it| it.path == field.path);
        if !fields.keys().any(given) {
            root.put(&field.path, quoted(op.name()));
        }
    }
    root.put(&source.time.path, shown(&source.time, at));
    if let (Some(field), Some(arrived)) = (source.arrival.field(), arrived) {
        root.put(&field.path, shown(field, arrived));
    }
    let mut text = String::new();
    root.push(&mut text);
    text.into_bytes()
}

/// A time as its field has it.
fn shown(field: &TimeField, at: EventTime) -> String {
    match field.form.unit {
        TimeUnit::Ms => at.to_string(),
        TimeUnit::S => format!("{}.{:03}", at / 1_000, at % 1_000),
        TimeUnit::Us => at.saturating_mul(1_000).to_string(),
        TimeUnit::Ns => format!("{at}000000"),
        TimeUnit::Days => (at / DAY).to_string(),
        TimeUnit::Rfc3339 | TimeUnit::Iso | TimeUnit::Auto => quoted(&time_text(at)),
        TimeUnit::Date => quoted(time_text(at).get(..10).unwrap_or_default()),
    }
}

/// A JSON object whose members stay in the order they were put in.
#[derive(Default)]
struct Object(Vec<(String, Member)>);

enum Member {
    Value(String),
    Object(Object),
}

impl Object {
    fn put(&mut self, path: &[String], value: String) {
        let Some((first, rest)) = path.split_first() else { return };
        let at = self.0.iter().position(|(name, _)| name == first).unwrap_or_else(|| {
            self.0.push((first.clone(), Member::Object(Object::default())));
            self.0.len() - 1
        });
        let Some((_, member)) = self.0.get_mut(at) else { return };
        if rest.is_empty() {
            *member = Member::Value(value);
            return;
        }
        if let Member::Value(_) = member {
            *member = Member::Object(Object::default());
        }
        if let Member::Object(below) = member {
            below.put(rest, value);
        }
    }

    /// As JSON: an array where elements have been put in, with null for the others.
    fn push(&self, text: &mut String) {
        let elements: Vec<_> = self.0.iter().filter_map(|(name, _)| element(name)).collect();
        if !elements.is_empty() {
            return self.push_array(&elements, text);
        }
        text.push('{');
        for (at, (name, member)) in self.0.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            member.push(text);
        }
        text.push('}');
    }

    fn push_array(&self, elements: &[i16], text: &mut String) {
        let (length, places) = places(elements);
        text.push('[');
        for at in 0..length {
            if at > 0 {
                text.push(',');
            }
            let there = places.iter().position(|place| *place == at);
            match there.and_then(|there| self.0.get(there)) {
                Some((_, member)) => member.push(text),
                None => text.push_str("null"),
            }
        }
        text.push(']');
    }
}

impl Member {
    fn push(&self, text: &mut String) {
        match self {
            Member::Value(value) => text.push_str(value),
            Member::Object(below) => below.push(text),
        }
    }
}
