//! What two processes say to each other before anything else.
//!
//! A message is eight fixed bytes, its length (four bytes, big-endian, at most [`MESSAGE_BYTES_MAX`]) and
//! so many bytes of JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long a greeting may take; whoever has not said it by then is cut off.
pub const HELLO_WITHIN: Duration = Duration::from_secs(2);

/// What every message begins with.
const MAGIC: &[u8; 8] = b"tdmkmesh";
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
pub(super) fn say(to: &mut TcpStream, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message).map_err(io::Error::other)?;
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&text);
    to.write_all(&bytes)
}

/// Waits for a message, for [`HELLO_WITHIN`] at most.
pub(super) fn hear<T: DeserializeOwned>(from: &mut TcpStream) -> io::Result<T> {
    let until = Instant::now() + HELLO_WITHIN;
    let mut head = [0; 12];
    fill(from, &mut head, until)?;
    let (magic, length) = head.split_at(MAGIC.len());
    let length = length.try_into().map(u32::from_be_bytes).map_err(io::Error::other)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if magic != MAGIC || length > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no process of a cluster"));
    }
    let mut text = vec![0; length];
    fill(from, &mut text, until)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Fills `buffer` before `until`.
fn fill(from: &mut TcpStream, buffer: &mut [u8], until: Instant) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        from.set_read_timeout(Some(left))?;
        match from.read(rest)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}
