//! The times from which on a file's versions are seen, on their way into the state.

use crate::fault;
use crate::recovery::KeptTable;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel};
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;

/// The rows of a version, or why there can be none any more.
pub(super) type FoundVersion = Result<Vec<TableRow>, String>;

/// The worker's end: it says from when on a version is seen, and asks whether that is kept.
pub(super) struct KeptTimes {
    said: Sender<EventTime>,
    kept: Receiver<Result<(), String>>,
    /// The time that was said of the version that was given last, until it is kept.
    waiting: bool,
}

/// The end of the thread that reads the file.
pub(super) struct Keeping {
    table: Arc<KeptTable>,
    said: Receiver<EventTime>,
    kept: Sender<Result<(), String>>,
}

impl KeptTimes {
    /// Whether it is kept that the newest version is seen from `from` on.
    pub fn keep(&mut self, from: EventTime) -> Result<bool, String> {
        let gone = || "reading a table: the thread that keeps its versions is gone".to_owned();
        if !std::mem::replace(&mut self.waiting, true) {
            self.said.send(from).map_err(|_| gone())?;
            if fault::is_mutant("table_record_after_frontier") {
                return Ok(true);
            }
        }
        match self.kept.try_recv() {
            Ok(kept) => {
                self.waiting = false;
                kept.map(|()| true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }
}

impl Keeping {
    /// Both ends for `table`.
    pub fn of(table: Arc<KeptTable>) -> (KeptTimes, Keeping) {
        let ((said, says), (kept, keeps)) = (channel(), channel());
        let times = KeptTimes { said, kept: keeps, waiting: false };
        (times, Keeping { table, said: says, kept })
    }

    /// Why no other version can be taken in now, if that is so.
    pub fn full(&self) -> Option<String> {
        self.table.full()
    }

    /// Stores `rows`, hands them over, and keeps the time that they are seen from; says whether anybody
    /// is there to take them.
    pub fn take(&self, rows: Vec<TableRow>, to: &SyncSender<FoundVersion>) -> bool {
        let listed = match self.table.store(&rows, &|| true) {
            Ok(Some(listed)) => listed,
            // Somebody has touched the file.
            Ok(None) => return true,
            Err(error) => return to.send(Err(error.to_string())).is_ok(),
        };
        if to.send(Ok(rows)).is_err() {
            return false;
        }
        let Ok(from) = self.said.recv() else { return false };
        let kept = self.table.record(from, listed, &|| true);
        self.kept.send(kept.map_err(|error| error.to_string())).is_ok()
    }
}
