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

use crate::fault;
use crate::kafka::{PublishedRows, SealedTopics};
use crate::metrics::snapshot::LogSinkSnapshot;
use crate::publishing::Publishing;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

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
    /// Up to which place rows are in a checkpoint.
    pub durable: Box<dyn Fn() -> u64 + Send>,
}

struct RowsProgress {
    publishing: Publishing,
    /// No newer checkpoint comes.
    ending: AtomicBool,
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
        let publishing = Publishing::new(NAME, "sealed rows");
        let state = Arc::new(RowsProgress { publishing, ending: AtomicBool::new(false) });
        let of_thread = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("sealed-topics".to_owned());
        let thread = thread.spawn(move || of_thread.run(&from, topics))?;
        Ok(SealedPublisher { state, thread })
    }

    /// How it fares; may be kept and asked after the end.
    pub fn status(&self) -> impl Fn() -> LogSinkSnapshot + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move || state.publishing.snapshot()
    }

    /// Waits until all rows of checkpoints are published, while that fails for `within`; what is not will be
    /// after the next start. Says how many bytes of rows are left.
    pub fn finish(self, within: Duration) -> u64 {
        self.state.ending.store(true, Ordering::Release);
        self.state.publishing.end(self.thread, within);
        self.state.publishing.snapshot().pending_bytes.unwrap_or(0)
    }
}

impl RowsProgress {
    fn run(&self, from: &PublishedFile, mut topics: SealedTopics) {
        let waits = |place: u64| {
            let bytes = (from.durable)().saturating_sub(place);
            self.publishing.note(|status| status.pending_bytes = Some(bytes));
        };
        let begun = self.publishing.insist(|go_on| {
            waits(from.begins);
            topics.take_over(from.begins, go_on)
        });
        let Some(mut published) = begun else { return };
        let (mut freed, mut keep) = (published, from.keep);
        loop {
            // In this order: what is durable when the end was told is all there will be.
            let ending = self.ending.load(Ordering::Acquire);
            let until = (from.durable)();
            waits(published);
            if published >= until {
                if ending || !self.publishing.wait(LOOK) {
                    return;
                }
                continue;
            }
            let done = self.publishing.insist(|go_on| {
                waits(published);
                let lines =
                    read(&from.file, published, until).map_err(|why| cut_off(published, &why))?;
                let told = match lines.first() {
                    // What was given back to the disk.
                    Some(0) => PublishedRows::default(),
                    _ => topics.publish(published, &lines, go_on)?,
                };
                Ok((published + lines.len() as u64, told))
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
            self.publishing.note(|status| status.written += rows);
            if !keep && published - freed >= PIECE {
                keep = !give_back(&from.file, freed, published);
                freed = published;
            }
        }
    }
}

/// Why rows cannot be read back, and what to do.
fn cut_off(place: u64, why: &io::Error) -> String {
    format!(
        "cannot read sealed rows back from byte {place} of their file: {why}; if somebody cut it off, start \
         the job again"
    )
}

/// Whole lines from `place` on, up to `until` at most, where a line ends; or some of the zeros that are there
/// instead.
fn read(file: &File, place: u64, until: u64) -> io::Result<Vec<u8>> {
    let mut most = TRANSACTION_BYTES;
    loop {
        let left = usize::try_from(until.saturating_sub(place)).unwrap_or(usize::MAX);
        let mut lines = vec![0; most.min(left)];
        file.read_exact_at(&mut lines, place)?;
        // Holes begin where lines end.
        let hole = lines.iter().position(|byte| *byte == 0);
        if let Some(rows) = hole {
            let zeros = lines.iter().take_while(|byte| **byte == 0).count();
            lines.truncate(if rows == 0 { zeros } else { rows });
            return Ok(lines);
        }
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

/// Gives the room of what is published back to the disk; says whether that can be done here.
fn give_back(file: &File, from: u64, published: u64) -> bool {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let given = fallocate(file, flags, from, published - from);
    if let Err(why) = &given {
        tracing::warn!(
            %why,
            "the room of published sealed rows cannot be given back to the disk, and is kept: set \
             \"keep = true\" in [sealed], or name a \"path\" on a file system that can"
        );
    }
    given.is_ok()
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

    #[test]
    fn what_was_given_back_to_the_disk_is_passed_over_in_pieces_up_to_the_next_row() {
        let name = format!("tidemark-published-hole-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let hole = vec![0; 2 * TRANSACTION_BYTES + 5];
        std::fs::write(&path, [&b"first\n"[..], &hole].concat()).unwrap();
        let mut file = File::options().read(true).append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"row\n").unwrap();
        let (until, mut place, mut parts) = (file.metadata().unwrap().len(), 0, Vec::new());
        while place < until {
            let lines = read(&file, place, until).unwrap();
            place += lines.len() as u64;
            parts.push((lines.first() == Some(&0), lines.len()));
        }
        assert_eq!(
            parts,
            [
                (false, 6),
                (true, TRANSACTION_BYTES),
                (true, TRANSACTION_BYTES),
                (true, 5),
                (false, 4)
            ]
        );
        std::fs::remove_file(&path).unwrap();
    }
}
