//! Reference tables: rows that events are looked up in, as of the event's own ts.
//!
//! ```text
//!  files, topics ─→ input (worker 0) ─→ broadcast ─→ known ─→ arrange ─→ traces
//!       frontier of the sources ─┘                                │          │ as of ts
//!                                                                 └─→ Tables ←─ Lookups of an entity
//! ```
//!
//! A table is a differential collection in event time: a row that is added at `t` is found by
//! events with `ts >= t`. Worker 0 reads the table and holds its capability at the first point of
//! the 1 s grid above the frontier of the event sources, so what it reads can never change an event
//! that may already be sealed; a reload takes effect there, once its feed keeps that time (what a job
//! has said of an event does not change with a restart). Every worker arranges all rows and reads
//! them through its own trace.
//!
//! Sealing waits for the tables' frontier too. What is looked up before that, for live rows, is
//! looked up in what is known by then, and again when more becomes known; what is sealed is final.
//!
//! - [`row`]: rows, their keys and cells; [`address`]: prefixes; [`text`]: rows from text;
//! - [`version`], [`history`]: what changes when a file or a record of a topic has been read;
//! - [`kept`]: what a topic has said, kept for the next run;
//! - [`input`], `file`, `topic`, `key`: the operator on worker 0;
//! - [`tables`]: the traces and how they are searched; [`lookups`]: what an entity asks of them.

pub mod address;
mod file;
pub mod history;
pub mod input;
pub mod kept;
mod key;
mod late;
pub mod lookups;
mod memo;
pub mod row;
pub mod tables;
pub mod text;
mod topic;
pub mod version;

#[cfg(test)]
mod tests;
