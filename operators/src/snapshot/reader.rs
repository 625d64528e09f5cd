//! State as of a cut, loaded from slices.

use crate::aggregate::ByValue;
use crate::cut::{Encoded, EntityStates, Unreadable};
use crate::entity_log::EntityLog;
use crate::interner::stable_hash;
use crate::plan::identity::{Component, ComponentKind, EntityIdentities, Stored};
use crate::plan::{EntityPlan, Plan};
use crate::sealed::SealedWindows;
use crate::sealed::state::{fill, inside};
use crate::time::{EventTime, Millis};
use crate::timeline::owner::Owner;
use thiserror::Error;

/// Why state cannot be loaded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "cannot load \"{component}\" of {entity} \"{id}\" as of {as_of}: {why}; \
     restore an older checkpoint, or start without state"
)]
pub struct LoadError {
    /// The entity type.
    pub entity: String,
    /// The entity's id, as far as it is text.
    pub id: String,
    /// The identity of the component, or what of the slice cannot be read.
    pub component: String,
    /// The cut.
    pub as_of: EventTime,
    /// What is wrong.
    pub why: Unreadable,
}

/// A component that is not as it would be had it been kept all the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is.
    pub identity: String,
    /// Where it is in the plan.
    pub kind: ComponentKind,
    /// It knows only what happened so many ms before the cut; `None`: only what the timeline's rows
    /// say, which reach as far back as they do.
    pub reaches: Option<Millis>,
}

/// Loads state as of a cut into windows that stand [at](SealedWindows::at) it, over a log that has been
/// given the rows before it.
pub struct SnapshotReader {
    entity: EntityPlan,
    as_of: EventTime,
    owner: Owner,
    components: Vec<Component>,
    /// How much of each component is stored; `None`: nothing, so far.
    stored: Vec<Option<Stored>>,
}

impl SnapshotReader {
    /// Of a snapshot as of `as_of`, what is `owner`'s. `among`: the sources of the entity when it was
    /// taken; `None`: those of the plan.
    pub fn new(
        plan: &Plan,
        entity: &EntityPlan,
        as_of: EventTime,
        owner: Owner,
        among: Option<&[String]>,
    ) -> Self {
        let components = EntityIdentities::new(plan, entity, among).components;
        let entity = entity.clone();
        SnapshotReader { entity, as_of, owner, stored: vec![None; components.len()], components }
    }

    /// Loads a slice; says how many entities of it are the owner's.
    ///
    /// # Errors
    ///
    /// When a component of an entity cannot be read. The windows and the log are of no use then.
    pub fn load(
        &mut self,
        states: &EntityStates,
        sealed: &mut SealedWindows,
        log: &mut EntityLog,
    ) -> Result<u64, LoadError> {
        let error = |id: &[u8], component: &str, why| LoadError {
            entity: self.entity.name.clone(),
            id: String::from_utf8_lossy(id).into_owned(),
            component: component.to_owned(),
            as_of: states.as_of,
            why,
        };
        if states.as_of != self.as_of {
            return Err(error(b"", "the cut of the snapshot", Unreadable::Impossible));
        }
        let long = |c: &&crate::cut::StateComponent| c.states.len() != states.ids.len();
        if let Some(component) = states.components.iter().find(long) {
            return Err(error(b"", &component.identity, Unreadable::Short));
        }
        let mut columns = Vec::new();
        for (own, component) in self.components.iter().enumerate() {
            // The same may be kept for two filters that come down to one, and not as long for both.
            let stored = states.components.iter();
            let found = stored.filter_map(|stored| Some((component.is(&stored.identity)?, stored)));
            if let Some((how, stored)) = found.max_by_key(|(how, _)| *how) {
                self.stored[own] = Some(how);
                columns.push((component, stored));
            }
        }
        let mut own = 0;
        for (place, id) in states.ids.iter().enumerate().filter(|(_, id)| self.owner.owns(id)) {
            // Of a snapshot as of that very time, too: whatever came after it lies behind that.
            if log.forgotten_before(id).is_some_and(|before| before >= self.as_of) {
                continue;
            }
            let names = &mut log.names.entities;
            let hash = stable_hash(id);
            let has_rows = names.find(id, hash).is_some();
            let slot = names.intern(id, hash);
            sealed.grow_to(&log.names);
            log.grow_history();
            for (component, column) in &columns {
                let bytes = column.states.get(place).unwrap_or_default();
                if !bytes.is_empty() {
                    let loaded =
                        self.component(component.kind, (slot, has_rows), bytes, sealed, log);
                    loaded.map_err(|why| error(id, &component.identity, why))?;
                }
            }
            log.names.entities.release(slot);
            own += 1;
        }
        Ok(own)
    }

    fn component(
        &self,
        kind: ComponentKind,
        (slot, has_rows): (u32, bool),
        bytes: &[u8],
        sealed: &mut SealedWindows,
        log: &mut EntityLog,
    ) -> Result<(), Unreadable> {
        let from = Encoded::new(bytes);
        match kind {
            // Its rows are what will take out of it again what is in it.
            ComponentKind::Accumulator(_) if !has_rows => Err(Unreadable::Unknown),
            ComponentKind::Accumulator(at) if !sealed.keeps(at) => Ok(()),
            ComponentKind::Accumulator(at) => {
                let attribute = self.entity.accumulators.get(at).and_then(|a| a.attribute);
                let by = ByValue { names: &log.names, attribute, as_of: self.as_of };
                sealed.accumulators_mut().load(at, slot, &by, from)
            }
            ComponentKind::Last(at) => match sealed.last_mut(at) {
                Some(last) => last.load_times(slot, self.as_of, from, &mut log.names),
                None => Err(Unreadable::Impossible),
            },
            ComponentKind::LastAttribute(at, of) => match sealed.last_mut(at) {
                Some(last) => last.load_attribute(of, slot, from, &mut log.names),
                None => Err(Unreadable::Impossible),
            },
            kind => log.load_history(kind, slot, self.as_of, from),
        }
    }

    /// Makes from the rows of the log what no slice had; lists what may not be complete.
    pub fn finish(self, sealed: &mut SealedWindows, log: &mut EntityLog) -> Vec<Made> {
        sealed.grow_to(&log.names);
        let EntityLog { log, names, .. } = log;
        let (mut accumulators, mut made) = (Vec::new(), Vec::new());
        for (component, stored) in self.components.into_iter().zip(self.stored) {
            match (stored, component.kind) {
                (Some(Stored::Whole), _) => continue,
                (None, ComponentKind::Accumulator(at)) if sealed.keeps(at) => accumulators.push(at),
                // It is never stored, and made of the same rows.
                (None, ComponentKind::Accumulator(_)) => {}
                (_, ComponentKind::Last(at)) => sealed.fill_last(at, log, names),
                (_, ComponentKind::LastAttribute(at, of)) => {
                    sealed.fill_attribute((at, of), log, names);
                }
                _ => {}
            }
            let reaches = match stored {
                Some(Stored::Reaches(reaches)) => Some(reaches),
                _ => None,
            };
            made.push(Made { identity: component.identity, kind: component.kind, reaches });
        }
        let clock = sealed.clock();
        let edges = |window| inside(window, log, clock);
        fill(sealed.accumulators_mut(), &self.entity, &accumulators, log, edges);
        made
    }
}
