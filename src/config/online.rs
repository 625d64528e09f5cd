//! The online store: where the newest rows go.

mod address;

pub use address::RedisAddress;

use crate::config::Secret;
use crate::config::keys::{Choice, Keys, choose, not_empty};
use crate::online::redis::ServerAddress;
use crate::online::{Layout, project_name};
use std::time::Duration;

/// Which store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnlineKind {
    /// Redis.
    Redis,
    /// In this process: read over HTTP only, gone with it.
    Embedded,
}

impl Choice for OnlineKind {
    const NAMES: &'static [(&'static str, Self)] =
        &[("redis", OnlineKind::Redis), ("embedded", OnlineKind::Embedded)];
}

/// When rows are first written after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Once every partition has been read up to the end it had at the start: values never go
    /// backwards in front of a reader.
    WhenCaughtUp,
    /// From the first row.
    AtOnce,
}

impl Choice for Publish {
    const NAMES: &'static [(&'static str, Self)] =
        &[("when_caught_up", Publish::WhenCaughtUp), ("at_once", Publish::AtOnce)];
}

/// The online store.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineSettings {
    /// Which; default Redis.
    pub kind: OnlineKind,
    /// When rows are first written; default when caught up.
    pub publish: Publish,
    /// Rows are written this long after they changed, at the latest; default 5 ms.
    pub flush_interval: Duration,
    /// Rows are written when so many wait; default 1,000.
    pub flush_rows: usize,
    /// Bytes after which a flush takes no further row; default 1 MiB.
    pub flush_bytes: u64,
    /// Rows changed by decay alone may wait this long; default 1 s.
    pub decay_flush: Duration,
    /// Rows a second that are written again after Redis lost them; default 50,000.
    pub rewrite_rate: usize,
    /// Keys a second that are looked at, to find those of an earlier run; default 20,000.
    pub sweep_rate: usize,
    /// How long another job's heartbeats must have stood still before its views are taken over;
    /// default 15 s.
    pub takeover_after: Duration,
    /// When more commands a second are sent for rows that were written before, a row that was
    /// written a moment ago waits; default 18,000.
    pub write_rate: usize,
    /// The longest such wait; default 1 s.
    pub write_spacing_max: Duration,
    /// Redis.
    pub redis: RedisSettings,
    /// Memory of Redis.
    pub memory: MemorySettings,
}

impl Default for OnlineSettings {
    fn default() -> Self {
        OnlineSettings {
            kind: OnlineKind::Redis,
            publish: Publish::WhenCaughtUp,
            flush_interval: Duration::from_millis(5),
            flush_rows: 1_000,
            flush_bytes: 1 << 20,
            decay_flush: Duration::from_secs(1),
            rewrite_rate: 50_000,
            sweep_rate: 20_000,
            takeover_after: Duration::from_secs(15),
            write_rate: 18_000,
            write_spacing_max: Duration::from_secs(1),
            redis: RedisSettings::default(),
            memory: MemorySettings::default(),
        }
    }
}

/// One millisecond: the least of most durations.
const MS: Duration = Duration::from_millis(1);
/// One minute: the greatest of most durations.
const MINUTE: Duration = Duration::from_secs(60);

impl OnlineSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        choose(keys, "kind", &mut self.kind);
        choose(keys, "publish", &mut self.publish);
        keys.duration("flush_interval", MS..=MINUTE, &mut self.flush_interval);
        keys.count("flush_rows", 1..=100_000, &mut self.flush_rows);
        keys.size("flush_bytes", (1 << 10)..=(64 << 20), &mut self.flush_bytes);
        keys.duration("decay_flush", MS..=MINUTE, &mut self.decay_flush);
        keys.count("rewrite_rate", 100..=10_000_000, &mut self.rewrite_rate);
        keys.count("sweep_rate", 100..=10_000_000, &mut self.sweep_rate);
        let silence = Duration::from_secs(2)..=MINUTE * 60;
        keys.duration("takeover_after", silence, &mut self.takeover_after);
        keys.count("write_rate", 1..=100_000_000, &mut self.write_rate);
        keys.duration("write_spacing_max", MS..=MINUTE * 10, &mut self.write_spacing_max);
        keys.section("redis", &mut |keys| self.redis.keys(keys));
        keys.section("memory", &mut |keys| self.memory.keys(keys));
    }
}

/// Which servers Redis is made up of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisMode {
    /// One server.
    Single,
    /// A primary with replicas, and Sentinels that know which of them it is.
    Sentinel,
    /// Servers that share the keys among them, each with replicas.
    Cluster,
}

impl Choice for RedisMode {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("single", RedisMode::Single),
        ("sentinel", RedisMode::Sentinel),
        ("cluster", RedisMode::Cluster),
    ];
}

/// How Redis is reached, and what happens when it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Which servers it is made up of; default one.
    pub mode: RedisMode,
    /// Where they listen, `host:port` separated by commas: the Sentinels, or servers of the cluster.
    pub addresses: Option<String>,
    /// What Sentinel calls the primary.
    pub sentinel_name: Option<String>,
    /// User at the Sentinels, for access lists.
    pub sentinel_username: Option<String>,
    /// Password at the Sentinels.
    pub sentinel_password: Option<Secret>,
    /// Where it is, when it is one server, and how to sign in.
    pub address: RedisAddress,
    /// Certificates of a connection with TLS.
    pub tls: TlsSettings,
    /// What keys begin with; default `features`.
    pub key_prefix: String,
    /// As which keys and values rows stand in it; default a hash a row.
    pub layout: Layout,
    /// Feast's project; the job's name, as far as Feast takes it, by default.
    pub project: Option<String>,
    /// How long connecting may take, the TLS handshake included; default 2 s.
    pub connect_timeout: Duration,
    /// How long an answer may take; default 5 s.
    pub response_timeout: Duration,
    /// How often each connection is probed and memory is asked for; default 5 s.
    pub probe_interval: Duration,
    /// The first pause after a failure, doubled up to `backoff_max`; default 50 ms.
    pub backoff_min: Duration,
    /// The longest pause between attempts; default 5 s.
    pub backoff_max: Duration,
    /// Failures in a row that open the circuit breaker; default 5. One that took 2 s opens it, too.
    pub breaker_failures: usize,
}

impl Default for RedisSettings {
    fn default() -> Self {
        RedisSettings {
            mode: RedisMode::Single,
            addresses: None,
            sentinel_name: None,
            sentinel_username: None,
            sentinel_password: None,
            address: RedisAddress::default(),
            tls: TlsSettings::default(),
            key_prefix: "features".to_owned(),
            layout: Layout::Hash,
            project: None,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(5),
            probe_interval: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            breaker_failures: 5,
        }
    }
}

impl Choice for Layout {
    const NAMES: &'static [(&'static str, Self)] =
        &[("hash", Layout::Hash), ("feast", Layout::Feast), ("both", Layout::Both)];
}

/// A project's name as Feast takes it.
fn project(text: &str) -> Result<(), String> {
    match project_name(text) == text {
        true => Ok(()),
        false => Err("must be letters, digits and \"_\", and not begin with \"_\"".to_owned()),
    }
}

impl RedisSettings {
    fn keys(&mut self, keys: &mut dyn Keys) {
        choose(keys, "mode", &mut self.mode);
        let listed = |text: &str| ServerAddress::list(text).map(|_| ());
        keys.optional_text("addresses", &listed, &mut self.addresses);
        keys.optional_text("sentinel_name", &not_empty, &mut self.sentinel_name);
        keys.optional_text("sentinel_username", &not_empty, &mut self.sentinel_username);
        keys.secret("sentinel_password", &not_empty, &mut self.sentinel_password);
        self.address.keys(keys);
        keys.optional_text("tls_ca_file", &not_empty, &mut self.tls.ca_file);
        keys.optional_text("tls_cert_file", &not_empty, &mut self.tls.cert_file);
        keys.optional_text("tls_key_file", &not_empty, &mut self.tls.key_file);
        keys.text("key_prefix", &not_empty, &mut self.key_prefix);
        choose(keys, "layout", &mut self.layout);
        keys.optional_text("project", &project, &mut self.project);
        keys.duration("connect_timeout", MS..=MINUTE, &mut self.connect_timeout);
        keys.duration("response_timeout", MS..=MINUTE, &mut self.response_timeout);
        keys.duration("probe_interval", MS * 100..=MINUTE * 10, &mut self.probe_interval);
        keys.duration("backoff_min", MS..=MINUTE, &mut self.backoff_min);
        keys.duration("backoff_max", MS..=MINUTE, &mut self.backoff_max);
        keys.count("breaker_failures", 1..=1_000, &mut self.breaker_failures);
    }
}

impl RedisSettings {
    /// What is wrong between settings that are right by themselves.
    pub(super) fn contradictions(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if self.backoff_min > self.backoff_max {
            wrong.push("\"backoff_min\" in [online.redis] is longer than \"backoff_max\"");
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            wrong.push("[online.redis] needs both \"tls_cert_file\" and \"tls_key_file\", or none");
        }
        let sentinel = self.mode == RedisMode::Sentinel;
        if sentinel && (self.addresses.is_none() || self.sentinel_name.is_none()) {
            wrong.push(
                "\"mode\" in [online.redis] is \"sentinel\": name the Sentinels in \"addresses\", and \
                 the primary as they do in \"sentinel_name\"",
            );
        }
        let of_sentinel = self.sentinel_name.is_some()
            || self.sentinel_username.is_some()
            || self.sentinel_password.is_some();
        if !sentinel && of_sentinel {
            wrong.push(
                "\"sentinel_name\", \"sentinel_username\" and \"sentinel_password\" in \
                 [online.redis] are for \"mode = \\\"sentinel\\\"\"",
            );
        }
        if self.mode == RedisMode::Cluster && self.addresses.is_none() {
            wrong.push(
                "\"mode\" in [online.redis] is \"cluster\": name some of its servers in \"addresses\"",
            );
        }
        if self.mode == RedisMode::Cluster && self.address.db != 0 {
            wrong.push("\"db\" in [online.redis] must be 0: a cluster has no other databases");
        }
        if self.mode == RedisMode::Single && self.addresses.is_some() {
            wrong.push(
                "\"addresses\" in [online.redis] are of several servers: say by \"mode\" what they \
                 make up, or name one by \"host\" and \"port\"",
            );
        }
        wrong
    }
}

/// Certificates of a connection with TLS, as names of PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<String>,
    /// The certificate to show when the server asks for one; together with `key_file`.
    pub cert_file: Option<String>,
    /// Its key (PKCS #8).
    pub key_file: Option<String>,
}

/// Memory of Redis.
#[derive(Clone, Debug, PartialEq)]
pub struct MemorySettings {
    /// Set as its `maxmemory`, in bytes; left as it is by default.
    pub limit: Option<u64>,
    /// Set as its `maxmemory-policy` together with the limit; default `noeviction`.
    pub policy: String,
    /// The share of the limit at which an alert is raised; default 0.8.
    pub alert_threshold: f64,
}

/// The policies Redis knows.
const POLICIES: [&str; 8] = [
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
];

impl Default for MemorySettings {
    fn default() -> Self {
        MemorySettings { limit: None, policy: "noeviction".to_owned(), alert_threshold: 0.8 }
    }
}

impl MemorySettings {
    fn keys(&mut self, keys: &mut dyn Keys) {
        keys.optional_size("limit", (1 << 20)..=(1 << 50), &mut self.limit);
        let mut policy =
            POLICIES.iter().find(|policy| **policy == self.policy).copied().unwrap_or_default();
        keys.choice("policy", &POLICIES, &mut policy);
        policy.clone_into(&mut self.policy);
        keys.share("alert_threshold", &mut self.alert_threshold);
    }
}
