//! What the state of a job lacks that was changed and goes on: what it would have, had it been kept from
//! the beginning.
//!
//! ```text
//!  rows that are kept:      rows_from ├───────────────────────────────┤ cut
//!  an added window:                   ├─ made of these rows ──────────┤      complete from
//!                                     └──────── its length ──────────────────→┘
//!  an attribute that no row has:                                      ├─ and is empty before
//! ```
//!
//! A component is complete once all of what it needs lies behind the time since which it knows
//! everything. What rows do not have at all is refused, unless its entity type was named to start empty.

use super::Recovery;
use crate::checkpoint::{LackingState, ListedStates, Manifest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemark_operators::interner::stable_hash;
use tidemark_operators::plan::identity::{Component, ComponentKind, EntityIdentities};
use tidemark_operators::plan::{EntityPlan, Plan, ViewPlan};
use tidemark_operators::snapshot::Made;
use tidemark_operators::time::{EventTime, Millis};

/// See the module.
pub(super) struct Lacks {
    plan: Arc<Plan>,
    /// Of each entity type of the plan.
    components: Vec<Vec<Component>>,
    /// Entity types that may start empty.
    start_empty: Vec<String>,
    /// Whether something was not accepted.
    refused: AtomicBool,
    held: Mutex<Vec<LackingState>>,
    /// All rows at and after this time are there.
    rows_from: EventTime,
    snapshot: EventTime,
    cut: EventTime,
    /// For each entity type of the plan, whether all of its sources had fed it.
    fed: Vec<bool>,
    /// For each of them the hashes of the components that were kept: one that no entity had anything of
    /// is not in a snapshot.
    kept: Vec<BTreeSet<String>>,
    /// Of the entity types of the plan, for manifests.
    pub fingerprints: BTreeMap<String, String>,
}

/// Whether what is missing is the key, by which rows belong to entities.
pub(super) fn is_key(what: &str) -> bool {
    what.starts_with("key ")
}

/// What is between the sources of an entity type and its components in a fingerprint.
const COMPONENTS: &str = " | ";

/// The fingerprints of a job's entity types.
fn fingerprints(plan: &Plan) -> BTreeMap<String, String> {
    let of = |entity: &EntityPlan| (entity.name.clone(), fingerprint(plan, entity));
    plan.entities.iter().map(of).collect()
}

/// What a manifest says an entity type is fed by and made of: the names of its sources, and of each
/// component a hash of its identity.
fn fingerprint(plan: &Plan, entity: &EntityPlan) -> String {
    let EntityIdentities { rows, components } = EntityIdentities::new(plan, entity, None);
    let hashes = components.iter().map(|component| hash(&component.identity));
    format!("{}{COMPONENTS}{}", rows.sources.join(" "), hashes.collect::<Vec<_>>().join(" "))
}

fn hash(identity: &str) -> String {
    format!("{:016x}", stable_hash(identity.as_bytes()))
}

impl Recovery {
    /// Whether the job needs of past events what was not kept of them, and was refused for that: the next
    /// start would be, too.
    pub fn is_refused(&self) -> bool {
        self.lacks.refused.load(Ordering::Acquire)
    }
}

impl Lacks {
    /// Of a job that goes on from `begun`.
    pub fn new(plan: &Arc<Plan>, begun: &Manifest, start_empty: Vec<String>) -> Self {
        let components = |entity| EntityIdentities::new(plan, entity, None).components;
        let had = |entity: &EntityPlan| {
            let had = begun.fingerprint.get(&entity.name).map_or("", String::as_str);
            had.split_once(COMPONENTS).unwrap_or_default()
        };
        let fingerprints = fingerprints(plan);
        let fed = |entity: &EntityPlan| {
            let own = fingerprints.get(&entity.name).map_or("", String::as_str);
            let (own, _) = own.split_once(COMPONENTS).unwrap_or_default();
            // An older program did not say.
            begun.fingerprint.is_empty()
                || own.split(' ').all(|own| had(entity).0.split(' ').any(|had| had == own))
        };
        let kept = |entity: &EntityPlan| had(entity).1.split(' ').map(str::to_owned).collect();
        let snapshot = begun.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of);
        Lacks {
            components: plan.entities.iter().map(components).collect(),
            fed: plan.entities.iter().map(fed).collect(),
            kept: plan.entities.iter().map(kept).collect(),
            fingerprints,
            plan: Arc::clone(plan),
            start_empty,
            refused: AtomicBool::new(false),
            held: Mutex::new(begun.lacking.clone()),
            rows_from: begun.rows_from.unwrap_or(snapshot),
            snapshot,
            cut: begun.cut,
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<LackingState>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a worker has not found in the snapshot and made of rows.
    pub fn made(&self, entity: usize, made: &[Made]) {
        let Some(plan) = self.plan.entities.get(entity) else { return };
        for Made { identity, kind, reaches } in made {
            let was_kept = self.kept.get(entity).is_some_and(|kept| kept.contains(&hash(identity)));
            let since = match reaches {
                _ if was_kept => continue,
                Some(reaches) => self.snapshot.saturating_sub(*reaches),
                None if !self.fed.get(entity).is_some_and(|fed| *fed) => self.cut,
                None => self.rows_from.max(self.empty_before(&plan.name)),
            };
            if since > 0 && since.saturating_add(needs(plan, *kind)) > self.cut {
                self.note(&plan.name, identity, since);
            }
        }
    }

    fn note(&self, entity: &str, what: &str, since: EventTime) {
        let mut held = self.held();
        let is = |held: &&mut LackingState| held.entity == entity && held.what == what;
        match held.iter_mut().find(is) {
            Some(held) => held.since = held.since.max(since),
            None => {
                let (entity, what) = (entity.to_owned(), what.to_owned());
                held.push(LackingState { entity, what, since });
            }
        }
    }

    /// Before which time something of the rows of this entity type is empty that they have now.
    fn empty_before(&self, entity: &str) -> EventTime {
        let components = |what: &str| self.component(entity, what).is_some();
        let held = self.held();
        let of = held.iter().filter(|held| held.entity == entity && !components(&held.what));
        of.map(|held| held.since).max().unwrap_or(0)
    }

    /// The place of an entity type in the plan, and what this is in it.
    fn component(&self, entity: &str, what: &str) -> Option<(usize, ComponentKind)> {
        let at = self.plan.entities.iter().position(|plan| plan.name == entity)?;
        let found = self.components.get(at)?.iter().find(|component| component.identity == what)?;
        Some((at, found.kind))
    }

    /// Accepts that rows of `entity` do not have this, where it was accepted before or the entity type
    /// may start empty.
    ///
    /// # Errors
    /// What is not accepted.
    pub fn accept(&self, entity: &str, mut missing: Vec<String>) -> Result<(), Vec<String>> {
        let is_held = |held: &LackingState, what: &str| held.entity == entity && held.what == what;
        missing.retain(|what| !self.held().iter().any(|held| is_held(held, what)));
        if missing.is_empty() {
            return Ok(());
        }
        if !self.start_empty.iter().any(|name| name == entity) {
            self.refused.store(true, Ordering::Release);
            return Err(missing);
        }
        for what in missing {
            tracing::warn!(
                entity,
                what,
                before = self.cut,
                "events before the checkpoint do not have it"
            );
            self.note(entity, &what, self.cut);
        }
        Ok(())
    }

    /// Whether the states of a snapshot are of entities by the key that the job has.
    pub fn is_of_key(&self, states: &ListedStates) -> bool {
        let is_other = |held: &LackingState| {
            held.entity == states.entity && is_key(&held.what) && held.since >= states.as_of
        };
        !self.held().iter().any(is_other)
    }

    /// What is still lacking at `cut`, when all rows at and after `rows_from` are kept.
    pub fn at(&self, cut: EventTime, rows_from: EventTime) -> Vec<LackingState> {
        let is_lacking = |held: &LackingState| match self.component(&held.entity, &held.what) {
            Some((entity, kind)) => {
                let needs = self.plan.entities.get(entity).map_or(0, |plan| needs(plan, kind));
                held.since.saturating_add(needs) > cut
            }
            None => {
                held.since > rows_from && self.plan.entities.iter().any(|e| e.name == held.entity)
            }
        };
        let mut held = self.held();
        held.retain(is_lacking);
        let mut all = held.clone();
        all.sort_by(|a, b| (&a.entity, &a.what).cmp(&(&b.entity, &b.what)));
        all
    }

    /// From which time on rows of the view at job index `view` lack nothing of this; `None`: of nothing.
    pub fn complete_from(&self, view: usize) -> Option<EventTime> {
        let at = self.plan.views.get(view)?;
        let entity = self.plan.entities.get(at.entity)?;
        let shown = entity.views.get(at.view)?;
        let held = self.held();
        let of = held.iter().filter_map(|held| {
            let (of, kind) = self.component(&held.entity, &held.what)?;
            let concerns = of == at.entity && is_read(shown, kind);
            concerns.then(|| held.since.saturating_add(needs(entity, kind)))
        });
        of.max()
    }
}

/// Whether a view shows what comes of a component.
fn is_read(view: &ViewPlan, kind: ComponentKind) -> bool {
    let mut reads = view.reads.iter();
    match kind {
        ComponentKind::Accumulator(at) => {
            reads.any(|read| read.accumulators().any(|accumulator| accumulator == at))
        }
        ComponentKind::Last(at) | ComponentKind::LastAttribute(at, _) => {
            reads.any(|read| read.last() == Some(at))
        }
        // What an event got by it may be in any window.
        ComponentKind::Sequence(_)
        | ComponentKind::Session(_)
        | ComponentKind::SessionFirst(..)
        | ComponentKind::SessionCount(..)
        | ComponentKind::SessionSum(..) => true,
    }
}

/// How far back a component of `entity` looks, or what is made of it does.
fn needs(entity: &EntityPlan, kind: ComponentKind) -> Millis {
    let extents = entity.views.iter().flat_map(|view| &view.extents);
    let longest = extents.map(|(_, extent)| *extent).max().unwrap_or(0);
    match kind {
        ComponentKind::Accumulator(at) => {
            let accumulator = entity.accumulators.get(at);
            let window = accumulator.and_then(|accumulator| entity.windows.get(accumulator.window));
            window.map_or(0, |window| window.leaves(0))
        }
        ComponentKind::Last(at) | ComponentKind::LastAttribute(at, _) => {
            entity.kept_lasts().get(at).map_or(0, |last| last.horizon)
        }
        ComponentKind::Sequence(at) => {
            let horizon = entity.sequences.get(at).map_or(0, |sequence| sequence.horizon);
            horizon.saturating_add(longest)
        }
        ComponentKind::Session(at)
        | ComponentKind::SessionFirst(at, _)
        | ComponentKind::SessionCount(at, _)
        | ComponentKind::SessionSum(at, _) => {
            let gap = entity.sessions.get(at).map_or(0, |session| session.gap);
            gap.saturating_add(longest)
        }
    }
}
