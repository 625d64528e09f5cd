//! Rows on their way to the store: who may be shown, and whose values an event changed.
//!
//! A worker's rows are looked at under its lock and written under it too, and the screen reads under
//! the locks of all: so it never sees values that an event has changed without the count of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemark_operators::online::{AppliedEvents, Cause, EntityIds, OnlineSink, RowBatch};
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// Entities of a worker that are kept at most; others are not noticed.
const FLAGGED_MAX: usize = 16_384;

/// The rows that are of interest.
#[derive(Clone, Debug, Default)]
pub(super) struct Interest {
    /// For each view of the job, whether it is of the entity that is shown.
    views: Vec<bool>,
    /// View and feature that say who is considered, and from which value on; `None`: nobody is.
    gate: Option<(usize, usize, i64)>,
}

impl Interest {
    /// In the entity type at `entity`, by `gate`.
    pub fn new(plan: &Plan, entity: usize, gate: Option<(usize, usize, i64)>) -> Self {
        Self { views: plan.views.iter().map(|view| view.entity == entity).collect(), gate }
    }
}

/// What a worker's rows said.
#[derive(Debug, Default)]
pub(super) struct SeenRows {
    flagged: HashSet<Box<[u8]>>,
    /// Of those that are shown, how many rows an event changed.
    arrivals: HashMap<Box<[u8]>, u64>,
}

/// What the rows of all workers said.
#[derive(Clone, Debug)]
pub(super) struct Flagged {
    interest: Arc<Interest>,
    workers: Vec<Arc<Mutex<SeenRows>>>,
}

impl Flagged {
    pub fn new(interest: Interest, workers: usize) -> Self {
        let seen = |_| Arc::new(Mutex::new(SeenRows::default()));
        Self { interest: Arc::new(interest), workers: (0..workers.max(1)).map(seen).collect() }
    }

    /// The store's end of a worker, looked at.
    pub fn watch(&self, worker: usize, sink: Box<dyn OnlineSink>) -> Box<dyn OnlineSink> {
        match self.workers.get(worker) {
            None => sink,
            Some(seen) => {
                Box::new(WatchedRows { interest: self.interest.clone(), seen: seen.clone(), sink })
            }
        }
    }

    /// Keeps all workers from writing rows until it is dropped.
    pub fn hold(&self) -> HeldRows<'_> {
        let all = self.workers.iter();
        HeldRows(all.map(|seen| seen.lock().unwrap_or_else(PoisonError::into_inner)).collect())
    }
}

/// Rows that do not change.
pub(super) struct HeldRows<'a>(Vec<MutexGuard<'a, SeenRows>>);

impl HeldRows<'_> {
    /// The ids of those who pass the gate, at most `count`.
    pub fn flagged(&self, count: usize) -> Vec<String> {
        let all = self.0.iter().flat_map(|seen| &seen.flagged).take(count);
        all.map(|id| String::from_utf8_lossy(id).into_owned()).collect()
    }

    /// How many rows of an entity an event changed since it is counted; it is, from now on.
    pub fn arrivals(&mut self, id: &str) -> u64 {
        let known = self.0.iter().filter_map(|seen| seen.arrivals.get(id.as_bytes())).sum();
        for seen in &mut self.0 {
            if !seen.arrivals.contains_key(id.as_bytes()) {
                seen.arrivals.insert(id.as_bytes().into(), 0);
            }
        }
        known
    }

    /// Counts for those with these ids alone from now on.
    pub fn count_only(&mut self, ids: &HashSet<&str>) {
        for seen in &mut self.0 {
            let is_wanted = |id: &[u8]| std::str::from_utf8(id).is_ok_and(|id| ids.contains(id));
            seen.arrivals.retain(|id, _| is_wanted(id));
        }
    }
}

struct WatchedRows {
    interest: Arc<Interest>,
    seen: Arc<Mutex<SeenRows>>,
    sink: Box<dyn OnlineSink>,
}

impl OnlineSink for WatchedRows {
    fn write(&mut self, batch: &RowBatch, ids: &dyn EntityIds) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.interest.views.get(batch.view) == Some(&true) {
            seen.look(self.interest.gate, batch, ids);
        }
        self.sink.write(batch, ids);
    }

    fn applied(&mut self, applied: &AppliedEvents) {
        self.sink.applied(applied);
    }

    fn finish(&mut self, as_of: EventTime) {
        self.sink.finish(as_of);
    }
}

impl SeenRows {
    fn look(&mut self, gate: Option<(usize, usize, i64)>, batch: &RowBatch, ids: &dyn EntityIds) {
        for (slot, cause) in batch.slots.iter().zip(&batch.causes) {
            if *cause == Cause::Arrival
                && let Some(count) = self.arrivals.get_mut(ids.id(*slot))
            {
                *count += 1;
            }
        }
        let Some((_, feature, least)) = gate.filter(|(view, ..)| *view == batch.view) else {
            return;
        };
        let Some(column) = batch.features.get(feature) else { return };
        for (row, slot) in batch.slots.iter().enumerate() {
            if column.int(row).is_some_and(|value| value >= least) {
                if self.flagged.len() < FLAGGED_MAX {
                    self.flagged.insert(ids.id(*slot).into());
                }
            } else if !self.flagged.is_empty() {
                self.flagged.remove(ids.id(*slot));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::value::Column;

    struct Named;

    impl EntityIds for Named {
        fn id(&self, slot: u32) -> &[u8] {
            [b"a".as_slice(), b"b", b"c"][slot as usize]
        }
    }

    struct Nowhere;

    impl OnlineSink for Nowhere {
        fn write(&mut self, _: &RowBatch, _: &dyn EntityIds) {}

        fn finish(&mut self, _: EventTime) {}
    }

    fn batch(view: usize, rows: &[(u32, Cause, Option<i64>)]) -> RowBatch {
        let mut column = Column::default();
        for (_, _, value) in rows {
            match value {
                Some(value) => column.push_int(*value),
                None => column.push_null(),
            }
        }
        RowBatch {
            view,
            slots: rows.iter().map(|(slot, ..)| *slot).collect(),
            causes: rows.iter().map(|(_, cause, _)| *cause).collect(),
            deleted: rows.iter().map(|_| false).collect(),
            features: vec![column],
            ..RowBatch::default()
        }
    }

    #[test]
    fn whoever_passes_the_gate_is_flagged_until_a_row_of_theirs_does_not() {
        let interest = Interest { views: vec![true, true], gate: Some((1, 0, 4)) };
        let flagged = Flagged::new(interest, 1);
        let mut sink = flagged.watch(0, Box::new(Nowhere));
        let of = || {
            let mut ids = flagged.hold().flagged(9);
            ids.sort_unstable();
            ids
        };
        sink.write(&batch(0, &[(2, Cause::Arrival, Some(9))]), &Named);
        assert!(of().is_empty(), "another view");
        let rows = [
            (0, Cause::Arrival, Some(4)),
            (1, Cause::Arrival, Some(7)),
            (2, Cause::Decay, Some(3)),
        ];
        sink.write(&batch(1, &rows), &Named);
        assert_eq!(of(), ["a", "b"]);
        sink.write(&batch(1, &[(0, Cause::Decay, Some(3)), (1, Cause::Decay, None)]), &Named);
        assert!(of().is_empty());
    }

    #[test]
    fn only_rows_that_an_event_changed_are_counted_and_only_of_those_who_are_shown() {
        let interest = Interest { views: vec![true, false], gate: None };
        let flagged = Flagged::new(interest, 1);
        let mut sink = flagged.watch(0, Box::new(Nowhere));
        assert_eq!(flagged.hold().arrivals("a"), 0);
        sink.write(&batch(0, &[(0, Cause::Arrival, None), (1, Cause::Arrival, None)]), &Named);
        sink.write(&batch(0, &[(0, Cause::Decay, None)]), &Named);
        sink.write(&batch(1, &[(0, Cause::Arrival, None)]), &Named);
        assert_eq!(flagged.hold().arrivals("a"), 1);
        assert_eq!(flagged.hold().arrivals("b"), 0, "nobody looked at it");
        flagged.hold().count_only(&HashSet::from(["b"]));
        assert_eq!(flagged.hold().arrivals("a"), 0);
    }
}
