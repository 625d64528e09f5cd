//! Samples whose records are Debezium's envelopes: a job is drafted from the rows that are in them.

use crate::sample_file::SampleFile;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};
use tidemark_operators::plan::{Format, Operation};

/// What the envelopes of a sample have, of records whose operation a job reads unless it says otherwise.
pub(super) struct Enveloped {
    /// The rows.
    pub rows: SampleFile,
    /// The envelopes, without what Connect puts around them.
    pub envelopes: SampleFile,
}

/// A schema beside an envelope.
#[derive(Deserialize)]
struct Wrapped<'r> {
    #[serde(borrow)]
    payload: &'r RawValue,
}

#[derive(Deserialize)]
struct Envelope<'r> {
    #[serde(borrow)]
    op: Cow<'r, str>,
    #[serde(borrow)]
    after: Option<&'r RawValue>,
    /// Where a record has it, as all envelopes do.
    #[serde(rename = "before")]
    _before: Option<serde::de::IgnoredAny>,
    #[serde(rename = "source")]
    _source: serde::de::IgnoredAny,
}

/// The envelopes of a sample, where most of its records are such.
pub(super) fn enveloped(sample: &SampleFile) -> Option<Enveloped> {
    if sample.format != Format::Json {
        return None;
    }
    let (mut rows, mut envelopes) = (RawBatch::default(), RawBatch::default());
    let (mut found, mut records) = (0, 0);
    for record in sample.each() {
        records += 1;
        let Some(text) = std::str::from_utf8(record.value).ok() else { continue };
        let text = serde_json::from_str::<Wrapped<'_>>(text).map_or(text, |it| it.payload.get());
        let Ok(envelope) = serde_json::from_str::<Envelope<'_>>(text) else { continue };
        found += 1;
        let operation = Operation::of(envelope.op.as_bytes());
        if !matches!(operation, Operation::Create | Operation::Snapshot) {
            continue;
        }
        if let Some(row) = envelope.after {
            push(&mut rows, record.offset, row.get());
            push(&mut envelopes, record.offset, text);
        }
    }
    let sample_of = |batch: RawBatch| SampleFile {
        format: Format::Json,
        records: batch.records.len(),
        batches: vec![batch],
        whole: sample.whole,
    };
    (found * 2 > records && !rows.records.is_empty())
        .then(|| Enveloped { rows: sample_of(rows), envelopes: sample_of(envelopes) })
}

fn push(batch: &mut RawBatch, offset: u64, text: &str) {
    let value = Some(batch.keep(text.as_bytes()));
    batch.records.push(RawRecord { offset, value, ..RawRecord::default() });
}
