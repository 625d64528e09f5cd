//! How stock operators walk a batch: keys are slots, values are events.

use crate::time::EventTime;
use crate::timeline::chunk::Chunk;
use crate::window::batch::{Segment, WindowBatch};
use differential_dataflow::trace::cursor::Cursor;
use differential_dataflow::trace::implementations::containers::BatchContainer;

/// One row of the log, identified and ordered by its sequence number.
#[derive(Clone, Copy)]
pub struct EventRef<'a> {
    seq: u64,
    row: u32,
    values: Values<'a>,
}

#[derive(Clone, Copy)]
enum Values<'a> {
    Log(&'a Chunk),
    Own(&'a Event),
}

impl<'a> EventRef<'a> {
    fn new(chunk: &'a Chunk, row: u32) -> Self {
        EventRef { seq: chunk.base() + u64::from(row), row, values: Values::Log(chunk) }
    }

    /// Its sequence number.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Its time.
    pub fn ts(&self) -> EventTime {
        match self.values {
            Values::Log(chunk) => chunk.time(self.row),
            Values::Own(event) => event.ts,
        }
    }

    /// Attribute `attribute`: its word or symbol; [`crate::event_batch::NULL`] for null.
    pub fn value(&self, attribute: usize) -> i64 {
        match self.values {
            Values::Log(chunk) => chunk.value(attribute, self.row),
            Values::Own(event) => event.values[attribute],
        }
    }
}

impl PartialEq for EventRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}
impl Eq for EventRef<'_> {}
impl PartialOrd for EventRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for EventRef<'_> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.seq.cmp(&other.seq)
    }
}

/// An event of its own, outside the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Its sequence number.
    pub seq: u64,
    /// Its time.
    pub ts: EventTime,
    /// Its slot.
    pub slot: u32,
    /// Its attributes.
    pub values: Vec<i64>,
}

/// No slot.
const NONE: u32 = u32::MAX;

/// Walks the slots of a batch in order; the rows of the current slot are gathered from all its
/// sorted runs.
pub struct WindowCursor {
    heads: Vec<u32>,
    places: Vec<usize>,
    slot: u32,
    /// Where a reference to the current slot can be had: segment and place.
    at: (usize, usize),
    rows: Vec<(usize, u32)>,
    value: usize,
}

impl WindowCursor {
    pub(super) fn new(batch: &WindowBatch) -> Self {
        let (heads, places, rows) = (Vec::new(), Vec::new(), Vec::new());
        let mut cursor = WindowCursor { heads, places, slot: NONE, at: (0, 0), rows, value: 0 };
        cursor.rewind_keys(batch);
        cursor
    }

    /// Goes to the least slot of the heads that has rows.
    fn settle(&mut self, batch: &WindowBatch) {
        self.value = 0;
        loop {
            self.rows.clear();
            self.slot = self.heads.iter().copied().min().unwrap_or(NONE);
            if self.slot == NONE {
                return;
            }
            for (at, segment) in batch.segments().iter().enumerate() {
                if self.heads[at] == self.slot {
                    self.at = (at, self.places[at]);
                    collect(batch, segment, self.places[at], &mut self.rows);
                }
            }
            if !self.rows.is_empty() {
                return;
            }
            self.leave(batch);
        }
    }

    /// Moves every head off the current slot.
    fn leave(&mut self, batch: &WindowBatch) {
        for (at, segment) in batch.segments().iter().enumerate() {
            if self.heads[at] == self.slot {
                self.places[at] += 1;
                self.heads[at] = segment.run.slots.get(self.places[at]).copied().unwrap_or(NONE);
            }
        }
    }
}

/// The rows of a segment's slot that the batch's span covers.
fn collect(batch: &WindowBatch, segment: &Segment, place: usize, rows: &mut Vec<(usize, u32)>) {
    let Some(span) = batch.span else { return };
    let base = batch.chunks[segment.chunk].base();
    let covered = |row: &&u16| {
        let seq = base + u64::from(**row);
        span.arrives(seq) || span.departs(seq)
    };
    let covered = segment.run.rows(place).iter().filter(covered);
    rows.extend(covered.map(|row| (segment.chunk, u32::from(*row))));
}

/// The first place at or after `from` with `slots[place] >= slot`.
fn gallop(slots: &[u32], from: usize, slot: u32) -> usize {
    let (mut lo, mut step) = (from, 1);
    while lo + step < slots.len() && slots[lo + step] < slot {
        lo += step;
        step <<= 1;
    }
    let hi = (lo + step + 1).min(slots.len());
    lo + slots[lo..hi].partition_point(|s| *s < slot)
}

impl Cursor for WindowCursor {
    type Storage = WindowBatch;
    type Key<'a> = &'a u32;
    type ValOwn = Event;
    type Val<'a> = EventRef<'a>;
    type Time = EventTime;
    type TimeGat<'a> = &'a EventTime;
    type Diff = isize;
    type DiffGat<'a> = &'a isize;
    type KeyContainer = Vec<u32>;
    type ValContainer = Events;
    type TimeContainer = Vec<EventTime>;
    type DiffContainer = Vec<isize>;

    fn key_valid(&self, _: &WindowBatch) -> bool {
        self.slot != NONE
    }

    fn val_valid(&self, _: &WindowBatch) -> bool {
        self.value < self.rows.len()
    }

    fn key<'a>(&self, batch: &'a WindowBatch) -> &'a u32 {
        &batch.segments()[self.at.0].run.slots[self.at.1]
    }

    fn val<'a>(&self, batch: &'a WindowBatch) -> EventRef<'a> {
        let (chunk, row) = self.rows[self.value];
        EventRef::new(&batch.chunks[chunk], row)
    }

    fn get_key<'a>(&self, batch: &'a WindowBatch) -> Option<&'a u32> {
        self.key_valid(batch).then(|| self.key(batch))
    }

    fn get_val<'a>(&self, batch: &'a WindowBatch) -> Option<EventRef<'a>> {
        self.val_valid(batch).then(|| self.val(batch))
    }

    fn map_times<L: FnMut(&EventTime, &isize)>(&mut self, batch: &WindowBatch, mut logic: L) {
        let (Some(span), Some(event)) = (batch.span, self.get_val(batch)) else { return };
        if span.arrives(event.seq) {
            logic(&batch.window.enters(event.ts()), &1);
        }
        if span.departs(event.seq) {
            logic(&batch.window.leaves(event.ts()), &-1);
        }
    }

    fn step_key(&mut self, batch: &WindowBatch) {
        if self.slot != NONE {
            self.leave(batch);
            self.settle(batch);
        }
    }

    fn seek_key(&mut self, batch: &WindowBatch, key: &u32) {
        if self.slot >= *key {
            self.value = 0;
            return;
        }
        for (at, segment) in batch.segments().iter().enumerate() {
            if self.heads[at] < *key {
                let place = gallop(&segment.run.slots, self.places[at], *key);
                self.places[at] = place;
                self.heads[at] = segment.run.slots.get(place).copied().unwrap_or(NONE);
            }
        }
        self.settle(batch);
    }

    fn step_val(&mut self, _: &WindowBatch) {
        self.value += 1;
    }

    fn seek_val(&mut self, batch: &WindowBatch, val: EventRef<'_>) {
        while self.get_val(batch).is_some_and(|v| v < val) {
            self.value += 1;
        }
    }

    fn rewind_keys(&mut self, batch: &WindowBatch) {
        let segments = batch.segments();
        self.places.clear();
        self.places.resize(segments.len(), 0);
        self.heads.clear();
        let first = |s: &Segment| s.run.slots.first().copied().unwrap_or(NONE);
        self.heads.extend(segments.iter().map(first));
        self.settle(batch);
    }

    fn rewind_vals(&mut self, _: &WindowBatch) {
        self.value = 0;
    }
}

/// Events outside the log: what it takes to name [`Cursor::ValContainer`]; reduce, join and count
/// never make one.
#[derive(Default)]
pub struct Events {
    events: Vec<Event>,
}

impl BatchContainer for Events {
    type Owned = Event;
    type ReadItem<'a> = EventRef<'a>;

    fn into_owned(event: EventRef<'_>) -> Event {
        match event.values {
            Values::Own(own) => own.clone(),
            Values::Log(chunk) => Event {
                seq: event.seq,
                ts: event.ts(),
                slot: chunk.slot(event.row),
                values: (0..chunk.attributes()).map(|a| event.value(a)).collect(),
            },
        }
    }

    fn push_ref(&mut self, event: EventRef<'_>) {
        self.events.push(Self::into_owned(event));
    }

    fn push_own(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    fn clear(&mut self) {
        self.events.clear();
    }

    fn with_capacity(size: usize) -> Self {
        Events { events: Vec::with_capacity(size) }
    }

    fn merge_capacity(a: &Self, b: &Self) -> Self {
        Self::with_capacity(a.events.len() + b.events.len())
    }

    fn reborrow<'b, 'a: 'b>(event: EventRef<'a>) -> EventRef<'b> {
        event
    }

    fn index(&self, index: usize) -> EventRef<'_> {
        let event = &self.events[index];
        EventRef { seq: event.seq, row: 0, values: Values::Own(event) }
    }

    fn len(&self) -> usize {
        self.events.len()
    }
}
