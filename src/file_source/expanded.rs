//! What a compressed file expands to, with a bound on how much that is.

use super::codec::wrong;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes a byte of a compressed file may expand to on average. Records expand to less than
/// a hundred; what is made to expand to more is no file of records.
pub(super) const EXPANSION_MAX: u64 = 500;
/// How much a file may expand to before that counts, in bytes (64 MiB).
pub(super) const EXPANSION_FREE_BYTES: u64 = 64 << 20;

/// See the module.
pub(super) struct Expanded<R> {
    from: R,
    /// How errors name the way it is compressed.
    codec: &'static str,
    /// Bytes given so far.
    given: u64,
    /// Bytes taken of the file so far.
    taken: Arc<AtomicU64>,
}

impl<R: Read> Expanded<R> {
    /// What `from` gives, which counts what it takes in `taken`.
    pub fn new(from: R, codec: &'static str, taken: Arc<AtomicU64>) -> Self {
        Self { from, codec, given: 0, taken }
    }

    fn damaged(&self, error: io::Error) -> io::Error {
        let codec = self.codec;
        match error.kind() {
            io::ErrorKind::Interrupted => error,
            // Of the file itself, and not of what is in it.
            _ if error.raw_os_error().is_some() => error,
            io::ErrorKind::UnexpectedEof => {
                wrong(format!("its {codec} data ends in the middle, so the file has been cut off"))
            }
            _ => wrong(format!("its {codec} data is damaged ({error})")),
        }
    }

    fn is_within_bound(&self) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        self.given <= EXPANSION_FREE_BYTES.max(taken.saturating_mul(EXPANSION_MAX))
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(into).map_err(|error| self.damaged(error))?;
        self.given += read as u64;
        if self.is_within_bound() {
            return Ok(read);
        }
        let codec = self.codec;
        Err(wrong(format!(
            "its {codec} data expands to more than {EXPANSION_MAX} times its size, as no records \
             do; where it is meant to, read it through `{codec} -dc` and a pipe"
        )))
    }
}
