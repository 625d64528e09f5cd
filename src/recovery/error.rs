//! What may go wrong.

use crate::checkpoint::{CheckpointError, KeyError};
use crate::objects::ObjectError;
use thiserror::Error;

/// Why a job cannot go on from its checkpoints, or make more of them.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// The store cannot be reached.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// A checkpoint cannot be written or used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The keys cannot be read or used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The state is another job's.
    #[error(
        "cannot go on from the state in {store}: it is that of the job \"{held}\", and this is \
         \"{job}\"; give each job a store of its own: \"url\" in [state] of cluster.toml"
    )]
    OtherJob {
        /// The URL of the store.
        store: String,
        /// Whose state it is.
        held: String,
        /// Who wants it.
        job: String,
    },
    /// A history is being read into the state, and is not read to its end.
    #[error(
        "cannot go on from the state in {store}: `tidemark backfill` is not done with it; run that again \
         as it was, which goes on where it stopped, or begin with no state: another \"url\" in [state] of \
         cluster.toml"
    )]
    HistoryUnread {
        /// The URL of the store.
        store: String,
    },
    /// A history is to be read into a state that is not empty.
    #[error(
        "cannot read a history into the state in {store}: it is not empty: {held}; history comes first: \
         name an empty folder or prefix, \"url\" in [state] of cluster.toml"
    )]
    NotEmpty {
        /// The URL of the store.
        store: String,
        /// What is there.
        held: String,
    },
    /// Half of a history is there that was read from other files.
    #[error(
        "cannot go on with the history in {store}: {what}; name the files that it was begun with, in \
         their order, or begin anew: another \"url\" in [state] of cluster.toml"
    )]
    OtherHistory {
        /// The URL of the store.
        store: String,
        /// What differs.
        what: String,
    },
    /// The first process is of another run by now.
    #[error(
        "cannot go on from the state in {store}: another run of the job has taken it over since this \
         one began; start all processes again, as `tidemark up` does"
    )]
    OtherRun {
        /// The URL of the store.
        store: String,
    },
    /// The job needs of past events what was not kept of them.
    #[error(
        "cannot go on from {object} in {store}: of the events of \"{entity}\" it does not have what \
         the job needs now: {}; run the job as it was, or with `--start-empty {entity}` (past events \
         then have nothing there, and `complete_from` says from when values lack nothing), or begin \
         with no state: another \"url\" in [state] of cluster.toml", missing.join("; ")
    )]
    Changed {
        /// The entity type.
        entity: String,
        /// The object.
        object: String,
        /// The URL of the store.
        store: String,
        /// What is not there.
        missing: Vec<String>,
    },
    /// StoredLetters that were to be published cannot be.
    #[error("cannot publish the dead letters {object} in {store}: {what}; bring the object back")]
    StoredLetters {
        /// The object.
        object: String,
        /// The URL of the store.
        store: String,
        /// What is wrong.
        what: String,
    },
    /// The file of letters or a thread cannot be had.
    #[error("cannot {what}: {why}")]
    System {
        /// What was attempted.
        what: String,
        /// Why it failed.
        why: std::io::Error,
    },
}

impl RecoveryError {
    /// Whether another process has taken the state over.
    pub fn is_taken_over(&self) -> bool {
        matches!(self, RecoveryError::Checkpoint(CheckpointError::Fenced { .. }))
    }
}

pub(super) fn system(what: &str, why: std::io::Error) -> RecoveryError {
    RecoveryError::System { what: what.to_owned(), why }
}
