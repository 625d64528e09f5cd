//! A job's entities: what their keys are and what they take.

use super::markdown::{code, codes, paragraph, prose};
use super::source::key;
use crate::aggregate::Memory;
use crate::document::quantity::show_duration;
use crate::report::kept;
use tidemark_operators::plan::{EntityPlan, Plan};

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
    let storage = entity.attributes.iter().map(|attribute| attribute.storage);
    let row = Memory::row(entity.filters, storage);
    let kept = kept(entity);
    let mut memory = format!("{} B for each live {name}", kept.entity);
    if kept.value > 0 {
        memory.push_str(&format!(
            ", {} B for each distinct value in a window that counts them",
            Memory::VALUE
        ));
    }
    let longest = entity.windows.iter().map(|window| window.length.saturating_add(window.delay));
    if let Some(longest) = longest.max() {
        let longest = show_duration(longest);
        memory.push_str(&format!(", and {row} B for each event of the last {longest}"));
    }
    out.push_str(&format!("- **Memory:** {memory}\n"));
    out
}
