//! Publishing that goes on until it succeeds: how it fares, and when to give up.

use crate::checkpoint::NotLeading;
use crate::dead_letters::{PAUSES, wait};
use crate::metrics::snapshot::LogSinkSnapshot;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to look whether a thread has ended.
const LOOK: Duration = Duration::from_millis(1);

/// Why something is not published.
#[derive(Debug)]
pub enum Unpublished {
    /// What went wrong; it is tried again.
    Failed(String),
    /// Another process of the job has taken over, and publishes it.
    TakenOver,
}

impl From<String> for Unpublished {
    fn from(why: String) -> Self {
        Unpublished::Failed(why)
    }
}

impl From<NotLeading> for Unpublished {
    fn from(why: NotLeading) -> Self {
        match why {
            NotLeading::TakenOver => Unpublished::TakenOver,
            NotLeading::Unknown(why) => Unpublished::Failed(why),
        }
    }
}

/// Says what of the lines of sealed rows up to the place `until` was not written: how many rows are in
/// `stores` already, and how many lines are no rows of the job.
#[cfg(feature = "parquet")]
pub(crate) fn say_passed((older, others): (u64, u64), until: u64, stores: &'static str) {
    if others > 0 {
        tracing::warn!(
            others,
            until,
            "the file of sealed rows has lines that are no rows of the job: they are not in {stores}"
        );
    }
    if older > 0 {
        tracing::info!(older, until, "rows that are in {stores} already are passed over");
    }
}

/// What is known of the end of sealed rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowsEnd {
    /// More may come.
    Open,
    /// No newer checkpoint comes.
    Closing,
    /// Every source has ended: there will never be more.
    Over,
}

/// What a thread that publishes sealed rows shares with those that started it.
pub(crate) struct RowsProgress {
    pub publishing: Publishing,
    end: Mutex<RowsEnd>,
}

impl RowsProgress {
    /// What is known of the end.
    pub fn end(&self) -> RowsEnd {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread that publishes sealed rows out of their file.
pub struct RowsPublisher {
    progress: Arc<RowsProgress>,
    thread: JoinHandle<()>,
}

impl RowsPublisher {
    /// Starts a thread of this name that does `run`; `publishing`: how that fares.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn start(
        thread: &str,
        publishing: Publishing,
        run: impl FnOnce(&Arc<RowsProgress>) + Send + 'static,
    ) -> io::Result<Self> {
        let progress = Arc::new(RowsProgress { publishing, end: Mutex::new(RowsEnd::Open) });
        let of_thread = Arc::clone(&progress);
        let thread = std::thread::Builder::new().name(thread.to_owned());
        let thread = thread.spawn(move || run(&of_thread))?;
        Ok(RowsPublisher { progress, thread })
    }

    /// How it fares; may be kept and asked after the end.
    pub fn status(&self) -> impl Fn() -> LogSinkSnapshot + Send + Sync + use<> {
        let progress = Arc::clone(&self.progress);
        move || progress.publishing.snapshot()
    }

    /// Waits until all rows of checkpoints are published, while that fails for `within`; what is not will be
    /// after the next start. `all`: every source has ended, and there will be no more rows. Says how many
    /// bytes of rows are left.
    pub fn finish(self, all: bool, within: Duration) -> u64 {
        let end = if all { RowsEnd::Over } else { RowsEnd::Closing };
        *self.progress.end.lock().unwrap_or_else(PoisonError::into_inner) = end;
        self.progress.publishing.end(self.thread, within);
        self.progress.publishing.snapshot().pending_bytes.unwrap_or(0)
    }
}

/// What a thread that publishes shares with those that ask how it fares. See the module.
pub(crate) struct Publishing {
    /// What is published, for people: "dead letters".
    what: &'static str,
    status: Mutex<LogSinkSnapshot>,
    give_up: AtomicBool,
}

impl Publishing {
    /// Of `what`, under the name `name` in metrics and health.
    pub fn new(name: &'static str, what: &'static str) -> Self {
        let status = Mutex::new(LogSinkSnapshot { name, ..LogSinkSnapshot::default() });
        Publishing { what, status, give_up: AtomicBool::new(false) }
    }

    /// Changes what is told.
    pub fn note(&self, what: impl FnOnce(&mut LogSinkSnapshot)) {
        what(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How it fares.
    pub fn snapshot(&self) -> LogSinkSnapshot {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits; false when told to give up.
    pub fn wait(&self, pause: Duration) -> bool {
        wait(pause, &self.give_up)
    }

    /// Tries until it is done, with pauses that grow; `None`: nobody waits for it any more, or it is another
    /// process's to do. `attempt` is told whether somebody waits.
    pub fn insist<T>(
        &self,
        mut attempt: impl FnMut(&dyn Fn() -> bool) -> Result<T, Unpublished>,
    ) -> Option<T> {
        let mut pause = PAUSES.0;
        loop {
            let error = match attempt(&|| !self.give_up.load(Ordering::Acquire)) {
                Ok(done) => {
                    self.note(|status| status.down = None);
                    return Some(done);
                }
                Err(Unpublished::TakenOver) => {
                    let what = self.what;
                    tracing::info!(
                        "another process of the job has taken over, and publishes the {what} that are left"
                    );
                    self.note(|status| status.down = None);
                    return None;
                }
                Err(Unpublished::Failed(error)) => error,
            };
            self.note(|status| {
                if status.down.as_ref() != Some(&error) {
                    let what = self.what;
                    tracing::warn!(
                        error,
                        "{what} cannot be published; they are kept and tried again"
                    );
                }
                status.retries += 1;
                status.down = Some(error);
            });
            if !self.wait(pause) {
                return None;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Waits for the thread, for `within`; then it is to give up, and has.
    pub fn end(&self, thread: JoinHandle<()>, within: Duration) {
        let began = Instant::now();
        while !thread.is_finished() && began.elapsed() < within {
            std::thread::sleep(LOOK);
        }
        self.give_up.store(true, Ordering::Release);
        // A panic of it has ended the process.
        let _ = thread.join();
    }
}
