//! What a process runs with: its job, and its settings as texts by key, as they are written in
//! `cluster.toml`, without secrets.

use crate::config::keys::{Check, Keys, section_name};
use crate::config::{Secret, Settings};
use crate::text::{bytes_text, duration_text};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;
use tidemark_operators::interner::stable_hash;
use tidemark_operators::plan::Plan;

/// What stands for a value that is not told.
const HIDDEN: &str = "***";

/// What a process runs with: what `/settings` answers, and `tidemark check --running` compares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The job's name.
    pub job: String,
    /// A hash of the job's definition, with the topic that the environment names.
    pub definition: String,
    /// The settings by key, as `cluster.toml` names them, without secrets.
    pub settings: BTreeMap<String, String>,
}

impl RunSettings {
    /// Of a job that runs `plan`, with the topic that the environment names, with `settings`.
    pub fn of(plan: &Plan, settings: &Settings) -> Self {
        RunSettings {
            definition: format!("{:016x}", stable_hash(format!("{plan:?}").as_bytes())),
            job: plan.name.clone(),
            settings: settings.told(),
        }
    }

    /// Where it writes what it never reads again of records and of sealed rows, for people.
    pub fn written(&self) -> Vec<String> {
        let value = |key: &str| self.settings.get(key).map(String::as_str);
        let letters = match value("dead_letters.kind") {
            Some("kafka") => value("dead_letters.topic"),
            _ => value("dead_letters.path"),
        };
        let tables = value("offline.postgres.url").and(value("offline.postgres.schema"));
        let known = [
            ("dead letters in", letters),
            ("sealed rows in", value("sealed.path")),
            ("sealed rows in the topic", value("sealed.topic")),
            ("sealed rows as Parquet in", value("offline.parquet.url")),
            ("sealed rows in the schema of PostgreSQL", tables),
        ];
        known.into_iter().filter_map(|(what, place)| Some(format!("{what} {}", place?))).collect()
    }

    /// With the log level that holds now, which may be changed while the process runs.
    #[must_use]
    pub fn with_log_level(mut self, level: Option<String>) -> Self {
        if let Some((told, level)) = self.settings.get_mut("log.level").zip(level) {
            *told = level;
        }
        self
    }
}

impl Settings {
    /// Every key that has a value, with it, as texts: `online.redis.host` and so on. Of
    /// passwords and tokens, of what is passed to the Kafka client, and of what holds a user's name or
    /// password in a URL, only that it is there is told.
    pub fn told(&self) -> BTreeMap<String, String> {
        let mut teller = Teller::default();
        self.clone().keys(&mut teller);
        let ttl = self.feature_ttl.map(|ttl| ttl.as_secs().to_string());
        for (variable, value) in [("KAFKA_TOPIC", &self.topic), ("REDIS_FEATURE_TTL", &ttl)] {
            if let Some(value) = value {
                teller.told.insert(variable.to_owned(), value.clone());
            }
        }
        teller.told
    }
}

#[derive(Default)]
struct Teller {
    section: String,
    told: BTreeMap<String, String>,
}

impl Teller {
    fn tell(&mut self, key: &str, value: String) {
        let dotted = match self.section.as_str() {
            "" => key.to_owned(),
            section => format!("{section}.{key}"),
        };
        self.told.insert(dotted, value);
    }

    fn tell_text(&mut self, key: &str, text: &str) {
        self.tell(key, if text.contains('@') { HIDDEN.to_owned() } else { text.to_owned() });
    }
}

impl Keys for Teller {
    fn count(&mut self, key: &'static str, _: RangeInclusive<i64>, setting: &mut usize) {
        self.tell(key, setting.to_string());
    }
    fn port(&mut self, key: &'static str, _: u16, setting: &mut u16) {
        self.tell(key, setting.to_string());
    }
    fn share(&mut self, key: &'static str, setting: &mut f64) {
        self.tell(key, setting.to_string());
    }
    fn flag(&mut self, key: &'static str, setting: &mut bool) {
        self.tell(key, setting.to_string());
    }
    fn duration(&mut self, key: &'static str, _: RangeInclusive<Duration>, setting: &mut Duration) {
        let ms = u64::try_from(setting.as_millis()).unwrap_or(u64::MAX);
        self.tell(key, duration_text(ms));
    }
    fn optional_duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        setting: &mut Option<Duration>,
    ) {
        if let Some(duration) = setting {
            self.duration(key, bounds, duration);
        }
    }
    fn size(&mut self, key: &'static str, _: RangeInclusive<u64>, setting: &mut u64) {
        self.tell(key, bytes_text(*setting));
    }
    fn optional_size(
        &mut self,
        key: &'static str,
        _: RangeInclusive<u64>,
        setting: &mut Option<u64>,
    ) {
        if let Some(size) = setting {
            self.tell(key, bytes_text(*size));
        }
    }
    fn text(&mut self, key: &'static str, _: Check<'_>, setting: &mut String) {
        self.tell_text(key, setting);
    }
    fn optional_text(&mut self, key: &'static str, _: Check<'_>, setting: &mut Option<String>) {
        if let Some(text) = setting {
            self.tell_text(key, text);
        }
    }
    fn secret(&mut self, key: &'static str, _: Check<'_>, setting: &mut Option<Secret>) {
        if setting.is_some() {
            self.tell(key, HIDDEN.to_owned());
        }
    }
    fn choice(&mut self, key: &'static str, _: &[&'static str], setting: &mut &'static str) {
        self.tell(key, (*setting).to_owned());
    }
    fn pairs(&mut self, key: &'static str, setting: &mut BTreeMap<String, String>) {
        for name in setting.keys() {
            self.tell(&format!("{key}.{name}"), HIDDEN.to_owned());
        }
    }
    fn section(&mut self, key: &'static str, keys: &mut dyn FnMut(&mut dyn Keys)) {
        let outer = self.section.clone();
        self.section = section_name(&outer, key);
        keys(self);
        self.section = outer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_as_they_are_written_and_no_secret_is() {
        let mut settings = Settings::default();
        settings.online.redis.address.password = Some(Secret::new("hidden-1"));
        settings.registry.password = Some(Secret::new("hidden-2"));
        settings.registry.token = Some(Secret::new("hidden-3"));
        settings.registry.url = Some("http://user:hidden-4@registry:8081".to_owned());
        settings.kafka.settings.insert("sasl.password".to_owned(), "hidden-5".to_owned());
        settings.online.redis.sentinel_password = Some(Secret::new("hidden-6"));
        settings.offline.postgres.url = Some(Secret::new("postgres://ann:hidden-7@db/rows"));
        let told = settings.told();
        assert_eq!(told["workers"], "1");
        assert_eq!(told["limits.shutdown"], "25s");
        assert_eq!(told["limits.step_records"], "4096");
        assert_eq!(told["online.redis.host"], "localhost");
        for there in [
            "kafka.settings.sasl.password",
            "online.redis.password",
            "online.redis.sentinel_password",
            "registry.password",
            "registry.token",
            "offline.postgres.url",
        ] {
            assert_eq!(told[there], "***", "{there}");
        }
        assert!(!format!("{told:?}").contains("hidden"), "{told:?}");
    }
}
