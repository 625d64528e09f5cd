//! A job's entities: what their keys are and what they take.

use super::markdown::{code, codes, paragraph, prose};
use super::source::key;
use crate::aggregate::Memory;
use crate::document::quantity::show_duration;
use crate::report::{kept, thousands};
use tidemark_operators::plan::{EntityPlan, Plan, Sequence};

/// The body of an entity's section, before its views.
pub(super) fn body(plan: &Plan, at: usize, entity: &EntityPlan, description: &str) -> String {
    let mut out = paragraph(description);
    let sources = entity.sources.iter().zip(&plan.sources);
    let keys = sources.filter_map(|(feeds, source)| {
        let field = source.fields.get(feeds.as_ref()?.key);
        Some(format!("{} of {}", key(field), code(&source.name)))
    });
    let keys = keys.collect::<Vec<_>>().join(", ");
    let name = prose(&entity.name);
    out.push_str(&format!("- **Key:** {keys}; an event without it concerns no {name}\n"));
    let places = plan.views.iter().enumerate().filter(|(_, place)| place.entity == at);
    let views = places.filter_map(|(view, _)| Some(plan.view(view)?.name.as_str()));
    out.push_str(&format!("- **Views:** {}\n", codes(views)));
    out.push_str(&format!("- **Memory:** {}\n", memory(entity)));
    out
}

/// What an entity takes: a sum, what its terms count, and what it comes to for one with events.
fn memory(entity: &EntityPlan) -> String {
    let name = prose(&entity.name);
    let of_kind = |value: u64| {
        let accumulators = entity.accumulators.iter();
        accumulators.filter(|it| Memory::of(it.kind).value == value).count()
    };
    let counts = of_kind(Memory::VALUE);
    let news = entity.sequences.iter().filter(|it| matches!(it.what, Sequence::New { .. })).count();
    let kept = kept(entity);
    let storage = entity.attributes.iter().map(|attribute| attribute.storage);
    let row = Memory::row(entity.filters, storage);
    let mut sum = MemorySum {
        terms: vec![kept.entity.to_string()],
        bytes: kept.entity,
        ..MemorySum::default()
    };
    let lengths = entity.windows.iter().map(|window| window.length.saturating_add(window.delay));
    let lengths = lengths.chain(entity.sessions.iter().map(|session| session.gap));
    if let Some(longest) = lengths.max() {
        let events = format!("events of the last {}", show_duration(longest));
        sum.add(row, 'n', &events, EVENTS);
    }
    if kept.event > 0 {
        sum.add(kept.event, 'm', "of these events those in a window with a greatest or least", FEW);
    }
    if counts > 0 {
        let what = match counts {
            1 => "distinct values in the window that counts them".to_owned(),
            counts => format!("distinct values in the {counts} windows that count some, added up"),
        };
        sum.add(Memory::VALUE, 'd', &what, VALUES * u64::try_from(counts).unwrap_or(0));
    }
    if news > 0 {
        let what = "values that would not be new, for each feature that asks whether one is";
        sum.add(Memory::SEEN, 's', what, VALUES * u64::try_from(news).unwrap_or(0));
    }
    let MemorySum { terms, whats, bytes, example } = sum;
    let mut out = format!("at most {} bytes for each {name} with a row", terms.join(" + "));
    for what in &whats {
        out.push_str(&format!("\n  - {what}"));
    }
    if !whats.is_empty() {
        let (with, bytes) = (example.join(", "), thousands(bytes));
        out.push_str(&format!("\n  - for example, {bytes} bytes with {with}"));
    }
    out
}

/// See [`memory`].
#[derive(Default)]
struct MemorySum {
    terms: Vec<String>,
    whats: Vec<String>,
    bytes: u64,
    example: Vec<String>,
}

impl MemorySum {
    /// Adds `bytes` for each `name`, which counts `what`, of which there are `number` in an example.
    fn add(&mut self, bytes: u64, name: char, what: &str, number: u64) {
        self.terms.push(format!("{bytes} *{name}*"));
        self.whats.push(format!("*{name}*: {what}"));
        self.bytes = self.bytes.saturating_add(bytes.saturating_mul(number));
        self.example.push(format!("*{name}* = {number}"));
    }
}

/// How many events an example of what an entity takes has, how many of them in a short window, and
/// how many distinct values of each thing.
const EVENTS: u64 = 100;
const FEW: u64 = 5;
const VALUES: u64 = 10;
