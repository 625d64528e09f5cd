//! What goes into a round trip; what its end means for the rows is in `settle`. Both in small steps
//! under the shard's lock, so that the worker never waits long for it.
//!
//! The life of a row's write: dirty and queued -> taken (in flight; what it was believed to be in
//! Redis is now what was sent) -> settled: written, or dirty again. A row that changes while in
//! flight waits for the end. A row that goes away while in flight makes its result stale.

use crate::online::dirt::{Cursor, Dirt, Entry};
use crate::online::redis::flush::{Flush, Mode, Source};
use crate::online::redis::wire::ViewWire;
use crate::online::rows::{
    ARRIVED, DIRTY, DOUBT, FOREIGN, IN_FLIGHT, KEPT, PRESENT, QUEUED_ARRIVAL, QUEUED_DECAY,
    QUEUED_SPACED, REPLACE, Row, SCHEDULED, SENT, UPSERT,
};
use crate::online::shard::Shard;
use tidemark_operators::online::Cause;

/// Where rows are taken from, in this order: what people wait for first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Writes that failed or found their key changed.
    Retry,
    /// Rows changed by arrivals.
    Arrival,
    /// Changed rows that had been written a moment before, and whose time has come.
    Spaced,
    /// Rows whose TTL is to be refreshed.
    Refresh,
    /// Rows changed by decay alone.
    Decay,
    /// Keys to remove.
    Deletion,
    /// Keys of an earlier run to remove.
    Sweep,
    /// All rows, after Redis lost its memory.
    Reassert,
}

impl Stage {
    pub(crate) const ALL: [Stage; 8] = [
        Stage::Retry,
        Stage::Arrival,
        Stage::Spaced,
        Stage::Refresh,
        Stage::Decay,
        Stage::Deletion,
        Stage::Sweep,
        Stage::Reassert,
    ];
}

/// What does not change while a round trip is filled.
pub(crate) struct Filling<'a> {
    pub(crate) wire: &'a [ViewWire],
    /// Now, in us.
    pub(crate) now: u64,
    /// Decayed rows and deletions that wait since then or longer go now.
    pub(crate) cut: Option<u64>,
    /// How long after a row was sent it is sent again at the earliest, in ms.
    pub(crate) spacing: u64,
}

impl Filling<'_> {
    /// Nothing is waited for any more.
    fn drains(&self) -> bool {
        self.cut == Some(u64::MAX)
    }
}

/// Slots looked at for each row that may be taken, when all rows are gone through.
const SCAN: usize = 32;

impl Shard {
    /// Takes up to `limit` entries of a stage; whether there may be more.
    pub(crate) fn take(
        &mut self,
        stage: Stage,
        limit: usize,
        filling: &Filling<'_>,
        flush: &mut Flush,
    ) -> bool {
        if stage == Stage::Reassert {
            return self.take_all_again(limit, filling, flush);
        }
        (0..limit).all(|_| match stage {
            Stage::Retry => {
                let entry = self.dirt.retry.pop_front();
                entry.map(|entry| self.take_row(entry, 0, false, filling, flush)).is_some()
            }
            Stage::Arrival => {
                let entry = self.dirt.arrival.pop();
                let queued = QUEUED_ARRIVAL;
                entry.map(|entry| self.take_row(entry, queued, false, filling, flush)).is_some()
            }
            Stage::Spaced => self.take_spaced(filling, flush),
            Stage::Decay => self.take_decayed(filling, flush),
            Stage::Refresh => self.take_refresh(filling, flush),
            Stage::Deletion => self.take_deletion(filling, flush),
            Stage::Sweep => self.take_swept(filling, flush),
            Stage::Reassert => false,
        })
    }

    fn take_spaced(&mut self, filling: &Filling<'_>, flush: &mut Flush) -> bool {
        let now = if filling.drains() { u64::MAX } else { filling.now / 1_000 };
        let Some(mut entry) = self.dirt.spaced.pop(now) else { return false };
        let row = self.views.get_mut(entry.view as usize).and_then(|rows| rows.get(entry.slot));
        if row.is_some_and(|row| row.has(ARRIVED)) {
            entry.cause = Cause::Arrival;
        }
        self.take_row(entry, QUEUED_SPACED | ARRIVED, false, filling, flush);
        true
    }

    fn take_decayed(&mut self, filling: &Filling<'_>, flush: &mut Flush) -> bool {
        let due = |entry: &Entry| filling.cut.is_some_and(|cut| entry.since <= cut);
        if !self.dirt.decay.front().is_some_and(due) {
            return false;
        }
        let Some(entry) = self.dirt.decay.pop() else { return false };
        self.take_row(entry, QUEUED_DECAY, false, filling, flush);
        true
    }

    fn take_deletion(&mut self, filling: &Filling<'_>, flush: &mut Flush) -> bool {
        let Some(deletion) = filling.cut.and_then(|cut| self.dirt.deletions.pop(cut)) else {
            return false;
        };
        if let Some(wire) = filling.wire.get(deletion.view as usize) {
            flush.delete(deletion, wire);
            self.dirt.in_flight += 1;
        }
        true
    }

    /// A key is removed only when the table does not hold its row in this very step.
    fn take_swept(&mut self, filling: &Filling<'_>, flush: &mut Flush) -> bool {
        let Some(deletion) = self.dirt.swept.pop_front() else { return false };
        let view = deletion.view as usize;
        if self.holds(view, &deletion.id) {
            return true;
        }
        if let Some(wire) = filling.wire.get(view) {
            flush.delete(deletion, wire);
            self.dirt.in_flight += 1;
            self.dirt.swept_keys += 1;
        }
        true
    }

    fn take_refresh(&mut self, filling: &Filling<'_>, flush: &mut Flush) -> bool {
        let now_ms = filling.now / 1_000;
        let Some((view, slot)) = self.dirt.calendar.pop(now_ms) else { return false };
        let rows = self.views.get_mut(view as usize);
        let Some(mut row) = rows.and_then(|rows| rows.get(slot)) else { return true };
        row.clear(SCHEDULED);
        let due = row.refresh_due();
        if !row.has(PRESENT) || due == 0 {
            return true;
        }
        if due > now_ms || row.has(IN_FLIGHT) {
            row.set(SCHEDULED);
            self.dirt.calendar.insert(due.max(now_ms + 1), (view, slot));
            return true;
        }
        let cause = if row.has(QUEUED_ARRIVAL) { Cause::Arrival } else { Cause::Decay };
        let entry = Entry { view, slot, since: filling.now, cause };
        self.take_row(entry, 0, true, filling, flush);
        true
    }

    /// Goes on through all rows, from where the last round trip stopped.
    fn take_all_again(&mut self, limit: usize, filling: &Filling<'_>, flush: &mut Flush) -> bool {
        let full = flush.len() + limit;
        let mut scanned = 0;
        while let Some(Cursor { view, slot }) = self.dirt.reassert {
            if scanned == limit * SCAN || flush.len() >= full {
                return flush.len() < full;
            }
            scanned += 1;
            let Some(rows) = self.views.get_mut(view as usize) else {
                self.dirt.reassert = None;
                break;
            };
            self.dirt.reassert = Some(if slot + 1 < rows.end() {
                Cursor { view, slot: slot + 1 }
            } else {
                Cursor { view: view + 1, slot: 0 }
            });
            let epoch = self.dirt.epoch;
            let old = |row: &Row<'_>| row.has(PRESENT) && row.epoch() != epoch;
            if rows.get(slot).as_ref().is_some_and(old) {
                let entry = Entry { view, slot, since: filling.now, cause: Cause::Decay };
                self.take_row(entry, 0, true, filling, flush);
            }
        }
        false
    }

    /// Takes one row, if it has anything to write; `force` asks for its TTL, or for all of it when
    /// it was asserted in another memory of Redis.
    fn take_row(
        &mut self,
        entry: Entry,
        queued: u64,
        force: bool,
        filling: &Filling<'_>,
        flush: &mut Flush,
    ) {
        let Shard { schema, views, entities, texts, dirt, .. } = self;
        let view = entry.view as usize;
        let (Some(schema), Some(wire)) = (schema.views.get(view), filling.wire.get(view)) else {
            return;
        };
        let Some(mut row) = views.get_mut(view).and_then(|rows| rows.get(entry.slot)) else {
            return;
        };
        row.clear(queued);
        if !row.has(PRESENT) || !(force || row.has(DIRTY)) {
            return;
        }
        if queued & (QUEUED_ARRIVAL | QUEUED_DECAY) != 0 && waits(&row, filling) {
            if !row.has(QUEUED_SPACED) {
                row.set(QUEUED_SPACED);
                dirt.spaced.insert(row.sent_at() + filling.spacing, entry);
            }
            return;
        }
        if row.has(IN_FLIGHT) {
            // Another memory may have been lost than the one that it is on its way to.
            dirt.defer(&mut row, entry);
            return;
        }
        let id = entities.get(schema.entity).and_then(|ids| ids.id(entry.slot));
        let Some(id) = id else { return };
        let mode = mode(&row, schema.all_nullable, dirt);
        let new_key = row.written.iter().all(|group| *group == 0);
        let due = row.refresh_due() <= filling.now / 1_000;
        let expire = mode != Mode::Delta || new_key || due;
        dirt.unmark(&mut row);
        let source = Source { id, row: &row, texts, wire };
        if flush.row(entry, mode, expire, &source) {
            row.set(IN_FLIGHT | SENT);
            row.set_sent_at(filling.now / 1_000);
            dirt.in_flight += 1;
        }
        let removed = row.has(FOREIGN);
        row.clear(UPSERT | REPLACE | DOUBT | KEPT | FOREIGN);
        row.set_epoch(dirt.epoch);
        row.pending.fill(0);
        row.written.copy_from_slice(row.valid);
        if row.is_null() {
            row.set_refresh_due(0);
        }
        if removed {
            // Other views' rows were in it by now, or are on their way.
            self.write_beside(&entry, filling.now);
        }
    }
}

/// Whether a changed row waits because it was sent a moment ago. What is in doubt does not.
fn waits(row: &Row<'_>, filling: &Filling<'_>) -> bool {
    row.has(SENT)
        && !row.has(UPSERT | REPLACE | DOUBT)
        && !filling.drains()
        && row.sent_at() + filling.spacing > filling.now / 1_000
}

/// `all_nullable`: no field of the view is there for certain.
fn mode(row: &Row<'_>, all_nullable: bool, dirt: &Dirt) -> Mode {
    if row.has(REPLACE) {
        Mode::Replace
    } else if row.has(UPSERT) {
        Mode::Upsert
    } else if !row.has(SENT) || row.epoch() != dirt.epoch {
        // All fields of such a key may be new to it although it was there: no reply would tell.
        if all_nullable { Mode::Upsert } else { Mode::First }
    } else {
        Mode::Delta
    }
}
