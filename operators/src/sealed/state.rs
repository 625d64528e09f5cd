//! State as of the seal: kept without giving out rows, made again at a cut, handed to live windows.
//!
//! [Folding](SealedWindows::fold) a step does to accumulators and last-event state what giving out
//! its rows does, in blocks of rows instead of groups of one ts. An accumulator is a function of the
//! rows in its window, so whichever is not told by a snapshot is [made](fill) from them.

use super::{LastSlot, SealedWindows};
use crate::aggregate::Accumulators;
use crate::aggregate::last::Last;
use crate::origin::Origin;
use crate::plan::{EntityPlan, Plan, Window};
use crate::time::{EventTime, Millis};
use crate::timeline::lane::Lane;
use crate::timeline::log::Log;
use crate::timeline::names::Names;

/// Rows that arrive in a block that is folded at once, unless more have one ts: what they touch stays
/// in the nearer caches.
pub(super) const FOLD_ROWS: u64 = 1_024;
/// Rows that enter at once when an accumulator is made from the log.
const FILL_ROWS: u64 = 4_096;

/// What folding needs besides.
pub(super) struct Folding {
    /// By accumulator, whether it is kept.
    kept: Vec<bool>,
    /// Accumulators over windows that rows leave so soon are made from rows when they are asked for.
    rebuilt: Millis,
    /// By window, whether any is over it.
    pub windows: Vec<bool>,
    /// The rows of a block, with what undelayed windows and last-event state are over.
    pub rows: Lane,
}

impl Folding {
    /// Of all accumulators.
    pub fn new(entity: &EntityPlan) -> Self {
        Folding::keeping(entity, vec![true; entity.accumulators.len()], 0)
    }

    /// Of those that are `kept`.
    pub fn keeping(entity: &EntityPlan, kept: Vec<bool>, rebuilt: Millis) -> Self {
        let mut wanted = vec![false; entity.attributes.len()];
        let mut windows = vec![false; entity.windows.len()];
        for (accumulator, _) in entity.accumulators.iter().zip(&kept).filter(|(_, kept)| **kept) {
            windows[accumulator.window] = true;
            accumulator.attribute.into_iter().for_each(|attribute| wanted[attribute] = true);
        }
        let of_latest = entity.lasts.iter().flat_map(|last| &last.attributes);
        of_latest.for_each(|attribute| wanted[*attribute] = true);
        Folding { kept, rebuilt, windows, rows: Lane::new(&wanted) }
    }

    /// Copies the rows of a block out of the log.
    pub fn load(&mut self, log: &Log, (from, to): (u64, u64)) {
        self.rows.clear();
        log.copy(from, to, &mut self.rows);
    }
}

impl SealedWindows {
    /// Windows for entity `entity` of `plan` as of the cut `cut`, over a log that has the rows before it
    /// that are inside of them, and none after: all state is kept that live windows need too. It is to
    /// be loaded by a [`SnapshotReader`](crate::snapshot::SnapshotReader); at 0 there is none.
    pub fn at(plan: &Plan, entity: &EntityPlan, log: &Log, cut: EventTime) -> Self {
        let mut windows = SealedWindows::new(plan, entity);
        let lasts = entity.kept_lasts();
        for (at, last) in lasts.iter().enumerate() {
            let state = Last::new(last, &entity.attributes, Vec::new());
            match windows.lasts.get_mut(at) {
                Some(slot) => slot.last = state,
                None => windows.lasts.push(LastSlot::new(state)),
            }
        }
        windows.next = log.end();
        windows.until = cut;
        windows.clock = cut.saturating_sub(1);
        windows
    }

    /// The same without the accumulators that a snapshot can do without: those that are invertible,
    /// because live windows over the same log, which have gone on, say what they were; and those over
    /// windows whose rows leave at most `rebuilt` ms after their time, which are made again from rows. No
    /// rows can be given out then.
    #[must_use]
    pub fn lessened(mut self, plan: &Plan, entity: &EntityPlan, rebuilt: Millis) -> Self {
        let kept = entity.accumulators.iter().map(|accumulator| {
            let lasts = entity.windows[accumulator.window].leaves(0) > rebuilt;
            lasts && !entity.is_invertible(accumulator)
        });
        self.folding = Folding::keeping(entity, kept.collect(), rebuilt);
        let kept = Accumulators::some(plan, entity, |at| self.folding.kept[at]);
        self.accumulators = self.accumulators.lessen(kept);
        self
    }

    /// Moves the state to the end of the step, without giving out its rows, touching about `budget` log
    /// rows; says whether it got there. Call again when it did not.
    pub fn fold(&mut self, log: &Log, names: &mut Names, budget: u64) -> bool {
        self.grow(names.entities.end());
        let target = self.until.saturating_sub(1);
        let mut touched = 0;
        loop {
            touched += self.fold_block(log, names, target);
            if self.clock >= target && self.next == log.end() {
                self.end_step();
                return true;
            }
            if touched >= budget {
                return false;
            }
        }
    }

    /// The step is folded.
    pub(super) fn end_step(&mut self) {
        let kept = self.windows.iter_mut().zip(&self.folding.windows);
        kept.filter(|(_, kept)| **kept).for_each(|(window, _)| window.end());
    }

    /// The next block up to `target`; returns how many log rows it touched.
    fn fold_block(&mut self, log: &Log, names: &mut Names, target: EventTime) -> u64 {
        let clock = self.next_clock(log, target);
        self.fold_to(log, names, clock)
    }

    /// Where the next block up to `target` ends.
    pub(super) fn next_clock(&self, log: &Log, target: EventTime) -> EventTime {
        let last = self.next.saturating_add(FOLD_ROWS).checked_sub(1);
        let last = last.and_then(|seq| log.time(seq)).map(|ts| ts.saturating_add(self.lag));
        let clock = self.reachable(last.map_or(target, |ts| ts.min(target)), FOLD_ROWS);
        clock.max(self.clock)
    }

    /// The end of the rows that are known at `clock`.
    pub(super) fn known(&self, log: &Log, clock: EventTime) -> u64 {
        let lag = self.lag;
        log.partition(self.next, |ts| ts.saturating_add(lag) <= clock)
    }

    /// Moves the state to `clock`; returns how many log rows it touched.
    pub(super) fn fold_to(&mut self, log: &Log, names: &mut Names, clock: EventTime) -> u64 {
        let from = self.next;
        let to = self.known(log, clock);
        if self.lasts.is_empty() && !self.folding.windows.contains(&true) {
            self.folding.rows.clear();
        } else {
            self.folding.load(log, (from, to));
        }
        (self.clock, self.next) = (clock, to);
        let mut touched = to - from;
        for (at, window) in self.windows.iter_mut().enumerate() {
            if !self.folding.windows[at] {
                continue;
            }
            window.load(clock, &[], (from, to));
            touched += window.copied();
            let rows = &self.folding.rows;
            let enter = window.entering().map_or(rows, |(enter, _)| enter);
            if !window.leave.is_empty() || !enter.is_empty() {
                self.accumulators.apply(at, enter, &window.leave);
            }
        }
        for LastSlot { last, .. } in self.lasts.iter_mut().filter(|last| last.is_read) {
            for row in 0..self.folding.rows.len() {
                // In the order of the log, which is that of their origins.
                last.observe(&self.folding.rows, Origin::default(), row, names);
            }
        }
        self.forget((to - from).max(FOLD_ROWS), names);
        touched
    }

    /// Whether an accumulator is kept.
    pub(crate) fn keeps(&self, accumulator: usize) -> bool {
        self.folding.kept.get(accumulator).copied().unwrap_or(false)
    }

    /// Whether live windows say what an accumulator was that is not kept.
    pub(crate) fn is_told_by_live(&self, entity: &EntityPlan, accumulator: usize) -> bool {
        let Some(plan) = entity.accumulators.get(accumulator) else { return false };
        let lasts = entity.windows[plan.window].leaves(0) > self.folding.rebuilt;
        !self.keeps(accumulator) && lasts && entity.is_invertible(plan)
    }

    /// Last-event state: the plan's, then what rows' lives need besides.
    pub(crate) fn lasts(&self) -> impl ExactSizeIterator<Item = &Last> {
        self.lasts.iter().map(|slot| &slot.last)
    }

    /// One of them.
    pub(crate) fn last(&self, at: usize) -> &Last {
        &self.lasts[at].last
    }

    /// The same, to be loaded.
    pub(crate) fn last_mut(&mut self, at: usize) -> Option<&mut Last> {
        self.lasts.get_mut(at).map(|slot| &mut slot.last)
    }

    /// The accumulators, in the order of the plan.
    pub(crate) fn accumulators(&self) -> &Accumulators {
        &self.accumulators
    }

    /// The same, to be loaded.
    pub(crate) fn accumulators_mut(&mut self) -> &mut Accumulators {
        &mut self.accumulators
    }

    /// The clock that state is as of: the last ms before the cut.
    pub(crate) fn clock(&self) -> EventTime {
        self.clock
    }

    /// Makes state exist for all slots.
    pub(crate) fn grow_to(&mut self, names: &Names) {
        self.grow(names.entities.end());
    }

    /// Makes last-event state `at` of the entities of which nothing is known from the rows before the
    /// cut, as far as the log has them.
    pub(crate) fn fill_last(&mut self, at: usize, log: &Log, names: &mut Names) {
        let slots = 0..names.entities.end() as u32;
        let known: Vec<bool> = slots.map(|slot| self.lasts[at].last.is_known(slot)).collect();
        self.each_row(at, log, |last, rows, row| {
            if !known[rows.slots[row] as usize] {
                last.observe(rows, Origin::default(), row, names);
            }
        });
        let clock = self.clock;
        self.lasts[at].last.forget(clock, usize::MAX, names);
    }

    /// Makes attribute `of` of last-event state `at`, whose times are known, from the rows before the
    /// cut, as far as the log has them.
    pub(crate) fn fill_attribute(
        &mut self,
        (at, of): (usize, usize),
        log: &Log,
        names: &mut Names,
    ) {
        self.each_row(at, log, |last, rows, row| last.fill_attribute(of, rows, row, names));
    }

    /// Shows last-event state `at` all rows before the cut, in order.
    fn each_row(&mut self, at: usize, log: &Log, mut each: impl FnMut(&mut Last, &Lane, usize)) {
        let rows = &mut self.folding.rows;
        for from in (log.start()..self.next).step_by(FILL_ROWS as usize) {
            rows.clear();
            log.copy(from, (from + FILL_ROWS).min(self.next), rows);
            (0..rows.len()).for_each(|row| each(&mut self.lasts[at].last, rows, row));
        }
    }
}

/// Makes the accumulators `which` of `entity`, in which nothing is, from the rows of `log` that are in
/// their windows: from the first that `edges` gives for one up to the second, without it.
pub(crate) fn fill(
    accumulators: &mut Accumulators,
    entity: &EntityPlan,
    which: &[usize],
    log: &Log,
    edges: impl Fn(Window) -> (u64, u64),
) {
    for (at, window) in entity.windows.iter().enumerate() {
        let plans = || which.iter().filter_map(|of| Some((*of, entity.accumulators.get(*of)?)));
        let own: Vec<usize> = plans().filter(|(_, a)| a.window == at).map(|(of, _)| of).collect();
        if own.is_empty() {
            continue;
        }
        let mut wanted = vec![false; entity.attributes.len()];
        let over = plans().filter(|(_, a)| a.window == at).filter_map(|(_, a)| a.attribute);
        over.for_each(|attribute| wanted[attribute] = true);
        let (left, entered) = edges(*window);
        let mut lane = Lane::new(&wanted);
        for from in (left..entered).step_by(FILL_ROWS as usize) {
            lane.clear();
            log.copy(from, (from + FILL_ROWS).min(entered), &mut lane);
            own.iter().for_each(|of| accumulators.enter(*of, &lane));
        }
    }
}

/// The rows of `log` that are inside of `window` at `clock`.
pub(crate) fn inside(window: Window, log: &Log, clock: EventTime) -> (u64, u64) {
    let left = log.partition(log.start(), |ts| window.leaves(ts) <= clock);
    let entered = log.partition(left, |ts| window.enters(ts) <= clock);
    (left, entered)
}
