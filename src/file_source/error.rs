//! Why a file cannot be a source.

use std::io;
use std::path::PathBuf;

/// Why a file cannot be a source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileSourceError {
    /// It cannot be opened or its first bytes cannot be read.
    #[error("cannot open file {path}: {source}; check the path and that it may be read")]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that reads it cannot be started.
    #[error("cannot start the thread that reads {path}: {source}; raise the limit on threads")]
    Thread {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is no dump of a topic, or none that can be read on.
    #[error(
        "cannot read {path} as a dump of a topic: {why}; write it with `kcat -C -J -e`, and start \
         again"
    )]
    Dump {
        /// Which file.
        path: PathBuf,
        /// Where, and why.
        why: String,
    },
    /// A dump that can be read once only.
    #[error(
        "cannot read {path} as a dump of a topic: it is no plain file, and a dump is read once for \
         each partition that is in it; write it to a file first"
    )]
    DumpIsNoFile {
        /// Which file.
        path: PathBuf,
    },
    /// A folder cannot be listed.
    #[error("cannot list folder {folder}: {source}; check the path and that it may be read")]
    Unlisted {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder or a pattern stands for no file.
    #[error(
        "there is no file to read in {name}: {looked_at} names were looked at, {left_out} of them left \
         out (those that begin with . or _, or end in .open, .tmp or .inprogress); check the path, and \
         that what writes there has finished"
    )]
    NoneFound {
        /// The folder or the pattern.
        name: PathBuf,
        /// Names that were seen.
        looked_at: usize,
        /// Those that are hidden or not finished.
        left_out: usize,
    },
    /// A folder or a pattern stands for more than is read.
    #[error(
        "cannot find the files of {name}: there are more than {most} {what}; name a part of them, or \
         look for a link that leads back"
    )]
    TooMuchFound {
        /// The folder or the pattern.
        name: PathBuf,
        /// What there is too much of.
        what: &'static str,
        /// The most that there may be.
        most: usize,
    },
    /// More files than partition numbers.
    #[error("cannot read {0} files as one source: the limit is 4294967295")]
    TooMany(usize),
}
