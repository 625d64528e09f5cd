//! `tidemark checkpoint export`: the rows of an entity type, as JSON lines.

use super::{failed, keys, manifest, opened};
use crate::checkpoint::{ListedSegment, Manifest, Manifests, MergedRow, MergedSegments};
use crate::cli::CheckpointExported;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::objects::Objects;
use crate::whole_file::{WholeFile, end_on_signals};
use std::collections::BTreeSet;
use std::io::{BufWriter, Write};
use tidemark_jobs::document::nearest;
use tidemark_operators::cut::AttributeValues;
use tidemark_operators::event_batch::NULL;
use tidemark_operators::json::{push_int, push_json, push_json_text};
use tidemark_operators::time::EventTime;
use tidemark_operators::value::{Column, Type};

pub(super) fn run(args: &CheckpointExported) -> Result<Exit, Failure> {
    let objects = opened(&args.state)?;
    let keys = keys(args.keys.as_deref())?;
    let manifest = manifest(&*objects, args.sequence)?;
    let segments = segments_of(&*objects, &manifest, &args.entity)?;
    end_on_signals()?;
    let file = WholeFile::create(&args.out).map_err(Failure::failed)?;
    let mut out = BufWriter::new(file.writer());
    let range = args.from.unwrap_or(0)..args.to.unwrap_or(EventTime::MAX);
    let rows = MergedSegments::new(&*objects, segments, range, keys.as_ref());
    write(rows, &forgotten(&manifest, &args.entity), &mut out)?;
    out.flush().map_err(unwritten)?;
    drop(out);
    WholeFile::finish(vec![file]).map_err(Failure::failed)?;
    Ok(Exit::Done)
}

fn unwritten(error: std::io::Error) -> Failure {
    Failure::failed(format!("cannot write the rows: {error}"))
}

/// The segments of an entity type, by their times.
fn segments_of(
    objects: &dyn Objects,
    manifest: &Manifest,
    entity: &str,
) -> Result<Vec<ListedSegment>, Failure> {
    let segments = Manifests::new(objects).segments(manifest).map_err(failed)?;
    let kept = segments.iter().map(|segment| segment.entity.as_str());
    let known: BTreeSet<_> = kept.chain(manifest.fingerprint.keys().map(String::as_str)).collect();
    if !known.contains(entity) {
        let message = format!("checkpoint {} keeps no entity type \"{entity}\"", manifest.sequence);
        let all: Vec<_> = known.iter().copied().collect();
        return Err(Failure::usage(message).hint(match nearest(entity, all.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("it keeps {}", all.join(", ")),
        }));
    }
    Ok(segments.into_iter().filter(|segment| segment.entity == entity).collect())
}

/// The ids of removed entities, and before what time their rows are gone.
fn forgotten(manifest: &Manifest, entity: &str) -> Vec<(String, EventTime)> {
    let of = manifest.tombstones.iter().filter(|one| one.entity == entity);
    of.map(|one| (one.id.clone(), one.before)).collect()
}

/// Writes the rows, but those of entities that were removed before.
fn write(
    mut rows: MergedSegments<'_>,
    forgotten: &[(String, EventTime)],
    out: &mut impl Write,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    while let Some(row) = rows.next_row().map_err(failed)? {
        let is_gone =
            |(id, before): &(String, EventTime)| row.time() < *before && row.id() == id.as_bytes();
        if forgotten.iter().any(is_gone) {
            continue;
        }
        line.clear();
        push_line(row, &mut line);
        out.write_all(&line).map_err(unwritten)?;
    }
    Ok(())
}

/// Appends a row as a line.
fn push_line(row: MergedRow<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":");
    push_int(row.time(), out);
    out.extend_from_slice(b",\"id\":");
    push_text(row.id(), out);
    out.extend_from_slice(b",\"filters\":[");
    let bits = row.bits();
    let passed = (0..64).zip(&row.schema.filters).filter(|(bit, _)| bits >> bit & 1 == 1);
    for (at, (_, filter)) in passed.enumerate() {
        push_comma(at, out);
        push_text(filter.as_bytes(), out);
    }
    out.extend_from_slice(b"],\"attributes\":{");
    let attributes = || row.schema.attributes.iter().zip(&row.rows.attributes);
    // One that is both summed and counted is kept twice.
    let is_first = |at: usize, name: &str| !attributes().take(at).any(|(one, _)| one.name == name);
    let once = attributes().enumerate().filter(|(at, (one, _))| is_first(*at, &one.name));
    for (at, (_, (attribute, values))) in once.enumerate() {
        push_comma(at, out);
        push_text(attribute.name.as_bytes(), out);
        out.push(b':');
        // A type that this program does not know is shown by its bytes.
        let ty = Type::named(&attribute.ty);
        push_value(values, row.row, ty.unwrap_or(Type::Text), out);
    }
    out.extend_from_slice(b"}}\n");
}

fn push_comma(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

/// Appends bytes as a JSON string; what is not UTF-8 in them is replaced.
fn push_text(text: &[u8], out: &mut Vec<u8>) {
    push_json_text(String::from_utf8_lossy(text).as_bytes(), out);
}

fn push_value(values: &AttributeValues, row: usize, ty: Type, out: &mut Vec<u8>) {
    let mut column = Column::default();
    match values {
        AttributeValues::Words(words) => match words.get(row) {
            Some(word) if *word != NULL => column.push_word(word.cast_unsigned()),
            _ => column.push_null(),
        },
        AttributeValues::Symbols { values, places } => {
            let place = places.get(row).and_then(|place| place.checked_sub(1));
            match (place.and_then(|place| values.get(place as usize)), ty) {
                (None, _) => column.push_null(),
                (Some(text), Type::Text) => return push_text(text, out),
                (Some(bytes), Type::Ip) => column.push_bytes(bytes),
                (Some(bytes), _) => match bytes.first_chunk() {
                    Some(word) => column.push_word(u64::from_le_bytes(*word)),
                    None => column.push_null(),
                },
            }
        }
    }
    push_json(&column, ty, 0, out);
}
