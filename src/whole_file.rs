//! Files of commands that end: under their names they are whole, or as they were before.
//!
//! ```text
//! create ──> .rows.jsonl.4711-0.unfinished ──(all is written and on the disk)──> rows.jsonl
//!                        └──(failed, SIGINT, SIGTERM, panic)──> gone, and said so
//! ```
//!
//! What is no regular file (a pipe, a terminal, `/dev/null`) and standard output are written as they
//! are; when their reader goes away (`| head`) the process ends in silence.
//!
//! # Why this way
//!
//! The unfinished files of the process stand in one list, for a signal, a panic or a broken pipe may
//! come to any thread, while another one waits for a disk or for a reader.

use crate::created_file::{Held, create, is_of_the_system, link_refused};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::named_file::is_standard;
use crate::output;
use signal_hook::consts::signal::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;

/// Bytes of a file's name that its unfinished one has too: with the rest it must not be too long.
const NAME_BYTES_MAX: usize = 120;
/// How many names are tried for an unfinished file; others are left by processes that were killed.
const NAMES_MAX: u32 = 1_000;

/// How many files a message names.
const NAMED_MAX: usize = 3;

/// The unfinished files of this process, and what they are to become.
static UNFINISHED: Mutex<Vec<(PathBuf, PathBuf)>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<(PathBuf, PathBuf)>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that cannot be made or finished.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}", path.display())]
pub struct WholeFileError {
    /// The name it was to have.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// A file that gets its name when it is whole. Dropped before that, it is removed.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    /// Its writer's too: a process has only so many files open.
    file: Arc<File>,
    /// Where it is until then; `None`: it is written as it is.
    unfinished: Option<PathBuf>,
}

/// Writes to a [`WholeFile`].
#[derive(Debug)]
pub struct WholeFileWriter {
    file: Arc<File>,
    as_it_is: bool,
}

impl WholeFile {
    /// Makes the file that is to become `path`, for its user alone to read; one that is there gives
    /// its mode.
    ///
    /// # Errors
    /// When `path` is a symbolic link, or neither it nor a file beside it may be written.
    pub fn create(path: &Path) -> Result<Self, WholeFileError> {
        Self::open(path).map_err(|source| WholeFileError { path: path.to_owned(), source })
    }

    fn open(path: &Path) -> io::Result<Self> {
        let as_it_is = is_standard(path) || is_of_the_system(path);
        let held = match std::fs::symlink_metadata(path) {
            _ if as_it_is => None,
            Ok(held) if held.is_symlink() => return Err(link_refused()),
            Ok(held) if !held.is_file() => None,
            Ok(held) => {
                // Whoever may not write to the file may not have another one in its place.
                OpenOptions::new().write(true).open(path)?;
                Some(Some(held.permissions().mode()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
            Err(error) => return Err(error),
        };
        let Some(mode) = held else {
            let file = create(path, Held::Removed)?;
            return Ok(WholeFile { path: path.to_owned(), file: Arc::new(file), unfinished: None });
        };
        let (unfinished, file) = beside(path)?;
        let file = Arc::new(file);
        let file = WholeFile { path: path.to_owned(), file, unfinished: Some(unfinished) };
        if let Some(mode) = mode {
            file.file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        }
        Ok(file)
    }

    /// Makes a file of `text`, whole or not at all.
    ///
    /// # Errors
    /// As [`create`](Self::create), or when the disk refuses.
    pub fn write(path: &Path, text: &str) -> Result<(), WholeFileError> {
        let file = Self::create(path)?;
        let written = file.writer().write_all(text.as_bytes());
        written.map_err(|source| WholeFileError { path: path.to_owned(), source })?;
        Self::finish(vec![file])
    }

    /// An end to write to; what it was given is in the file.
    pub fn writer(&self) -> WholeFileWriter {
        WholeFileWriter { file: Arc::clone(&self.file), as_it_is: self.unfinished.is_none() }
    }

    /// Gives all `files` their names, once all of them are on the disk. Nothing may be written to
    /// them any more.
    ///
    /// # Errors
    /// When the disk refuses: those that have not got their names are removed.
    pub fn finish(mut files: Vec<WholeFile>) -> Result<(), WholeFileError> {
        for WholeFile { path, file, unfinished } in &files {
            if unfinished.is_some() {
                file.sync_all().map_err(|source| WholeFileError { path: path.clone(), source })?;
            }
        }
        let mut list = unfinished();
        for file in &mut files {
            let Some(from) = &file.unfinished else { continue };
            if let Err(source) = std::fs::rename(from, &file.path) {
                drop(list);
                return Err(WholeFileError { path: file.path.clone(), source });
            }
            list.retain(|(known, _)| known != from);
            file.unfinished = None;
            // That the name outlasts a loss of power is more than some file systems give.
            let _ = File::open(folder(&file.path)).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(gone) = self.unfinished.take() {
            // It stays in the list: at the end of the process it is said that it was not written.
            let _ = std::fs::remove_file(gone);
        }
    }
}

/// A new file in the folder of `path`, known to be unfinished.
fn beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let cut = (0..=NAME_BYTES_MAX.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    let name = name.get(..cut.unwrap_or(0)).unwrap_or_default();
    let mut list = unfinished();
    for number in 0..NAMES_MAX {
        let file = format!(".{name}.{}-{number}.unfinished", std::process::id());
        let file = folder(path).join(file);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
            Ok(opened) => {
                list.push((file.clone(), path.to_owned()));
                return Ok((file, opened));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let text = format!("no file can be made beside it, to be renamed: {error}");
                return Err(io::Error::new(error.kind(), text));
            }
        }
    }
    Err(io::Error::other("its folder is full of unfinished files; remove *.unfinished"))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Write for WholeFileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (&*self.file).write(bytes) {
            Err(error) if self.as_it_is && error.kind() == io::ErrorKind::BrokenPipe => {
                reader_gone()
            }
            written => written,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.file).flush()
    }
}

/// Nobody reads on: there is nothing left to do, and nothing to say but which files are not there.
fn reader_gone() -> ! {
    let mut list = unfinished();
    let left = remove(&mut list);
    if !left.is_empty() {
        output::note(&format!("note: the reader of the output is gone, and {left} not written"));
    }
    Exit::Done.now()
}

/// Removes what is unfinished before the process ends, and says so. Waits for nobody.
pub fn remove_unfinished() {
    if let Ok(mut list) = UNFINISHED.try_lock() {
        let left = remove(&mut list);
        if !left.is_empty() {
            output::note(&format!("note: {left} not written"));
        }
    }
}

/// Removes the files of the list. `a.jsonl and b.jsonl were`, or nothing.
fn remove(list: &mut Vec<(PathBuf, PathBuf)>) -> String {
    let mut names = Vec::new();
    for (unfinished, path) in list.drain(..) {
        let _ = std::fs::remove_file(unfinished);
        names.push(path.display().to_string());
    }
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    match (names.len(), more) {
        (0, _) => String::new(),
        (1, 0) => format!("{} was", names.concat()),
        (_, 0) => {
            let last = names.pop().unwrap_or_default();
            format!("{} and {last} were", names.join(", "))
        }
        (_, more) => format!("{} and {more} more were", names.join(", ")),
    }
}

/// From now on SIGINT and SIGTERM end the process at once: what is unfinished is removed, and it is
/// said that there is no result.
///
/// # Errors
/// When the system does not let signals be caught, or has no thread for them.
pub fn end_on_signals() -> Result<(), Failure> {
    let failed = |error| Failure::failed(format!("cannot listen for signals: {error}"));
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(failed)?;
    let wait = move || {
        let Some(signal) = signals.forever().next() else { return };
        let (name, exit) = match signal {
            SIGTERM => ("SIGTERM", Exit::Terminated),
            _ => ("SIGINT", Exit::Interrupted),
        };
        // Held to the end of the process: no file gets its name any more.
        let mut list = unfinished();
        let left = remove(&mut list);
        let left = if left.is_empty() { left } else { format!("; {left} not written") };
        output::note(&format!("error: interrupted by {name} before the end{left}"));
        exit.now()
    };
    let thread = std::thread::Builder::new().name("signals".to_owned());
    thread.spawn(wait).map(drop).map_err(failed)
}
