//! One view of the sealed windows.

use crate::origin::Origin;
use crate::time::EventTime;
use crate::timeline::lane::Lane;
use crate::value::Column;
use crate::view::{ViewColumns, ratio};
use std::collections::BTreeSet;

/// What a column of a view comes from.
pub(super) struct SharedRead {
    /// The shared column, and the one that it is divided by.
    columns: (usize, Option<usize>),
    /// Whether nobody reads the shared column after this.
    last: bool,
}

impl From<(usize, Option<usize>)> for SharedRead {
    fn from(columns: (usize, Option<usize>)) -> Self {
        SharedRead { columns, last: false }
    }
}

/// Finds who reads each shared column last: a column that all rows of are wanted is not copied for
/// that one.
pub(super) fn find_last(views: &mut [SealedView]) {
    let mut read = BTreeSet::new();
    for shared in views.iter_mut().flat_map(|view| &mut view.reads).rev() {
        let (first, second) = shared.columns;
        shared.last = !read.contains(&first);
        read.extend([first].into_iter().chain(second));
    }
}

/// A view's rows among a block's.
pub(super) struct SealedView {
    pub index: usize,
    pub mask: u64,
    pub features: usize,
    pub columns: ViewColumns,
    pub reads: Vec<SharedRead>,
    pub selected: Vec<u32>,
    pub times: Vec<EventTime>,
    pub origins: Vec<Origin>,
    pub slots: Vec<u32>,
}

impl SealedView {
    /// Fills the view's columns for all `rows` that were read.
    pub(super) fn fill(&mut self, rows: usize, outs: &mut [Column]) {
        self.columns.clear();
        for (column, read) in self.columns.columns.iter_mut().zip(&self.reads) {
            match read.columns {
                (first, Some(second)) => ratio(&outs[first], &outs[second], column),
                (first, None) if read.last => std::mem::swap(column, &mut outs[first]),
                (first, None) => column.clone_from(&outs[first]),
            }
        }
        self.columns.derive(rows);
    }

    /// Fills the view's columns for its rows among the block's; returns how many there are.
    pub(super) fn select(
        &mut self,
        arrivals: &Lane,
        origins: &[Origin],
        outs: &mut [Column],
    ) -> usize {
        self.selected.clear();
        let (mask, rows) = (self.mask, 0..arrivals.len() as u32);
        self.selected.extend(rows.filter(|r| arrivals.bits[*r as usize] & mask == mask));
        if self.selected.len() == arrivals.len() {
            self.fill(arrivals.len(), outs);
            return arrivals.len();
        }
        self.columns.clear();
        self.pick_rows(arrivals, origins);
        for (column, read) in self.columns.columns.iter_mut().zip(&self.reads) {
            let (first, second) = &read.columns;
            match second {
                Some(second) => {
                    let (mut n, mut d) = (Column::default(), Column::default());
                    pick(&outs[*first], &self.selected, &mut n);
                    pick(&outs[*second], &self.selected, &mut d);
                    ratio(&n, &d, column);
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory::plan;

    fn last(views: &[&[(usize, Option<usize>)]]) -> Vec<Vec<bool>> {
        let plan = plan();
        let view = |reads: &&[(usize, Option<usize>)]| SealedView {
            index: 0,
            mask: 0,
            features: 0,
            columns: ViewColumns::new(&plan.entities[0].views[0], &plan.zone),
            reads: reads.iter().map(|read| (*read).into()).collect(),
            selected: Vec::new(),
            times: Vec::new(),
            origins: Vec::new(),
            slots: Vec::new(),
        };
        let mut views: Vec<SealedView> = views.iter().map(view).collect();
        find_last(&mut views);
        views.iter().map(|view| view.reads.iter().map(|read| read.last).collect()).collect()
    }

    #[test]
    fn a_column_goes_to_whom_reads_it_last_and_is_copied_for_the_others() {
        assert_eq!(last(&[&[(0, None), (1, None)]]), [[true, true]]);
        assert_eq!(last(&[&[(0, None), (1, None), (0, None)]]), [[false, true, true]]);
        // Of a later view, and of a quotient whose part it is.
        assert_eq!(last(&[&[(0, None), (1, None)], &[(1, None)]]), [vec![true, false], vec![true]]);
        assert_eq!(last(&[&[(0, None), (1, None), (2, Some(1))]]), [[true, false, true]]);
    }
}
