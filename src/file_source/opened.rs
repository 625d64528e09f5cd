//! An opened file: its bytes after decompression.

use super::Progress;
use super::codec::wrong;
use super::expanded::Expanded;
use super::form::Form;
use crate::named_file;
use flate2::bufread::MultiGzDecoder;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Cursor, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// What tells how a file is compressed, in bytes.
const MAGIC_BYTES: usize = 4;
/// What is read from a compressed file at once, in bytes.
const COMPRESSED_BYTES: usize = 1 << 16;

/// A file, or a pipe or a device, of which nothing has been read.
pub(super) struct FoundFile {
    file: File,
    metadata: Metadata,
}

/// What a plain file was when it was looked at.
#[derive(Clone, Debug)]
pub(super) struct KnownFile {
    node: (u64, u64),
    bytes: u64,
    modified: Option<SystemTime>,
}

impl KnownFile {
    /// Its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl FoundFile {
    /// Opens what is at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = named_file::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
        }
        Ok(FoundFile { file, metadata })
    }

    /// Its size; none of what is no plain file.
    pub fn bytes(&self) -> u64 {
        self.metadata.len()
    }

    /// What it is now, where it can be opened again: a pipe cannot.
    pub fn known(&self) -> Option<KnownFile> {
        self.metadata.is_file().then(|| KnownFile {
            node: (self.metadata.dev(), self.metadata.ino()),
            bytes: self.metadata.len(),
            modified: self.metadata.modified().ok(),
        })
    }

    /// What is in it; `progress` counts what is read.
    pub fn contents(self, progress: Arc<Progress>) -> io::Result<OpenFile> {
        let taken = Arc::<AtomicU64>::default();
        let (counting, counted) = (Arc::clone(&progress), Arc::clone(&taken));
        let counted = Counted { file: self.file, progress: counting, taken: counted };
        Ok(OpenFile { contents: expanded(counted, taken)?, progress, has_changed: false })
    }
}

/// See the module.
pub(super) struct OpenFile {
    pub contents: Box<dyn Read + Send>,
    /// Counts what is read of it.
    pub progress: Arc<Progress>,
    /// Whether it was written to between two times that it was opened.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet must not grow"))]
    pub has_changed: bool,
}

impl OpenFile {
    /// Opens `path` and looks at its first bytes, not its name, to see whether it is compressed.
    pub fn new(path: &Path, progress: Arc<Progress>) -> io::Result<Self> {
        let found = FoundFile::open(path)?;
        progress.total.fetch_add(found.bytes(), Ordering::Relaxed);
        found.contents(progress)
    }

    /// The same of a file that has been looked at: it may have grown, and must be the same.
    pub fn again(path: &Path, known: &KnownFile, progress: Arc<Progress>) -> io::Result<Self> {
        let found = FoundFile::open(path)?;
        let now = found.known().filter(|now| now.node == known.node && now.bytes >= known.bytes);
        let now = now.ok_or_else(|| {
            wrong(
                "it is not the file that it was at the start: it was replaced or cut off meanwhile",
            )
        })?;
        let has_changed = now.bytes != known.bytes || now.modified != known.modified;
        Ok(OpenFile { has_changed, ..found.contents(progress)? })
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
