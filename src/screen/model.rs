//! What the screen remembers between two looks: rates, recent latencies, moved values.

use crate::screen::values::{Moved, moved};
use crate::screen::{HotEntity, ScreenState};
use std::collections::{HashMap, VecDeque};
use tidemark_operators::metrics::HistogramSnapshot;
use tidemark_operators::time::Millis;
use tidemark_operators::value::Value;

/// How long one bar of the rate's history is.
const BAR: Millis = 500;
/// How many bars are kept: more than any terminal is wide.
const BARS_MAX: usize = 512;
/// How far back rates and latencies look.
const RECENT: Millis = 5_000;
/// How long a value that rose stands out.
const FLASH: Millis = 1_200;
/// How long a value that fell stands out.
const FADE: Millis = 4_000;
/// Rows of the table that are remembered.
const ROWS_MAX: usize = 256;

/// How a cell stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It rose a moment ago.
    Rose,
    /// It fell lately.
    Fell,
    /// Neither.
    Still,
}

#[derive(Debug)]
struct ShownValue {
    value: Value,
    moved: Option<(Moved, Millis)>,
}

/// The newest state and what it was compared with.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) state: ScreenState,
    now: Millis,
    /// Records read in each past bar, oldest first.
    bars: VecDeque<u64>,
    /// The bar being filled and the records read when it began.
    bar: Option<(Millis, u64)>,
    /// Reads and latencies of the last moments.
    recent: VecDeque<(Millis, u64, HistogramSnapshot)>,
    cells: HashMap<String, Vec<ShownValue>>,
    /// The first feature in the table.
    first: usize,
}

impl Model {
    /// Takes the next state in.
    pub(super) fn observe(&mut self, state: ScreenState) {
        self.now = u64::try_from(state.uptime.as_millis()).unwrap_or(u64::MAX);
        self.fill_bars(state.read());
        self.recent.push_back((self.now, state.read(), state.latency_ns.clone()));
        while self.recent.len() > 2
            && self.recent.get(1).is_some_and(|(at, _, _)| at + RECENT <= self.now)
        {
            self.recent.pop_front();
        }
        let same = state.features == self.state.features;
        self.move_cells(&state.hottest, same);
        self.state = state;
    }

    fn fill_bars(&mut self, read: u64) {
        let current = self.now / BAR;
        let Some((bar, at_start)) = self.bar else {
            self.bar = Some((current, read));
            return;
        };
        let passed = current.saturating_sub(bar);
        // What came since the bar began is spread over the bars that have passed.
        if let Some(share) = read.saturating_sub(at_start).checked_div(passed) {
            for _ in 0..passed.min(BARS_MAX as u64) {
                self.bars.push_back(share);
            }
            while self.bars.len() > BARS_MAX {
                self.bars.pop_front();
            }
            self.bar = Some((current, read));
        }
    }

    fn move_cells(&mut self, rows: &[HotEntity], same_features: bool) {
        if !same_features {
            self.cells.clear();
        }
        self.cells.retain(|id, _| rows.iter().any(|row| row.id == *id));
        for row in rows.iter().take(ROWS_MAX) {
            match self.cells.get_mut(&row.id) {
                Some(cells) => {
                    for (cell, value) in cells.iter_mut().zip(&row.values) {
                        if let Some(moved) = moved(&cell.value, value) {
                            cell.moved = Some((moved, self.now));
                        }
                        cell.value = value.clone();
                    }
                }
                None => {
                    let fresh = |value: &Value| ShownValue { value: value.clone(), moved: None };
                    self.cells.insert(row.id.clone(), row.values.iter().map(fresh).collect());
                }
            }
        }
    }

    /// The first feature in the table; those before it have been scrolled away.
    pub(super) fn first(&self) -> usize {
        self.first.min(self.state.features.len().saturating_sub(1))
    }

    /// Scrolls the table to the next features, or to those before.
    pub(super) fn scroll(&mut self, forward: bool) {
        self.first = if forward { self.first() + 1 } else { self.first().saturating_sub(1) };
        self.first = self.first();
    }

    /// How the value of a row stands out.
    pub(super) fn look(&self, id: &str, column: usize) -> Look {
        let cell = self.cells.get(id).and_then(|cells| cells.get(column));
        match cell.and_then(|cell| cell.moved) {
            Some((Moved::Up, at)) if self.now < at + FLASH => Look::Rose,
            Some((Moved::Down, at)) if self.now < at + FADE => Look::Fell,
            _ => Look::Still,
        }
    }

    /// Records a second, lately.
    pub(super) fn rate(&self) -> u64 {
        match (self.recent.front(), self.recent.back()) {
            (Some((from, before, _)), Some((to, after, _))) if to > from => {
                after.saturating_sub(*before).saturating_mul(1_000) / (to - from)
            }
            _ => 0,
        }
    }

    /// The latency that `per_mille` of the recent rows kept, in ns.
    pub(super) fn latency(&self, per_mille: u64) -> Option<u64> {
        let (_, _, before) = self.recent.front()?;
        self.state.latency_ns.since(before).quantile(per_mille)
    }

    /// The newest `count` bars as rates a second, oldest first.
    pub(super) fn history(&self, count: usize) -> Vec<u64> {
        let skip = self.bars.len().saturating_sub(count);
        self.bars.iter().skip(skip).map(|read| read * 1_000 / BAR).collect()
    }
}
