//! Entities that a running job forgets, asked of the worker that has each.
//!
//! ```text
//!  somebody ── an id ──> worker of the entity, between two steps ──> its windows, when they run next
//!           <── whether anything was held, and up to where ─────────┘
//! ```
//!
//! While nobody asks, a worker looks at one flag a step.

use super::held::answered;
use super::{HeldError, Observer};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use tidemark_operators::entity_windows::{EntityForgotten, EntityState, FORGETTING_MAX};
use tidemark_operators::shared::Shared;

/// What is asked of a process and that no worker has taken up yet, and who is told.
#[derive(Default)]
pub(super) struct ForgetQuestions {
    waiting: AtomicUsize,
    asked: Mutex<Vec<ForgettingAsked>>,
}

struct ForgettingAsked {
    worker: usize,
    entity: usize,
    id: Vec<u8>,
    told: SyncSender<Result<EntityForgotten, HeldError>>,
}

impl Observer {
    /// Has the job forget entity `id` of type `entity`, which must belong to a worker of this process.
    /// Waits for that worker, a few seconds at most; what it does not answer in time it may do later.
    ///
    /// # Errors
    /// When the worker gives no answer, or too many ask.
    pub fn forget(&self, entity: usize, id: &[u8]) -> Result<EntityForgotten, HeldError> {
        let questions = &self.progress.forget_questions;
        self.all_run()?;
        let (told, answer) = sync_channel(1);
        let question =
            ForgettingAsked { worker: self.shape.owner(id), entity, id: id.to_vec(), told };
        let mut asked = questions.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.len() >= FORGETTING_MAX {
            return Err(HeldError::Late);
        }
        asked.push(question);
        questions.waiting.store(asked.len(), Ordering::Release);
        drop(asked);
        // It tells a snapshot to its end first.
        answered(&answer)
    }

    /// Hands what is asked of `worker` to its windows, the entity types of which are `entities`.
    pub(super) fn hand_forgetting(
        &self,
        worker: usize,
        entities: &[Rc<RefCell<EntityState>>],
        shared: &Shared,
    ) {
        let questions = &self.progress.forget_questions;
        if questions.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut asked = questions.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let own: Vec<_> = asked.extract_if(.., |question| question.worker == worker).collect();
        questions.waiting.store(asked.len(), Ordering::Release);
        drop(asked);
        for ForgettingAsked { entity, id, told, .. } in own {
            let Some(mut state) = entities.get(entity).map(|state| state.borrow_mut()) else {
                continue;
            };
            // Whoever asked may have stopped waiting.
            if state.clock() == 0 {
                let _ = told.try_send(Err(HeldError::Early));
                continue;
            }
            let refused = told.clone();
            let is_taken = state.forget(&id, move |done| {
                let _ = told.try_send(Ok(done));
            });
            if !is_taken {
                let _ = refused.try_send(Err(HeldError::Late));
            }
            shared.wake_windows();
        }
    }
}
