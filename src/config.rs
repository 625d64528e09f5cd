//! Settings of the process: `cluster.toml`, the environment, and flags.
//!
//! What changes a value (topics, windows, lateness) stands in the job. What stands here is how and
//! where a job runs: workers, brokers, sinks, HTTP, logs, limits. A flag goes before the
//! environment, the environment before the file, the file before the default.
//!
//! The shipped `cluster.toml` lists every key with its default; a test holds it to that. A wrong
//! key, type or value anywhere is an error, all of them at once, and nothing is started.

mod cluster;
mod dead_letters;
mod environment;
mod file;
mod health;
mod http;
mod kafka;
mod keys;
mod limits;
mod log;
mod offline;
mod online;
mod place;
mod registry;
mod secret;
mod serve;
mod setting;
mod state;
mod told;

pub use cluster::{ClusterSettings, PROCESSES_MAX};
pub use dead_letters::{DeadLetterKind, DeadLetterSettings, SealedSettings};
pub use environment::VARIABLES;
pub use health::HealthSettings;
pub use http::HttpSettings;
pub use kafka::KafkaSettings;
pub use limits::Limits;
pub use log::LogSettings;
pub use offline::{OfflineSettings, PostgresSettings};
pub use online::{
    MemorySettings, OnlineKind, OnlineSettings, Publish, RedisAddress, RedisMode, RedisSettings,
    TlsSettings,
};
pub use registry::RegistrySettings;
pub use secret::Secret;
pub use serve::{IncompleteValues, Missing, ServeSettings, ServedFrom, Statuses};
pub use setting::{OtherVariable, Setting, other_variables, settings};
pub use state::StateSettings;
pub use told::RunSettings;

use crate::cli::RunArgs;
use crate::failure::Failure;
use crate::named_file;
use keys::Keys;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The file that is read when no other is named, if it exists.
pub const CLUSTER_FILE: &str = "cluster.toml";

/// Everything that can be set for a process.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Worker threads of each process; default 1.
    pub workers: usize,
    /// The processes.
    pub cluster: ClusterSettings,
    /// The brokers of sources that are topics.
    pub kafka: KafkaSettings,
    /// Where the schemas of Avro records in topics come from.
    pub registry: RegistrySettings,
    /// The online store.
    pub online: OnlineSettings,
    /// Where dead letters go.
    pub dead_letters: DeadLetterSettings,
    /// Where sealed rows go.
    pub sealed: SealedSettings,
    /// Where they go for training.
    pub offline: OfflineSettings,
    /// Where the job's state is kept.
    pub state: StateSettings,
    /// The HTTP server.
    pub http: HttpSettings,
    /// The feature server.
    pub serve: ServeSettings,
    /// When `/health` asks for attention.
    pub health: HealthSettings,
    /// Logs.
    pub log: LogSettings,
    /// Bounds of queues and slices of work.
    pub limits: Limits,
    /// `KAFKA_TOPIC`: the topic of the job's only source. Not in the file: topics belong to jobs.
    pub topic: Option<String>,
    /// `REDIS_FEATURE_TTL`: the time to live of all views. Not in the file: it belongs to jobs.
    pub feature_ttl: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            workers: 1,
            cluster: ClusterSettings::default(),
            kafka: KafkaSettings::default(),
            registry: RegistrySettings::default(),
            online: OnlineSettings::default(),
            dead_letters: DeadLetterSettings::default(),
            sealed: SealedSettings::default(),
            offline: OfflineSettings::default(),
            state: StateSettings::default(),
            http: HttpSettings::default(),
            serve: ServeSettings::default(),
            health: HealthSettings::default(),
            log: LogSettings::default(),
            limits: Limits::default(),
            topic: None,
            feature_ttl: None,
        }
    }
}

/// What flags say, before everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--workers`
    pub workers: Option<usize>,
    /// `--port`
    pub port: Option<u16>,
    /// `--registry`
    pub registry: Option<String>,
    /// `--schemas`
    pub schemas: Option<String>,
}

impl From<&RunArgs> for Flags {
    fn from(args: &RunArgs) -> Self {
        Flags {
            workers: args.workers,
            port: args.port,
            registry: args.registry.clone(),
            schemas: args.schemas.clone(),
        }
    }
}

/// Where the file of settings is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterFile {
    /// The one that was named; it must exist.
    Named(PathBuf),
    /// [`CLUSTER_FILE`] in the current folder, if it exists.
    Here,
    /// None is read: for commands that need no servers.
    None,
}

impl From<Option<&PathBuf>> for ClusterFile {
    fn from(named: Option<&PathBuf>) -> Self {
        named.map_or(ClusterFile::Here, |path| ClusterFile::Named(path.clone()))
    }
}

impl Settings {
    /// Reads the settings of this process: file, environment, flags. Variables that look like
    /// settings and are read by nothing are said on standard error.
    ///
    /// # Errors
    /// When the file cannot be read, or anything in the file or the environment is wrong: all of
    /// it, with exit code 2.
    pub fn load(file: &ClusterFile, flags: Flags) -> Result<Self, Failure> {
        if let Some(Err(why)) = flags.registry.as_deref().map(registry::is_url) {
            return Err(Failure::usage(format!("\"--registry\" {why}")));
        }
        let variable = |name: &str| std::env::var_os(name);
        let settings = match file {
            ClusterFile::None => Settings::from_parts(None, variable),
            ClusterFile::Here if !Path::new(CLUSTER_FILE).exists() => {
                Settings::from_parts(None, variable)
            }
            ClusterFile::Here => Settings::from_file(Path::new(CLUSTER_FILE), variable),
            ClusterFile::Named(path) => Settings::from_file(path, variable),
        };
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for sentence in environment::unread(names) {
            eprintln!("note: {sentence}");
        }
        settings.map(|settings| settings.with_flags(flags))
    }

    fn from_file(
        path: &Path,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let text = named_file::open(path).and_then(io::read_to_string).map_err(|error| {
            Failure::usage(format!("cannot read the settings \"{shown}\": {error}"))
                .hint("name the file by --cluster, or leave it out to run with the defaults")
        })?;
        Settings::from_parts(Some((&shown, &text)), variable)
    }

    /// The settings of a file (its name and text) and of variables.
    ///
    /// # Errors
    /// When anything in them is wrong: all of it.
    pub fn from_parts(
        file: Option<(&str, &str)>,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, Failure> {
        let mut settings = Settings::default();
        let mut wrong = Vec::new();
        if let Some((name, text)) = file
            && let Err(errors) = file::read(name, text, &mut settings)
        {
            wrong.push(errors.to_string());
        }
        wrong.extend(environment::apply(&mut settings, &variable));
        wrong.extend(settings.contradictions());
        if wrong.is_empty() {
            Ok(settings)
        } else {
            Err(Failure::usage(format!("the settings are wrong\n{}", wrong.join("\n")))
                .hint("`tidemark docs --settings` lists every key with its unit and default"))
        }
    }

    /// What is wrong between settings that are right by themselves.
    fn contradictions(&self) -> Vec<String> {
        let mut wrong = self.online.redis.contradictions();
        if self.health.pending_after <= self.online.flush_interval.max(self.online.decay_flush) {
            wrong.push(
                "\"pending_after\" in [health] is not longer than \"flush_interval\" and \
                 \"decay_flush\" in [online], for which rows wait anyway",
            );
        }
        wrong.extend(self.registry.contradictions());
        wrong.extend(self.cluster.contradictions(self));
        wrong.extend(self.sealed.contradictions(self));
        wrong.extend(self.serve.contradictions(self));
        wrong.extend(self.offline.contradictions());
        wrong.extend(self.state.contradictions());
        wrong.into_iter().map(str::to_owned).collect()
    }

    /// The same settings with what flags say.
    #[must_use]
    pub fn with_flags(mut self, flags: Flags) -> Self {
        self.workers = flags.workers.unwrap_or(self.workers);
        self.http.port = flags.port.unwrap_or(self.http.port);
        if let Some(url) = flags.registry {
            self.registry.use_url(url);
        }
        if let Some(folder) = flags.schemas {
            self.registry.use_schemas(folder);
        }
        self
    }

    /// Every key of the file, in its order.
    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.count("workers", 1..=256, &mut self.workers);
        keys.section("cluster", &mut |keys| self.cluster.keys(keys));
        keys.section("kafka", &mut |keys| self.kafka.keys(keys));
        keys.section("registry", &mut |keys| self.registry.keys(keys));
        keys.section("online", &mut |keys| self.online.keys(keys));
        keys.section("dead_letters", &mut |keys| self.dead_letters.keys(keys));
        keys.section("sealed", &mut |keys| self.sealed.keys(keys));
        keys.section("offline", &mut |keys| self.offline.keys(keys));
        keys.section("state", &mut |keys| self.state.keys(keys));
        keys.section("http", &mut |keys| self.http.keys(keys));
        keys.section("serve", &mut |keys| self.serve.keys(keys));
        keys.section("health", &mut |keys| self.health.keys(keys));
        keys.section("log", &mut |keys| self.log.keys(keys));
        keys.section("limits", &mut |keys| self.limits.keys(keys));
    }
}

#[cfg(test)]
mod tests;
