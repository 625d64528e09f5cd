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
use crate::publishing::{PublishesRows, Publishing};
use crate::sealed_outbox::{RoomShare, cut_off, read};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// The name in metrics and health.
const NAME: &str = "sealed";
/// How often to look whether there is a newer checkpoint.
const LOOK: Duration = Duration::from_millis(20);

/// Where rows are read, and how far.
pub struct PublishedFile {
    /// The file, open for reading; what is read together is published in one transaction.
    pub file: File,
    /// Where this process begins to write rows.
    pub begins: u64,
    /// The room of what is published.
    pub room: RoomShare,
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
}

impl PublishesRows for SealedPublisher {
    fn status(&self) -> Box<dyn Fn() -> LogSinkSnapshot + Send + Sync> {
        let state = Arc::clone(&self.state);
        Box::new(move || state.publishing.snapshot())
    }

    fn finish(self: Box<Self>, _all: bool, within: Duration) -> u64 {
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
        from.room.done(published);
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
            from.room.done(published);
        }
    }
}
