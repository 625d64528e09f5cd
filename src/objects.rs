//! Objects: byte strings with names, which outlive the process.
//!
//! A store is named by a URL: a folder (`file:///var/lib/tidemark`, or its plain path) or a bucket of an
//! S3-compatible service (`s3://bucket/prefix`). The names of objects are relative: parts with `/`
//! between them, of letters, digits and `.`, `_`, `=`, `-`, no part beginning with `.`; at most
//! [`NAME_BYTES_MAX`] bytes.
//!
//! What is written stays written: a call that creates, replaces or deletes an object returns when
//! that survives a loss of power.
//!
//! Why this way: what stores are used for here needs six calls. The crate `object_store` has many
//! more, with an asynchronous runtime and a second TLS stack, and doubles the time of a build.

mod error;
mod local;
mod name;
mod s3;

pub use error::ObjectError;
pub use local::LocalObjects;
pub use name::{NAME_BYTES_MAX, is_name};
pub use s3::{S3Objects, S3Settings, SecretKey};

use crate::text::hex;
use std::io;
use std::path::Path;

/// How many objects one listing may hold.
pub const LISTED_MAX: usize = 1_000_000;

/// What became of an object that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Creation {
    /// It was created, with these bytes.
    Created,
    /// One of its name is there, and stays as it is.
    Exists,
}

/// An object of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedObject {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
}

/// A store of objects. Several threads and processes may use one at the same time.
///
/// # Errors
/// Every call fails when the store cannot be reached or refuses, or the name is none.
pub trait Objects: Send + Sync {
    /// Where it is, for messages: its URL, without secrets.
    fn url(&self) -> &str;

    /// Creates an object, unless one of that name exists. Of several that create it at the same
    /// time one does, and nobody ever sees a part of it.
    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<Creation, ObjectError>;

    /// Creates or replaces an object; a reader sees the old one or the new one.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), ObjectError>;

    /// An object's bytes; `None`: there is none of that name.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, ObjectError>;

    /// An object's bytes from place `from` up to `to`, fewer where it ends before; `None`: there is
    /// none of that name.
    fn get_range(&self, name: &str, from: u64, to: u64) -> Result<Option<Vec<u8>>, ObjectError>;

    /// All objects whose names begin with `prefix`, in the order of their names; at most
    /// [`LISTED_MAX`]. Names that [are none](is_name) are passed over.
    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, ObjectError>;

    /// Deletes an object; that there is none of that name is no error.
    fn delete(&self, name: &str) -> Result<(), ObjectError>;

    /// Removes what writers that crashed have left in the store without a name, where that is older
    /// than a day; how many there were.
    fn remove_leftovers(&self) -> Result<u64, ObjectError> {
        Ok(0)
    }
}

/// What becomes of a folder that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It is made.
    Made,
    /// It is an error.
    Refused,
}

/// Opens the store that `url` names. How a bucket's service is reached says the environment: see
/// [`S3Settings::from_environment`].
///
/// # Errors
/// When `url` is none, or the folder is not there or cannot be made. A bucket is not asked for before
/// it is used.
pub fn open(url: &str, absent: Absent) -> Result<Box<dyn Objects>, ObjectError> {
    let folder = |path: &str| -> Result<Box<dyn Objects>, ObjectError> {
        Ok(Box::new(match absent {
            Absent::Made => LocalObjects::create(Path::new(path))?,
            Absent::Refused => LocalObjects::open(Path::new(path))?,
        }))
    };
    match url.split_once("://") {
        Some(("s3", _)) => Ok(Box::new(S3Objects::open(url, &S3Settings::from_environment()?)?)),
        Some(("file", path)) if path.starts_with('/') => folder(path),
        None if !url.is_empty() => folder(url),
        _ => Err(ObjectError::store(url, "no kind of store has such a URL")),
    }
}

/// 32 hexadecimal digits that nobody has made before: what tells writers of one store apart.
///
/// # Errors
/// When there are no random bytes to be had.
pub fn unique_text() -> io::Result<String> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes).map_err(io::Error::other)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;
