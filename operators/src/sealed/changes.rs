//! Rows at decay edges too: whenever a feature becomes another, whether an event says so or time alone.
//!
//! A feature is a function of the events and a step function of the clock: it changes only where an event
//! enters a window or leaves it, or last-event state is no longer shown. So the rows at these times, of which
//! the latest one at or before any time says what the features are then, are finitely many: at most one for
//! each event, and one for each window that the event leaves and horizon that it passes.
//!
//! ```text
//!            event        event     leaves 5m    leaves 5m   session over
//!  clock ──────┼────────────┼───────────┼────────────┼────────────┼─────→
//!  rows       row          row        change       change     if it differs
//! ```
//!
//! Each such place is read twice, at the ms before and at its own: a row that is given out because of time is
//! one that differs, and nothing has to be kept of the rows before it. All that is kept besides is one timer
//! for each entity, last-event state and horizon that views read.

mod places;

use super::fold::{WindowFold, ends};
use super::lasts::LastStep;
use super::{SealedOutput, SealedWindows};
use crate::aggregate::{Step, WindowStep};
use crate::plan::EntityPlan;
use crate::time::EventTime;
use crate::timeline::log::Log;
use crate::timeline::names::Names;
use crate::value::Column;
use places::ChangePlace;
pub(super) use places::Changing;
pub use places::{ChangedRow, ChangedRows};

/// Timers that pass in one block, unless more do in one ms.
const TIMERS_MAX: usize = 1_024;

impl SealedWindows {
    /// The same, giving out rows at decay edges too: all state of `entity` must be kept.
    #[must_use]
    pub fn following_changes(mut self, entity: &EntityPlan) -> Self {
        let mut changing = Changing::new(&self, entity);
        for (at, timers) in &mut changing.timers {
            let Some(slot) = self.lasts.get(*at) else { continue };
            let slots = slot.last.slots();
            timers.grow(slots);
            for of in (0..).take(slots) {
                let latest = slot.last.latest(of).checked_sub(1);
                let shown = |ts: &EventTime| ts.saturating_add(timers.horizon) > self.clock;
                if let Some(ts) = latest.filter(shown) {
                    timers.arm(of, ts);
                }
            }
        }
        self.changing = Some(Box::new(changing));
        self
    }

    /// The time at which nothing of an event of `newest` is left; `None`: nobody waits for that.
    pub fn decayed(&self, newest: EventTime) -> Option<EventTime> {
        let changing = self.changing.as_ref()?;
        let left = self.windows.iter().map(|moving| moving.window.leaves(newest));
        let passed = changing.timers.iter().map(|(_, t)| newest.saturating_add(t.horizon));
        left.chain(passed).max()
    }

    /// All rows up to this time have been given out, where changes are followed.
    pub fn given(&self) -> Option<EventTime> {
        self.changing.as_ref().map(|_| self.clock)
    }

    /// As [`run`](Self::run).
    pub(super) fn run_changes(
        &mut self,
        log: &Log,
        names: &mut Names,
        budget: u64,
        output: &mut dyn SealedOutput,
    ) -> bool {
        let Some(mut changing) = self.changing.take() else { return true };
        let (target, mut touched) = (self.until.saturating_sub(1), 0);
        changing.timers.iter_mut().for_each(|(_, timers)| timers.grow(names.entities.end()));
        if changing.empty.is_empty() {
            self.read_empty(&mut changing, names);
        }
        let through = loop {
            touched += self.change_block(&mut changing, log, names, target);
            self.give_changes(&mut changing, names, output);
            self.forget(changing.reads.len() as u64 + super::BLOCK_ROWS, names);
            if self.clock >= target && self.next == log.end() {
                self.end_step();
                break true;
            }
            if touched >= budget || output.is_full() {
                break false;
            }
        };
        self.changing = Some(changing);
        through
    }

    /// Reads what views have of no events, of a slot that nobody has had.
    fn read_empty(&mut self, changing: &mut Changing, names: &Names) {
        let Ok(slot) = u32::try_from(names.entities.end()) else { return };
        self.grow(names.entities.end() + 1);
        self.outs.iter_mut().for_each(Column::clear);
        for reading in &self.readings {
            let out = &mut self.outs[reading.out];
            self.accumulators.read(reading.accumulator, reading.reading, &[slot], out);
        }
        for last in &self.lasts {
            for (reading, out) in &last.readings {
                last.last.read(slot, self.clock, *reading, names, &mut self.outs[*out]);
            }
        }
        for view in &mut self.views {
            view.fill(1, &mut self.outs);
            changing.empty.push(view.columns.columns.clone());
        }
    }

    /// Applies the next block up to `target`, and reads where something may change; returns how many log
    /// rows and reads it touched.
    fn change_block(
        &mut self,
        changing: &mut Changing,
        log: &Log,
        names: &mut Names,
        target: EventTime,
    ) -> u64 {
        changing.places.clear();
        let clock = self.pass_timers(changing, self.next_clock(log, target));
        let (from, to) = (self.next, self.known(log, clock));
        (self.clock, self.next) = (clock, to);
        self.folding.load(log, (from, to));
        self.block_origins.clear();
        self.block_origins.extend(self.origins.drain(..(to - from) as usize));
        let rows = &self.folding.rows;
        let mut touched = to - from;
        rows.times.iter().zip(&rows.slots).for_each(|(ts, slot)| changing.place(*ts, *slot));
        for (at, window) in self.windows.iter_mut().enumerate() {
            window.load(clock, &[], (from, to));
            changing.place_moves(at, window);
            touched += window.copied();
        }
        self.arm_timers(changing, clock);
        changing.group(&mut self.group_times);
        let times = &self.group_times;
        self.windows.iter_mut().for_each(|window| window.regroup(times));
        ends(&rows.times, times, |ts| ts, &mut self.group_ends);
        self.outs.iter_mut().for_each(Column::clear);
        let (ends, reads, read_ends) =
            (&self.group_ends[..], &changing.reads[..], &changing.read_ends[..]);
        let windows: Vec<WindowStep<'_>> = self.windows.iter().map(WindowFold::step).collect();
        let step = Step { rows, group_ends: ends, reads, read_ends, windows: &windows };
        self.accumulators.replay(&step, &self.readings, &mut self.outs);
        // Their order is that of the log.
        let replayed = LastStep { rows, origins: &[], times, ends, reads, read_ends };
        for last in &mut self.lasts {
            last.replay(&replayed, names, &mut self.outs);
        }
        touched + reads.len() as u64
    }

    /// Lets timers pass up to `clock`, or to where too many would have; says how far.
    fn pass_timers(&self, changing: &mut Changing, clock: EventTime) -> EventTime {
        let (mut clock, mut passed) = (clock, 0);
        loop {
            let due = changing.timers.iter_mut().filter(|(_, timers)| timers.is_due(clock));
            let Some((at, timers)) = due.min_by_key(|(_, timers)| timers.due()) else {
                return clock;
            };
            let Some(slot) = self.lasts.get(*at) else { return clock };
            if let Some((time, of)) = timers.pass(|of| slot.last.latest(of)) {
                changing.place(time, of);
                passed += 1;
                if passed == TIMERS_MAX {
                    clock = time;
                }
            }
        }
    }

    /// Sets the timers of the block's rows, or lets them pass in the block.
    fn arm_timers(&self, changing: &mut Changing, clock: EventTime) {
        let rows = &self.folding.rows;
        let Changing { timers, places, .. } = changing;
        for (at, timers) in timers {
            let Some(mask) = self.lasts.get(*at).map(|slot| slot.last.mask()) else { continue };
            for ((ts, slot), bits) in rows.times.iter().zip(&rows.slots).zip(&rows.bits) {
                let time = ts.saturating_add(timers.horizon);
                if bits & mask != mask {
                    continue;
                }
                if time > clock {
                    timers.arm(*slot, *ts);
                } else {
                    places.push(ChangePlace::new(time, *slot));
                }
            }
        }
    }

    fn give_changes(
        &mut self,
        changing: &mut Changing,
        names: &Names,
        output: &mut dyn SealedOutput,
    ) {
        let (rows, origins) = (&self.folding.rows, &self.block_origins[..]);
        for (at, view) in self.views.iter_mut().enumerate() {
            view.fill(changing.reads.len(), &mut self.outs);
            let columns = &view.columns.columns;
            changing.gather(at, view.mask, rows, origins, columns);
            let rows = &changing.rows[..];
            self.rows += rows.len() as u64;
            self.values += (rows.len() * view.features) as u64;
            if !rows.is_empty() {
                output.changes(&ChangedRows { view: view.index, rows, columns }, names);
            }
        }
    }
}
