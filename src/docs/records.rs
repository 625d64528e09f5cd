//! Records for examples: the generator's where the job reads what it makes, else records made from
//! the fields of the job's sources.

use crate::generator::{Generator, Options, Profile, mix};
use crate::text::time_text;
use serde_json::{Map, Value as Json};
use std::net::Ipv4Addr;
use tidemark_operators::expression::Expr;
use tidemark_operators::plan::path::{element, places};
use tidemark_operators::plan::{FieldPlan, Plan, SourcePlan, TimeField, TimeUnit};
use tidemark_operators::time::DAY;
use tidemark_operators::value::{Type, Value};

/// What is generated for examples. There are few cards and users, so that busy ones have something
/// in each window; it ends in a busy hour, of a working day where that matters; and users whose
/// habits are described have had 30 days to form them. Of many seeds these leave the fewest features
/// at 0.
const GENERATED: [Options; 3] = [
    generated(Profile::Fraud, 8_000, 500, 39, 325),
    generated(Profile::Personalization, 5_000, 500, 19, 3),
    generated(Profile::Behavior, 9_000, 8, 37 * 24 + 15, 18),
];
/// How many records are made of a source's fields.
const MADE: u64 = 600;
/// The time of the first: 2026-01-05T09:00:00Z, a Monday.
const START: u64 = 1_767_603_600_000;
/// The time between two, in ms.
const STEP: u64 = 7_000;
/// How many entities there are of each kind.
const ENTITIES: u64 = 6;

/// So many records of so many cards or users, over so many hours from the start of a Sunday on.
const fn generated(profile: Profile, events: u64, cards: u32, hours: u32, seed: u64) -> Options {
    Options { profile, events, seed, partitions: 1, cards, hours, late: 0.0, malformed: 0.0 }
}

/// Generated records of each source, when the generator makes what the job reads.
pub(super) fn of_shipped(plan: &Plan) -> Option<Vec<Vec<Vec<u8>>>> {
    let [source] = plan.sources.as_slice() else { return None };
    let options = GENERATED.into_iter().find(|it| it.profile.source() == source.name)?;
    let mut generator = Generator::new(options).ok()?;
    let mut records = Vec::new();
    while let Some(record) = generator.next() {
        records.push(record.line.to_vec());
    }
    Some(vec![records])
}

/// Records of each source with values for its fields: texts are those that the job compares them
/// with, if there are any.
pub(super) fn of_fields(plan: &Plan) -> Vec<Vec<Vec<u8>>> {
    let sources = plan.sources.iter();
    sources
        .map(|source| {
            let fields: Vec<Made<'_>> =
                source.fields.iter().enumerate().map(|it| Made::new(source, it)).collect();
            (0..MADE).map(|n| record(source, &fields, n)).collect()
        })
        .collect()
}

/// A field and what its values are picked from.
struct Made<'a> {
    field: &'a FieldPlan,
    at: u64,
    is_key: bool,
    texts: Vec<String>,
}

impl<'a> Made<'a> {
    fn new(source: &SourcePlan, (at, field): (usize, &'a FieldPlan)) -> Self {
        let mut texts = Vec::new();
        for predicate in &source.predicates {
            compared(predicate, at, &mut texts);
        }
        let stem = field.name.trim_end_matches("_id");
        // Something that no comparison names, too.
        let others = if texts.is_empty() { 3 } else { 1 };
        texts.extend((1..=others).map(|n| format!("{stem}_{n}")));
        Made { field, at: at as u64, is_key: source.keys.contains(&at), texts }
    }

    /// The value in record `n`; none where it is left out.
    fn value(&self, n: u64, time: u64) -> Option<Json> {
        let random = mix(0, n.wrapping_mul(1_000).wrapping_add(self.at));
        if self.is_key {
            // Few are busy, as entities are.
            let entity = (random % ENTITIES).min(random / ENTITIES % ENTITIES) + 1;
            let stem = self.field.name.trim_end_matches("_id");
            return Some(match self.field.ty {
                Type::Ip => Json::from(format!("203.0.113.{entity}")),
                _ => Json::from(format!("{stem}_{entity:04}")),
            });
        }
        if !self.field.required && random.is_multiple_of(16) {
            return None;
        }
        let random = random / 16;
        let cents = (random % 12_000) as f64 / 100.0;
        Some(match self.field.ty {
            Type::Int => Json::from(random % 5_000),
            Type::Decimal(_) => Json::from(cents),
            Type::Double => Json::from(cents / 120.0),
            Type::Bool => Json::from(random.is_multiple_of(3)),
            Type::Timestamp => Json::from(time - random % 3_600_000),
            Type::Ip => {
                let host = u8::try_from(random % 20).unwrap_or(0);
                Json::from(Ipv4Addr::new(198, 51, 100, host).to_string())
            }
            Type::Text => {
                let texts = self.texts.len().max(1) as u64;
                let at = usize::try_from(random % texts).unwrap_or(0);
                Json::from(self.texts.get(at).map_or("", String::as_str))
            }
        })
    }
}

/// The texts that a predicate compares field `at` with.
fn compared(expr: &Expr, at: usize, texts: &mut Vec<String>) {
    let is_field = |expr: &Expr| matches!(expr, Expr::Input { index, .. } if *index == at);
    let mut found = |value: &Value| match value {
        Value::Text(text) if !texts.contains(text) => texts.push(text.clone()),
        _ => {}
    };
    match expr {
        Expr::Compare { left, right, .. } => match (&**left, &**right) {
            (field, Expr::Literal(value)) | (Expr::Literal(value), field) if is_field(field) => {
                found(value);
            }
            _ => {}
        },
        Expr::In { arg, set } if is_field(arg) => set.iter().for_each(found),
        Expr::And(args) | Expr::Or(args) => args.iter().for_each(|it| compared(it, at, texts)),
        Expr::Not(arg) => compared(arg, at, texts),
        _ => {}
    }
}

fn record(source: &SourcePlan, fields: &[Made<'_>], n: u64) -> Vec<u8> {
    let time = START + n * STEP;
    let mut record = Map::new();
    for made in fields {
        if let Some(value) = made.value(n, time) {
            put(&mut record, &made.field.path, value);
        }
    }
    let op = source
        .envelope
        .as_ref()
        .and_then(|envelope| Some((source.fields.get(envelope.op)?, envelope.ops.first()?)));
    if let Some((field, op)) = op {
        put(&mut record, &field.path, Json::from(op.name()));
    }
    put(&mut record, &source.time.path, stamp(&source.time, time));
    if let Some(arrival) = source.arrival.field() {
        put(&mut record, &arrival.path, stamp(arrival, time));
    }
    with_arrays(Json::Object(record)).to_string().into_bytes()
}

fn put(record: &mut Map<String, Json>, path: &[String], value: Json) {
    match path {
        [] => {}
        [name] => {
            record.insert(name.clone(), value);
        }
        [name, inner @ ..] => {
            let object = record.entry(name.clone()).or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(object) = object {
                put(object, inner, value);
            }
        }
    }
}

/// The same with arrays where elements have been put in; the others are null.
fn with_arrays(value: Json) -> Json {
    let Json::Object(members) = value else { return value };
    let elements: Vec<_> = members.keys().filter_map(|name| element(name)).collect();
    let members = members.into_iter().map(|(name, value)| (name, with_arrays(value)));
    if elements.is_empty() {
        return Json::Object(members.collect());
    }
    let (length, places) = places(&elements);
    let mut array = vec![Json::Null; length];
    for (place, (_, value)) in places.into_iter().zip(members) {
        if let Some(element) = array.get_mut(place) {
            *element = value;
        }
    }
    Json::Array(array)
}

fn stamp(field: &TimeField, time: u64) -> Json {
    match field.form.unit {
        TimeUnit::Ms => Json::from(time),
        // Times of records are whole seconds.
        TimeUnit::S => Json::from(time / 1_000),
        TimeUnit::Us => Json::from(time * 1_000),
        TimeUnit::Ns => Json::from(time * 1_000_000),
        TimeUnit::Days => Json::from(time / DAY),
        TimeUnit::Rfc3339 | TimeUnit::Iso | TimeUnit::Auto => Json::from(time_text(time)),
        TimeUnit::Date => Json::from(time_text(time).get(..10).unwrap_or_default()),
    }
}
