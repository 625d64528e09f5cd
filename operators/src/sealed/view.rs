//! One view of the sealed windows.

use crate::origin::Origin;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;
use crate::view::{ViewColumns, ratio};

/// A view's rows among a block's.
pub(super) struct SealedView {
    pub index: usize,
    pub mask: u64,
    pub features: usize,
    pub columns: ViewColumns,
    /// For each read, the shared column (or two) it comes from.
    pub reads: Vec<(usize, Option<usize>)>,
    pub selected: Vec<u32>,
    pub times: Vec<EventTime>,
    pub origins: Vec<Origin>,
    pub slots: Vec<u32>,
}

impl SealedView {
    /// Fills the view's columns for its rows among the block's; returns how many there are.
    pub(super) fn select(&mut self, arrivals: &Lane, origins: &[Origin], outs: &[Column]) -> usize {
        self.columns.clear();
        self.selected.clear();
        let (mask, rows) = (self.mask, 0..arrivals.len() as u32);
        self.selected.extend(rows.filter(|r| arrivals.bits[*r as usize] & mask == mask));
        let whole = self.selected.len() == arrivals.len();
        if !whole {
            self.pick_rows(arrivals, origins);
        }
        for (column, (first, second)) in self.columns.columns.iter_mut().zip(&self.reads) {
            match second {
                Some(second) if whole => ratio(&outs[*first], &outs[*second], column),
                Some(second) => {
                    let (mut n, mut d) = (Column::default(), Column::default());
                    pick(&outs[*first], &self.selected, &mut n);
                    pick(&outs[*second], &self.selected, &mut d);
                    ratio(&n, &d, column);
                }
                None if whole => column.clone_from(&outs[*first]),
                None => pick(&outs[*first], &self.selected, column),
            }
        }
        self.columns.derive(self.selected.len());
        self.selected.len()
    }

    fn pick_rows(&mut self, arrivals: &Lane, origins: &[Origin]) {
        let rows = || self.selected.iter().map(|r| *r as usize);
        self.times.clear();
        self.times.extend(rows().map(|r| arrivals.times[r]));
        self.origins.clear();
        self.origins.extend(rows().map(|r| origins[r]));
        self.slots.clear();
        self.slots.extend(rows().map(|r| arrivals.slots[r]));
    }
}

/// Copies the rows `selected` of `from`; spans go on pointing into the copied bytes.
fn pick(from: &Column, selected: &[u32], out: &mut Column) {
    out.bytes.clone_from(&from.bytes);
    for row in selected {
        out.words.push(from.words[*row as usize]);
        out.valid.push(from.valid[*row as usize]);
    }
}
