//! `[sources.NAME]`: where events come from and what they consist of.

mod arrival;
mod encoding;
mod envelope;
mod fields;
mod lookups;
mod paths;
mod place;
mod reading;
mod unique;

pub(crate) use envelope::Root;
pub(super) use fields::type_named;
pub(crate) use fields::{Definition, FieldDeclared};
pub(crate) use lookups::{Asked, LookupDeclared};
pub(super) use paths::split_path;
pub(super) use reading::zone_named;

use crate::document::{At, Table, quantity};
use crate::times;
use encoding::Encoding;
use paths::{Reader, read_path};
use std::sync::Arc;
use tidemark_operators::plan::{
    Arrival, Format, Framing, Keyless, Place, Start, TimeField, TimeForm, TimeUnit, UniquePlan,
};
use tidemark_operators::time::{
    DAY, EARLIEST_DEFAULT, EventTime, LATEST_DEFAULT, MINUTE, Millis, SECOND,
};
use tidemark_operators::zone::Zone;

const FILES_MAX: usize = 4_096;
const IDLE_DEFAULT: Millis = 30 * SECOND;
/// The default of `hold_max`.
pub(crate) const HOLD_DEFAULT: Millis = MINUTE;

/// What the event time is called in expressions, whatever it is in records.
pub(crate) const EVENT_TIME: &str = "event_time";

/// A source as it was written.
#[derive(Debug)]
pub(crate) struct SourceDeclared {
    pub(crate) name: At<String>,
    pub(crate) description: String,
    pub(crate) topic: Option<String>,
    pub(crate) files: Vec<String>,
    pub(crate) format: Format,
    pub(crate) strict_json: bool,
    pub(crate) framing: Framing,
    pub(crate) schema_wait: Millis,
    pub(crate) start: Start,
    pub(crate) time: TimeField,
    pub(crate) arrival: Arrival,
    pub(crate) earliest: EventTime,
    pub(crate) latest: EventTime,
    pub(crate) out_of_orderness: Millis,
    pub(crate) max_ahead: Option<Millis>,
    pub(crate) idle_after: Millis,
    pub(crate) hold_max: Millis,
    pub(crate) max_future_skew: Option<Millis>,
    pub(crate) fields: Vec<FieldDeclared>,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) lookups: Vec<LookupDeclared>,
    pub(crate) keyless: Keyless,
    /// The fields are numbered as they are declared.
    pub(crate) unique: Option<UniquePlan>,
    pub(crate) root: Root,
}

impl SourceDeclared {
    pub(super) fn read(name: At<String>, mut table: Table<'_>, zone: &Arc<Zone>) -> Self {
        let (topic, files) = place(&mut table);
        let Encoding { format, strict_json, framing, schema_wait } =
            Encoding::read(&mut table, files.is_empty());
        let start = start(&mut table, !files.is_empty());
        let root = envelope::root(&mut table, format);
        table.need("time");
        let (unknown, ms) = (TimeField::new(vec![], TimeUnit::Ms), TimeForm::new(TimeUnit::Ms));
        let mut time = time_field(&mut table, "time", format, &ms, zone, &root).unwrap_or(unknown);
        let mut arrival = arrival::arrival(&mut table, format, &time.form, zone, &root);
        let (earliest, latest) = event_range(&mut table);
        let millis = |at: Option<At<Millis>>| at.map(|at| at.value);
        table.need("out_of_orderness");
        let out_of_orderness = millis(table.duration("out_of_orderness", 0..=30 * DAY));
        let out_of_orderness = out_of_orderness.unwrap_or(5 * MINUTE);
        let max_ahead = arrival::max_ahead(&mut table, &arrival, out_of_orderness);
        let (idle_after, hold_max) = holding(&mut table);
        let max_future_skew = millis(table.duration("max_future_skew", 0..=366 * DAY));
        let description = table.text("description").map(|text| text.value).unwrap_or_default();
        table.need("fields");
        let base = reading::of_source(&mut table, format, (earliest, latest), zone, root);
        base.settle(&mut time, &mut arrival, &table);
        let fields = fields::fields(&mut table, &name.value, &base);
        let times = times_read(&table, &time, &arrival).into_iter();
        let readers = paths::readers(&fields, times.chain(base.root().reader(&table)).collect());
        if !files.is_empty() {
            place::refuse_in_files(&readers, framing, table.problems());
        }
        paths::refuse_below_values(&readers, table.problems());
        let definitions = fields::definitions(&mut table, &name.value, &fields, &time);
        let lookups = lookups::lookups(&mut table, &name.value, &fields, &definitions, &time);
        let (keyless, unique) = (keyless(&mut table), unique::unique(&mut table, &fields));
        table.finish();
        SourceDeclared {
            name,
            description,
            topic,
            files,
            format,
            strict_json,
            framing,
            schema_wait,
            start,
            time,
            arrival,
            earliest,
            latest,
            out_of_orderness,
            max_ahead,
            idle_after,
            hold_max,
            max_future_skew,
            fields,
            definitions,
            lookups,
            keyless,
            unique,
            root: base.into_root(),
        }
    }

    /// What else the event time is called: the last part of its path, where nothing else is called
    /// that.
    pub(crate) fn time_name(&self) -> &str {
        time_name(&self.time)
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<(usize, &FieldDeclared)> {
        self.fields.iter().enumerate().find(|(_, field)| field.name == name)
    }

    /// The definition of this name.
    pub(crate) fn definition(&self, name: &str) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.name.value == name)
    }
}

fn keyless(table: &mut Table<'_>) -> Keyless {
    match table.choice("keyless", &["skip", "dead"]).map(|choice| choice.value) {
        Some("dead") => Keyless::Dead,
        _ => Keyless::Skip,
    }
}

/// `idle_after` and `hold_max`: for how long a partition holds the others back that has nothing to
/// say, or whose records say nothing.
pub(super) fn holding(table: &mut Table<'_>) -> (Millis, Millis) {
    let idle_after = table.duration("idle_after", 1..=DAY).map_or(IDLE_DEFAULT, |at| at.value);
    let Some(hold_max) = table.duration("hold_max", 1..=DAY) else {
        return (idle_after, idle_after.max(HOLD_DEFAULT));
    };
    if hold_max.value < idle_after {
        let message = format!(
            "\"hold_max\" in {} is shorter than \"idle_after\", {}",
            table.label(),
            quantity::show_duration(idle_after)
        );
        let hint = "a partition that says nothing holds the others back for \"idle_after\" in any \
                    case: shorten that too"
            .to_owned();
        table.problems().push(hold_max.span.start, Some("hold_max"), message, Some(hint));
    }
    (idle_after, hold_max.value)
}

/// Whether a name is taken by the event time.
fn is_time(name: &str, time: &TimeField) -> bool {
    name == EVENT_TIME || name == time_name(time)
}

fn time_name(time: &TimeField) -> &str {
    time.path.last().map_or(EVENT_TIME, String::as_str)
}

/// What reads the times of an event.
fn times_read<'a>(table: &Table<'_>, time: &'a TimeField, arrival: &'a Arrival) -> Vec<Reader<'a>> {
    let reader = |(key, time): (&'static str, Option<&'a TimeField>)| {
        let (time, at) = (time?, table.place(key).unwrap_or(table.at()));
        let what = format!("\"{key}\" of {}", table.label());
        Some(Reader { what, key, place: &time.place, path: &time.path, at })
    };
    let times = [("time", Some(time)), ("arrival_field", arrival.field())];
    times.into_iter().filter_map(reader).collect()
}

fn place(table: &mut Table<'_>) -> (Option<String>, Vec<String>) {
    let (has_topic, has_files) = (table.has("topic"), table.has("files"));
    let topic = table.text("topic");
    let files = table.texts("files");
    let problems = table.problems();
    match (has_topic, has_files) {
        (false, false) => {
            table.need("topic");
        }
        (true, true) => {
            table.refuse("files", "cannot stand beside \"topic\": a source has one or the other");
        }
        _ => {}
    }
    if let Some(topic) = topic.as_ref().filter(|topic| !is_topic(&topic.value)) {
        let message =
            format!("\"topic\" in {} is no Kafka topic: \"{}\"", table.label(), topic.value);
        let hint = "a topic has 1 to 249 letters a to z, digits, dots, _ or -".to_owned();
        problems.push(topic.span.start, Some("topic"), message, Some(hint));
    }
    if let Some(files) = files.as_ref().filter(|files| files.is_empty() || files.len() > FILES_MAX)
    {
        let message = format!(
            "\"files\" in {} must name 1 to {FILES_MAX} files, not {}",
            table.label(),
            files.len()
        );
        problems.push(table.at(), Some("files"), message, None);
    }
    let files = files.unwrap_or_default().into_iter().map(|file| file.value).collect();
    (topic.map(|topic| topic.value), files)
}

pub(super) fn is_topic(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && name != "."
        && name != ".."
}

/// `"earliest"`, `"latest"`, an RFC 3339 time or `"6h ago"`.
fn start(table: &mut Table<'_>, has_files: bool) -> Start {
    if has_files {
        table.refuse("start", "is for topics; files are read from their beginning");
        return Start::Earliest;
    }
    let Some(text) = table.text("start") else { return Start::Earliest };
    let ago = text.value.strip_suffix(" ago").and_then(quantity::duration);
    match (text.value.as_str(), ago, times::event_time(&text.value)) {
        ("earliest", ..) => Start::Earliest,
        ("latest", ..) => Start::Latest,
        (_, Some(ago), _) => Start::Ago(ago),
        (_, _, Some(at)) => Start::At(at),
        _ => {
            let message = format!("\"start\" in {} cannot be \"{}\"", table.label(), text.value);
            let hint = match crate::document::nearest(&text.value, ["earliest", "latest"]) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write \"earliest\", \"latest\", a time such as \"2026-01-31T00:00:00Z\", \
                         or a duration such as \"6h ago\""
                    .into(),
            };
            table.problems().push(text.span.start, Some("start"), message, Some(hint));
            Start::Earliest
        }
    }
}

/// `{ field = "timestamp", unit = "ms" }`, or only the field when it is written as `default` says; or
/// where it is instead of a field, as in `{ record = "timestamp" }`. The field lies below `root`, unless
/// it is an outer one.
pub(super) fn time_field(
    table: &mut Table<'_>,
    key: &str,
    format: Format,
    default: &TimeForm,
    zone: &Arc<Zone>,
    root: &Root,
) -> Option<TimeField> {
    if table.has(key) && !table.is_table(key) {
        let path = read_path(table, key, format)?;
        let path = root.below(path.value, false, (key, path.span.start), table);
        return Some(TimeField { place: Place::Value, path, form: default.clone() });
    }
    let mut inner = table.table(key, &format!("\"{key}\" of {}", table.label().to_owned()))?;
    if let Some(placed) = place::placed(&mut inner, &["field"]) {
        let form = place::time_form(&placed, &mut inner, default, zone);
        inner.finish();
        return Some(TimeField { place: placed.place, path: placed.path, form });
    }
    if !place::is_said(&inner) {
        inner.need("field");
    }
    let path = read_path(&mut inner, "field", format);
    let form = reading::time_form(&mut inner, &reading::EVENT_UNITS, default, zone);
    let outer = root.outer(&mut inner);
    let path = path.map(|path| root.below(path.value, outer, ("field", path.span.start), &inner));
    inner.finish();
    path.map(|path| TimeField { place: Place::Value, path, form })
}

pub(super) fn event_range(table: &mut Table<'_>) -> (EventTime, EventTime) {
    let mut read = |key: &str, default| {
        let Some(text) = table.text(key) else { return default };
        times::event_time(&text.value).unwrap_or_else(|| {
            let message =
                format!("\"{key}\" in {} is no time since 1970: \"{}\"", table.label(), text.value);
            let hint = "write it as RFC 3339, such as \"1990-01-01T00:00:00Z\"".to_owned();
            table.problems().push(text.span.start, Some(key), message, Some(hint));
            default
        })
    };
    let earliest = read("event_time_min", EARLIEST_DEFAULT);
    let latest = read("event_time_max", LATEST_DEFAULT);
    if earliest >= latest {
        let message =
            format!("\"event_time_min\" in {} is not before \"event_time_max\"", table.label());
        table.problems().push(table.at(), Some("event_time_min"), message, None);
    }
    (earliest, latest)
}
