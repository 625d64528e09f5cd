//! Why a part of a checkpoint cannot be written or used.

use crate::objects::ObjectError;
use std::fmt;
use thiserror::Error;

/// A part of a checkpoint cannot be written or used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The store did not do it.
    #[error(transparent)]
    Objects(#[from] ObjectError),
    /// An object is not what was written.
    #[error(transparent)]
    Damaged(#[from] DamagedObject),
    /// A newer program has written an object.
    #[error(
        "could not read {object} in {store}: it has format {format}, and this program knows \
         {known} and older; run the version that wrote it, or a newer one"
    )]
    Newer {
        /// The object.
        object: String,
        /// The URL of the store.
        store: String,
        /// Its format.
        format: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// It cannot be decrypted, or not be encrypted.
    #[error(transparent)]
    Key(#[from] super::encryption::KeyError),
    /// Another process has taken over.
    #[error(
        "could not write manifest {sequence} of generation {generation} in {store}: {by} is there; \
         another process has taken over this state, so this one must end"
    )]
    Fenced {
        /// The sequence number.
        sequence: u64,
        /// The generation that it was to have.
        generation: u64,
        /// The URL of the store.
        store: String,
        /// What is there instead.
        by: String,
    },
    /// What is to be written is none.
    #[error("could not write {object}: {why}; this is a defect of tidemark, please report it")]
    Unwritable {
        /// The object.
        object: String,
        /// What is wrong.
        why: String,
    },
}

/// An object is not what was written.
#[derive(Debug, Error)]
#[error(
    "could not use {object} in {store}: {place}{what}; bring it back from a copy of the store, and \
     look for other faults with `tidemark checkpoint verify`"
)]
pub struct DamagedObject {
    /// The object.
    pub object: String,
    /// The URL of the store.
    pub store: String,
    /// Where in it.
    pub place: DamagePlace,
    /// What is wrong there.
    pub what: String,
}

/// Where an object is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagePlace {
    /// As a whole.
    Whole,
    /// In its last bytes.
    Trailer,
    /// In what describes the blocks.
    Footer,
    /// In a block.
    Block {
        /// Its number, from 0.
        number: usize,
        /// Where it begins.
        offset: u64,
    },
}

impl fmt::Display for DamagePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamagePlace::Whole => Ok(()),
            DamagePlace::Trailer => f.write_str("in its last bytes, "),
            DamagePlace::Footer => f.write_str("in its footer, "),
            DamagePlace::Block { number, offset } => {
                write!(f, "in block {number} at byte {offset}, ")
            }
        }
    }
}
