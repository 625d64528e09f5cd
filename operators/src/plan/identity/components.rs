//! The components of an entity's state: what is told of each by itself.

use super::{IdentityTexts, kept};
use crate::plan::{AccumulatorPlan, Kind, Sequence};
use crate::time::Millis;

/// A component of an entity's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// What it is. Of what is kept for a while it ends with how long that is.
    pub identity: String,
    /// Where it is in the plan.
    pub kind: ComponentKind,
}

/// Where a component is in the plan of its entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentKind {
    /// An accumulator.
    Accumulator(usize),
    /// The times of last-event state: the plan's, then what rows' lives need besides.
    Last(usize),
    /// Attribute `.1` of last-event state `.0`.
    LastAttribute(usize, usize),
    /// The event, or the values, that a sequence has seen.
    Sequence(usize),
    /// When a session began and had its last event.
    Session(usize),
    /// Attribute `.1` of the first event of session `.0`.
    SessionFirst(usize, usize),
    /// Count `.1` of session `.0`.
    SessionCount(usize, usize),
    /// Sum `.1` of session `.0`.
    SessionSum(usize, usize),
}

impl Component {
    /// Whether stored state of this identity is this component's; for how long before the cut it is
    /// complete when that is shorter than this component needs.
    pub fn is(&self, stored: &str) -> Option<Stored> {
        if self.identity == stored {
            return Some(Stored::Whole);
        }
        let (what, needed) = reach(&self.identity)?;
        let (stored, reaches) = reach(stored)?;
        (what == stored).then_some(if reaches < needed {
            Stored::Reaches(reaches)
        } else {
            Stored::Whole
        })
    }
}

/// How much of a component is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stored {
    /// What happened so many ms before the cut, and no more.
    Reaches(Millis),
    /// All that it needs.
    Whole,
}

/// An identity without how far back it reaches, and that.
fn reach(identity: &str) -> Option<(&str, Millis)> {
    let (what, kept) = identity.rsplit_once(", kept ")?;
    Some((what, kept.strip_suffix(" ms")?.parse().ok()?))
}

/// All components, in the order in which they are told: times before what is kept of an event.
pub(super) fn components(texts: &IdentityTexts<'_>) -> Vec<Component> {
    let entity = texts.entity;
    let mut all = Vec::new();
    let mut add = |kind, identity| all.push(Component { identity, kind });
    for (at, plan) in entity.accumulators.iter().enumerate() {
        add(ComponentKind::Accumulator(at), accumulator(texts, plan));
    }
    for (at, last) in entity.kept_lasts().iter().enumerate() {
        let event = format!("latest event of {}", texts.mask(last.mask));
        add(ComponentKind::Last(at), kept(&event, last.horizon));
        for (of, attribute) in last.attributes.iter().enumerate() {
            let what = format!("[{}] of the {event}", texts.attribute(*attribute));
            add(ComponentKind::LastAttribute(at, of), kept(&what, last.horizon));
        }
    }
    for (at, sequence) in entity.sequences.iter().enumerate() {
        let before = match sequence.what {
            Sequence::New { .. } => "values seen for",
            Sequence::Changed { .. } | Sequence::Previous { .. } => "event before for",
        };
        let what = format!("{before} {}", texts.sequence(sequence));
        add(ComponentKind::Sequence(at), kept(&what, sequence.horizon));
    }
    for (at, session) in entity.sessions.iter().enumerate() {
        let of = texts.session(session);
        add(ComponentKind::Session(at), of.clone());
        for (first, (attribute, _)) in session.firsts.iter().enumerate() {
            let what = texts.first(*attribute);
            add(ComponentKind::SessionFirst(at, first), format!("{what} in {of}"));
        }
        for (count, (mask, _)) in session.counts.iter().enumerate() {
            add(ComponentKind::SessionCount(at, count), format!("{} in {of}", texts.count(*mask)));
        }
        for (sum, plan) in session.sums.iter().enumerate() {
            let what = texts.sum(plan.mask, plan.attribute);
            add(ComponentKind::SessionSum(at, sum), format!("{what} in {of}"));
        }
    }
    all
}

/// An accumulator. Distinct counts and entropies keep the same of the events; maxima of what may be
/// revised keep all values.
fn accumulator(texts: &IdentityTexts<'_>, plan: &AccumulatorPlan) -> String {
    let entity = texts.entity;
    let kind = match plan.kind {
        Kind::Count => "count".to_owned(),
        Kind::Sum => "sum".to_owned(),
        Kind::Moments => "sum and squares".to_owned(),
        Kind::Max | Kind::Min if entity.is_revisable(plan) => "all values".to_owned(),
        Kind::Max => "maxima".to_owned(),
        Kind::Min => "minima".to_owned(),
        Kind::Distinct | Kind::Entropy => "values".to_owned(),
        Kind::Hours => format!("hours in {}", texts.plan.zone.name),
    };
    let attribute = plan.attribute.map(|at| format!(" [{}]", texts.attribute(at)));
    let window = entity.windows.get(plan.window).copied();
    let (length, delay) = window.map_or((0, 0), |window| (window.length, window.delay));
    let delayed = if delay > 0 { format!(", delayed {delay} ms") } else { String::new() };
    let events = texts.mask(plan.mask);
    format!("{kind}{} of {events} in {length} ms{delayed}", attribute.unwrap_or_default())
}
