//! What is said of records when a job over files has ended.

use super::skipped;
use crate::cold_file::ColdFolder;
use crate::engine::Observer;
use crate::output;
use crate::text::printable;
use tidemark_operators::plan::Plan;

/// A field some of whose values could not be read.
struct InvalidField<'a> {
    source: &'a str,
    field: &'a str,
    count: u64,
    first: Option<String>,
}

fn invalid_fields<'a>(plan: &'a Plan, observer: &Observer) -> Vec<InvalidField<'a>> {
    let mut found = Vec::new();
    for (at, source) in plan.sources.iter().enumerate() {
        for (index, field) in source.fields.iter().enumerate() {
            let workers = || observer.metrics.iter().filter_map(|m| m.invalid.get(at));
            let count = workers().map(|invalid| invalid.count(index)).sum();
            if count > 0 {
                let first = workers().find_map(|invalid| invalid.first(index));
                found.push(InvalidField { source: &source.name, field: &field.name, count, first });
            }
        }
    }
    found
}

/// Says what is to be known of records that became events, or none on purpose; how many values of
/// fields were invalid.
pub(crate) fn tell(plan: &Plan, observer: &Observer) -> u64 {
    tell_invalid(&invalid_fields(plan, observer));
    tell_rounded(plan, observer);
    skipped::say(plan, observer);
    invalid(plan, observer)
}

/// How many values of fields were invalid.
pub(crate) fn invalid(plan: &Plan, observer: &Observer) -> u64 {
    invalid_fields(plan, observer).iter().map(|field| field.count).sum()
}

/// Says whether events had to stay in memory that should have left it.
pub(crate) fn tell_cold(folder: &ColdFolder) {
    if let Some((times, why)) = folder.failed() {
        output::note(&format!(
            "{times} times events stayed in memory for longer than they should have; the last time: {why}"
        ));
    }
}

/// Says which fields are null in some events although something was there.
fn tell_invalid(invalid: &[InvalidField<'_>]) {
    for InvalidField { source, field, count, first } in invalid {
        // It may hold what a producer wrote.
        let first = printable(first.as_deref().unwrap_or_default());
        output::note(&format!(
            "invalid: {source}.{field}, {count} values are null, the first: {first}"
        ));
    }
}

/// Says which decimals had more digits than their fields keep.
fn tell_rounded(plan: &Plan, observer: &Observer) {
    for (at, source) in plan.sources.iter().enumerate() {
        for (index, field) in source.fields.iter().enumerate() {
            let workers = observer.metrics.iter().filter_map(|m| m.rounded.get(at)?.get(index));
            let count: u64 = workers.map(|count| count.get()).sum();
            if count > 0 {
                output::note(&format!(
                    "rounded: {}.{}, {count} values had more digits than {} keeps",
                    source.name, field.name, field.ty
                ));
            }
        }
    }
}
