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

impl EntityStates {
    /// Appends an entity with its state of each component; says whether there was room: the ids, and the
    /// states of a component, are at most 4 GiB.
    pub fn push<'a>(&mut self, id: &[u8], states: impl IntoIterator<Item = &'a [u8]>) -> bool {
        let mut room = self.ids.push(id).is_some();
        for (component, state) in self.components.iter_mut().zip(states) {
            room &= component.states.push(state).is_some();
        }
        room
    }
}

/// One component of [`EntityStates`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateComponent {
    /// What it is: the same text for the same state, in any process and version.
    pub identity: String,
    /// For each entity what it knows of it, encoded by the component itself.
    pub states: Texts,
}
