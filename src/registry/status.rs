//! What the registry's client says about itself, for `/health`, `/ready` and the metrics.

use std::time::Duration;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestOutcome {
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

impl RequestOutcome {
    /// All of them, in their order.
    pub const ALL: [RequestOutcome; 9] = [
        RequestOutcome::Ok,
        RequestOutcome::Missing,
        RequestOutcome::Unreachable,
        RequestOutcome::Timeout,
        RequestOutcome::Unauthorized,
        RequestOutcome::Forbidden,
        RequestOutcome::Throttled,
        RequestOutcome::ServerError,
        RequestOutcome::Unexpected,
    ];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            RequestOutcome::Ok => "ok",
            RequestOutcome::Missing => "missing",
            RequestOutcome::Unreachable => "unreachable",
            RequestOutcome::Timeout => "timeout",
            RequestOutcome::Unauthorized => "unauthorized",
            RequestOutcome::Forbidden => "forbidden",
            RequestOutcome::Throttled => "throttled",
            RequestOutcome::ServerError => "server_error",
            RequestOutcome::Unexpected => "unexpected",
        }
    }

    /// What to do about it.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            RequestOutcome::Ok | RequestOutcome::Missing => "",
            RequestOutcome::Unreachable => {
                "check that it is up, and \"url\" and the TLS files in [registry] of cluster.toml"
            }
            RequestOutcome::Timeout => {
                "check the network, or raise \"timeout\" in [registry] of cluster.toml"
            }
            RequestOutcome::Unauthorized => {
                "check \"user\" and \"password\", or \"token\", in [registry] of cluster.toml, or \
                 SCHEMA_REGISTRY_USER, .._PASSWORD and .._TOKEN"
            }
            RequestOutcome::Forbidden => {
                "grant read access to schemas and subjects to who signs in"
            }
            RequestOutcome::Throttled => "raise the registry's limit of requests",
            RequestOutcome::ServerError => "look into the registry's own log",
            RequestOutcome::Unexpected => {
                "check that \"url\" in [registry] is the base of a registry"
            }
        }
    }
}

/// What there is to know at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryStatus {
    /// Requests so far, by outcome, in the order of [`RequestOutcome::ALL`].
    pub requests: Vec<(RequestOutcome, u64)>,
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
