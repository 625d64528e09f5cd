//! What a spine asks, by entity type and worker, in the order of time.

use super::asked::Asking;
use crate::engine::Observer;
use crate::offline::answers::Answers;
use crate::offline::external_sort::{ExternalSort, SortedEntries, SpillError};
use crate::offline::spine::AskedRow;
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::interner::stable_hash;
use tidemark_operators::probes::{EntityProbes, ProbeBatch, Probed, Probing};
use tidemark_operators::time::{EventTime, Millis};
use tidemark_operators::timeline::owner::Owner;

/// Which events count at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownEvents {
    /// Whether those of that very time do not.
    pub before: bool,
    /// How long after its time an event is known, in ms.
    pub lag: Millis,
}

/// See the module. Bounded by [`SORT_BYTES_MAX`](crate::offline::external_sort::SORT_BYTES_MAX); what
/// is beyond lies in temporary files.
pub(super) struct Shares {
    /// How many entity types the job has.
    job_entities: usize,
    known: KnownEvents,
    workers: usize,
    entities: Vec<EntityShares>,
}

/// Of one entity type.
struct EntityShares {
    /// Its place in the job.
    entity: usize,
    views: Vec<usize>,
    /// By worker.
    asked: Vec<ExternalSort>,
    answers: EntityAnswers,
}

/// What has been read of one entity type, by worker.
pub(super) type EntityAnswers = Vec<Arc<Mutex<Answers>>>;

/// What has been read, by entity type.
pub(super) type TakenAnswers = Vec<EntityAnswers>;

impl Shares {
    pub fn new(asking: &Asking, workers: usize, known: KnownEvents) -> Self {
        let sorters = asking.entities.len() * workers;
        let entities = asking.entities.iter().map(|asked| EntityShares {
            entity: asked.entity,
            views: asked.views.clone(),
            asked: (0..workers).map(|_| ExternalSort::one_of(sorters)).collect(),
            answers: (0..workers)
                .map(|_| Arc::new(Mutex::new(Answers::new(asked.picks.clone(), sorters))))
                .collect(),
        });
        Shares { job_entities: asking.job_entities, known, workers, entities: entities.collect() }
    }

    /// Takes what a row asks.
    pub fn push(&mut self, row: &AskedRow<'_>) -> Result<(), SpillError> {
        for (share, id) in self.entities.iter_mut().zip(row.ids) {
            let Some(id) = id else { continue };
            let worker = Owner::of(stable_hash(id.as_bytes()), self.workers);
            if let Some(asked) = share.asked.get_mut(worker) {
                asked.push((row.time, row.row), id.as_bytes())?;
            }
        }
        Ok(())
    }

    /// What each worker is asked, and where its answers will be.
    pub fn probes(self, observer: &Observer) -> Result<(WorkerProbes, TakenAnswers), SpillError> {
        let mut workers: Vec<Vec<Option<SharedProbes>>> = Vec::new();
        workers.resize_with(self.workers, || {
            let mut none = Vec::new();
            none.resize_with(self.job_entities, || None);
            none
        });
        let mut taken = Vec::new();
        for EntityShares { entity, views, asked, answers } in self.entities {
            for ((asked, answers), worker) in asked.into_iter().zip(&answers).zip(&mut workers) {
                let probes = SharedProbes {
                    views: views.clone(),
                    known: self.known,
                    asked: asked.finish()?,
                    answers: Arc::clone(answers),
                    observer: observer.clone(),
                };
                if let Some(place) = worker.get_mut(entity) {
                    *place = Some(probes);
                }
            }
            taken.push(answers);
        }
        Ok((WorkerProbes(Mutex::new(workers)), taken))
    }
}

/// What the workers are asked; each takes its own, once.
pub(super) struct WorkerProbes(Mutex<Vec<Vec<Option<SharedProbes>>>>);

impl WorkerProbes {
    /// Those of `worker`, by entity type of the job.
    pub fn take(&self, worker: usize) -> Vec<Option<EntityProbes>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = all.get_mut(worker).map(std::mem::take).unwrap_or_default();
        let asked = |probes: SharedProbes| EntityProbes {
            views: probes.views.clone(),
            before: probes.known.before,
            lag: probes.known.lag,
            probes: Box::new(SpineProbes {
                asked: probes.asked,
                answers: probes.answers,
                observer: probes.observer,
                id: Vec::new(),
                failed: false,
            }),
            watched: None,
        };
        own.into_iter().map(|probes| probes.map(asked)).collect()
    }
}

/// What a worker is asked of an entity type.
struct SharedProbes {
    views: Vec<usize>,
    known: KnownEvents,
    asked: SortedEntries,
    answers: Arc<Mutex<Answers>>,
    observer: Observer,
}

/// The same, in its hands. A temporary file that fails stops the job.
struct SpineProbes {
    asked: SortedEntries,
    answers: Arc<Mutex<Answers>>,
    observer: Observer,
    id: Vec<u8>,
    failed: bool,
}

impl SpineProbes {
    fn fail(&mut self, error: &SpillError) {
        self.failed = true;
        self.observer.fail(error.to_string());
    }
}

impl Probing for SpineProbes {
    fn next(&self) -> Option<EventTime> {
        self.asked.peek().map(|(time, _)| time).filter(|_| !self.failed)
    }

    fn last(&self) -> Option<EventTime> {
        self.asked.last().map(|(time, _)| time)
    }

    fn take(&mut self, until: EventTime, most: usize, into: &mut ProbeBatch) {
        for _ in 0..most {
            if self.next().is_none_or(|at| at > until) {
                return;
            }
            match self.asked.next(&mut self.id) {
                Ok(Some((time, row))) => into.push(time, row, &self.id),
                Ok(None) => return,
                Err(error) => return self.fail(&error),
            }
        }
    }

    fn give(&mut self, probed: &Probed<'_>) {
        let taken = self.answers.lock().unwrap_or_else(PoisonError::into_inner).take(probed);
        if let Err(error) = taken {
            self.fail(&error);
        }
    }
}
