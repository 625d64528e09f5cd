//! Rows that have left a log, kept in memory, and what may go wrong with them.

use crate::timeline::cold::{ColdRows, ColdTicket};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What happens to rows that leave logs, and what has happened; for all who share it.
#[derive(Debug, Default)]
pub struct ColdTrials {
    /// Nothing can be written.
    pub full: AtomicBool,
    /// Nothing can be read.
    pub broken: AtomicBool,
    /// Pieces that are written and that nobody has freed.
    pub held: AtomicU64,
    /// Pieces that were taken.
    pub taken: AtomicU64,
}

/// A log's rows that have left it. What is put is written when somebody looks for it again.
#[derive(Debug, Default)]
pub struct ColdInMemory {
    trials: Arc<ColdTrials>,
    pieces: BTreeMap<ColdTicket, Vec<u8>>,
    next: u64,
    writing: VecDeque<(ColdTicket, Vec<u8>)>,
    /// Whether the next look finds what is being written.
    ready: bool,
}

impl ColdInMemory {
    /// Under `trials`.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemark_operators::in_memory::{ColdInMemory, ColdTrials};
    /// use tidemark_operators::timeline::cold::ColdRows;
    ///
    /// let mut rows = ColdInMemory::new(&Arc::new(ColdTrials::default()));
    /// let ticket = rows.put(vec![1, 2, 3]);
    /// while rows.written().is_none() {}
    /// assert_eq!(rows.take(ticket).unwrap(), [1, 2, 3]);
    /// rows.free(ticket);
    /// assert!(rows.take(ticket).is_err());
    /// ```
    pub fn new(trials: &Arc<ColdTrials>) -> Self {
        ColdInMemory { trials: Arc::clone(trials), ..ColdInMemory::default() }
    }
}

impl ColdRows for ColdInMemory {
    fn put(&mut self, bytes: Vec<u8>) -> ColdTicket {
        self.next += 1;
        self.writing.push_back((ColdTicket(self.next), bytes));
        ColdTicket(self.next)
    }

    fn written(&mut self) -> Option<(ColdTicket, Result<(), String>)> {
        let writing = if self.ready { self.writing.pop_front() } else { None };
        let Some((ticket, bytes)) = writing else {
            self.ready = !self.ready;
            return None;
        };
        if self.trials.full.load(Ordering::Relaxed) {
            return Some((ticket, Err("there is no room".to_owned())));
        }
        self.trials.held.fetch_add(1, Ordering::Relaxed);
        self.pieces.insert(ticket, bytes);
        Some((ticket, Ok(())))
    }

    fn ask(&mut self, _ticket: ColdTicket) {}

    fn take(&mut self, ticket: ColdTicket) -> Result<Vec<u8>, String> {
        if self.trials.broken.load(Ordering::Relaxed) {
            return Err("the memory is broken".to_owned());
        }
        self.trials.taken.fetch_add(1, Ordering::Relaxed);
        self.pieces.get(&ticket).cloned().ok_or_else(|| "it is not there".to_owned())
    }

    fn free(&mut self, ticket: ColdTicket) {
        if self.pieces.remove(&ticket).is_some() {
            self.trials.held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
