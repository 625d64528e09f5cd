//! Online stores: the newest feature row of every entity, for whoever is scoring.
//!
//! ```text
//!  worker ── TableWriter ──> table (one shard a worker) ──> get, rows          Embedded
//!                                  │ what is dirty
//!                                  └─> a thread and a connection a shard ──>   Redis
//! ```
//!
//! The table holds the newest rows in the process, whatever happens to Redis. A changed row is
//! dirty until Redis has acknowledged it; at a flush its newest values are written, however often
//! it changed before. So nothing is queued twice, an outage of Redis stalls nothing, its memory is
//! bounded by the live keys, and no key's newest value is lost.
//!
//! Modules in the order rows flow: `schema` (what is known of the job), `rows`, `texts`, `ids` (how
//! rows are kept), `shard`, `table` (writing and reading them), `dirt` with `fifo`, `deletions`,
//! `spaced` and `calendar` (what Redis does not have yet), `layout` with `feast` (as which bytes rows
//! stand there) and `stored` (what was read of them), `embedded` and [`redis`] (the two stores), `heartbeat` with `incomplete` (what readers of Redis know of the job), [`text`] (how values read),
//! `status` (what they report).

mod calendar;
mod deletions;
mod dirt;
mod embedded;
mod feast;
mod fifo;
mod footprint;
mod heartbeat;
mod ids;
mod incomplete;
mod layout;
mod reading;
pub mod redis;
mod rows;
mod schema;
mod shard;
mod spaced;
mod status;
mod stored;
mod table;
pub mod text;
mod texts;

pub use embedded::Embedded;
pub use feast::project_name;
pub use footprint::{ids_bytes, rows_bytes};
pub use heartbeat::{Beats, Heartbeat, HeartbeatError, Life, heartbeat_key};
pub use incomplete::Incomplete;
pub use layout::{Layout, feast_collision};
pub use reading::HeldRow;
pub use redis::{Redis, RedisSettings};
pub use status::{
    BreakerState, ByCause, Commands, Histogram, LATENCY_BOUNDS_MS, MemoryStatus, NodeStatus,
    RedisStatus, StoreStatus,
};
pub use stored::{StoredRow, StoredRows, StoredText};

use std::time::Duration;
use table::Table;
use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::online::{AppliedEvents, OnlineSink};
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Value;

/// The newest row of an entity in a view.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The live clock it is as of: of its last update, or of the end when the job has ended.
    pub as_of: EventTime,
    /// One value a feature, in job order.
    pub values: Vec<Value>,
}

/// A row, and which events it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct AppliedRow {
    /// One value a feature, in job order; `None`: nothing of the entity is held.
    pub values: Option<Vec<Value>>,
    /// The events of its entity type that it shows, and the live clock it is as of.
    pub events: AppliedEvents,
}

/// Where the newest rows go, and are read from. Reads always answer from the table.
pub trait OnlineStore: Send + Sync {
    /// The table of the rows in this process, which all stores have.
    #[doc(hidden)]
    fn table(&self) -> &Table;

    /// The end that belongs to `worker`; each worker has one and keeps it.
    ///
    /// # Panics
    /// When the store was made for fewer workers.
    fn writer(&self, worker: usize) -> Box<dyn OnlineSink> {
        Box::new(self.table().writer(worker))
    }

    /// The row of an entity in the view at job index `view`; `None` when nothing of it is held,
    /// which reads as the empty values.
    fn get(&self, view: usize, id: &[u8]) -> Option<Row> {
        self.table().get(view, id)
    }

    /// The row of an entity in the view at job index `view`, with which events it shows: it follows from
    /// these alone. Waits while rows are on their way, half a second at most. `None`: they still are, or
    /// the worker has given none yet.
    fn applied(&self, view: usize, id: &[u8]) -> Option<AppliedRow> {
        self.table().applied(view, id)
    }

    /// The newest rows of an entity (of the type at job index `entity`) in `views`, all as of one
    /// moment. `found` is told of each, by its place among `views`, while the entity's shard is
    /// locked: it must be quick. `None`: nothing of it is held.
    fn read(
        &self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) {
        self.table().read(entity, id, views, found);
    }

    /// The same with which events they show, from which alone they follow. `None`, and nothing is told: rows
    /// are on their way, or the worker has given none yet.
    fn read_applied(
        &self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) -> Option<AppliedEvents> {
        self.table().read_applied(entity, id, views, found)
    }

    /// All rows of a view with their ids, sorted by the ids' bytes. Takes the shards' locks: for
    /// the end of a replay, not for a job at work.
    fn rows(&self, view: usize) -> Vec<(Vec<u8>, Row)> {
        self.table().rows(view)
    }

    /// What the rows take in the process, as of the newest change. Costs a few loads.
    fn memory(&self) -> HeldBytes {
        self.table().memory()
    }

    /// What the store has done and how it is.
    fn status(&self) -> StoreStatus;

    /// Ends the silence of a store that was started with `hold`: from now on rows leave the
    /// process. Does nothing when it was not held.
    fn release(&self);

    /// Tells that the rows of the view at job index `view` lack nothing: the job has caught up, and
    /// every window of theirs lies behind what was read. Keys of the view that an earlier run has
    /// left, and that are not held, may be removed from now on.
    fn complete(&self, view: usize);

    /// Tells which views' rows may lack something, and until when: of the views of the whole job, in the
    /// place of what was told before. To be told before `release`.
    fn incomplete(&self, views: Incomplete);

    /// Writes what is left, waiting up to `within`, and stops the store's threads, but for one that
    /// still waits for a reply then. Rows may still be read afterwards.
    ///
    /// # Errors
    /// [`StoreError::Unwritten`] when something could not be written in time.
    fn close(&self, within: Duration) -> Result<(), StoreError>;
}

/// Why an online store could not do what was asked. No text of it holds a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one of Redis.
    #[error(
        "cannot read the Redis URL: {reason}; write \
         redis://[user:password@]host[:port][/db], or rediss:// for TLS"
    )]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key could not be read.
    #[error("cannot read '{path}' for TLS to Redis: {reason}; name a PEM file")]
    Certificate {
        /// The file.
        path: String,
        /// Why not.
        reason: String,
    },
    /// No connection.
    #[error("cannot connect to Redis at '{address}': {reason}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why not.
        reason: String,
    },
    /// Connected, and not let in.
    #[error(
        "Redis at '{address}' refused the credentials: {reason}; check the user name and the \
         password (REDIS_PASSWORD)"
    )]
    Credentials {
        /// Host and port.
        address: String,
        /// What Redis said.
        reason: String,
    },
    /// Connected to a replica, which takes no writes.
    #[error(
        "Redis at '{address}' is a replica, which takes no rows: name the primary, or wait until the Sentinels do"
    )]
    Replica {
        /// Host and port.
        address: String,
    },
    /// No Sentinel says which server is the primary.
    #[error(
        "no Sentinel names the primary '{name}': {reason}; check \"addresses\", \"sentinel_name\" and \
         \"sentinel_password\" in [online.redis]"
    )]
    NoPrimary {
        /// What they would call it.
        name: String,
        /// Why the last of them did not answer.
        reason: String,
    },
    /// No server of a cluster says which of them has what.
    #[error(
        "cannot ask any server of the Redis Cluster which of them has which keys: {reason}; check \
         \"addresses\" in [online.redis], and that they are servers of a cluster"
    )]
    NoCluster {
        /// Why the last of them did not answer.
        reason: String,
    },
    /// Sentinels name another primary.
    #[error("Redis at '{address}' is the primary no more: Sentinel names '{primary}'")]
    Deposed {
        /// Of the connection.
        address: String,
        /// The one they name.
        primary: String,
    },
    /// The connection broke while replies were awaited.
    #[error("lost the connection to Redis at '{address}': {reason}")]
    Lost {
        /// Host and port.
        address: String,
        /// Why.
        reason: String,
    },
    /// Redis answered with an error.
    #[error("Redis at '{address}' refused {command}: {reason}{}", hint(.reason))]
    Reply {
        /// Host and port.
        address: String,
        /// What was asked.
        command: &'static str,
        /// What Redis said.
        reason: String,
    },
    /// A transaction was not carried out, because somebody touched the key that it watches.
    #[error(
        "Redis at '{address}' did not take rows: the key '{key}', which says which run may write, was \
         touched; whose it is is looked at now"
    )]
    Fenced {
        /// Host and port.
        address: String,
        /// The key.
        key: String,
    },
    /// Two features have one field in Feast's layout.
    #[error(
        "cannot write to Redis in Feast's layout: the features '{first}' and '{second}' have the same \
         field there (32 bits of a hash of their names); rename one of them"
    )]
    Collision {
        /// View and feature.
        first: String,
        /// And of the other one.
        second: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread that writes to Redis: {0}")]
    Thread(std::io::Error),
    /// Not everything was written before the deadline.
    #[error(
        "{rows} rows and keys were not written to Redis before the deadline{}; the next run \
         writes them again", why(.reason)
    )]
    Unwritten {
        /// How many.
        rows: usize,
        /// The last error, if there was one.
        reason: Option<String>,
    },
}

fn hint(reason: &str) -> &'static str {
    match reason.split([' ', ':']).next() {
        Some("OOM") => "; raise its maxmemory ([online.memory] limit, when the job sets it)",
        Some("MISCONF") => "; its disk does not take snapshots",
        Some("READONLY") => "; it became a replica",
        Some("LOADING") => "; it is reading its data, this passes",
        Some("NOPERM") => "; allow the user this command",
        _ => "",
    }
}

fn why(reason: &Option<String>) -> String {
    reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"))
}
