//! What the flushers of a store are told, by the job and by the first of them.

use crate::online::Incomplete;
use crate::online::redis::left::least;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use tidemark_operators::online::Shown;

/// Why nothing may be written any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was attempted, why it may not be, and what to do.
    pub why: String,
    /// A later run of the same job has taken over.
    pub taken_over: bool,
}

/// What rows in Redis are worth that the run before has left there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inherited {
    /// What all of them show.
    pub(crate) shown: Shown,
    /// Which of them may lack something.
    pub(crate) incomplete: Arc<Incomplete>,
}

impl Inherited {
    /// Of the rows of both.
    pub(crate) fn and(&self, other: &Inherited) -> Inherited {
        let mut incomplete = Incomplete::clone(&self.incomplete);
        incomplete.add_all(&other.incomplete);
        let shown = least(self.shown, other.shown);
        Inherited { shown, incomplete: Arc::new(incomplete) }
    }
}

/// The gate that rows leave by.
#[derive(Debug)]
pub(crate) struct Gate {
    held: AtomicBool,
    /// When rows were let out, in us on the store's clock.
    released: AtomicU64,
    closing: AtomicBool,
    deadline: AtomicU64,
    granted: AtomicBool,
    /// The claim to the views is to be looked at at once.
    doubted: AtomicBool,
    /// Redis does not let this user keep a fence.
    open: AtomicBool,
    /// How often a flusher has found another server than before.
    moves: AtomicU64,
    refused: Mutex<Option<Refusal>>,
    inherited: Mutex<Inherited>,
    /// By view: its rows lack nothing.
    complete: Vec<AtomicBool>,
    /// Which views' rows may lack something, as last told.
    incomplete: Mutex<Arc<Incomplete>>,
}

impl Gate {
    pub(crate) fn new(held: bool, views: usize) -> Self {
        Gate {
            held: AtomicBool::new(held),
            released: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            deadline: AtomicU64::new(u64::MAX),
            granted: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
            open: AtomicBool::new(false),
            moves: AtomicU64::new(0),
            refused: Mutex::default(),
            inherited: Mutex::default(),
            complete: (0..views).map(|_| AtomicBool::new(false)).collect(),
            incomplete: Mutex::default(),
        }
    }

    /// No row may be written yet: the job has not caught up.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Relaxed)
    }

    /// A flusher has found another server: what another one removed meanwhile was removed from the old one.
    pub(crate) fn moved(&self) {
        self.moves.fetch_add(1, Relaxed);
    }

    /// How often that was.
    pub(crate) fn moves(&self) -> u64 {
        self.moves.load(Relaxed)
    }

    /// Rows may be written from `now` on, in us on the store's clock.
    pub(crate) fn release(&self, now: u64) {
        self.released.store(now, Relaxed);
        self.held.store(false, Relaxed);
    }

    pub(crate) fn released(&self) -> u64 {
        self.released.load(Relaxed)
    }

    /// The job's views are its own: heartbeats may be written, and rows once they are not held.
    pub(crate) fn is_granted(&self) -> bool {
        self.granted.load(Relaxed)
    }

    /// `inherited`: what the rows are worth that the run before has left.
    pub(crate) fn grant(&self, inherited: Inherited) {
        *self.inherited.lock().unwrap_or_else(PoisonError::into_inner) = inherited;
        self.granted.store(true, Relaxed);
    }

    /// Somebody else may have entered themselves: nothing may be written until that is known.
    pub(crate) fn doubt(&self) {
        self.granted.store(false, Relaxed);
        self.doubted.store(true, Relaxed);
    }

    pub(crate) fn is_doubted(&self) -> bool {
        self.doubted.load(Relaxed)
    }

    /// It is being looked at.
    pub(crate) fn look(&self) {
        self.doubted.store(false, Relaxed);
    }

    /// Nothing keeps out a run that was taken over from.
    pub(crate) fn open(&self) {
        self.open.store(true, Relaxed);
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Relaxed)
    }

    pub(crate) fn inherited(&self) -> Inherited {
        self.inherited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing may be written any more, and why.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.granted.store(false, Relaxed);
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(refusal);
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn refused(&self) -> Option<Refusal> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn may_write(&self) -> bool {
        self.is_granted() && !self.is_held()
    }

    /// The rows of the view at job index `view` lack nothing.
    pub(crate) fn complete(&self, view: usize) {
        if let Some(complete) = self.complete.get(view) {
            complete.store(true, Relaxed);
        }
    }

    pub(crate) fn is_complete(&self, view: usize) -> bool {
        self.complete.get(view).is_some_and(|complete| complete.load(Relaxed))
    }

    /// Rows of these views may lack something.
    pub(crate) fn lack(&self, views: Incomplete) {
        *self.incomplete.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(views);
    }

    pub(crate) fn incomplete(&self) -> Arc<Incomplete> {
        Arc::clone(&self.incomplete.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is left is to be written at once, until the deadline.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    pub(crate) fn close(&self, deadline: u64) {
        self.deadline.store(deadline, Relaxed);
        self.closing.store(true, Relaxed);
    }

    /// In us on the store's clock.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline.load(Relaxed)
    }
}
