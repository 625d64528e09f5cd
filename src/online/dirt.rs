//! What of a shard is not in Redis yet: rows by why they changed, deletions, TTLs, and the pass over
//! all rows after Redis lost its memory.
//!
//! Bound: at most one entry a row slot in each queue (the row's flags), see `Deletions` and
//! `Calendar` for theirs.

use crate::online::calendar::Calendar;
use crate::online::deletions::{Deletion, Deletions};
use crate::online::fifo::Fifo;
use crate::online::rows::{
    ARRIVED, DIRTY, KEPT, PARKED, QUEUED_ARRIVAL, QUEUED_DECAY, QUEUED_SPACED, REPLACE, Row,
    SCHEDULED, SENT, UPSERT,
};
use crate::online::spaced::Spaced;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tidemark_operators::online::Cause;
use tidemark_operators::time::Millis;

/// A row that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) view: u32,
    pub(crate) slot: u32,
    /// Since when, in us on the store's clock.
    pub(crate) since: u64,
    pub(crate) cause: Cause,
}

/// Where the pass that asserts all rows again stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    pub(crate) view: u32,
    pub(crate) slot: u32,
}

/// What waits for a server of a cluster. Bound: an entry a row slot, and one a key to remove.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    pub(crate) rows: Vec<Entry>,
    pub(crate) deletions: BTreeMap<(u32, Arc<[u8]>), u64>,
    /// Since when the oldest of them waits.
    since: Option<u64>,
}

impl Parked {
    /// Puts a key to remove aside.
    pub(crate) fn delete(&mut self, deletion: Deletion) {
        let Deletion { view, id, since } = deletion;
        self.note(since);
        self.deletions.entry((view, id)).or_insert(since);
    }

    fn note(&mut self, since: u64) {
        self.since = Some(self.since.map_or(since, |oldest| oldest.min(since)));
    }
}

/// The queues of one shard.
#[derive(Debug)]
pub(crate) struct Dirt {
    /// Whether anything is queued at all: an embedded store has nothing to write to.
    pub(crate) tracked: bool,
    /// Whether rows of one entity in several views stand in one key.
    pub(crate) shares_keys: bool,
    pub(crate) arrival: Fifo<Entry>,
    pub(crate) decay: Fifo<Entry>,
    /// Rows that were written a moment ago.
    pub(crate) spaced: Spaced,
    /// Rows whose write failed or has to be made again; at most those of one flush.
    pub(crate) retry: VecDeque<Entry>,
    /// Rows that changed while they were in flight; they are retried after it.
    pub(crate) deferred: Vec<Entry>,
    /// Rows and keys whose server is not there; each once.
    pub(crate) parked: Parked,
    pub(crate) deletions: Deletions,
    /// Keys of an earlier run that were not held when they were found; bounded by who finds them.
    pub(crate) swept: VecDeque<Deletion>,
    /// How many of them were still not held when their deletion went out.
    pub(crate) swept_keys: u64,
    /// When the TTL of which view and slot is to be refreshed.
    pub(crate) calendar: Calendar<(u32, u32)>,
    pub(crate) reassert: Option<Cursor>,
    /// Which memory of Redis rows are asserted in, 24 bits; another one after every loss.
    pub(crate) epoch: u64,
    /// By view, the TTL in ms of rows that Redis shows as an earlier run has left them.
    pub(crate) kept: Vec<Option<Millis>>,
    /// Rows with `DIRTY`.
    pub(crate) rows: usize,
    /// Rows and deletions on their way.
    pub(crate) in_flight: usize,
    /// Deletions not taken, see [`Deletions`].
    pub(crate) left_to_ttl: u64,
}

impl Dirt {
    pub(crate) fn new(views: usize, deletions_max: usize, tracked: bool) -> Self {
        Dirt {
            tracked,
            shares_keys: false,
            arrival: Fifo::new(),
            decay: Fifo::new(),
            spaced: Spaced::new(),
            retry: VecDeque::new(),
            deferred: Vec::new(),
            parked: Parked::default(),
            deletions: Deletions::new(views, deletions_max),
            swept: VecDeque::new(),
            swept_keys: 0,
            calendar: Calendar::new(),
            reassert: None,
            epoch: 0,
            kept: Vec::new(),
            rows: 0,
            in_flight: 0,
            left_to_ttl: 0,
        }
    }

    /// Marks a changed row and queues it. Returns whether it was dirty already: the two updates
    /// will be one write.
    #[inline]
    pub(crate) fn mark(&mut self, row: &mut Row<'_>, entry: Entry) -> bool {
        let coalesced = row.has(DIRTY);
        self.soil(row);
        match entry.cause {
            // What waits for its time goes with all that changes until then.
            Cause::Arrival if is_spaced(row) => row.set(ARRIVED),
            Cause::Decay if is_spaced(row) => {}
            Cause::Arrival if !row.has(QUEUED_ARRIVAL) => {
                row.set(QUEUED_ARRIVAL);
                self.arrival.push(entry);
            }
            // What waits for the arrival queue goes with it.
            Cause::Decay if !row.has(QUEUED_ARRIVAL | QUEUED_DECAY) => {
                row.set(QUEUED_DECAY);
                self.decay.push(entry);
            }
            _ => {}
        }
        coalesced
    }

    /// The TTL of rows of `view` that need not be written when they are made again from a checkpoint;
    /// `None`: they must be, for Redis does not have them, or has lost something since the start.
    pub(crate) fn keeps(&self, view: u32) -> Option<Millis> {
        let kept = self.kept.get(view as usize).copied().flatten();
        kept.filter(|_| self.tracked && self.epoch == 0)
    }

    /// Takes a new row for one that Redis has. Its TTL is refreshed within an eighth of it, which finds
    /// out whether that is so.
    pub(crate) fn keep(&mut self, row: &mut Row<'_>, entry: Entry, ttl: Millis) {
        row.set(SENT | KEPT);
        row.pending.fill(0);
        row.written.copy_from_slice(row.valid);
        if row.is_null() {
            return;
        }
        let spread = u64::from(entry.slot.wrapping_mul(0x9e37_79b9) >> 22);
        let due = (entry.since / 1_000 + (ttl / 8).saturating_mul(spread) / 1_024).max(1);
        row.set_refresh_due(due);
        row.set(SCHEDULED);
        self.calendar.insert(due, (entry.view, entry.slot));
    }

    /// Puts a row back that has to be written (again).
    pub(crate) fn again(&mut self, row: &mut Row<'_>, entry: Entry) {
        self.soil(row);
        self.retry.push_back(entry);
    }

    /// Puts a row back that is on its way and has to be written after that.
    pub(crate) fn defer(&mut self, row: &mut Row<'_>, entry: Entry) {
        self.soil(row);
        self.deferred.push(entry);
    }

    /// Puts a row aside whose server is not there.
    pub(crate) fn park(&mut self, row: &mut Row<'_>, entry: Entry) {
        self.soil(row);
        if !row.has(PARKED) {
            row.set(PARKED);
            self.parked.rows.push(entry);
        }
        self.parked.note(entry.since);
    }

    /// Whether anything is to be written that does not wait for a server.
    pub(crate) fn is_ready(&self) -> bool {
        let waiting = self.rows > self.parked.rows.len() || self.deletions.len() > 0;
        waiting || self.in_flight > 0 || self.reassert.is_some()
    }

    /// A row is dirty.
    #[inline]
    fn soil(&mut self, row: &mut Row<'_>) {
        if !row.has(DIRTY) {
            row.set(DIRTY);
            self.rows += 1;
        }
    }

    /// A row is no longer dirty.
    pub(crate) fn unmark(&mut self, row: &mut Row<'_>) {
        if row.has(DIRTY) {
            row.clear(DIRTY);
            self.rows -= 1;
        }
    }

    /// Rows and keys that Redis does not have yet.
    pub(crate) fn len(&self) -> usize {
        self.rows + self.in_flight + self.deletions.len() + self.parked.deletions.len()
    }

    /// About what keeping track takes, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let again = self.retry.len() + self.deferred.len() + self.parked.rows.len();
        let again = again * size_of::<Entry>();
        let queues = self.arrival.bytes() + self.decay.bytes() + self.spaced.bytes();
        queues + self.calendar.bytes() + self.deletions.bytes() + again as u64
    }

    /// Whether Redis has everything.
    pub(crate) fn is_clean(&self) -> bool {
        self.len() == 0 && self.reassert.is_none()
    }

    /// Since when the oldest of them waits, in us.
    pub(crate) fn oldest(&self) -> Option<u64> {
        if self.rows == 0 {
            return self.deletions.oldest().into_iter().chain(self.parked.since).min();
        }
        self.unspaced().chain(self.spaced.oldest()).min()
    }

    /// As `oldest`, of those that do not wait on purpose at `now`: a row that was written a moment
    /// ago counts from its time on.
    pub(crate) fn overdue(&self, now: u64) -> Option<u64> {
        if self.rows == 0 {
            return self.deletions.oldest().into_iter().chain(self.parked.since).min();
        }
        self.unspaced().chain(self.spaced.next().filter(|due| *due <= now)).min()
    }

    /// Since when what does not wait for its time waits; what is retried comes from several queues,
    /// so that its front need not be its oldest.
    fn unspaced(&self) -> impl Iterator<Item = u64> {
        let fronts = self.arrival.front().into_iter().chain(self.decay.front());
        let waiting = fronts.chain(&self.retry).chain(&self.deferred).map(|entry| entry.since);
        waiting.chain(self.deletions.oldest()).chain(self.parked.since)
    }

    /// Redis lost what it had, or is another one: every row is to be asserted again.
    pub(crate) fn lost(&mut self) {
        self.epoch = (self.epoch + 1) & 0xff_ffff;
        self.reassert = Some(Cursor::default());
    }
}

/// Whether a row waits for its time, rather than one that had its slot before it.
fn is_spaced(row: &Row<'_>) -> bool {
    row.has(QUEUED_SPACED) && row.has(SENT) && !row.has(REPLACE | UPSERT)
}
