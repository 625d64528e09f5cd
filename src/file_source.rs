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
mod error;
mod expanded;
pub(crate) mod form;
mod found;
mod glob;
mod job_files;
mod kcat;
mod lines;
mod opened;
#[cfg(feature = "parquet")]
mod parquet_rows;
mod partition;
mod peeked;
mod reading;
#[cfg(test)]
mod tests;
mod units;

use crate::source::Waker;
pub use error::FileSourceError;
pub use found::found;
pub use job_files::JobFiles;
pub use kcat::Dumps;
use opened::FoundFile;
#[cfg(feature = "parquet")]
use parquet_rows::ParquetRows;
use partition::{FilePartition, PartitionFile};
pub use peeked::PeekedFile;
use reading::{Reading, RecordFile, failure};
#[cfg(feature = "parquet")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidemark_operators::ingest::decode::RECORD_BYTES_MAX;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions};
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

    /// The same for files that are read as `reading` says. Of several plain files each is opened for its
    /// first records, and then as it is needed.
    fn open_read(
        list: Vec<(PartitionId, PathBuf)>,
        reading: impl Fn(PartitionId) -> Reading,
        waker: &Waker,
        progress: &Arc<Progress>,
    ) -> Result<Self, FileSourceError> {
        let (alone, mut found) = (list.len() == 1, Vec::with_capacity(list.len()));
        for (id, path) in list {
            let unreadable = |source| FileSourceError::Open { path: path.clone(), source };
            let file = FoundFile::open(&path).map_err(unreadable)?;
            progress.total.fetch_add(file.bytes(), Ordering::Relaxed);
            let file = match file.known().filter(|_| !alone) {
                Some(known) => Err(known),
                None => Ok(file.contents(Arc::clone(progress)).map_err(unreadable)?),
            };
            found.push((id, path, file));
        }
        let appeared = found.into_iter().map(|(id, path, file)| {
            let place = PartitionFile {
                id,
                path,
                reading: reading(id),
                waker: Waker::clone(waker),
                progress: Arc::clone(progress),
            };
            let partition = match file {
                Ok(file) => FilePartition::open(place, file)?,
                Err(known) => FilePartition::closed(place, known),
            };
            Ok(Box::new(partition) as Box<dyn PartitionReader>)
        });
        Ok(Self { appeared: appeared.collect::<Result<_, _>>()? })
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
