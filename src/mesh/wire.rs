//! A connection to another process, with TLS or without.

use super::hello::MAGIC;
use crate::peer_tls::{Arrived, HANDSHAKE, TlsFault, TlsSession};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Bytes that are read of a socket, and sealed, at once: so long one of a reader and a writer may wait for
/// the other.
const PIECE_BYTES: usize = 1 << 16;
/// Bytes of one who is refused that are read so that what was answered reaches him.
const DRAINED_BYTES_MAX: usize = 1 << 20;

/// Why a connection cannot be used.
#[derive(Debug, Error)]
pub(super) enum WireError {
    /// The system says so.
    #[error("{0}")]
    System(#[from] io::Error),
    /// No TLS where there should be.
    #[error(
        "it speaks without TLS, and this process with it: give all the same cluster.toml, with \
         \"tls_ca_file\", \"tls_cert_file\" and \"tls_key_file\" in [cluster]"
    )]
    Plain,
    /// The other way round.
    #[error(
        "it speaks TLS, and this process does not: give all the same cluster.toml, with \"tls_ca_file\", \
         \"tls_cert_file\" and \"tls_key_file\" in [cluster]"
    )]
    Secured,
    /// The two do not agree.
    #[error(
        "{0}; `tidemark check JOB --cluster FILE` says what is wrong with the files of its host, and page \
         \"cluster\" how certificates are made and renewed"
    )]
    Tls(#[from] TlsFault),
    /// It is gone before the two have agreed.
    #[error("it has ended the connection before TLS began: see its log")]
    Ended,
}

impl WireError {
    /// Whether it stays so until somebody changes settings or certificates.
    pub fn is_disagreement(&self) -> bool {
        matches!(self, WireError::Plain | WireError::Secured | WireError::Tls(_))
    }
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        match error {
            WireError::System(error) => error,
            other => io::Error::other(other),
        }
    }
}

/// See the module. Of several handles one reads and one writes.
pub(super) struct Wire {
    socket: TcpStream,
    session: Option<Arc<Mutex<TlsSession>>>,
    /// Bytes of the socket, for the session.
    piece: Vec<u8>,
    sealed: Vec<u8>,
}

impl Wire {
    /// Without TLS.
    pub fn plain(socket: TcpStream) -> Self {
        Wire { socket, session: None, piece: Vec::new(), sealed: Vec::new() }
    }

    /// With TLS by `session`, once the two have agreed: before `until`.
    ///
    /// # Errors
    /// When they do not. The other side has been told then.
    pub fn secured(
        socket: TcpStream,
        session: TlsSession,
        until: Instant,
    ) -> Result<Self, WireError> {
        let session = Some(Arc::new(Mutex::new(session)));
        let mut wire = Wire { session, ..Wire::plain(socket) };
        let mut first = true;
        loop {
            let shaken = wire.shake();
            // Also what the other side is to be told of a fault.
            let sent = wire.send_sealed();
            match shaken {
                Ok(true) => {
                    sent?;
                    return Ok(wire);
                }
                Ok(false) => sent?,
                Err(fault) => {
                    wire.drain(until);
                    return Err(fault.into());
                }
            }
            let read = wire.receive(Some(until))?;
            if read == 0 {
                return Err(WireError::Ended);
            }
            if std::mem::take(&mut first) && wire.piece.first() == MAGIC.first() {
                return Err(WireError::Plain);
            }
            wire.give(read);
        }
    }

    fn shake(&self) -> Result<bool, TlsFault> {
        self.session().map_or(Ok(true), |mut session| session.shake())
    }

    /// Another handle.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub fn again(&self) -> io::Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Wire { socket, session: self.session.clone(), piece: Vec::new(), sealed: Vec::new() })
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The session, where there is TLS.
    pub fn session(&self) -> Option<MutexGuard<'_, TlsSession>> {
        let session = self.session.as_ref()?;
        Some(session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads something into `buffer`, before `until` or for as long as the socket waits; 0: there is no more.
    ///
    /// # Errors
    /// Those of the socket, and what is wrong with TLS.
    pub fn read(&mut self, buffer: &mut [u8], until: Option<Instant>) -> Result<usize, WireError> {
        loop {
            match self.session().map(|mut session| session.open(buffer)).transpose()? {
                None => {
                    wait_until(&self.socket, until)?;
                    return Ok(self.socket.read(buffer)?);
                }
                Some(Arrived::Bytes(count)) => return Ok(count),
                Some(Arrived::End) => return Ok(0),
                Some(Arrived::Nothing) => {}
            }
            let read = self.receive(until)?;
            if read == 0 {
                return Ok(0);
            }
            self.give(read);
        }
    }

    /// Sends `bytes`.
    ///
    /// # Errors
    /// Those of the socket, and what is wrong with TLS.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        if self.session.is_none() {
            return Ok(self.socket.write_all(bytes)?);
        }
        for piece in bytes.chunks(PIECE_BYTES) {
            if let Some(mut session) = self.session() {
                session.seal(piece)?;
            }
            self.send_sealed()?;
        }
        Ok(())
    }

    /// Waits until the other side has gone, so that what it was told arrives: what is unread when a socket is
    /// closed takes that with it.
    pub fn drain(&mut self, until: Instant) {
        let _ = self.socket.shutdown(Shutdown::Write);
        let mut drained = 0;
        while drained < DRAINED_BYTES_MAX {
            match self.receive(Some(until)) {
                Ok(0) | Err(_) => return,
                Ok(read) => drained += read,
            }
        }
    }

    fn receive(&mut self, until: Option<Instant>) -> io::Result<usize> {
        self.piece.resize(PIECE_BYTES, 0);
        wait_until(&self.socket, until)?;
        self.socket.read(&mut self.piece)
    }

    /// Gives the session what was received.
    fn give(&mut self, read: usize) {
        if let Some(mut session) = self.session() {
            session.give(self.piece.get(..read).unwrap_or_default());
        }
    }

    fn send_sealed(&mut self) -> io::Result<()> {
        let mut sealed = std::mem::take(&mut self.sealed);
        if let Some(mut session) = self.session() {
            session.take(&mut sealed);
        }
        let sent = self.socket.write_all(&sealed);
        self.sealed = sealed;
        sent
    }
}

/// Whether `bytes` begin as those of TLS do.
pub(super) fn is_tls(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|byte| *byte == HANDSHAKE)
}

/// Has the next read of a socket end at `until`.
fn wait_until(socket: &TcpStream, until: Option<Instant>) -> io::Result<()> {
    let Some(until) = until else { return Ok(()) };
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => socket.set_read_timeout(Some(left)),
    }
}
