//! What is folded over a timeline, entity by entity, by value.

use super::Texts;
use crate::time::EventTime;

/// The state of some entities of one type as of a cut: of their events before it, and of no other.
///
/// It is made of components (an accumulator, a sequence, what is kept of latest events), each known by
/// what it is and not by its place in the job, so that a changed job finds what it still has. An entity
/// of which a component knows nothing has no bytes there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntityStates {
    /// The cut.
    pub as_of: EventTime,
    /// The entities' ids.
    pub ids: Texts,
    /// The components.
    pub components: Vec<StateComponent>,
}

/// One component of [`EntityStates`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateComponent {
    /// What it is: the same text for the same state, in any process and version.
    pub identity: String,
    /// For each entity what it knows of it, encoded by the component itself.
    pub states: Texts,
}
