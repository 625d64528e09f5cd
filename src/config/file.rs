//! Settings from a file.

use crate::config::keys::{Check, Keys};
use crate::config::setting::settings;
use crate::config::{Secret, Settings};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidemark_jobs::document::{At, Document, JobErrors, Table};

/// Reads a file named `name`.
///
/// # Errors
/// When it is not TOML, or a key, type or value in it is wrong: all of them.
pub(super) fn read(name: &str, text: &str, into: &mut Settings) -> Result<(), JobErrors> {
    let document = Document::parse(name, text)?;
    let mut reader = SettingsReader { table: document.root(), path: String::new() };
    into.keys(&mut reader);
    reader.finish();
    document.finish()
}

struct SettingsReader<'d> {
    table: Table<'d>,
    path: String,
}

/// What people look for here and what says it.
const ELSEWHERE: [(&str, &str); 6] = [
    ("window", WINDOWS),
    ("windows", WINDOWS),
    ("window_size", WINDOWS),
    (
        "topic",
        "a topic stands in the job, at its source; KAFKA_TOPIC replaces that of the only source",
    ),
    (
        "topics",
        "a topic stands in the job, at its source; KAFKA_TOPIC replaces that of the only source",
    ),
    ("checkpoint", "there are no checkpoints yet"),
];

const WINDOWS: &str = "windows stand in the job, feature by feature, for they change values";

impl SettingsReader<'_> {
    /// Ends the reading of a table. A key that belongs to other sections is answered with those.
    fn finish(mut self) {
        let own = self.path.trim_end_matches('.').to_owned();
        let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for setting in settings() {
            let section = if setting.section.is_empty() {
                "at the top of the file, before any section".to_owned()
            } else {
                format!("in [{}]", setting.section)
            };
            // `[redis]` belongs in `[online]`, as a key does.
            if let Some((_, name)) = setting.section.rsplit_once('.') {
                let place = format!("as [{}]", setting.section);
                let places = places.entry(name.to_owned()).or_default();
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            if setting.section != own {
                places.entry(setting.key).or_default().push(section);
            }
        }
        for (key, places) in places {
            self.table.unknown(&key, &format!("it stands {}", places.join(" and ")));
        }
        for (key, instead) in ELSEWHERE {
            self.table.unknown(key, instead);
        }
        self.table.finish();
    }

    /// The text of `key`, if it passes `check`; what is wrong is recorded without quoting the text, which
    /// may hold a secret.
    fn checked(&mut self, key: &str, text: Option<At<String>>, check: Check<'_>) -> Option<String> {
        let text = text?;
        match check(&text.value) {
            Ok(()) => Some(text.value),
            Err(why) => {
                let message = format!("\"{key}\" in {} {why}", self.table.label());
                self.table.problems().push(text.span.start, Some(key), message, None);
                None
            }
        }
    }
}

impl Keys for SettingsReader<'_> {
    fn count(&mut self, key: &'static str, bounds: RangeInclusive<i64>, setting: &mut usize) {
        if let Some(number) = self.table.integer(key, bounds)
            && let Ok(number) = usize::try_from(number.value)
        {
            *setting = number;
        }
    }

    fn port(&mut self, key: &'static str, least: u16, setting: &mut u16) {
        if let Some(number) = self.table.integer(key, i64::from(least)..=65_535)
            && let Ok(number) = u16::try_from(number.value)
        {
            *setting = number;
        }
    }

    fn share(&mut self, key: &'static str, setting: &mut f64) {
        if let Some(share) = self.table.float(key, 0.0..=1.0) {
            *setting = share.value;
        }
    }

    fn flag(&mut self, key: &'static str, setting: &mut bool) {
        if let Some(flag) = self.table.boolean(key) {
            *setting = flag.value;
        }
    }

    fn duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        setting: &mut Duration,
    ) {
        let ms = |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        if let Some(found) = self.table.duration(key, ms(bounds.start())..=ms(bounds.end())) {
            *setting = Duration::from_millis(found.value);
        }
    }

    fn optional_duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        setting: &mut Option<Duration>,
    ) {
        let mut duration = setting.unwrap_or(Duration::MAX);
        self.duration(key, bounds, &mut duration);
        *setting = Some(duration).filter(|duration| *duration < Duration::MAX);
    }

    fn size(&mut self, key: &'static str, bounds: RangeInclusive<u64>, setting: &mut u64) {
        if let Some(size) = self.table.size(key, bounds) {
            *setting = size.value;
        }
    }

    fn optional_size(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
        setting: &mut Option<u64>,
    ) {
        if let Some(size) = self.table.size(key, bounds) {
            *setting = Some(size.value);
        }
    }

    fn text(&mut self, key: &'static str, check: Check<'_>, setting: &mut String) {
        let text = self.table.text(key);
        if let Some(text) = self.checked(key, text, check) {
            *setting = text;
        }
    }

    fn optional_text(&mut self, key: &'static str, check: Check<'_>, setting: &mut Option<String>) {
        let text = self.table.text(key);
        if let Some(text) = self.checked(key, text, check) {
            *setting = Some(text);
        }
    }

    fn secret(&mut self, key: &'static str, check: Check<'_>, setting: &mut Option<Secret>) {
        let text = self.table.secret(key);
        if let Some(text) = self.checked(key, text, check) {
            *setting = Some(Secret::new(text));
        }
    }

    fn choice(&mut self, key: &'static str, names: &[&'static str], setting: &mut &'static str) {
        if let Some(name) = self.table.choice(key, names) {
            *setting = name.value;
        }
    }

    fn pairs(&mut self, key: &'static str, setting: &mut BTreeMap<String, String>) {
        let label = format!("[{}{key}]", self.path);
        if let Some(table) = self.table.table(key, &label) {
            flatten(table, "", setting);
        }
    }

    fn section(&mut self, key: &'static str, keys: &mut dyn FnMut(&mut dyn Keys)) {
        let label = format!("[{}{key}]", self.path);
        if let Some(table) = self.table.table(key, &label) {
            let mut section = SettingsReader { table, path: format!("{}{key}.", self.path) };
            keys(&mut section);
            section.finish();
        }
    }

    fn instead_of(&mut self, key: &'static str, others: &[&'static str]) {
        if self.table.has(key) {
            for other in others {
                self.table.refuse(other, &format!("cannot be given beside \"{key}\""));
            }
        }
    }
}

/// `a.b = "x"` and `"a.b" = "x"` mean the same: TOML makes a table of the first.
fn flatten(mut table: Table<'_>, prefix: &str, pairs: &mut BTreeMap<String, String>) {
    let label = table.label().to_owned();
    for entry in table.named() {
        let name = format!("{prefix}{}", entry.name.value);
        if let Some(text) = entry.as_text() {
            pairs.insert(name, text.value);
        } else if let Some(inner) = entry.as_table(label.clone()) {
            flatten(inner, &format!("{name}."), pairs);
        } else {
            // Nobody knows which of the client's settings are secrets.
            entry.mistyped_secret(&format!("\"{name}\" in {label}"), "a text in quotes");
        }
    }
}
