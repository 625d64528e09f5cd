//! One window of the sealed windows, and what a step moves in it.

use crate::plan::Window;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::timeline::log::Log;

/// One window and where it stands in the log.
pub(super) struct SealedPlace {
    pub window: Window,
    /// Rows below have entered.
    pub entered: u64,
    /// Rows below have left.
    pub left: u64,
    pub enter: Lane,
    pub leave: Lane,
    pub enter_ends: Vec<u32>,
    pub leave_ends: Vec<u32>,
}

impl SealedPlace {
    /// Copies out what enters and leaves by `clock`, and where each group stands in it.
    pub(super) fn load(&mut self, log: &Log, clock: EventTime, groups: &[EventTime]) {
        let window = self.window;
        self.leave.clear();
        let to = log.partition(self.left, |ts| window.leaves(ts) <= clock);
        log.copy(self.left, to, &mut self.leave);
        self.left = to;
        ends(&self.leave.times, groups, |ts| window.leaves(ts), &mut self.leave_ends);
        if window.delay > 0 {
            self.enter.clear();
            let to = log.partition(self.entered, |ts| window.enters(ts) <= clock);
            log.copy(self.entered, to, &mut self.enter);
            self.entered = to;
            ends(&self.enter.times, groups, |ts| window.enters(ts), &mut self.enter_ends);
        }
    }
}

/// For each group the end of the rows whose `at` is not after its ts; then the end of all.
fn ends(
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
