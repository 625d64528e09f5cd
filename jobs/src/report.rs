//! What `tidemark check` prints: a job as it was understood.

mod field;
mod table;

use crate::aggregate::Memory;
use crate::declare::HOLD_DEFAULT;
use crate::document::quantity::show_duration;
use crate::job::{Job, ViewText};
use crate::times;
use std::fmt::{self, Write};
use tidemark_operators::ingest::unique::ID_BYTES_MAX;
use tidemark_operators::plan::{
    Arrival, Duplicates, EntityPlan, FeaturePlan, Format, Framing, Invalid, Keyless, Pick, Plan,
    Sequence, SessionPlan, SourcePlan, Start, Storage, TimeField, TimeForm, TimeUnit, ViewPlan,
};
use tidemark_operators::time::{EARLIEST_DEFAULT, LATEST_DEFAULT};
use tidemark_operators::value::Type;

/// How wide the lists of fields and features are, in characters.
const LIST_CHARS: usize = 110;

impl Job {
    /// The job as it was understood: its sources, its entities and what they keep, and of every
    /// view the features with type, window, memory bound and a one-line definition.
    pub fn report(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_report(&mut out);
        out
    }

    fn write_report(&self, out: &mut String) -> fmt::Result {
        let plan = &*self.plan;
        writeln!(out, "job {}{}", plan.name, described(&self.description))?;
        write!(out, "  time zone {}", plan.zone.name)?;
        match plan.distinct_max {
            Some(most) => writeln!(out, ", distinct counts written up to {}", thousands(most))?,
            None => writeln!(out)?,
        }
        for (source, text) in plan.sources.iter().zip(&self.sources) {
            writeln!(out, "\nsource {}{}", source.name, described(&text.description))?;
            write_source(out, source)?;
            for (name, definition) in &text.definitions {
                writeln!(out, "  define  {name} = {definition}")?;
            }
            for lookup in &text.lookups {
                writeln!(out, "  lookup  {} = {lookup}", lookup.name)?;
            }
        }
        for (table, description) in plan.tables.iter().zip(&self.tables) {
            writeln!(out, "\ntable {}{}", table.name, described(description))?;
            table::write(out, table)?;
        }
        for (entity, description) in plan.entities.iter().zip(&self.entities) {
            writeln!(out, "\nentity {}{}", entity.name, described(description))?;
            write_entity(out, entity, plan)?;
        }
        for (view, text) in self.views.iter().enumerate() {
            self.write_view(out, view, text)?;
        }
        for service in &self.services {
            writeln!(out, "\nservice {}{}", service.name, described(&service.description))?;
            write_list(out, "serves", served(plan, &service.features).into_iter())?;
        }
        Ok(())
    }

    fn write_view(&self, out: &mut String, at: usize, text: &ViewText) -> fmt::Result {
        let plan = &*self.plan;
        let (Some(view), Some(place)) = (plan.view(at), plan.views.get(at)) else { return Ok(()) };
        let entity = plan.entities.get(place.entity).map_or("", |entity| entity.name.as_str());
        let sources = text.sources.iter().filter_map(|source| plan.sources.get(*source));
        let sources: Vec<&str> = sources.map(|source| source.name.as_str()).collect();
        writeln!(out, "\nview {}{}", view.name, described(&text.description))?;
        write!(out, "  of {entity}, from {}", sources.join(" and "))?;
        if let Some(filter) = &text.filter {
            write!(out, " where {filter}")?;
        }
        writeln!(out, ", ttl {}", show_duration(view.ttl))?;
        write_features(out, view, text)
    }
}

fn described(description: &str) -> String {
    let line = one_line(description);
    if line.is_empty() { line } else { format!(": {line}") }
}

/// Where a topic is read from; `ago` is what is said of a time that is reckoned from the start.
pub(crate) fn shown_start(start: Start, ago: &str) -> String {
    match start {
        Start::Earliest => "the earliest record".to_owned(),
        Start::Latest => "the latest record".to_owned(),
        Start::At(time) => times::show(time),
        Start::Ago(length) => format!("{} {ago}", show_duration(length)),
    }
}

fn write_source(out: &mut String, source: &SourcePlan) -> fmt::Result {
    let kcat = source.framing == Framing::Kcat;
    let framing = if kcat { " (files are what kcat -J has written)" } else { "" };
    let format = match source.format {
        Format::Json if source.strict_json => "strict json".to_owned(),
        Format::Json => "json".to_owned(),
        Format::Avro => "avro".to_owned(),
        Format::Csv { delimiter: b',' } => "csv".to_owned(),
        Format::Csv { delimiter } => format!("csv with {:?} between cells", char::from(delimiter)),
    };
    match &source.topic {
        Some(topic) => {
            let start = shown_start(source.start, "ago");
            writeln!(out, "  topic   {topic}, {format}, from {start}{framing}")?;
        }
        None => writeln!(out, "  files   {}, {format}{framing}", source.files.join(", "))?,
    }
    write!(out, "  time    {}", shown_time(&source.time))?;
    write!(out, ", up to {} out of order", show_duration(source.out_of_orderness))?;
    write!(out, ", idle after {}", show_duration(source.idle_after))?;
    if source.hold_max != HOLD_DEFAULT.max(source.idle_after) {
        write!(out, ", holds others for {} at most", show_duration(source.hold_max))?;
    }
    if (source.earliest, source.latest) != (EARLIEST_DEFAULT, LATEST_DEFAULT) {
        let (from, to) = (times::show(source.earliest), times::show(source.latest));
        write!(out, ", from {from} to {to}")?;
    }
    writeln!(out)?;
    write_arrival(out, source)?;
    if let Some(envelope) = &source.envelope {
        let ops: Vec<&str> = envelope.ops.iter().map(|operation| operation.name()).collect();
        writeln!(
            out,
            "  events  what an envelope of debezium says of operation {}; others are skipped, and counted",
            ops.join(" or ")
        )?;
    }
    let fields = source.fields.iter().enumerate();
    write_list(
        out,
        "reads",
        fields.map(|(at, field)| field::shown(field, source.keys.contains(&at))),
    )?;
    write_unreadable(out, source)
}

/// What becomes of a value that is there and cannot be read.
fn write_unreadable(out: &mut String, source: &SourcePlan) -> fmt::Result {
    let rejects = source.fields.iter().filter(|field| field.reading.invalid == Invalid::Reject);
    let rejects: Vec<&str> = rejects.map(|field| field.name.as_str()).collect();
    match rejects.as_slice() {
        [] => writeln!(out, "  invalid null in every field, and counted")?,
        names => writeln!(
            out,
            "  invalid a dead letter in {}; null in every other field, and counted",
            names.join(", ")
        )?,
    }
    for field in source.fields.iter().filter(|field| field.reading.pick == Some(Pick::First)) {
        writeln!(out, "  note    the first address of {} is what the client wrote", field.name)?;
    }
    let optional = |key: &usize| source.fields.get(*key).is_some_and(|field| !field.required);
    if source.keys.iter().all(optional) {
        let what = match source.keyless {
            Keyless::Skip => "counted, and no event",
            Keyless::Dead => "a dead letter",
        };
        writeln!(out, "  keyless a record without any key is {what}")?;
    }
    write_unique(out, source)
}

/// By what copies of a record are told, and what that takes.
fn write_unique(out: &mut String, source: &SourcePlan) -> fmt::Result {
    let Some(unique) = &source.unique else { return Ok(()) };
    let id = unique.id.iter().filter_map(|at| source.fields.get(*at));
    let id: Vec<&str> = id.map(|field| field.name.as_str()).collect();
    let (id, within) = (id.join(" and "), show_duration(unique.within));
    let what = match unique.duplicates {
        Duplicates::Skip => "counted, and no event",
        Duplicates::Dead => "a dead letter",
    };
    let each = if source.topic.is_some() { "partition" } else { "file" };
    writeln!(out, "  unique  by {id}: a copy within {within} of its {each}'s clock is {what};")?;
    writeln!(out, "          one in another {each} is not told, and is one more event")?;
    let (million, most) = (1_000_000, u64::try_from(unique.ids_max).unwrap_or(u64::MAX));
    writeln!(
        out,
        "  memory  {} at most for each million ids inside, of at most {} for each {each}",
        megabytes(ID_BYTES_MAX * million),
        thousands(most)
    )
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}

/// When records arrive, and what that means for their times.
fn write_arrival(out: &mut String, source: &SourcePlan) -> fmt::Result {
    let arrival = match &source.arrival {
        Arrival::Field(field) => shown_time(field),
        Arrival::Timestamp if source.topic.is_some() => "the record's timestamp".to_owned(),
        Arrival::Timestamp | Arrival::Unknown => {
            return writeln!(out, "  arrival none: no time is corrected, no clock is bounded");
        }
    };
    write!(out, "  arrival {arrival}")?;
    match source.max_ahead {
        Some(ahead) => writeln!(out, ", an event is at most {} ahead of it", show_duration(ahead))?,
        None => writeln!(out, ", an event may be any time ahead of it")?,
    }
    if let Some(skew) = source.max_future_skew {
        let skew = show_duration(skew);
        writeln!(out, "  note    what is more than {skew} ahead is refused: it is in no feature")?;
    }
    Ok(())
}

pub(crate) fn shown_time(time: &TimeField) -> String {
    format!("{} ({})", time.place.shown(&time.path), shown_form(&time.form))
}

fn shown_form(form: &TimeForm) -> String {
    let unit = form.unit.name();
    match (&form.zone, form.unit) {
        (Some(zone), TimeUnit::Date | TimeUnit::Days) => {
            format!("{unit}, midnight in {}", zone.name)
        }
        (Some(zone), _) => format!("{unit}, times without an offset are {}", zone.name),
        (None, _) => unit.to_owned(),
    }
}

fn write_entity(out: &mut String, entity: &EntityPlan, plan: &Plan) -> fmt::Result {
    let keys = entity.sources.iter().zip(&plan.sources).filter_map(|(feeds, source)| {
        let key = source.fields.get(feeds.as_ref()?.key)?;
        Some(format!("{} in {}", key.name, source.name))
    });
    writeln!(out, "  key     {}", keys.collect::<Vec<_>>().join(", "))?;
    write_memory(out, entity)
}

fn write_memory(out: &mut String, entity: &EntityPlan) -> fmt::Result {
    let row = entity.attributes.iter().map(|attribute| attribute.storage);
    let row = Memory::row(entity.filters, row);
    let windows = entity.windows.iter().map(|window| window.length.saturating_add(window.delay));
    let longest = windows.chain(entity.sessions.iter().map(|session| session.gap)).max();
    let mut head = "memory ";
    if let Some(longest) = longest {
        writeln!(out, "  {head} {row} B an event, for {}", show_duration(longest))?;
        head = "       ";
    }
    let kept = kept(entity);
    write!(out, "  {head} {} B a live {}", kept.entity, entity.name)?;
    let seen = entity.sequences.iter().any(|it| matches!(it.what, Sequence::New { .. }));
    let counted = entity.accumulators.iter().any(|it| Memory::of(it.kind).value > 0);
    for (there, bytes, over) in
        [(counted, Memory::VALUE, "window"), (seen, Memory::SEEN, "horizon")]
    {
        if there {
            write!(out, ", {bytes} B a distinct value in a {over}")?;
        }
    }
    let texts = entity.attributes.iter().any(|it| it.storage == Storage::Symbol);
    if texts {
        write!(out, ", {} B and its length a different text", Memory::TEXT)?;
    }
    writeln!(out)
}

/// What all features of an entity keep together, for each of its kind.
pub(crate) fn kept(entity: &EntityPlan) -> Memory {
    let storage = |at: &usize| entity.attributes.get(*at).map(|attribute| attribute.storage);
    let mut kept = Memory::default();
    for accumulator in &entity.accumulators {
        kept = kept.and(Memory::of(accumulator.kind));
    }
    for last in &entity.lasts {
        kept = kept.and(Memory::last(last.attributes.iter().filter_map(storage)));
    }
    for sequence in &entity.sequences {
        kept = kept.and(match sequence.what {
            Sequence::New { .. } => Memory::seen(),
            _ => Memory::before(),
        });
    }
    for session in &entity.sessions {
        let SessionPlan { firsts, counts, sums, .. } = session;
        kept = kept.and(Memory::session(firsts.len() + counts.len() + 2 * sums.len()));
    }
    kept
}

/// A service's features: `all 4 of VIEW` where it has all of them, else `VIEW.FEATURE`.
fn served(plan: &Plan, features: &[(usize, usize)]) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for (view_at, feature) in features {
        let Some(view) = plan.view(*view_at) else { continue };
        let served = features.iter().filter(|(other, _)| other == view_at).count();
        let name = view.features.get(*feature).map_or("", |feature| feature.name.as_str());
        let item = match served == view.features.len() {
            true => format!("all {served} of {}", view.name),
            false => format!("{}.{name}", view.name),
        };
        if !shown.contains(&item) {
            shown.push(item);
        }
    }
    shown
}

/// `int64`, `double?`: a feature's type, with a question mark when it can be null.
pub(crate) fn shown_type(feature: &FeaturePlan) -> String {
    let name = match feature.ty {
        Type::Int => "int64",
        other => other.name(),
    };
    format!("{name}{}", if feature.nullable { "?" } else { "" })
}

fn write_features(out: &mut String, view: &ViewPlan, text: &ViewText) -> fmt::Result {
    let heads = ["feature", "type", "over", "memory", "definition"].map(str::to_owned);
    let mut rows = vec![heads];
    for (feature, text) in view.features.iter().zip(&text.features) {
        let definition = match text.description.as_str() {
            "" => text.definition.clone(),
            said => format!("{}  # {}", text.definition, one_line(said)),
        };
        let (over, memory) = (text.over.clone(), text.memory.clone());
        rows.push([feature.name.clone(), shown_type(feature), over, memory, definition]);
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..4).map(width).collect();
    for row in &rows {
        out.push_str("  ");
        for (cell, width) in row.iter().zip(&widths) {
            write!(out, "{cell:width$}  ")?;
        }
        writeln!(out, "{}", row.last().map_or("", String::as_str))?;
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A list with commas, broken into lines.
fn write_list(out: &mut String, head: &str, items: impl Iterator<Item = String>) -> fmt::Result {
    let mut line = format!("  {head:7}");
    let mut items = items.peekable();
    while let Some(item) = items.next() {
        if line.chars().count() + 1 + item.chars().count() > LIST_CHARS {
            writeln!(out, "{}", line.trim_end())?;
            line = format!("  {:7}", "");
        }
        write!(line, " {item}{}", if items.peek().is_some() { "," } else { "" })?;
    }
    writeln!(out, "{line}")
}

pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}
