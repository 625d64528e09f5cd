//! Values that were there and could not be read, of one source's events.

use crate::ingest::decode::DecodeError;
use crate::metrics::cell::Counter;
use std::sync::{Mutex, PoisonError};

/// How many values of each field could not be read, and what was wrong with the first one.
#[derive(Debug, Default)]
pub struct InvalidFields {
    counts: Vec<Counter>,
    first: Mutex<Vec<Option<String>>>,
}

impl InvalidFields {
    /// None yet, of so many fields.
    pub fn new(fields: usize) -> Self {
        let counts = (0..fields).map(|_| Counter::default()).collect();
        InvalidFields { counts, first: Mutex::new(vec![None; fields]) }
    }

    /// Counts one of `field`.
    pub fn add(&self, field: usize, error: &DecodeError) {
        let Some(count) = self.counts.get(field) else { return };
        if count.get() == 0 {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(first) = first.get_mut(field) {
                *first = Some(error.to_string());
            }
        }
        count.add(1);
    }

    /// How many there were of `field`.
    pub fn count(&self, field: usize) -> u64 {
        self.counts.get(field).map_or(0, Counter::get)
    }

    /// What was wrong with the first one of `field`.
    pub fn first(&self, field: usize) -> Option<String> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        first.get(field).cloned().flatten()
    }
}
