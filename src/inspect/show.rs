//! `tidemark checkpoint show`

use super::{failed, manifest, opened, table};
use crate::checkpoint::{
    ListedSegment, Manifest, Manifests, PartitionMark, Position, VersionRecord, VersionRecords,
};
use crate::cli::{CheckpointShown, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::text::{bytes_short, count_text, duration_short, printable, time_text};
use crate::wall_clock::wall_ms;
use std::collections::BTreeMap;

pub(super) fn run(args: &CheckpointShown) -> Result<Exit, Failure> {
    let objects = opened(&args.state)?;
    let manifest = manifest(&*objects, args.sequence)?;
    if args.format == OutputFormat::Json {
        return output::print_json(&manifest);
    }
    let segments = Manifests::new(&*objects).segments(&manifest).map_err(failed)?;
    let (records, tables) = (VersionRecords::new(&*objects), manifest.tables.iter());
    let versions = tables.map(|(table, base)| records.chain(table, Some(*base)));
    let versions = versions.collect::<Result<Vec<_>, _>>().map_err(failed)?.concat();
    output::print(&shown(&manifest, &segments, &versions))
}

fn shown(manifest: &Manifest, segments: &[ListedSegment], versions: &[VersionRecord]) -> String {
    let mut out = head(manifest);
    let partitions = manifest.partitions.iter().map(partition);
    section(&mut out, &PARTITION, partitions.collect());
    section(&mut out, &ENTITY, entities(manifest, segments));
    if let Some(snapshot) = &manifest.snapshot {
        let states = snapshot.states.iter().map(|states| {
            let (entities, bytes) = (count_text(states.entities), bytes_short(states.bytes));
            vec![
                states.entity.clone(),
                time_text(states.as_of),
                entities,
                bytes,
                states.name.clone(),
            ]
        });
        section(
            &mut out,
            &["snapshot of", "as of", "entities", "bytes", "object"],
            states.collect(),
        );
    }
    let ids = manifest
        .ids
        .iter()
        .map(|ids| vec![count_text(ids.ids), bytes_short(ids.bytes), ids.name.clone()]);
    section(&mut out, &["ids", "bytes", "object"], ids.collect());
    let outbox = manifest.outbox.iter().map(|(name, position)| {
        let position = match position {
            Position::Number(number) => number.to_string(),
            Position::Text(text) => text.clone(),
        };
        vec![name.clone(), position]
    });
    section(&mut out, &["published", "up to"], outbox.collect());
    section(&mut out, &VERSION, versions.iter().map(version).collect());
    section(&mut out, &TOPIC, topics(versions));
    let forgotten = manifest.tombstones.iter();
    let forgotten =
        forgotten.map(|one| vec![one.entity.clone(), one.id.clone(), time_text(one.before)]);
    section(&mut out, &["removed", "id", "rows before"], forgotten.collect());
    out
}

fn head(manifest: &Manifest) -> String {
    let age = duration_short(wall_ms().unwrap_or(0).saturating_sub(manifest.created_at));
    let written = format!("{} ({age} ago) by {}", time_text(manifest.created_at), manifest.writer);
    let lines = [
        ("checkpoint", format!("{} of generation {}", manifest.sequence, manifest.generation)),
        ("job", manifest.job.clone()),
        ("cut", time_text(manifest.cut)),
        ("live clock", time_text(manifest.live_clock)),
        ("written", written),
        ("program", format!("{}, time zones {}", manifest.program, manifest.time_zones)),
    ];
    let line =
        |(name, value): (&str, String)| vec![name.to_owned(), printable(&value).into_owned()];
    table(&lines.map(line))
}

/// Lines under a head, where there are any.
fn section(out: &mut String, head: &[&str], lines: Vec<Vec<String>>) {
    if lines.is_empty() {
        return;
    }
    let mut all = vec![head.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>()];
    let safe = |line: Vec<String>| line.iter().map(|cell| printable(cell).into_owned()).collect();
    all.extend(lines.into_iter().map(safe));
    out.push('\n');
    out.push_str(&table(&all));
}

const PARTITION: [&str; 6] =
    ["source", "partition", "next offset", "read again from", "refused", "clock"];

fn partition(mark: &PartitionMark) -> Vec<String> {
    let refused = mark.refused.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
    vec![
        mark.source.clone(),
        mark.partition.to_string(),
        mark.read.to_string(),
        mark.reread.to_string(),
        count_text(refused),
        mark.clock.map_or_else(|| "-".to_owned(), time_text),
    ]
}

const VERSION: [&str; 6] = ["table", "version", "seen from", "rows", "bytes", "object"];

fn version(record: &VersionRecord) -> Vec<String> {
    vec![
        record.table.clone(),
        record.number.to_string(),
        time_text(record.from),
        match record.is_whole() {
            true => count_text(record.rows.rows),
            false => format!("{} changed", count_text(record.rows.rows)),
        },
        bytes_short(record.rows.bytes),
        record.rows.name.clone(),
    ]
}

const TOPIC: [&str; 5] = ["table", "topic", "partition", "next offset", "clock"];

/// How far the topics of tables were read with the newest of their versions.
fn topics(versions: &[VersionRecord]) -> Vec<Vec<String>> {
    let newest: BTreeMap<&str, &VersionRecord> =
        versions.iter().map(|record| (record.table.as_str(), record)).collect();
    let lines = newest.into_iter().flat_map(|(table, record)| {
        let topic = record.topic.iter();
        topic.flat_map(move |topic| {
            topic.partitions.iter().map(move |of| {
                vec![
                    table.to_owned(),
                    topic.name.clone(),
                    of.partition.to_string(),
                    of.read.to_string(),
                    of.clock.map_or_else(|| "-".to_owned(), time_text),
                ]
            })
        })
    });
    lines.collect()
}

const ENTITY: [&str; 6] = ["entity", "segments", "rows", "bytes", "from", "to"];

/// What there is of each entity type, also of those without rows.
fn entities(manifest: &Manifest, segments: &[ListedSegment]) -> Vec<Vec<String>> {
    let mut by_entity: BTreeMap<&str, Vec<&ListedSegment>> = BTreeMap::new();
    for entity in manifest.fingerprint.keys() {
        by_entity.insert(entity, Vec::new());
    }
    for segment in segments {
        by_entity.entry(&segment.entity).or_default().push(segment);
    }
    let line = |(entity, segments): (&str, Vec<&ListedSegment>)| {
        let sum = |of: fn(&ListedSegment) -> u64| segments.iter().map(|segment| of(segment)).sum();
        let from = segments.iter().map(|segment| segment.from).min();
        let to = segments.iter().map(|segment| segment.to).max();
        vec![
            entity.to_owned(),
            segments.len().to_string(),
            count_text(sum(|segment| segment.rows)),
            bytes_short(sum(|segment| segment.bytes)),
            from.map_or_else(String::new, time_text),
            to.map_or_else(String::new, time_text),
        ]
    };
    by_entity.into_iter().map(line).collect()
}
