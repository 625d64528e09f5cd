//! State as of a cut, told in slices.

use crate::aggregate::{Accumulators, ByValue, multisets};
use crate::cut::{EntityStates, StateComponent};
use crate::entity_log::EntityLog;
use crate::history::sealed::by_value::save_seen;
use crate::live::LiveWindows;
use crate::live::as_of::Slots;
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

/// Tells the state as of a cut. Until it is through, nothing may be sealed or forgotten of what is
/// sealed; live windows may go on.
pub struct SnapshotWriter {
    as_of: EventTime,
    components: Vec<Component>,
    attributes: Vec<Option<usize>>,
    /// The accumulators that live windows tell.
    live: Vec<usize>,
    /// For each of these, the slots whose values are in its table.
    many: Vec<Vec<u32>>,
    position: Position,
    /// What is kept of one entity, and where each component of it ends.
    state: Vec<u8>,
    ends: Vec<usize>,
}

/// Where the state of an entity type is.
pub struct Snapped<'a> {
    /// The entity type.
    pub entity: &'a EntityPlan,
    /// Its sealed side, which has come to the cut exactly.
    pub sealed: &'a SealedWindows,
    /// Its live windows, for what the sealed side was [lessened](SealedWindows::lessened) by.
    pub live: Option<&'a mut LiveWindows>,
    /// Its log, which is sealed up to the cut exactly.
    pub log: &'a EntityLog,
}

impl Snapped<'_> {
    /// The accumulators that tell of the plan's accumulator `at`.
    fn accumulators(&self, at: usize) -> Option<&Accumulators> {
        match (self.sealed.keeps(at), &self.live) {
            (true, _) => Some(self.sealed.accumulators()),
            (false, Some(live)) => Some(live.accumulators()),
            (false, None) => None,
        }
    }
}

impl SnapshotWriter {
    /// Tells the state `of` an entity type of `plan` as of the cut `as_of`.
    pub fn new(plan: &Plan, of: &Snapped<'_>, as_of: EventTime) -> Self {
        let (entity, sealed) = (of.entity, of.sealed);
        let told = |at: usize| of.live.is_some() && sealed.is_told_by_live(entity, at);
        let mut components = EntityIdentities::new(plan, entity, None).components;
        components.retain(|component| match component.kind {
            ComponentKind::Accumulator(at) => sealed.keeps(at) || told(at),
            _ => true,
        });
        let attribute = |component: &Component| match component.kind {
            ComponentKind::Accumulator(at) => entity.accumulators.get(at)?.attribute,
            _ => None,
        };
        let live: Vec<usize> = (0..entity.accumulators.len()).filter(|at| told(*at)).collect();
        SnapshotWriter {
            as_of,
            attributes: components.iter().map(attribute).collect(),
            components,
            many: vec![Vec::new(); live.len()],
            live,
            position: Position::Entities(0),
            state: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The cut that it is as of.
    pub fn as_of(&self) -> EventTime {
        self.as_of
    }

    /// The next slice: it looks at about `budget` entities, or as many values. `None` once all is told;
    /// a slice may be empty.
    pub fn slice(&mut self, of: &mut Snapped<'_>, budget: usize) -> Option<EntityStates> {
        match self.position {
            Position::Entities(slot) => Some(self.entities(slot, of, budget)),
            Position::Values(component, place) => Some(self.values((component, place), of, budget)),
            Position::Seen(place) => Some(self.seen(place, of.log, budget)),
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

    fn entities(&mut self, from: u32, of: &mut Snapped<'_>, budget: usize) -> EntityStates {
        let all: Vec<usize> = (0..self.components.len()).collect();
        let mut states = self.empty(&all);
        let names = &of.log.names.entities;
        // Slots above belong to entities of which nothing is sealed.
        let end = names.end().min(of.sealed.accumulators().slots()) as u32;
        let to = end.min(from.saturating_add(u32::try_from(budget.max(1)).unwrap_or(u32::MAX)));
        let slots = Slots::Range(from..to);
        let difference = of
            .live
            .as_mut()
            .map(|live| live.go_back(of.entity, &self.live, of.log, self.as_of, &slots));
        let (mut bytes, mut next) = (0, to);
        for slot in from..to {
            if bytes >= SLICE_BYTES {
                next = slot;
                break;
            }
            let is_told = names.is_used(slot) && !names.is_unnamed(slot);
            if is_told && self.entity(slot, of) {
                let mut start = 0;
                let parts = self.ends.iter().map(|end| {
                    let part = &self.state[start..*end];
                    start = *end;
                    part
                });
                states.push(names.bytes(slot), parts);
                bytes += self.state.len();
            }
        }
        if let Some((live, difference)) = of.live.as_mut().zip(difference) {
            live.go_on(of.entity, &difference);
        }
        self.position = if next < end { Position::Entities(next) } else { Position::Values(0, 0) };
        states
    }

    /// Tells all components of `slot`; says whether there is anything.
    fn entity(&mut self, slot: u32, of: &Snapped<'_>) -> bool {
        let SnapshotWriter { as_of, components, attributes, live, many, state, ends, .. } = self;
        let (as_of, names) = (*as_of, &of.log.names);
        state.clear();
        ends.clear();
        for (component, attribute) in components.iter().zip(attributes) {
            match component.kind {
                ComponentKind::Accumulator(at) => {
                    let by = ByValue { names, attribute: *attribute, as_of };
                    if let Some(accumulators) = of.accumulators(at) {
                        accumulators.save(at, slot, &by, state);
                        let of_live = live.iter().position(|live| *live == at);
                        if let Some(of_live) = of_live.filter(|_| accumulators.has_many(at, slot)) {
                            many[of_live].push(slot);
                        }
                    }
                }
                ComponentKind::Last(at) => of.sealed.last(at).save_times(slot, as_of, state),
                ComponentKind::LastAttribute(at, value) => {
                    of.sealed.last(at).save_attribute(value, slot, as_of, names, state);
                }
                kind => of.log.save_history(kind, slot, as_of, state),
            }
            ends.push(state.len());
        }
        !state.is_empty()
    }

    /// Values of entities that have many of them.
    fn values(
        &mut self,
        (component, place): (usize, u64),
        of: &mut Snapped<'_>,
        budget: usize,
    ) -> EntityStates {
        let kind = self.components.get(component).map(|c| c.kind);
        let Some(ComponentKind::Accumulator(at)) = kind else {
            // Accumulators come first.
            self.position = Position::Seen(0);
            return self.empty(&[]);
        };
        let mut states = self.empty(&[component]);
        self.position = Position::Values(component + 1, 0);
        let by = ByValue {
            names: &of.log.names,
            attribute: self.attributes[component],
            as_of: self.as_of,
        };
        if let Some(of_live) = self.live.iter().position(|live| *live == at) {
            let slots = std::mem::take(&mut self.many[of_live]);
            if !slots.is_empty() {
                self.values_of_live(at, &slots, &by, of, &mut states);
            }
            return states;
        }
        let Some(many) = of.accumulators(at).and_then(|all| all.many(at)) else { return states };
        let mut found = Vec::new();
        let next = many.scan(place, budget, |slot, symbol, count| {
            found.push((slot, symbol, count));
        });
        if let Some(next) = next {
            self.position = Position::Values(component, next);
        }
        self.push_values(found, &by, &mut states);
        states
    }

    /// The values of `slots`, all at once: live windows go on between two slices, and their table with
    /// them.
    fn values_of_live(
        &mut self,
        at: usize,
        slots: &[u32],
        by: &ByValue<'_>,
        of: &mut Snapped<'_>,
        states: &mut EntityStates,
    ) {
        let Some(live) = of.live.as_mut() else { return };
        let last = slots.iter().max().map_or(0, |slot| *slot as usize);
        let mut marked = vec![false; last + 1];
        slots.iter().for_each(|slot| marked[*slot as usize] = true);
        let which = Slots::Marked(&marked);
        let difference = live.go_back(of.entity, &[at], of.log, self.as_of, &which);
        let (accumulators, mut found) = (live.accumulators(), Vec::new());
        if let Some(many) = accumulators.many(at) {
            let all = many.scan(0, usize::MAX, |slot, symbol, count| {
                if which.has(slot) {
                    found.push((slot, symbol, count));
                }
            });
            debug_assert!(all.is_none(), "the whole table is looked at");
        }
        self.push_values(found, by, states);
        // They may have come to be few since.
        for slot in slots.iter().filter(|slot| !accumulators.has_many(at, **slot)) {
            self.state.clear();
            accumulators.save(at, *slot, by, &mut self.state);
            states.push(by.names.entities.bytes(*slot), [&self.state[..]]);
        }
        live.go_on(of.entity, &difference);
    }

    /// Tells values of slots, and how often each is inside.
    fn push_values(
        &mut self,
        mut found: Vec<(u32, u32, u32)>,
        by: &ByValue<'_>,
        states: &mut EntityStates,
    ) {
        found.sort_unstable();
        for of_slot in found.chunk_by(|a, b| a.0 == b.0) {
            self.state.clear();
            for (_, symbol, count) in of_slot {
                multisets::save(*symbol, *count, by, &mut self.state);
            }
            let slot = of_slot.first().map(|(slot, ..)| *slot);
            if let Some(slot) = slot.filter(|slot| !by.names.entities.is_unnamed(*slot)) {
                states.push(by.names.entities.bytes(slot), [&self.state[..]]);
            }
        }
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
            let slot = of_slot.first().map(|(slot, ..)| *slot);
            if let Some(slot) = slot.filter(|slot| !log.names.entities.is_unnamed(*slot)) {
                states.push(log.names.entities.bytes(slot), parts.iter().map(Vec::as_slice));
            }
        }
        states
    }
}
