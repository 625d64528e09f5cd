//! `tidemark checkpoint ls`

use super::{failed, listed_bytes, nothing, opened, table};
use crate::checkpoint::{CheckpointError, ListedSegment, Manifest, Manifests, VersionRecords};
use crate::cli::{CheckpointsListed, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::text::{bytes_short, count_text, duration_short, printable, time_text};
use crate::wall_clock::wall_ms;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct CheckpointsDocument {
    checkpoints: Vec<CheckpointLine>,
    damaged: Vec<ObjectFault>,
}

/// A checkpoint of the list.
#[derive(Serialize)]
struct CheckpointLine {
    sequence: u64,
    generation: u64,
    cut: u64,
    created_at: u64,
    rows: u64,
    bytes: u64,
    /// Versions of reference tables that it needs.
    versions: u64,
}

/// What is wrong with an object.
#[derive(Debug, Serialize)]
pub(super) struct ObjectFault {
    pub object: String,
    pub error: String,
}

pub(super) fn run(args: &CheckpointsListed) -> Result<Exit, Failure> {
    let objects = opened(&args.state)?;
    let manifests = Manifests::new(&*objects);
    let mut document = CheckpointsDocument { checkpoints: Vec::new(), damaged: Vec::new() };
    let versions = VersionRecords::new(&*objects).numbers().map_err(failed)?;
    for sequence in manifests.sequences().map_err(failed)? {
        match manifests.read(sequence) {
            Ok(Some(manifest)) => document.checkpoints.push(line(&manifest, &versions)),
            // A running job has collected it meanwhile.
            Ok(None) => {}
            Err(CheckpointError::Damaged(damaged)) => {
                let (object, error) = (damaged.object.clone(), damaged.to_string());
                document.damaged.push(ObjectFault { object, error });
            }
            Err(other) => return Err(failed(other)),
        }
    }
    if args.format == OutputFormat::Json {
        return output::print_json(&document);
    }
    if document.checkpoints.is_empty() && document.damaged.is_empty() {
        return Err(nothing(&*objects));
    }
    output::print(&shown(&document))
}

fn line(manifest: &Manifest, versions: &BTreeMap<String, Vec<u64>>) -> CheckpointLine {
    let Manifest { sequence, generation, cut, created_at, .. } = *manifest;
    let rows = manifest.segments.iter().map(|segment: &ListedSegment| segment.rows);
    let rows = rows.chain(manifest.indexes.iter().map(|index| index.rows)).sum();
    let bytes = listed_bytes(manifest);
    let needed = |(table, base): (&String, &u64)| {
        let all = versions.get(table).map_or(&[][..], |numbers| numbers);
        VersionRecords::needed(Some(*base), all).count() as u64
    };
    let versions = manifest.tables.iter().map(needed).sum();
    CheckpointLine { sequence, generation, cut, created_at, rows, bytes, versions }
}

fn shown(document: &CheckpointsDocument) -> String {
    let head = ["SEQUENCE", "GENERATION", "CUT", "AGE", "ROWS", "BYTES", "TABLE VERSIONS"];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    let now = wall_ms().unwrap_or(0);
    for one in &document.checkpoints {
        lines.push(vec![
            one.sequence.to_string(),
            one.generation.to_string(),
            time_text(one.cut),
            duration_short(now.saturating_sub(one.created_at)),
            count_text(one.rows),
            bytes_short(one.bytes),
            count_text(one.versions),
        ]);
    }
    let mut out = table(&lines);
    for fault in &document.damaged {
        out.push_str(&format!("damaged: {}\n", printable(&fault.error)));
    }
    out
}
