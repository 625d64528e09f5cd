//! Rows that have been touched, on their way out.

use super::LiveWindows;
use super::view::{Taken, View, cause_of};
use crate::aggregate::last::Last;
use crate::aggregate::{Accumulators, Reading};
use crate::online::{BATCH_ROWS, Cause, HANDOUT_ROWS, RowBatch};
use crate::plan::Alive;
use crate::time::EventTime;
use crate::timeline::names::Names;
use crate::value::Column;
use crate::view::{Source, ratio};
use std::rc::Rc;

/// Batches, each used again once nobody else holds it: as many as one hand-out fills, which is at
/// most `HANDOUT_ROWS / BATCH_ROWS` and one more for each view.
#[derive(Default)]
pub(super) struct Batches(Vec<Rc<RowBatch>>);

impl Batches {
    /// Batch `at` of a hand-out, to be filled. Those before it exist.
    fn free(&mut self, at: usize) -> &mut Rc<RowBatch> {
        if at >= self.0.len() {
            self.0.push(Rc::default());
        }
        let at = at.min(self.0.len() - 1);
        let batch = &mut self.0[at];
        if Rc::get_mut(batch).is_none() {
            // Somebody reads it still: it is theirs.
            *batch = Rc::default();
        }
        batch
    }

    /// About how much memory they take, in bytes.
    pub fn memory(&self) -> usize {
        let batch = |b: &Rc<RowBatch>| {
            let columns: usize = b.features.iter().map(Column::memory).sum();
            columns + b.slots.capacity() * 4 + b.causes.capacity() + b.deleted.capacity()
        };
        self.0.iter().map(batch).sum()
    }
}

impl LiveWindows {
    /// Appends the rows that have been touched and not yet handed out to `out`, but at most
    /// [`HANDOUT_ROWS`] of them; says whether these were all. Nothing may arrive, and the clock may
    /// not move, until then.
    pub fn hand_out(&mut self, names: &Names, out: &mut Vec<Rc<RowBatch>>) -> bool {
        let (mut rows, mut batches) = (HANDOUT_ROWS, 0);
        for at in 0..self.views.len() {
            let mut touched = std::mem::take(&mut self.views[at].touched);
            while rows > 0 && !touched.is_empty() {
                let from = touched.len().saturating_sub(rows.min(BATCH_ROWS));
                rows -= touched.len() - from;
                let batch = Rc::make_mut(self.batches.free(batches));
                batch.slots.clear();
                // Where rows are given out rarely, an entity may be gone altogether by now.
                let marks = &mut self.views[at].marks;
                batch.slots.extend(touched.drain(from..).filter(|slot| {
                    let ids = &names.entities;
                    // Of one that is forgotten nothing more is told.
                    let told = ids.is_used(*slot) && !ids.is_unnamed(*slot);
                    if !told {
                        marks[*slot] = 0;
                    }
                    told
                }));
                if !batch.slots.is_empty() {
                    out.push(self.fill(at, batches, names));
                    batches += 1;
                }
            }
            self.views[at].touched = touched;
        }
        self.views.iter().all(|view| view.touched.is_empty())
    }

    /// Has the rows of `slots` in all views be given out as gone, whatever is held of them; none: nothing is
    /// gone in this way any more.
    pub fn leave(&mut self, slots: &[u32], names: &Names) {
        self.grow(names.entities.end());
        self.leaving.clear();
        self.leaving.extend(slots);
        self.touch(slots);
    }

    /// Has the rows of `slots` in all views be given out as if an event had changed them.
    pub(crate) fn touch(&mut self, slots: &[u32]) {
        for view in &mut self.views {
            slots.iter().for_each(|slot| view.touch(*slot, Cause::Arrival));
        }
    }

    /// Computes the rows in view `at` of the slots of batch `place`.
    fn fill(&mut self, at: usize, place: usize, names: &Names) -> Rc<RowBatch> {
        let batch = self.batches.free(place);
        let RowBatch { view: index, as_of, slots, causes, deleted, features } = Rc::make_mut(batch);
        let view = &mut self.views[at];
        read(view, &self.accumulators, &self.lasts, (slots, self.clock), names);
        (*index, *as_of) = (view.index, self.clock);
        features.resize(view.features.len(), Column::default());
        for (feature, from) in view.features.iter().enumerate() {
            match *from {
                // The view gets the column of an earlier batch for it, and fills that next time.
                Taken::Column(column) => {
                    std::mem::swap(&mut features[feature], &mut view.columns.columns[column]);
                }
                Taken::Feature(other) => {
                    let (before, after) = features.split_at_mut(feature);
                    after[0].clone_from(&before[other]);
                }
            }
        }
        causes.clear();
        deleted.clear();
        for (row, slot) in slots.iter().enumerate() {
            let mark = std::mem::take(&mut view.marks[*slot]);
            causes.push(cause_of(mark));
            let alive = !self.leaving.contains(slot)
                && view.alive.iter().any(|a| match *a {
                    Alive::Holds(a) => self.accumulators.holds(a, *slot),
                    Alive::Younger(l, extent) => self.lasts[l].holds(*slot, extent, self.clock),
                });
            deleted.push(!alive);
            if !alive {
                features.iter_mut().for_each(|f| f.valid[row] = false);
            }
        }
        self.rows += slots.len() as u64;
        self.values += (slots.len() * features.len()) as u64;
        Rc::clone(batch)
    }
}

/// Computes all columns of `view` for these slots, as of the clock.
pub(super) fn read(
    view: &mut View,
    accumulators: &Accumulators,
    lasts: &[Last],
    (slots, clock): (&[u32], EventTime),
    names: &Names,
) {
    view.columns.clear();
    for (read, column) in view.reads.iter().zip(&mut view.columns.columns) {
        match *read {
            Source::Accumulator(a, reading) => accumulators.read(a, reading, slots, column),
            Source::Ratio(n, d) => {
                let mut counts = [Column::default(), Column::default()];
                for (a, counts) in [n, d].into_iter().zip(&mut counts) {
                    accumulators.read(a, Reading::Count, slots, counts);
                }
                ratio(&counts[0], &counts[1], column);
            }
            Source::Last(l, reading, horizon) => {
                for slot in slots {
                    lasts[l].read(*slot, clock, (reading, horizon), names, column);
                }
            }
        }
    }
    view.columns.derive(slots.len());
}
