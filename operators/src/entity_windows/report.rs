//! What the windows of one entity tell: once a step, whatever the rows.

use super::arrived::Arrived;
use super::handed::Handed;
use super::running::Running;
use crate::metrics::WorkerMetrics;
use crate::shared::{Reached, Shared};
use crate::time::{EventTime, Millis};
use crate::window::batch::WindowBatch;

/// Rows that arrive, steps, and ms while time goes on, between two looks at what memory is used: it
/// takes a look at every table.
const MEMORY_ROWS: usize = 4_096;
const MEMORY_STEPS: u32 = 256;
const MEMORY_EVERY: Millis = 1_000;
/// The bytes of a batch itself.
const BATCH_BYTES: u64 = size_of::<WindowBatch>() as u64;

/// What has been counted so far, so that only what is new is added.
#[derive(Debug, Default)]
pub(super) struct Told {
    rows_sealed: u64,
    rows_live: u64,
    features: u64,
    saturated: u64,
    int_overflows: u64,
    /// A gauge that all entities of the worker share.
    dictionary: u64,
    /// Rows that have arrived and steps since the last look at the memory, and when that was.
    pub memory_rows: usize,
    memory_steps: u32,
    memory_at: Millis,
}

/// What `now` is more than `told`, which becomes `now`.
fn new(told: &mut u64, now: u64) -> u64 {
    now.saturating_sub(std::mem::replace(told, now))
}

/// Tells the metrics and the source how far the windows of `entity` are: what has been reached is
/// given out, and where it belongs. `live`: whether they have a live clock.
pub fn tell_reached(
    (entity, reached): (usize, Reached),
    live: bool,
    shared: &Shared,
    metrics: &WorkerMetrics,
) {
    let before = shared.frontier.get();
    let all = shared.reach(entity, reached);
    if before != all.frontier {
        shared.wake_source();
        metrics.frontier.set(all.frontier);
    }
    if live {
        metrics.live_clock.set(all.clock);
    }
}

impl Running {
    /// How far things are. `frontier`: that of the events; `done`: all below it is given out.
    pub(super) fn reached(&self, frontier: Option<EventTime>, done: bool) -> Reached {
        let frontier = if done { frontier.unwrap_or(EventTime::MAX) } else { self.sealed };
        // After a restore rows are as of no clock until all of them are given out anew: one that is not
        // there yet is not one that is gone.
        let live = self.live.as_ref().filter(|_| self.anew.is_none());
        Reached { frontier, clock: live.map_or(0, |live| live.clock()) }
    }

    /// Tells what has been reached, unless it has been told or the rows on their way tell it.
    pub(super) fn tell_reached(&mut self) {
        if let Some(reached) = self.reached.take() {
            let (config, live) = (&self.config, self.live.is_some());
            tell_reached((config.entity, reached), live, &config.shared, &config.metrics);
        }
    }

    /// Tells the metrics what is held and what was computed; `over`: it will not be told again.
    pub(super) fn report(&mut self, over: bool) {
        self.held();
        self.counted();
        let (told, now) = (&mut self.told, self.config.shared.now.get());
        told.memory_steps += 1;
        let many = told.memory_rows >= MEMORY_ROWS || told.memory_steps >= MEMORY_STEPS;
        if over || many || now >= told.memory_at + MEMORY_EVERY {
            (told.memory_rows, told.memory_steps, told.memory_at) = (0, 0, now);
            self.memory();
        }
    }

    /// How much memory rows take that are not sealed yet, or not even there.
    pub(super) fn unsealed_bytes(&self) -> u64 {
        let unarrived = self.arrived.as_ref().map_or(0, Arrived::memory);
        (self.state.borrow().log.stash.memory() + unarrived) as u64
    }

    /// How much memory the state takes.
    fn memory(&self) {
        let entity = &self.config.metrics.entities[self.config.entity];
        let log = &self.state.borrow().log;
        let live = self.live.as_ref().map_or(0, |live| live.memory());
        let sealed = self.sealing.as_ref().map_or(0, |sealing| sealing.memory());
        entity.accumulator_bytes.set((live + sealed) as u64);
        entity.history_bytes.set(log.history_memory() as u64);
        entity.dictionary_bytes.set(log.names.memory() as u64);
        entity.unsealed_bytes.set(self.unsealed_bytes());
        entity.checkpoint_bytes.set(self.handed.as_ref().map_or(0, Handed::memory) as u64);
        entity.lines_bytes.set(self.ahead.bytes());
        let free = log.names.free_slots();
        let live = self.live.as_ref().map_or(0, |live| live.reusable(free));
        let sealed = self.sealing.as_ref().map_or(0, |sealing| sealing.reusable(free));
        let reusable = live + sealed + log.history_reusable() + log.names.reusable();
        entity.reusable_bytes.set(reusable as u64);
    }

    /// What is held.
    fn held(&mut self) {
        let metrics = &self.config.metrics;
        let state = self.state.borrow();
        let log = &state.log;
        let entity = &metrics.entities[self.config.entity];
        entity.entities.set(log.names.entities.len() as u64);
        self.hot.tell(&log.names, entity);
        entity.timeline_rows.set(log.log.end() - log.log.start());
        entity.timeline_bytes.set(log.log.bytes() as u64);
        if let Some(cold) = self.config.shared.cold.as_ref().filter(|_| log.log.goes_cold()) {
            let counts = log.log.cold();
            entity.hot_window.set(cold.hot_window);
            entity.cold_rows.set(counts.rows);
            entity.cold_bytes.set(counts.bytes);
            entity.cold_back.set(counts.back);
            entity.cold_reads.set(counts.reads);
            entity.cold_failures.set(counts.failures);
        }
        let names = log.names.len() as u64;
        metrics.dictionary_entries.replace_part(self.told.dictionary, names);
        self.told.dictionary = names;
        let row_bytes = log.log.row_bytes() as u64;
        for (at, (window, held)) in entity.windows.iter().zip(state.window_states()).enumerate() {
            // Live windows are the wider ones: they have what is not sealed yet.
            window.events.set(self.live.as_ref().map_or(held.events, |live| live.window_rows(at)));
            window.batches.set(held.batches);
            window.rows.set(held.rows);
            window.bytes.set(held.rows * row_bytes + held.batches * BATCH_BYTES);
        }
    }

    /// Live windows, which keep places of their own, hold what the arrangements do once both stand at
    /// the same time and no event lies ahead of it, which would count in the live ones alone.
    pub(super) fn check(&self) {
        let Some(live) = &self.live else { return };
        let state = self.state.borrow();
        let ahead = state.log.stash.floor().is_some();
        if ahead || live.clock().checked_add(1) != Some(self.sealed) {
            return;
        }
        for (at, window) in state.window_states().enumerate() {
            debug_assert_eq!(live.window_rows(at), window.events, "events inside window {at}");
        }
    }

    /// What was computed.
    fn counted(&mut self) {
        let (told, metrics) = (&mut self.told, &self.config.metrics);
        let (mut features, mut saturated, mut overflows) = (0, 0, 0);
        if let Some(live) = &self.live {
            metrics.rows_live.add(new(&mut told.rows_live, live.rows()));
            features += live.values();
            saturated += live.saturated();
            overflows += live.int_overflows();
        }
        if let Some(sealing) = &self.sealing {
            metrics.rows_sealed.add(new(&mut told.rows_sealed, sealing.rows()));
            features += sealing.values();
            saturated += sealing.saturated();
            overflows += sealing.int_overflows();
        }
        metrics.features.add(new(&mut told.features, features));
        metrics.distinct_saturated.add(new(&mut told.saturated, saturated));
        metrics.int_overflows.add(new(&mut told.int_overflows, overflows));
    }
}
