//! What one flusher has done: numbers that it alone writes and anyone reads.

use crate::online::dirt::Entry;
use crate::online::redis::flush::Command;
use crate::online::status::{
    BreakerState, ByCause, Commands, Histogram, LATENCY_BOUNDS_MS, MemoryStatus, NodeStatus,
    RedisStatus,
};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidemark_operators::online::Cause;

/// The record of one flusher. The lock is taken a few times a round trip, never a row.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Numbers>);

/// The numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) connected: bool,
    pub(crate) breaker: BreakerState,
    pub(crate) last_error: Option<String>,
    /// Whether that is for want of memory.
    pub(crate) full: bool,
    pub(crate) rows_written: ByCause,
    pub(crate) arrival: Commands,
    pub(crate) decay: Commands,
    pub(crate) pipelines: u64,
    pub(crate) flushed: u64,
    pub(crate) retries: u64,
    pub(crate) healed: u64,
    /// Heartbeats acknowledged.
    pub(crate) beats: u64,
    /// Rows sent because Redis had lost all of them.
    pub(crate) rewritten: u64,
    /// Keys evicted and not written again since.
    pub(crate) evicted: u64,
    /// Whether keys of earlier runs are being looked for.
    pub(crate) sweeping: bool,
    pub(crate) spacing_ms: u64,
    pub(crate) memory: Option<MemoryStatus>,
    /// Of a cluster.
    pub(crate) nodes: Vec<NodeStatus>,
    pub(crate) latency_arrival: Histogram,
    pub(crate) latency_decay: Histogram,
    /// Since when the oldest row in flight is dirty, in us.
    pub(crate) in_flight_since: Option<u64>,
}

impl Record {
    pub(crate) fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    /// Counts an acknowledged command.
    pub(crate) fn command(&mut self, command: Command, cause: Cause) {
        let commands = match cause {
            Cause::Arrival => &mut self.arrival,
            Cause::Decay | Cause::Restored => &mut self.decay,
        };
        match command {
            Command::Hset => commands.hset += 1,
            Command::Hdel => commands.hdel += 1,
            Command::Del | Command::Eval => commands.del += 1,
            Command::Pexpire => commands.pexpire += 1,
            Command::Hlen | Command::Multi | Command::Exec | Command::Beat => {}
        }
    }

    /// Counts an acknowledged row; `decay` is how long decayed rows may wait, in us.
    pub(crate) fn written(&mut self, entry: Entry, now: u64, decay: u64) {
        let waited = now.saturating_sub(entry.since);
        match entry.cause {
            Cause::Arrival => {
                self.rows_written.arrival += 1;
                observe(&mut self.latency_arrival, waited);
            }
            Cause::Decay | Cause::Restored => {
                self.rows_written.decay += 1;
                observe(&mut self.latency_decay, waited.saturating_sub(decay));
            }
        }
    }

    /// Adds these numbers to those of other shards.
    pub(crate) fn add_to(&self, status: &mut RedisStatus) {
        status.connected &= self.connected;
        status.full |= self.full;
        status.breaker = status.breaker.max(self.breaker);
        if status.last_error.is_none() {
            status.last_error.clone_from(&self.last_error);
        }
        status.rows_written.arrival += self.rows_written.arrival;
        status.rows_written.decay += self.rows_written.decay;
        add(&mut status.arrival, self.arrival);
        add(&mut status.decay, self.decay);
        status.pipelines += self.pipelines;
        status.flushed += self.flushed;
        status.retries += self.retries;
        status.healed += self.healed;
        status.beats += self.beats;
        status.rewritten += self.rewritten;
        status.evicted += self.evicted;
        status.sweeping |= self.sweeping;
        status.spacing_ms = status.spacing_ms.max(self.spacing_ms);
        status.memory = status.memory.or(self.memory);
        for node in &self.nodes {
            match status.nodes.iter_mut().find(|known| known.address == node.address) {
                Some(known) => known.add(node),
                None => status.nodes.push(node.clone()),
            }
        }
        merge(&mut status.latency_arrival, &self.latency_arrival);
        merge(&mut status.latency_decay, &self.latency_decay);
    }
}

fn add(to: &mut Commands, from: Commands) {
    to.hset += from.hset;
    to.hdel += from.hdel;
    to.del += from.del;
    to.pexpire += from.pexpire;
}

#[expect(clippy::cast_precision_loss, reason = "a latency in us is far below 2^53")]
fn observe(histogram: &mut Histogram, us: u64) {
    let ms = us as f64 / 1_000.0;
    let bucket = LATENCY_BOUNDS_MS.iter().take_while(|bound| ms > **bound).count();
    if let Some(count) = histogram.counts.get_mut(bucket) {
        *count += 1;
    }
    histogram.sum_us += us;
}

fn merge(to: &mut Histogram, from: &Histogram) {
    for (to, from) in to.counts.iter_mut().zip(from.counts) {
        *to += from;
    }
    to.sum_us += from.sum_us;
}
