//! Byte strings in the order of two numbers, more of them than memory holds.
//!
//! What is beyond the bound lies in one temporary file without a name, as sorted runs that are merged
//! when they are read. Entries of equal keys come in any order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// What entries are sorted by.
pub type SortKey = (u64, u64);

/// What sorting holds in memory, in bytes, of what is asked, and as much again of what was found; default
/// 64 MiB. Beside that a run takes 16 KiB while runs are merged.
pub const SORT_BYTES_MAX: usize = 64 << 20;
/// What one of many sorters holds in memory at least, in bytes.
const SORTER_BYTES_MIN: usize = 256 << 10;
/// What is read of a run at once, in bytes, unless an entry is longer.
const READ_BYTES: usize = 16 << 10;
/// Two numbers and a length.
const HEAD_BYTES: usize = 20;

/// Tells the temporary files of this process apart.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A temporary file that cannot be written or read.
#[derive(Debug, Error)]
#[error(
    "cannot keep what does not fit into memory in a temporary file in {}: {source}; make room there, \
     or name another folder by TMPDIR", folder.display()
)]
pub struct SpillError {
    /// Where it is.
    pub folder: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl From<io::Error> for SpillError {
    fn from(source: io::Error) -> Self {
        SpillError { folder: std::env::temp_dir(), source }
    }
}

/// An entry in memory.
#[derive(Clone, Debug)]
struct HeldEntry {
    key: SortKey,
    bytes: Range<usize>,
}

/// Takes entries in any order.
#[derive(Debug)]
pub struct ExternalSort {
    bytes_max: usize,
    bytes: Vec<u8>,
    entries: Vec<HeldEntry>,
    spilled: Option<Spilled>,
    last: Option<SortKey>,
}

/// Sorted runs in a file.
#[derive(Debug)]
struct Spilled {
    file: File,
    end: u64,
    runs: Vec<Range<u64>>,
}

impl ExternalSort {
    /// One of `sorters` that share [`SORT_BYTES_MAX`].
    pub fn one_of(sorters: usize) -> Self {
        ExternalSort::bounded((SORT_BYTES_MAX / sorters.max(1)).max(SORTER_BYTES_MIN))
    }

    /// Holds about `bytes_max` bytes in memory.
    ///
    /// ```
    /// use tidemark::offline::external_sort::ExternalSort;
    ///
    /// let mut sort = ExternalSort::bounded(64);
    /// for number in (0..100_u64).rev() {
    ///     sort.push((number, 0), b"entry")?;
    /// }
    /// let mut sorted = sort.finish()?;
    /// let mut entry = Vec::new();
    /// assert_eq!(sorted.next(&mut entry)?, Some((0, 0)));
    /// assert_eq!((entry.as_slice(), sorted.peek()), (&b"entry"[..], Some((1, 0))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bounded(bytes_max: usize) -> Self {
        let (bytes, entries) = (Vec::new(), Vec::new());
        ExternalSort { bytes_max, bytes, entries, spilled: None, last: None }
    }

    /// Takes an entry.
    ///
    /// # Errors
    /// When it does not fit into memory, and the temporary file cannot be written.
    pub fn push(&mut self, key: SortKey, bytes: &[u8]) -> Result<(), SpillError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.entries.push(HeldEntry { key, bytes: start..self.bytes.len() });
        self.last = self.last.max(Some(key));
        let held = self.bytes.len() + self.entries.len() * size_of::<HeldEntry>();
        if held > self.bytes_max { self.spill() } else { Ok(()) }
    }

    /// Writes what is held as a run.
    fn spill(&mut self) -> Result<(), SpillError> {
        self.entries.sort_unstable_by_key(|entry| entry.key);
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert(Spilled { file: unnamed()?, end: 0, runs: Vec::new() }),
        };
        let start = spilled.end;
        let mut out = Vec::with_capacity(READ_BYTES * 4);
        for HeldEntry { key, bytes } in self.entries.drain(..) {
            let bytes = self.bytes.get(bytes).unwrap_or_default();
            let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
            out.extend_from_slice(&key.0.to_le_bytes());
            out.extend_from_slice(&key.1.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(bytes);
            if out.len() >= READ_BYTES * 3 {
                spilled.write(&mut out)?;
            }
        }
        spilled.write(&mut out)?;
        spilled.runs.push(start..spilled.end);
        self.bytes.clear();
        Ok(())
    }

    /// All of them in order.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn finish(mut self) -> Result<SortedEntries, SpillError> {
        self.entries.sort_unstable_by_key(|entry| entry.key);
        let mut sorted = SortedEntries {
            bytes: self.bytes,
            held: self.entries.into_iter(),
            file: None,
            runs: Vec::new(),
            heads: BinaryHeap::new(),
            last: self.last,
            next_held: None,
        };
        if let Some(Spilled { file, runs, .. }) = self.spilled {
            let run = |rest| SortedRun { rest, bytes: Vec::new(), at: 0 };
            sorted.runs = runs.into_iter().map(run).collect();
            sorted.file = Some(file);
        }
        sorted.next_held = sorted.held.next();
        for run in 0..sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }
}

impl Spilled {
    fn write(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.file.write_all(out)?;
        self.end += out.len() as u64;
        out.clear();
        Ok(())
    }
}

/// A file of nobody's else, that is gone with the process.
fn unnamed() -> io::Result<File> {
    loop {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidemark-{}-{number}.sorted", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut options = OpenOptions::new();
        match options.read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            // Of a process with the same number that was killed just here.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Entries in order.
#[derive(Debug)]
pub struct SortedEntries {
    bytes: Vec<u8>,
    held: std::vec::IntoIter<HeldEntry>,
    next_held: Option<HeldEntry>,
    file: Option<File>,
    runs: Vec<SortedRun>,
    /// The next entry of each run that has one.
    heads: BinaryHeap<Reverse<(SortKey, usize)>>,
    last: Option<SortKey>,
}

/// What is still to be read of a run.
#[derive(Debug)]
struct SortedRun {
    rest: Range<u64>,
    /// What has been read, and how much of that is done.
    bytes: Vec<u8>,
    at: usize,
}

impl SortedRun {
    /// Sees that `wanted` bytes are there, if the run has them.
    fn fill(&mut self, file: &File, wanted: usize) -> io::Result<()> {
        if self.bytes.len() - self.at >= wanted {
            return Ok(());
        }
        self.bytes.drain(..self.at);
        self.at = 0;
        let held = self.bytes.len();
        let left = usize::try_from(self.rest.end - self.rest.start).map_err(io::Error::other)?;
        let more = wanted.max(READ_BYTES).saturating_sub(held).min(left);
        self.bytes.resize(held + more, 0);
        file.read_exact_at(self.bytes.get_mut(held..).unwrap_or_default(), self.rest.start)?;
        self.rest.start += more as u64;
        Ok(())
    }

    /// Its next entry: the key and how long the entry is; `None` at its end.
    fn head(&mut self, file: &File) -> io::Result<Option<(SortKey, usize)>> {
        self.fill(file, HEAD_BYTES)?;
        let Some(head) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) else {
            return Ok(None);
        };
        let [a, b, length] = split(head);
        Ok(Some(((a, b), usize::try_from(length).map_err(io::Error::other)?)))
    }
}

/// The numbers of a head.
fn split(head: &[u8; HEAD_BYTES]) -> [u64; 3] {
    let number = |range: Range<usize>| {
        let bytes = head.get(range).unwrap_or_default().iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    [number(0..8), number(8..16), number(16..HEAD_BYTES)]
}

impl SortedEntries {
    /// The key of the next one.
    pub fn peek(&self) -> Option<SortKey> {
        let held = self.next_held.as_ref().map(|entry| entry.key);
        let read = self.heads.peek().map(|Reverse((key, _))| *key);
        [held, read].into_iter().flatten().min()
    }

    /// The key of the last of all, whether it has been taken or not.
    pub fn last(&self) -> Option<SortKey> {
        self.last
    }

    /// Takes the next one, whose bytes become those of `into`; `None` at the end.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub fn next(&mut self, into: &mut Vec<u8>) -> Result<Option<SortKey>, SpillError> {
        let Some(key) = self.peek() else { return Ok(None) };
        into.clear();
        if let Some(entry) = self.next_held.take_if(|entry| entry.key == key) {
            into.extend_from_slice(self.bytes.get(entry.bytes).unwrap_or_default());
            self.next_held = self.held.next();
            return Ok(Some(key));
        }
        let (Some(Reverse((_, at))), Some(file)) = (self.heads.pop(), &self.file) else {
            return Ok(None);
        };
        if let Some(run) = self.runs.get_mut(at)
            && let Some((_, length)) = run.head(file)?
        {
            run.fill(file, HEAD_BYTES + length)?;
            let entry = run.at + HEAD_BYTES..run.at + HEAD_BYTES + length;
            run.at = entry.end;
            into.extend_from_slice(run.bytes.get(entry).unwrap_or_default());
        }
        self.advance(at)?;
        Ok(Some(key))
    }

    /// Puts the next entry of a run among the heads.
    fn advance(&mut self, at: usize) -> io::Result<()> {
        let (Some(run), Some(file)) = (self.runs.get_mut(at), &self.file) else { return Ok(()) };
        if let Some((key, _)) = run.head(file)? {
            self.heads.push(Reverse((key, at)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

    #[test]
    fn entries_come_out_sorted_whatever_fits_into_memory() {
        for seed in 0..60 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut sort = ExternalSort::bounded([0, 100, 5_000, 1 << 20][seed as usize % 4]);
            let mut twin = Vec::new();
            for number in 0..rng.random_range(0..2_000_u64) {
                // A few are longer than what is read at once.
                let length = if rng.random_bool(0.002) { 50_000 } else { rng.random_range(0..30) };
                let bytes = vec![(number % 251) as u8; length];
                let key = (rng.random_range(0..300), number);
                sort.push(key, &bytes).unwrap();
                twin.push((key, bytes));
            }
            twin.sort();
            let mut sorted = sort.finish().unwrap();
            assert_eq!(sorted.last(), twin.last().map(|(key, _)| *key));
            let mut bytes = Vec::new();
            for (key, expected) in twin {
                assert_eq!(sorted.peek(), Some(key));
                assert_eq!(sorted.next(&mut bytes).unwrap(), Some(key));
                assert_eq!(bytes, expected);
            }
            assert_eq!((sorted.peek(), sorted.next(&mut bytes).unwrap()), (None, None));
        }
    }
}
