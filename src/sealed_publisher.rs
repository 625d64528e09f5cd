//! Sealed rows out of their file into topics, each once.
//!
//! ```text
//!  sealed rows ──→ the file ─────────────────┬─→ who follows the file
//!                  places below those of the │
//!                  newest checkpoint's cut   └─→ its thread ──→ a topic for each view
//! ```
//!
//! The file is the outbox: what a checkpoint has of it is never written again, so it is published from
//! there, as far as the newest checkpoint goes, and the topic of progress tells by its place in the file how
//! far that is. A row reaches its topic with the checkpoint behind it. Topics that cannot be reached hold
//! nobody up: rows wait in the file.

use crate::fault;
use crate::kafka::{PublishedRows, SealedTopics};
use crate::publishing::{Publishing, RowsEnd, RowsProgress, RowsPublisher};
use crate::sealed_outbox::{RoomShare, cut_off, read};
use std::fs::File;
use std::io;
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

/// Starts the thread, which publishes rows of `from` to `topics`.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(from: PublishedFile, topics: SealedTopics) -> io::Result<RowsPublisher> {
    let publishing = Publishing::new(NAME, "sealed rows");
    RowsPublisher::start("sealed-topics", publishing, move |progress| {
        publish(progress, &from, topics);
    })
}

fn publish(progress: &RowsProgress, from: &PublishedFile, mut topics: SealedTopics) {
    let publishing = &progress.publishing;
    let waits = |place: u64| {
        let bytes = (from.durable)().saturating_sub(place);
        publishing.note(|status| status.pending_bytes = Some(bytes));
    };
    let begun = publishing.insist(|go_on| {
        waits(from.begins);
        topics.take_over(from.begins, go_on)
    });
    let Some(mut published) = begun else { return };
    from.room.done(published);
    loop {
        // In this order: what is durable when the end was told is all there will be.
        let ending = progress.end() != RowsEnd::Open;
        let until = (from.durable)();
        waits(published);
        if published >= until {
            if ending || !publishing.wait(LOOK) {
                return;
            }
            continue;
        }
        let done = publishing.insist(|go_on| {
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
        publishing.note(|status| status.written += rows);
        from.room.done(published);
    }
}
