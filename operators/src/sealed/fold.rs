//! One window of the sealed windows: the batch of a step, folded a block of rows at a time.

use super::SealedWindows;
use crate::aggregate::WindowStep;
use crate::plan::Window;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::window::batch::WindowBatch;
use std::rc::Rc;

/// Rows from `.0` on and before `.1`.
pub(super) type Rows = (u64, u64);

/// What a window's batch still moves, and what the block at hand takes of it.
pub(super) struct WindowFold {
    pub window: Window,
    /// The step's; `None` between two steps.
    batch: Option<Rc<WindowBatch>>,
    /// Its arrivals that are not folded yet.
    arrivals: Rows,
    /// Its departures that are not folded yet.
    departures: Rows,
    /// Whether exactly the block's own rows enter, group by group: they are not copied once more.
    whole: bool,
    enter: Lane,
    enter_ends: Vec<u32>,
    pub leave: Lane,
    pub leave_ends: Vec<u32>,
}

impl WindowFold {
    /// Nothing to fold yet; `wanted` says which attributes its accumulators are over.
    pub(super) fn new(window: Window, wanted: &[bool]) -> Self {
        WindowFold {
            window,
            batch: None,
            arrivals: (0, 0),
            departures: (0, 0),
            whole: false,
            enter: Lane::new(wanted),
            enter_ends: Vec::new(),
            leave: Lane::new(wanted),
            leave_ends: Vec::new(),
        }
    }

    /// Takes the batch of the next step.
    pub(super) fn begin(&mut self, batch: &Rc<WindowBatch>) {
        let span = batch.span();
        self.arrivals = span.map_or((0, 0), |span| (span.cut, span.a1));
        self.departures = span.map_or((0, 0), |span| (span.d0, span.d1));
        self.batch = Some(Rc::clone(batch));
    }

    /// Lets go of the batch: it is folded.
    pub(super) fn end(&mut self) {
        let whole = self.batch.take().is_none_or(|batch| !batch.is_lost());
        let (arrivals, departures) = (self.arrivals, self.departures);
        debug_assert!(!whole || arrivals.0 == arrivals.1, "what arrives in a step is folded");
        debug_assert!(!whole || departures.0 == departures.1, "what departs in it too");
    }

    /// Copies out of the batch what enters and leaves by `clock`, and where each of the groups of
    /// the block's rows stands in it; the block's rows are `block` of the log.
    pub(super) fn load(&mut self, clock: EventTime, groups: &[EventTime], block: Rows) {
        let window = self.window;
        self.leave.clear();
        let Some(batch) = &self.batch else { return self.load_none(groups) };
        let to = batch.partition(self.departures, |ts| window.leaves(ts) <= clock);
        batch.copy_rows((self.departures.0, to), &mut self.leave);
        self.departures.0 = to;
        ends(&self.leave.times, groups, |ts| window.leaves(ts), &mut self.leave_ends);
        let arriving = self.arrivals;
        // A block ends with its last group's clock, and so do the arrivals of an undelayed window.
        let abreast = window.delay == 0 && arriving.0 == block.0;
        let to = match abreast {
            true => block.1.min(arriving.1),
            false => batch.partition(arriving, |ts| window.enters(ts) <= clock),
        };
        self.arrivals.0 = to;
        self.whole = abreast && to == block.1;
        if !self.whole {
            self.enter.clear();
            batch.copy_rows((arriving.0, to), &mut self.enter);
            ends(&self.enter.times, groups, |ts| window.enters(ts), &mut self.enter_ends);
        }
    }

    /// The same, of what was [loaded](Self::load), for other groups.
    pub(super) fn regroup(&mut self, groups: &[EventTime]) {
        let window = self.window;
        ends(&self.leave.times, groups, |ts| window.leaves(ts), &mut self.leave_ends);
        if !self.whole {
            ends(&self.enter.times, groups, |ts| window.enters(ts), &mut self.enter_ends);
        }
    }

    /// Nothing moves, and each group stands at its beginning.
    fn load_none(&mut self, groups: &[EventTime]) {
        self.whole = false;
        self.enter.clear();
        for ends in [&mut self.enter_ends, &mut self.leave_ends] {
            ends.clear();
            ends.resize(groups.len() + 1, 0);
        }
    }

    /// Appends where it stands in the log, while a step is under way.
    pub(super) fn places(&self, places: &mut Vec<u64>) {
        if self.batch.is_some() {
            places.extend([self.arrivals.0, self.departures.0]);
        }
    }

    /// How many rows were copied.
    pub(super) fn copied(&self) -> u64 {
        let entered = if self.whole { 0 } else { self.enter.len() };
        (self.leave.len() + entered) as u64
    }

    /// What enters, and where the groups stand in it; `None`: the block's rows, group by group.
    pub(super) fn entering(&self) -> Option<(&Lane, &[u32])> {
        (!self.whole).then_some((&self.enter, &self.enter_ends[..]))
    }

    /// What enters and leaves.
    pub(super) fn step(&self) -> WindowStep<'_> {
        WindowStep { enter: self.entering(), leave: &self.leave, leave_ends: &self.leave_ends }
    }

    /// The latest time after `clock` and up to `to` that it takes no more than about `budget` rows
    /// of the batch to reach.
    pub(super) fn reachable(&self, clock: EventTime, to: EventTime, budget: u64) -> EventTime {
        let Some(batch) = &self.batch else { return to };
        let after = |(from, end): Rows, edge: &dyn Fn(EventTime) -> EventTime| {
            let seq = from.saturating_add(budget);
            let time = if seq < end { batch.time_if(seq, |ts| edge(ts) < to) } else { None };
            time.map(edge)
        };
        let leaves = after(self.departures, &|ts| self.window.leaves(ts));
        let enters = after(self.arrivals, &|ts| self.window.enters(ts));
        let enters = enters.filter(|_| self.window.delay > 0);
        let limits = leaves.into_iter().chain(enters).filter(|limit| *limit > clock);
        limits.fold(to, EventTime::min)
    }
}

impl SealedWindows {
    /// Appends where the windows stand in the log, while a step is under way.
    pub fn places(&self, places: &mut Vec<u64>) {
        self.windows.iter().for_each(|window| window.places(places));
    }
}

/// For each group the end of the rows whose `at` is not after its ts; then the end of all.
pub(super) fn ends(
    times: &[EventTime],
    groups: &[EventTime],
    at: impl Fn(EventTime) -> EventTime,
    out: &mut Vec<u32>,
) {
    out.clear();
    let mut row = 0;
    for group in groups {
        while row < times.len() && at(times[row]) <= *group {
            row += 1;
        }
        out.push(row as u32);
    }
    out.push(times.len() as u32);
}
