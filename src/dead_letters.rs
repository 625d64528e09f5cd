//! Dead letters in a file, a line of JSON each.
//!
//! ```json
//! {"source":"transactions","source_index":0,"topic":null,"partition":2,"offset":17,
//!  "event_time":1700000000000,"field_time":1700000000000,
//!  "arrival":1700000000040,"watermark":1700000060000,"late_by_ms":60000,"reason":"late",
//!  "idle_floor":false,"error":null,"key":null,"value":"{..}"}
//! ```
//!
//! (on one line). Times are ms since the epoch. Keys and values are strings where they are UTF-8;
//! other bytes stand in `key_base64` and `value_base64` instead. A null payload is `null`.
//!
//! - [`DeadLetterFile`]: the file and the thread that appends to it;
//! - [`encode`], [`parse`]: one letter and its line;
//! - [`ls`], [`show`]: what is in such a file; [`list`]: the same as JSON;
//! - [`NewestLetters`]: the newest in short, for who looks at a running job.

mod document;
mod file;
mod line;
mod listing;
mod newest;
#[cfg(test)]
mod tests;

pub use document::{LettersDocument, list};
pub use file::{DeadLetterFile, DeadLetterStatus, FileLimits, FileSink};
pub(crate) use file::{PAUSES, size, wait};
pub use line::{encode, parse};
pub(crate) use listing::each;
pub use listing::{Selection, ls, show};
pub use newest::{LetterInShort, NewestLetters};

use std::io;
use std::path::PathBuf;

/// Why dead letters cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// The file cannot be opened.
    #[error("cannot open dead-letter file {path}: {source}; check the path and its permissions")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be read to its end.
    #[error("cannot read dead-letter file {path} after line {line}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// How many lines were read.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// Not all letters could be written before the job ended.
    #[error(
        "cannot write {unwritten} dead letters to {path}: {reason}; \
         make room, and run again from where the job started"
    )]
    Unwritten {
        /// Which file.
        path: PathBuf,
        /// How many letters were not written.
        unwritten: u64,
        /// The last error.
        reason: String,
    },
    /// No line of the file is a dead letter.
    #[error("no dead letters in {path}: {}", match .lines {
        0 => "it is empty".to_owned(),
        1 => "its only line is none".to_owned(),
        lines => format!("none of its {lines} lines is one"),
    })]
    None {
        /// Which file.
        path: PathBuf,
        /// How many lines it has.
        lines: u64,
    },
    /// A line is not a dead letter.
    #[error("not a dead letter: {0}")]
    Line(String),
}
