//! The file and the thread that appends to it.
//!
//! Letters wait in a queue whose bound, in letters and bytes, is kept by asking `has_room` before
//! a batch is judged. While the file cannot be written (a full disk) the thread tries again, with
//! growing pauses; the queue fills, the sources are no longer read, and nothing is dropped.

use super::{DeadLetterError, encode};
use crate::created_file::append_lines;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};

/// What is written at once at most, in bytes, but for a single longer letter.
const WRITE_BYTES: usize = 1 << 18;
/// The first and the longest pause after a failed write.
pub(crate) const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often the thread looks whether it should give up.
const TICK: Duration = Duration::from_millis(20);

/// The bounds of the queue in front of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Letters that may wait before `has_room` is false; default 10,000.
    pub letters_max: u64,
    /// Their keys and values in bytes; default 32 MiB.
    pub bytes_max: u64,
}

impl Default for FileLimits {
    fn default() -> Self {
        Self { letters_max: 10_000, bytes_max: 32 << 20 }
    }
}

/// Who is told why a write failed, where it is not tried again.
type OnFailedWrite = Box<dyn Fn(String) + Send>;

/// What the thread and the sinks share.
#[derive(Default)]
struct WriterState {
    letters_waiting: AtomicU64,
    bytes_waiting: AtomicU64,
    written: AtomicU64,
    failures: AtomicU64,
    give_up: AtomicBool,
    error: Mutex<Option<String>>,
}

/// How the file does, for health reports and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterStatus {
    /// Letters written so far.
    pub written: u64,
    /// Letters that wait to be written.
    pub waiting: u64,
    /// Attempts to write that failed; each was or will be made again.
    pub failures: u64,
    /// Why the last attempt to write failed; `None` when it did not.
    pub error: Option<String>,
}

/// A file that dead letters are appended to. [`DeadLetterFile::finish`] it at the end.
pub struct DeadLetterFile {
    path: PathBuf,
    limits: FileLimits,
    queue: Sender<DeadLetter>,
    shared: Arc<WriterState>,
    thread: JoinHandle<()>,
}

/// A worker's end of a [`DeadLetterFile`].
#[derive(Clone)]
pub struct FileSink {
    limits: FileLimits,
    queue: Sender<DeadLetter>,
    shared: Arc<WriterState>,
}

/// What a letter counts against [`FileLimits::bytes_max`].
pub(crate) fn size(letter: &DeadLetter) -> u64 {
    let bytes = |b: &Option<Vec<u8>>| b.as_ref().map_or(0, Vec::len) as u64;
    bytes(&letter.key) + bytes(&letter.value) + 256
}

/// Waits before letters are tried again; false when told to give up.
pub(crate) fn wait(pause: Duration, give_up: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if give_up.load(Ordering::Acquire) {
            return false;
        }
        thread::sleep(TICK.min(pause));
    }
    true
}

impl DeadLetterFile {
    /// Opens or makes the file, and starts its thread: letters follow what it holds. A last line that
    /// was cut off by a crash is ended, so that it spoils no other.
    ///
    /// # Errors
    /// When the file cannot be opened, or the thread cannot be started.
    pub fn open(path: &Path, limits: FileLimits) -> Result<Self, DeadLetterError> {
        let open = || Self::start(path, limits, append_lines(path)?);
        open().map_err(|source| DeadLetterError::Open { path: path.to_owned(), source })
    }

    /// As [`open`](Self::open), with what is open already, for `path`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        path: &Path,
        limits: FileLimits,
        to: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        Self::spawn(path, limits, to, None)
    }

    /// As [`open`](Self::open), with what is open already, for `path`; but the first write that fails is
    /// the last: `failed` is told why, and what waits stays unwritten. For commands that end, which
    /// nobody watches while a disk is full.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start_once(
        path: &Path,
        limits: FileLimits,
        to: impl Write + Send + 'static,
        failed: impl Fn(String) + Send + 'static,
    ) -> io::Result<Self> {
        Self::spawn(path, limits, to, Some(Box::new(failed)))
    }

    fn spawn(
        path: &Path,
        limits: FileLimits,
        to: impl Write + Send + 'static,
        failed: Option<OnFailedWrite>,
    ) -> io::Result<Self> {
        let (queue, letters) = channel();
        let shared = Arc::new(WriterState::default());
        let path_of = path.to_owned();
        let appender = Appender {
            path: path_of,
            to,
            letters,
            shared: Arc::clone(&shared),
            buffer: Vec::new(),
            failed,
        };
        let thread =
            thread::Builder::new().name("dead-letters".to_owned()).spawn(|| appender.run())?;
        Ok(Self { path: path.to_owned(), limits, queue, shared, thread })
    }

    /// An end for a worker. All must be dropped before [`DeadLetterFile::finish`] returns.
    pub fn sink(&self) -> FileSink {
        let (queue, shared) = (self.queue.clone(), Arc::clone(&self.shared));
        FileSink { limits: self.limits, queue, shared }
    }

    /// How the file does; the closure can be kept and called from anywhere.
    pub fn status(&self) -> impl Fn() -> DeadLetterStatus + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move || DeadLetterStatus {
            written: shared.written.load(Ordering::Acquire),
            waiting: shared.letters_waiting.load(Ordering::Acquire),
            failures: shared.failures.load(Ordering::Acquire),
            error: shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Waits until all letters of all sinks are written, and gives their number. While writing
    /// fails it waits for `patience`.
    ///
    /// # Errors
    /// When letters could not be written by then.
    pub fn finish(self, patience: Duration) -> Result<u64, DeadLetterError> {
        let status = self.status();
        drop(self.queue);
        let mut deadline = None;
        while !self.thread.is_finished() {
            thread::sleep(Duration::from_millis(1));
            let failing = status().error.is_some();
            deadline = failing.then(|| deadline.unwrap_or_else(|| Instant::now() + patience));
            if deadline.is_some_and(|d| Instant::now() >= d) {
                self.shared.give_up.store(true, Ordering::Release);
            }
        }
        // A panic of the thread leaves letters waiting, and is reported by that.
        let _ = self.thread.join();
        let DeadLetterStatus { written, waiting, error, .. } = status();
        if waiting == 0 {
            return Ok(written);
        }
        let reason = error.unwrap_or_else(|| "its thread broke off".to_owned());
        Err(DeadLetterError::Unwritten { path: self.path, unwritten: waiting, reason })
    }
}

impl DeadLetterSink for FileSink {
    fn has_room(&self) -> bool {
        self.shared.letters_waiting.load(Ordering::Acquire) < self.limits.letters_max
            && self.shared.bytes_waiting.load(Ordering::Acquire) < self.limits.bytes_max
    }

    fn push(&mut self, letter: DeadLetter) {
        self.shared.letters_waiting.fetch_add(1, Ordering::AcqRel);
        self.shared.bytes_waiting.fetch_add(size(&letter), Ordering::AcqRel);
        // It fails only when the thread is gone; the letter then counts as waiting for ever, which
        // stops the sources and is reported at the end.
        let _ = self.queue.send(letter);
    }
}

/// The thread.
struct Appender<W> {
    path: PathBuf,
    to: W,
    letters: Receiver<DeadLetter>,
    shared: Arc<WriterState>,
    buffer: Vec<u8>,
    failed: Option<OnFailedWrite>,
}

impl<W: Write> Appender<W> {
    fn run(mut self) {
        while let Ok(first) = self.letters.recv() {
            let (mut count, mut bytes) = (0, 0);
            let mut next = Some(first);
            while let Some(letter) = next {
                count += 1;
                bytes += size(&letter);
                encode(&letter, &mut self.buffer);
                let more = self.buffer.len() < WRITE_BYTES;
                next = more.then(|| self.letters.try_recv().ok()).flatten();
            }
            if !self.write() {
                // Nobody may wait for room that never comes; what is queued stays unwritten.
                return;
            }
            self.shared.written.fetch_add(count, Ordering::AcqRel);
            self.shared.bytes_waiting.fetch_sub(bytes, Ordering::AcqRel);
            self.shared.letters_waiting.fetch_sub(count, Ordering::AcqRel);
        }
    }

    /// Writes the buffer, however long that takes; false when told to give up.
    fn write(&mut self) -> bool {
        let (mut pause, mut done) = (PAUSES.0, 0);
        while let Some(rest) = self.buffer.get(done..).filter(|rest| !rest.is_empty()) {
            match self.to.write(rest) {
                Ok(0) => self.set_error(Some("the file takes no more bytes".to_owned())),
                Ok(written) => {
                    done += written;
                    pause = PAUSES.0;
                    self.set_error(None);
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => self.set_error(Some(e.to_string())),
            }
            if self.is_over() || !wait(pause, &self.shared.give_up) {
                return false;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
        self.buffer.clear();
        true
    }

    /// Whether the attempt that failed was the last; then it is said.
    fn is_over(&self) -> bool {
        let Some(failed) = &self.failed else { return false };
        let error = self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        failed(format!(
            "writing dead letters to {}: {}",
            self.path.display(),
            error.unwrap_or_default()
        ));
        true
    }

    /// Notes how an attempt went, and logs what is new.
    fn set_error(&self, error: Option<String>) {
        let mut held = self.shared.error.lock().unwrap_or_else(PoisonError::into_inner);
        if error.is_some() {
            self.shared.failures.fetch_add(1, Ordering::AcqRel);
        }
        let path = self.path.display();
        match &error {
            Some(error) if held.as_ref() != Some(error) && self.failed.is_none() => {
                tracing::warn!(%path, error, "cannot write dead letters; they are kept and tried again");
            }
            None if held.is_some() => tracing::info!(%path, "writing dead letters again"),
            _ => {}
        }
        *held = error;
    }
}
