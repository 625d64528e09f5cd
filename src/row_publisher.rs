//! Sealed rows out of their file into files of Parquet, each once.
//!
//! ```text
//!  sealed rows ──→ the file ──→ its thread ──→ _rolls/BEGINS-PART.json, then VIEW/TIME-PART.parquet
//! ```
//!
//! Rows are taken from the file as far as the newest checkpoint goes, and gathered until their roll is over.
//! Then an object says which rows the files of the part have, and the files are created, each unless it is
//! there. Whoever comes after a crash reads the newest of these objects, and makes its files once more: of
//! the same rows, under the same names. A store that does not answer holds nobody up: rows wait in their file.
//!
//! # Why this way
//!
//! - The object comes before the files: so a process that dies between two of them leaves behind what the
//!   others have to be, also where it ended the part earlier than the next one would.
//! - Rows of a state that is another one, or an older one, are told by their times: they come in that order,
//!   so what is not behind the newest file's last row is in a file.

use crate::checkpoint::Leading;
use crate::fault;
use crate::objects::{Creation, ObjectError, Objects};
use crate::offline::row_rolls::{GatheredLine, PartEnd, ROLLS, Roll, RollFile, RollRows};
use crate::publishing::{
    Publishing, RowsEnd, RowsProgress, RowsPublisher, Unpublished, say_passed,
};
use crate::sealed_outbox::{RoomShare, cut_off, read};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::time::EventTime;

/// The name in metrics and health.
const NAME: &str = "offline_parquet";
/// How often to look whether there is a newer checkpoint.
const LOOK: Duration = Duration::from_millis(20);

/// Where rows are read, and how far.
pub struct RowOutbox {
    /// The file, open for reading.
    pub file: File,
    /// Where this process begins to write rows.
    pub begins: u64,
    /// The room of what is in files.
    pub room: RoomShare,
    /// The time before which all rows are in a checkpoint.
    pub cut: Box<dyn Fn() -> EventTime + Send>,
    /// Up to which place rows are in a checkpoint.
    pub durable: Box<dyn Fn() -> u64 + Send>,
}

/// Where files are written, and by whom.
pub struct RowStore {
    /// The store.
    pub objects: Box<dyn Objects>,
    /// The id of the state whose rows they are.
    pub state: String,
    /// Fails where another process leads.
    pub leads: Leading,
}

/// Starts the thread, which gathers rows of `from` by `rows`, and writes them to `to`.
///
/// # Errors
/// When there is no thread to be had.
pub fn start(from: RowOutbox, rows: RollRows, to: RowStore) -> io::Result<RowsPublisher> {
    let publishing = Publishing::new(NAME, "files of sealed rows");
    RowsPublisher::start("sealed-parquet", publishing, move |progress| {
        let progress = Arc::clone(progress);
        let work = RowWork { progress, from, rows, to, place: 0, passed: (0, 0) };
        // `None`: nobody waits any more, or another process leads.
        let _ = work.run();
    })
}

/// What the thread works with.
struct RowWork {
    progress: Arc<RowsProgress>,
    from: RowOutbox,
    rows: RollRows,
    to: RowStore,
    /// Up to where rows are gathered.
    place: u64,
    /// Lines that were passed over: older rows, and what is no row.
    passed: (u64, u64),
}

impl RowWork {
    fn run(mut self) -> Option<()> {
        let progress = Arc::clone(&self.progress);
        let newest = progress.publishing.insist(|_| newest(&self.to))?;
        self.begin(newest);
        loop {
            // In this order: what is durable when the end was told is all there will be, and has all rows
            // before the cut.
            let end = progress.end();
            let cut = (self.from.cut)();
            let until = (self.from.durable)();
            self.waits(until);
            if self.place < until {
                let place = self.place;
                let lines = progress.publishing.insist(|_| {
                    read(&self.from.file, place, until).map_err(|why| cut_off(place, &why).into())
                })?;
                self.gather(&lines)?;
                continue;
            }
            let is_last = end == RowsEnd::Over && self.rows.open().is_some();
            if is_last || self.rows.is_whole(cut, self.place) {
                self.write()?;
            } else if end != RowsEnd::Open || !progress.publishing.wait(LOOK) {
                return Some(());
            }
        }
    }

    /// Goes on behind the newest part.
    fn begin(&mut self, newest: Option<Roll>) {
        let begins = self.from.begins;
        let Some(newest) = newest else { return };
        let is_own = newest.state == self.to.state;
        if is_own && newest.to <= begins {
            self.place = newest.from;
            self.rows.again(newest.clone(), PartEnd::Place(newest.to));
        } else {
            tracing::warn!(
                store = self.to.objects.url(),
                last = newest.last,
                "files have more rows than this state and its file: an older state was put back, or another \
                 one made; rows up to the time of their last one are not written again"
            );
            self.place = if is_own { newest.from.min(begins) } else { begins };
            self.rows.again(newest.clone(), PartEnd::Time(newest.last));
        }
        self.from.room.done(self.place);
    }

    /// Says how much is in no file yet.
    fn waits(&self, until: u64) {
        let from = self.rows.open().map_or(self.place, |open| open.from.min(self.place));
        let bytes = until.saturating_sub(from);
        self.progress.publishing.note(|status| status.pending_bytes = Some(bytes));
    }

    fn gather(&mut self, lines: &[u8]) -> Option<()> {
        // What was given back to the disk.
        if lines.first() == Some(&0) {
            self.place += lines.len() as u64;
            return Some(());
        }
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let progress = Arc::clone(&self.progress);
            loop {
                let place = self.place;
                let taken = progress.publishing.insist(|_| {
                    self.rows.take(line, place).map_err(|why| why.to_string().into())
                })?;
                match taken {
                    GatheredLine::Next => {
                        self.write()?;
                        continue;
                    }
                    GatheredLine::Row => {}
                    GatheredLine::Older => self.passed.0 += 1,
                    GatheredLine::Other => self.passed.1 += 1,
                }
                break;
            }
            self.place += line.len() as u64;
        }
        say_passed(std::mem::take(&mut self.passed), self.place, "files");
        Some(())
    }

    /// Writes the part at hand.
    fn write(&mut self) -> Option<()> {
        let progress = Arc::clone(&self.progress);
        let Some(roll) = self.rows.open().cloned() else { return Some(()) };
        let is_again = self.rows.is_again();
        let files = progress.publishing.insist(|_| {
            self.rows.files().map_err(|why| format!("cannot encode sealed rows: {why}").into())
        })?;
        progress.publishing.insist(|_| create(&self.to, &roll, is_again, &files))?;
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        progress.publishing.note(|status| status.written += rows);
        self.rows.written();
        // Until the next part is said, this one may have to be made again.
        self.from.room.done(roll.from);
        fault::point("publish.rows.done");
        Some(())
    }
}

fn failed(why: &ObjectError) -> Unpublished {
    Unpublished::Failed(format!("writing sealed rows: {why}"))
}

/// What the newest files have.
fn newest(to: &RowStore) -> Result<Option<Roll>, Unpublished> {
    (to.leads)()?;
    let listed = to.objects.list(ROLLS).map_err(|why| failed(&why))?;
    let Some(newest) = listed.into_iter().next_back() else { return Ok(None) };
    held(to, &newest.name).map(Some)
}

/// What the object of this name says.
fn held(to: &RowStore, name: &str) -> Result<Roll, Unpublished> {
    let bytes = to.objects.get(name).map_err(|why| failed(&why))?.unwrap_or_default();
    serde_json::from_slice(&bytes).map_err(|why| {
        let store = to.objects.url();
        Unpublished::Failed(format!(
            "object {name} in {store} does not say which rows its files have: {why}; name another \"url\" in \
             [offline.parquet], or remove the files of that roll with it"
        ))
    })
}

/// Creates what is not there of a part.
fn create(
    to: &RowStore,
    roll: &Roll,
    is_again: bool,
    files: &[RollFile],
) -> Result<(), Unpublished> {
    (to.leads)()?;
    if !is_again {
        let name = roll.name();
        let text = serde_json::to_vec(roll).map_err(|why| Unpublished::Failed(why.to_string()))?;
        let created = to.objects.put_new(&name, &text).map_err(|why| failed(&why))?;
        if created == Creation::Exists && held(to, &name)? != *roll {
            let store = to.objects.url();
            return Err(Unpublished::Failed(format!(
                "object {name} in {store} says that its files have other rows: another job writes there; \
                 name another \"url\" in [offline.parquet] of one of them"
            )));
        }
        fault::point("publish.rows.roll");
    }
    for file in files {
        // One that is there was made of the same rows.
        let (Creation::Created | Creation::Exists) =
            to.objects.put_new(&file.name, &file.bytes).map_err(|why| failed(&why))?;
        fault::point("publish.rows.file");
    }
    Ok(())
}
