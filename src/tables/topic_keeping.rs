//! What is read of a topic, on its way into the state.

use super::status::TableStatus;
use crate::fault;
use crate::recovery::KeptTopic;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, channel, sync_channel};
use std::time::{Duration, Instant};
use tidemark_operators::reference::kept::{TopicKeeper, TopicRead};
use tidemark_operators::time::EventTime;

/// Between two batches of a table that are kept; default 250 ms: a topic that is written to without a pause
/// makes four small objects a second, and what is sealed waits as long for its updates.
const BATCH_EVERY: Duration = Duration::from_millis(250);

/// The worker's end: it hands over what it has read, and asks whether that is kept.
pub(super) struct TopicKeeping {
    begun: Option<TopicRead>,
    not_before: EventTime,
    full: Box<dyn Fn() -> Option<String>>,
    status: Arc<TableStatus>,
    is_told: bool,
    given: SyncSender<TopicRead>,
    kept: Receiver<Result<(), String>>,
    /// Something was handed over, and it is not said that it is kept.
    waits: bool,
    /// When something was kept last.
    kept_at: Option<Instant>,
}

impl TopicKeeping {
    /// For a topic of which `begun` was kept before: starts the thread that keeps more.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        kept: KeptTopic,
        begun: Option<TopicRead>,
        status: Arc<TableStatus>,
    ) -> std::io::Result<Self> {
        let table = Arc::clone(kept.table());
        let not_before = if begun.is_some() { table.not_before() } else { 0 };
        let (given, takes) = sync_channel(1);
        let (keeps, kept_so) = channel();
        let keep = move || keep(kept, &takes, |outcome| keeps.send(outcome).is_ok());
        std::thread::Builder::new().name("table".to_owned()).spawn(keep)?;
        Ok(TopicKeeping {
            begun,
            not_before,
            full: Box::new(move || table.full()),
            status,
            is_told: false,
            given,
            kept: kept_so,
            waits: false,
            kept_at: None,
        })
    }
}

/// Keeps what is given until nobody gives or hears more, or it fails.
fn keep(
    mut kept: KeptTopic,
    given: &Receiver<TopicRead>,
    tell: impl Fn(Result<(), String>) -> bool,
) {
    loop {
        // Here, so that nobody waits for it but the next batch; and also at the start, for many starts
        // make many records.
        if let Err(error) = kept.merge(&|| true) {
            tell(Err(error.to_string()));
            return;
        }
        let Ok(read) = given.recv() else { return };
        let outcome = kept.keep(read, &|| true).map_err(|error| error.to_string());
        let is_kept = outcome.is_ok();
        if !tell(outcome) || !is_kept {
            return;
        }
    }
}

impl TopicKeeper for TopicKeeping {
    fn begin(&mut self) -> Option<TopicRead> {
        self.begun.take()
    }

    fn not_before(&self) -> EventTime {
        self.not_before
    }

    fn is_ready(&mut self) -> bool {
        // As with the mutant, for which all is kept at once.
        if self.waits && self.kept.try_recv().is_err() {
            return false;
        }
        self.waits = false;
        if self.kept_at.is_some_and(|at| at.elapsed() < BATCH_EVERY) {
            return false;
        }
        let full = (self.full)();
        let is_ready = full.is_none();
        if self.is_told || !is_ready {
            self.is_told = !is_ready;
            self.status.set_refused(full);
        }
        is_ready
    }

    fn keep(&mut self, read: TopicRead) -> Result<(), String> {
        self.waits = true;
        // There is room: it is ready.
        self.given.send(read).map_err(|_| gone())
    }

    fn is_kept(&mut self) -> Result<bool, String> {
        if fault::is_mutant("table_record_after_frontier") {
            return Ok(true);
        }
        match self.kept.try_recv() {
            Ok(kept) => {
                (self.waits, self.kept_at) = (false, Some(Instant::now()));
                kept.map(|()| true)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(gone()),
        }
    }
}

fn gone() -> String {
    "reading a table: the thread that keeps what its topic says is gone".to_owned()
}
