//! An opened file: its bytes after decompression.

use super::Progress;
use super::expanded::Expanded;
use super::form::Form;
use crate::named_file;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What tells how a file is compressed, in bytes.
const MAGIC_BYTES: usize = 4;
/// What is read from a compressed file at once, in bytes.
const COMPRESSED_BYTES: usize = 1 << 16;

/// See the module.
pub(super) struct OpenFile {
    pub contents: Box<dyn Read + Send>,
    /// Counts what is read of it.
    pub progress: Arc<Progress>,
}

impl OpenFile {
    /// Opens `path` and looks at its first bytes, not its name, to see whether it is compressed.
    pub fn new(path: &Path, progress: Arc<Progress>) -> io::Result<Self> {
        let file = named_file::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        progress.total.fetch_add(metadata.len(), Ordering::Relaxed);
        let taken = Arc::<AtomicU64>::default();
        let counted = Counted { file, progress: Arc::clone(&progress), taken: Arc::clone(&taken) };
        let contents = expanded(counted, taken)?;
        Ok(Self { contents, progress })
    }
}

/// What is in `file`, which counts what it gives in `taken`.
pub(super) fn expanded(
    mut file: impl Read + Send + 'static,
    taken: Arc<AtomicU64>,
) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::with_capacity(MAGIC_BYTES);
    (&mut file).take(MAGIC_BYTES as u64).read_to_end(&mut head)?;
    let form = Form::of(&head);
    let whole = Cursor::new(head).chain(file);
    if !matches!(form, Form::Zstd | Form::Gzip) {
        return Ok(Box::new(whole));
    }
    let compressed = BufReader::with_capacity(COMPRESSED_BYTES, whole);
    Ok(if form == Form::Zstd {
        let decoder = zstd::stream::read::Decoder::with_buffer(compressed)?;
        Box::new(Expanded::new(decoder, "zstd", taken))
    } else {
        // Several members behind each other are one file, as for gzip itself.
        Box::new(Expanded::new(MultiGzDecoder::new(compressed), "gzip", taken))
    })
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    progress: Arc<Progress>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.progress.read.fetch_add(read as u64, Ordering::Relaxed);
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
