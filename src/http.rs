//! HTTP: what the job says about itself, and the newest feature rows.
//!
//! | path | answer |
//! |---|---|
//! | `/` | for a browser a page, for others the list of the paths |
//! | `/overview` | what the page shows: rates, partitions, sinks, the last hour |
//! | `/overview/live` | the same without the hour, each second for as long as one listens |
//! | `/catalogue` | the features of the job |
//! | `/docs/` | pages: of the job, and of the program |
//! | `/metrics` | Prometheus text |
//! | `/health` | every component with its state and reason; 503 only when a worker is stalled |
//! | `/ready` | progress by partition; 503 until the job has caught up |
//! | `/log` | the log level; with `POST`, the body is the one that holds from now on |
//! | `/settings` | the job and the settings that the process runs with, without secrets |
//! | `/features/{view}/{id}` | the newest row of one entity |
//! | `/features/{view}?id=` | the same for any id, also one that is empty or holds a `/` |
//! | `/explain/{view}?id=&feature=` | which events make a feature of an entity, and when each leaves |
//! | `/forget/{entity}?id=` | with `POST`: forgets an entity; with `GET`: whether a restart knows that |
//! | `/rows` | with `POST`, for the other processes of a cluster: rows of many entities of this one |
//!
//! The server has a thread of its own and touches neither the dataflow nor the sinks: all it knows
//! comes through [`Introspect`]. For `/explain` a worker is asked, by one at a time, in slices
//! between its steps, and for `/forget`. It answers `GET`, and `POST` of an entity to be forgotten and of
//! a log level, whose body is the only one that is read of anybody who is no process of the cluster. At most
//! [`CONNECTIONS_MAX`] connections are open, a request's head must arrive within [`HEAD_TIMEOUT`],
//! something of an answer must be taken within [`WRITE_TIMEOUT`], and what is not answered within
//! [`ANSWER_TIMEOUT`] is answered 503.
//!
//! Nobody's connections keep others away: beyond the bound a new one takes the place of the one
//! whose last request is longest ago (at least [`GIVE_WAY_AFTER`]), and two threads are kept for
//! `/health` and `/ready`, however long metrics and rows take.
//!
//! There is no authentication and no TLS, which is why it listens on loopback unless `[http]` says
//! otherwise; only the other processes of a cluster with TLS are spoken to over it. No page of another site reads anything: see [`HostNames`].

pub mod components;
mod connections;
pub(crate) mod documentation;
mod explain;
mod forget;
mod health;
mod hosts;
mod log;
pub mod overview;
mod page;
mod readiness;
mod routes;
mod row;
mod secured;
mod server;
mod shared;

pub use explain::{ExplainAnswer, ExplainQuestion};
pub use forget::{ForgetAnswer, ForgetQuestion, ForgetTold};
pub use health::{Component, Health, Part, State, Status};
pub use hosts::HostNames;
pub use readiness::{PartitionReadiness, Readiness};
pub use row::{FeatureRow, RUN_HEADER, RowAnswer, RowQuestion};
pub(crate) use secured::SecuredStream;
pub use server::{
    ANSWER_TIMEOUT, CONNECTIONS_MAX, GIVE_WAY_AFTER, HEAD_TIMEOUT, HttpError, HttpServer,
    MoreRoutes, WRITE_TIMEOUT,
};

use crate::config::RunSettings;
use crate::docs::ServedDocs;
use crate::failure::Failure;
use overview::Overview;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_jobs::docs::CatalogueEntry;

/// Which events a row shows: of each source and partition of it the offset before which they all are in,
/// and none from it on.
pub type ShownPositions = BTreeMap<String, BTreeMap<u32, u64>>;

/// What the server asks the job. Every call may come from any thread and, but for
/// [`explain`](Introspect::explain) and [`forget`](Introspect::forget), must not wait for a worker; one that waits for the network or a
/// worker must give up by itself within a few seconds.
pub trait Introspect: Send + Sync {
    /// The text of `/metrics`.
    fn metrics(&self) -> String;

    /// The components and their states.
    fn health(&self) -> Health;

    /// Whether the job has caught up, and how far each partition is.
    fn readiness(&self) -> Readiness;

    /// The newest row of an entity in a view.
    fn row(&self, asked: &RowQuestion) -> RowAnswer;

    /// Why a feature of an entity is what it is.
    fn explain(&self, asked: &ExplainQuestion) -> ExplainAnswer {
        let why = format!("nothing is held of the events of \"{}\"", asked.id);
        ExplainAnswer::Unavailable { why, hint: "ask a process that runs a job".to_owned() }
    }

    /// Forgets an entity, or says whether that is for good.
    fn forget(&self, asked: &ForgetQuestion) -> ForgetAnswer {
        let why = format!("nothing is held of \"{}\"", asked.id);
        ForgetAnswer::Unavailable { why, hint: "ask a process that runs a job".to_owned() }
    }

    /// What the job is doing, now and over the last hour.
    fn overview(&self) -> Overview {
        Overview::default()
    }

    /// The features of the job, in its order.
    fn catalogue(&self) -> Vec<CatalogueEntry> {
        Vec::new()
    }

    /// The pages that are shown at `/docs/`.
    fn documentation(&self) -> Option<Arc<ServedDocs>> {
        None
    }

    /// What the process runs: the job's name, a hash of its definition, and its settings by key, without
    /// secrets.
    fn settings(&self) -> RunSettings {
        RunSettings::default()
    }

    /// Called about once a second, for what has to be observed over time: workers that stand
    /// still, rates.
    fn tick(&self) {}
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let hint = error.hint();
        Failure::failed(error).hint(hint)
    }
}
