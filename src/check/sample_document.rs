//! What a job makes of a sample, as JSON.

use super::sample::{SourceSample, fitting};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many keys are listed that no field reads.
const KEYS_MAX: usize = 200;

/// A sample.
#[derive(Serialize)]
pub(super) struct SampleDocument {
    source: String,
    file: String,
    records: u64,
    whole: bool,
    accepted: u64,
    keyless: u64,
    /// By operation.
    skipped: BTreeMap<&'static str, u64>,
    duplicate: u64,
    /// By reason.
    refused: BTreeMap<&'static str, RefusedDocument>,
    time: TimeDocument,
    fields: Vec<FieldSampleDocument>,
    /// Paths that no field reads.
    unread_keys: Vec<String>,
}

#[derive(Serialize)]
struct RefusedDocument {
    count: u64,
    first: Option<String>,
}

#[derive(Serialize)]
struct TimeDocument {
    path: String,
    unit: &'static str,
    read: u64,
    unread: u64,
    first_error: Option<String>,
    /// The unit in which most of the others would be times.
    fitting: Option<&'static str>,
}

#[derive(Serialize)]
struct FieldSampleDocument {
    name: String,
    r#type: &'static str,
    present: u64,
    null: u64,
    invalid: u64,
    rounded: u64,
    example: Option<String>,
    invalid_example: Option<String>,
    hint: Option<String>,
}

/// The documents of the samples.
pub(super) fn documents(samples: &[SourceSample]) -> Vec<SampleDocument> {
    samples.iter().map(document).collect()
}

fn document(sample: &SourceSample) -> SampleDocument {
    let refused = sample.refused.iter().map(|(reason, count, first)| {
        (reason.name(), RefusedDocument { count: *count, first: first.clone() })
    });
    let fields = sample.fields.iter().map(|field| FieldSampleDocument {
        name: field.name.clone(),
        r#type: field.ty,
        present: field.count.present,
        null: field.count.null,
        invalid: field.count.invalid,
        rounded: field.count.rounded,
        example: field.example(),
        invalid_example: field.invalid_example(),
        hint: field.meant.clone(),
    });
    SampleDocument {
        source: sample.source.clone(),
        file: sample.file.clone(),
        records: sample.records,
        whole: sample.whole,
        accepted: sample.accepted,
        keyless: sample.keyless,
        skipped: sample.skipped.iter().map(|(op, count)| (op.name(), *count)).collect(),
        duplicate: sample.duplicate,
        refused: refused.collect(),
        time: TimeDocument {
            path: sample.time_path.clone(),
            unit: sample.time_unit,
            read: sample.times.read,
            unread: sample.times.unread,
            first_error: sample.times.first_error.clone(),
            fitting: fitting(&sample.times).map(|(unit, _)| unit.name()),
        },
        fields: fields.collect(),
        unread_keys: sample.unread.paths.iter().take(KEYS_MAX).map(|p| p.join(".")).collect(),
    }
}
