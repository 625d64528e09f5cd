//! What two processes say to each other before anything else.
//!
//! A message is eight fixed bytes, its length (four bytes, big-endian, at most [`MESSAGE_BYTES_MAX`]) and
//! so many bytes of JSON.

use super::wire::{Wire, WireError, is_tls};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io;
use std::time::{Duration, Instant};

/// How long a greeting may take, that of TLS included; whoever has not said it by then is cut off.
pub const HELLO_WITHIN: Duration = Duration::from_secs(2);

/// What every message begins with.
pub(super) const MAGIC: &[u8; 8] = b"tdmkmesh";
/// The longest message.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What the one who connects says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Its version.
    pub version: String,
    /// What it computes, and how: equal only for the same job and settings.
    pub fingerprint: String,
    /// Processes, and workers in each.
    pub shape: (usize, usize),
    /// Which process it is.
    pub process: usize,
    /// Which run it takes part in; `None`: it has not been told yet.
    pub run: Option<String>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Welcome {
    /// It takes part in this run.
    Run(String),
    /// It does not yet: it may try again.
    Later(String),
    /// It never will.
    Never(String),
}

/// Sends a message.
pub(super) fn say(to: &mut Wire, message: &impl Serialize) -> Result<(), WireError> {
    let text = serde_json::to_vec(message).map_err(io::Error::other)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&text);
    to.write_all(&bytes)
}

/// Waits for a message, until `until` at most.
pub(super) fn hear<T: DeserializeOwned>(from: &mut Wire, until: Instant) -> Result<T, WireError> {
    let mut head = [0; 12];
    fill(from, &mut head, until)?;
    let (magic, length) = head.split_at(MAGIC.len());
    let length = length.try_into().map(u32::from_be_bytes).map_err(io::Error::other)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if magic != MAGIC && is_tls(magic) && from.session().is_none() {
        return Err(WireError::Secured);
    }
    if magic != MAGIC || length > MESSAGE_BYTES_MAX {
        let stranger = "it is no process of a cluster";
        return Err(io::Error::new(io::ErrorKind::InvalidData, stranger).into());
    }
    let mut text = vec![0; length];
    fill(from, &mut text, until)?;
    Ok(serde_json::from_slice(&text).map_err(io::Error::other)?)
}

/// Fills `buffer` before `until`.
fn fill(from: &mut Wire, buffer: &mut [u8], until: Instant) -> Result<(), WireError> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest, Some(until))? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            read => filled += read,
        }
    }
    Ok(())
}
