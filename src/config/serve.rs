//! The feature server.

use crate::config::http::address;
use crate::config::keys::{Choice, Keys, choose};
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

/// The feature server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// Whether `tidemark run` serves too; default false. `tidemark serve` always does.
    pub enabled: bool,
    /// The address it listens on; default 127.0.0.1, as it has no authentication.
    pub bind: IpAddr,
    /// Its port; 0 takes any free one; default 6566, Feast's.
    pub port: u16,
    /// What answers say of values; default our own statuses.
    pub statuses: Statuses,
    /// What a missing row reads as; default the empty values.
    pub missing: Missing,
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
    /// How long Redis may take; default 1 s.
    pub answer_timeout: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        ServeSettings {
            enabled: false,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 6_566,
            statuses: Statuses::Own,
            missing: Missing::Empty,
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

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.flag("enabled", &mut self.enabled);
        let mut bind = self.bind.to_string();
        keys.text("bind", &address, &mut bind);
        if let Ok(address) = bind.parse() {
            self.bind = address;
        }
        keys.port("port", 0, &mut self.port);
        choose(keys, "statuses", &mut self.statuses);
        choose(keys, "missing", &mut self.missing);
        let second = Duration::from_secs(1);
        keys.duration("stale_after", second * 2..=second * 86_400, &mut self.stale_after);
        keys.duration("behind_max", second..=second * 86_400 * 36_500, &mut self.behind_max);
        keys.count("connections", 1..=4_096, &mut self.connections);
        keys.count("values_in_flight", 1_000_000..=100_000_000, &mut self.values_in_flight);
        keys.count("redis_connections", 1..=64, &mut self.redis_connections);
        let wait = Duration::from_millis(1)..=Duration::from_secs(60);
        keys.duration("answer_timeout", wait, &mut self.answer_timeout);
    }
}
