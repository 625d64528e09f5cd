//! Sealed rows out of their file into tables of PostgreSQL, each once.
//!
//! ```text
//!  sealed rows ──→ the file ──→ its thread ──→ one transaction: rows of all views, and up to where they are
//! ```
//!
//! Rows are taken from the file as far as the newest checkpoint goes, so a row is in its table with the
//! checkpoint behind it. A server that does not answer holds nobody up: rows wait in their file.
//!
//! # Why this way
//!
//! Rows of a state that is another one, or an older one, are told by their times: they come in that order, so
//! what is not behind the last row that is written is in a table.

use crate::fault;
use crate::offline::table_rows::{RowBatch, TableRows};
use crate::postgres::{RowTables, TableProgress};
use crate::publishing::{Publishing, RowsEnd, RowsProgress, RowsPublisher, say_passed};
use crate::sealed_outbox::{cut_off, read};
use crate::sealed_publisher::PublishedFile;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The name in metrics and health.
const NAME: &str = "offline_postgres";
/// How often to look whether there is a newer checkpoint.
const LOOK: Duration = Duration::from_millis(20);

/// Starts the thread, which gathers rows of `from` by `rows`, and writes them to `to`; `state`: the id of the
/// state whose rows they are.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(
    from: PublishedFile,
    rows: TableRows,
    to: RowTables,
    state: String,
) -> io::Result<RowsPublisher> {
    let publishing = Publishing::new(NAME, "sealed rows for PostgreSQL");
    RowsPublisher::start("sealed-postgres", publishing, move |progress| {
        let progress = Arc::clone(progress);
        let work = TableWork { progress, from, rows, to, place: 0, is_known: false };
        // `None`: nobody waits for it any more, or another process leads.
        let _ = work.run(&state);
    })
}

/// What the thread works with.
struct TableWork {
    progress: Arc<RowsProgress>,
    from: PublishedFile,
    rows: TableRows,
    to: RowTables,
    /// Up to where rows are in tables.
    place: u64,
    /// Whether that place is one that the tables have told.
    is_known: bool,
}

impl TableWork {
    fn run(mut self, state: &str) -> Option<()> {
        let progress = Arc::clone(&self.progress);
        let begun = progress.publishing.insist(|go_on| {
            self.waits((self.from.durable)());
            self.to.take_over(go_on)
        })?;
        self.begin(begun, state);
        loop {
            // In this order: what is durable when the end was told is all there will be.
            let ending = progress.end() != RowsEnd::Open;
            let until = (self.from.durable)();
            self.waits(until);
            if self.place < until {
                let batch = self.gather(until)?;
                progress.publishing.insist(|go_on| {
                    self.waits((self.from.durable)());
                    self.to.publish(&batch, go_on)
                })?;
                fault::point("publish.tables.done");
                progress.publishing.note(|status| status.written += batch.rows);
                (self.place, self.is_known) = (batch.to, true);
                self.from.room.done(self.place);
            } else if ending || !progress.publishing.wait(LOOK) {
                return Some(());
            }
        }
    }

    /// Goes on behind what is in tables.
    fn begin(&mut self, written: Option<TableProgress>, state: &str) {
        let begins = self.from.begins;
        let Some(written) = written else { return };
        self.rows.least = written.last + 1;
        if written.state == state && written.place <= begins {
            (self.place, self.is_known) = (written.place, true);
        } else {
            tracing::warn!(
                last = written.last,
                "tables have more rows than this state and its file: an older state was put back, or another \
                 one made; rows up to the time of their last one are not written again"
            );
            self.place = begins;
        }
        self.from.room.done(self.place);
    }

    /// Says how much is in no table yet.
    fn waits(&self, until: u64) {
        let bytes = until.saturating_sub(self.place);
        self.progress.publishing.note(|status| status.pending_bytes = Some(bytes));
    }

    /// The rows that are written next: as many as are read together, up to where a time ends.
    fn gather(&mut self, until: u64) -> Option<RowBatch> {
        let progress = Arc::clone(&self.progress);
        let mut place = self.place;
        loop {
            let lines = progress.publishing.insist(|_| {
                read(&self.from.file, place, until).map_err(|why| cut_off(place, &why).into())
            })?;
            if lines.first() == Some(&0) {
                self.given_back(place, lines.len());
                place += lines.len() as u64;
            } else {
                for line in lines.split_inclusive(|byte| *byte == b'\n') {
                    progress.publishing.insist(|_| {
                        let taken = self.rows.take(line, place);
                        taken.map_err(|why| format!("cannot encode a sealed row: {why}").into())
                    })?;
                    place += line.len() as u64;
                }
            }
            say_passed(std::mem::take(&mut self.rows.passed), place, "tables");
            if place >= until {
                return Some(self.rows.all(place));
            }
            if let Some(batch) = self.rows.before_newest() {
                return Some(batch);
            }
        }
    }

    /// What a reader is done with alone is given back to the disk: not what the tables have not yet.
    fn given_back(&self, place: u64, bytes: usize) {
        if self.is_known {
            tracing::error!(
                bytes,
                from = place,
                "rows are in no table, and not in their file any more: PostgreSQL has been put back to a state \
                 before they were written, as from a backup; `tidemark replay` makes them from the log"
            );
        }
    }
}
