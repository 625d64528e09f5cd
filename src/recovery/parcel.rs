//! Parts of a checkpoint as the process that commits it needs them, wherever they come from.

use super::ids::IdsByPartition;
use crate::checkpoint::{ListedSegment, ListedStates};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tidemark_operators::cut::Forgotten;
use tidemark_operators::cut::{Cut, PartitionMark, SeenId};
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::EventTime;

/// What goes into a manifest of what a worker has handed over: its objects are stored by then.
pub(super) enum Parcel {
    Marks {
        cut: Cut,
        ids: IdsByPartition,
        marks: BTreeMap<PartitionId, PartitionMark>,
        letters: Vec<DeadLetter>,
        live: EventTime,
    },
    /// The rows of an entity type; `None`: there were none.
    Segment { cut: Cut, listed: Option<ListedSegment> },
    /// All states of an entity type of a worker.
    States { of: (usize, usize), as_of: EventTime, files: Vec<ListedStates> },
    /// An entity of this type is forgotten.
    Forgotten { entity: usize, forgotten: Forgotten },
}

/// Its form between processes, which are of one version: JSON.
#[derive(Serialize, Deserialize)]
enum SentParcel {
    Marks {
        cut: Cut,
        ids: Vec<(PartitionId, Vec<SeenId>)>,
        marks: Vec<(PartitionId, PartitionMark)>,
        letters: Vec<DeadLetter>,
        live: EventTime,
    },
    Segment {
        cut: Cut,
        listed: Option<ListedSegment>,
    },
    States {
        of: (usize, usize),
        as_of: EventTime,
        files: Vec<ListedStates>,
    },
    Forgotten {
        entity: usize,
        forgotten: Forgotten,
    },
}

impl Parcel {
    /// As bytes.
    ///
    /// # Errors
    /// When it is none that has a form.
    pub fn encode(self) -> Result<Vec<u8>, serde_json::Error> {
        let sent = match self {
            Parcel::Marks { cut, ids, marks, letters, live } => SentParcel::Marks {
                cut,
                ids: ids.into_iter().collect(),
                marks: marks.into_iter().collect(),
                letters,
                live,
            },
            Parcel::Segment { cut, listed } => SentParcel::Segment { cut, listed },
            Parcel::States { of, as_of, files } => SentParcel::States { of, as_of, files },
            Parcel::Forgotten { entity, forgotten } => SentParcel::Forgotten { entity, forgotten },
        };
        serde_json::to_vec(&sent)
    }

    /// From bytes.
    ///
    /// # Errors
    /// When they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match serde_json::from_slice(bytes)? {
            SentParcel::Marks { cut, ids, marks, letters, live } => Parcel::Marks {
                cut,
                ids: ids.into_iter().collect(),
                marks: marks.into_iter().collect(),
                letters,
                live,
            },
            SentParcel::Segment { cut, listed } => Parcel::Segment { cut, listed },
            SentParcel::States { of, as_of, files } => Parcel::States { of, as_of, files },
            SentParcel::Forgotten { entity, forgotten } => Parcel::Forgotten { entity, forgotten },
        })
    }
}
