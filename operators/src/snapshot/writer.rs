//! State as of a cut, told in slices.

use crate::aggregate::ByValue;
use crate::aggregate::multisets;
use crate::cut::{EntityStates, StateComponent};
use crate::entity_log::EntityLog;
use crate::history::sealed::by_value::save_seen;
use crate::plan::identity::{Component, ComponentKind, EntityIdentities};
use crate::plan::{EntityPlan, Plan};
use crate::sealed::SealedWindows;
use crate::time::EventTime;

/// Bytes of state after which a slice ends, whatever its budget.
const SLICE_BYTES: usize = 1 << 20;

/// Where the writer is.
#[derive(Clone, Copy, Debug)]
enum Position {
    /// At this slot.
    Entities(u32),
    /// In the table of values of the accumulator of this component, at this place.
    Values(usize, u64),
    /// In the table of values that sequences have seen, at this place.
    Seen(u64),
    End,
}

/// Tells the state as of a cut. Until it is through, nothing may be sealed or forgotten.
pub struct SnapshotWriter {
    as_of: EventTime,
    components: Vec<Component>,
    attributes: Vec<Option<usize>>,
    position: Position,
    /// What is kept of one entity, and where each component of it ends.
    state: Vec<u8>,
    ends: Vec<usize>,
}

impl SnapshotWriter {
    /// Tells the state of `entity` of `plan` that is in `sealed`, which has come to the cut `as_of`
    /// exactly.
    pub fn new(plan: &Plan, entity: &EntityPlan, sealed: &SealedWindows, as_of: EventTime) -> Self {
        let mut components = EntityIdentities::new(plan, entity, None).components;
        components.retain(|component| match component.kind {
            ComponentKind::Accumulator(at) => sealed.keeps(entity, at),
            _ => true,
        });
        let attribute = |component: &Component| match component.kind {
            ComponentKind::Accumulator(at) => entity.accumulators.get(at)?.attribute,
            _ => None,
        };
        SnapshotWriter {
            as_of,
            attributes: components.iter().map(attribute).collect(),
            components,
            position: Position::Entities(0),
            state: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The next slice: it looks at about `budget` entities, or as many values. `None` once all is told;
    /// a slice may be empty.
    pub fn slice(
        &mut self,
        sealed: &SealedWindows,
        log: &EntityLog,
        budget: usize,
    ) -> Option<EntityStates> {
        match self.position {
            Position::Entities(slot) => Some(self.entities(slot, sealed, log, budget)),
            Position::Values(component, place) => {
                Some(self.values((component, place), sealed, log, budget))
            }
            Position::Seen(place) => Some(self.seen(place, log, budget)),
            Position::End => None,
        }
    }

    /// No states of these components.
    fn empty(&self, components: &[usize]) -> EntityStates {
        let component = |at: &usize| StateComponent {
            identity: self.components[*at].identity.clone(),
            ..StateComponent::default()
        };
        EntityStates {
            as_of: self.as_of,
            components: components.iter().map(component).collect(),
            ..EntityStates::default()
        }
    }

    fn entities(
        &mut self,
        from: u32,
        sealed: &SealedWindows,
        log: &EntityLog,
        budget: usize,
    ) -> EntityStates {
        let all: Vec<usize> = (0..self.components.len()).collect();
        let mut states = self.empty(&all);
        // Slots above belong to entities of which nothing is sealed.
        let end = log.names.entities.end().min(sealed.accumulators().slots()) as u32;
        let to = end.min(from.saturating_add(u32::try_from(budget.max(1)).unwrap_or(u32::MAX)));
        let mut bytes = 0;
        for slot in from..to {
            if bytes >= SLICE_BYTES {
                self.position = Position::Entities(slot);
                return states;
            }
            if log.names.entities.is_used(slot) && self.entity(slot, sealed, log) {
                let mut start = 0;
                let parts = self.ends.iter().map(|end| {
                    let part = &self.state[start..*end];
                    start = *end;
                    part
                });
                states.push(log.names.entities.bytes(slot), parts);
                bytes += self.state.len();
            }
        }
        self.position = if to < end { Position::Entities(to) } else { Position::Values(0, 0) };
        states
    }

    /// Tells all components of `slot`; says whether there is anything.
    fn entity(&mut self, slot: u32, sealed: &SealedWindows, log: &EntityLog) -> bool {
        let SnapshotWriter { as_of, components, attributes, state, ends, .. } = self;
        let (as_of, names) = (*as_of, &log.names);
        state.clear();
        ends.clear();
        for (component, attribute) in components.iter().zip(attributes) {
            match component.kind {
                ComponentKind::Accumulator(at) => {
                    let by = ByValue { names, attribute: *attribute, as_of };
                    sealed.accumulators().save(at, slot, &by, state);
                }
                ComponentKind::Last(at) => sealed.last(at).save_times(slot, as_of, state),
                ComponentKind::LastAttribute(at, of) => {
                    sealed.last(at).save_attribute(of, slot, as_of, names, state);
                }
                kind => log.save_history(kind, slot, as_of, state),
            }
            ends.push(state.len());
        }
        !state.is_empty()
    }

    /// Values of entities that have many of them.
    fn values(
        &mut self,
        (component, place): (usize, u64),
        sealed: &SealedWindows,
        log: &EntityLog,
        budget: usize,
    ) -> EntityStates {
        let mut states = self.empty(&[]);
        let Some(ComponentKind::Accumulator(at)) = self.components.get(component).map(|c| c.kind)
        else {
            // Accumulators come first.
            self.position = Position::Seen(0);
            return states;
        };
        self.position = Position::Values(component + 1, 0);
        let Some(many) = sealed.accumulators().many(at) else { return states };
        let mut found = Vec::new();
        let next = many.scan(place, budget, |slot, symbol, count| {
            found.push((slot, symbol, count));
        });
        if let Some(next) = next {
            self.position = Position::Values(component, next);
        }
        found.sort_unstable();
        let by =
            ByValue { names: &log.names, attribute: self.attributes[component], as_of: self.as_of };
        states = self.empty(&[component]);
        for of_slot in found.chunk_by(|a, b| a.0 == b.0) {
            self.state.clear();
            for (_, symbol, count) in of_slot {
                multisets::save(*symbol, *count, &by, &mut self.state);
            }
            if let Some((slot, ..)) = of_slot.first() {
                states.push(log.names.entities.bytes(*slot), [&self.state[..]]);
            }
        }
        states
    }

    /// Values that sequences have seen.
    fn seen(&mut self, place: u64, log: &EntityLog, budget: usize) -> EntityStates {
        let mut found = Vec::new();
        let next = log.scan_seen(place, budget, self.as_of, |sequence, slot, symbol, age| {
            found.push((slot, sequence, symbol, age));
        });
        self.position = next.map_or(Position::End, Position::Seen);
        found.sort_unstable();
        let is = |component: &Component| matches!(component.kind, ComponentKind::Sequence(_));
        let all = 0..self.components.len();
        let sequences: Vec<usize> = all.filter(|at| is(&self.components[*at])).collect();
        let mut states = self.empty(&sequences);
        for of_slot in found.chunk_by(|a, b| a.0 == b.0) {
            let mut parts = vec![Vec::new(); sequences.len()];
            for (_, sequence, symbol, age) in of_slot {
                let kind = ComponentKind::Sequence(*sequence);
                let at = sequences.iter().position(|at| self.components[*at].kind == kind);
                let attribute = log.seen_attribute(*sequence);
                if let Some((at, attribute)) = at.zip(attribute) {
                    save_seen(attribute, *symbol, *age, &log.names, &mut parts[at]);
                }
            }
            if let Some((slot, ..)) = of_slot.first() {
                states.push(log.names.entities.bytes(*slot), parts.iter().map(Vec::as_slice));
            }
        }
        states
    }
}
