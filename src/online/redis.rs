//! The store in Redis: the table, and a thread and a connection for each of its shards.
//!
//! A row is the hash `features:{entity_type}:{id}:{view}` with a field for each feature that is not
//! null; the values are text. Only changed fields are written. TTLs are a dead man's switch: a key
//! that holds something is refreshed before half of its TTL has passed, and one that holds nothing
//! is deleted.
//!
//! A row is written when it changes: `flush_interval` after an event, `decay_flush` after decay alone.
//! Only when more than `write_rate` commands a second are sent for rows that change again and again
//! does one that was written a moment ago wait, and take along what changes until then (`spread`).
//!
//! # Why this way
//!
//! - Redis is a copy of the table, and the replies check it: HSET and HDEL say how many fields were
//!   new or removed, PEXPIRE whether the key is there. When that is not what the table expects
//!   (evicted, expired, flushed, written by others), the key is replaced. No extra command is spent
//!   on it, but for HLEN at each refresh of a TTL, which finds fields that are none of ours.
//! - The first write of a key sets every feature and its TTL. When the reply says that the key was
//!   there before, from an earlier run, features that are null now are removed by a HDEL; where none
//!   is null, a restart costs a key one HSET and one PEXPIRE.
//! - The heartbeat of a worker goes along with every flush and at least every second. A reply that
//!   calls its field new says that Redis was flushed, or evicts what it should keep: every row is
//!   written again.
//! - On every connection the server's `run_id` and `master_replid` are read; another one than before
//!   means a restart or a failover, and every row is written again while changed rows go first. Both at `rewrite_rate`
//!   at most, so that Redis goes on answering.
//! - A failed round trip leaves every row of it dirty and in doubt, to be written in full. Nothing
//!   is assumed about how far it came.
//! - In a cluster a flusher has a connection to each server (`nodes`), and a round trip goes out to all
//!   of them at once. What one of them does not take waits for that one alone.
//! - DEL and HSET of one key are never reordered: one connection a shard, one round trip in flight,
//!   and a key that has a row again calls its deletion off.

mod allowance;
mod breaker;
mod claim;
mod clear;
mod connecting;
mod evictions;
mod fence;
mod flush;
mod flusher;
mod gate;
mod ledger;
mod left;
mod link;
#[cfg(test)]
mod model;
mod nodes;
mod plain;
mod projects;
mod pulse;
mod read;
mod reader;
mod record;
mod replies;
mod schedule;
mod sentinel;
mod servers;
mod settings;
mod settle;
mod slots;
mod spread;
mod survey;
mod sweep;
mod take;
#[cfg(test)]
mod traffic;
mod wire;

pub(crate) use breaker::Breaker;
pub use fence::Generation;
pub use gate::Refusal;
pub use left::{LeftRows, clock_left_in_redis, left_in_redis};
pub use read::{TextRow, read_redis};
pub use reader::{ReadError, RedisReader, RowsAsked, RowsRead};
pub use servers::{AddressError, RedisServers, SentinelSettings, ServerAddress};
pub use settings::{MemorySettings, RedisSettings, Secret, TlsSettings};
pub use survey::{RedisSurvey, SurveyedServer, heartbeats, survey};

use crate::checkpoint::Leading;
use crate::online::schema::Schema;
use crate::online::table::{Table, Tracking};
use crate::online::{Incomplete, OnlineStore, RedisStatus, StoreError, StoreStatus};
use crate::wall_clock::wall_ms;
use fence::Fence;
use flusher::{Flusher, Shared};
use gate::Gate;
use record::Record;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::Shown;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::time::Millis;
use wire::ViewWire;

/// How often it is looked whether the flushers have ended.
const CLOSING_TICK: Duration = Duration::from_millis(2);

/// How a store begins.
#[derive(Default)]
pub struct StoreStart {
    /// Rows stay in the table until [`OnlineStore::release`].
    pub hold: bool,
    /// Which run of the job this is, where runs are numbered: an earlier one, and one that has come
    /// after, never write beside it.
    pub generation: Option<Generation>,
    /// Whether that run still leads, for when Redis has lost who does; `None`: nobody can say.
    pub leads: Option<Leading>,
    /// What Redis is taken to show of the run before, for how long nobody has written there: rows that
    /// are given with [`Cause::Restored`] and are new to the table are not written. Whether it is so is
    /// looked at before anything is; `None`: every row is written.
    ///
    /// [`Cause::Restored`]: tidemark_operators::online::Cause::Restored
    pub shown: Option<(Shown, Millis)>,
    /// The workers of this process among all that write; `None`: there are no others.
    pub shape: Option<Shape>,
}

/// A TTL of which more than this part may have passed without anybody who refreshes it is not relied on.
const SILENT_PART: Millis = 8;

/// An online store in a Redis server (standalone or the primary of a failover group). Reads answer
/// from the table, whether Redis is there or not.
#[derive(Debug)]
pub struct Redis {
    table: Table,
    gate: Arc<Gate>,
    records: Vec<Arc<Record>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Redis {
    /// Starts a store for the views of `plan`: a shard, a connection and a thread for each of
    /// `workers`. Does not wait for Redis; how the connection is, [`OnlineStore::status`] says.
    /// While `hold`, rows stay in the table and nothing is written, until [`OnlineStore::release`]:
    /// a job that was restarted catches up first and publishes then.
    ///
    /// # Errors
    /// [`StoreError::Thread`] when a thread cannot be started.
    pub fn start(
        plan: &Plan,
        workers: usize,
        settings: RedisSettings,
        hold: bool,
    ) -> Result<Redis, StoreError> {
        let metrics = (0..workers).map(|worker| Arc::new(WorkerMetrics::new(worker, plan)));
        let start = StoreStart { hold, ..StoreStart::default() };
        Redis::start_for(plan, &metrics.collect::<Vec<_>>(), settings, start)
    }

    /// As [`Redis::start`], for the workers of a running job: their heartbeats tell of the clocks
    /// in `metrics`, of which there is one for each worker.
    ///
    /// # Errors
    /// [`StoreError::Thread`] when a thread cannot be started.
    pub fn start_for(
        plan: &Plan,
        metrics: &[Arc<WorkerMetrics>],
        settings: RedisSettings,
        start: StoreStart,
    ) -> Result<Redis, StoreError> {
        let StoreStart { hold, generation, leads, shown, shape } = start;
        let shape = shape.unwrap_or(Shape::one_process(metrics.len()));
        let schema = Arc::new(Schema::new(plan));
        if let Some((first, second)) = settings.layout.collision(&schema) {
            return Err(StoreError::Collision { first, second });
        }
        let wire = Arc::new(ViewWire::all(&schema, &settings.placing()));
        let flush_rows = settings.flush_rows.max(1);
        let tracking = Tracking { flush_rows, deletions_max: settings.deletions_max };
        let table = Table::new(Arc::clone(&schema), shape, Some(tracking));
        let gate = Arc::new(Gate::new(hold, schema.views.len()));
        let records = table.cells().iter().map(|_| Arc::default()).collect();
        let store = Redis { table, gate, records, threads: Mutex::default() };
        let shares_keys = wire.iter().any(ViewWire::is_shared);
        store.table.cells().iter().for_each(|cell| cell.lock().dirt.shares_keys = shares_keys);
        let (clock, gate) = (store.table.clock, Arc::clone(&store.gate));
        let cells = store.table.cells().iter().map(Arc::clone).collect();
        let definition =
            generation.as_ref().map(|generation| left::definition(plan, &settings, generation));
        if let Some((_, silent)) = shown {
            let kept = |wire: &ViewWire| Some(wire.ttl).filter(|ttl| silent <= ttl / SILENT_PART);
            let kept: Vec<_> = wire.iter().map(kept).collect();
            let cells = store.table.cells().iter();
            cells.for_each(|cell| cell.lock().dirt.kept.clone_from(&kept));
        }
        let kept = shown.map(|(shown, _)| shown);
        let fence =
            generation.map(|own| Fence::new(&settings.bookkeeping(), &schema.job, own, leads));
        let fence = fence.map(Arc::new);
        let (settings, started) = (Arc::new(settings), wall_ms().unwrap_or(0));
        let shared = Shared {
            clock,
            settings,
            wire,
            gate,
            schema,
            cells,
            shape,
            started,
            fence,
            definition,
            kept,
        };
        store.spawn(&shared, metrics)?;
        Ok(store)
    }

    fn spawn(&self, shared: &Shared, metrics: &[Arc<WorkerMetrics>]) -> Result<(), StoreError> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = self.table.cells().iter().zip(&self.records).zip(metrics);
        for (at, ((cell, record), metrics)) in workers.enumerate() {
            let (cell, record) = (Arc::clone(cell), Arc::clone(record));
            let flusher = Flusher::new(at, cell, shared.clone(), record, Arc::clone(metrics));
            let thread = std::thread::Builder::new().name(format!("redis-{at}"));
            threads.push(thread.spawn(move || flusher.run()).map_err(StoreError::Thread)?);
        }
        Ok(())
    }

    /// Wakes all flushers to look at the gate again.
    fn wake(&self) {
        for cell in self.table.cells() {
            // Whoever is about to sleep holds the lock: after this it sleeps, or has seen the gate.
            drop(cell.lock());
            cell.wake.notify_all();
        }
    }

    fn stop_by(&self, deadline: u64) {
        self.gate.close(deadline);
        self.wake();
    }
}

impl OnlineStore for Redis {
    fn table(&self) -> &Table {
        &self.table
    }

    fn status(&self) -> StoreStatus {
        let totals = self.table.totals();
        let now = self.table.clock.now_us();
        let mut status = RedisStatus {
            connected: true,
            held: self.gate.is_held(),
            coalesced: totals.coalesced,
            refused: self.gate.refused(),
            ..RedisStatus::default()
        };
        for (cell, record) in self.table.cells().iter().zip(&self.records) {
            let numbers = record.numbers().clone();
            numbers.add_to(&mut status);
            let shard = cell.lock();
            status.dirty += shard.dirt.len() as u64;
            status.reasserting |= shard.dirt.reassert.is_some();
            status.left_to_ttl += shard.dirt.left_to_ttl;
            status.swept += shard.dirt.swept_keys;
            status.sweep_waiting += shard.dirt.swept.len() as u64;
            let oldest = shard.dirt.overdue(now).into_iter().chain(numbers.in_flight_since).min();
            // Held back, a row waits for the job; from then on it waits for Redis.
            let age = oldest
                .filter(|_| !status.held)
                .map_or(0, |since| now.saturating_sub(since.max(self.gate.released())) / 1_000);
            status.oldest_dirty_ms = status.oldest_dirty_ms.max(age);
            let behind = shard.dirt.oldest().into_iter().chain(numbers.in_flight_since).min();
            let behind = behind.map_or(0, |since| now.saturating_sub(since) / 1_000);
            status.behind_ms = status.behind_ms.max(behind);
        }
        StoreStatus::new(totals, Some(status))
    }

    fn release(&self) {
        self.gate.release(self.table.clock.now_us());
        self.wake();
    }

    fn complete(&self, view: usize) {
        if !self.gate.is_complete(view) {
            self.gate.complete(view);
            self.wake();
        }
    }

    fn incomplete(&self, views: Incomplete) {
        self.gate.lack(views);
    }

    fn close(&self, within: Duration) -> Result<(), StoreError> {
        self.stop_by(self.table.clock.now_us().saturating_add(schedule::micros(within)));
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let until = self.table.clock.now_us().saturating_add(schedule::micros(within));
        while threads.iter().any(|thread| !thread.is_finished())
            && self.table.clock.now_us() < until
        {
            std::thread::sleep(CLOSING_TICK);
        }
        // One that waits for a reply is left to it: what it has in flight counts as unwritten. One
        // that panicked has left its rows dirty.
        threads.clear();
        let left = self.table.cells().iter().map(|cell| cell.lock().dirt.len()).sum();
        let status = self.status().redis.unwrap_or_default();
        if left == 0 && !status.reasserting {
            return Ok(());
        }
        Err(StoreError::Unwritten { rows: left, reason: status.last_error })
    }
}

impl Drop for Redis {
    /// Stops the threads without waiting for them; what is not written stays unwritten.
    fn drop(&mut self) {
        self.stop_by(0);
    }
}
