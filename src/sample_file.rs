//! The first records of a file: what a job is drafted from, and what one is tried on.
//!
//! Bound: [`RECORDS_MAX`] records and [`BYTES_MAX`] bytes, and what has been read ahead of them.

mod cells;
mod members;
mod reader;
mod told;

pub(crate) use members::object_members;
pub use reader::MemberReader;
pub use told::Asked;

use crate::failure::Failure;
use crate::file_source::{FilePartitions, PeekedFile};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use tidemark_operators::ingest::decode::RECORD_BYTES_MAX;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions as _, Poll, RawBatch};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Format;

/// How many records of a file are looked at.
pub const RECORDS_MAX: usize = 10_000;
/// How many bytes of records are looked at: with the record that reaches it.
pub const BYTES_MAX: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct SampleFile {
    /// How they are encoded.
    pub format: Format,
    /// The records, as the file has them.
    pub batches: Vec<RawBatch>,
    /// How many there are.
    pub records: usize,
    /// Whether the file has no more.
    pub whole: bool,
}

/// A record of a sample.
#[derive(Clone, Copy, Debug)]
pub struct SampleRecord<'s> {
    /// Its number in the file, from 0.
    pub offset: u64,
    /// Its bytes.
    pub value: &'s [u8],
    /// The schema it was written with, or the header of its file.
    pub schema: Option<&'s Arc<str>>,
}

impl SampleFile {
    /// Reads the first records of the file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or is no file of this format: exit code 2, nothing was started.
    pub fn read(path: &Path, format: Format) -> Result<Self, Failure> {
        let id = PartitionId { source: 0, partition: 0 };
        let list = vec![(id, path.to_owned())];
        let opened = FilePartitions::open_formats(
            list,
            &[format],
            RECORD_BYTES_MAX,
            &waker(),
            &Arc::default(),
        );
        Self::of(opened.map_err(Failure::usage)?, format)
    }

    /// Reads the first records of the file at `path`, whose format is told by what it begins with,
    /// as far as it is not `asked` for.
    ///
    /// # Errors
    /// When it cannot be read, or it does not show what its records are: exit code 2.
    pub fn read_told(path: &Path, asked: Asked) -> Result<Self, Failure> {
        let mut peeked = PeekedFile::open(path).map_err(Failure::usage)?;
        let format = told::format(path, &mut peeked, asked)?;
        Self::of(peeked.partitions(format, &waker()).map_err(Failure::usage)?, format)
    }

    fn of(mut opened: FilePartitions, format: Format) -> Result<Self, Failure> {
        let mut sample = SampleFile { format, batches: Vec::new(), records: 0, whole: true };
        let mut bytes = 0;
        for mut partition in opened.appeared() {
            sample.read_from(partition.as_mut(), &mut bytes)?;
        }
        Ok(sample)
    }

    fn read_from(
        &mut self,
        partition: &mut dyn PartitionReader,
        bytes: &mut usize,
    ) -> Result<(), Failure> {
        while let Some(batch) = next_batch(partition)? {
            if self.records == RECORDS_MAX || *bytes >= BYTES_MAX {
                self.whole = false;
                return Ok(());
            }
            self.take(batch, bytes);
        }
        Ok(())
    }

    /// Takes as much of the batch as there is room for.
    fn take(&mut self, mut batch: RawBatch, bytes: &mut usize) {
        let mut room = RECORDS_MAX - self.records;
        let taken = batch.records.iter().take_while(|record| {
            let taken = room > 0 && *bytes < BYTES_MAX;
            room = room.saturating_sub(1);
            *bytes += batch.value(record).len();
            taken
        });
        let taken = taken.count();
        self.whole &= taken == batch.records.len();
        batch.records.truncate(taken);
        self.records += taken;
        self.batches.push(batch);
    }

    /// The records.
    pub fn each(&self) -> impl Iterator<Item = SampleRecord<'_>> {
        self.batches.iter().flat_map(|batch| {
            batch.records.iter().map(|record| SampleRecord {
                offset: record.offset,
                value: batch.value(record),
                schema: batch.schema.as_ref(),
            })
        })
    }
}

/// All records of a file whose format is told by what it begins with.
pub struct ToldFile {
    format: Format,
    /// All that is in it, where that is little.
    whole: Option<String>,
    partitions: Vec<Box<dyn PartitionReader>>,
}

impl ToldFile {
    /// Opens the file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or it does not show what its records are: exit code 2.
    pub fn open(path: &Path, asked: Asked) -> Result<Self, Failure> {
        let mut peeked = PeekedFile::open(path).map_err(Failure::usage)?;
        let format = told::format(path, &mut peeked, asked)?;
        let (head, whole) = peeked.head().map_err(Failure::usage)?;
        let text = whole.then(|| String::from_utf8_lossy(head).into_owned());
        let mut partitions = peeked.partitions(format, &waker()).map_err(Failure::usage)?;
        Ok(ToldFile { format, whole: text, partitions: partitions.appeared() })
    }

    /// The line of names of a file of CSV in which nothing else is.
    pub fn only_header(&self) -> Option<Arc<str>> {
        let text = self.whole.as_ref().filter(|_| matches!(self.format, Format::Csv { .. }))?;
        Some(text.trim_start_matches('\u{feff}').trim_matches(['\r', '\n']).into())
    }

    /// How its records are encoded.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Waits for the next of them; `None` at the end.
    ///
    /// # Errors
    /// When it cannot be read on: where, why, and what to do.
    pub fn next_batch(&mut self) -> Result<Option<RawBatch>, Failure> {
        self.partitions.first_mut().map_or(Ok(None), |partition| next_batch(partition.as_mut()))
    }
}

/// Waits for the next records of `partition`, on the thread that opened it; `None` at its end.
fn next_batch(partition: &mut dyn PartitionReader) -> Result<Option<RawBatch>, Failure> {
    loop {
        match partition.poll() {
            Poll::Records(batch) => return Ok(Some(batch)),
            Poll::Pending(_) => thread::park(),
            Poll::Ended => return Ok(None),
            Poll::Failed(why) => return Err(Failure::usage(why)),
        }
    }
}

/// Wakes the thread that asks for it.
fn waker() -> crate::source::Waker {
    let reader = thread::current();
    Arc::new(move || reader.unpark())
}
