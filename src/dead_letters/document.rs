//! What is in a dead-letter file, as JSON: `tidemark dlq ls --format json`.

use super::listing::{BUCKETS, ByReason, Counts, go_through};
use super::{DeadLetterError, Selection, encode};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::Path;
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::verdict::Reason;

/// The letters that were asked for, and counts of all that match.
#[derive(Serialize)]
pub struct LettersDocument {
    /// As the lines of the file are.
    letters: Vec<Box<RawValue>>,
    /// How many match beyond the limit.
    more: u64,
    total: u64,
    by_reason: BTreeMap<&'static str, u64>,
    partitions: Vec<PartitionDocument>,
    /// How late the late ones are.
    late_by: Vec<BucketDocument>,
    /// How many of the late ones are late only because their partition had been idle.
    idle_floor: u64,
    /// Lines that are no dead letters.
    not_letters: u64,
}

#[derive(Serialize)]
struct PartitionDocument {
    source: String,
    partition: u32,
    total: u64,
    by_reason: BTreeMap<&'static str, u64>,
    /// The first and the last, in ms since the epoch.
    event_times: Option<(EventTime, EventTime)>,
}

#[derive(Serialize)]
struct BucketDocument {
    /// The bound above; none: there is no further bucket.
    below_ms: Option<Millis>,
    count: u64,
}

/// The letters that `selection` asks for, and counts of all that match, as [`ls`](super::ls) has
/// them.
///
/// # Errors
/// When the file cannot be opened or read, or holds no dead letter.
pub fn list(path: &Path, selection: &Selection) -> Result<LettersDocument, DeadLetterError> {
    let mut letters = Vec::new();
    let summary = go_through(path, selection, |letter| {
        let mut bytes = Vec::new();
        encode(letter, &mut bytes);
        // A letter that was read can be written, as UTF-8 and as JSON.
        let text = String::from_utf8(bytes).unwrap_or_default();
        letters.extend(RawValue::from_string(text.trim_end().to_owned()));
    })?;
    let bounds = BUCKETS.iter().map(|(bound, _)| Some(*bound)).chain([None]);
    let late_by = bounds.zip(summary.late);
    Ok(LettersDocument {
        letters,
        more: summary.beyond(selection),
        total: summary.all.total(),
        by_reason: by_reason(&summary.all.by_reason),
        partitions: summary.by_partition.into_iter().map(partition).collect(),
        late_by: late_by.map(|(below_ms, count)| BucketDocument { below_ms, count }).collect(),
        idle_floor: summary.idle_floor,
        not_letters: summary.not_letters,
    })
}

fn by_reason(counts: &ByReason<u64>) -> BTreeMap<&'static str, u64> {
    Reason::ALL.iter().zip(counts).map(|(reason, count)| (reason.name(), *count)).collect()
}

fn partition(
    ((source, id), counts): ((String, tidemark_operators::origin::PartitionId), Counts),
) -> PartitionDocument {
    PartitionDocument {
        source,
        partition: id.partition,
        total: counts.total(),
        by_reason: by_reason(&counts.by_reason),
        event_times: counts.times,
    }
}
