//! Sealed rows into a file, on a thread of its own.
//!
//! At most [`BUFFERS_MAX`] buffers wait for the disk; when it is slower than the rows, the worker
//! that hands them over waits with it, so nothing is lost and memory stays bounded.

use crate::created_file::{Held, create};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use thiserror::Error;
use tidemark_operators::sealed_lines::SealedSink;

/// Buffers of lines that may wait for the disk; default 64. A buffer is what one frontier step
/// seals.
pub const BUFFERS_MAX: usize = 64;

/// Lines that could not be written.
#[derive(Debug, Error)]
#[error("writing {what} to {}: {reason}", path.display())]
pub struct LinesError {
    /// What the lines are.
    pub what: &'static str,
    /// Into which file.
    pub path: PathBuf,
    /// Why.
    pub reason: std::io::Error,
}

/// A file of lines being written.
pub struct SealedFile {
    sender: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<Result<u64, LinesError>>>,
}

impl SealedFile {
    /// Creates (or empties) `path`. `failed` is called from the writing thread when the disk
    /// refuses: the job should stop then, for what comes after is dropped.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(
        path: &Path,
        failed: impl Fn(String) + Send + 'static,
    ) -> Result<Self, LinesError> {
        let error = |reason| LinesError { what: "sealed rows", path: path.to_owned(), reason };
        let file = create(path, Held::Removed).map_err(error)?;
        let (sender, receiver) = sync_channel(BUFFERS_MAX);
        let path = path.to_owned();
        let thread = std::thread::Builder::new().name("sealed-file".to_owned());
        let thread = thread.spawn(move || {
            let error = |reason| LinesError { what: "sealed rows", path: path.clone(), reason };
            write_all(file, &receiver).map_err(error).inspect_err(|e| failed(e.to_string()))
        });
        let thread = thread.map_err(|reason| LinesError {
            what: "sealed rows",
            path: PathBuf::from("a thread of its own"),
            reason,
        })?;
        Ok(SealedFile { sender: Some(sender), thread: Some(thread) })
    }

    /// The end that the worker writes to.
    pub fn sink(&self) -> LineSink {
        LineSink { sender: self.sender.clone() }
    }

    /// Waits for all lines to be in the file; all sinks must be gone. Returns its bytes.
    ///
    /// # Errors
    /// When the disk refused.
    pub fn finish(mut self) -> Result<u64, LinesError> {
        self.sender = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            // The writing thread does not panic.
            Some(Err(_)) | None => Ok(0),
        }
    }
}

fn write_all(file: File, receiver: &Receiver<Vec<u8>>) -> std::io::Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut written = 0;
    for lines in receiver {
        file.write_all(&lines)?;
        written += lines.len() as u64;
    }
    file.flush()?;
    Ok(written)
}

/// Hands lines to the writing thread.
pub struct LineSink {
    sender: Option<SyncSender<Vec<u8>>>,
}

impl SealedSink for LineSink {
    fn write(&mut self, lines: &[u8]) {
        // An error means that the disk refused, which stopped the job already.
        self.sender = self.sender.take().filter(|sender| sender.send(lines.to_vec()).is_ok());
    }
}
