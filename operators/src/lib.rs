//! Tidemark's dataflow, free of I/O: what turns the records of partition logs into feature rows.
//!
//! Modules in the order the data flows:
//!
//! - [`time`]: event time in milliseconds, the one timely timestamp of the product;
//! - [`value`]: the types of attributes and features, and columns of them;
//! - [`plan`]: what a checked job file compiles to, and all this crate knows of a job;
//! - [`ingest`]: partition logs, decoding, the judge (late, future, malformed) and dead letters;
//! - [`expression`]: typed expressions, evaluated a column at a time;
//! - [`online`]: rows on their way to the online store;
//! - [`metrics`]: what a worker counts about itself, for whoever looks from outside.
//!
//! Nothing here reads a clock, the environment, a file or a socket: those arrive as arguments or
//! behind traits, so that any run can be replayed from a seed.

pub mod aggregate;
pub mod event_batch;
pub mod expression;
pub mod ingest;
pub mod metrics;
pub mod online;
pub mod plan;
pub mod sealed;
pub mod slab;
pub mod time;
pub mod timeline;
pub mod value;
pub mod view;
pub mod window;
