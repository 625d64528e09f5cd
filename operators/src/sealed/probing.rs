//! What sealed windows say at any time of any entity: [probes](crate::probes).
//!
//! A block of rows is cut into groups by the times of probes, not of rows: between two probes nobody
//! looks, so all that moves until the second is applied at once, as when a step is folded. Only what the
//! views that are asked for read is kept at all.

use super::state::{FOLD_ROWS, Folding};
use super::{LastStep, SealedWindows, WindowFold};
use crate::aggregate::{Accumulators, Step, WindowStep};
use crate::plan::{EntityPlan, Plan};
use crate::probes::{EntityProbes, PROBES_MAX, ProbeBatch, Probed};
use crate::time::{EventTime, Millis};
use crate::timeline::log::Log;
use crate::timeline::names::Names;
use crate::value::Column;

/// The probes of a block.
#[derive(Default)]
pub(super) struct ProbeBlock {
    batch: ProbeBatch,
    /// Their entities: each counts once more for them while the block is computed.
    slots: Vec<u32>,
    /// For each group of one time the end of its probes; then the end of all.
    ends: Vec<u32>,
}

impl ProbeBlock {
    /// Finds the entities, and makes those that are not known.
    fn intern(&mut self, names: &mut Names) {
        self.slots.clear();
        self.batch.intern(names, &mut self.slots);
    }

    /// Groups the probes by their times, which go to `times`; `row_ends` gets the end of each group's
    /// rows, and the end of all of them.
    fn group(
        &mut self,
        rows: &[EventTime],
        (before, lag): (bool, Millis),
        times: &mut Vec<EventTime>,
        row_ends: &mut Vec<u32>,
    ) {
        times.clear();
        row_ends.clear();
        self.ends.clear();
        let mut row = 0;
        for (at, time) in self.batch.times.iter().enumerate() {
            if times.last() != Some(time) {
                if at > 0 {
                    self.ends.push(at as u32);
                }
                times.push(*time);
                let known = |ts: EventTime| ts.saturating_add(lag);
                let counts = |ts| if before { known(ts) < *time } else { known(ts) <= *time };
                row += rows[row..].iter().take_while(|ts| counts(**ts)).count();
                row_ends.push(row as u32);
            }
        }
        let probes = self.batch.len() as u32;
        self.ends.extend([probes, probes]);
        row_ends.push(rows.len() as u32);
    }
}

impl SealedWindows {
    /// Windows that [answer](Self::probe) the probes `asked` of entity `entity`, and give out no rows.
    pub fn probed(plan: &Plan, entity: &EntityPlan, asked: &EntityProbes) -> Self {
        let mut windows = SealedWindows::of_views(plan, entity, |view| asked.views.contains(&view));
        windows.lag = asked.lag;
        let is_read = |at| windows.readings.iter().any(|reading| reading.accumulator == at);
        let kept: Vec<bool> = (0..entity.accumulators.len()).map(is_read).collect();
        windows.accumulators = Accumulators::some(plan, entity, |at| kept[at]);
        windows.folding = Folding::keeping(entity, kept, 0);
        windows.lasts.iter_mut().for_each(|last| last.is_read = !last.readings.is_empty());
        windows
    }

    /// Moves the state to the end of the step, and gives `probes` what the windows hold at the times
    /// before it, touching about `budget` log rows and probes; says whether it got there. Call again when
    /// it did not.
    pub fn probe(
        &mut self,
        log: &Log,
        names: &mut Names,
        budget: u64,
        probes: &mut EntityProbes,
    ) -> bool {
        self.grow(names.entities.end());
        let target = self.until.saturating_sub(1);
        let mut touched = 0;
        loop {
            touched += self.probe_block(log, names, target, probes);
            let asked = probes.probes.next().is_some_and(|at| at <= target);
            let all = self.next == self.known(log, target);
            if self.clock >= target && all && !asked {
                self.end_step();
                return true;
            }
            if touched >= budget {
                return false;
            }
        }
    }

    /// The next block up to `target`; returns how many log rows and probes it touched.
    fn probe_block(
        &mut self,
        log: &Log,
        names: &mut Names,
        target: EventTime,
        probes: &mut EntityProbes,
    ) -> u64 {
        let mut clock = self.next_clock(log, target);
        self.probing.batch.clear();
        probes.probes.take(clock, PROBES_MAX, &mut self.probing.batch);
        let Some(last) = self.probing.batch.times.last().copied() else {
            return self.fold_to(log, names, clock);
        };
        // More may be asked at that very time: what does not count for these does not for those.
        let more = probes.probes.next().is_some_and(|at| at <= clock);
        if more {
            clock = last;
        }
        let from = self.next;
        let held = more && probes.before;
        let to = match (held, clock.checked_sub(1)) {
            (true, Some(before)) => self.known(log, before),
            (true, None) => from,
            (false, _) => self.known(log, clock),
        };
        (self.clock, self.next) = (clock, to);
        self.folding.load(log, (from, to));
        let mut touched = (to - from) + self.probing.batch.len() as u64;
        self.probing.intern(names);
        self.grow(names.entities.end());
        let rows = &self.folding.rows;
        let (times, ends) = (&mut self.group_times, &mut self.group_ends);
        let counting = (probes.before, self.lag);
        self.probing.group(&rows.times, counting, times, ends);
        for window in &mut self.windows {
            window.load(clock, times, (from, to));
            touched += window.copied();
        }
        self.answer(names);
        self.give_answers(probes);
        ProbeBatch::release(&mut self.probing.slots, names);
        self.forget((to - from).max(FOLD_ROWS), names);
        touched
    }

    /// Applies the block that is loaded, and reads what is asked.
    fn answer(&mut self, names: &mut Names) {
        self.outs.iter_mut().for_each(Column::clear);
        let (rows, times, ends) = (&self.folding.rows, &self.group_times[..], &self.group_ends[..]);
        let (reads, read_ends) = (&self.probing.slots[..], &self.probing.ends[..]);
        let windows: Vec<WindowStep<'_>> = self.windows.iter().map(WindowFold::step).collect();
        let step = Step { rows, group_ends: ends, reads, read_ends, windows: &windows };
        self.accumulators.replay(&step, &self.readings, &mut self.outs);
        let replayed = LastStep { rows, origins: &[], times, ends, reads, read_ends };
        for last in self.lasts.iter_mut().filter(|last| last.is_read) {
            last.replay(&replayed, names, &mut self.outs);
        }
    }

    fn give_answers(&mut self, probes: &mut EntityProbes) {
        let ProbeBlock { batch, .. } = &self.probing;
        for view in &mut self.views {
            view.fill(batch.len(), &mut self.outs);
            self.rows += batch.len() as u64;
            self.values += (batch.len() * view.features) as u64;
        }
        let views = self.views.iter().map(|view| (view.index, &view.columns.columns[..]));
        probes.probes.give(&Probed { rows: &batch.rows, views: views.collect() });
    }
}
