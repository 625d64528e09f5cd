//! Tidemark's dataflow, free of I/O: what turns the records of partition logs into feature rows.
//!
//! ```text
//!  partition logs ─→ source ─→ exchange by entity ─→ windows ─┬─→ online rows ─→ online sink
//!                      │                                      └─→ sealed rows ─→ sealed sink
//!                      └─→ dead letters
//! ```
//!
//! Modules in the order the data flows:
//!
//! - [`time`]: event time in milliseconds, the one timely timestamp of the product;
//! - [`value`]: the types of attributes and features, and columns of them; [`zone`]: time zones;
//! - [`origin`], [`verdict`]: where a record came from, and what became of it;
//! - [`plan`]: what a checked job file compiles to, and all this crate knows of a job;
//! - [`ingest`]: partition logs, decoding, the judge (late, future, malformed), the source operator;
//! - [`expression`]: typed expressions, evaluated a column at a time;
//! - [`event_batch`], [`interner`], [`flat_table`], [`slab`]: events between workers, names as
//!   numbers, the tables behind;
//! - [`timeline`]: the log of an entity type, and the stash above it;
//! - `history`: what the events before an event say of it (changed, new, session);
//! - [`entity_log`]: a timeline with its names and its history;
//! - [`window`]: a window over the log as a differential arrangement;
//! - [`aggregate`]: what is kept of the events in a window, an algebra a file;
//! - [`sealed`] and [`live`]: the two clocks the windows run at; [`view`]: from state to rows;
//!   [`probes`]: what is asked of either at any time;
//! - [`recomputed`]: one entity's features from its rows alone, and which rows they are found from;
//! - [`snapshot`]: the state of all entities as of a cut, told and loaded by value;
//! - [`entity_windows`]: the operator that holds all of an entity type's state;
//!   [`hot`]: which entities are the busiest; [`forgotten`]: whose events are dropped when they come again;
//! - [`reference`](mod@reference): reference tables, and looking up events in them;
//! - [`sealed_lines`]: sealed rows on their way out; [`online`], [`online_rows`]: live ones, and the
//!   operator that hands them to the online store;
//! - [`cut`]: what a checkpoint takes of all that, by value;
//! - [`coordination`], [`shared`]: what workers tell each other, what a worker's operators share;
//!   [`shape`]: which of all workers are in this process;
//! - [`dataflow`]: the operators put together; [`metrics`]: what a worker counts about itself;
//!   [`footprint`](mod@footprint): what its state takes in memory;
//! - [`in_memory`]: the smallest job, to try an operator out; [`trial`]: a source tried on records.
//!
//! Nothing here reads a clock, the environment, a file or a socket: those arrive as arguments or
//! behind traits, so that any run can be replayed from a seed.

pub mod aggregate;
pub mod coordination;
pub mod cut;
pub mod dataflow;
pub mod entity_log;
pub mod entity_windows;
pub mod event_batch;
mod expiry;
pub mod expression;
pub mod flat_table;
pub mod footprint;
pub mod forgotten;
mod history;
pub mod hot;
pub mod in_memory;
pub mod ingest;
pub mod interner;
pub mod json;
pub mod live;
pub mod metrics;
pub mod online;
pub mod online_rows;
pub mod origin;
pub mod plan;
pub mod probes;
pub mod recomputed;
pub mod reference;
pub mod sealed;
pub mod sealed_lines;
pub mod shape;
pub mod shared;
pub mod slab;
pub mod snapshot;
pub mod time;
pub mod timeline;
pub mod trial;
pub mod value;
pub mod verdict;
pub mod view;
pub mod window;
pub mod zone;
