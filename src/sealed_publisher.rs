//! Sealed rows out of their file into topics, each once.
//!
//! ```text
//!  sealed rows ──→ the file ─────────────────┬─→ who follows the file
//!                  places below those of the │
//!                  newest checkpoint's cut   └─→ SealedPublisher ──→ a topic for each view
//! ```
//!
//! The file is the outbox: what a checkpoint has of it is never written again, so it is published from
//! there, as far as the newest checkpoint goes, and the topic of progress tells by its place in the file how
//! far that is. A row reaches its topic with the checkpoint behind it. Topics that cannot be reached hold
//! nobody up: rows wait in the file.

use crate::dead_letters::{PAUSES, wait};
use crate::fault;
use crate::kafka::{KafkaError, PublishedRows, SealedTopics};
use crate::metrics::snapshot::LogSinkSnapshot;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of rows that are published in one transaction, and held in memory meanwhile; default 4 MiB. A
/// longer line is one of its own.
pub const TRANSACTION_BYTES: usize = 4 << 20;

/// The name in metrics and health.
const NAME: &str = "sealed";
/// How often to look whether there is a newer checkpoint.
const LOOK: Duration = Duration::from_millis(20);
/// Room is given back to the disk in pieces of so many bytes.
const PIECE: u64 = 1 << 20;

/// Where rows are read, and how far.
pub struct PublishedFile {
    /// The file, open for reading; for writing, too, where `keep` is false.
    pub file: File,
    /// Where this process begins to write rows.
    pub begins: u64,
    /// Whether what is published stays in the file. Else its room is given back to the disk: the file's
    /// length stays, and what was there reads as zeros.
    pub keep: bool,
    /// Fails once another process has taken over.
    pub leads: Box<dyn Fn() -> Result<(), String> + Send>,
    /// Up to which place rows are in a checkpoint.
    pub durable: Box<dyn Fn() -> u64 + Send>,
}

#[derive(Default)]
struct RowsProgress {
    status: Mutex<LogSinkSnapshot>,
    ending: AtomicBool,
    give_up: AtomicBool,
}

/// See the module.
pub struct SealedPublisher {
    state: Arc<RowsProgress>,
    thread: JoinHandle<()>,
}

impl SealedPublisher {
    /// Starts the thread, which publishes rows of `from` to `topics`.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(from: PublishedFile, topics: SealedTopics) -> io::Result<Self> {
        let status = LogSinkSnapshot { name: NAME, ..LogSinkSnapshot::default() };
        let state = RowsProgress { status: Mutex::new(status), ..RowsProgress::default() };
        let state = Arc::new(state);
        let of_thread = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("sealed-topics".to_owned());
        let thread = thread.spawn(move || of_thread.run(&from, topics))?;
        Ok(SealedPublisher { state, thread })
    }

    /// How it fares; may be kept and asked after the end.
    pub fn status(&self) -> impl Fn() -> LogSinkSnapshot + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move || state.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until all rows of checkpoints are published, while that fails for `within`; what is not will be
    /// after the next start. Says how many bytes of rows are left.
    pub fn finish(self, within: Duration) -> u64 {
        self.state.ending.store(true, Ordering::Release);
        let began = Instant::now();
        while !self.thread.is_finished() && began.elapsed() < within {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.state.give_up.store(true, Ordering::Release);
        // A panic of it has ended the process.
        let _ = self.thread.join();
        let status = self.state.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.pending_bytes.unwrap_or(0)
    }
}

impl RowsProgress {
    fn run(&self, from: &PublishedFile, mut topics: SealedTopics) {
        let begun = self.insist(|go_on| topics.take_over(from.begins, &from.leads, go_on));
        let Some(mut published) = begun else { return };
        let mut freed = published;
        loop {
            // In this order: what is durable when the end was told is all there will be.
            let ending = self.ending.load(Ordering::Acquire);
            let until = (from.durable)();
            self.note(|status| status.pending_bytes = Some(until.saturating_sub(published)));
            if published >= until {
                if ending || !wait(LOOK, &self.give_up) {
                    return;
                }
                continue;
            }
            let done = self.insist(|go_on| {
                let lines = read(&from.file, published, until).map_err(|why| why.to_string())?;
                let told = topics.publish(published, &lines, go_on).map_err(text)?;
                Ok::<_, String>((published + lines.len() as u64, told))
            });
            let Some((place, PublishedRows { rows, others })) = done else { return };
            fault::point("publish.sealed.done");
            if others > 0 {
                tracing::warn!(
                    others,
                    from = published,
                    "the file of sealed rows has lines that are no rows: they are in no topic"
                );
            }
            published = place;
            self.note(|status| (status.written, status.down) = (status.written + rows, None));
            if !from.keep && published - freed >= PIECE {
                freed = give_back(&from.file, freed, published);
            }
        }
    }

    fn note(&self, what: impl FnOnce(&mut LogSinkSnapshot)) {
        what(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Tries until it is done; `None`: nobody waits for it any more.
    fn insist<T, E: ToString>(
        &self,
        mut attempt: impl FnMut(&dyn Fn() -> bool) -> Result<T, E>,
    ) -> Option<T> {
        let mut pause = PAUSES.0;
        loop {
            match attempt(&|| !self.give_up.load(Ordering::Acquire)) {
                Ok(done) => return Some(done),
                Err(error) => {
                    let error = error.to_string();
                    self.note(|status| {
                        if status.down.as_ref() != Some(&error) {
                            tracing::warn!(
                                error,
                                "sealed rows cannot be published; they are kept and tried again"
                            );
                        }
                        status.retries += 1;
                        status.down = Some(error);
                    });
                }
            }
            if !wait(pause, &self.give_up) {
                return None;
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

fn text(error: KafkaError) -> String {
    error.to_string()
}

/// Whole lines from `place` on, up to `until` at most, where a line ends.
fn read(file: &File, place: u64, until: u64) -> io::Result<Vec<u8>> {
    let mut most = TRANSACTION_BYTES;
    loop {
        let left = usize::try_from(until.saturating_sub(place)).unwrap_or(usize::MAX);
        let mut lines = vec![0; most.min(left)];
        file.read_exact_at(&mut lines, place)?;
        if lines.len() == left {
            return Ok(lines);
        }
        if let Some(end) = lines.iter().rposition(|byte| *byte == b'\n') {
            lines.truncate(end + 1);
            return Ok(lines);
        }
        most = most.saturating_mul(2);
    }
}

/// Gives the room of what is published back to the disk; says up to where.
fn give_back(file: &File, from: u64, published: u64) -> u64 {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if let Err(why) = fallocate(file, flags, from, published - from) {
        tracing::warn!(%why, "the room of published sealed rows cannot be given back to the disk");
    }
    published
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_whole_and_up_to_the_place_of_the_checkpoint() {
        let path = std::env::temp_dir().join(format!("tidemark-published-{}", std::process::id()));
        let long = "x".repeat(TRANSACTION_BYTES + 10);
        let text = format!("one\ntwo\n{long}\nthree\nfour\n");
        std::fs::write(&path, &text).unwrap();
        let file = File::open(&path).unwrap();
        let until = (text.len() - "four\n".len()) as u64;
        let mut place = 0;
        let mut parts = Vec::new();
        while place < until {
            let lines = read(&file, place, until).unwrap();
            assert_eq!(lines.last(), Some(&b'\n'));
            place += lines.len() as u64;
            parts.push(lines);
        }
        assert_eq!(parts.concat(), text.as_bytes()[..until as usize]);
        assert_eq!(parts[0], b"one\ntwo\n");
        assert!(read(&file, place, until + 100).is_err(), "there is less than that");
        std::fs::remove_file(&path).unwrap();
    }
}
