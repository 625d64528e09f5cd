//! What a feature is made of in the end: the windows, sessions and latest events that it sees, and
//! what is looked up for it.

use crate::document::quantity::show_duration;
use std::collections::BTreeSet;
use tidemark_operators::plan::{EntityPlan, LookupPlan, Read, ViewPlan, Window};
use tidemark_operators::time::Millis;

/// What the features of a view are found from.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub(super) entity: &'a EntityPlan,
    pub(super) view: &'a ViewPlan,
}

impl<'a> Inputs<'a> {
    fn all(self, index: usize) -> impl Iterator<Item = Read> + use<'a> {
        self.view.reads_of(index).into_iter().filter_map(move |at| self.view.reads.get(at).copied())
    }

    /// All that the column at `index` is over: `24h; latest, 30d`.
    pub(super) fn over(self, index: usize) -> Option<String> {
        let (mut windows, mut others) = (BTreeSet::<Window>::new(), BTreeSet::new());
        for read in self.all(index) {
            for at in read.accumulators() {
                let accumulator = self.entity.accumulators.get(at);
                windows.extend(accumulator.and_then(|it| self.entity.windows.get(it.window)));
            }
            if let Read::SessionSum { horizon, .. }
            | Read::Latest { horizon, .. }
            | Read::LatestTime { horizon, .. }
            | Read::Gap { horizon, .. } = read
            {
                others.insert((self.gap(horizon).is_none(), horizon));
            }
        }
        let windows = windows.into_iter().map(|window| match window.delay {
            0 => show_duration(window.length),
            delay => format!("{}, delayed {}", show_duration(window.length), show_duration(delay)),
        });
        let others = others.into_iter().map(|(_, horizon)| match self.gap(horizon) {
            Some(gap) => format!("session, {}", show_duration(gap)),
            None => format!("latest, {}", show_duration(horizon)),
        });
        let all = windows.chain(others).collect::<Vec<_>>();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// The gap of the sessions that are shown for `horizon`, if any are.
    pub(super) fn gap(self, horizon: Millis) -> Option<Millis> {
        let mut gaps = self.entity.sessions.iter().map(|session| session.gap);
        gaps.find(|gap| gap.saturating_add(1) == horizon)
    }

    /// The looked-up values that the column at `index` is made of.
    pub(super) fn lookups(self, index: usize) -> Vec<&'a LookupPlan> {
        let attributes = self.all(index).filter_map(|read| match read {
            Read::Latest { last, attribute, .. } => {
                self.entity.lasts.get(last)?.attributes.get(attribute).copied()
            }
            Read::Sum { accumulator }
            | Read::Avg { accumulator }
            | Read::Stddev { accumulator }
            | Read::Extreme { accumulator }
            | Read::Distinct { accumulator }
            | Read::Entropy { accumulator, .. } => {
                self.entity.accumulators.get(accumulator)?.attribute
            }
            _ => None,
        });
        let attributes: BTreeSet<usize> = attributes.collect();
        let lookups = self.entity.lookups.iter();
        lookups.filter(|lookup| attributes.contains(&lookup.target)).collect()
    }
}
