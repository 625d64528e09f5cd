//! Which events make a value, by brute force.

use super::{Event, Feature, World};

/// Source, partition and offset.
pub type EventPlace = (usize, usize, usize);

impl World {
    /// The events that feature `n` of view `at` is made of at `t` of the entity `id`, of each of its inputs
    /// in order; `None`: the twin does not say it of such a feature.
    pub fn events_of(
        &self,
        (at, n): (usize, usize),
        accepted: &[Event],
        id: &str,
        t: u64,
    ) -> Option<Vec<Vec<EventPlace>>> {
        let known = &accepted[..accepted.partition_point(|e| e.ts <= t)];
        let (view, feature) = self.views[at].features[n].named.unwrap_or((at, n));
        let history = self.views[view].history(known, id);
        let inputs = self.views[view].features[feature].events(&history, t)?;
        let place = |e: &&Event| (e.source, e.partition / self.sources, e.offset);
        Some(inputs.iter().map(|events| events.iter().map(place).collect()).collect())
    }
}

impl Feature {
    fn events<'a>(&self, history: &[&'a Event], t: u64) -> Option<Vec<Vec<&'a Event>>> {
        let mine = || history.iter().copied().filter(|e| self.filter.holds(e));
        let has = |e: &&Event| match self.of {
            "amount" => e.amount.is_some(),
            "points" => e.points.is_some(),
            "country" => e.country.is_some(),
            _ => true,
        };
        match self.aggregate {
            "count" | "sum" | "avg" | "max" | "min" | "stddev" | "distinct" | "entropy"
            | "normalised" => {
                Some(vec![mine().filter(|e| self.inside(e, t)).filter(has).collect()])
            }
            "ratio" => {
                let all = history.iter().copied().filter(|e| self.inside(e, t)).collect();
                Some(vec![mine().filter(|e| self.inside(e, t)).collect(), all])
            }
            "latest" | "is_new" | "previous" => {
                let latest = mine().next_back().filter(|e| t < e.ts + self.window);
                Some(vec![latest.into_iter().collect()])
            }
            "session sum" => Some(vec![self.session(history, t).into_iter().filter(has).collect()]),
            "session count" => Some(vec![self.session(history, t)]),
            _ => None,
        }
    }

    /// The events of the session that is open at `t` and that count, oldest first.
    fn session<'a>(&self, history: &[&'a Event], t: u64) -> Vec<&'a Event> {
        let mut after = t;
        let near = |e: &&&'a Event| {
            let near = after.saturating_sub(e.ts) <= self.window;
            after = e.ts;
            near
        };
        let session = history.iter().rev().take_while(near).copied();
        let mut session: Vec<&Event> = session.filter(|e| self.filter.holds(e)).collect();
        session.reverse();
        session
    }
}
