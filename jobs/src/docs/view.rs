//! A view: its events, its row, and all its features.

use super::empty;
use super::inputs::Inputs;
use super::job::Example;
use super::markdown::{Rows, code, codes, paragraph, prose, sentence};
use super::nulls::Nulls;
use super::source::key;
use super::table::link;
use super::values::{cell, shown};
use crate::document::quantity::show_duration;
use crate::job::{FeatureText, Job, ViewText};
use crate::report::shown_type;
use crate::times;
use tidemark_operators::plan::{EntityPlan, FeaturePlan, Plan, ViewPlan};
use tidemark_operators::value::Value;

/// What the page is told about a view.
pub(super) struct Described<'a> {
    pub(super) job: &'a Job,
    pub(super) entity: &'a EntityPlan,
    pub(super) view: &'a ViewPlan,
    pub(super) text: &'a ViewText,
    pub(super) example: Option<&'a Example>,
}

impl Described<'_> {
    /// The body of the view's section.
    pub(super) fn body(&self) -> String {
        let mut out = paragraph(&self.text.description);
        out.push_str(&self.facts());
        out.push('\n');
        out.push_str(&self.features());
        out.push_str(&self.example());
        out.push_str(&self.hidden());
        out
    }

    fn plan(&self) -> &Plan {
        &self.job.plan
    }

    fn facts(&self) -> String {
        let Described { entity, view, text, .. } = self;
        let mut keys = Vec::new();
        for at in &text.sources {
            let source = self.plan().sources.get(*at);
            let feeds = entity.sources.get(*at).and_then(Option::as_ref);
            if let (Some(source), Some(feeds)) = (source, feeds) {
                let key = key(source.fields.get(feeds.key));
                keys.push(format!("those of {} with a {key}", code(&source.name)));
            }
        }
        let mut events = keys.join(" and ");
        if let Some(filter) = &text.filter {
            events.push_str(&format!(", where {}", code(filter)));
        }
        let ttl = show_duration(view.ttl);
        let redis = format!("features:{}:{{id}}:{}", entity.name, view.name);
        let mut out = format!("- **Events:** {events}\n");
        if let Some(longest) = view.extents.iter().map(|(_, extent)| *extent).max() {
            let longest = show_duration(longest);
            let name = prose(&entity.name);
            out.push_str(&format!(
                "- **Row:** one for each {name}; removed when nothing is left in it, at the latest \
                 {longest} after the {name}'s last such event\n"
            ));
        }
        out.push_str(&format!(
            "- **Redis:** the hash {}, a field for each feature that is not null; it expires {ttl} \
             after it was last refreshed\n- **HTTP:** {}\n",
            code(&redis),
            code(&format!("GET /features/{}/{{id}}", view.name)),
        ));
        out
    }

    fn features(&self) -> String {
        let heads = ["Feature", "Type", "Definition", "Over", "Null", "Example", "Memory"];
        let mut rows = Rows::new(&heads);
        let nulls = Nulls { plan: self.plan(), entity: self.entity, view: self.view };
        let inputs = Inputs { entity: self.entity, view: self.view };
        let empty = empty::values(self.view, &self.plan().zone);
        let features = self.view.features.iter().zip(&self.text.features).zip(&empty);
        for (at, ((feature, text), empty)) in features.enumerate() {
            let example = self.example.and_then(|example| example.values.get(at));
            rows.push([
                code(&feature.name),
                code(&shown_type(feature)),
                format!("{}{}", definition(text), self.looked_up(inputs, feature)),
                over(text, inputs.over(feature.column)),
                null(&nulls.rule(feature), empty),
                example.map_or_else(String::new, |value| code(&shown(value))),
                memory(text),
            ]);
        }
        rows.finish()
    }

    /// What the looked-up values are that a feature is made of.
    fn looked_up(&self, inputs: Inputs<'_>, feature: &FeaturePlan) -> String {
        let mut out = String::new();
        for lookup in inputs.lookups(feature.column) {
            let of = |at: usize| self.entity.attributes.get(at).map(|it| code(&it.name));
            let Some(table) = self.plan().tables.get(lookup.table) else { continue };
            let column = table.columns.get(lookup.column);
            let (name, key) = (of(lookup.target), of(lookup.key));
            if let (Some(name), Some(key), Some(column)) = (name, key, column) {
                let otherwise = match cell(&lookup.default, column.ty) {
                    Value::Null => String::new(),
                    value => format!(", else {}", code(&shown(&value))),
                };
                let (column, table) = (code(&column.name), link(&table.name));
                out.push_str(&format!("; {name} is {column} of {table} by {key}{otherwise}"));
            }
        }
        out
    }

    /// What expressions name and rows do not show.
    fn hidden(&self) -> String {
        if self.text.hidden.is_empty() {
            return String::new();
        }
        let mut rows = Rows::new(&["Hidden feature", "Definition", "Over", "Memory"]);
        for (name, text) in &self.text.hidden {
            rows.push([code(name), definition(text), over(text, None), memory(text)]);
        }
        format!("\nNot in the row, but named by expressions of it:\n\n{}", rows.finish())
    }

    fn example(&self) -> String {
        let Some(example) = self.example else { return String::new() };
        let key = format!("features:{}:{}:{}", self.entity.name, example.id, self.view.name);
        format!(
            "The example is {} {} at {}, in Redis as {}.\n",
            prose(&self.entity.name),
            code(&example.id),
            code(&times::show(example.as_of)),
            code(&key),
        )
    }
}

fn definition(text: &FeatureText) -> String {
    let definition = match text.definition.strip_prefix("= ") {
        Some(expression) => code(&format!("= {expression}")),
        None => prose(&text.definition),
    };
    match text.description.trim() {
        "" => definition,
        said => format!("{definition}. {}", sentence(&prose(said))),
    }
}

/// What a feature is over: an expression all that its names are.
fn over(text: &FeatureText, found: Option<String>) -> String {
    let is_expression = text.definition.starts_with("= ");
    match (found.filter(|_| is_expression), text.over.as_str()) {
        (Some(found), _) => prose(&found),
        (None, "-") => "what it names".to_owned(),
        (None, over) => prose(over),
    }
}

fn memory(text: &FeatureText) -> String {
    match text.memory.as_str() {
        "-" => "none of its own".to_owned(),
        memory => prose(memory),
    }
}

/// The null rule, and the value without any events where that is not null.
fn null(rule: &str, empty: &Value) -> String {
    match empty {
        Value::Null => rule.to_owned(),
        empty => format!("{rule}; {} without events", code(&shown(empty))),
    }
}

/// The features of a service, by view: all of a view, or those named.
pub(super) fn served(plan: &Plan, features: &[(usize, usize)]) -> String {
    let mut out = String::new();
    let mut seen: Vec<usize> = Vec::new();
    for (view_at, _) in features {
        let Some(view) = plan.view(*view_at).filter(|_| !seen.contains(view_at)) else { continue };
        seen.push(*view_at);
        let of_view = features.iter().filter(|(other, _)| other == view_at);
        let named = of_view.filter_map(|(_, at)| Some(view.features.get(*at)?.name.as_str()));
        let named: Vec<&str> = named.collect();
        let all = if named.len() == view.features.len() { "all of " } else { "of " };
        let anchor = super::anchor(&format!("View {}", view.name));
        let (name, names) = (code(&view.name), codes(named));
        out.push_str(&format!("- {all}[{name}](#{anchor}): {names}\n"));
    }
    out
}
