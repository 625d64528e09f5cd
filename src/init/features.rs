//! A few features to start with: how often, how much, in how many places, and how it ended.

use super::job_draft::{EntityDraft, FieldDraft};
use super::names::{self, Names};
use tidemark_operators::value::Type;

/// How many fields are counted by their values.
const SPREAD_MAX: usize = 2;
/// Words of names of sums of money.
pub(super) const MONEY: [&str; 12] = [
    "amount", "amt", "price", "total", "value", "cost", "fee", "balance", "revenue", "tax", "tip",
    "discount",
];
/// Words of names of other things that are added up.
const MEASURES: [&str; 8] =
    ["bytes", "size", "duration", "quantity", "qty", "count", "score", "length"];
/// Words of numbers that adding up says nothing of.
const NO_MEASURES: [&str; 16] = [
    "id",
    "code",
    "lat",
    "lon",
    "lng",
    "latitude",
    "longitude",
    "port",
    "zip",
    "pid",
    "year",
    "mcc",
    "version",
    "number",
    "status",
    "index",
];
/// Words of names that say how something ended, or what it was.
const OUTCOMES: [&str; 12] = [
    "status", "outcome", "result", "response", "decision", "state", "action", "verdict", "success",
    "event", "type", "message",
];
/// What an ending is called that was not wanted.
const FAILED: [&str; 10] = [
    "declin", "fail", "denied", "deny", "reject", "block", "invalid", "error", "unauthor", "forbid",
];
/// The longest value that is written into a filter.
const VALUE_BYTES_MAX: usize = 40;

/// A view and its features.
#[derive(Debug)]
pub(super) struct ViewDraft {
    pub name: String,
    /// Index into the job's entities.
    pub entity: usize,
    pub features: Vec<FeatureDraft>,
}

/// A feature: its name, how it is written, and what it says.
#[derive(Debug)]
pub(super) struct FeatureDraft {
    pub name: String,
    pub toml: String,
    pub says: String,
}

/// A view of each entity: one that nothing is asked of is none.
pub(super) fn views(
    fields: &[FieldDraft],
    entities: &[EntityDraft],
    taken: &Names,
) -> Vec<ViewDraft> {
    let mut views = Names::default();
    let drafted = entities.iter().enumerate().map(|(at, entity)| {
        let mut drafted = Drafted { features: Vec::new() };
        drafted.draft(fields, entities, entity);
        let name = views.numbered(&format!("{}_activity", entity.name));
        let features = drafted.named(&mut taken.clone());
        ViewDraft { name, entity: at, features }
    });
    drafted.collect()
}

struct Drafted {
    features: Vec<FeatureDraft>,
}

impl Drafted {
    fn add(&mut self, name: impl Into<String>, toml: impl Into<String>, says: impl Into<String>) {
        let (name, toml, says) = (name.into(), toml.into(), says.into());
        self.features.push(FeatureDraft { name, toml, says });
    }

    fn draft(&mut self, fields: &[FieldDraft], entities: &[EntityDraft], entity: &EntityDraft) {
        for window in ["5m", "24h"] {
            let toml = format!("aggregate = \"count\", window = \"{window}\"");
            self.add(format!("events_{window}"), toml, "");
        }
        self.add(
            "gap_s",
            "aggregate = \"previous_gap\", unit = \"s\", horizon = \"30d\"",
            "since the event before; null for the first",
        );
        if let Some(field) = measure(fields, entities) {
            for (aggregate, says) in [("sum", ""), ("avg", "null without events"), ("max", "")] {
                let toml = format!(
                    "aggregate = \"{aggregate}\", of = \"{}\", window = \"24h\"",
                    field.name
                );
                self.add(format!("{}_{aggregate}_24h", field.name), toml, says);
            }
        }
        for field in spread(fields, entities, entity) {
            let of = &field.name;
            let toml = format!("aggregate = \"distinct\", of = \"{of}\", window = \"1h\"");
            self.add(format!("{of}_distinct_1h"), toml, "how many different ones");
            let toml = format!("aggregate = \"is_new\", of = \"{of}\", horizon = \"30d\"");
            self.add(format!("{of}_is_new"), toml, "never seen here before; null for the first");
        }
        if let Some((word, filter)) = failed(fields) {
            let toml = format!("aggregate = \"count\", where = '{filter}', window = \"5m\"");
            self.add(format!("{word}_5m"), toml, "");
            let toml = format!("aggregate = \"ratio\", where = '{filter}', window = \"1h\"");
            self.add(format!("{word}_share_1h"), toml, "of all events; 0 without events");
        }
    }

    /// The features, none with a name that is `taken`.
    fn named(self, taken: &mut Names) -> Vec<FeatureDraft> {
        let mut features = self.features;
        for feature in &mut features {
            feature.name = taken.numbered(&feature.name);
        }
        features
    }
}

/// The number that is added up.
fn measure<'f>(fields: &'f [FieldDraft], entities: &[EntityDraft]) -> Option<&'f FieldDraft> {
    let is_key = |at: usize| entities.iter().any(|entity| entity.key == at);
    let numbers = fields
        .iter()
        .enumerate()
        .filter(|(at, field)| matches!(field.ty, Type::Decimal(_) | Type::Int) && !is_key(*at));
    let ranked = numbers.filter_map(|(_, field)| {
        let words = names::words(&field.path);
        let is = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let rank = match () {
            () if is(&NO_MEASURES) => return None,
            () if is(&MONEY) => 0,
            () if is(&MEASURES) => 1,
            () if matches!(field.ty, Type::Decimal(_)) => 2,
            () => return None,
        };
        Some((rank, field))
    });
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, field)| field)
}

/// What an entity may have many of.
fn spread<'f>(
    fields: &'f [FieldDraft],
    entities: &[EntityDraft],
    of: &EntityDraft,
) -> Vec<&'f FieldDraft> {
    let others = entities.iter().filter(|entity| entity.key != of.key);
    let mut spread: Vec<usize> = others.map(|entity| entity.key).collect();
    let addresses = fields.iter().enumerate().filter(|(_, field)| field.ty == Type::Ip);
    spread.extend(addresses.map(|(at, _)| at).filter(|at| *at != of.key));
    let places = fields.iter().enumerate().filter(|(_, field)| {
        let words = names::words(&field.path);
        let is = |word: &String| ["country", "merchant", "city"].contains(&word.as_str());
        field.ty == Type::Text && words.iter().any(is)
    });
    spread.extend(places.map(|(at, _)| at).filter(|at| *at != of.key));
    let mut known = std::collections::HashSet::new();
    spread.retain(|at| known.insert(*at));
    spread.into_iter().take(SPREAD_MAX).filter_map(|at| fields.get(at)).collect()
}

/// What says that something was not wanted: a name for it, and the filter.
fn failed(fields: &[FieldDraft]) -> Option<(String, String)> {
    let of = |field: &FieldDraft| {
        let words = names::words(&field.path);
        if !words.iter().any(|word| OUTCOMES.contains(&word.as_str())) {
            return None;
        }
        if field.ty == Type::Bool && words.iter().any(|word| word == "success") {
            return Some(("failed".to_owned(), format!("not {}", field.name)));
        }
        let plain = |text: &str| {
            text.len() <= VALUE_BYTES_MAX
                && text.chars().all(|c| c.is_ascii_alphanumeric() || " _-.".contains(c))
        };
        let values = field.categories.iter().filter(|(text, _)| plain(text));
        let (value, _) = values.filter(|_| field.ty == Type::Text).find(|(text, _)| {
            let text = text.to_ascii_lowercase();
            FAILED.iter().any(|word| text.contains(word))
        })?;
        Some((names::identifier(value), format!("{} = \"{value}\"", field.name)))
    };
    fields.iter().find_map(of)
}
