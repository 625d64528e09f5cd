//! Features for models over HTTP, as Feast's feature server answers them.
//!
//! | path | answer |
//! |---|---|
//! | `POST /get-online-features` | the features of some entities, by a list of them or by a service |
//! | `POST /v1/features/groupby/{view}`, `../join/{service}` | the same as Chronon's fetcher asks |
//! | `POST /materialize`, `/materialize-incremental` | `null`: rows are kept current, nothing is done |
//! | `/push`, `/write-to-online-store` | 405: which topic to write to instead |
//! | `/health`, `/ready`, `/metrics`, `/openapi.json` | of this server |
//! | `/docs/` | pages: of the job, with the question of each service, and of the program |
//!
//! A question is compiled once for each service or list of features (`compiled`), rows come from the first
//! of the `sources` that is current (the tables of a job, in this process and its others, Redis, its replicas), and nothing of it is told that may be
//! older than the settings allow (`freshness`): such a value is null, with `OUTSIDE_MAX_AGE`. That is
//! what a value looks like which nothing has let leave its window.
//!
//! Modules in the order of a request: `routes`, `question` (what is asked), `catalogue` (what may be
//! asked), `ask` (a compiled question), `compiled` (a bounded number of them), `source` with `engine`
//! and `redis` (where rows come from), `owners`, `owner`, `hop` and `answering` (those of other processes of the
//! job, and what is answered to them), `freshness`, `values` and `answer`, `chronon` (another form of both); `feast_error` (what is not answered), `counts`.
//!
//! # Bounds
//! Bodies of 1 MiB, 1,000 entities by 1,000 features a request, `connections` and `values_in_flight` of
//! the settings; a request that goes on for long lets others through in between. A body must arrive
//! within 10 s.

mod answer;
mod answering;
mod ask;
mod catalogue;
mod chronon;
mod compiled;
mod counts;
mod engine;
mod feast_error;
mod freshness;
#[cfg(fuzzing)]
mod fuzzed;
mod hop;
mod owner;
mod owners;
mod question;
mod redis;
mod routes;
mod source;
mod sources;
#[cfg(test)]
mod tests;
mod values;

pub use answering::row_hops;
pub use engine::EngineRows;
#[cfg(fuzzing)]
pub use fuzzed::FuzzedServer;
pub use owners::Owners;
pub use redis::RedisRows;
pub use source::RowSource;
pub use sources::RankedSources;

use crate::config::ServeSettings;
use crate::docs::ServedDocs;
use crate::failure::Failure;
use crate::http::{HostNames, HttpServer, documentation};
use crate::online::Beats;
use crate::wall_clock::wall_ms;
use catalogue::Catalogue;
use compiled::Compiled;
use counts::ServingCounts;
use freshness::{AgeBounds, Judge};
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use tidemark_jobs::Job;

/// Entities of one request.
const ENTITIES_MAX: usize = 1_000;
/// Features of one request.
const FEATURES_MAX: usize = 1_000;
/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Whether rows that were read between two looks at the job's heartbeats are current, for people: as of
/// when they are, or why nothing of them is to be told.
///
/// # Errors
/// When they are not, or nothing is known.
pub fn judged(beats: &(Beats, Beats), settings: &ServeSettings) -> Result<String, String> {
    let bounds = AgeBounds::of(settings);
    let now = wall_ms().unwrap_or(0);
    let freshness = Judge::default().judge(&beats.0, &beats.1, bounds, now);
    let age = freshness.age(now).unwrap_or(0);
    match freshness.stale {
        Some(why) => Err(why),
        None => Ok(format!("{} workers, rows are {age} ms old", beats.1.workers().len())),
    }
}

/// What requests are answered by.
struct Serving {
    catalogue: Catalogue,
    compiled: Mutex<Compiled>,
    sources: RankedSources,
    settings: ServeSettings,
    counts: ServingCounts,
    /// Values of the answers that are on their way.
    values: Arc<AtomicUsize>,
}

/// A running feature server; ends when dropped.
#[derive(Debug)]
pub struct FeatureServer {
    http: HttpServer,
}

impl FeatureServer {
    /// Serves the features of `job` from `sources` to who asks by one of `names`; `project`: what Feast calls
    /// it.
    ///
    /// # Errors
    /// When the address cannot be listened on, or no thread can be had.
    pub fn start(
        (job, project): (&Job, String),
        settings: &ServeSettings,
        names: HostNames,
        sources: RankedSources,
    ) -> Result<Self, Failure> {
        let catalogue = Catalogue::new(job, project);
        let serving = Arc::new(Serving {
            counts: ServingCounts::new(catalogue.views.len()),
            catalogue,
            compiled: Mutex::default(),
            sources,
            settings: settings.clone(),
            values: Arc::default(),
        });
        let job = job.clone();
        let make = move |address| {
            sources::watch(&serving);
            let docs = Arc::new(ServedDocs::new(&job, address));
            routes::router(serving, documentation::router(docs))
        };
        let at = (settings.address(), names);
        let http = HttpServer::with_router("serve", settings.connections, at, make);
        let http = http.map_err(|error| {
            Failure::failed(error)
                .hint("choose another \"port\" or \"bind\" in [serve] of cluster.toml, or --serve")
        })?;
        tracing::info!(
            address = %http.address(),
            "features are served; there is no password yet: keep the port to yourself"
        );
        Ok(FeatureServer { http })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.http.address()
    }
}
