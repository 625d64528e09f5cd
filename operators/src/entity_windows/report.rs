//! What the windows of one entity tell: once a step, whatever the rows.

use super::Running;
use crate::shared::Reached;
use crate::time::EventTime;
use crate::window::batch::WindowBatch;

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
}

/// What `now` is more than `told`, which becomes `now`.
fn new(told: &mut u64, now: u64) -> u64 {
    now.saturating_sub(std::mem::replace(told, now))
}

impl Running {
    /// Tells the metrics and the source how far things are. `frontier`: that of the events; `done`:
    /// all below it is given out.
    pub(super) fn report(&mut self, frontier: Option<EventTime>, done: bool) {
        let (shared, metrics) = (&self.config.shared, &self.config.metrics);
        let before = shared.frontier.get();
        let given_out = if done { frontier.unwrap_or(EventTime::MAX) } else { self.sealed };
        let clock = self.live.as_ref().map_or(0, |live| live.clock());
        let all = shared.reach(self.config.entity, Reached { frontier: given_out, clock });
        if before != all.frontier {
            shared.wake_source();
            metrics.frontier.set(all.frontier);
        }
        if self.live.is_some() {
            metrics.live_clock.set(all.clock);
        }
        self.held();
        self.counted();
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
