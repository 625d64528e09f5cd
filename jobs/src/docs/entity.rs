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

/// What an entity takes: a sum whose terms are named, and what that comes to for one with events.
fn memory(entity: &EntityPlan) -> String {
    let name = prose(&entity.name);
    let kept = kept(entity);
    let storage = entity.attributes.iter().map(|attribute| attribute.storage);
    let row = Memory::row(entity.filters, storage);
    let (mut terms, mut whats) = (vec![kept.entity.to_string()], Vec::new());
    let mut example = (kept.entity, Vec::new());
    let lengths = entity.windows.iter().map(|window| window.length.saturating_add(window.delay));
    let lengths = lengths.chain(entity.sessions.iter().map(|session| session.gap));
    if let Some(longest) = lengths.max() {
        terms.push(format!("{row} *n*"));
        whats.push(format!("*n* its events of the last {}", show_duration(longest)));
        example.0 += row * EVENTS;
        example.1.push(format!("{EVENTS} events"));
    }
    if kept.event > 0 {
        terms.push(format!("{} *m*", kept.event));
        whats.push("*m* those in windows with a greatest or least value, mostly few".to_owned());
    }
    let of_kind = |value: u64| {
        let accumulators = entity.accumulators.iter();
        accumulators.filter(|it| Memory::of(it.kind).value == value).count()
    };
    let counts = of_kind(Memory::VALUE);
    if counts > 0 {
        terms.push(format!("{} *d*", Memory::VALUE));
        let over = if counts == 1 { "the window" } else { "each of the windows" };
        whats.push(format!("*d* the distinct values in {over} that count them ({counts})"));
        let values = VALUES * u64::try_from(counts).unwrap_or(0);
        example.0 += Memory::VALUE * values;
        example.1.push(format!("{values} distinct values"));
    }
    let seen = entity.sequences.iter().filter(|it| matches!(it.what, Sequence::New { .. })).count();
    if seen > 0 {
        terms.push(format!("{} *s*", Memory::SEEN));
        whats.push("*s* the values it has had of what may be new".to_owned());
        let values = VALUES * u64::try_from(seen).unwrap_or(0);
        example.0 += Memory::SEEN * values;
        example.1.push(format!("{values} of what may be new"));
    }
    let sum = terms.join(" + ");
    if whats.is_empty() {
        return format!("{sum} bytes for each {name} that has a row");
    }
    let (bytes, with) = (thousands(example.0), example.1.join(", "));
    format!(
        "at most {sum} bytes for each {name} that has a row. There {}. With \
         {with} that is {bytes} bytes. Ids and texts come on top, once for all that have them, and a \
         process that writes final rows besides those that are served keeps all but the events twice",
        whats.join("; ")
    )
}

/// How many events an example of what an entity takes has, and how many distinct values of each
/// thing.
const EVENTS: u64 = 100;
const VALUES: u64 = 10;
