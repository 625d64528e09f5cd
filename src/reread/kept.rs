//! What is kept of the entities that are asked for: their rows, and what the job says of them.

use super::too_many;
use crate::engine::Observer;
use crate::explained::features;
use crate::failure::Failure;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemark_operators::cut::TimelineRows;
use tidemark_operators::origin::Origin;
use tidemark_operators::plan::Plan;
use tidemark_operators::probes::{
    EntityProbes, ProbeBatch, Probed, Probing, WatchedEntities, WatchedRows,
};
use tidemark_operators::recomputed::Recomputed;
use tidemark_operators::time::EventTime;
use tidemark_operators::timeline::owner::Owner;

/// The most rows that are kept of all entities together: about 200 MB. With more the command fails.
pub(super) const ROWS_MAX: usize = 500_000;

/// An entity that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskedHistory {
    /// Its type, by its place in the job.
    pub entity: usize,
    /// As rows know it.
    pub id: String,
}

/// What was found of one.
pub(crate) struct KeptHistory {
    pub asked: AskedHistory,
    /// Its events up to the time that was asked for, and what they make.
    pub recomputed: Recomputed,
    /// By view of its type, the features as the job's windows have them: JSON, in the order of the plan.
    pub windows: Vec<Vec<String>>,
    /// All its events that were kept, as they were sealed.
    parts: Vec<SealedPart>,
}

impl KeptHistory {
    /// What those of its events make whose origin `keeps`, later ones too, in live windows from the clock
    /// `clock` on.
    ///
    /// # Errors
    /// When rows are not what they have to be.
    pub fn known(
        &self,
        plan: &Arc<Plan>,
        clock: EventTime,
        keeps: impl Fn(Origin) -> bool,
    ) -> Result<Recomputed, Failure> {
        let AskedHistory { entity, id } = &self.asked;
        let made = Recomputed::of_some(plan, *entity, id.as_bytes(), &self.parts, keeps);
        Ok(made.map_err(Failure::failed)?.live_from(clock))
    }

    /// Times and origins of its events at or after `from`, in no particular order.
    pub fn since(&self, from: EventTime) -> impl Iterator<Item = (EventTime, Origin)> {
        let events = self.parts.iter().flat_map(|(rows, origins)| rows.times.iter().zip(origins));
        events.map(|(time, origin)| (*time, *origin)).filter(move |(time, _)| *time >= from)
    }
}

/// See the module; its clones share what is kept.
#[derive(Clone)]
pub(super) struct KeptHistories {
    plan: Arc<Plan>,
    asked: Arc<Vec<AskedHistory>>,
    kept: Arc<Mutex<Kept>>,
}

type SealedPart = (TimelineRows, Vec<Origin>);

#[derive(Default)]
struct Kept {
    at: Option<EventTime>,
    /// Whether rows after that are kept too.
    later: bool,
    rows: usize,
    /// By entity type, as they were sealed.
    parts: BTreeMap<usize, Vec<SealedPart>>,
    /// By place among what was asked, and by view of the type.
    windows: BTreeMap<(usize, usize), Vec<String>>,
}

impl KeptHistories {
    /// Of these at the time `at`; with the rows after it if `later`.
    pub fn new(
        plan: &Arc<Plan>,
        asked: Vec<AskedHistory>,
        (at, later): (Option<EventTime>, bool),
    ) -> Self {
        let kept = Arc::new(Mutex::new(Kept { at, later, ..Kept::default() }));
        KeptHistories { plan: Arc::clone(plan), asked: Arc::new(asked), kept }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the worker `worker` of `workers` is asked, by entity type.
    pub fn probes(
        &self,
        (worker, workers): (usize, usize),
        observer: &Observer,
    ) -> Vec<Option<EntityProbes>> {
        let owner = Owner { worker, workers };
        let of = |(entity, plan): (usize, &tidemark_operators::plan::EntityPlan)| {
            let mine =
                |asked: &AskedHistory| asked.entity == entity && owner.owns(asked.id.as_bytes());
            let places = self.asked.iter().enumerate().filter(|(_, asked)| mine(asked));
            let places: Vec<usize> = places.map(|(place, _)| place).collect();
            if places.is_empty() {
                return None;
            }
            let ids = places.iter().filter_map(|at| self.asked.get(*at));
            let ids: HashSet<Vec<u8>> = ids.map(|asked| asked.id.clone().into_bytes()).collect();
            let (kept, observer) = (self.clone(), observer.clone());
            Some(EntityProbes {
                views: (0..plan.views.len()).collect(),
                before: false,
                lag: 0,
                probes: Box::new(TimeProbes { kept: self.clone(), places, next: 0 }),
                watched: Some(WatchedEntities {
                    ids,
                    rows: Box::new(RowKeeper { kept, entity, observer }),
                }),
            })
        };
        self.plan.entities.iter().enumerate().map(of).collect()
    }

    /// All that was kept.
    ///
    /// # Errors
    /// When rows are not what they have to be.
    pub fn finish(self, plan: &Arc<Plan>) -> Result<(EventTime, Vec<KeptHistory>), Failure> {
        let mut kept = std::mem::take(&mut *self.lock());
        let at = kept.at.unwrap_or(0);
        let mut histories = Vec::new();
        for (place, asked) in self.asked.iter().enumerate() {
            let parts = kept.parts.get(&asked.entity).map(Vec::as_slice).unwrap_or_default();
            let parts = parts.iter().filter_map(|part| of_entity(part, asked.id.as_bytes()));
            let parts: Vec<SealedPart> = parts.collect();
            let until = parts.iter().cloned().map(|part| up_to(part, at)).collect::<Vec<_>>();
            let recomputed = Recomputed::new(plan, asked.entity, asked.id.as_bytes(), &until);
            let views = plan.entities.get(asked.entity).map_or(0, |entity| entity.views.len());
            let windows = (0..views).map(|view| {
                kept.windows.remove(&(place, view)).ok_or_else(|| {
                    let why = format!("the windows told nothing of \"{}\"", asked.id);
                    Failure::failed(why).hint("this is a defect of the engine: please report it")
                })
            });
            histories.push(KeptHistory {
                asked: asked.clone(),
                recomputed: recomputed.map_err(Failure::failed)?,
                windows: windows.collect::<Result<_, _>>()?,
                parts,
            });
        }
        Ok((at, histories))
    }
}

/// The rows of one entity among those of a part.
fn of_entity((rows, origins): &SealedPart, id: &[u8]) -> Option<SealedPart> {
    let place = rows.ids.iter().position(|known| known == id)?;
    let place = u32::try_from(place).ok()?;
    let mut part = (rows.clone(), origins.clone());
    let keep: Vec<bool> = rows.entities.iter().map(|entity| *entity == place).collect();
    part.0.retain(&keep);
    let mut kept = keep.iter();
    part.1.retain(|_| kept.next().copied().unwrap_or(false));
    Some(part)
}

/// The rows of a part up to `at`.
fn up_to((mut rows, mut origins): SealedPart, at: EventTime) -> SealedPart {
    let end = rows.times.partition_point(|time| *time <= at);
    rows.truncate(end);
    origins.truncate(end);
    (rows, origins)
}

/// Keeps the rows of an entity type.
struct RowKeeper {
    kept: KeptHistories,
    entity: usize,
    observer: Observer,
}

impl WatchedRows for RowKeeper {
    fn take(&mut self, rows: TimelineRows, origins: &[Origin]) {
        let mut kept = self.kept.lock();
        let (rows, origins) = match kept.at {
            Some(at) if !kept.later => up_to((rows, origins.to_vec()), at),
            _ => (rows, origins.to_vec()),
        };
        if rows.is_empty() || kept.rows > ROWS_MAX {
            return;
        }
        kept.rows += rows.len();
        if kept.rows > ROWS_MAX {
            return self.observer.fail(too_many());
        }
        kept.parts.entry(self.entity).or_default().push((rows, origins));
    }
}

/// Asks for each entity at one time.
struct TimeProbes {
    kept: KeptHistories,
    /// Which of those that are asked for.
    places: Vec<usize>,
    next: usize,
}

impl Probing for TimeProbes {
    fn next(&self) -> Option<EventTime> {
        if self.next < self.places.len() { self.kept.lock().at } else { None }
    }

    fn last(&self) -> Option<EventTime> {
        self.kept.lock().at
    }

    fn take(&mut self, until: EventTime, most: usize, into: &mut ProbeBatch) {
        let Some(at) = self.next().filter(|at| *at <= until) else { return };
        let places = self.places.iter().skip(self.next).take(most);
        let asked = places.filter_map(|place| Some((place, self.kept.asked.get(*place)?)));
        for (place, asked) in asked {
            into.push(at, *place as u64, asked.id.as_bytes());
        }
        self.next = self.places.len().min(self.next.saturating_add(most));
    }

    fn give(&mut self, probed: &Probed<'_>) {
        let plan = Arc::clone(&self.kept.plan);
        let mut kept = self.kept.lock();
        for (row, place) in probed.rows.iter().enumerate() {
            let Ok(place) = usize::try_from(*place) else { continue };
            for (index, columns) in &probed.views {
                let found = plan.views.get(*index).zip(plan.view(*index));
                if let Some((at, view)) = found {
                    kept.windows.insert((place, at.view), features(view, columns, row));
                }
            }
        }
    }

    fn ends(&mut self, newest: EventTime) {
        // The same of all workers and types: they are told the same.
        self.kept.lock().at.get_or_insert(newest);
    }
}
