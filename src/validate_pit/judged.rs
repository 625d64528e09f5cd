//! Whether the values of a view are the same.

use crate::explained::features;
use crate::get::OnlineRow;
use std::ops::Bound;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::EventTime;

/// How many times are tried at most in the search for the one that a row is as of.
const TIMES_MAX: usize = 256;

/// The features of an entity in a view.
pub(super) struct JudgedView {
    /// The values as JSON, in the order of the view; `None` where no row was looked at.
    pub online: Option<Vec<String>>,
    pub windows: Vec<String>,
    pub events: Vec<String>,
}

/// When a row that is wrong was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhyDifferent {
    /// From then on until before the second time it would have been right.
    RightAt(EventTime, EventTime),
    /// At none of the times that were tried.
    Never,
}

impl JudgedView {
    /// Whether a feature is the same everywhere.
    pub fn agrees(&self, feature: usize) -> bool {
        let events = self.events.get(feature);
        let online = self.online.as_ref().is_none_or(|online| online.get(feature) == events);
        online && self.windows.get(feature) == events
    }

    /// The first feature that is not.
    pub fn first_wrong(&self) -> Option<usize> {
        (0..self.events.len()).find(|feature| !self.agrees(*feature))
    }
}

/// Judges a view, whose place in its entity is `at`. The windows are as of `until`; a row online is as of
/// some time from `from` on up to then.
pub(super) fn judge(
    view: &ViewPlan,
    history: &mut Recomputed,
    (at, windows): (usize, &[String]),
    online: Option<&Option<OnlineRow>>,
    (from, until): (EventTime, EventTime),
) -> JudgedView {
    let mut row = |clock| features(view, &history.row(at, clock), 0);
    let events = row(until);
    let windows = windows.to_vec();
    let Some(online) = online else { return JudgedView { online: None, windows, events } };
    // No row reads as the values without events.
    let online = match online {
        Some(found) => written(view, found),
        None => row(EventTime::MAX),
    };
    let judged = JudgedView { online: Some(online.clone()), windows, events };
    if judged.first_wrong().is_none() || judged.windows != judged.events {
        return judged;
    }
    let edges = history.edges(at, until);
    let between = (Bound::Excluded(from), Bound::Included(until));
    // From the first on: rows are read soon after the clocks.
    let between = edges.range(between).take(TIMES_MAX).copied();
    for clock in std::iter::once(from).chain(between) {
        let then = features(view, &history.row(at, clock), 0);
        if then == online {
            // It was right when it was looked at; the windows have gone on.
            return JudgedView { online: Some(online), windows: then.clone(), events: then };
        }
    }
    judged
}

/// When the row `online` of a view was right, that is not at any time from `from` on.
pub(super) fn when_right(
    view: &ViewPlan,
    history: &mut Recomputed,
    (at, online): (usize, &[String]),
    from: EventTime,
) -> WhyDifferent {
    let mut after = from;
    for clock in history.edges(at, from).into_iter().rev().take(TIMES_MAX) {
        if clock < after && features(view, &history.row(at, clock), 0) == online {
            return WhyDifferent::RightAt(clock, after);
        }
        after = clock;
    }
    WhyDifferent::Never
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
