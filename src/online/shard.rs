//! One worker's share of the table: its entities' newest rows in every view, and what of them is
//! not in Redis yet.

use crate::online::deletions::Deletion;
use crate::online::dirt::{Dirt, Entry};
use crate::online::ids::Ids;
use crate::online::rows::{IN_FLIGHT, KEPT, PRESENT, REPLACE, Row, Rows, SENT, STALE, UPSERT};
use crate::online::schema::{Schema, View};
use crate::online::text;
use crate::online::texts::Texts;
use std::sync::Arc;
use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::online::{AppliedEvents, Cause, EntityIds, RowBatch};
use tidemark_operators::time::EventTime;
use tidemark_operators::value::{Column, Type, Value};

/// What one batch did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) changed_arrival: u64,
    pub(crate) changed_decay: u64,
    pub(crate) unchanged: u64,
    pub(crate) deleted: u64,
    /// Rows that were not there before.
    pub(crate) appeared: u64,
    /// Changed rows that were dirty already.
    pub(crate) coalesced: u64,
}

/// The share.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) schema: Arc<Schema>,
    pub(crate) views: Vec<Rows>,
    pub(crate) entities: Vec<Ids>,
    pub(crate) texts: Texts,
    pub(crate) dirt: Dirt,
    /// Of each entity type the events that its rows show.
    applied: Vec<Applied>,
}

/// Which events the rows of an entity type show.
#[derive(Debug, Default)]
struct Applied {
    /// Those that all of them did; `None`: there were no rows yet.
    events: Option<AppliedEvents>,
    /// Whether some rows show more than that: others are on their way.
    is_passed: bool,
}

impl Shard {
    pub(crate) fn new(schema: Arc<Schema>, dirt: Dirt) -> Self {
        let views = schema.views.iter().map(|view| Rows::new(view.width)).collect();
        let mut entities = Vec::new();
        entities.resize_with(schema.entities, Ids::default);
        let mut applied = Vec::new();
        applied.resize_with(schema.entities, Applied::default);
        Shard { schema, views, entities, texts: Texts::default(), dirt, applied }
    }

    /// Takes a batch; `now` in us on the store's clock.
    pub(crate) fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds, now: u64) -> Tally {
        let mut tally = Tally::default();
        let Shard { schema, views, entities, texts, dirt, .. } = self;
        let (Some(view), Some(rows)) = (schema.views.get(batch.view), views.get_mut(batch.view))
        else {
            return tally;
        };
        let Some(entity) = entities.get_mut(view.entity) else { return tally };
        let index = u32::try_from(batch.view).unwrap_or(u32::MAX);
        let causes = batch.causes.iter().zip(&batch.deleted);
        for (at, (slot, (cause, deleted))) in batch.slots.iter().zip(causes).enumerate() {
            rows.warm(&batch.slots, at);
            let restored = *cause == Cause::Restored;
            // Where it is a change after all, decay has made it.
            let cause = if restored { Cause::Decay } else { *cause };
            let entry = Entry { view: index, slot: *slot, since: now, cause };
            let keeps = if restored { dirt.keeps(index) } else { None };
            let is_held = |rows: &mut Rows| rows.get(*slot).is_some_and(|row| row.has(PRESENT));
            if *deleted && keeps.is_some() && !is_held(rows) {
                // Redis does not have it either.
                continue;
            }
            if *deleted {
                tally.deleted += u64::from(delete(entry, view, rows, entity, texts, dirt, ids));
                continue;
            }
            let Some(mut row) = rows.entry(*slot) else { continue };
            row.set_as_of(batch.as_of);
            let appeared = !row.has(PRESENT);
            if appeared {
                appear(&mut row, entry, entity, dirt, ids);
                tally.appeared += 1;
            }
            let changed = merge(&mut row, view, &batch.features, at, texts);
            // Redis may have it as of an event that is read again and leaves it as it was made.
            let doubted = row.has(KEPT) && (changed || !restored);
            if doubted {
                row.set(UPSERT);
            }
            if !changed && !appeared && !doubted {
                tally.unchanged += 1;
                continue;
            }
            if let Some(ttl) = keeps.filter(|_| appeared && !row.has(REPLACE)) {
                dirt.keep(&mut row, entry, ttl);
                tally.unchanged += 1;
                continue;
            }
            match cause {
                Cause::Arrival => tally.changed_arrival += 1,
                Cause::Decay | Cause::Restored => tally.changed_decay += 1,
            }
            if dirt.tracked {
                tally.coalesced += u64::from(dirt.mark(&mut row, entry));
            }
        }
        rows.count(tally.appeared, tally.deleted);
        tally
    }

    /// Some rows of the entity type of `view` show more than all do.
    pub(crate) fn pass(&mut self, view: usize) {
        let entity = self.schema.views.get(view).map(|view| view.entity);
        if let Some(applied) = entity.and_then(|entity| self.applied.get_mut(entity)) {
            applied.is_passed = true;
        }
    }

    /// The rows of an entity type show `events`, all of them.
    pub(crate) fn show(&mut self, events: &AppliedEvents) {
        if let Some(applied) = self.applied.get_mut(events.entity) {
            applied.events.get_or_insert_default().clone_from(events);
            applied.is_passed = false;
        }
    }

    /// Whether rows of the entity type of `view` are on their way.
    pub(crate) fn is_passed(&self, view: usize) -> bool {
        self.applied_of(view).is_some_and(|applied| applied.is_passed)
    }

    /// The events that the rows of `view` show; `None` while they do not show the same.
    pub(crate) fn shown(&self, view: usize) -> Option<&AppliedEvents> {
        self.shown_of(self.schema.views.get(view)?.entity)
    }

    /// The same of an entity type, by its job index.
    pub(crate) fn shown_of(&self, entity: usize) -> Option<&AppliedEvents> {
        self.applied.get(entity).filter(|applied| !applied.is_passed)?.events.as_ref()
    }

    fn applied_of(&self, view: usize) -> Option<&Applied> {
        self.applied.get(self.schema.views.get(view)?.entity)
    }

    /// About what all of it takes.
    pub(crate) fn memory(&self) -> HeldBytes {
        let dirt = HeldBytes { held: self.dirt.bytes(), reusable: 0 };
        let (rows, ids) =
            (self.views.iter().map(Rows::memory), self.entities.iter().map(Ids::memory));
        rows.chain(ids).chain([self.texts.memory(), dirt]).sum()
    }

    /// The row of `id` in `view`.
    pub(crate) fn get(&mut self, view: usize, id: &[u8]) -> Option<(EventTime, Vec<Value>)> {
        let entity = self.schema.views.get(view)?.entity;
        let slot = self.entities.get(entity)?.slot(id)?;
        self.read(view, slot)
    }

    /// The row at `slot`, when there is one.
    pub(crate) fn read(&mut self, view: usize, slot: u32) -> Option<(EventTime, Vec<Value>)> {
        let schema = self.schema.views.get(view)?;
        let row = self.views.get_mut(view)?.get(slot).filter(|row| row.has(PRESENT))?;
        let values = schema.features.iter().zip(row.values.iter()).enumerate();
        let values = values.map(|(at, (feature, word))| {
            if is_set(row.valid, at) { value(feature.ty, *word, &self.texts) } else { Value::Null }
        });
        Some((row.as_of(), values.collect()))
    }
}

/// Whether bit `at` is set.
pub(crate) fn is_set(masks: &[u64], at: usize) -> bool {
    masks.get(at / 64).is_some_and(|group| group >> (at % 64) & 1 == 1)
}

/// A new row: takes the id and calls off what waits for the key.
fn appear(row: &mut Row<'_>, entry: Entry, entity: &mut Ids, dirt: &mut Dirt, ids: &dyn EntityIds) {
    let id = ids.id(entry.slot);
    entity.acquire(entry.slot, id);
    row.set(PRESENT);
    row.set_epoch(dirt.epoch);
    if dirt.tracked && dirt.deletions.call_off(entry.view, id) {
        row.set(REPLACE | SENT);
    }
}

/// Puts the values of batch row `at` into `row`; whether anything changed.
#[inline]
fn merge(row: &mut Row<'_>, view: &View, columns: &[Column], at: usize, texts: &mut Texts) -> bool {
    let mut any = 0;
    let masks = row.valid.iter_mut().zip(row.pending.iter_mut()).zip(&view.bytes);
    let values = row.values.chunks_mut(64).zip(columns.chunks(64));
    for (((valid, pending), bytes), (values, columns)) in masks.zip(values) {
        let (mut now, mut changed) = (0, 0);
        for (bit, (held, column)) in values.iter_mut().zip(columns).enumerate() {
            let there = column.valid.get(at).copied().unwrap_or_default();
            let word = column.words.get(at).copied().unwrap_or_default();
            let word = if there { word } else { 0 };
            now |= u64::from(there) << bit;
            if bytes >> bit & 1 == 1 {
                let old = (*valid >> bit & 1 == 1).then_some(*held);
                changed |= u64::from(merge_bytes(held, old, column.bytes(at), texts)) << bit;
            } else {
                changed |= u64::from(*held != word) << bit;
                *held = word;
            }
        }
        changed |= *valid ^ now;
        *valid = now;
        *pending |= changed;
        any |= changed;
    }
    any != 0
}

fn merge_bytes(held: &mut u64, old: Option<u64>, new: Option<&[u8]>, texts: &mut Texts) -> bool {
    let Some(new) = new else {
        texts.release(old);
        *held = 0;
        return old.is_some();
    };
    if old.is_some_and(|word| texts.is(word, new)) {
        return false;
    }
    *held = texts.replace(old, new);
    true
}

/// Takes a row away, and its key from Redis; whether there was a row.
fn delete(
    entry: Entry,
    view: &View,
    rows: &mut Rows,
    entity: &mut Ids,
    texts: &mut Texts,
    dirt: &mut Dirt,
    ids: &dyn EntityIds,
) -> bool {
    let Entry { view: index, slot, since, .. } = entry;
    let row = rows.get(slot).filter(|row| row.has(PRESENT));
    let there = row.is_some();
    let (id, sent) = match row {
        Some(mut row) => {
            for (at, feature) in view.features.iter().enumerate() {
                if feature.ty.is_bytes() && is_set(row.valid, at) {
                    texts.release(row.values.get(at).copied());
                }
            }
            dirt.unmark(&mut row);
            if row.has(IN_FLIGHT) {
                row.set(STALE);
            }
            let sent = row.has(SENT);
            row.reset();
            (entity.release(slot), sent)
        }
        // Its key may be there from an earlier run; a slot that is free has no id.
        None => (Some(ids.id(slot).into()).filter(|id: &Arc<[u8]>| !id.is_empty()), false),
    };
    if let Some(id) = id.filter(|_| dirt.tracked)
        && !dirt.deletions.record(Deletion { view: index, id, since }, sent)
    {
        dirt.left_to_ttl += 1;
    }
    there
}

fn value(ty: Type, word: u64, texts: &Texts) -> Value {
    let mut scratch = [0; 8];
    match ty {
        Type::Int => Value::Int(word.cast_signed()),
        Type::Decimal(scale) => Value::Decimal(word.cast_signed(), scale),
        Type::Double => Value::Double(f64::from_bits(word)),
        Type::Bool => Value::Bool(word != 0),
        Type::Timestamp => Value::Timestamp(word.cast_signed()),
        Type::Ip => text::address(texts.get(word, &mut scratch)).map_or(Value::Null, Value::Ip),
        Type::Text => {
            Value::Text(String::from_utf8_lossy(texts.get(word, &mut scratch)).into_owned())
        }
    }
}
