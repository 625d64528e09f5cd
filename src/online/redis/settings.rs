//! How Redis is reached and written to.

use crate::online::StoreError;
use crate::online::heartbeat::{bookkeeping, heartbeat_key};
use crate::online::layout::{Layout, Placing};
use crate::online::redis::servers::{RedisServers, SentinelSettings, ServerAddress};
use crate::online::redis::slots::tag_of;
use redis::{ConnectionAddr, IntoConnectionInfo as _};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tidemark_operators::time::Millis;

/// A text that is never shown: its `Debug` says only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret itself, for the one who needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the secret in it.
    pub(crate) fn redact(&self, text: String) -> String {
        if self.0.is_empty() { text } else { text.replace(&self.0, "<redacted>") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// TLS to Redis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Authorities to trust (PEM), instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The client's certificate (PEM) and its key (PEM, PKCS #8), when the server asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Accepts any certificate of any host: for tests only.
    pub insecure: bool,
}

/// Redis's memory: what is set, and when to raise the alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct MemorySettings {
    /// When set, `maxmemory` is set to so many bytes on connecting, with `policy`; when not, Redis
    /// keeps what it has. Default: not set.
    pub limit_bytes: Option<u64>,
    /// The `maxmemory-policy` set along with the limit. Default `noeviction`: rows that do not fit
    /// wait and are reported. A key that was evicted reads as zeros.
    pub policy: String,
    /// The part of the limit from which memory is reported as an alert. Default 0.8.
    pub alert_threshold: f64,
}

impl Default for MemorySettings {
    fn default() -> Self {
        MemorySettings { limit_bytes: None, policy: "noeviction".to_owned(), alert_threshold: 0.8 }
    }
}

/// How Redis is reached and written to. `Debug` shows no password.
#[derive(Clone, Debug, PartialEq)]
pub struct RedisSettings {
    /// The servers. Default: one at `127.0.0.1:6379`.
    pub servers: RedisServers,
    /// Database number. Default 0.
    pub db: i64,
    /// User of an access control list. Default: none.
    pub username: Option<String>,
    /// Password. Default: none.
    pub password: Option<Secret>,
    /// TLS. Default: none.
    pub tls: Option<TlsSettings>,
    /// How long connecting may take, the TLS handshake included. Default 2 s.
    pub connect_timeout: Duration,
    /// How long a reply may take before the connection is given up. Default 5 s.
    pub response_timeout: Duration,
    /// How often each connection is probed and memory is asked for; so a restart of Redis is
    /// noticed, and what it lost written again, even when nothing changes. Default 5 s.
    pub probe_interval: Duration,
    /// How long after its first dirty row a shard is flushed. Default 5 ms.
    pub flush_interval: Duration,
    /// So many dirty rows are flushed at once, and at most about twice as many go in one round
    /// trip. Default 1,000.
    pub flush_rows: usize,
    /// A round trip takes no further row beyond so many bytes. Default 1 MiB.
    pub flush_bytes: usize,
    /// How long rows changed by decay alone, and deletions, may wait for more. Default 1 s.
    pub decay_flush: Duration,
    /// How many rows a second are written again after Redis lost them, all shards together.
    /// Default 50,000.
    pub rewrite_rate: usize,
    /// How many keys a second are looked at, to find those that an earlier run has left. Default
    /// 20,000.
    pub sweep_rate: usize,
    /// How long another job's heartbeats must have stood still before its views are taken over.
    /// Default 15 s.
    pub takeover_after: Duration,
    /// So many commands a second for rows that were written before are sent without hesitation;
    /// when there are more, a row that was written a moment ago waits. Default 18,000.
    pub write_rate: usize,
    /// The longest such wait. Default 1 s.
    pub write_spacing_max: Duration,
    /// The pause after a first failed attempt; doubled after each further one. Default 50 ms.
    pub backoff_first: Duration,
    /// The longest pause between attempts. Default 5 s.
    pub backoff_max: Duration,
    /// So many failed attempts in a row open the circuit breaker. Default 5.
    pub breaker_after: u32,
    /// What keys begin with. Default `features`.
    pub key_prefix: String,
    /// As which keys and values rows stand in Redis. Default: a hash a row.
    pub layout: Layout,
    /// Feast's project. Default: the job's name, as far as Feast takes it.
    pub project: Option<String>,
    /// How long keys live without being refreshed, in ms, instead of each view's own ttl.
    /// Default: the view's.
    pub ttl: Option<Millis>,
    /// How many keys that were never sent may wait for deletion; beyond it they are left to their
    /// TTL. Default 1,000,000.
    pub deletions_max: usize,
    /// Redis's memory.
    pub memory: MemorySettings,
}

impl Default for RedisSettings {
    fn default() -> Self {
        RedisSettings {
            servers: RedisServers::default(),
            db: 0,
            username: None,
            password: None,
            tls: None,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(5),
            probe_interval: Duration::from_secs(5),
            flush_interval: Duration::from_millis(5),
            flush_rows: 1_000,
            flush_bytes: 1 << 20,
            decay_flush: Duration::from_secs(1),
            rewrite_rate: 50_000,
            sweep_rate: 20_000,
            takeover_after: Duration::from_secs(15),
            write_rate: 18_000,
            write_spacing_max: Duration::from_secs(1),
            backoff_first: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            breaker_after: 5,
            key_prefix: "features".to_owned(),
            layout: Layout::Hash,
            project: None,
            ttl: None,
            deletions_max: 1_000_000,
            memory: MemorySettings::default(),
        }
    }
}

impl RedisSettings {
    /// Takes host, port, database, whether there is TLS, and user and password when it has them,
    /// from a URL (`redis://[user:password@]host[:port][/db]`, `rediss://` for TLS); the rest stays.
    ///
    /// # Errors
    /// [`StoreError::Url`] when it is not such a URL; the error does not repeat it.
    pub fn with_url(mut self, url: &str) -> Result<Self, StoreError> {
        let failed = |reason: &str| StoreError::Url { reason: reason.to_owned() };
        let info = url.into_connection_info().map_err(|e| failed(&e.to_string()))?;
        let single = |host: &String, port: &u16| {
            RedisServers::Single(ServerAddress { host: host.clone(), port: *port })
        };
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                (self.servers, self.tls) = (single(host, port), None);
            }
            ConnectionAddr::TcpTls { host, port, insecure, .. } => {
                self.servers = single(host, port);
                let tls = self.tls.get_or_insert_default();
                tls.insecure |= *insecure;
            }
            _ => return Err(failed("sockets in the file system are not supported")),
        }
        let redis = info.redis_settings();
        self.db = redis.db();
        self.username = redis.username().map(str::to_owned).or(self.username);
        self.password = redis.password().map(Secret::new).or(self.password);
        Ok(self)
    }

    /// What the keys of rows are made with.
    pub(crate) fn placing(&self) -> Placing<'_> {
        Placing {
            layout: self.layout,
            key_prefix: &self.key_prefix,
            project: self.project.as_deref(),
            ttl: self.ttl,
        }
    }

    /// The project that rows of `job` are written for, where they are written in Feast's layout.
    pub fn project_in(&self, job: &str) -> Option<String> {
        (self.layout != Layout::Hash).then(|| self.placing().project(job))
    }

    /// As errors name it.
    pub fn address(&self) -> String {
        self.servers.to_string()
    }

    /// Whether rows are on several servers, by the slots of their keys.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.servers, RedisServers::Cluster(_))
    }

    /// What the keys that are no rows begin with.
    pub(crate) fn bookkeeping(&self) -> String {
        match (self.is_cluster(), self.key_prefix.as_str()) {
            (false, prefix) => bookkeeping(prefix),
            // In one slot, so that they go into one transaction.
            (true, "features") => "{tidemark}:".to_owned(),
            (true, other) => format!("{{tidemark}}:{other}:"),
        }
    }

    /// The key of what jobs write of a Feast project, whatever their prefixes are.
    pub(crate) fn project_key(&self, project: &str) -> String {
        let beside = if self.is_cluster() { "{tidemark}" } else { "tidemark" };
        format!("{beside}:feast:{project}:views")
    }

    /// The key of a job's heartbeats: on each server of a cluster one, with a tag of its first slot.
    pub(crate) fn beats_key(&self, job: &str, first_slot: Option<u16>) -> String {
        self.beats_key_under(&self.key_prefix, job, first_slot)
    }

    /// The same of a job under another prefix.
    pub(crate) fn beats_key_under(
        &self,
        key_prefix: &str,
        job: &str,
        first_slot: Option<u16>,
    ) -> String {
        let key = heartbeat_key(key_prefix, job);
        match first_slot.filter(|_| self.is_cluster()) {
            Some(slot) => format!("{}:{key}", tag_of(slot)),
            None => key,
        }
    }

    /// How a Sentinel is reached: with its own credentials, and for no longer than the `part`th part of
    /// what connecting may take.
    pub(crate) fn of_sentinel(&self, watched: &SentinelSettings, part: u32) -> RedisSettings {
        let least = Duration::from_millis(1);
        let within = (self.connect_timeout / part.max(1)).max(least);
        RedisSettings {
            db: 0,
            username: watched.username.clone(),
            password: watched.password.clone(),
            connect_timeout: within,
            response_timeout: within,
            ..self.clone()
        }
    }

    pub(crate) fn redact(&self, text: String) -> String {
        let text = match &self.password {
            Some(password) => password.redact(text),
            None => text,
        };
        match &self.servers {
            RedisServers::Sentinel(SentinelSettings { password: Some(password), .. }) => {
                password.redact(text)
            }
            _ => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_sets_the_address_and_no_text_shows_its_password() {
        let settings = RedisSettings::default();
        let settings = settings.with_url("rediss://me:hunter2@cache.example:7000/3").unwrap();
        assert_eq!((settings.address().as_str(), settings.db), ("cache.example:7000", 3));
        assert_eq!(settings.username.as_deref(), Some("me"));
        assert_eq!(settings.password.as_ref().map(Secret::reveal), Some("hunter2"));
        assert!(settings.tls.is_some());
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert_eq!(settings.redact("no hunter2 here".to_owned()), "no <redacted> here");
    }

    #[test]
    fn an_unreadable_url_is_refused_without_repeating_it() {
        for url in ["http://:hunter2@h", "redis://:hunter2@h/x", "redis+unix:///s?pass=hunter2", ""]
        {
            let error = RedisSettings::default().with_url(url).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(text.contains("redis://") && !text.contains("hunter2"), "{text}");
        }
    }
}
