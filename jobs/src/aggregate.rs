//! The aggregates of the definition language, one a file.
//!
//! An aggregate reads the keys of a feature that names it ([`Aggregate::read`]), and what it read
//! ([`Measure`]) registers the state it needs with the entity and says how the feature's value is
//! read from that state, how much memory it takes and what it is in words. To add one, write its
//! file and list it in `ALL`.

mod absent;
mod avg;
mod changes;
mod count;
mod distinct;
mod duration;
mod edge;
mod entropy;
mod extreme;
mod hour_share;
mod is_new;
mod keys;
mod latest;
mod memory;
mod of;
mod previous;
mod previous_gap;
mod ratio;
mod reading;
mod stddev;
mod sum;
mod unit;

pub(crate) use absent::{instead_of, refuse_absent_keys};
pub(crate) use keys::{AtLatest, Session, Windowed, Within, over_latest};
pub(crate) use memory::Memory;
pub(crate) use of::{Of, OfValue};
pub(crate) use reading::{Reading, quotient};
pub(crate) use unit::Unit;

use crate::compile::Scope;
use crate::document::Table;
use std::fmt::Debug;
use std::rc::Rc;
use tidemark_operators::plan::Mask;
use tidemark_operators::time::Millis;

const ALL: [&dyn Aggregate; 19] = [
    &count::Count,
    &sum::Sum,
    &avg::Avg,
    &extreme::MAX,
    &extreme::MIN,
    &stddev::Stddev,
    &distinct::Distinct,
    &entropy::Entropy,
    &ratio::Ratio,
    &hour_share::HourShare,
    &changes::CHANGES,
    &changes::CHANGE_RATIO,
    &latest::Latest,
    &previous::Previous,
    &previous_gap::PreviousGap,
    &is_new::IsNew,
    &edge::FIRST,
    &edge::LAST,
    &duration::Duration,
];

/// Something is wrong, and it is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reported;

/// One kind of feature over an entity's events.
pub(crate) trait Aggregate: Sync {
    /// What `aggregate = ".."` says.
    fn name(&self) -> &'static str;

    /// Reads the keys of a feature of this kind.
    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported>;
}

/// A feature of some aggregate, as it was written.
pub(crate) trait Measure: Debug {
    /// Looks its names up and registers the state it needs.
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported>;
}

/// A feature of some aggregate, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// What is read from state, and the feature over that.
    pub(crate) reading: Reading,
    /// How long which events are seen.
    pub(crate) extents: Vec<(Mask, Millis)>,
    /// The window or horizon in words.
    pub(crate) over: String,
    /// What it keeps for an entity.
    pub(crate) memory: Memory,
    /// What it is, in words.
    pub(crate) definition: String,
}

/// The aggregate of this name.
pub(crate) fn named(name: &str) -> Option<&'static dyn Aggregate> {
    ALL.into_iter().find(|aggregate| aggregate.name() == name)
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    ALL.into_iter().map(Aggregate::name)
}
