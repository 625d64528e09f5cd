//! An opened file: its bytes after decompression.

use super::Progress;
use super::form::Form;
use crate::named_file;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What tells zstd, in bytes.
const ZSTD_MAGIC_BYTES: usize = 4;
/// What is read from a compressed file at once, in bytes.
const COMPRESSED_BYTES: usize = 1 << 16;

/// See the module.
pub(super) struct OpenFile {
    pub contents: Box<dyn Read + Send>,
}

impl OpenFile {
    /// Opens `path` and looks at its first bytes, not its name, to see whether it is zstd.
    pub fn new(path: &Path, progress: Arc<Progress>) -> io::Result<Self> {
        let file = named_file::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        progress.total.fetch_add(metadata.len(), Ordering::Relaxed);
        let mut file = Counted { file, progress };
        let mut head = Vec::with_capacity(ZSTD_MAGIC_BYTES);
        (&mut file).take(ZSTD_MAGIC_BYTES as u64).read_to_end(&mut head)?;
        let compressed = Form::of(&head) == Form::Zstd;
        let whole = Cursor::new(head).chain(file);
        let contents: Box<dyn Read + Send> = if compressed {
            Box::new(decoder(BufReader::with_capacity(COMPRESSED_BYTES, whole))?)
        } else {
            Box::new(whole)
        };
        Ok(Self { contents })
    }
}

fn decoder<R: BufRead + Send + 'static>(compressed: R) -> io::Result<impl Read + Send> {
    zstd::stream::read::Decoder::with_buffer(compressed)
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    progress: Arc<Progress>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.progress.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
