//! The newest rows in the process: a shard for each worker, which alone writes to it.
//!
//! Both stores are built on it. The embedded store is the table; the Redis store is the table and
//! threads that write to Redis what the table says is not there yet. So rows coalesce by
//! themselves, an outage of Redis stalls nothing, and reads never depend on Redis.
//!
//! Bound: one row for each entity and view that holds something.

use crate::online::dirt::Dirt;
use crate::online::rows::Rows;
use crate::online::schema::Schema;
use crate::online::shard::{Shard, Tally};
use crate::online::{AppliedRow, ByCause, HeldRow, Row};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::online::{AppliedEvents, EntityIds, OnlineSink, RowBatch};
use tidemark_operators::shape::Shape;
use tidemark_operators::time::EventTime;

/// How long is waited for rows that are on their way, and how often it is looked for them.
const APPLIED_WITHIN: Duration = Duration::from_millis(500);
const APPLIED_EVERY: Duration = Duration::from_millis(1);

/// How the table keeps track of what is not in Redis yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tracking {
    /// So many dirty rows are written at once, without waiting for more.
    pub(crate) flush_rows: usize,
    /// See `Deletions`.
    pub(crate) deletions_max: usize,
}

/// The table.
#[derive(Debug)]
pub struct Table {
    pub(crate) schema: Arc<Schema>,
    /// One for each worker of this process.
    cells: Vec<Arc<Cell>>,
    shape: Shape,
    /// Held by who waits for rows that are on their way: one at a time, so that those who ask for what is
    /// on its way keep nobody waiting who does not.
    waits: Mutex<()>,
    pub(crate) clock: Clock,
}

/// A shard, and what wakes the thread that writes it to Redis.
#[derive(Debug)]
pub(crate) struct Cell {
    shard: Mutex<Shard>,
    pub(crate) wake: Condvar,
    flush_rows: usize,
    counters: Counters,
}

/// What was written to a shard since the start.
#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    arrival: AtomicU64,
    decay: AtomicU64,
    unchanged: AtomicU64,
    deleted: AtomicU64,
    coalesced: AtomicU64,
    finished: AtomicU64,
    held_bytes: AtomicU64,
    reusable_bytes: AtomicU64,
}

/// Time since the store was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn now_us(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Sums over the shards.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) rows: u64,
    pub(crate) changed: ByCause,
    pub(crate) unchanged: u64,
    pub(crate) deleted: u64,
    pub(crate) coalesced: u64,
}

impl Table {
    pub(crate) fn new(schema: Arc<Schema>, shape: Shape, tracking: Option<Tracking>) -> Self {
        let max = tracking.map_or(0, |t| t.deletions_max);
        let cells = shape.workers().map(|_| {
            let dirt = Dirt::new(schema.views.len(), max, tracking.is_some());
            Arc::new(Cell {
                shard: Mutex::new(Shard::new(Arc::clone(&schema), dirt)),
                wake: Condvar::new(),
                flush_rows: tracking.map_or(usize::MAX, |t| t.flush_rows),
                counters: Counters::default(),
            })
        });
        let cells = cells.collect();
        let (waits, clock) = (Mutex::default(), Clock(Instant::now()));
        Table { schema, cells, shape, waits, clock }
    }

    pub(crate) fn cells(&self) -> &[Arc<Cell>] {
        &self.cells
    }

    /// The worker's end.
    ///
    /// # Panics
    /// When the table has no shard for this worker.
    pub(crate) fn writer(&self, worker: usize) -> TableWriter {
        let (place, workers) = (self.shape.place(worker), self.shape.workers());
        assert!(place.is_some(), "worker {worker} of an online store made for {workers:?}");
        let cell = self.cells.iter().skip(place.unwrap_or(0)).take(1).map(Arc::clone);
        TableWriter { cells: cell.collect(), clock: self.clock }
    }

    pub(crate) fn get(&self, view: usize, id: &[u8]) -> Option<Row> {
        let cell = self.cell(id)?;
        let (as_of, values) = cell.lock().get(view, id)?;
        Some(Row { as_of: as_of.max(cell.finished()), values })
    }

    /// See [`OnlineStore::applied`](crate::online::OnlineStore::applied).
    pub(crate) fn applied(&self, view: usize, id: &[u8]) -> Option<AppliedRow> {
        let (cell, asked) = (self.cell(id)?, Instant::now());
        let mut waiting = None;
        loop {
            let mut shard = cell.lock();
            if let Some(events) = shard.shown(view).cloned() {
                let values = shard.get(view, id).map(|(_, values)| values);
                return Some(AppliedRow { values, events });
            }
            // Where none is on its way there was none yet.
            let waits = shard.is_passed(view);
            drop(shard);
            if !waits || asked.elapsed() >= APPLIED_WITHIN {
                return None;
            }
            if waiting.is_none() {
                waiting = Some(self.waits.try_lock().ok()?);
            }
            std::thread::sleep(APPLIED_EVERY);
        }
    }

    /// The rows of an entity, whose worker its id tells: one shard is locked, once.
    pub(crate) fn read(
        &self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) {
        if let Some(cell) = self.cell(id) {
            cell.lock().read_rows(entity, id, views, found);
        }
    }

    /// The same with which events they show; `None`: they are on their way, or there are none yet.
    pub(crate) fn read_applied(
        &self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) -> Option<AppliedEvents> {
        let mut shard = self.cell(id)?.lock();
        let events = shard.shown_of(entity)?.clone();
        shard.read_rows(entity, id, views, found);
        Some(events)
    }

    /// The shard of an entity's worker; `None`: that one is in another process.
    fn cell(&self, id: &[u8]) -> Option<&Arc<Cell>> {
        self.shape.place(self.shape.owner(id)).and_then(|place| self.cells.get(place))
    }

    /// All rows of a view, by the bytes of their ids.
    pub(crate) fn rows(&self, view: usize) -> Vec<(Vec<u8>, Row)> {
        let mut rows = Vec::new();
        for cell in &self.cells {
            let finished = cell.finished();
            let mut shard = cell.lock();
            let Some(schema) = self.schema.views.get(view) else { continue };
            for slot in 0..shard.views.get(view).map_or(0, Rows::end) {
                let Some((as_of, values)) = shard.read(view, slot) else { continue };
                let id = shard.entities.get(schema.entity).and_then(|ids| ids.id(slot));
                let id = id.map_or_else(Vec::new, |id| id.to_vec());
                rows.push((id, Row { as_of: as_of.max(finished), values }));
            }
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows
    }

    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for Counters { rows, arrival, decay, unchanged, deleted, coalesced, .. } in
            self.cells.iter().map(|cell| &cell.counters)
        {
            totals.rows += rows.load(Relaxed);
            totals.changed.arrival += arrival.load(Relaxed);
            totals.changed.decay += decay.load(Relaxed);
            totals.unchanged += unchanged.load(Relaxed);
            totals.deleted += deleted.load(Relaxed);
            totals.coalesced += coalesced.load(Relaxed);
        }
        totals
    }

    /// What the shards take in memory, as of the newest batch of each.
    pub(crate) fn memory(&self) -> HeldBytes {
        let of = |cell: &Arc<Cell>| HeldBytes {
            held: cell.counters.held_bytes.load(Relaxed),
            reusable: cell.counters.reusable_bytes.load(Relaxed),
        };
        self.cells.iter().map(of).sum()
    }
}

impl Cell {
    /// The shard. A thread that panicked with it left whole rows behind: a row is never half
    /// written across a call that can panic.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finished(&self) -> EventTime {
        self.counters.finished.load(Relaxed)
    }

    fn count(&self, tally: Tally) {
        let counters = &self.counters;
        counters.arrival.fetch_add(tally.changed_arrival, Relaxed);
        counters.decay.fetch_add(tally.changed_decay, Relaxed);
        counters.unchanged.fetch_add(tally.unchanged, Relaxed);
        counters.deleted.fetch_add(tally.deleted, Relaxed);
        counters.coalesced.fetch_add(tally.coalesced, Relaxed);
        counters.rows.fetch_add(tally.appeared, Relaxed);
        counters.rows.fetch_sub(tally.deleted, Relaxed);
    }
}

/// A worker's end of the table. It takes the shard's lock once a batch, and only a thread that
/// reads a row or packs a slice of them for Redis may hold it meanwhile.
#[derive(Debug)]
pub(crate) struct TableWriter {
    /// Exactly one.
    cells: Vec<Arc<Cell>>,
    clock: Clock,
}

impl OnlineSink for TableWriter {
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
        let now = self.clock.now_us();
        for cell in &self.cells {
            let mut shard = cell.lock();
            let before = shard.queued();
            shard.pass(batch.view);
            let tally = shard.write(batch, ids, now);
            let (after, memory) = (shard.queued(), shard.memory());
            drop(shard);
            cell.count(tally);
            cell.counters.held_bytes.store(memory.held, Relaxed);
            cell.counters.reusable_bytes.store(memory.reusable, Relaxed);
            // A thread that waits has looked at the fronts of the queues: only a new front, or a
            // full flush, is news to it.
            let full = before.arrival < cell.flush_rows && after.arrival >= cell.flush_rows;
            let first = before.arrival == 0 && after.arrival > 0
                || before.decay == 0 && after.decay > 0
                || before.deletions == 0 && after.deletions > 0;
            if full || first {
                cell.wake.notify_one();
            }
        }
    }

    fn applied(&mut self, applied: &AppliedEvents) {
        self.cells.iter().for_each(|cell| cell.lock().show(applied));
    }

    fn finish(&mut self, as_of: EventTime) {
        for cell in &self.cells {
            cell.counters.finished.fetch_max(as_of, Relaxed);
        }
    }
}

/// How much waits in a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Queued {
    arrival: usize,
    decay: usize,
    deletions: usize,
}

impl Shard {
    fn queued(&self) -> Queued {
        let dirt = &self.dirt;
        Queued {
            arrival: dirt.arrival.len(),
            decay: dirt.decay.len(),
            deletions: dirt.deletions.len(),
        }
    }
}
