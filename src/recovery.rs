//! A job's checkpoints: how they are made while it runs, and how a start goes on from the newest.
//!
//! ```text
//!  worker 0: is one due? ── cut G ──→ all workers
//!  workers:  marks and dead letters, at once ─┐
//!            rows with ts < G, once sealed   ─┼─→ writer ── segments, letters ──→ store
//!            states as of a snapshot's cut   ─┘     └────── manifest, last of all ──→ store
//!  publisher: the letters of committed checkpoints ──→ file or topic
//! ```
//!
//! What a checkpoint is made of and why nothing is lost or counted twice: [`crate::checkpoint`]. A
//! worker hands its part over and goes on; encoding and writing is done on a thread of its own. A
//! checkpoint that cannot be written stops nothing: the store is tried again, letters wait, and once
//! there is no room for more of them nothing more is read.

mod due;
mod letter_file;
mod part;
mod publisher;

use std::collections::BTreeMap;
use tidemark_operators::cut::{Cut, EntityStates, PartitionMark, TimelineRows};
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::EventTime;

/// What workers hand over.
enum Message {
    Marks {
        cut: Cut,
        worker: usize,
        marks: BTreeMap<PartitionId, PartitionMark>,
        letters: Vec<DeadLetter>,
        live: EventTime,
    },
    Rows {
        cut: Cut,
        worker: usize,
        entity: usize,
        rows: TimelineRows,
    },
    States {
        worker: usize,
        entity: usize,
        as_of: EventTime,
        states: Option<EntityStates>,
    },
    /// The bytes of the file of sealed rows that hold those before the cut; they are durable.
    Sealed {
        cut: Cut,
        bytes: u64,
    },
}
