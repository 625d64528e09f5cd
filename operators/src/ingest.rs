//! From partition logs to judged, decoded events.
//!
//! - [`reader`]: a partition's log as the dataflow sees it, implemented by Kafka, files and the
//!   generator;
//! - [`decode`]: JSON straight into the projected columns;
//! - `idleness`: when a partition holds the others back, and when it follows them;
//! - [`judge`]: the time of an event, the watermark of a partition, and what is late or from the
//!   future;
//! - `unique`: the ids of a partition's events, so that a copy of one is told;
//! - [`projection`]: decoded records as batches for the entities' owners;
//! - [`source`]: the operator that does all this;
//! - [`dead_letter`]: what becomes of records that are late, from the future or malformed.

mod ahead;
pub mod dead_letter;
pub mod decode;
mod idleness;
pub mod judge;
pub(crate) mod partition;
pub mod projection;
pub mod reader;
pub mod schemas;
pub mod source;
pub mod unique;
