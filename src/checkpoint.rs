//! What a checkpoint's files look like, and how they follow one another.
//!
//! ```text
//! manifests/{sequence}          what holds as of a cut; lists all that follows
//! indexes/{generation}-{..}     older segments that a manifest lists through this
//! segments/{generation}-{..}    rows of a timeline, sealed since the cut before
//! states/{generation}-{..}      a part of a snapshot: what is folded over the rows before it
//! ids/{generation}-{..}         by what copies of records are told, since the checkpoint before
//! letters/{generation}-{..}     dead letters that may not be published yet
//! tables/{table}/{number}       from when on a version of a reference table is seen
//! versions/{generation}-{..}    the rows of such a version, which its record lists
//!
//! segment, state file, ids, version, encrypted letters:
//!                               block | block | .. | footer (JSON) | its length, its CRC32C, what it is
//! ```
//!
//! A checkpoint is there when its manifest is, and nothing is part of it that the manifest does not
//! list by name, size and checksum: what else lies in the store is of no consequence. Objects are never
//! changed. Names carry the generation of the process that wrote them, so two processes that both hold
//! themselves for the one that writes never write to one name, but of manifests: of these the first
//! one of a sequence number stands, and the other process learns that it has to end.
//!
//! Why CRC32C: it is the checksum for which processors have an instruction, so that it costs a
//! hundredth of the encoding, and it finds every error of up to three bits in blocks of this size. It
//! tells accidents, not forgeries; who may write to the store is trusted.

mod blocks;
mod check_record;
mod encoding;
mod encryption;
mod error;
mod ids;
mod leading;
mod letters;
mod manifest;
mod manifests;
mod names;
#[cfg(test)]
mod samples;
mod segment;
mod states;
mod version_records;
mod versions;

pub use blocks::{StoredObject, Verified};
pub use check_record::CheckRecord;
pub use encryption::{BlockCipher, KeyError, ProcessCipher, StateKeys};
pub use error::{CheckpointError, DamagePlace, DamagedObject};
pub use ids::{IdsOf, IdsReader, IdsWriter, ListedIds, mergeable_ids, verify_ids};
pub use leading::{Leading, NotLeading};
pub(crate) use letters::{LETTERS, UNPUBLISHED};
pub use letters::{StoredLetters, verify_letters};
pub use manifest::{
    ForgottenEntity, ForgottenRead, HistoryMark, INDEXES_LISTED_MAX, LackingState, ListedIndex,
    MANIFEST_BYTES_MAX, Manifest, PartitionMark, Position, ReadHistory, SEGMENTS_LISTED_MAX,
    Snapshot,
};
pub use manifests::{Collected, Leader, MANIFESTS_KEPT, Manifests, NewestManifest};
pub use names::{ListedKind, WrittenBy, object_name};
pub use segment::{
    AttributeSchema, EntitySchema, LARGE_ROWS_MIN, ListedSegment, MergedRow, MergedSegments,
    SegmentContent, SegmentReader, encode_segment, merge_segments, mergeable, of_one_schema,
    verify_segment,
};
pub use states::{ListedStates, StatesContent, StatesReader, StatesWriter, verify_states};
pub use version_records::{
    ObjectOfRecord, TopicPartition, TopicPosition, VersionRecord, VersionRecords,
};
pub use versions::{
    ColumnDefinition, EncodedVersion, ListedVersion, TableDefinition, VersionContent,
    VersionReader, verify_version,
};

use crate::objects::{Creation, Objects};

/// How many rows one segment may hold.
pub const SEGMENT_ROWS_MAX: usize = 1 << 24;

/// Creates an object; says whether another one has its name. What a call before has done that has failed
/// and yet was carried out is done.
///
/// # Errors
/// When the store does not do it.
fn create(objects: &dyn Objects, object: &StoredObject) -> Result<Creation, CheckpointError> {
    match objects.put_new(&object.name, &object.bytes)? {
        Creation::Exists if objects.get(&object.name)?.as_ref() == Some(&object.bytes) => {
            Ok(Creation::Created)
        }
        outcome => Ok(outcome),
    }
}

/// Stores an object that nobody else writes.
///
/// # Errors
/// When the store does not do it, or another object has the name.
pub fn store(objects: &dyn Objects, object: &StoredObject) -> Result<(), CheckpointError> {
    match create(objects, object)? {
        Creation::Created => Ok(()),
        Creation::Exists => Err(CheckpointError::Unwritable {
            object: object.name.clone(),
            why: "another object has this name".to_owned(),
        }),
    }
}
