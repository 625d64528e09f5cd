//! What the accumulators of live windows were as of the seal: the rows that make the difference are
//! put in and taken out, and back again when it has been told.

use super::{LivePlace, LiveWindows};
use crate::entity_log::EntityLog;
use crate::plan::EntityPlan;
use crate::time::EventTime;
use crate::timeline::chunk::Chunk;
use crate::timeline::lane::Lane;
use std::ops::Range;

/// The rows that are inside of the windows of some slots at one clock and not at another.
pub(crate) struct Difference {
    /// By window, what entered and what left.
    windows: Vec<(Lane, Lane)>,
    accumulators: Vec<usize>,
}

impl LiveWindows {
    /// Makes the accumulators `accumulators` of the slots in `slots` what they were as of the cut
    /// `cut`, to which `log` is sealed exactly. They must be invertible.
    pub(crate) fn go_back(
        &mut self,
        entity: &EntityPlan,
        accumulators: &[usize],
        log: &EntityLog,
        cut: EventTime,
        slots: &Slots<'_>,
    ) -> Difference {
        let mut windows = Vec::new();
        for (at, place) in self.windows.iter().enumerate() {
            let mut lanes = (place.enter.emptied(), place.leave.emptied());
            let over = |of: &&usize| entity.accumulators[**of].window == at;
            if accumulators.iter().any(|of| over(&of)) {
                place.differ((self.clock, cut), log, slots, &mut lanes);
            }
            windows.push(lanes);
        }
        let difference = Difference { windows, accumulators: accumulators.to_vec() };
        self.pass(entity, &difference, true);
        difference
    }

    /// Undoes [`go_back`](Self::go_back), with nothing done between.
    pub(crate) fn go_on(&mut self, entity: &EntityPlan, difference: &Difference) {
        self.pass(entity, difference, false);
    }

    fn pass(&mut self, entity: &EntityPlan, difference: &Difference, back: bool) {
        for at in &difference.accumulators {
            let (entered, left) = &difference.windows[entity.accumulators[*at].window];
            let (enter, leave) = if back { (left, entered) } else { (entered, left) };
            self.accumulators.enter(*at, enter);
            self.accumulators.leave(*at, leave);
        }
    }
}

/// Slots that something is asked of.
pub(crate) enum Slots<'a> {
    /// All of a range.
    Range(Range<u32>),
    /// Those for which this holds; slots behind its end are none.
    Marked(&'a [bool]),
}

impl Slots<'_> {
    #[inline]
    pub fn has(&self, slot: u32) -> bool {
        match self {
            Slots::Range(range) => range.contains(&slot),
            Slots::Marked(marked) => marked.get(slot as usize).copied().unwrap_or(false),
        }
    }
}

impl LivePlace {
    /// Adds the rows of `slots` that are inside now and were not just before `cut` to the first lane,
    /// those that were and are not to the second.
    fn differ(
        &self,
        (clock, cut): (EventTime, EventTime),
        log: &EntityLog,
        slots: &Slots<'_>,
        (entered, left): &mut (Lane, Lane),
    ) {
        let (window, then) = (self.window, cut.saturating_sub(1));
        let was = |ts: EventTime| ts < cut && window.enters(ts) <= then && then < window.leaves(ts);
        let mut row = |chunk: &Chunk, row: u32| {
            let ts = chunk.time(row);
            match (was(ts), self.holds(ts, clock)) {
                (false, true) => chunk.copy_row(row, entered),
                (true, false) => chunk.copy_row(row, left),
                _ => {}
            }
        };
        // Of sealed rows only those near an edge can differ.
        let log_rows = &log.log;
        let edge = |of: &dyn Fn(EventTime) -> EventTime| {
            let at = |clock: EventTime| log_rows.partition(log_rows.start(), |ts| of(ts) <= clock);
            let (a, b) = (at(clock), at(then));
            (a.min(b), a.max(b))
        };
        let leaving = edge(&|ts| window.leaves(ts));
        let entering = edge(&|ts| window.enters(ts));
        let entering = (entering.0.max(leaving.1), entering.1.max(leaving.1));
        for (lo, hi) in [leaving, entering] {
            for chunk in log_rows.cover(lo, hi) {
                let from = (lo.max(chunk.base()) - chunk.base()) as u32;
                let to = (hi.min(chunk.end()) - chunk.base()) as u32;
                let Some(columns) = chunk.columns() else { continue };
                let of = |row: &u32| columns.slots()[*row as usize].get();
                (from..to).filter(|at| slots.has(of(at))).for_each(|at| row(chunk, at));
            }
        }
        for entry in log.stash.entries(0).filter(|entry| self.holds(entry.ts, clock)) {
            let (block, row) = (log.stash.block(entry), entry.row as usize);
            if slots.has(block.slots[row]) {
                block.copy(row, entered);
            }
        }
    }
}

impl Lane {
    /// An empty one with the same attributes.
    fn emptied(&self) -> Self {
        let wanted: Vec<bool> = self.values.iter().map(Option::is_some).collect();
        Lane::new(&wanted)
    }
}

impl Chunk {
    /// Appends `row` to `lane`.
    fn copy_row(&self, row: u32, lane: &mut Lane) {
        lane.times.push(self.time(row));
        lane.slots.push(self.slot(row));
        lane.bits.push(self.bits(row));
        for (attribute, values) in lane.values.iter_mut().enumerate() {
            if let Some(values) = values {
                values.push(self.value(attribute, row));
            }
        }
    }
}
