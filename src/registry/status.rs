//! What the registry's client says about itself, for `/health`, `/ready` and the metrics.

use std::time::Duration;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A schema.
    Ok,
    /// The registry has no such schema.
    Missing,
    /// No connection, or it broke.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// 401: it wants to know who asks.
    Unauthorized,
    /// 403: it may not be read by who asks.
    Forbidden,
    /// 429: too many requests.
    Throttled,
    /// 5xx.
    ServerError,
    /// What no registry answers.
    Unexpected,
}

impl Outcome {
    /// All of them, in their order.
    pub const ALL: [Outcome; 9] = [
        Outcome::Ok,
        Outcome::Missing,
        Outcome::Unreachable,
        Outcome::Timeout,
        Outcome::Unauthorized,
        Outcome::Forbidden,
        Outcome::Throttled,
        Outcome::ServerError,
        Outcome::Unexpected,
    ];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Missing => "missing",
            Outcome::Unreachable => "unreachable",
            Outcome::Timeout => "timeout",
            Outcome::Unauthorized => "unauthorized",
            Outcome::Forbidden => "forbidden",
            Outcome::Throttled => "throttled",
            Outcome::ServerError => "server_error",
            Outcome::Unexpected => "unexpected",
        }
    }

    /// What to do about it.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Outcome::Ok | Outcome::Missing => "",
            Outcome::Unreachable => {
                "check that it is up, and \"url\" and the TLS files in [registry] of cluster.toml"
            }
            Outcome::Timeout => {
                "check the network, or raise \"timeout\" in [registry] of cluster.toml"
            }
            Outcome::Unauthorized => {
                "check \"user\" and \"password\", or \"token\", in [registry] of cluster.toml, or \
                 SCHEMA_REGISTRY_USER, .._PASSWORD and .._TOKEN"
            }
            Outcome::Forbidden => "grant read access to schemas and subjects to who signs in",
            Outcome::Throttled => "raise the registry's limit of requests",
            Outcome::ServerError => "look into the registry's own log",
            Outcome::Unexpected => "check that \"url\" in [registry] is the base of a registry",
        }
    }
}

/// What there is to know at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryStatus {
    /// Requests so far, by outcome, in the order of [`Outcome::ALL`].
    pub requests: Vec<(Outcome, u64)>,
    /// Ids whose schema is held.
    pub known: usize,
    /// Ids that records wait for.
    pub pending: usize,
    /// The least of those that the registry has denied so far.
    pub denied: Option<u32>,
    /// Ids that are unknown.
    pub unknown: usize,
    /// Bytes of all texts held.
    pub bytes: usize,
    /// Why the registry cannot be used now; `None` while it can. Free of secrets.
    pub error: Option<String>,
    /// How long ago the last request failed; `None` when none has.
    pub last_error_age: Option<Duration>,
}
