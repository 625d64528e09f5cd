//! Why something could not be done with an object.

use std::io;
use thiserror::Error;

/// Something could not be done with an object.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// The URL of a store is none, or the store cannot be used.
    #[error(
        "could not open the store {url}: {why}; name a folder, file:///FOLDER or s3://BUCKET/PREFIX"
    )]
    Store {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A name is none.
    #[error(
        "could not {attempt} object {name:?} in {store}: it is no name of an object; its parts are \
         letters, digits and . _ = - with / between them"
    )]
    Name {
        /// What was attempted.
        attempt: &'static str,
        /// The name.
        name: String,
        /// The URL of the store.
        store: String,
    },
    /// The store did not do it.
    #[error("could not {attempt} object {name} in {store}: {why}; {next}")]
    Failed {
        /// What was attempted.
        attempt: &'static str,
        /// The object's name, or the beginning of several.
        name: String,
        /// The URL of the store.
        store: String,
        /// Why it failed.
        why: String,
        /// What to do.
        next: &'static str,
    },
}

impl ObjectError {
    /// Of a store that cannot be used.
    pub(super) fn store(url: &str, why: impl ToString) -> Self {
        // A bucket's name and prefix have neither: somebody may have put a key before it.
        let shown = match url.split_once("://") {
            Some((scheme, rest)) if scheme != "file" && rest.contains(['@', ':']) => {
                format!("{scheme}://***")
            }
            _ => url.to_owned(),
        };
        ObjectError::Store { url: shown, why: why.to_string() }
    }

    /// Of a failure of the operating system.
    pub(super) fn system(
        attempt: &'static str,
        name: &str,
        store: &str,
        error: &io::Error,
    ) -> Self {
        let next = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "make room there, or keep the state elsewhere"
            }
            io::ErrorKind::PermissionDenied => {
                "let the user of this process read and write in that folder"
            }
            io::ErrorKind::ReadOnlyFilesystem => "keep the state where it can be written",
            io::ErrorKind::Unsupported => {
                "the file system has no hard links: keep the state on one that has, or in a bucket"
            }
            _ => "look at the disk and the log of the system",
        };
        ObjectError::Failed {
            attempt,
            name: name.to_owned(),
            store: store.to_owned(),
            why: error.to_string(),
            next,
        }
    }
}
