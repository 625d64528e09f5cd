//! A file as a partition: open from the start, or opened as it is needed.
//!
//! ```text
//!  at rest ──→ beginning ──→ at rest ─────────────────────→ open ──→ over
//!   asked for  a thread reads   closed; its watermark   asked: a thread
//!              the first records, is that of its first   reads the rest
//!              and ends           records
//! ```
//!
//! Why this way: of 183 files, one for each day, one is read at a time, and the others need to be known
//! by nothing but where they begin. The first records of each are judged as they are in a file that
//! is open: so the watermark that a closed file holds is its own, and each verdict is the one it has
//! where all files are open. What is skipped when it is opened again is a few records, so a file needs
//! no place in it to go on from, however it is compressed. Who asks decides when: see
//! [`PartitionReader::rests`].

use super::opened::{KnownFile, OpenFile};
use super::reading::{OpenRecords, Reading};
use super::{BATCHES_MAX, FileSourceError, Progress, failure};
use crate::feed::{ThreadFeed, feed};
use crate::source::Waker;
use rustix::io::Errno;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use tidemark_operators::ingest::reader::{PartitionReader, Poll, RawBatch, RawRecord, Standing};
use tidemark_operators::origin::PartitionId;

/// Records of a file that are read before it is closed until it is needed.
const FIRST_RECORDS: usize = 16;

/// Which file, and how it is read.
#[derive(Clone)]
pub(super) struct PartitionFile {
    pub id: PartitionId,
    pub path: PathBuf,
    pub reading: Reading,
    pub waker: Waker,
    pub progress: Arc<Progress>,
}

/// See the module.
pub(super) struct FilePartition {
    place: PartitionFile,
    stage: FileStage,
}

/// What is being done with a file.
enum FileStage {
    /// Closed; the records before `next` have been given.
    Resting { known: KnownFile, next: u64 },
    /// A thread reads its first records.
    Beginning(KnownFile, Receiver<Result<FirstRecords, String>>),
    /// A thread reads it.
    Open(ThreadFeed),
    /// It has ended, or why it cannot be read on.
    Over(Result<(), String>),
}

/// The first records of a file.
struct FirstRecords {
    /// None of a file without any.
    batch: Option<RawBatch>,
    /// Whether these are all.
    whole: bool,
}

impl FilePartition {
    /// Starts to read `file`, which is at `place`.
    pub fn open(place: PartitionFile, file: OpenFile) -> Result<Self, FileSourceError> {
        let path = place.path.clone();
        let started = place.start(0, move |_| Ok(file));
        let feed = started.map_err(|source| FileSourceError::Thread { path, source })?;
        Ok(FilePartition { place, stage: FileStage::Open(feed) })
    }

    /// A file that is not opened before it is asked for; it must stay what it is `known` to be.
    pub fn closed(place: PartitionFile, known: KnownFile) -> Self {
        FilePartition { place, stage: FileStage::Resting { known, next: 0 } }
    }

    /// Takes in its first records.
    fn begun(&mut self, known: KnownFile, first: FirstRecords) -> Poll {
        let last = first.batch.as_ref().and_then(|batch| batch.records.last());
        self.stage = match last.map(|last| last.offset.saturating_add(1)) {
            Some(next) if !first.whole => FileStage::Resting { known, next },
            _ => {
                self.place.progress.read.fetch_add(known.bytes(), Ordering::Relaxed);
                FileStage::Over(Ok(()))
            }
        };
        first.batch.map_or(Poll::Ended, Poll::Records)
    }

    fn fail(&mut self, why: String) -> Poll {
        self.stage = FileStage::Over(Err(why.clone()));
        Poll::Failed(why)
    }
}

impl PartitionReader for FilePartition {
    fn id(&self) -> PartitionId {
        self.place.id
    }

    fn poll(&mut self) -> Poll {
        let first = match &mut self.stage {
            FileStage::Open(feed) => return feed.poll(),
            FileStage::Over(Ok(())) => return Poll::Ended,
            FileStage::Over(Err(why)) => return Poll::Failed(why.clone()),
            FileStage::Resting { known, next } => {
                match self.place.begin(known.clone(), *next) {
                    Ok(stage) => self.stage = stage,
                    Err(error) => return self.fail(error.to_string()),
                }
                // Whoever asks is told that there is nothing yet, and woken.
                return match &mut self.stage {
                    FileStage::Open(feed) => feed.poll(),
                    _ => Poll::Pending(Standing::Behind),
                };
            }
            FileStage::Beginning(known, first) => (known.clone(), first.try_recv()),
        };
        match first {
            (known, Ok(Ok(first))) => self.begun(known, first),
            (_, Ok(Err(why))) => self.fail(why),
            (_, Err(TryRecvError::Empty)) => Poll::Pending(Standing::Behind),
            (_, Err(TryRecvError::Disconnected)) => {
                self.fail("the reading thread broke off; its panic is in the log".to_owned())
            }
        }
    }

    fn rests(&self) -> bool {
        matches!(self.stage, FileStage::Resting { .. } | FileStage::Beginning(..))
    }

    fn describe(&self) -> String {
        self.place.path.display().to_string()
    }
}

impl PartitionFile {
    fn thread_name(&self) -> String {
        format!("file-{}-{}", self.id.source, self.id.partition)
    }

    /// Opens a file that rests: for its first records where it gave none yet, or for all that follow
    /// them.
    fn begin(&self, known: KnownFile, next: u64) -> Result<FileStage, FileSourceError> {
        let refused = |source| FileSourceError::Thread { path: self.path.clone(), source };
        if next > 0 {
            let open = move |place: &PartitionFile| {
                OpenFile::again(&place.path, &known, Arc::clone(&place.progress))
            };
            return self.start(next, open).map(FileStage::Open).map_err(refused);
        }
        let ((sender, receiver), place, of) = (sync_channel(1), self.clone(), known.clone());
        let thread = thread::Builder::new().name(self.thread_name()).spawn(move || {
            // Whoever asked is gone where it cannot be sent.
            let _ = sender.send(place.first(&of));
            (place.waker)();
        });
        thread.map(|_| FileStage::Beginning(known, receiver)).map_err(refused)
    }

    /// Starts a thread that hands over the records from offset `next` on of what `open` opens, to the
    /// end or until nobody reads them any more.
    fn start(
        &self,
        next: u64,
        open: impl FnOnce(&PartitionFile) -> io::Result<OpenFile> + Send + 'static,
    ) -> io::Result<ThreadFeed> {
        let (sender, feed) = feed(BATCHES_MAX, Waker::clone(&self.waker));
        let place = self.clone();
        let read = move |send: &dyn Fn(RawBatch) -> bool| -> Result<bool, String> {
            let file = open(&place).map_err(|error| place.unreadable(&error))?;
            let mut records = OpenRecords::new(&place.path, file, &place.reading)?;
            while let Some(mut batch) = records.next_batch()? {
                batch.records.retain(|record| record.offset >= next);
                if !batch.records.is_empty() && !send(batch) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let thread = thread::Builder::new().name(self.thread_name()).spawn(move || {
            match read(&|batch| sender.send(batch)) {
                Ok(false) => {}
                Ok(true) => sender.end(Ok(())),
                Err(why) => sender.end(Err(why)),
            }
        });
        thread.map(|_| feed)
    }

    /// Its first records. They are read again when it is opened, and counted then.
    fn first(&self, known: &KnownFile) -> Result<FirstRecords, String> {
        let file = OpenFile::again(&self.path, known, Arc::default());
        let file = file.map_err(|error| self.unreadable(&error))?;
        let mut records = OpenRecords::new(&self.path, file, &self.reading)?;
        let Some(batch) = records.next_batch()? else {
            return Ok(FirstRecords { batch: None, whole: true });
        };
        let more = batch.records.len() > FIRST_RECORDS;
        let whole = !more && records.next_batch()?.is_none();
        Ok(FirstRecords { batch: Some(first_of(&batch)), whole })
    }

    fn unreadable(&self, error: &io::Error) -> String {
        if error.raw_os_error() != Some(Errno::MFILE.raw_os_error()) {
            return failure(&self.path, "its beginning", error);
        }
        let path = self.path.display();
        format!(
            "cannot open file {path}: {error}; files whose times overlap are open at the same time: \
             raise the limit on open files (`ulimit -n`), or read them in fewer files"
        )
    }
}

/// The first records of `batch`, without what else is in it.
fn first_of(batch: &RawBatch) -> RawBatch {
    let mut first = RawBatch { schema: batch.schema.clone(), ..RawBatch::default() };
    for record in batch.records.iter().take(FIRST_RECORDS) {
        let key = batch.key(record).map(|key| first.keep(key));
        let value = record.value.as_ref().map(|_| first.keep(batch.value(record)));
        first.records.push(RawRecord { key, value, ..record.clone() });
    }
    first
}
