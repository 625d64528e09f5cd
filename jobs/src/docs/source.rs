//! A job's sources.

use super::markdown::{Rows, code, codes, paragraph};
use super::page::Section;
use super::table;
use super::values::shown;
use crate::document::quantity::show_duration;
use crate::job::{Job, SourceText};
use crate::report::shown_start;
use crate::times;
use tidemark_operators::plan::{
    Arrival, Duplicates, FieldPlan, Format, Framing, Plan, SourcePlan, TimeField, TimeUnit,
};
use tidemark_operators::time::{EARLIEST_DEFAULT, LATEST_DEFAULT};

/// What the job reads: a section for each source.
pub(super) fn sections(job: &Job) -> Vec<Section> {
    let sources = job.plan.sources.iter().zip(&job.sources).enumerate();
    sources
        .map(|(at, (source, text))| {
            let body = body(&job.plan, at, source, text);
            Section::new(2, "Source", Some(&source.name), body)
        })
        .collect()
}

fn body(plan: &Plan, at: usize, source: &SourcePlan, text: &SourceText) -> String {
    let mut out = paragraph(&text.description);
    for (name, fact) in facts(source) {
        out.push_str(&format!("- **{name}:** {fact}\n"));
    }
    out.push_str("\nThe fields that are read; whatever else a record has does not matter:\n\n");
    let mut rows = Rows::new(&["Field", "Type", "In the record", "If missing", "Key of"]);
    for (index, field) in source.fields.iter().enumerate() {
        let paths = [&field.path].into_iter().chain(&field.aliases);
        let paths = paths.map(|path| field.place.shown(path));
        rows.push([
            code(&field.name),
            code(field.ty.name()),
            paths.map(|path| code(&path)).collect::<Vec<_>>().join(", else "),
            if_missing(field),
            codes(keyed(plan, at, index)),
        ]);
    }
    out.push_str(&rows.finish());
    if !text.lookups.is_empty() {
        out.push_str(&looked_up(text));
    }
    if !text.definitions.is_empty() {
        out.push_str("Names that the features below use, and what they stand for:\n\n");
        let mut rows = Rows::new(&["Name", "Meaning"]);
        for (name, definition) in &text.definitions {
            rows.push([code(name), code(definition)]);
        }
        out.push_str(&rows.finish());
    }
    out
}

/// What stands for a field that a record does not have.
fn if_missing(field: &FieldPlan) -> String {
    match (&field.default, field.required) {
        (Some(default), true) => format!("{}; null is refused", code(&shown(default))),
        (Some(default), false) => code(&shown(default)),
        (None, true) => "the record is refused".to_owned(),
        (None, false) => "null".to_owned(),
    }
}

/// What is looked up for each event.
fn looked_up(text: &SourceText) -> String {
    let mut rows = Rows::new(&["Looked up", "What it is", "Otherwise"]);
    for lookup in &text.lookups {
        let otherwise = lookup.default.as_deref().map_or_else(|| "null".to_owned(), code);
        let (column, key) = (code(&lookup.column), code(&lookup.key));
        let what = format!("{column} of the table {} by {key}", table::link(&lookup.table));
        rows.push([code(&lookup.name), what, otherwise]);
    }
    format!(
        "Values that are looked up for each event, once, as of its time, and kept with it; \
         \"otherwise\" is for an event without the key, for a key that no row has, and for a row \
         without the value:\n\n{}",
        rows.finish()
    )
}

/// The entities whose key a field is.
fn keyed(plan: &Plan, source: usize, field: usize) -> Vec<&str> {
    let entities = plan.entities.iter().filter(|entity| {
        let feeds = entity.sources.get(source).and_then(Option::as_ref);
        feeds.is_some_and(|feeds| feeds.key == field)
    });
    entities.map(|entity| entity.name.as_str()).collect()
}

fn facts(source: &SourcePlan) -> Vec<(&'static str, String)> {
    let mut facts = vec![];
    match &source.topic {
        Some(topic) => {
            let start = shown_start(source.start, "before the start");
            facts.push(("Topic", format!("{}, from {start} on", code(topic))));
        }
        None => facts.push(("Files", codes(source.files.iter().map(String::as_str)))),
    }
    let format = match source.format {
        Format::Json if source.strict_json => "JSON by the letter, one object a record",
        Format::Json => "JSON, one object a record",
        Format::Avro if source.topic.is_some() => "Avro, in the wire format of schema registries",
        Format::Avro => "Avro object container files",
        Format::Csv { .. } => "CSV files that begin with a line of names, one line a record",
    };
    facts.push(("Format", format.to_owned()));
    if source.framing == Framing::Kcat {
        let dumps =
            "what `kcat -J` has written: a line is a record with all that the topic had of it";
        facts.push(("Files", dumps.to_owned()));
    }
    facts.push(("Event time", written(&source.time)));
    let length = show_duration(source.out_of_orderness);
    facts.push((
        "Out of order",
        format!(
            "an event may be up to {length} behind its partition's clock; further behind it is late"
        ),
    ));
    facts.extend(arrival(source));
    if (source.earliest, source.latest) != (EARLIEST_DEFAULT, LATEST_DEFAULT) {
        let (from, to) = (times::show(source.earliest), times::show(source.latest));
        facts.push(("Event times", format!("from {from} to {to}")));
    }
    let (idle, hold) = (show_duration(source.idle_after), show_duration(source.hold_max));
    facts.push((
        "Idle",
        format!("a partition that has been silent for {idle} no longer holds back the others; nor does one whose records have not moved its clock for {hold}, or that has stood before an open transaction for as long"),
    ));
    facts.extend(unique(source));
    facts
}

/// What a copy of a record is told by.
fn unique(source: &SourcePlan) -> Option<(&'static str, String)> {
    let unique = source.unique.as_ref()?;
    let id = unique.id.iter().filter_map(|at| source.fields.get(*at));
    let (id, within) = (codes(id.map(|field| field.name.as_str())), show_duration(unique.within));
    let what = match unique.duplicates {
        Duplicates::Skip => "left out",
        Duplicates::Dead => "put aside",
    };
    Some((
        "Unique",
        format!(
            "a record with the same {id} as an event before it in its partition, within {within} of its clock, is a copy and {what}"
        ),
    ))
}

/// When records arrive, and what that means for their times.
fn arrival(source: &SourcePlan) -> Vec<(&'static str, String)> {
    let arrival = match &source.arrival {
        Arrival::Field(field) => written(field),
        Arrival::Timestamp if source.topic.is_some() => "the record's timestamp".to_owned(),
        Arrival::Timestamp | Arrival::Unknown => return Vec::new(),
    };
    let ahead = match source.max_ahead {
        Some(ahead) => {
            let ahead = show_duration(ahead);
            format!("an event's time is at most {ahead} ahead of it, whatever its field says")
        }
        None => "an event's time is what its field says, however far ahead of it".to_owned(),
    };
    let mut facts = vec![("Arrival", format!("{arrival}; {ahead}; clocks follow it"))];
    if let Some(skew) = source.max_future_skew {
        let skew = show_duration(skew);
        facts.push((
            "Future",
            format!(
                "an event more than {skew} ahead of its arrival is put aside: it is in no feature"
            ),
        ));
    }
    facts
}

/// A time, and how it is written.
fn written(time: &TimeField) -> String {
    let unit = match time.form.unit {
        TimeUnit::Ms => "milliseconds since 1970, UTC",
        TimeUnit::S => "seconds since 1970, UTC",
        TimeUnit::Us => "microseconds since 1970, UTC",
        TimeUnit::Ns => "nanoseconds since 1970, UTC",
        TimeUnit::Rfc3339 => "text such as 2026-01-31T12:00:00Z (RFC 3339)",
        TimeUnit::Iso => "text such as 2026-01-31 12:00:00 (ISO 8601)",
        TimeUnit::Auto => "ISO 8601 text, or a number since 1970 in s, ms, us or ns",
        TimeUnit::Date => "a date such as 2026-01-31",
        TimeUnit::Days => "days since 1970",
    };
    format!("{}, {unit}", code(&time.place.shown(&time.path)))
}

/// The name of a key field, as code.
pub(super) fn key(field: Option<&FieldPlan>) -> String {
    field.map_or_else(String::new, |field| code(&field.name))
}
