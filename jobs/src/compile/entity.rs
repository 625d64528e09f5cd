//! One entity while its job is compiled: state that features share; what is derived from the events
//! before an event is in `history`.

mod history;

use tidemark_operators::expression::Expr;
use tidemark_operators::plan::{
    AccumulatorPlan, AttributePlan, Feed, Kind, LastPlan, LookupPlan, Mask, SequencePlan,
    SessionPlan, Storage, ViewPlan, Window,
};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

/// The most filter bits an entity has.
const FILTERS_MAX: usize = 64;

/// An entity while its job is compiled. Fields are as in
/// [`EntityPlan`](tidemark_operators::plan::EntityPlan).
#[derive(Debug)]
pub(super) struct EntityBuild {
    pub(super) name: String,
    /// By source of the job: the field that is the key, where a view reads the source.
    pub(super) keys: Vec<Option<usize>>,
    pub(super) attributes: Vec<AttributePlan>,
    /// By attribute: by source of the job, what it is there; empty for derived ones.
    pub(super) feeds: Vec<Vec<Feed>>,
    pub(super) bits: Vec<Bit>,
    pub(super) lookups: Vec<LookupPlan>,
    pub(super) sequences: Vec<SequencePlan>,
    pub(super) sessions: Vec<SessionPlan>,
    pub(super) windows: Vec<Window>,
    pub(super) accumulators: Vec<AccumulatorPlan>,
    pub(super) lasts: Vec<LastPlan>,
    pub(super) views: Vec<ViewPlan>,
}

/// A filter bit.
#[derive(Debug, PartialEq)]
pub(super) enum Bit {
    /// By source of the job, the predicate.
    Filter(Vec<Option<usize>>),
    /// By source of the job, the condition over the entity's attributes.
    Late(Vec<Option<Expr>>),
    /// It is derived, by a sequence.
    Changed,
}

/// All filter bits of the entity are in use.
#[derive(Debug)]
pub(super) struct TooManyFilters;

impl EntityBuild {
    pub(super) fn new(name: String, keys: Vec<Option<usize>>) -> Self {
        EntityBuild {
            name,
            keys,
            attributes: Vec::new(),
            feeds: Vec::new(),
            bits: Vec::new(),
            lookups: Vec::new(),
            sequences: Vec::new(),
            sessions: Vec::new(),
            windows: Vec::new(),
            accumulators: Vec::new(),
            lasts: Vec::new(),
            views: Vec::new(),
        }
    }

    /// The mask of the filter that is `wanted`.
    pub(super) fn filter(&mut self, wanted: Bit) -> Result<Mask, TooManyFilters> {
        match self.bits.iter().position(|bit| *bit == wanted) {
            Some(bit) => Ok(1 << bit),
            None => Ok(1 << self.add_bit(wanted)?),
        }
    }

    /// The bits of filters that depend on what is looked up.
    pub(super) fn late_bits(&self) -> Mask {
        let bits = self.bits.iter().enumerate();
        bits.filter(|(_, bit)| matches!(bit, Bit::Late(_))).fold(0, |all, (at, _)| all | 1 << at)
    }

    fn add_bit(&mut self, bit: Bit) -> Result<usize, TooManyFilters> {
        if self.bits.len() >= FILTERS_MAX {
            return Err(TooManyFilters);
        }
        self.bits.push(bit);
        Ok(self.bits.len() - 1)
    }

    /// What [`TooManyFilters`] means to people.
    pub(super) fn too_many_filters(&self) -> String {
        format!(
            "the views of entity \"{}\" have more than {FILTERS_MAX} different filters",
            self.name
        )
    }

    /// The attribute with these feeds, by source of the job.
    pub(super) fn attribute(
        &mut self,
        name: &str,
        ty: Type,
        storage: Storage,
        feeds: Vec<Feed>,
    ) -> usize {
        let wanted = AttributePlan::sent(name, ty, storage);
        let mut known = self.attributes.iter().zip(&self.feeds);
        if let Some(at) = known.position(|(plan, at)| *plan == wanted && *at == feeds) {
            return at;
        }
        self.add_attribute(wanted, feeds)
    }

    fn add_attribute(&mut self, attribute: AttributePlan, feeds: Vec<Feed>) -> usize {
        self.attributes.push(attribute);
        self.feeds.push(feeds);
        self.attributes.len() - 1
    }

    /// The derived attribute of a lookup, whose target is not looked at.
    pub(super) fn looked_up(
        &mut self,
        name: &str,
        ty: Type,
        storage: Storage,
        mut lookup: LookupPlan,
    ) -> usize {
        let known = self.lookups.iter().find(|there| {
            lookup.target = there.target;
            let stored = self.attributes.get(there.target).map(|plan| plan.storage);
            **there == lookup && stored == Some(storage)
        });
        if let Some(known) = known {
            return known.target;
        }
        let attribute = AttributePlan::derived(name, ty, storage, None);
        let target = self.add_attribute(attribute, Vec::new());
        self.lookups.push(LookupPlan { target, ..lookup });
        target
    }

    /// The accumulator that keeps (at least) `kind`: sums are read from moments where a view asks
    /// for both, and distinct counts from what an entropy keeps.
    pub(super) fn accumulator(
        &mut self,
        kind: Kind,
        attribute: Option<usize>,
        mask: Mask,
        window: Window,
    ) -> usize {
        let window = index_of(&mut self.windows, window);
        let wanted = AccumulatorPlan { kind, attribute, mask, window };
        let joined = self.accumulators.iter_mut().enumerate().find_map(|(at, there)| {
            let both = AccumulatorPlan { kind: joined(there.kind, kind)?, ..*there };
            (AccumulatorPlan { kind, ..both } == wanted).then(|| {
                *there = both;
                at
            })
        });
        joined.unwrap_or_else(|| {
            self.accumulators.push(wanted);
            self.accumulators.len() - 1
        })
    }

    /// State of the latest event with `mask`, seen for `horizon`.
    pub(super) fn last(&mut self, mask: Mask, horizon: Millis) -> usize {
        let at = self.lasts.iter().position(|last| last.mask == mask).unwrap_or_else(|| {
            self.lasts.push(LastPlan { mask, attributes: Vec::new(), horizon });
            self.lasts.len() - 1
        });
        if let Some(last) = self.lasts.get_mut(at) {
            last.horizon = last.horizon.max(horizon);
        }
        at
    }

    /// Where `attribute` is in the state `last`.
    pub(super) fn last_attribute(&mut self, last: usize, attribute: usize) -> usize {
        let last = self.lasts.get_mut(last);
        last.map_or(0, |last| index_of(&mut last.attributes, attribute))
    }
}

/// The kind that keeps what both keep, if there is one.
fn joined(one: Kind, other: Kind) -> Option<Kind> {
    match (one, other) {
        _ if one == other => Some(one),
        (Kind::Sum | Kind::Moments, Kind::Sum | Kind::Moments) => Some(Kind::Moments),
        (Kind::Distinct | Kind::Entropy, Kind::Distinct | Kind::Entropy) => Some(Kind::Entropy),
        _ => None,
    }
}

/// Where `wanted` is in `all`, added if it is not.
pub(super) fn index_of<T: PartialEq>(all: &mut Vec<T>, wanted: T) -> usize {
    all.iter().position(|there| *there == wanted).unwrap_or_else(|| {
        all.push(wanted);
        all.len() - 1
    })
}
