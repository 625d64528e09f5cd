//! From the decoded records of one source to batches for the entities' owners.
//!
//! Filters are evaluated here, once an event, a column at a time; each entity gets only the
//! attributes its log keeps.

use crate::event_batch::{EventBatch, NO_SPAN, NULL};
use crate::expression::Program;
use crate::ingest::decode::Decoded;
use crate::ingest::judge;
use crate::interner::stable_hash;
use crate::origin::Origin;
use crate::plan::{Computed, EntityPlan, EntitySource, Feed, Plan, Storage};
use crate::timeline::owner::Owner;
use crate::timeline::stash::row_bytes;
use crate::value::{Column, Type, address};
use std::fmt::Write as _;
use std::sync::Arc;

/// One source's way to the entities it feeds.
pub struct Projection {
    source: usize,
    /// How many fields the source has; behind their columns are those of `computed`.
    fields: usize,
    computed: Vec<Computed>,
    predicates: Vec<Program>,
    results: Vec<Column>,
    bits: Vec<u64>,
    routes: Vec<Route>,
    key: String,
    /// Whether batches say when their events arrived.
    arrivals: bool,
}

/// One entity that the source feeds.
struct Route {
    entity: usize,
    feed: EntitySource,
    key_type: Type,
    /// By column of the source.
    types: Vec<Type>,
    attributes: Vec<(Feed, Storage)>,
    /// What keeps a row until it is sealed, without its texts.
    row_bytes: usize,
}

/// Batches being filled, for each entity one a worker.
pub struct Outbox {
    batches: Vec<Vec<EventBatch>>,
}

impl Outbox {
    /// Empty batches for the entities of `plan` on `workers` workers.
    pub fn new(plan: &Plan, workers: usize) -> Self {
        let batch = |entity: &EntityPlan, target: usize| {
            let sent = entity.attributes.iter().filter(|a| !a.derived);
            let symbols = sent.clone().filter(|a| a.storage == Storage::Symbol).count();
            EventBatch::new(target as u32, sent.count() - symbols, symbols)
        };
        let batches = |entity| (0..workers).map(|target| batch(entity, target)).collect();
        Outbox { batches: plan.entities.iter().map(batches).collect() }
    }

    /// Takes out what is ready for `entity`.
    pub fn take(&mut self, entity: usize) -> impl Iterator<Item = EventBatch> {
        self.batches[entity].iter_mut().filter(|b| !b.is_empty()).map(|batch| {
            let next = batch.next();
            std::mem::replace(batch, next)
        })
    }

    /// How many entity types there are.
    pub fn entities(&self) -> usize {
        self.batches.len()
    }
}

impl Projection {
    /// For source `source` of `plan`.
    pub fn new(plan: &Plan, source: usize) -> Self {
        let from = &plan.sources[source];
        let programs = from.predicates.iter().map(|p| Program::new(p, Arc::clone(&plan.zone)));
        let route = |(entity, to): (usize, &EntityPlan)| {
            let feed = to.sources.get(source)?.clone()?;
            let attributes = to.attributes.iter().zip(&feed.attributes);
            let attributes = attributes.filter(|(a, _)| !a.derived);
            Some(Route {
                entity,
                key_type: from.fields[feed.key].ty,
                attributes: attributes.map(|(a, feed)| (feed.clone(), a.storage)).collect(),
                types: (0..from.columns()).filter_map(|at| from.column_type(at)).collect(),
                row_bytes: row_bytes(to.attributes.len()),
                feed,
            })
        };
        Projection {
            source,
            fields: from.fields.len(),
            computed: from.computed.clone(),
            predicates: programs.collect(),
            results: vec![Column::default(); from.predicates.len()],
            bits: Vec::new(),
            routes: plan.entities.iter().enumerate().filter_map(route).collect(),
            key: String::new(),
            arrivals: false,
        }
    }

    /// The same; with `arrivals` its batches say when their events arrived.
    pub fn telling_arrivals(self, arrivals: bool) -> Self {
        Projection { arrivals, ..self }
    }

    /// Appends all rows of `decoded`, which have been judged, read from `partition` at `offsets`, to
    /// `outbox`, and fills the columns of what is computed. `due_ns` is when they were due, 0 when
    /// that is not traced. Returns how many bytes will keep them until they are sealed, were all
    /// their texts new.
    pub fn project(
        &mut self,
        decoded: &mut Decoded,
        partition: u32,
        offsets: &[u64],
        due_ns: u64,
        outbox: &mut Outbox,
    ) -> u64 {
        let (rows, mut kept) = (decoded.rows(), 0);
        self.compute(decoded);
        for (program, result) in self.predicates.iter_mut().zip(&mut self.results) {
            program.eval(&decoded.columns, rows, result);
        }
        for at in 0..self.routes.len() {
            self.set_bits(at, rows);
            let Projection { routes, bits, key, source, arrivals, .. } = self;
            let route = &routes[at];
            let batches = &mut outbox.batches[route.entity];
            let texts: usize = batches.iter().map(|batch| batch.arena.len()).sum();
            let mut selected = vec![Vec::new(); batches.len()];
            for (row, offset) in offsets.iter().enumerate().take(rows) {
                let key = text(&decoded.columns[route.feed.key], route.key_type, row, key);
                let Some(key) = key else { continue };
                let hash = stable_hash(key);
                let target = Owner::of(hash, batches.len());
                let batch = &mut batches[target];
                let id = batch.keep(key);
                let (source, offset) = (*source as u16, *offset);
                batch.ids.push(id);
                batch.hashes.push(hash);
                batch.origins.push(Origin { source, partition, offset });
                selected[target].push(row);
            }
            for (batch, selected) in batches.iter_mut().zip(&selected) {
                route.fill(decoded, selected, bits, batch);
                if *arrivals {
                    let arrived = |row: &usize| decoded.arrival[*row].unwrap_or(decoded.time[*row]);
                    batch.arrivals.extend(selected.iter().map(arrived));
                }
                if !selected.is_empty() && (batch.due_ns == 0 || due_ns < batch.due_ns) {
                    batch.due_ns = due_ns;
                }
                kept += selected.len() * route.row_bytes + batch.arena.len();
            }
            kept -= texts;
        }
        kept as u64
    }

    /// Integer overflows so far in filters.
    pub fn int_overflows(&self) -> u64 {
        self.predicates.iter().map(Program::int_overflows).sum()
    }

    /// Fills the columns behind those of the fields.
    fn compute(&self, decoded: &mut Decoded) {
        let rows = decoded.rows();
        let Decoded { time, columns, invalid, .. } = decoded;
        let columns = columns.iter_mut().skip(self.fields);
        for (column, computed) in columns.zip(&self.computed) {
            column.clear();
            column.valid.resize(rows, true);
            match computed {
                Computed::EventTime => column.words.extend_from_slice(time),
                Computed::Invalid(field) => {
                    column.words.resize(rows, 0);
                    for invalid in invalid.iter().filter(|invalid| invalid.field == *field) {
                        if let Some(word) = column.words.get_mut(invalid.row) {
                            *word = 1;
                        }
                    }
                }
            }
        }
    }

    fn set_bits(&mut self, route: usize, rows: usize) {
        self.bits.clear();
        self.bits.resize(rows, 0);
        for (bit, predicate) in self.routes[route].feed.bits.iter().enumerate() {
            let Some(result) = predicate.and_then(|p| self.results.get(p)) else { continue };
            for (row, bits) in self.bits.iter_mut().enumerate() {
                let holds = result.valid[row] && result.words[row] != 0;
                *bits |= u64::from(holds) << bit;
            }
        }
    }
}

impl Route {
    fn fill(&self, decoded: &Decoded, selected: &[usize], bits: &[u64], batch: &mut EventBatch) {
        if selected.is_empty() {
            return;
        }
        let times = selected.iter().map(|row| decoded.time[*row]);
        let clocks =
            selected.iter().map(|row| judge::clock(decoded.time[*row], decoded.arrival[*row]));
        batch.clock = clocks.fold(batch.clock, u64::max);
        batch.times.extend(times);
        batch.bits.extend(selected.iter().map(|row| bits[*row]));
        let (mut wide, mut symbols) = (0, 0);
        for (feed, storage) in &self.attributes {
            match storage {
                Storage::Wide => {
                    let column = match feed {
                        Feed::Field(field) => decoded.columns.get(*field),
                        Feed::Absent | Feed::Tuple(_) => None,
                    };
                    let words = selected.iter();
                    let word = |row: &usize| column.and_then(|c| c.int(*row)).unwrap_or(NULL);
                    batch.wide[wide].extend(words.map(word));
                    wide += 1;
                }
                Storage::Symbol => {
                    let mut spans = std::mem::take(&mut batch.spans[symbols]);
                    match feed {
                        Feed::Absent => spans.resize(spans.len() + selected.len(), NO_SPAN),
                        Feed::Field(field) => {
                            let (column, ty) = (&decoded.columns[*field], self.types[*field]);
                            spans.extend(selected.iter().map(|row| keep(batch, column, ty, *row)));
                        }
                        Feed::Tuple(parts) => {
                            let parts = parts.iter();
                            let parts = parts.map(|at| (&decoded.columns[*at], self.types[*at]));
                            let parts: Vec<_> = parts.collect();
                            spans.extend(selected.iter().map(|r| keep_tuple(batch, &parts, *r)));
                        }
                    }
                    batch.spans[symbols] = spans;
                    symbols += 1;
                }
            }
        }
    }
}

/// Keeps the bytes that stand for a value in a dictionary.
#[inline]
fn keep(batch: &mut EventBatch, column: &Column, ty: Type, row: usize) -> u64 {
    if ty.is_bytes() {
        column.bytes(row).map_or(NO_SPAN, |bytes| batch.keep(bytes))
    } else {
        column.word(row).map_or(NO_SPAN, |word| batch.keep(&word.to_le_bytes()))
    }
}

/// Keeps the bytes that stand for several values as one: each with its length before it.
fn keep_tuple(batch: &mut EventBatch, parts: &[(&Column, Type)], row: usize) -> u64 {
    if parts.iter().all(|(column, _)| column.word(row).is_none()) {
        return NO_SPAN;
    }
    let mut bytes = Vec::new();
    for (column, ty) in parts {
        let word = column.word(row).map(u64::to_le_bytes);
        let part = if ty.is_bytes() { column.bytes(row) } else { word.as_ref().map(|w| &w[..]) };
        // A null is told from an empty text.
        let length = part.map_or(u32::MAX, |part| part.len() as u32);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part.unwrap_or_default());
    }
    batch.keep(&bytes)
}

/// An entity key as the bytes it is known by: text as it is, everything else as people write it. An
/// empty text is none.
#[inline]
fn text<'a>(column: &'a Column, ty: Type, row: usize, buffer: &'a mut String) -> Option<&'a [u8]> {
    buffer.clear();
    // Writing to a string does not fail.
    let _ = match ty {
        Type::Text => return column.bytes(row).filter(|id| !id.is_empty()),
        Type::Ip => write!(buffer, "{}", address(column.bytes(row)?)?),
        Type::Bool => write!(buffer, "{}", column.bool(row)?),
        Type::Double => write!(buffer, "{}", column.double(row)?),
        Type::Decimal(_) => write!(buffer, "{}", column.int(row)? as f64 / ty.unit() as f64),
        Type::Int | Type::Timestamp => {
            buffer.push_str(itoa::Buffer::new().format(column.int(row)?));
            Ok(())
        }
    };
    Some(buffer.as_bytes())
}
