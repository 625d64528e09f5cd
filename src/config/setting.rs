//! Every key of `cluster.toml`, from the declarations that read the file.

use crate::config::Settings;
use crate::config::environment::{ALSO_KNOWN_AS, KEYS};
use crate::config::keys::{Check, Keys, section_name};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidemark_jobs::document::quantity::{show_duration, show_size};

/// The shipped file, which says of every key what it is for.
pub(super) const SHIPPED: &str = include_str!("../../cluster.toml");

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its section, dotted; empty at the top of the file.
    pub section: String,
    /// Its name.
    pub key: String,
    /// What its value may be, with its unit and bounds.
    pub values: String,
    /// Its default as the file writes it; `None`: it has none.
    pub default: Option<String>,
    /// The variable that goes before it.
    pub variable: Option<&'static str>,
    /// Other names of that variable.
    pub other_names: Vec<&'static str>,
    /// What it is for, as the shipped file says.
    pub purpose: String,
}

/// A variable that goes before what a job says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherVariable {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub values: &'static str,
    /// What it is for.
    pub purpose: &'static str,
}

/// Every key, in the order of the file.
pub fn settings() -> Vec<Setting> {
    let mut lister = Lister::default();
    Settings::default().keys(&mut lister);
    lister.found
}

/// Variables that replace no key of the file but what the job says.
pub const fn other_variables() -> [OtherVariable; 2] {
    [
        OtherVariable {
            name: "KAFKA_TOPIC",
            values: "a text",
            purpose: "The topic of a job's only source, instead of the one in the job.",
        },
        OtherVariable {
            name: "REDIS_FEATURE_TTL",
            values: "seconds, 1 to 315360000",
            purpose: "The time to live of the rows of all views, instead of \"ttl\" in the job.",
        },
    ]
}

#[derive(Default)]
struct Lister {
    section: String,
    found: Vec<Setting>,
}

impl Lister {
    fn add(&mut self, key: &str, values: String, default: Option<String>) {
        let dotted = match self.section.as_str() {
            "" => key.to_owned(),
            section => format!("{section}.{key}"),
        };
        let variable = KEYS.iter().find(|(_, of)| *of == dotted).map(|(name, _)| *name);
        let others = ALSO_KNOWN_AS.iter().filter(|(_, name)| variable == Some(*name));
        self.found.push(Setting {
            purpose: purpose(&self.section, key),
            section: self.section.clone(),
            key: key.to_owned(),
            values,
            default,
            variable,
            other_names: others.map(|(other, _)| *other).collect(),
        });
    }

    fn durations(bounds: &RangeInclusive<Duration>) -> String {
        format!("a duration, {} to {}", shown(bounds.start()), shown(bounds.end()))
    }

    fn sizes(bounds: &RangeInclusive<u64>) -> String {
        format!("a size, {} to {}", show_size(*bounds.start()), show_size(*bounds.end()))
    }
}

fn shown(length: &Duration) -> String {
    show_duration(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

impl Keys for Lister {
    fn count(&mut self, key: &'static str, bounds: RangeInclusive<i64>, setting: &mut usize) {
        let values = format!("a whole number, {} to {}", bounds.start(), bounds.end());
        self.add(key, values, Some(setting.to_string()));
    }
    fn port(&mut self, key: &'static str, least: u16, setting: &mut u16) {
        self.add(key, format!("a port, {least} to {}", u16::MAX), Some(setting.to_string()));
    }
    fn share(&mut self, key: &'static str, setting: &mut f64) {
        self.add(key, "a share, 0 to 1".to_owned(), Some(setting.to_string()));
    }
    fn flag(&mut self, key: &'static str, setting: &mut bool) {
        self.add(key, "true or false".to_owned(), Some(setting.to_string()));
    }
    fn duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        setting: &mut Duration,
    ) {
        self.add(key, Lister::durations(&bounds), Some(quoted(&shown(setting))));
    }
    fn optional_duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        _: &mut Option<Duration>,
    ) {
        self.add(key, Lister::durations(&bounds), None);
    }
    fn size(&mut self, key: &'static str, bounds: RangeInclusive<u64>, setting: &mut u64) {
        self.add(key, Lister::sizes(&bounds), Some(quoted(&show_size(*setting))));
    }
    fn optional_size(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
        _: &mut Option<u64>,
    ) {
        self.add(key, Lister::sizes(&bounds), None);
    }
    fn text(&mut self, key: &'static str, _: Check<'_>, setting: &mut String) {
        self.add(key, "a text".to_owned(), Some(quoted(setting)));
    }
    fn optional_text(&mut self, key: &'static str, _: Check<'_>, _: &mut Option<String>) {
        self.add(key, "a text".to_owned(), None);
    }
    fn choice(&mut self, key: &'static str, names: &[&'static str], setting: &mut &'static str) {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        self.add(key, names.join(", "), Some(quoted(setting)));
    }
    fn pairs(&mut self, key: &'static str, _: &mut BTreeMap<String, String>) {
        self.add(key, "a table of texts".to_owned(), Some("{}".to_owned()));
    }
    fn section(&mut self, key: &'static str, keys: &mut dyn FnMut(&mut dyn Keys)) {
        let outer = self.section.clone();
        self.section = section_name(&outer, key);
        keys(self);
        self.section = outer;
    }
}

/// What the shipped file says above a key: its comment, on one line, without the variable's name.
fn purpose(section: &str, key: &str) -> String {
    let header = format!("[{section}]");
    let table = format!("[{section}.{key}]");
    let begins = [format!("{key} = "), format!("# {key} = ")];
    let mut inside = section.is_empty();
    let mut comment: Vec<&str> = Vec::new();
    for line in SHIPPED.lines() {
        if line == table || inside && begins.iter().any(|begin| line.starts_with(begin)) {
            break;
        }
        if line.starts_with('[') {
            inside = line == header;
        }
        match line.strip_prefix('#') {
            // An example of a key that has no default ends what was said about it.
            Some(said) if said.starts_with("   ") => {}
            Some(said) if !is_example(said) => comment.push(said.trim()),
            _ => comment.clear(),
        }
    }
    let text = comment.join(" ");
    let text = text.trim_end_matches("For example:").trim_end();
    let variable = text.rfind('[').filter(|_| text.ends_with(']'));
    let named = |at: &usize| {
        let name = text.get(at + 1..).unwrap_or_default();
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.contains('_')
            || name == "PARALLELISM]"
    };
    match variable.filter(named) {
        Some(at) => text.get(..at).unwrap_or_default().trim().to_owned(),
        None => text.to_owned(),
    }
}

/// ` key = value`, as a comment.
fn is_example(said: &str) -> bool {
    said.strip_prefix(' ').and_then(|said| said.split_once(" = ")).is_some_and(|(key, _)| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::VARIABLES;

    #[test]
    fn every_key_of_the_shipped_file_is_listed_and_no_other() {
        let mut section = String::new();
        let mut there = Vec::new();
        for line in SHIPPED.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                section = name.to_owned();
            } else if let Some((key, _)) = line.split_once(" = ")
                && let key = key.strip_prefix("# ").unwrap_or(key)
                && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
            {
                there.push((section.clone(), key.to_owned()));
            }
        }
        there.push(("kafka".to_owned(), "settings".to_owned()));
        let mut listed: Vec<_> = settings().into_iter().map(|it| (it.section, it.key)).collect();
        there.sort();
        listed.sort();
        assert_eq!(listed, there);
    }

    #[test]
    fn every_key_says_what_it_is_for_and_what_it_may_be() {
        for setting in settings() {
            let Setting { section, key, values, purpose, .. } = &setting;
            assert!(!values.is_empty() && purpose.len() > 10, "[{section}] {key}: {purpose:?}");
            assert!(!purpose.contains(" = \""), "[{section}] {key}: {purpose}");
        }
    }

    #[test]
    fn every_variable_stands_at_its_key_once() {
        let listed = settings();
        let at_keys = listed.iter().filter_map(|setting| setting.variable);
        let mut listed: Vec<&str> = at_keys.chain(other_variables().map(|it| it.name)).collect();
        let mut all: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).collect();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }

    #[test]
    fn the_shipped_file_names_the_variable_at_its_key() {
        for setting in settings() {
            let Some(variable) = setting.variable else { continue };
            let mentions = SHIPPED.matches(&format!("[{variable}")).count();
            assert_eq!(mentions, 1, "{variable} of {}", setting.key);
        }
    }
}
