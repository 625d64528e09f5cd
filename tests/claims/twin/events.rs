//! Which events make a value, by brute force.

use super::{Event, Feature, Filter, World};

/// Source, partition and offset.
pub type EventPlace = (usize, usize, usize);

/// Aggregates and attributes of whose events it is not known yet that brute force is right.
const UNSURE: [&str; 9] = [
    "changes",
    "change_ratio",
    "previous_gap",
    "session ratio",
    "duration",
    "first",
    "last",
    "level",
    "zone",
];

impl World {
    /// Whether brute force knows what events feature `n` of view `at` is made of.
    pub fn knows_events(&self, (at, n): (usize, usize)) -> bool {
        let (view, feature) = self.views[at].features[n].named.unwrap_or((at, n));
        let feature = &self.views[view].features[feature];
        ![feature.aggregate, feature.of].iter().any(|name| UNSURE.contains(name))
    }

    /// The events that feature `n` of view `at` is made of at `t` of the entity `id`, of each of its inputs
    /// in order.
    pub fn events_of(
        &self,
        (at, n): (usize, usize),
        accepted: &[Event],
        id: &str,
        t: u64,
    ) -> Vec<Vec<EventPlace>> {
        let known = &accepted[..accepted.partition_point(|e| e.ts <= t)];
        let (view, feature) = self.views[at].features[n].named.unwrap_or((at, n));
        let history = self.views[view].history(known, id);
        let inputs =
            self.views[view].features[feature].events(&history, t, self.views[view].filter);
        let place = |e: &&Event| (e.source, e.partition / self.sources, e.offset);
        inputs.iter().map(|events| events.iter().map(place).collect()).collect()
    }
}

impl Feature {
    /// Of a view whose events are those that `of_view` lets through.
    fn events<'a>(&self, history: &[&'a Event], t: u64, of_view: Filter) -> Vec<Vec<&'a Event>> {
        let mine = || history.iter().copied().filter(|e| self.filter.holds(e));
        let inside = || mine().filter(|e| self.inside(e, t));
        let has = |e: &&Event| match self.of {
            "amount" => e.amount.is_some(),
            "points" => e.points.is_some(),
            "level" => e.level.is_some(),
            "country" | "zone" => self.text(e).is_some(),
            _ => true,
        };
        let session = self.session(history, t);
        let edge = |e: Option<&&'a Event>| e.copied().into_iter().collect::<Vec<_>>();
        match self.aggregate {
            "changes" => vec![self.changed(history, t)],
            "change_ratio" => vec![self.changed(history, t), inside().collect()],
            "ratio" => {
                let all = history.iter().copied().filter(|e| self.inside(e, t)).collect();
                vec![inside().collect(), all]
            }
            "latest" | "is_new" | "previous" => vec![edge(self.newest(history, t).last())],
            "previous_gap" => vec![self.newest(history, t)],
            "session count" => vec![self.counted(&session)],
            "session sum" => vec![self.counted(&session).into_iter().filter(has).collect()],
            // What both parts of it count is one thing then.
            "session ratio" if self.filter == of_view => vec![session],
            "session ratio" => vec![self.counted(&session), session],
            "duration" => vec![edge(session.last()), edge(session.first())],
            "first" => vec![edge(session.first())],
            "last" => vec![edge(session.last())],
            _ => vec![inside().filter(has).collect()],
        }
    }

    /// The latest event while it is seen, behind the one before it where that is near enough.
    fn newest<'a>(&self, history: &[&'a Event], t: u64) -> Vec<&'a Event> {
        let mut mine = history.iter().copied().filter(|e| self.filter.holds(e));
        let Some(latest) = mine.next_back().filter(|e| t < e.ts + self.window) else {
            return Vec::new();
        };
        let before = mine.next_back().filter(|e| latest.ts - e.ts < self.window);
        before.into_iter().chain([latest]).collect()
    }

    /// The events in the window that tell something else than the one before them that tells anything.
    fn changed<'a>(&self, history: &[&'a Event], t: u64) -> Vec<&'a Event> {
        let mine: Vec<&Event> = history.iter().copied().filter(|e| self.filter.holds(e)).collect();
        let inside = mine.iter().enumerate().filter(|(_, e)| self.inside(e, t));
        inside.filter(|(at, e)| self.is_change(&mine[..*at], e)).map(|(_, e)| *e).collect()
    }

    /// Those of a session that count.
    fn counted<'a>(&self, session: &[&'a Event]) -> Vec<&'a Event> {
        session.iter().copied().filter(|e| self.filter.holds(e)).collect()
    }

    /// The events of the session that is open at `t`, oldest first.
    fn session<'a>(&self, history: &[&'a Event], t: u64) -> Vec<&'a Event> {
        let mut after = t;
        let near = |e: &&&'a Event| {
            let near = after.saturating_sub(e.ts) <= self.window;
            after = e.ts;
            near
        };
        let session = history.iter().rev().take_while(near).copied();
        let mut session: Vec<&Event> = session.collect();
        session.reverse();
        session
    }
}
