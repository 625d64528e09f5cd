//! All accumulators of an entity type over all slots.
//!
//! Sealed windows [replay](Accumulators::replay) blocks of rows: one pass over the groups of equal ts,
//! in which what enters, what leaves and what is read is done for all accumulators while the state of
//! a slot is at hand. Nearly every group is one row, so whatever is set up per accumulator and group
//! would be paid for every value. Live windows [apply](Accumulators::apply) rows and read slots later.

use super::accumulator::{Accumulator, RowKey};
use super::multisets::Multisets;
use super::states::SlotStates;
use super::{ByValue, Reading, StateWords as _};
use crate::cut::{Encoded, Unreadable};
use crate::plan::{EntityPlan, Plan};
use crate::slab::Share;
use crate::timeline::lane::Lane;
use crate::value::Column;
use std::ops::Range;

/// Accumulators of more words are kept behind all others, which change together.
const MANY_WORDS: usize = <[u32; 16]>::LEN;

/// For how many groups, or rows, at once what they need is loaded: it must still be near when it is
/// used.
const WARM_GROUPS: usize = 64;
const WARM_ROWS: usize = 256;

/// The rows of one sealed step in groups, what moves by each group's time, and who is read then.
pub struct Step<'a> {
    /// The rows that enter undelayed windows, group by group.
    pub rows: &'a Lane,
    /// For each group, the end of its rows; then the end of all rows.
    pub group_ends: &'a [u32],
    /// The slots that are read, group by group: those of `rows`, or others.
    pub reads: &'a [u32],
    /// As those of `rows`.
    pub read_ends: &'a [u32],
    /// What moves in each of the plan's windows.
    pub windows: &'a [WindowStep<'a>],
}

/// The rows that enter and leave one window in a step.
pub struct WindowStep<'a> {
    /// Rows that enter, and for each group the end of what has entered by its ts; then the end of
    /// what enters after. `None`: the rows of the step, each with its group.
    pub enter: Option<(&'a Lane, &'a [u32])>,
    /// Rows that leave.
    pub leave: &'a Lane,
    /// As those of `enter`.
    pub leave_ends: &'a [u32],
}

/// What is read of each slot of a step, and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct RowReading {
    /// One of the plan's accumulators.
    pub accumulator: usize,
    /// What is read of it.
    pub reading: Reading,
    /// The column it goes to.
    pub out: usize,
}

/// What an accumulator is over, of what enters and leaves its window in a step.
struct StepValues<'a> {
    enter: &'a [i64],
    leave: &'a [i64],
}

/// See the module.
#[derive(Clone)]
pub struct Accumulators {
    states: SlotStates,
    /// Those of one window side by side.
    accumulators: Vec<Accumulator>,
    /// For each window of the plan, which those are, and between which words theirs are.
    windows: Vec<(Range<usize>, Range<usize>)>,
    /// Where each accumulator of the plan is.
    places: Vec<usize>,
    /// How many words those take that change together.
    few: usize,
}

impl Accumulators {
    /// Those of entity `entity` of the job `plan`, without slots.
    pub fn new(plan: &Plan, entity: &EntityPlan) -> Self {
        Accumulators::some(plan, entity, |_| true)
    }

    /// The same, but only those that `kept` says, by their places in the plan. Nobody may ask for the
    /// others.
    pub fn some(plan: &Plan, entity: &EntityPlan, kept: impl Fn(usize) -> bool) -> Self {
        let mut order: Vec<usize> = (0..entity.accumulators.len()).filter(|at| kept(*at)).collect();
        order.sort_by_key(|at| entity.accumulators[*at].window);
        let mut places = vec![usize::MAX; entity.accumulators.len()];
        order.iter().enumerate().for_each(|(place, at)| places[*at] = place);
        let planned = order.iter().map(|at| &entity.accumulators[*at]);
        let mut accumulators: Vec<Accumulator> =
            planned.clone().map(|a| Accumulator::new(a, entity, plan)).collect();
        let few = accumulators.iter().map(Accumulator::words).filter(|w| *w <= MANY_WORDS).sum();
        let mut words = 0;
        for many in [false, true] {
            for accumulator in &mut accumulators {
                if (accumulator.words() > MANY_WORDS) == many {
                    accumulator.at = words;
                    words += accumulator.words();
                }
            }
        }
        let window = |window: usize| {
            let before = planned.clone().take_while(|a| a.window < window).count();
            let own = before..before + planned.clone().filter(|a| a.window == window).count();
            let few = accumulators[own.clone()].iter().filter(|a| a.words() <= MANY_WORDS);
            let from = few.clone().map(|a| a.at).min().unwrap_or(0);
            let to = few.map(|a| a.at + a.words()).max().unwrap_or(0);
            (own, from..to)
        };
        let windows = (0..entity.windows.len()).map(window).collect();
        Accumulators { states: SlotStates::new(words), accumulators, windows, places, few }
    }

    /// Makes the slots `0..slots` exist.
    pub fn grow(&mut self, slots: usize) {
        self.states.grow(slots);
    }

    /// How many slots exist.
    pub fn slots(&self) -> usize {
        self.states.slots()
    }

    /// Applies a step in time order, and makes the columns of `readings` those of the slots that are
    /// read, each after all changes by its group's ts.
    pub fn replay(&mut self, step: &Step<'_>, readings: &[RowReading], outs: &mut [Column]) {
        let Step { rows, group_ends, reads, read_ends, windows } = *step;
        readings.iter().for_each(|reading| outs[reading.out].reset(reads.len()));
        let (values, abreast) = (self.step_values(step), self.abreast(windows));
        let at_place =
            |r: &RowReading| RowReading { accumulator: self.places[r.accumulator], ..*r };
        let readings: Vec<RowReading> = readings.iter().map(at_place).collect();
        let (mut passed, mut from, mut read) = (vec![(0, 0); windows.len()], 0, 0);
        let mut warmed = 0;
        for (group, end) in group_ends.iter().enumerate() {
            if group == warmed {
                warmed = (group + WARM_GROUPS).min(group_ends.len());
                self.warm_groups(step, group..warmed);
            }
            let Accumulators { states, accumulators, windows: own, .. } = &mut *self;
            let to = *end as usize;
            for of in &abreast {
                let of = (&mut accumulators[of.clone()], &values[of.clone()]);
                change::<true>(states, of, rows, from..to);
            }
            let passing = windows.iter().zip(own.iter()).zip(&mut passed);
            for ((window, (own, _)), (entered, left)) in passing {
                // A delayed row may enter and leave between two rows that are read.
                if let Some((lane, ends)) = window.enter {
                    let entering = *entered..ends[group] as usize;
                    *entered = entering.end;
                    let of = (&mut accumulators[own.clone()], &values[own.clone()]);
                    change::<true>(states, of, lane, entering);
                }
                let leaving = *left..window.leave_ends[group] as usize;
                *left = leaving.end;
                let of = (&mut accumulators[own.clone()], &values[own.clone()]);
                change::<false>(states, of, window.leave, leaving);
            }
            let read_to = read_ends[group] as usize;
            for (row, slot) in (read..read_to).zip(&reads[read..read_to]) {
                let state = states.of(*slot);
                for RowReading { accumulator, reading, out } in &readings {
                    let accumulator = &accumulators[*accumulator];
                    outs[*out].set(row, accumulator.read(state, *reading));
                }
            }
            (from, read) = (to, read_to);
        }
    }

    /// For each accumulator its values in the lanes of its window.
    fn step_values<'a>(&self, step: &Step<'a>) -> Vec<StepValues<'a>> {
        let mut all = Vec::with_capacity(self.accumulators.len());
        for (window, (own, _)) in step.windows.iter().zip(&self.windows) {
            let enter = window.enter.map_or(step.rows, |(lane, _)| lane);
            all.extend(self.accumulators[own.clone()].iter().map(|accumulator| StepValues {
                enter: accumulator.values(enter),
                leave: accumulator.values(window.leave),
            }));
        }
        all
    }

    /// The accumulators that are entered by just the rows that are read, those side by side as one.
    fn abreast(&self, windows: &[WindowStep<'_>]) -> Vec<Range<usize>> {
        let mut all: Vec<Range<usize>> = Vec::new();
        for (_, (own, _)) in windows.iter().zip(&self.windows).filter(|(w, _)| w.enter.is_none()) {
            match all.last_mut() {
                Some(last) if last.end == own.start => last.end = own.end,
                _ => all.push(own.clone()),
            }
        }
        all
    }

    /// Loads what changing and reading these groups will need.
    fn warm_groups(&self, step: &Step<'_>, groups: Range<usize>) {
        let rows = of_groups(step.group_ends, groups.clone());
        let read = of_groups(step.read_ends, groups.clone());
        self.states.warm(&step.reads[read], 0..self.few);
        let same = std::ptr::eq(step.reads, step.rows.slots.as_slice());
        for (at, window) in step.windows.iter().enumerate() {
            match window.enter {
                Some((lane, ends)) => self.warm(at, lane, of_groups(ends, groups.clone())),
                None if same => self.warm_shared(at, step.rows, rows.clone()),
                None => self.warm(at, step.rows, rows.clone()),
            }
            self.warm(at, window.leave, of_groups(window.leave_ends, groups.clone()));
        }
    }

    /// Loads what changing these rows of `lane` in window `window` will need.
    fn warm(&self, window: usize, lane: &Lane, rows: Range<usize>) {
        let (_, words) = &self.windows[window];
        self.states.warm(&lane.slots[rows.clone()], words.clone());
        self.warm_shared(window, lane, rows);
    }

    /// The same, when the words are loaded.
    fn warm_shared(&self, window: usize, lane: &Lane, rows: Range<usize>) {
        let (own, _) = &self.windows[window];
        let slots = &lane.slots[rows.clone()];
        for accumulator in &self.accumulators[own.clone()] {
            let values = accumulator.values(lane).get(rows.clone()).unwrap_or_default();
            accumulator.warm(&self.states, slots, values);
        }
    }

    /// Rows enter window `window`, then rows leave it (a row may do both).
    pub fn apply(&mut self, window: usize, enter: &Lane, leave: &Lane) {
        self.pass::<true>(window, enter);
        self.pass::<false>(window, leave);
    }

    /// All rows of `lane` enter window `window`, or else leave it.
    fn pass<const ENTERS: bool>(&mut self, window: usize, lane: &Lane) {
        for from in (0..lane.len()).step_by(WARM_ROWS) {
            let rows = from..lane.len().min(from + WARM_ROWS);
            self.warm(window, lane, rows.clone());
            let (own, _) = &self.windows[window];
            for accumulator in &mut self.accumulators[own.clone()] {
                accumulator.pass::<ENTERS>(&mut self.states, lane, rows.clone());
            }
        }
    }

    /// Rows inside of window `window` become others, where that can concern an accumulator.
    pub fn revise(&mut self, window: usize, old: &Lane, new: &Lane) {
        let (own, _) = &self.windows[window];
        for accumulator in self.accumulators[own.clone()].iter_mut().filter(|a| a.revisable) {
            accumulator.pass::<true>(&mut self.states, new, 0..new.len());
            accumulator.pass::<false>(&mut self.states, old, 0..old.len());
        }
    }

    /// Those of `kept`, which [keeps](Self::some) fewer of the same plan, with their state.
    pub fn lessen(&self, mut kept: Accumulators) -> Self {
        kept.grow(self.slots());
        for (own, other) in self.places.iter().zip(&kept.places) {
            let (Some(own), Some(other)) =
                (self.accumulators.get(*own), kept.accumulators.get_mut(*other))
            else {
                continue;
            };
            let (at, words) = (other.at, own.words());
            *other = own.clone();
            other.at = at;
            for slot in 0..self.slots() as u32 {
                let from = &self.states.of(slot)[own.at..own.at + words];
                kept.states.of_mut(slot)[at..at + words].copy_from_slice(from);
            }
        }
        kept
    }

    /// Rows enter the plan's accumulator `at` alone.
    pub fn enter(&mut self, at: usize, rows: &Lane) {
        self.accumulators[self.places[at]].pass::<true>(&mut self.states, rows, 0..rows.len());
    }

    /// Rows leave the plan's accumulator `at` alone.
    pub fn leave(&mut self, at: usize, rows: &Lane) {
        self.accumulators[self.places[at]].pass::<false>(&mut self.states, rows, 0..rows.len());
    }

    /// Appends what the plan's accumulator `at` keeps of `slot`, by value: see
    /// [`Algebra::save`](super::Algebra::save).
    pub fn save(&self, at: usize, slot: u32, by: &ByValue<'_>, out: &mut Vec<u8>) {
        self.accumulators[self.places[at]].save(self.states.of(slot), by, out);
    }

    /// Makes the plan's accumulator `at` what was told of `slot`, in which nothing is.
    ///
    /// # Errors
    ///
    /// When it cannot be read; the slot is then of no use.
    pub fn load(
        &mut self,
        at: usize,
        slot: u32,
        by: &ByValue<'_>,
        from: Encoded<'_>,
    ) -> Result<(), Unreadable> {
        let state = self.states.of_mut(slot);
        self.accumulators[self.places[at]].load(state, slot, by, from)
    }

    /// Whether the values that the plan's accumulator `at` has of `slot` are in the table of
    /// [`many`](Self::many).
    pub fn has_many(&self, at: usize, slot: u32) -> bool {
        self.accumulators[self.places[at]].has_many(self.states.of(slot))
    }

    /// Where the plan's accumulator `at` has the values of slots that have many of them.
    pub fn many(&self, at: usize) -> Option<&Multisets> {
        self.accumulators[self.places[at]].many()
    }

    /// Appends `reading` of the plan's accumulator `at` for each of `slots`.
    pub fn read(&self, at: usize, reading: Reading, slots: &[u32], out: &mut Column) {
        self.accumulators[self.places[at]].read_slots(&self.states, slots, reading, out);
    }

    /// Whether any event is inside the plan's accumulator `at` for `slot`.
    pub fn holds(&self, at: usize, slot: u32) -> bool {
        self.accumulators[self.places[at]].holds(self.states.of(slot))
    }

    /// How many readings so far were at the limit of what is written, or beyond it.
    pub fn saturated(&self) -> u64 {
        self.accumulators.iter().map(Accumulator::saturated).sum()
    }

    /// The bytes that each slot takes, of each of the plan's accumulators.
    pub fn slot_bytes(&self) -> Vec<u64> {
        let bytes = |place: &usize| (self.accumulators[*place].words() * size_of::<u32>()) as u64;
        self.places.iter().map(bytes).collect()
    }

    /// About how much memory they take, in bytes.
    pub fn memory(&self) -> usize {
        self.states.bytes() + self.accumulators.iter().map(Accumulator::memory).sum::<usize>()
    }

    /// How much of it nothing is in, in bytes, where `free` of the slots are.
    pub fn reusable(&self, free: Share) -> usize {
        let pools = self.accumulators.iter().map(Accumulator::reusable).sum::<usize>();
        free.of(self.states.bytes()) + pools
    }
}

/// The rows of these groups, whose ends these are.
fn of_groups(ends: &[u32], groups: Range<usize>) -> Range<usize> {
    let end = |groups: usize| groups.checked_sub(1).map_or(0, |last| ends[last] as usize);
    end(groups.start)..end(groups.end)
}

/// Rows `rows` of `lane` enter, or else leave, these accumulators, with their values.
#[inline]
fn change<const ENTERS: bool>(
    states: &mut SlotStates,
    (accumulators, values): (&mut [Accumulator], &[StepValues<'_>]),
    lane: &Lane,
    rows: Range<usize>,
) {
    let (slots, times) = (&lane.slots[rows.clone()], &lane.times[rows.clone()]);
    let cells = slots.iter().zip(times).zip(&lane.bits[rows.clone()]);
    for (row, ((slot, ts), bits)) in rows.zip(cells) {
        let state = states.of_mut(*slot);
        let key = RowKey { slot: *slot, ts: *ts, bits: *bits };
        for (accumulator, values) in accumulators.iter_mut().zip(values) {
            let values = if ENTERS { values.enter } else { values.leave };
            // Nothing where it has no attribute.
            let value = values.get(row).copied().unwrap_or(0);
            accumulator.change::<ENTERS>(state, key, value);
        }
    }
}

#[cfg(test)]
mod tests;
