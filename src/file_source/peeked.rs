//! An opened file of which one has seen the beginning, before it is said what its records are.

use super::form::BYTE_ORDER_MARK;
use super::opened::OpenFile;
use super::{
    ColumnUnits, FilePartition, FilePartitions, FileSourceError, PartitionFile, Reading, failure,
};
use crate::source::Waker;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemark_operators::ingest::decode::RECORD_BYTES_MAX;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Format;

/// How much of it is seen at most, in bytes.
const PEEKED_BYTES_MAX: usize = 1 << 16;

/// See the module.
pub struct PeekedFile {
    path: PathBuf,
    file: OpenFile,
    head: Vec<u8>,
    whole: bool,
}

impl PeekedFile {
    /// Opens the file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened: why.
    pub fn open(path: &Path) -> Result<Self, FileSourceError> {
        match OpenFile::new(path, Arc::default()) {
            Ok(file) => {
                let (path, head, whole) = (path.to_owned(), Vec::new(), false);
                Ok(PeekedFile { path, file, head, whole })
            }
            Err(source) => Err(FileSourceError::Open { path: path.to_owned(), source }),
        }
    }

    /// What it begins with, expanded: of a file that begins with a JSON object its first line, of
    /// others as much as there is, up to 64 KiB; and whether that is all of it.
    ///
    /// # Errors
    /// When it cannot be read: why.
    pub fn head(&mut self) -> Result<(&[u8], bool), String> {
        while self.head.len() < PEEKED_BYTES_MAX && !is_first_object(&self.head) {
            let mut block = vec![0; PEEKED_BYTES_MAX - self.head.len()];
            match self.file.contents.read(&mut block) {
                Ok(0) => {
                    self.whole = true;
                    break;
                }
                Ok(read) => self.head.extend(block.into_iter().take(read)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(&self.path, "its beginning", &error)),
            }
        }
        Ok((&self.head, self.whole))
    }

    /// Starts to read it from its beginning.
    ///
    /// # Errors
    /// When the thread that reads it cannot be started.
    pub fn partitions(
        self,
        format: Format,
        waker: &Waker,
    ) -> Result<FilePartitions, FileSourceError> {
        let contents = Box::new(Cursor::new(self.head).chain(self.file.contents));
        let file = OpenFile { contents, ..self.file };
        let place = PartitionFile {
            id: PartitionId { source: 0, partition: 0 },
            path: self.path,
            reading: Reading {
                format,
                units: ColumnUnits::default(),
                record_bytes_max: RECORD_BYTES_MAX,
            },
            waker: Waker::clone(waker),
            progress: Arc::clone(&file.progress),
        };
        let started = FilePartition::open(place, file)?;
        Ok(FilePartitions { appeared: vec![Box::new(started)] })
    }
}

/// Whether a line that begins as an object does is whole.
fn is_first_object(head: &[u8]) -> bool {
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head).trim_ascii_start();
    text.starts_with(b"{") && text.contains(&b'\n')
}
