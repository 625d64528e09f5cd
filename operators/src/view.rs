//! From the state of entities to the rows of a view: the columns read, then the derived ones.

use crate::aggregate::Reading;
use crate::aggregate::last::LastReading;
use crate::expression::Program;
use crate::plan::{Read, ViewPlan};
use crate::time::Millis;
use crate::value::Column;
use crate::zone::Zone;
use std::sync::Arc;

/// What a [`Read`] comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// One reading of an accumulator.
    Accumulator(usize, Reading),
    /// The quotient of two counts.
    Ratio(usize, usize),
    /// One reading of last-event state, and how long it is shown.
    Last(usize, LastReading, Millis),
}

impl From<&Read> for Source {
    fn from(read: &Read) -> Self {
        use Source::{Accumulator, Last, Ratio};
        match *read {
            Read::Count { accumulator } => Accumulator(accumulator, Reading::Count),
            Read::Sum { accumulator } => Accumulator(accumulator, Reading::Sum),
            Read::Avg { accumulator } => Accumulator(accumulator, Reading::Avg),
            Read::Stddev { accumulator } => Accumulator(accumulator, Reading::Stddev),
            Read::Extreme { accumulator } => Accumulator(accumulator, Reading::Extreme),
            Read::Distinct { accumulator } => Accumulator(accumulator, Reading::Distinct),
            Read::Entropy { accumulator, normalised } => {
                Accumulator(accumulator, Reading::Entropy { normalised })
            }
            Read::HourShare { accumulator } => Accumulator(accumulator, Reading::HourShare),
            Read::SessionSum { last, high, low, horizon } => {
                Last(last, LastReading::SessionSum { high, low }, horizon)
            }
            Read::Ratio { numerator, denominator } => Ratio(numerator, denominator),
            Read::Latest { last, attribute, horizon } => {
                Last(last, LastReading::Attribute(attribute), horizon)
            }
            Read::LatestTime { last, horizon } => Last(last, LastReading::Time, horizon),
            Read::Gap { last, horizon } => Last(last, LastReading::Gap, horizon),
        }
    }
}

/// Appends `numerator / denominator` for each pair of counts, 0 where the denominator is 0.
pub(crate) fn ratio(numerator: &Column, denominator: &Column, out: &mut Column) {
    for (n, d) in numerator.words.iter().zip(&denominator.words) {
        out.push_double(if *d == 0 { 0.0 } else { *n as f64 / *d as f64 });
    }
}

/// The columns of one view, and what computes the derived ones.
pub(crate) struct ViewColumns {
    /// Reads first, then derived columns.
    pub columns: Vec<Column>,
    reads: usize,
    programs: Vec<Program>,
}

impl ViewColumns {
    pub fn new(plan: &ViewPlan, zone: &Arc<Zone>) -> Self {
        let programs = plan.derived.iter().map(|e| Program::new(e, Arc::clone(zone)));
        ViewColumns {
            columns: vec![Column::default(); plan.reads.len() + plan.derived.len()],
            reads: plan.reads.len(),
            programs: programs.collect(),
        }
    }

    /// Forgets the rows.
    pub fn clear(&mut self) {
        self.columns.iter_mut().for_each(Column::clear);
    }

    /// Computes the derived columns of `rows` rows whose reads are there.
    pub fn derive(&mut self, rows: usize) {
        for (at, program) in self.programs.iter_mut().enumerate() {
            let (before, after) = self.columns.split_at_mut(self.reads + at);
            if let Some(out) = after.first_mut() {
                program.eval(before, rows, out);
            }
        }
    }

    /// Integer overflows so far in derived columns.
    pub fn int_overflows(&self) -> u64 {
        self.programs.iter().map(Program::int_overflows).sum()
    }
}
