//! Files as partition logs: JSON lines, Avro object containers or CSV; plain, gzip or zstd.
//!
//! Each file is a partition; its number is the file's place in the source's list.
//!
//! Of JSON a record is a line, and its offset the line's number from 0. Blank lines are no records but
//! are counted; a byte order mark before the first is skipped;
//! `\r\n` ends a line as `\n` does; a last line without an end is a record. A thread a file reads
//! blocks of 128 KiB ahead of the worker, at most [`BATCHES_MAX`] of them.
//!
//! Of a line that is longer than a record may be nothing is kept beyond that, however long it is; it
//! is malformed.
//!
//! Compressed files are told by their first bytes. Several members or frames are one file; one that
//! is cut off or damaged fails the partition, and so does one that expands to more than any file of
//! records: see `expanded`.
//!
//! Of Parquet a record is a row, read as JSON, and its offset its number from 0: see `parquet_rows`.
//!
//! A file of another form (a zip archive, a JSON array, ..) is told by its first bytes and fails
//! the partition: see `form`.
//!
//! Files that are dumps of a topic are the partitions that the topic had: see `kcat`.
//!
//! Of Avro a record is a datum, and its offset its number from 0. The blocks of a container may be
//! compressed with deflate, snappy or zstandard; a block that is damaged fails the partition.
//!
//! Of CSV a record is a line behind the first, or several of them where line ends are in quotes, and
//! its offset its number from 0. The first line names the columns. A quote that is never closed fails
//! the partition: nobody knows where the next record begins.

mod codec;
mod container;
pub(crate) mod csv;
mod expanded;
pub(crate) mod form;
mod job_files;
mod kcat;
mod lines;
mod opened;
#[cfg(feature = "parquet")]
mod parquet_rows;
mod peeked;
#[cfg(test)]
mod tests;
mod units;

use crate::feed::{FeedSender, ThreadFeed, feed};
use crate::source::Waker;
use container::{Container, MAGIC};
use csv::CsvReader;
use form::{BYTE_ORDER_MARK, Form};
pub use job_files::JobFiles;
pub use kcat::Dumps;
use lines::LineReader;
use opened::OpenFile;
#[cfg(feature = "parquet")]
use parquet_rows::ParquetRows;
pub use peeked::PeekedFile;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use tidemark_operators::ingest::decode::RECORD_BYTES_MAX;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Format;
use units::ColumnUnits;

/// The names of the columns of a file of Parquet, whatever rows it has; `None` where the file is none.
#[cfg(feature = "parquet")]
pub(crate) fn column_names(path: &Path) -> Option<Vec<String>> {
    let unit = |_: &str| tidemark_operators::plan::TimeUnit::Auto;
    let rows = ParquetRows::open(path, unit, RECORD_BYTES_MAX, Arc::default());
    rows.ok().map(|rows| rows.names())
}

/// How many blocks of a file wait for the worker at most.
pub const BATCHES_MAX: usize = 4;

/// Why a file cannot be a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileSourceError {
    /// It cannot be opened or its first bytes cannot be read.
    #[error("cannot open file {path}: {source}; check the path and that it may be read")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that reads it cannot be started.
    #[error("cannot start the thread that reads {path}: {source}; raise the limit on threads")]
    Thread {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no dump of a topic, or none that can be read on.
    #[error(
        "cannot read {path} as a dump of a topic: {why}; write it with `kcat -C -J -e`, and start \
         again"
    )]
    Dump {
        /// Which file.
        path: PathBuf,
        /// Where, and why.
        why: String,
    },
    /// A dump that can be read once only.
    #[error(
        "cannot read {path} as a dump of a topic: it is no plain file, and a dump is read once for \
         each partition that is in it; write it to a file first"
    )]
    DumpIsNoFile {
        /// Which file.
        path: PathBuf,
    },
    /// More files than partition numbers.
    #[error("cannot read {0} files as one source: the limit is 4294967295")]
    TooMany(usize),
}

/// How far the files have been read, for a progress bar: bytes on disk, before decompression.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of all files opened so far; pipes count nothing.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// The files of `worker` out of `workers`: of all files in the order of (source, place in its
/// list), every `workers`-th.
///
/// # Errors
/// When a source has more files than there are partition numbers.
pub fn share(
    sources: &[(u16, Vec<PathBuf>)],
    worker: usize,
    workers: usize,
) -> Result<Vec<(PartitionId, PathBuf)>, FileSourceError> {
    let mut all = Vec::new();
    for (source, files) in sources {
        for (place, path) in files.iter().enumerate() {
            let partition =
                u32::try_from(place).map_err(|_| FileSourceError::TooMany(files.len()))?;
            all.push((PartitionId { source: *source, partition }, path.clone()));
        }
    }
    all.sort_by_key(|(id, _)| *id);
    Ok(all.into_iter().skip(worker).step_by(workers.max(1)).collect())
}

/// The files a worker owns.
pub struct FilePartitions {
    appeared: Vec<Box<dyn PartitionReader>>,
}

impl FilePartitions {
    /// Opens all files of `list`, which are JSON lines, and starts a thread for each. `progress`
    /// counts their bytes and may be shared by several workers.
    ///
    /// # Errors
    /// When a file cannot be opened or a thread cannot be started; nothing is read then.
    pub fn open(
        list: Vec<(PartitionId, PathBuf)>,
        waker: &Waker,
        progress: &Arc<Progress>,
    ) -> Result<Self, FileSourceError> {
        Self::open_formats(list, &[], RECORD_BYTES_MAX, waker, progress)
    }

    /// The same for files in the format of their source: of `formats`, by its number. Of a record
    /// that is longer than `record_bytes_max` no more is kept.
    ///
    /// # Errors
    /// As [`open`](Self::open). A file that is in another format fails its partition.
    pub fn open_formats(
        list: Vec<(PartitionId, PathBuf)>,
        formats: &[Format],
        record_bytes_max: usize,
        waker: &Waker,
        progress: &Arc<Progress>,
    ) -> Result<Self, FileSourceError> {
        let format = |id: PartitionId| formats.get(usize::from(id.source)).copied();
        let reading = |id| Reading {
            format: format(id).unwrap_or(Format::Json),
            units: ColumnUnits::default(),
            record_bytes_max,
        };
        Self::open_read(list, reading, waker, progress)
    }

    /// The same for files that are read as `reading` says.
    fn open_read(
        list: Vec<(PartitionId, PathBuf)>,
        reading: impl Fn(PartitionId) -> Reading,
        waker: &Waker,
        progress: &Arc<Progress>,
    ) -> Result<Self, FileSourceError> {
        let mut opened = Vec::with_capacity(list.len());
        for (id, path) in list {
            match OpenFile::new(&path, Arc::clone(progress)) {
                Ok(file) => opened.push((id, path, file)),
                Err(source) => return Err(FileSourceError::Open { path, source }),
            }
        }
        let appeared = opened
            .into_iter()
            .map(|(id, path, file)| FilePartition::start(id, path, reading(id), file, waker))
            .collect::<Result<_, _>>()?;
        Ok(Self { appeared })
    }
}

impl Partitions for FilePartitions {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        std::mem::take(&mut self.appeared)
    }

    fn may_grow(&self) -> bool {
        false
    }
}

/// How a file is read.
#[derive(Clone)]
struct Reading {
    format: Format,
    /// How timestamps are written where the file has a type of its own for them.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet has one"))]
    units: ColumnUnits,
    record_bytes_max: usize,
}

struct FilePartition {
    id: PartitionId,
    path: PathBuf,
    feed: ThreadFeed,
}

impl FilePartition {
    fn start(
        id: PartitionId,
        path: PathBuf,
        reading: Reading,
        file: OpenFile,
        waker: &Waker,
    ) -> Result<Box<dyn PartitionReader>, FileSourceError> {
        let (sender, feed) = feed(BATCHES_MAX, Waker::clone(waker));
        let name = format!("file-{}-{}", id.source, id.partition);
        let thread_path = path.clone();
        let started = thread::Builder::new().name(name).spawn(move || {
            let outcome = read(&thread_path, file, reading, &sender);
            if let Some(outcome) = outcome.transpose() {
                sender.end(outcome);
            }
        });
        match started {
            Ok(_) => Ok(Box::new(Self { id, path, feed })),
            Err(source) => Err(FileSourceError::Thread { path, source }),
        }
    }
}

/// A file that is cut into records.
trait RecordFile {
    /// Where reading stands, for messages.
    fn place(&self) -> String;

    /// Reads on: what is whole now, which may be no record; `None` at the end.
    fn read_on(&mut self) -> io::Result<Option<RawBatch>>;

    /// The next records, at least one, or `None` at the end.
    fn next_batch(&mut self) -> io::Result<Option<RawBatch>> {
        loop {
            match self.read_on()? {
                Some(batch) if batch.records.is_empty() => {}
                read => return Ok(read),
            }
        }
    }
}

/// Hands over what is in a file, to its end or until nobody reads it any more (`None`). The error
/// says where it was, and what to do.
fn read(
    path: &Path,
    file: OpenFile,
    reading: Reading,
    sender: &FeedSender,
) -> Result<Option<()>, String> {
    let failed = |place: &str, error: io::Error| failure(path, place, &error);
    let start = |error| failed("its beginning", error);
    let mut contents = file.contents;
    let head = form::head(&mut contents).map_err(start)?;
    let most = reading.record_bytes_max;
    let form = Form::of(&head);
    // What tells a container, and a byte order mark, are none of the contents.
    let mark = if form == Form::Avro { &MAGIC[..] } else { BYTE_ORDER_MARK };
    let begin = head.strip_prefix(mark).unwrap_or(&head);
    let whole = Cursor::new(begin.to_vec()).chain(contents);
    let mut records: Box<dyn RecordFile> = match (reading.format, form) {
        (Format::Json, Form::Lines) => Box::new(LineReader::new(whole, most)),
        #[cfg(feature = "parquet")]
        (Format::Json, Form::Parquet) => {
            let unit = |column: &str| reading.units.of_column(column);
            Box::new(ParquetRows::open(path, unit, most, file.progress).map_err(start)?)
        }
        (Format::Avro, Form::Avro) => Box::new(Container::new(whole).map_err(start)?),
        (Format::Csv { delimiter }, Form::Lines | Form::Csv) if !is_json(begin) => {
            Box::new(CsvReader::new(whole, delimiter, most).map_err(start)?)
        }
        (format, form) => return Err(misfit(path, format, form)),
    };
    while let Some(batch) = records.next_batch().map_err(|error| failed(&records.place(), error))? {
        if !sender.send(batch) {
            return Ok(None);
        }
    }
    Ok(Some(()))
}

/// Whether the first line is an object, and no list of names.
fn is_json(begin: &[u8]) -> bool {
    begin.trim_ascii_start().starts_with(b"{")
}

/// Why a file of this form is not read.
fn misfit(path: &Path, format: Format, form: Form) -> String {
    let file = path.display().to_string();
    let remedy = form.remedy(&file);
    match (format, &remedy) {
        (Format::Json, Some((what, _))) if form == Form::Avro => format!(
            "cannot read source file {file}: it is {what}, and the source has no \
             `format = \"avro\"`; add it to the source"
        ),
        (Format::Json, Some((what, _))) if form == Form::Csv => format!(
            "cannot read source file {file}: it is {what}, and the source has no \
             `format = \"csv\"`; add it to the source, and `delimiter` unless that is a comma"
        ),
        (Format::Csv { .. }, Some((what, _))) => format!(
            "cannot read source file {file}: it is {what}, and the source has \
             `format = \"csv\"`; name another file, or write it as CSV"
        ),
        (Format::Csv { .. }, None) => format!(
            "cannot read source file {file}: it begins with a JSON object, and the source has \
             `format = \"csv\"`; leave that out, or name another file"
        ),
        (Format::Json, Some((what, remedy))) => format!(
            "cannot read source file {file}: it is {what}, and its source is JSON lines; \
             write it as such: {remedy}"
        ),
        (_, remedy) => {
            let what =
                remedy.as_ref().map_or_else(String::new, |(what, _)| format!("is {what}: it "));
            format!(
                "cannot read source file {file}: it {what}is no Avro object container, and the \
                 source has `format = \"avro\"`; leave that out, or name another file"
            )
        }
    }
}

fn failure(path: &Path, place: &str, error: &io::Error) -> String {
    format!(
        "cannot read file {} on after {place}: {error}; \
         repair or replace the file and start again",
        path.display()
    )
}

impl PartitionReader for FilePartition {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        self.feed.poll()
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}
