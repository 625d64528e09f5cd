//! What the screen remembers between two looks: rates, recent latencies, moved values, the order of
//! the table.

use crate::screen::keys::Wishes;
use crate::screen::values::{self, Moved, moved};
use crate::screen::{ScreenState, ShownEntity};
use std::cmp::Ordering;
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
/// How long a value that an event changed stands out.
const FLASH: Millis = 1_200;
/// How long a value that time alone changed stands out.
const FADE: Millis = 4_000;
/// Rows of the table that are remembered.
const ROWS_MAX: usize = 256;
/// How a cell stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It rose a moment ago, by an event of the entity.
    Rose,
    /// It fell a moment ago, by an event of the entity.
    Fell,
    /// It changed lately, and no event of the entity did it: by the passing of time alone.
    Decayed,
    /// None of these.
    Still,
}

#[derive(Debug)]
struct ShownValue {
    value: Value,
    moved: Option<(Look, Millis)>,
}

#[derive(Debug, Default)]
struct ShownRow {
    arrivals: u64,
    values: Vec<ShownValue>,
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
    cells: HashMap<String, ShownRow>,
    /// What somebody wants to see, by the keys that were pressed.
    pub(super) wishes: Wishes,
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
        let page = state.page.iter().map(|page| &page.entity);
        self.move_cells(&state.shown.iter().chain(page).collect::<Vec<_>>(), same);
        self.state = state;
        self.reorder();
    }

    /// Puts the table in the order that is wished for.
    pub(super) fn reorder(&mut self) {
        let column = self.wishes.sort.min(self.state.features.len().saturating_sub(1));
        let is_ascending = self.wishes.ascending;
        self.state.shown.sort_by(|one, other| {
            let by = match (one.values.get(column), other.values.get(column)) {
                (Some(one), Some(other)) if is_ascending => values::order(one, other),
                (Some(one), Some(other)) => values::order(other, one),
                _ => Ordering::Equal,
            };
            by.then_with(|| one.id.cmp(&other.id))
        });
    }

    /// The rows of the table in its order; those that are searched for.
    pub(super) fn rows(&self) -> impl Iterator<Item = &ShownEntity> {
        self.state.shown.iter().filter(|row| row.id.contains(self.wishes.search.as_str()))
    }

    /// The row that is chosen.
    pub(super) fn chosen(&self) -> Option<&ShownEntity> {
        self.rows().nth(self.chosen_place())
    }

    /// Its place in the table: it moves with the one that was chosen.
    pub(super) fn chosen_place(&self) -> usize {
        let chosen = self.wishes.chosen.as_deref();
        chosen.and_then(|id| self.rows().position(|row| row.id == id)).unwrap_or(0)
    }

    /// Chooses the next row, or the one before.
    pub(super) fn choose(&mut self, next: bool) {
        let place = self.chosen_place();
        let place = if next { place + 1 } else { place.saturating_sub(1) };
        let id = self.rows().nth(place).map(|row| row.id.clone());
        self.wishes.chosen = id.or_else(|| self.wishes.chosen.take());
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

    fn move_cells(&mut self, rows: &[&ShownEntity], same_features: bool) {
        if !same_features {
            self.cells.clear();
        }
        self.cells.retain(|id, _| rows.iter().any(|row| row.id == *id));
        for row in rows.iter().take(ROWS_MAX) {
            match self.cells.get_mut(&row.id) {
                Some(cells) => {
                    let by_event = row.arrivals > cells.arrivals;
                    cells.arrivals = row.arrivals;
                    for (cell, value) in cells.values.iter_mut().zip(&row.values) {
                        if let Some(moved) = moved(&cell.value, value) {
                            let look = match moved {
                                Moved::Up if by_event => Look::Rose,
                                Moved::Down if by_event => Look::Fell,
                                _ => Look::Decayed,
                            };
                            cell.moved = Some((look, self.now));
                        }
                        cell.value = value.clone();
                    }
                }
                None => {
                    let fresh = |value: &Value| ShownValue { value: value.clone(), moved: None };
                    let values = row.values.iter().map(fresh).collect();
                    let row_shown = ShownRow { arrivals: row.arrivals, values };
                    self.cells.insert(row.id.clone(), row_shown);
                }
            }
        }
    }

    /// The first feature in the table; those before it have been scrolled away.
    pub(super) fn first(&self) -> usize {
        self.wishes.first.min(self.state.features.len().saturating_sub(1))
    }

    /// Scrolls the table to the next features, or to those before.
    pub(super) fn scroll(&mut self, forward: bool) {
        let first = self.first();
        self.wishes.first = if forward { first + 1 } else { first.saturating_sub(1) };
        self.wishes.first = self.first();
    }

    /// How the value of a row stands out.
    pub(super) fn look(&self, id: &str, column: usize) -> Look {
        let cell = self.cells.get(id).and_then(|row| row.values.get(column));
        match cell.and_then(|cell| cell.moved) {
            Some((Look::Decayed, at)) if self.now < at + FADE => Look::Decayed,
            Some((look @ (Look::Rose | Look::Fell), at)) if self.now < at + FLASH => look,
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
