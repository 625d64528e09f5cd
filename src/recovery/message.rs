//! What is handed over to the thread that writes checkpoints.

use super::error::RecoveryError;
use super::parcel::Parcel;
use std::sync::mpsc::Sender;
use tidemark_operators::cut::{Cut, EntityStates, TimelineRows};
use tidemark_operators::time::EventTime;

/// What workers hand over.
pub(super) enum WorkerMessage {
    /// What is written, or needs no object.
    Parcel(Parcel),
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
    /// Sealed rows are written behind the first so many bytes of their file; who waits for a manifest
    /// that says so is told when there is one.
    SealedBegins {
        bytes: u64,
        told: Sender<()>,
    },
    /// What another process has told of a checkpoint cannot be read.
    Failed(RecoveryError),
    /// The bytes of the file of sealed rows that hold those before the cut; they are durable.
    Sealed {
        cut: Cut,
        bytes: u64,
    },
}

impl WorkerMessage {
    /// The cut that it is a part of.
    pub fn cut(&self) -> Option<Cut> {
        match self {
            WorkerMessage::Parcel(Parcel::Marks { cut, .. } | Parcel::Segment { cut, .. })
            | WorkerMessage::Rows { cut, .. }
            | WorkerMessage::Sealed { cut, .. } => Some(*cut),
            WorkerMessage::Parcel(Parcel::States { .. } | Parcel::Forgotten { .. })
            | WorkerMessage::States { .. }
            | WorkerMessage::SealedBegins { .. }
            | WorkerMessage::Failed(_) => None,
        }
    }
}
