//! Sealed windows: one row per event and view, exact and final, at the watermark.
//!
//! They run at the frontier. Each event enters and leaves every window in global time order, all
//! events of one ts are applied before a row of that ts is read, and nothing depends on the order
//! of arrival, on partitions or on workers.
//!
//! The accumulators are a cache of the windows' [arrangements](crate::window): a step folds one
//! batch of each window, and no place in the log outlives it. Work is done in blocks of rows: for each
//! window the arrivals and departures during the block are copied out of its batch once, together with
//! where in them each group of equal ts stands; [`Accumulators::replay`] then runs through them. A
//! block is small enough for what it touches to stay in the nearer caches. A storm of expiry (a day of
//! events leaving after a pause) is worked off in blocks of bounded size too, and the caller may stop
//! between any two.

mod changes;
mod fold;
mod lasts;
mod probing;
pub(crate) mod state;
mod view;

use crate::aggregate::last::Last;
use crate::aggregate::{Accumulators, Reading, RowReading, Step, WindowStep, wanted_attributes};
use crate::origin::Origin;
use crate::plan::{EntityPlan, Plan, Window};
use crate::slab::Share;
use crate::time::{EventTime, Millis};
use crate::timeline::lane::Lane;
use crate::timeline::log::Log;
use crate::timeline::names::Names;
use crate::value::Column;
use crate::view::{Source, ViewColumns};
use crate::window::batch::WindowBatch;
use changes::Changing;
pub use changes::{ChangedRow, ChangedRows};
use fold::WindowFold;
use lasts::{LastSlot, LastStep};
use probing::ProbeBlock;
use state::Folding;
use std::collections::VecDeque;
use std::rc::Rc;
use view::{SealedView, find_last};

/// Rows computed at once, unless more have one ts.
const BLOCK_ROWS: u64 = 256;

/// Rows of one view, in the order of the log.
pub struct SealedRows<'a> {
    /// The view's place in the job.
    pub view: usize,
    /// Event times: what each row is as of.
    pub times: &'a [EventTime],
    /// The events they belong to.
    pub origins: &'a [Origin],
    /// Their entities.
    pub slots: &'a [u32],
    /// Columns; [`crate::plan::FeaturePlan::column`] says which is which feature.
    pub columns: &'a [Column],
}

/// What takes sealed rows.
pub trait SealedOutput {
    /// Takes the next rows of a view.
    fn rows(&mut self, rows: &SealedRows<'_>, names: &Names);

    /// Takes the next rows of a view of windows that [follow changes](SealedWindows::following_changes);
    /// of others there are none.
    fn changes(&mut self, rows: &ChangedRows<'_>, names: &Names) {
        let _ = (rows, names);
    }

    /// Whether it has taken so much that the others come first.
    fn is_full(&self) -> bool {
        false
    }
}

/// See the module.
pub struct SealedWindows {
    windows: Vec<WindowFold>,
    accumulators: Accumulators,
    /// What is read of the accumulators, each once.
    readings: Vec<RowReading>,
    lasts: Vec<LastSlot>,
    /// One column for each reading, shared by the views.
    outs: Vec<Column>,
    views: Vec<SealedView>,
    arrivals: Lane,
    group_times: Vec<EventTime>,
    group_ends: Vec<u32>,
    origins: VecDeque<Origin>,
    block_origins: Vec<Origin>,
    /// The next row to be given out.
    next: u64,
    folding: Folding,
    probing: ProbeBlock,
    /// Where rows are given out at decay edges too.
    changing: Option<Box<Changing>>,
    /// How long after its time a row is known, in ms.
    lag: Millis,
    clock: EventTime,
    /// The step at hand ends before this.
    until: EventTime,
    rows: u64,
    values: u64,
}

impl SealedWindows {
    /// Windows for entity `entity` of `plan`, over a log that starts with them.
    pub fn new(plan: &Plan, entity: &EntityPlan) -> Self {
        SealedWindows::of_views(plan, entity, |_| true)
    }

    /// The same of the views, by their places in the entity, that are `wanted`.
    fn of_views(plan: &Plan, entity: &EntityPlan, wanted: impl Fn(usize) -> bool) -> Self {
        let window = |(at, window): (usize, &Window)| {
            WindowFold::new(*window, &wanted_attributes(entity, at))
        };
        let mut windows = SealedWindows {
            windows: entity.windows.iter().enumerate().map(window).collect(),
            accumulators: Accumulators::new(plan, entity),
            readings: Vec::new(),
            lasts: Vec::new(),
            outs: Vec::new(),
            views: Vec::new(),
            arrivals: Lane::new(&vec![true; entity.attributes.len()]),
            group_times: Vec::new(),
            group_ends: Vec::new(),
            origins: VecDeque::new(),
            block_origins: Vec::new(),
            next: 0,
            folding: Folding::new(entity),
            probing: ProbeBlock::default(),
            changing: None,
            lag: 0,
            clock: 0,
            until: 0,
            rows: 0,
            values: 0,
        };
        let last = |l| LastSlot::new(Last::new(l, &entity.attributes, Vec::new()));
        windows.lasts.extend(entity.lasts.iter().map(last));
        for (_, view) in entity.views.iter().enumerate().filter(|(at, _)| wanted(*at)) {
            let reads = view.reads.iter().map(|r| windows.share(Source::from(r)).into()).collect();
            windows.views.push(SealedView {
                index: view.index,
                mask: view.mask,
                features: view.features.len(),
                columns: ViewColumns::new(view, &plan.zone),
                reads,
                selected: Vec::new(),
                times: Vec::new(),
                origins: Vec::new(),
                slots: Vec::new(),
            });
        }
        find_last(&mut windows.views);
        windows
    }

    /// The shared columns of a read, made when nobody had asked for them yet.
    fn share(&mut self, source: Source) -> (usize, Option<usize>) {
        match source {
            Source::Accumulator(at, reading) => (self.reading(at, reading), None),
            Source::Ratio(n, d) => {
                (self.reading(n, Reading::Count), Some(self.reading(d, Reading::Count)))
            }
            Source::Last(at, reading, horizon) => {
                let next = self.outs.len();
                let readings = &mut self.lasts[at].readings;
                if let Some((_, out)) = readings.iter().find(|r| r.0 == (reading, horizon)) {
                    return (*out, None);
                }
                readings.push(((reading, horizon), next));
                self.outs.push(Column::default());
                (next, None)
            }
        }
    }

    fn reading(&mut self, at: usize, reading: Reading) -> usize {
        let next = self.outs.len();
        let known = self.readings.iter().find(|r| (r.accumulator, r.reading) == (at, reading));
        if let Some(known) = known {
            return known.out;
        }
        self.readings.push(RowReading { accumulator: at, reading, out: next });
        self.outs.push(Column::default());
        next
    }

    /// Origins of rows just sealed, in the order of the log.
    pub fn sealed(&mut self, origins: &mut Vec<Origin>) {
        self.origins.extend(origins.drain(..));
    }

    /// Rows given out so far, over all views.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Feature values in those rows.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Distinct counts that were read at the limit of what is written so far.
    pub fn saturated(&self) -> u64 {
        self.accumulators.saturated()
    }

    /// Every row of the log below this has been given out.
    pub fn low_water(&self) -> u64 {
        self.next
    }

    /// Integer overflows so far in derived features.
    pub fn int_overflows(&self) -> u64 {
        self.views.iter().map(|v| v.columns.int_overflows()).sum()
    }

    /// About how much memory the accumulators take, in bytes.
    pub fn memory(&self) -> usize {
        let lasts = self.lasts.iter().map(|l| l.last.memory()).sum::<usize>();
        self.accumulators.memory() + lasts + self.changing.as_ref().map_or(0, |c| c.memory())
    }

    /// How much of it nothing is in, in bytes, where `free` of the slots are.
    pub fn reusable(&self, free: Share) -> usize {
        let lasts = self.lasts.iter().map(|l| l.last.slot_memory()).sum::<usize>();
        self.accumulators.reusable(free) + free.of(lasts)
    }

    /// A step: the rows with `ts < hi`, and for each window of the plan the batch that ends there.
    /// The step before must be done, and the log must hold no rows beyond this one.
    pub fn begin<'a>(
        &mut self,
        batches: impl IntoIterator<Item = &'a Rc<WindowBatch>>,
        hi: EventTime,
    ) {
        self.until = hi;
        let kept = self.windows.iter_mut().zip(&self.folding.windows);
        for ((window, _), batch) in kept.zip(batches).filter(|((_, kept), _)| **kept) {
            window.begin(batch);
        }
    }

    /// Gives out the rows of the step and moves the clock to its end, touching about `budget` log
    /// rows and until `output` is full; says whether it got there. Call again when it did not.
    pub fn run(
        &mut self,
        log: &Log,
        names: &mut Names,
        budget: u64,
        output: &mut dyn SealedOutput,
    ) -> bool {
        self.grow(names.entities.end());
        if self.changing.is_some() {
            return self.run_changes(log, names, budget, output);
        }
        let mut touched = 0;
        while touched < budget && !output.is_full() {
            let target = self.until.saturating_sub(1);
            let start = (self.next < log.end()).then(|| log.time(self.next)).flatten();
            // First up to just before the next row, however much leaves until then.
            let before = start.map_or(target, |ts| ts.saturating_sub(1));
            if before > self.clock {
                let clock = self.reachable(before, budget);
                touched += self.advance(clock);
                self.forget(BLOCK_ROWS, names);
                if clock < before {
                    continue;
                }
            }
            match start {
                Some(_) => {
                    let rows = self.block(log, names, output);
                    touched += rows;
                    // As many as may have come: there may be no time without events.
                    self.forget(rows.max(BLOCK_ROWS), names);
                }
                None => {
                    self.windows.iter_mut().for_each(WindowFold::end);
                    return true;
                }
            }
        }
        false
    }

    fn grow(&mut self, slots: usize) {
        self.accumulators.grow(slots);
        self.lasts.iter_mut().for_each(|l| l.last.grow(slots));
    }

    fn forget(&mut self, budget: u64, names: &mut Names) {
        let clock = self.clock;
        self.lasts.iter_mut().for_each(|l| l.last.forget(clock, budget as usize, names));
    }

    /// The latest clock up to `to` that no window needs more than about `budget` rows to reach.
    fn reachable(&self, to: EventTime, budget: u64) -> EventTime {
        self.windows.iter().fold(to, |to, window| window.reachable(self.clock, to, budget))
    }

    /// Moves the clock without giving out rows; returns how many rows moved.
    fn advance(&mut self, clock: EventTime) -> u64 {
        self.clock = clock;
        let none = Lane::default();
        let mut touched = 0;
        for (at, window) in self.windows.iter_mut().enumerate() {
            window.load(clock, &[], (self.next, self.next));
            touched += window.copied();
            let enter = window.entering().map_or(&none, |(enter, _)| enter);
            if !window.leave.is_empty() || !enter.is_empty() {
                self.accumulators.apply(at, enter, &window.leave);
            }
        }
        touched
    }

    /// Gives out the next block of rows; returns how many log rows it touched.
    fn block(&mut self, log: &Log, names: &mut Names, output: &mut dyn SealedOutput) -> u64 {
        let from = self.next;
        self.load_arrivals(log);
        self.clock = self.group_times.last().copied().unwrap_or(self.clock);
        let mut touched = self.arrivals.len() as u64;
        for window in &mut self.windows {
            window.load(self.clock, &self.group_times, (from, self.next));
            touched += window.copied();
        }
        self.outs.iter_mut().for_each(Column::clear);
        let windows: Vec<WindowStep<'_>> = self.windows.iter().map(WindowFold::step).collect();
        let (rows, ends) = (&self.arrivals, &self.group_ends);
        let (reads, read_ends) = (&rows.slots[..], &ends[..]);
        let step = Step { rows, group_ends: ends, reads, read_ends, windows: &windows };
        self.accumulators.replay(&step, &self.readings, &mut self.outs);
        let replayed = LastStep {
            rows,
            origins: &self.block_origins,
            times: &self.group_times,
            ends,
            reads,
            read_ends,
        };
        for last in &mut self.lasts {
            last.replay(&replayed, names, &mut self.outs);
        }
        self.give_out(names, output);
        touched
    }

    /// Copies out the next rows, whole groups of them, and their groups.
    fn load_arrivals(&mut self, log: &Log) {
        let from = self.next;
        let mut to = (from + BLOCK_ROWS).min(log.end());
        if let Some(last) = log.time(to - 1) {
            to = log.partition(to, |ts| ts <= last);
        }
        self.arrivals.clear();
        log.copy(from, to, &mut self.arrivals);
        self.next = to;
        self.block_origins.clear();
        self.block_origins.extend(self.origins.drain(..(to - from) as usize));
        self.group_times.clear();
        self.group_ends.clear();
        for (row, ts) in self.arrivals.times.iter().enumerate() {
            if self.group_times.last() != Some(ts) {
                if row > 0 {
                    self.group_ends.push(row as u32);
                }
                self.group_times.push(*ts);
            }
        }
        // The last group's end stands for what comes after the groups too.
        let rows = self.arrivals.len() as u32;
        self.group_ends.extend([rows, rows]);
    }

    fn give_out(&mut self, names: &Names, output: &mut dyn SealedOutput) {
        for view in &mut self.views {
            let rows = view.select(&self.arrivals, &self.block_origins, &mut self.outs);
            self.rows += rows as u64;
            self.values += (rows * view.features) as u64;
            if rows > 0 {
                let whole = rows == self.arrivals.len();
                output.rows(
                    &SealedRows {
                        view: view.index,
                        times: if whole { &self.arrivals.times } else { &view.times },
                        origins: if whole { &self.block_origins } else { &view.origins },
                        slots: if whole { &self.arrivals.slots } else { &view.slots },
                        columns: &view.columns.columns,
                    },
                    names,
                );
            }
        }
    }
}
