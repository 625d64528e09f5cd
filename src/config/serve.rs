//! The feature server.

use crate::config::http::address;
use crate::config::keys::{Choice, Keys, choose};
use crate::config::{OnlineKind, RedisMode, Settings};
use crate::online::redis::ServerAddress;
use crate::text::parse_duration;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What an answer says of each value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// Whether it is there, null, of no row, or too old.
    Own,
    /// PRESENT whatever it is, as Feast's own server with Redis does.
    Stock,
}

impl Choice for Statuses {
    const NAMES: &'static [(&'static str, Self)] =
        &[("own", Statuses::Own), ("stock", Statuses::Stock)];
}

/// What the values of a missing row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The view's empty values: counts, sums and ratios 0, everything else null.
    Empty,
    /// Nulls, as in Feast.
    Null,
}

impl Choice for Missing {
    const NAMES: &'static [(&'static str, Self)] =
        &[("empty", Missing::Empty), ("null", Missing::Null)];
}

/// What is told of views that have not seen all that their windows reach back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncompleteValues {
    /// Their values, as they are: too small perhaps.
    Present,
    /// Nulls, also for missing rows.
    Null,
}

impl Choice for IncompleteValues {
    const NAMES: &'static [(&'static str, Self)] =
        &[("present", IncompleteValues::Present), ("null", IncompleteValues::Null)];
}

/// Where the feature server has rows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServedFrom {
    /// The memory of the job in this process.
    Engine,
    /// The Redis that the job writes to, which may take so long; default `answer_timeout`.
    Redis(Option<Duration>),
    /// A server that follows it, with the same credentials, which may take so long.
    Replica(ServerAddress, Option<Duration>),
}

/// So many sources at most.
const SOURCES_MAX: usize = 16;

impl ServedFrom {
    /// Reads `engine, redis 20ms, 10.0.0.2:6379`: none twice.
    fn list(text: &str) -> Result<Vec<ServedFrom>, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            let source = ServedFrom::read(part)?;
            if all.iter().any(|known: &ServedFrom| known.is_at(&source)) {
                return Err(format!("names \"{}\" twice", part.trim()));
            }
            all.push(source);
        }
        match all.len() <= SOURCES_MAX {
            true => Ok(all),
            false => Err(format!("names more than {SOURCES_MAX} sources")),
        }
    }

    fn read(part: &str) -> Result<ServedFrom, String> {
        let mut words = part.split_whitespace();
        let name = words.next().unwrap_or_default();
        let within = words.next().map(within).transpose()?;
        if words.next().is_some() {
            return Err(format!("has too many words in \"{}\"; {SOURCES_FORM}", part.trim()));
        }
        match name {
            "engine" if within.is_some() => {
                Err("gives \"engine\" a time: it is this process' own memory".to_owned())
            }
            "engine" => Ok(ServedFrom::Engine),
            "redis" => Ok(ServedFrom::Redis(within)),
            at => match at.parse() {
                Ok(at) => Ok(ServedFrom::Replica(at, within)),
                Err(_) if at.contains('@') => {
                    Err(format!("has a source with a user or a password in it; {SOURCES_FORM}"))
                }
                Err(_) => Err(format!("has \"{at}\", which is no source; {SOURCES_FORM}")),
            },
        }
    }

    fn is_at(&self, other: &ServedFrom) -> bool {
        match (self, other) {
            (ServedFrom::Replica(one, _), ServedFrom::Replica(other, _)) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
}

/// What sources look like.
const SOURCES_FORM: &str = "write them in their order as \"engine\", \"redis\" and host:port of \
                            replicas, separated by commas, each but the engine with the time it \
                            may take: \"redis 20ms, 10.0.0.2:6379 50ms\"";

/// How long a source may take.
const WITHIN: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(60);

fn within(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        within if WITHIN.contains(&within) => Ok(within),
        _ => Err(format!("gives a source {text}: it may be 1ms to 1m")),
    }
}

/// The feature server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Whether `tidemark run` serves too, each of several processes; default false. `tidemark serve` always
    /// does.
    pub enabled: bool,
    /// The address it listens on; default 127.0.0.1, as it has no authentication.
    pub bind: IpAddr,
    /// Its port; 0 takes any free one; default 6566, Feast's. Of several processes on one host each next one
    /// takes the next.
    pub port: u16,
    /// Where rows are looked for, in this order; default the job's own memory in `tidemark run`, and
    /// Redis in `tidemark serve`.
    pub sources: Option<String>,
    /// What answers say of values; default our own statuses.
    pub statuses: Statuses,
    /// What a missing row reads as; default the empty values.
    pub missing: Missing,
    /// What is told of views that may lack something; default their values.
    pub incomplete: IncompleteValues,
    /// After so long without a sign of life of the job its values are too old; default 10 s.
    pub stale_after: Duration,
    /// So far may the live clock be behind this machine's clock; default 1 min.
    pub behind_max: Duration,
    /// Open connections; default 256.
    pub connections: usize,
    /// Values that all answers on their way may have together; default 4,000,000.
    pub values_in_flight: usize,
    /// Connections to Redis that rows are read by; default 2.
    pub redis_connections: usize,
    /// How long each source that is asked over the network may take, and another process of the job;
    /// default 1 s.
    pub answer_timeout: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        ServeSettings {
            enabled: false,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 6_566,
            sources: None,
            statuses: Statuses::Own,
            missing: Missing::Empty,
            incomplete: IncompleteValues::Present,
            stale_after: Duration::from_secs(10),
            behind_max: Duration::from_secs(60),
            connections: 256,
            values_in_flight: 4_000_000,
            redis_connections: 2,
            answer_timeout: Duration::from_secs(1),
        }
    }
}

impl ServeSettings {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// The sources of [`sources`](Self::sources); `None`: none are named.
    pub fn ranked(&self) -> Option<Vec<ServedFrom>> {
        // What is no list of them was refused with the settings.
        self.sources.as_deref().and_then(|text| ServedFrom::list(text).ok())
    }

    /// What is wrong between these settings and others that are right by themselves.
    pub(super) fn contradictions(&self, all: &Settings) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        let ranked = self.ranked().unwrap_or_default();
        let stores = ranked.iter().any(|source| *source != ServedFrom::Engine);
        if stores && all.online.kind != OnlineKind::Redis {
            wrong.push(
                "\"sources\" in [serve] name Redis, and \"kind\" in [online] is \"embedded\": nothing \
                 is written there",
            );
        }
        let replicas = ranked.iter().any(|source| matches!(source, ServedFrom::Replica(..)));
        if replicas && all.online.redis.mode == RedisMode::Cluster {
            wrong.push(
                "\"sources\" in [serve] name a replica, and \"mode\" in [online.redis] is \
                 \"cluster\": a server of a cluster has only some of the rows; name \"redis\", which \
                 follows a cluster's failovers",
            );
        }
        wrong
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.flag("enabled", &mut self.enabled);
        let mut bind = self.bind.to_string();
        keys.text("bind", &address, &mut bind);
        if let Ok(address) = bind.parse() {
            self.bind = address;
        }
        keys.port("port", 0, &mut self.port);
        let listed = |text: &str| ServedFrom::list(text).map(|_| ());
        keys.optional_text("sources", &listed, &mut self.sources);
        choose(keys, "statuses", &mut self.statuses);
        choose(keys, "missing", &mut self.missing);
        choose(keys, "incomplete", &mut self.incomplete);
        let second = Duration::from_secs(1);
        keys.duration("stale_after", second * 2..=second * 86_400, &mut self.stale_after);
        keys.duration("behind_max", second..=second * 86_400 * 36_500, &mut self.behind_max);
        keys.count("connections", 1..=4_096, &mut self.connections);
        keys.count("values_in_flight", 1_000_000..=100_000_000, &mut self.values_in_flight);
        keys.count("redis_connections", 1..=64, &mut self.redis_connections);
        keys.duration("answer_timeout", WITHIN, &mut self.answer_timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_in_their_order_each_with_the_time_it_may_take() {
        let replica = |text: &str| text.parse::<ServerAddress>().unwrap();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(
            ServedFrom::list("engine, redis 20ms,[::1]:6380 , cache.example:6379 1s"),
            Ok(vec![
                ServedFrom::Engine,
                ServedFrom::Redis(ms(20)),
                ServedFrom::Replica(replica("[::1]:6380"), None),
                ServedFrom::Replica(replica("cache.example:6379"), ms(1_000)),
            ])
        );
        for (wrong, why) in [
            ("", "no source"),
            ("redis,", "no source"),
            ("postgres", "no source"),
            ("redis 0ms", "1ms to 1m"),
            ("redis 2m", "1ms to 1m"),
            ("redis soon", "no duration"),
            ("redis 1s 2s", "too many words"),
            ("engine 1s", "own memory"),
            ("redis, engine, redis 5ms", "twice"),
            ("a:1, a:1 5ms", "twice"),
        ] {
            let refused = ServedFrom::list(wrong).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
        }
        let many: Vec<_> = (1..=17).map(|port| format!("a:{port}")).collect();
        assert!(ServedFrom::list(&many.join(",")).unwrap_err().contains("16"));
    }
}
