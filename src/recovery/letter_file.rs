//! The file that dead letters are published in, each once.
//!
//! The letters of a checkpoint are an object of the store before they are in the file, and a later
//! checkpoint knows up to where the file has been written. So after a crash what lies behind that place
//! is the beginning of what is to be published next, and only the rest of it is written.

use super::publisher::{Batch, Target};
use crate::created_file::{Held, create, end_lines};
use crate::fault;
use crate::publishing::Unpublished;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// See the module.
pub(super) struct LetterFile {
    path: PathBuf,
    file: File,
    /// Whether it has places: a pipe has none, and gets what a checkpoint may have published again.
    is_regular: bool,
    /// Where what is published next begins.
    position: u64,
    /// Of a batch that a pipe took a part of, how many bytes.
    piped: usize,
}

impl LetterFile {
    /// Opens or makes the file at `path`, of which the newest checkpoint knows that it had been written
    /// up to `known`; `None`: there is no checkpoint, and letters follow what the file holds.
    ///
    /// # Errors
    /// When it cannot be opened or read.
    pub fn open(path: &Path, known: Option<u64>) -> io::Result<Self> {
        let file = create(path, Held::Placed)?;
        let is_regular = file.metadata()?.is_file();
        let mut position = 0;
        if is_regular {
            let end = file.metadata()?.len();
            position = known.unwrap_or(end);
            if position > end {
                let path = path.display();
                tracing::warn!(
                    %path, known = position, bytes = end,
                    "the file of dead letters is shorter than it was: it was replaced, and is begun anew"
                );
                position = end;
            }
        }
        Ok(LetterFile { path: path.to_owned(), file, is_regular, position, piped: 0 })
    }

    /// Where what is published next begins.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Of the lines, how many bytes the file has already. What else is there by now is another job's.
    fn there(&mut self, lines: &[u8]) -> io::Result<usize> {
        if !self.is_regular {
            return Ok(self.piped);
        }
        let end = self.file.metadata()?.len();
        self.position = self.position.min(end);
        let behind = usize::try_from(end - self.position).unwrap_or(usize::MAX);
        let mut held = vec![0; behind.min(lines.len())];
        self.file.read_exact_at(&mut held, self.position)?;
        if lines.starts_with(&held) {
            return Ok(held.len());
        }
        let path = self.path.display();
        tracing::warn!(
            %path, at = self.position,
            "the file of dead letters holds what this job has not written: letters follow it"
        );
        self.position = end_lines(&self.file)?;
        Ok(0)
    }

    /// Writes some of `bytes`, which are so many behind the position: a process that was taken over from
    /// changes nothing of what is there, as it has the same letters for the same place.
    fn put(&mut self, bytes: &[u8], behind: usize) -> io::Result<usize> {
        match self.is_regular {
            true => self.file.write_at(bytes, self.position + behind as u64),
            false => self.file.write(bytes),
        }
    }
}

impl Target for LetterFile {
    fn publish(&mut self, batch: &Batch, _: &dyn Fn() -> bool) -> Result<u64, Unpublished> {
        let mut write = || {
            let there = self.there(&batch.lines)?;
            let mut written = there;
            while let Some(rest) = batch.lines.get(written..).filter(|rest| !rest.is_empty()) {
                fault::point("publish.write");
                let rest = fault::part(rest);
                match self.put(rest, written) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(bytes) => written += bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        // The next attempt goes on behind this.
                        self.piped = written;
                        return Err(error);
                    }
                }
            }
            let ends = self.position + batch.lines.len() as u64;
            if self.is_regular {
                // For who shares the standard output, and writes on where it stands.
                self.file.seek(SeekFrom::Start(ends))?;
                self.file.sync_data()?;
            }
            // Only now: what is tried again looks for what is there behind the position.
            (self.position, self.piped) = (ends, 0);
            Ok(ends)
        };
        write().map_err(|error| {
            format!("cannot write dead letters to {}: {error}", self.path.display()).into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(lines: &str) -> Batch {
        Batch { number: 1, lines: lines.as_bytes().to_vec(), ..Batch::default() }
    }

    fn path(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("tidemark-letters-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        path
    }

    #[test]
    fn what_a_crash_left_behind_is_completed_and_never_repeated() {
        let (path, all) = (path("crash"), "one\ntwo\nthree\n");
        for cut in 0..=all.len() {
            std::fs::write(&path, format!("before\n{}", &all[..cut])).unwrap();
            let mut file = LetterFile::open(&path, Some(7)).unwrap();
            assert_eq!(file.publish(&batch("one\ntwo\n"), &|| true).unwrap(), 15);
            assert_eq!(file.publish(&batch("three\n"), &|| true).unwrap(), 21);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("before\n{all}"));
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn letters_follow_what_others_have_written_and_a_file_that_was_replaced_is_begun_anew() {
        let path = path("foreign");
        std::fs::write(&path, "before\nnot ours").unwrap();
        let mut file = LetterFile::open(&path, Some(7)).unwrap();
        assert_eq!(file.publish(&batch("one\n"), &|| true).unwrap(), 20);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "before\nnot ours\none\n");
        std::fs::write(&path, "").unwrap();
        let mut file = LetterFile::open(&path, Some(20)).unwrap();
        assert_eq!(file.publish(&batch("two\n"), &|| true).unwrap(), 4);
        let mut file = LetterFile::open(&path, None).unwrap();
        assert_eq!(file.publish(&batch("three\n"), &|| true).unwrap(), 10);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\nthree\n");
        std::fs::remove_file(&path).unwrap();
    }
    #[test]
    fn two_jobs_on_one_file_write_behind_each_other() {
        let path = path("two-jobs");
        let mut first = LetterFile::open(&path, None).unwrap();
        let mut second = LetterFile::open(&path, None).unwrap();
        assert_eq!(first.publish(&batch("a\n"), &|| true).unwrap(), 2);
        assert_eq!(second.publish(&batch("b\n"), &|| true).unwrap(), 4);
        assert_eq!(first.publish(&batch("c\n"), &|| true).unwrap(), 6);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\nc\n");
        // Emptied while they run: nothing but letters follows.
        std::fs::write(&path, "").unwrap();
        assert_eq!(second.publish(&batch("d\n"), &|| true).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "d\n");
        std::fs::remove_file(&path).unwrap();
    }
}
