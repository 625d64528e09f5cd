//! Whether the values of a view are the same.
//!
//! A row online shows some events, as of some clock. Where it says which, what these make at that clock is
//! what it has to be, whatever came later. Where it does not, as in Redis, it is held against all that it
//! may show: clocks between those that were told before and after, and of the events that may not have come
//! yet, of each partition the first so many.

use super::online::{LookedRow, LookedSpan};
use crate::explained::features;
use crate::failure::Failure;
use crate::get::OnlineRow;
use crate::http::ShownPositions;
use crate::reread::KeptHistory;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use tidemark_operators::origin::{Origin, PartitionId};
use tidemark_operators::plan::{Plan, ViewPlan};
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::EventTime;

/// How many times are tried at most in the search for the one that a row is as of; where there are more and
/// none fits it is not judged.
const TIMES_MAX: usize = 256;
/// How many sets of events that a row may show are tried at most; where there are more it is not judged.
const SETS_MAX: usize = 64;

/// The features of an entity in a view.
pub(super) struct JudgedView {
    /// The values as JSON, in the order of the view; `None` where no row was looked at.
    pub online: Option<Vec<String>>,
    pub windows: Vec<String>,
    pub events: Vec<String>,
    /// Whether too much was on its way to tell what the row had to be.
    pub unjudged: bool,
}

/// When a row that is wrong was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyDifferent {
    /// From then on until before the second time it would have been right.
    RightAt(EventTime, EventTime),
    /// At none of the times that were tried.
    Never,
}

/// Of which view of an entity something is judged.
pub(super) struct JudgedOf<'a> {
    pub plan: &'a Arc<Plan>,
    pub view: &'a ViewPlan,
    /// Its place in the entity.
    pub at: usize,
}

impl JudgedView {
    /// Whether a feature is the same everywhere, as far as that can be told.
    pub fn agrees(&self, feature: usize) -> bool {
        let events = self.events.get(feature);
        let online = self.online.as_ref().is_none_or(|online| online.get(feature) == events);
        (online || self.unjudged) && self.windows.get(feature) == events
    }

    /// The first feature that is not.
    pub fn first_wrong(&self) -> Option<usize> {
        (0..self.events.len()).find(|feature| !self.agrees(*feature))
    }

    /// The row was right when it was looked at: it, and the others, were `then`.
    fn right(online: Vec<String>) -> JudgedView {
        let (windows, events) = (online.clone(), online.clone());
        JudgedView { online: Some(online), windows, events, unjudged: false }
    }
}

impl JudgedOf<'_> {
    fn row(&self, history: &mut Recomputed, clock: EventTime) -> Vec<String> {
        features(self.view, &history.row(self.at, clock), 0)
    }

    /// Judges the view: the windows are as of the end of `span`, in which the row was read.
    ///
    /// # Errors
    /// When the rows of the history are not what they have to be.
    pub fn judge(
        &self,
        history: &mut KeptHistory,
        windows: &[String],
        looked: Option<&LookedRow>,
        span: &LookedSpan,
    ) -> Result<JudgedView, Failure> {
        let events = self.row(&mut history.recomputed, span.until);
        let windows = windows.to_vec();
        let Some(looked) = looked else {
            return Ok(JudgedView { online: None, windows, events, unjudged: false });
        };
        // No row reads as the values without events.
        let online = match &looked.row {
            Some(found) => written(self.view, found),
            None => self.row(&mut history.recomputed, EventTime::MAX),
        };
        if windows != events {
            return Ok(JudgedView { online: Some(online), windows, events, unjudged: false });
        }
        if let Some((as_of, positions)) = &looked.shows {
            let keeps = |origin: Origin| shows(self.plan, positions, origin);
            let then = self.row(&mut history.known(self.plan, *as_of, keeps)?, *as_of);
            let (online, events) = (Some(online), then.clone());
            return Ok(JudgedView { online, windows: then, events, unjudged: false });
        }
        if online == events {
            return Ok(JudgedView::right(online));
        }
        let Some(sets) = event_sets(history, span) else {
            return Ok(JudgedView { online: Some(online), windows, events, unjudged: true });
        };
        let mut unjudged = false;
        for set in sets {
            let keeps = |origin: Origin| {
                let id = PartitionId { source: origin.source, partition: origin.partition };
                set.get(&id).is_none_or(|end| origin.offset < *end)
            };
            let mut known = history.known(self.plan, span.from, keeps)?;
            let edges = known.edges(self.at, span.until);
            let between = (Bound::Excluded(span.from), Bound::Included(span.until));
            // From the first on: rows are read soon after the clocks. Where event time runs that much faster,
            // the row may be as of a later one.
            unjudged |= edges.range(between).nth(TIMES_MAX).is_some();
            let between = edges.range(between).take(TIMES_MAX).copied();
            for clock in std::iter::once(span.from).chain(between) {
                if self.row(&mut known, clock) == online {
                    return Ok(JudgedView::right(online));
                }
            }
        }
        Ok(JudgedView { online: Some(online), windows, events, unjudged })
    }

    /// When the row `online` was right, that is not at any time from `from` on.
    pub fn when_right(
        &self,
        history: &mut Recomputed,
        online: &[String],
        from: EventTime,
    ) -> WhyDifferent {
        let mut after = from;
        for clock in history.edges(self.at, from).into_iter().rev().take(TIMES_MAX) {
            if clock < after && self.row(history, clock) == online {
                return WhyDifferent::RightAt(clock, after);
            }
            after = clock;
        }
        WhyDifferent::Never
    }
}

/// Whether a row at `positions` shows the event from `origin`.
fn shows(plan: &Plan, positions: &ShownPositions, origin: Origin) -> bool {
    let source = plan.sources.get(usize::from(origin.source));
    let partitions = source.and_then(|source| positions.get(&source.name));
    let end = partitions.and_then(|partitions| partitions.get(&origin.partition));
    end.is_some_and(|end| origin.offset < *end)
}

/// What a row may show that was read in `span`: for each partition of which that is not known the offset
/// before which it does. All events before the frontier have come; of a partition those come in the order of
/// their offsets. `None`: that is more than is tried.
fn event_sets(history: &KeptHistory, span: &LookedSpan) -> Option<Vec<BTreeMap<PartitionId, u64>>> {
    let mut ends: BTreeMap<PartitionId, Vec<u64>> = BTreeMap::new();
    for (_, Origin { source, partition, offset }) in history.since(span.frontier) {
        ends.entry(PartitionId { source, partition }).or_default().push(offset);
    }
    let mut sets = vec![BTreeMap::new()];
    for (id, mut ends) in ends {
        ends.push(u64::MAX);
        // All of them first: mostly they have come.
        ends.sort_unstable_by_key(|end| std::cmp::Reverse(*end));
        if sets.len().saturating_mul(ends.len()) > SETS_MAX {
            return None;
        }
        let with = |set: &BTreeMap<PartitionId, u64>, end: u64| {
            let mut set = set.clone();
            set.insert(id, end);
            set
        };
        sets = sets.iter().flat_map(|set| ends.iter().map(|end| with(set, *end))).collect();
    }
    Some(sets)
}

/// The values of a row in the order of the view, as JSON.
fn written(view: &ViewPlan, row: &OnlineRow) -> Vec<String> {
    let value = |name: &str| {
        let found = row.iter().find(|(known, _)| known == name);
        let value = found.and_then(|(_, value)| value.as_ref());
        value.map_or_else(|| "null".to_owned(), |value| value.get().to_owned())
    };
    view.features.iter().map(|feature| value(&feature.name)).collect()
}
