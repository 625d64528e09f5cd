//! The online store: where the newest rows go.

mod address;

pub use address::RedisAddress;

use crate::config::keys::{Choice, Keys, choose};
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
    /// Rows changed by decay alone may wait this long; default 1 s.
    pub decay_flush: Duration,
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
            decay_flush: Duration::from_secs(1),
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
        keys.duration("decay_flush", MS..=MINUTE, &mut self.decay_flush);
        keys.section("redis", &mut |keys| self.redis.keys(keys));
        keys.section("memory", &mut |keys| self.memory.keys(keys));
    }
}

/// How Redis is reached, and what happens when it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// How long connecting may take; default 5 s.
    pub connect_timeout: Duration,
    /// How long an answer may take; default 5 s.
    pub response_timeout: Duration,
    /// The first pause after a failure, doubled up to `backoff_max`; default 50 ms.
    pub backoff_min: Duration,
    /// The longest pause between attempts; default 5 s.
    pub backoff_max: Duration,
    /// Failures in a row that open the circuit breaker; default 5.
    pub breaker_failures: usize,
    /// How long an open breaker tries nothing; default 5 s.
    pub breaker_open: Duration,
}

impl Default for RedisSettings {
    fn default() -> Self {
        RedisSettings {
            address: RedisAddress::default(),
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            breaker_failures: 5,
            breaker_open: Duration::from_secs(5),
        }
    }
}

impl RedisSettings {
    fn keys(&mut self, keys: &mut dyn Keys) {
        self.address.keys(keys);
        keys.duration("connect_timeout", MS..=MINUTE, &mut self.connect_timeout);
        keys.duration("response_timeout", MS..=MINUTE, &mut self.response_timeout);
        keys.duration("backoff_min", MS..=MINUTE, &mut self.backoff_min);
        keys.duration("backoff_max", MS..=MINUTE, &mut self.backoff_max);
        keys.count("breaker_failures", 1..=1_000, &mut self.breaker_failures);
        keys.duration("breaker_open", MS..=MINUTE * 10, &mut self.breaker_open);
    }
}

/// Memory of Redis.
#[derive(Clone, Debug, PartialEq)]
pub struct MemorySettings {
    /// Set as its `maxmemory`, in bytes; left as it is by default.
    pub limit: Option<u64>,
    /// Set as its `maxmemory-policy` together with the limit; default `volatile-lfu`.
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
        MemorySettings { limit: None, policy: "volatile-lfu".to_owned(), alert_threshold: 0.8 }
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
