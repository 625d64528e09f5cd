//! How a table is doing while the job runs.

use crate::kafka::KafkaStatus;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How one table is doing: told by who reads it, asked by `/health`.
#[derive(Debug, Default)]
pub struct TableStatus {
    refused: Mutex<Option<String>>,
    topic: OnceLock<Arc<KafkaStatus>>,
}

impl TableStatus {
    /// One for each of `tables` tables, of which nothing is known yet.
    pub fn of(tables: usize) -> Vec<Arc<TableStatus>> {
        (0..tables).map(|_| Arc::default()).collect()
    }

    /// Why the newest version of its file is not in use, so that the one before still is; `None`
    /// when it is in use.
    pub fn refused(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Why its topic cannot be read at the moment.
    pub fn down(&self) -> Option<String> {
        self.topic.get()?.error()
    }

    pub(crate) fn set_refused(&self, why: Option<String>) {
        *self.lock() = why;
    }

    /// The first topic stays.
    pub(super) fn set_topic(&self, topic: Arc<KafkaStatus>) {
        let _ = self.topic.set(topic);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
