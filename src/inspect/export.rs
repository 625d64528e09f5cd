//! `tidemark checkpoint export`: the rows of an entity type, as JSON lines.
//!
//! Segments of several workers cover the same times: those whose times overlap are merged, a block of
//! each at a time.

use super::{failed, keys, manifest, opened};
use crate::checkpoint::{
    CheckpointError, EntitySchema, ListedSegment, Manifest, Manifests, SegmentReader, StateKeys,
};
use crate::cli::CheckpointExported;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::objects::Objects;
use crate::whole_file::{WholeFile, end_on_signals};
use std::collections::{BTreeSet, VecDeque};
use std::io::{BufWriter, Write};
use std::ops::Range;
use tidemark_jobs::document::nearest;
use tidemark_operators::cut::{AttributeValues, TimelineRows};
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
    let export = Export {
        objects: &*objects,
        keys: keys.as_ref(),
        range,
        forgotten: forgotten(&manifest, &args.entity),
    };
    export.write(segments, &mut out)?;
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
) -> Result<VecDeque<ListedSegment>, Failure> {
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
    let mut segments: Vec<_> = segments
        .into_iter()
        .filter(|segment| segment.entity == entity && segment.rows > 0)
        .collect();
    segments.sort_by(|a, b| (a.from, a.to, &a.name).cmp(&(b.from, b.to, &b.name)));
    Ok(segments.into())
}

/// The ids of removed entities, and before what time their rows are gone.
fn forgotten(manifest: &Manifest, entity: &str) -> Vec<(String, EventTime)> {
    let of = manifest.tombstones.iter().filter(|one| one.entity == entity);
    of.map(|one| (one.id.clone(), one.before)).collect()
}

struct Export<'a> {
    objects: &'a dyn Objects,
    keys: Option<&'a StateKeys>,
    range: Range<EventTime>,
    forgotten: Vec<(String, EventTime)>,
}

impl Export<'_> {
    fn write(
        &self,
        mut segments: VecDeque<ListedSegment>,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let mut open: Vec<OpenSegment<'_>> = Vec::new();
        let mut line = Vec::new();
        loop {
            let next = open.iter().filter_map(OpenSegment::time).min();
            // One that begins later than the next row has none before it.
            let is_due = |listed: &ListedSegment| next.is_none_or(|next| listed.from <= next);
            if segments.front().is_some_and(is_due) {
                let listed = segments.pop_front();
                let within =
                    |one: &ListedSegment| one.from < self.range.end && one.to > self.range.start;
                if let Some(listed) = listed.filter(within) {
                    open.extend(self.opened(&listed).map_err(failed)?);
                }
                continue;
            }
            let Some(next) = next else { return Ok(()) };
            let first = open.iter_mut().find(|segment| segment.time() == Some(next));
            let Some(segment) = first else { return Ok(()) };
            if self.range.contains(&next) && !self.is_forgotten(segment, next) {
                line.clear();
                segment.push_line(&mut line);
                out.write_all(&line).map_err(unwritten)?;
            }
            segment.step().map_err(failed)?;
            open.retain(|segment| segment.time().is_some());
        }
    }

    fn opened(&self, listed: &ListedSegment) -> Result<Option<OpenSegment<'_>>, CheckpointError> {
        let reader = SegmentReader::open(self.objects, listed, self.keys)?;
        let blocks = reader.blocks_within(self.range.clone()).collect();
        let mut open = OpenSegment { reader, blocks, rows: TimelineRows::default(), row: 0 };
        open.refill()?;
        Ok(open.time().is_some().then_some(open))
    }

    fn is_forgotten(&self, segment: &OpenSegment<'_>, time: EventTime) -> bool {
        let gone =
            |(id, before): &(String, EventTime)| time < *before && segment.id() == id.as_bytes();
        self.forgotten.iter().any(gone)
    }
}

/// A segment that is being read.
struct OpenSegment<'a> {
    reader: SegmentReader<'a>,
    /// Blocks that are still to be read.
    blocks: VecDeque<usize>,
    rows: TimelineRows,
    /// The next of `rows`.
    row: usize,
}

impl OpenSegment<'_> {
    /// The next row's time; `None`: there is none.
    fn time(&self) -> Option<EventTime> {
        self.rows.times.get(self.row).copied()
    }

    fn id(&self) -> &[u8] {
        let place = self.rows.entities.get(self.row).copied().unwrap_or(0);
        self.rows.ids.get(place as usize).unwrap_or_default()
    }

    fn step(&mut self) -> Result<(), CheckpointError> {
        self.row += 1;
        self.refill()
    }

    fn refill(&mut self) -> Result<(), CheckpointError> {
        while self.time().is_none() {
            let Some(block) = self.blocks.pop_front() else { return Ok(()) };
            (self.rows, self.row) = (self.reader.rows(block)?, 0);
        }
        Ok(())
    }

    /// Appends the next row as a line.
    fn push_line(&self, out: &mut Vec<u8>) {
        let schema = &self.reader.content().schema;
        out.extend_from_slice(b"{\"time\":");
        push_int(self.time().unwrap_or(0), out);
        out.extend_from_slice(b",\"id\":");
        push_text(self.id(), out);
        out.extend_from_slice(b",\"filters\":[");
        let bits = self.rows.bits.get(self.row).copied().unwrap_or(0);
        let passed = (0..64).zip(&schema.filters).filter(|(bit, _)| bits >> bit & 1 == 1);
        for (at, (_, filter)) in passed.enumerate() {
            push_comma(at, out);
            push_text(filter.as_bytes(), out);
        }
        out.extend_from_slice(b"],\"attributes\":{");
        self.push_attributes(schema, out);
        out.extend_from_slice(b"}}\n");
    }

    fn push_attributes(&self, schema: &EntitySchema, out: &mut Vec<u8>) {
        let attributes = || schema.attributes.iter().zip(&self.rows.attributes);
        // One that is both summed and counted is kept twice.
        let is_first =
            |at: usize, name: &str| !attributes().take(at).any(|(one, _)| one.name == name);
        let once = attributes().enumerate().filter(|(at, (one, _))| is_first(*at, &one.name));
        for (at, (_, (attribute, values))) in once.enumerate() {
            push_comma(at, out);
            push_text(attribute.name.as_bytes(), out);
            out.push(b':');
            // A type that this program does not know is shown by its bytes.
            let ty = Type::named(&attribute.ty);
            push_value(values, self.row, ty.unwrap_or(Type::Text), out);
        }
    }
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
