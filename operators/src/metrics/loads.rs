//! What the operators of a worker do, by their names.

use std::sync::{Mutex, PoisonError};

/// Operators of one name on one worker, together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorLoad {
    /// Their name.
    pub name: String,
    /// For how long they were at work, in ns.
    pub busy_ns: u64,
    /// How often they were.
    pub activations: u64,
    /// Elements that were sent to them: batches of events, dead letters, rows.
    pub received: u64,
    /// Elements that they sent.
    pub sent: u64,
}

/// The loads of a worker, where it is watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerLoad {
    /// By name of the operators, in the order of the dataflow.
    pub operators: Vec<OperatorLoad>,
    /// For how long the worker slept, as nothing was to be done, in ns.
    pub parked_ns: u64,
    /// Messages of progress between workers and scopes, sent and received.
    pub progress_messages: u64,
    /// Changes of progress in them.
    pub progress_updates: u64,
}

/// The newest load of a worker; `None`: it is not watched.
#[derive(Debug, Default)]
pub struct WatchedLoad(Mutex<Option<WorkerLoad>>);

impl WatchedLoad {
    /// Replaces it: a few times a second, not once a step.
    pub fn set(&self, load: WorkerLoad) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(load);
    }

    /// As of the last update.
    pub fn get(&self) -> Option<WorkerLoad> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
