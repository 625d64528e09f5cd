//! The events of a case, and the defaults of their fields.

use super::{place, time_of};
use crate::cases::case::Event;
use crate::cases::record::{self, Fields};
use tidemark_jobs::document::Table;
use tidemark_operators::plan::{Plan, SourcePlan};
use tidemark_operators::time::EventTime;

/// The fields of every event, by source of the job.
pub(super) struct Defaults(Vec<Fields>);

impl Defaults {
    /// Reads `[defaults.SOURCE]`.
    pub fn read(root: &mut Table<'_>, plan: &Plan) -> Self {
        let mut defaults = vec![Fields::new(); plan.sources.len()];
        let Some(mut table) = root.table("defaults", "[defaults]") else {
            return Defaults(defaults);
        };
        for entry in table.named() {
            let names = plan.sources.iter().map(|source| source.name.as_str());
            let Some(at) = place(&table, &entry.name, "source", names) else { continue };
            let label = format!("[defaults.{}]", entry.name.value);
            match (entry.as_table(label), plan.sources.get(at), defaults.get_mut(at)) {
                (Some(mut fields), Some(source), Some(into)) => {
                    *into = record::read(fields.named(), source, table.problems());
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
    plan: &Plan,
    start: EventTime,
    defaults: &Defaults,
) -> Option<Event> {
    let source = source(&mut table, plan)?;
    let (at_source, plan) = source;
    let arrived = time_of(&mut table, "arrived", start);
    if table.has("raw") {
        let raw = table.text("raw");
        for key in ["at", "fields", "without"] {
            table.refuse(key, "cannot stand beside \"raw\", which is the whole record");
        }
        table.finish();
        return Some(Event { source: at_source, record: raw?.value.into_bytes(), arrived });
    }
    table.need("at");
    let at = time_of(&mut table, "at", start);
    let mut fields = defaults.0.get(at_source).cloned().unwrap_or_default();
    let problems = table.problems();
    for name in table.texts("without").unwrap_or_default() {
        if let Some(field) = record::find(&name, plan, problems) {
            fields.remove(&field);
        }
    }
    let named = table.table("fields", "fields").map(|mut below| below.named());
    fields.extend(record::read(named.unwrap_or_default(), plan, problems));
    fields.extend(record::read(table.named(), plan, problems));
    table.finish();
    let record = record::write(plan, &fields, at?, arrived);
    Some(Event { source: at_source, record, arrived })
}

/// The source of an event and its place: the named one, or the only one.
fn source<'p>(table: &mut Table<'_>, plan: &'p Plan) -> Option<(usize, &'p SourcePlan)> {
    if plan.sources.len() > 1 {
        table.need("source");
    } else if !table.has("source") {
        return plan.sources.first().map(|only| (0, only));
    }
    let name = table.text("source")?;
    let names = plan.sources.iter().map(|source| source.name.as_str());
    let found = names.clone().position(|known| known == name.value);
    if found.is_none() {
        let field = plan.sources.iter().flat_map(|source| &source.fields);
        let message = format!("unknown source \"{}\" in {}", name.value, table.label());
        if field.into_iter().any(|field| field.name == "source") {
            let hint = "the job has a field of that name too: write fields = { source = .. }";
            table.problems().wrong(&name, message, Some(hint.to_owned()));
        } else {
            table.problems().unknown(&name, message, names);
        }
    }
    let found = found?;
    Some((found, plan.sources.get(found)?))
}
