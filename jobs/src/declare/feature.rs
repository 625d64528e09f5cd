//! One feature of a view: an aggregate, or an expression over other features and the latest event.

use super::{HORIZON_DEFAULT, LENGTHS, Written, name};
use crate::aggregate::{self, Measure, Reported};
use crate::document::{At, Table};
use std::rc::Rc;
use tidemark_operators::time::Millis;

/// The most features a view may have.
const FEATURES_MAX: usize = 64;

/// A feature as it was written.
#[derive(Debug)]
pub(crate) struct FeatureDeclared {
    pub(crate) name: At<String>,
    pub(crate) description: String,
    /// Only there for expressions to name; not shown.
    pub(crate) hidden: bool,
    pub(crate) body: Body,
}

/// What a feature is.
#[derive(Debug)]
pub(crate) enum Body {
    /// An aggregate over the entity's events.
    Measure(Rc<dyn Measure>),
    /// An expression.
    Expression {
        /// The expression.
        written: Written,
        /// How long attributes of the latest event are seen.
        horizon: Millis,
    },
    /// What was written is wrong, and that is recorded.
    Unknown,
}

impl FeatureDeclared {
    /// Reads the table of a view's features.
    pub(super) fn read_all(mut table: Table<'_>) -> Vec<Self> {
        let problems = table.problems();
        let named = table.named();
        if named.is_empty() {
            let message = format!("{} are missing: add at least one", table.label());
            problems.push(table.at(), Some("features"), message, None);
        }
        if let Some(first_too_many) = named.get(FEATURES_MAX) {
            let message =
                format!("a view has at most {FEATURES_MAX} features, this one has {}", named.len());
            problems.wrong(&first_too_many.name, message, None);
        }
        let mut features = Vec::new();
        for entry in named.into_iter().take(FEATURES_MAX) {
            let label = format!("feature \"{}\"", entry.name.value);
            name::check(&entry.name, "feature", problems);
            let mut feature = FeatureDeclared {
                name: entry.name.clone(),
                description: String::new(),
                hidden: false,
                body: Body::Unknown,
            };
            match entry.as_table(label.clone()) {
                Some(table) => feature.read(table),
                None => {
                    let wanted = "a table such as { aggregate = \"count\", window = \"5m\" }";
                    entry.mistyped(&label, wanted);
                }
            }
            features.push(feature);
        }
        features
    }

    fn read(&mut self, mut table: Table<'_>) {
        self.description = table.text("description").map(|text| text.value).unwrap_or_default();
        self.hidden = table.boolean("hidden").is_some_and(|flag| flag.value);
        if table.has("expression") {
            table.refuse("aggregate", "cannot stand beside \"expression\"");
            self.body = expression(&mut table);
            table.finish();
            return;
        }
        if !table.has("aggregate") {
            missing_body(&mut table);
            return;
        }
        let Some(name) = table.text("aggregate") else { return };
        match aggregate::named(&name.value) {
            Some(aggregate) => {
                if let Ok(measure) = aggregate.read(&mut table) {
                    self.body = Body::Measure(measure);
                }
                aggregate::refuse_absent_keys(&mut table);
                table.finish();
            }
            None => {
                let message =
                    format!("{} has no such aggregate: \"{}\"", table.label(), name.value);
                match aggregate::instead_of(&name.value) {
                    Some(instead) => table.problems().wrong(&name, message, Some(instead.into())),
                    None => table.problems().unknown(&name, message, aggregate::names()),
                }
            }
        }
    }
}

/// Records that a feature is neither an aggregate nor an expression.
fn missing_body(table: &mut Table<'_>) {
    if table.resembles("expression") {
        table.need("expression");
    } else if table.resembles("aggregate") {
        table.need("aggregate");
    } else {
        let message = format!("missing key \"aggregate\" in {}", table.label());
        let hint = "name an aggregate, or write an \"expression\"".to_owned();
        table.problems().push(table.at(), Some("aggregate"), message, Some(hint));
    }
}

fn expression(table: &mut Table<'_>) -> Body {
    let what = format!("\"expression\" in {}", table.label());
    table.refuse("window", "is for aggregates; an expression names features that have windows");
    table.refuse("session", "is for aggregates; an expression names features that have sessions");
    table.refuse("delay", "is for aggregates over a window; an expression has none");
    table.refuse("where", "is for aggregates; in an expression write if(condition, value, other)");
    let horizon = table.duration("horizon", LENGTHS).map_or(HORIZON_DEFAULT, |at| at.value);
    let text = table.text("expression");
    match text.and_then(|text| Written::parse(text, &what, table.problems())) {
        Some(written) => Body::Expression { written, horizon },
        None => Body::Unknown,
    }
}

/// The filter under `key`, if there is one.
pub(crate) fn filter(table: &mut Table<'_>, key: &str) -> Result<Option<Written>, Reported> {
    let there = table.has(key);
    let what = format!("\"{key}\" in {}", table.label());
    let text = table.text(key);
    let written = text.and_then(|text| Written::parse(text, &what, table.problems()));
    if there && written.is_none() { Err(Reported) } else { Ok(written) }
}
