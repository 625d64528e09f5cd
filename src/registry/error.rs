//! What can be wrong before anything is asked.

use std::path::PathBuf;
use thiserror::Error;

/// Why schemas cannot be had from a registry or a folder.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No address of a registry.
    #[error("the schema registry has no address: set \"url\" in [registry] of cluster.toml")]
    NoAddress,
    /// A file that signs in or vouches for the registry.
    #[error("cannot use {what} of the schema registry, \"{path}\": {why}; correct [registry]")]
    File {
        /// What it is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why. Free of secrets.
        why: String,
    },
    /// The thread cannot be had.
    #[error("could not start the thread of the schema registry: {0}; raise the limit on threads")]
    Thread(std::io::Error),
    /// The folder of schemas cannot be read.
    #[error(
        "cannot read the folder of schemas \"{path}\": {why}; correct \"schemas\" in [registry]"
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file in the folder of schemas is none.
    #[error("the schema file \"{path}\" cannot be used: {why}")]
    SchemaFile {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
}
