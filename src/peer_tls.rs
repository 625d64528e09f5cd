//! TLS between the processes of a cluster: who each of them is, and what goes over a connection.
//!
//! ```text
//!  ca, certificate, key ──> PeerIdentity ──> TlsSession <── bytes of a socket ──> what was said
//! ```
//!
//! Both sides show a certificate of an authority that the other one knows, for the host that `[cluster]` gives
//! the process: whoever has none is no process of the cluster, and one with the certificate of another host
//! cannot stand for this one. TLS is of version 1.3.
//!
//! # Why this way
//!
//! - A session knows no socket: bytes go in and out of memory. So one and the same serves threads that
//!   wait (the connections of workers, which read and write at the same time) and the server of HTTP, which
//!   does not; and no thread waits for the network while another one needs the session.
//! - Files are read anew when somebody needs them and the last time is over [`READ_EVERY`]: a certificate that
//!   is renewed counts for every connection that is made from then on, without a restart.
//! - OpenSSL, as for all other servers: one library that has to be kept new.

mod identity;
mod session;

pub use identity::{IdentityError, IdentityFiles, PeerIdentity};
pub use session::{Arrived, HANDSHAKE, TlsFault, TlsSession};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often files are looked at, at most.
pub const READ_EVERY: Duration = Duration::from_secs(1);

/// The identity of a process, as its files have it now.
pub struct IdentitySource {
    files: IdentityFiles,
    /// The host that `[cluster]` gives this process.
    host: String,
    newest: Mutex<Newest>,
}

struct Newest {
    identity: Arc<PeerIdentity>,
    looked: Instant,
    /// What was wrong with the files at the last look.
    wrong: Option<String>,
}

impl fmt::Debug for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentitySource").field("files", &self.files).finish_non_exhaustive()
    }
}

impl IdentitySource {
    /// That of the process of `host`, in `files`.
    ///
    /// # Errors
    /// When one cannot be read, they do not fit each other, the certificate is not valid now, or it is not
    /// for `host`.
    pub fn read(files: IdentityFiles, host: &str) -> Result<Self, IdentityError> {
        let identity = Self::of_host(&files, host)?;
        let newest = Newest { identity: Arc::new(identity), looked: Instant::now(), wrong: None };
        Ok(IdentitySource { files, host: host.to_owned(), newest: Mutex::new(newest) })
    }

    fn of_host(files: &IdentityFiles, host: &str) -> Result<PeerIdentity, IdentityError> {
        let identity = PeerIdentity::read(files)?;
        identity.is_for(host)?;
        Ok(identity)
    }

    /// As the files have it now. While they are wrong it stays what it was, and the log says why.
    pub fn current(&self) -> Arc<PeerIdentity> {
        let mut newest = self.newest();
        if newest.looked.elapsed() >= READ_EVERY {
            newest.looked = Instant::now();
            match Self::of_host(&self.files, &self.host) {
                Ok(identity) => {
                    newest.wrong = None;
                    if identity != *newest.identity {
                        let certificate = self.files.certificate.display();
                        tracing::info!(%certificate, "the certificate of this process was renewed");
                        newest.identity = Arc::new(identity);
                    }
                }
                Err(why) => {
                    let why = why.to_string();
                    if newest.wrong.as_ref() != Some(&why) {
                        tracing::warn!("the certificate of this process stays what it was: {why}");
                        newest.wrong = Some(why);
                    }
                }
            }
        }
        Arc::clone(&newest.identity)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod authority;
#[cfg(test)]
mod tests;
