//! Whether the values of a view are the same.

use crate::get::OnlineRow;
use crate::reread::features;
use std::collections::BTreeSet;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::EventTime;

/// How many times are tried at most in the search for the one that a row is as of.
const TIMES_MAX: usize = 256;

/// The features of an entity in a view.
pub(super) struct JudgedView {
    /// When they are compared.
    pub at: EventTime,
    /// The values as JSON, in the order of the view; `None` where no row was looked at.
    pub online: Option<Vec<String>>,
    pub windows: Vec<String>,
    pub events: Vec<String>,
    /// What is known of a row online that differs.
    pub why: Option<WhyDifferent>,
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
    let Some(online) = online else {
        let (online, windows, why) = (None, windows.to_vec(), None);
        return JudgedView { at: until, online, windows, events, why };
    };
    // No row reads as the values without events.
    let online = match online {
        Some(found) => written(view, found),
        None => row(EventTime::MAX),
    };
    let mut judged = JudgedView {
        at: until,
        online: Some(online.clone()),
        windows: windows.to_vec(),
        events,
        why: None,
    };
    if judged.first_wrong().is_none() || judged.windows != judged.events {
        return judged;
    }
    let edges = history.edges(at, until);
    let tried = |times: &BTreeSet<EventTime>, within: &dyn Fn(EventTime) -> bool| {
        let mut found: Vec<EventTime> = times.iter().copied().filter(|at| within(*at)).collect();
        found.reverse();
        found.truncate(TIMES_MAX);
        found
    };
    let between = tried(&edges, &|at| from < at && at <= until);
    let mut row = |clock| features(view, &history.row(at, clock), 0);
    for clock in between.into_iter().chain([from]) {
        let then = row(clock);
        if then == online {
            // It was right when it was looked at; the windows have gone on.
            judged.at = clock;
            judged.windows.clone_from(&then);
            judged.events = then;
            return judged;
        }
    }
    let mut after = from;
    for clock in tried(&edges, &|at| at <= from) {
        if row(clock) == online && clock < after {
            judged.why = Some(WhyDifferent::RightAt(clock, after));
            return judged;
        }
        after = clock;
    }
    judged.why = Some(WhyDifferent::Never);
    judged
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
