//! One view of the live windows.

use crate::online::Cause;
use crate::plan::{Alive, EntityPlan, LastPlan, Mask, Plan, ViewPlan};
use crate::slab::Slab;
use crate::value::Column;
use crate::view::{Source, ViewColumns};

/// Where a feature of a batch is taken from: no value is copied twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A column of the view, which becomes the batch's.
    Column(usize),
    /// An earlier feature, of the same column.
    Feature(usize),
}

/// For each feature, by its column, where it is taken from.
fn taken(columns: &[usize]) -> Vec<Taken> {
    let from = |(at, column): (usize, &usize)| {
        let earlier = columns[..at].iter().position(|other| other == column);
        earlier.map_or(Taken::Column(*column), Taken::Feature)
    };
    columns.iter().enumerate().map(from).collect()
}

/// A view's columns, and which of its rows have been touched.
pub(super) struct View {
    pub index: usize,
    /// Events with any of these change the row: the view's own, and those of other views whose
    /// features it names. None of them implies another.
    masks: Vec<Mask>,
    pub reads: Vec<Source>,
    pub features: Vec<Taken>,
    pub columns: ViewColumns,
    pub alive: Vec<Alive>,
    /// For each window the masks of the view's accumulators over it.
    pub windows: Vec<Vec<Mask>>,
    /// The last-event state the view looks at.
    pub lasts: Vec<usize>,
    pub touched: Vec<u32>,
    /// See [`mark_of`]; 0: not touched.
    pub marks: Slab<u8>,
}

impl View {
    /// Whether an event with these bits changes the row.
    #[inline]
    pub(super) fn sees(&self, bits: Mask) -> bool {
        self.masks.iter().any(|mask| bits & mask == *mask)
    }

    /// About how much memory its rows' marks and columns take, in bytes.
    pub(super) fn memory(&self) -> usize {
        let columns: usize = self.columns.columns.iter().map(Column::memory).sum();
        self.marks.bytes() + self.touched.capacity() * 4 + columns
    }

    #[inline]
    pub(super) fn touch(&mut self, slot: u32, cause: Cause) {
        let mark = &mut self.marks[slot];
        if *mark == 0 {
            self.touched.push(slot);
        }
        *mark = (*mark).max(mark_of(cause));
    }
}

/// The mark of a row that was touched for `cause`; of two the greater stays.
#[inline]
fn mark_of(cause: Cause) -> u8 {
    match cause {
        Cause::Restored => 1,
        Cause::Decay => 2,
        Cause::Arrival => 3,
    }
}

/// Why a row with this mark was touched.
#[inline]
pub(super) fn cause_of(mark: u8) -> Cause {
    match mark {
        1 => Cause::Restored,
        2 => Cause::Decay,
        _ => Cause::Arrival,
    }
}

/// Those of `masks` that have no fewer bits than another.
fn fewest(mut masks: Vec<Mask>) -> Vec<Mask> {
    masks.sort_unstable();
    masks.dedup();
    let implied = |mask: &Mask| masks.iter().any(|other| other != mask && mask & other == *other);
    masks.iter().copied().filter(|mask| !implied(mask)).collect()
}

/// A view's part; last-event state that only its extents need is added to `lasts`.
pub(super) fn live_view(
    plan: &Plan,
    entity: &EntityPlan,
    view: &ViewPlan,
    lasts: &mut Vec<LastPlan>,
) -> View {
    let reads: Vec<Source> = view.reads.iter().map(Source::from).collect();
    let mut windows = vec![Vec::new(); entity.windows.len()];
    let mut use_accumulator = |at: usize| {
        let accumulator = &entity.accumulators[at];
        windows[accumulator.window].push(accumulator.mask);
    };
    for read in &reads {
        match *read {
            Source::Accumulator(at, _) => use_accumulator(at),
            Source::Ratio(n, d) => [n, d].into_iter().for_each(&mut use_accumulator),
            Source::Last(..) => {}
        }
    }
    let alive = entity.kept_alive(view, lasts);
    for kept in &alive {
        if let Alive::Holds(at) = kept {
            use_accumulator(*at);
        }
    }
    let read = reads.iter().filter_map(|read| match read {
        Source::Last(at, ..) => Some(*at),
        _ => None,
    });
    let younger = alive.iter().filter_map(|a| match a {
        Alive::Younger(at, _) => Some(*at),
        Alive::Holds(_) => None,
    });
    let used: Vec<usize> = read.chain(younger).collect();
    let masks = windows.iter().flatten().copied().chain(used.iter().map(|at| lasts[*at].mask));
    let masks = fewest(masks.chain([view.mask]).collect());
    View {
        index: view.index,
        masks,
        reads,
        features: taken(&view.features.iter().map(|f| f.column).collect::<Vec<_>>()),
        columns: ViewColumns::new(view, &plan.zone),
        alive,
        windows: windows
            .into_iter()
            .map(|mut masks: Vec<Mask>| {
                masks.sort_unstable();
                masks.dedup();
                masks
            })
            .collect(),
        lasts: used,
        touched: Vec::new(),
        marks: Slab::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_taken_by_its_first_feature_and_copied_for_the_others() {
        use Taken::{Column, Feature};
        assert_eq!(
            taken(&[3, 0, 3, 3, 1]),
            [Column(3), Column(0), Feature(0), Feature(0), Column(1)]
        );
        assert_eq!(taken(&[]), []);
    }
}
