//! The schema registry: a client of Confluent's HTTP interface, and a folder that stands for one.
//!
//! ```text
//!  worker 0 ── handle ─┐                       thread
//!  worker 1 ── handle ─┼─ cache: id → what ──> fetcher ── GET /schemas/ids/7 ──> registry
//!  worker 2 ── handle ─┘     is known             │
//!      ^───────────────── woken when that changes ┘
//! ```
//!
//! A worker asks its handle ([`Schemas`](tidemark_operators::ingest::schemas::Schemas)) and gets
//! what is known now. What is not known is fetched once for all workers, by one thread; then all of
//! them are woken.
//!
//! - *No answer* (refused connection, timeout, TLS), *401*, *403*, *429*, *5xx* or an answer that
//!   no registry gives: the id stays pending for ever, and is asked for again after a pause that
//!   doubles up to [`RegistryLimits::backoff_max`]. Nothing is lost, nothing is guessed; the log,
//!   `/health` and the metrics say what is wrong. A 404 counts here unless it is a registry's own
//!   (`error_code` 404xx): it means that the address is not that of a registry.
//! - *No such schema* (`error_code` 40403, or 4040x for a reference): asked again for
//!   [`RegistryConfig::schema_wait`], then unknown. Time counts only between two such answers in a
//!   row: a registry that was away has not denied anything meanwhile.
//! - *Unknown* is the verdict on records read while it stands. Records that come later ask again,
//!   at most once in [`RegistryLimits::unknown_again`], without waiting: once the registry has the
//!   schema they are decoded; what became a dead letter before stays one.
//! - *Not Avro*, or references that cannot be put together: unknown at once and for good, because
//!   what an id stands for never changes.
//!
//! References are fetched (`/subjects/{s}/versions/{v}`) and their definitions put where they are
//! first named, so that a schema is always one text that stands for itself.

mod cache;
mod client;
mod error;
mod expand;
mod fetcher;
mod folder;
mod settings;
mod status;

pub use error::RegistryError;
pub use fetcher::{Registry, RegistrySchemas};
pub use folder::{FOLDER_FILES_MAX, FolderSchemas, SCHEMA_FILE_BYTES_MAX};
pub use settings::{Credential, Credentials, RegistryConfig, RegistryLimits, TlsFiles};
pub use status::{RegistryStatus, RequestOutcome};
