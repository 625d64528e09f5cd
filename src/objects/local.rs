//! Objects in a local folder: a file each, for the user of the process alone.
//!
//! ```text
//! .unfinished-PID-N ──(written, fsync)──> link (put_new) or rename (put) to NAME ──> fsync of the folder
//! ```
//!
//! A link is made or not made, whatever other processes do: it is what creates if absent. What a crash
//! leaves begins with `.unfinished-`, which no name does: it is never listed nor read.

use super::name::is_prefix;
use super::{Creation, LISTED_MAX, ListedObject, ObjectError, Objects, is_name};
use crate::created_file::link_refused;
use rustix::fs::{Mode, OFlags};
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const UNFINISHED: &str = ".unfinished-";
/// How many names are tried for an unfinished file; others are left by processes that were killed.
const UNFINISHED_NAMES_MAX: u32 = 1_000;
/// Nobody writes one file for so long.
const LEFTOVER_AGE: Duration = Duration::from_secs(86_400);
/// How deep folders lie in one another at most.
const DEPTH_MAX: usize = 64;

/// A folder of objects.
#[derive(Debug)]
pub struct LocalObjects {
    root: PathBuf,
    url: String,
}

impl LocalObjects {
    /// Those of the folder `root`, which is made when it is not there, with those above it.
    ///
    /// # Errors
    /// When it cannot be made, or is no folder.
    pub fn create(root: &Path) -> Result<Self, ObjectError> {
        let wrong = |error: io::Error| ObjectError::store(&root.display().to_string(), error);
        make_folders(root).map_err(wrong)?;
        Self::open(root)
    }

    /// Those of the folder `root`.
    ///
    /// # Errors
    /// When it is not there, or is no folder.
    pub fn open(root: &Path) -> Result<Self, ObjectError> {
        let wrong = |error: io::Error| ObjectError::store(&root.display().to_string(), error);
        let is_folder = fs::metadata(root).map_err(wrong)?.is_dir();
        if !is_folder {
            return Err(wrong(ErrorKind::NotADirectory.into()));
        }
        let root = fs::canonicalize(root).map_err(wrong)?;
        let url = format!("file://{}", root.display());
        Ok(LocalObjects { root, url })
    }

    fn path(&self, attempt: &'static str, name: &str) -> Result<PathBuf, ObjectError> {
        match is_name(name) {
            true => Ok(self.root.join(name)),
            false => Err(self.no_name(attempt, name)),
        }
    }

    fn no_name(&self, attempt: &'static str, name: &str) -> ObjectError {
        ObjectError::Name { attempt, name: name.to_owned(), store: self.url.clone() }
    }

    fn failed(&self, attempt: &'static str, name: &str, error: &io::Error) -> ObjectError {
        ObjectError::system(attempt, name, &self.url, error)
    }

    fn file(&self, attempt: &'static str, name: &str) -> Result<Option<File>, ObjectError> {
        let path = self.path(attempt, name)?;
        match read_only(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(self.failed(attempt, name, &error)),
        }
    }

    /// All regular files below `folder`, by their names from the root.
    fn walk(
        &self,
        folder: &Path,
        depth: usize,
        found: &mut dyn FnMut(&str, &fs::DirEntry) -> io::Result<()>,
    ) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            let Some(name) = path.strip_prefix(&self.root).ok().and_then(Path::to_str) else {
                continue;
            };
            if kind.is_dir() && depth < DEPTH_MAX {
                self.walk(&path, depth + 1, found)?;
            } else if kind.is_file() {
                match found(name, &entry) {
                    // Somebody else has deleted it meanwhile.
                    Err(error) if is_absent(&error) => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }
}

impl Objects for LocalObjects {
    fn url(&self) -> &str {
        &self.url
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Creation, ObjectError> {
        const ATTEMPT: &str = "create";
        let path = self.path(ATTEMPT, name)?;
        let created = write(&path, bytes, |unfinished| {
            let linked = fs::hard_link(unfinished, &path);
            let removed = fs::remove_file(unfinished);
            match linked {
                Ok(()) => removed.map(|()| Creation::Created),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Creation::Exists),
                Err(error) => Err(error),
            }
        });
        created.map_err(|error| self.failed(ATTEMPT, name, &error))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ObjectError> {
        const ATTEMPT: &str = "write";
        let path = self.path(ATTEMPT, name)?;
        let written = write(&path, bytes, |unfinished| fs::rename(unfinished, &path));
        written.map_err(|error| self.failed(ATTEMPT, name, &error))
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError> {
        const ATTEMPT: &str = "read";
        let Some(mut file) = self.file(ATTEMPT, name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        match file.read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(bytes)),
            Err(error) => Err(self.failed(ATTEMPT, name, &error)),
        }
    }

    fn get_range(&self, name: &str, from: u64, to: u64) -> Result<Option<Vec<u8>>, ObjectError> {
        const ATTEMPT: &str = "read";
        let Some(mut file) = self.file(ATTEMPT, name)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let read = file
            .seek(SeekFrom::Start(from))
            .and_then(|_| file.take(to.saturating_sub(from)).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(error) => Err(self.failed(ATTEMPT, name, &error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, ObjectError> {
        const ATTEMPT: &str = "list";
        if !is_prefix(prefix) {
            return Err(self.no_name(ATTEMPT, prefix));
        }
        let folder = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut listed = Vec::new();
        let walked = self.walk(&self.root.join(folder), 0, &mut |name, entry| {
            if name.starts_with(prefix) && is_name(name) {
                listed.push(ListedObject { name: name.to_owned(), bytes: entry.metadata()?.len() });
            }
            match listed.len() {
                ..=LISTED_MAX => Ok(()),
                _ => Err(io::Error::other(format!("there are more than {LISTED_MAX} of them"))),
            }
        });
        walked.map_err(|error| self.failed(ATTEMPT, prefix, &error))?;
        listed.sort();
        Ok(listed)
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        const ATTEMPT: &str = "delete";
        let path = self.path(ATTEMPT, name)?;
        let deleted = match fs::remove_file(&path) {
            Ok(()) => path.parent().map_or(Ok(()), sync_folder),
            Err(error) if is_absent(&error) => Ok(()),
            Err(error) => Err(error),
        };
        deleted.map_err(|error| self.failed(ATTEMPT, name, &error))
    }

    fn remove_leftovers(&self) -> Result<u64, ObjectError> {
        let mut removed = 0;
        let walked = self.walk(&self.root, 0, &mut |name, entry| {
            let last = name.rsplit('/').next().unwrap_or(name);
            let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
            if last.starts_with(UNFINISHED) && age > LEFTOVER_AGE {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
            Ok(())
        });
        walked.map_err(|error| self.failed("clear away", UNFINISHED, &error))?;
        Ok(removed)
    }
}

/// Writes a file that `name_it` then gives its name, and makes both last.
fn write<T>(
    path: &Path,
    bytes: &[u8],
    name_it: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    make_folders(folder)?;
    let (unfinished, mut file) = beside(folder)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    let named = name_it(&unfinished)?;
    sync_folder(folder)?;
    Ok(named)
}

/// A new file in `folder`, which has no name of an object.
fn beside(folder: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = std::process::id();
    for _ in 0..UNFINISHED_NAMES_MAX {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{UNFINISHED}{process}-{number}"));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => return Ok((path, File::from(file))),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("too many unfinished files lie there"))
}

/// Opens a file for reading, which is no link.
fn read_only(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(rustix::io::Errno::LOOP) => return Err(link_refused()),
        opened => File::from(opened?),
    };
    match file.metadata()?.is_file() {
        true => Ok(file),
        // A folder is no object: there is none of that name.
        false => Err(ErrorKind::NotFound.into()),
    }
}

/// Makes a folder with those above it, each for the user alone, and makes them last.
fn make_folders(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent();
    above.map_or(Ok(()), make_folders)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(
            above.filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        ),
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
