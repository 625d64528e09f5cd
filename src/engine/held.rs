//! What a running job holds of one entity, asked of the worker that has it.
//!
//! ```text
//!  somebody ── question (one at a time a process) ──> worker of the entity: a slice between two steps
//!           <── its events, and the clock ───────────┘
//! ```
//!
//! A slice looks at [`SLICE_ROWS`] rows, the last one at those that wait for the frontier besides: what a
//! question takes of a worker's time between two steps is bounded, however much it holds. While nobody
//! asks, a worker looks at one flag a step.

use super::Observer;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tidemark_operators::cut::TimelineRows;
use tidemark_operators::entity_log::{RowSearch, SearchError, WAITING_ROWS_MAX};
use tidemark_operators::entity_windows::EntityState;
use tidemark_operators::time::EventTime;

/// The most events of an entity that are handed out; of one that has more nothing is.
pub const HELD_EVENTS_MAX: usize = 50_000;
/// Rows that are looked at between two steps of a worker.
const SLICE_ROWS: u64 = 1 << 18;
/// How long the worker is given.
const PATIENCE: Duration = Duration::from_secs(4);

/// What is held of an entity at a moment.
pub struct EntityHeld {
    /// Its events, in the order of the log, with what was derived of them.
    pub events: TimelineRows,
    /// The live clock.
    pub clock: EventTime,
    /// Events up to then are not held any more, of whatever entity; `None`: all are held.
    pub let_go: Option<EventTime>,
}

/// Why there is no answer; for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeldError {
    /// It has too many events.
    #[error("more than {HELD_EVENTS_MAX} events in its windows")]
    Many,
    /// Too much waits for the frontier.
    #[error(
        "more than {WAITING_ROWS_MAX} events wait for the frontier; ask again when it has moved"
    )]
    Waiting,
    /// Events that had left memory cannot be read back.
    #[error("events that had left memory cannot be read back, and the job stops")]
    Lost,
    /// There is no live clock yet.
    #[error("its worker restores its state, or has read nothing yet")]
    Early,
    /// The worker did not answer.
    #[error("its worker did not answer within {} s", PATIENCE.as_secs())]
    Late,
    /// The worker has ended, or has not begun.
    #[error("its worker does not run")]
    Ended,
}

/// The question that is asked of a process, and who is told.
#[derive(Default)]
pub(super) struct Questions {
    /// Whether there is one that no worker has taken up yet.
    waits: AtomicBool,
    asked: Mutex<Option<HeldQuestion>>,
}

struct HeldQuestion {
    worker: usize,
    entity: usize,
    search: RowSearch,
    told: SyncSender<Result<EntityHeld, HeldError>>,
}

impl Observer {
    /// What the job holds of entity `id` of type `entity`, which must belong to a worker of this process.
    /// Waits for that worker, a few seconds at most. Of two that ask at the same time one gets no answer.
    ///
    /// # Errors
    /// When the worker gives no answer, or there is too much to tell.
    pub fn held(&self, entity: usize, id: &[u8]) -> Result<EntityHeld, HeldError> {
        let questions = &self.progress.questions;
        self.all_run()?;
        let (told, answer) = sync_channel(1);
        let search = RowSearch::new(id, HELD_EVENTS_MAX);
        let question = HeldQuestion { worker: self.shape.owner(id), entity, search, told };
        *questions.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(question);
        questions.waits.store(true, Ordering::Release);
        let answer = answered(&answer);
        // What nobody has taken up is not asked any more.
        questions.waits.store(false, Ordering::Release);
        *questions.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
        answer
    }

    /// That all workers of this process run, so that one that is asked will answer.
    pub(super) fn all_run(&self) -> Result<(), HeldError> {
        let has_begun = self.metrics.iter().all(|worker| worker.steps.get() > 0);
        has_begun.then_some(()).ok_or(HeldError::Ended)
    }

    /// The question that is there for `worker`.
    fn question(&self, worker: usize) -> Option<HeldQuestion> {
        let questions = &self.progress.questions;
        if !questions.waits.load(Ordering::Acquire) {
            return None;
        }
        let mut asked = questions.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = asked.take_if(|asked| asked.worker == worker)?;
        questions.waits.store(false, Ordering::Release);
        Some(taken)
    }
}

/// What a worker answers, which is given [`PATIENCE`] for it.
pub(super) fn answered<T>(answer: &Receiver<Result<T, HeldError>>) -> Result<T, HeldError> {
    answer.recv_timeout(PATIENCE).unwrap_or_else(|error| {
        Err(match error {
            RecvTimeoutError::Timeout => HeldError::Late,
            RecvTimeoutError::Disconnected => HeldError::Ended,
        })
    })
}

/// A worker's side: the question that it answers, between its steps.
#[derive(Default)]
pub(super) struct Answering {
    worker: usize,
    entities: Vec<Rc<RefCell<EntityState>>>,
    question: Option<HeldQuestion>,
}

impl Answering {
    /// Of worker `worker`, which has these.
    pub fn new(worker: usize, entities: Vec<Rc<RefCell<EntityState>>>) -> Self {
        Answering { worker, entities, question: None }
    }

    /// The states of the worker's entity types.
    pub fn entities(&self) -> &[Rc<RefCell<EntityState>>] {
        &self.entities
    }

    /// A slice of work; says whether there is more of it.
    pub fn step(&mut self, observer: &Observer) -> bool {
        if self.question.is_none() {
            self.question = observer.question(self.worker);
        }
        let Some(question) = &mut self.question else { return false };
        let Some(state) = self.entities.get(question.entity).map(|state| state.borrow()) else {
            self.question = None;
            return false;
        };
        let held = match state.clock() {
            // While it is restored, what is held is a part.
            0 => Err(HeldError::Early),
            clock => {
                let found = state.search(&mut question.search, SLICE_ROWS);
                let Some(found) = found else { return true };
                let let_go = state.log.log.forgotten();
                let held = found.map(|events| EntityHeld { events, clock, let_go });
                held.map_err(|error| match error {
                    SearchError::Many => HeldError::Many,
                    SearchError::Waiting => HeldError::Waiting,
                    SearchError::Lost => HeldError::Lost,
                })
            }
        };
        // Whoever asked may have stopped waiting.
        let _ = question.told.try_send(held);
        self.question = None;
        false
    }
}
