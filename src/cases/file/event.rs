//! The events of a case, and the defaults of their fields.

use super::{place, time_of};
use crate::cases::case::Event;
use crate::cases::record::{self, Fields, Shape};
use tidemark_jobs::document::Table;
use tidemark_operators::time::EventTime;

/// The fields of every event, by source of the job.
pub(super) struct Defaults(Vec<Fields>);

impl Defaults {
    /// Reads `[defaults.SOURCE]`.
    pub fn read(root: &mut Table<'_>, shapes: &[Shape<'_>]) -> Self {
        let mut defaults = vec![Fields::new(); shapes.len()];
        let Some(mut table) = root.table("defaults", "[defaults]") else {
            return Defaults(defaults);
        };
        for entry in table.named() {
            let names = shapes.iter().map(|shape| shape.source.name.as_str());
            let Some(at) = place(&table, &entry.name, "source", names) else { continue };
            let label = format!("[defaults.{}]", entry.name.value);
            match (entry.as_table(label), shapes.get(at), defaults.get_mut(at)) {
                (Some(mut fields), Some(shape), Some(into)) => {
                    *into = record::read(fields.named(), *shape, table.problems());
                }
                _ => entry.mistyped(&format!("\"{}\" in [defaults]", entry.name.value), "a table"),
            }
        }
        Defaults(defaults)
    }
}

/// Reads an event.
pub(super) fn read(
    mut table: Table<'_>,
    shapes: &[Shape<'_>],
    start: EventTime,
    defaults: &Defaults,
) -> Option<Event> {
    let (source, shape) = source(&mut table, shapes)?;
    let arrived = time_of(&mut table, "arrived", start);
    if table.has("raw") {
        let raw = table.text("raw");
        for key in ["at", "fields", "without"] {
            table.refuse(key, "cannot stand beside \"raw\", which is the whole record");
        }
        table.finish();
        return Some(Event { source, record: raw?.value.into_bytes(), at: None, arrived });
    }
    table.need("at");
    let at = time_of(&mut table, "at", start);
    let mut fields = defaults.0.get(source).cloned().unwrap_or_default();
    let problems = table.problems();
    for name in table.texts("without").unwrap_or_default() {
        if let Some(field) = record::find(&name, shape, problems) {
            fields.remove(&field);
        }
    }
    let named = table.table("fields", "fields").map(|mut below| below.named());
    fields.extend(record::read(named.unwrap_or_default(), shape, problems));
    fields.extend(record::read(table.named(), shape, problems));
    table.finish();
    let record = record::write(shape, &fields, at?, arrived);
    Some(Event { source, record, at, arrived })
}

/// The source of an event and its place: the named one, or the only one.
fn source<'p>(table: &mut Table<'_>, shapes: &[Shape<'p>]) -> Option<(usize, Shape<'p>)> {
    if shapes.len() > 1 {
        table.need("source");
    } else if !table.has("source") {
        return shapes.first().map(|only| (0, *only));
    }
    let name = table.text("source")?;
    let names = shapes.iter().map(|shape| shape.source.name.as_str());
    let found = names.clone().position(|known| known == name.value);
    if found.is_none() {
        let message = format!("unknown source \"{}\" in {}", name.value, table.label());
        if shapes.iter().flat_map(|shape| shape.fields).any(|field| field.name == "source") {
            let hint = "the job has a field of that name too: write fields = { source = .. }";
            table.problems().wrong(&name, message, Some(hint.to_owned()));
        } else {
            table.problems().unknown(&name, message, names);
        }
    }
    let found = found?;
    Some((found, *shapes.get(found)?))
}
