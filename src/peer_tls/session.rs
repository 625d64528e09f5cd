//! One side of a connection with TLS, without a socket: bytes go in and come out.

use openssl::error::ErrorStack;
use openssl::ssl::{Error, ErrorCode, Ssl, SslRef, SslStream};
use openssl::stack::Stack;
use openssl::x509::{X509, X509VerifyResult};
use std::io::{self, Read, Write};
use thiserror::Error as Fault;

/// The first byte of all that is TLS: of the handshake that begins it.
pub const HANDSHAKE: u8 = 0x16;

/// What is wrong with a connection, in words that follow on the name of the other side.
#[derive(Clone, Debug, PartialEq, Eq, Fault)]
pub enum TlsFault {
    /// The certificate of the other side is not taken.
    #[error("its certificate is not taken: {0}")]
    Theirs(String),
    /// The other side does not take the certificate of this one.
    #[error("it does not take the certificate of this process: {0}")]
    Ours(String),
    /// Something else does not fit.
    #[error("TLS with it failed: {0}")]
    Protocol(String),
}

/// What has come of the bytes that were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// So many bytes of what was said.
    Bytes(usize),
    /// Nothing yet: more bytes are needed.
    Nothing,
    /// The other side says no more.
    End,
}

/// See the module. What it holds is bounded by what it is given at once: bytes that came are given when
/// there is nothing left to read of those before, and what is to be sent is taken after each call.
pub struct TlsSession {
    stream: SslStream<Pipes>,
}

/// Bytes on their way between the library and a socket.
#[derive(Default)]
struct Pipes {
    arrived: Vec<u8>,
    /// So many of those have been read.
    read: usize,
    to_send: Vec<u8>,
}

impl Read for Pipes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = self.arrived.get(self.read..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        match (rest.get(..count), buffer.get_mut(..count)) {
            (Some(from), Some(to)) if count > 0 => to.copy_from_slice(from),
            _ => return Err(io::ErrorKind::WouldBlock.into()),
        }
        self.read += count;
        Ok(count)
    }
}

impl Write for Pipes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_send.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsSession {
    pub(super) fn new(ssl: Ssl) -> Result<Self, ErrorStack> {
        Ok(TlsSession { stream: SslStream::new(ssl, Pipes::default())? })
    }

    /// Takes bytes that came from the other side.
    pub fn give(&mut self, bytes: &[u8]) {
        let pipes = self.stream.get_mut();
        pipes.arrived.drain(..pipes.read);
        pipes.read = 0;
        pipes.arrived.extend_from_slice(bytes);
    }

    /// Puts what is to be sent to the other side into `into`, in place of what is there.
    pub fn take(&mut self, into: &mut Vec<u8>) {
        into.clear();
        std::mem::swap(into, &mut self.stream.get_mut().to_send);
    }

    /// Goes on with the handshake; whether it is over.
    ///
    /// # Errors
    /// When a certificate is not taken, or the other side speaks something else.
    pub fn shake(&mut self) -> Result<bool, TlsFault> {
        match self.stream.do_handshake() {
            Ok(()) => Ok(true),
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(false),
            Err(error) => Err(fault(self.stream.ssl(), &error)),
        }
    }

    /// Reads what was said into `buffer`.
    ///
    /// # Errors
    /// As [`TlsSession::shake`], which it does where it is not over.
    pub fn open(&mut self, buffer: &mut [u8]) -> Result<Arrived, TlsFault> {
        match self.stream.ssl_read(buffer) {
            Ok(count) => Ok(Arrived::Bytes(count)),
            Err(error) => match error.code() {
                ErrorCode::WANT_READ => Ok(Arrived::Nothing),
                ErrorCode::ZERO_RETURN => Ok(Arrived::End),
                _ => Err(fault(self.stream.ssl(), &error)),
            },
        }
    }

    /// Says `bytes`: they are to be sent then.
    ///
    /// # Errors
    /// When the connection is broken, or the handshake not over.
    pub fn seal(&mut self, mut bytes: &[u8]) -> Result<(), TlsFault> {
        while !bytes.is_empty() {
            let said = self.stream.ssl_write(bytes);
            let said = said.map_err(|error| fault(self.stream.ssl(), &error))?;
            bytes = bytes.get(said..).unwrap_or_default();
        }
        Ok(())
    }

    /// The certificate that the other side has shown, with those between it and an authority.
    pub(super) fn shown(&self) -> Result<Option<(X509, Stack<X509>)>, ErrorStack> {
        let ssl = self.stream.ssl();
        let Some(shown) = ssl.peer_certificate() else { return Ok(None) };
        let mut chain = Stack::new()?;
        for between in ssl.peer_cert_chain().into_iter().flatten() {
            chain.push(between.to_owned())?;
        }
        Ok(Some((shown, chain)))
    }
}

/// What `error` says of a connection.
fn fault(ssl: &SslRef, error: &Error) -> TlsFault {
    let verdict = ssl.verify_result();
    if verdict != X509VerifyResult::OK {
        return TlsFault::Theirs(verdict.error_string().to_owned());
    }
    let reasons = error.ssl_error().map(ErrorStack::errors).unwrap_or_default();
    let reason = reasons.iter().find_map(openssl::error::Error::reason).map(str::to_owned);
    let reason = reason.unwrap_or_else(|| error.to_string());
    match reason.split_once("alert ") {
        Some((_, alert)) if is_of_certificate(alert) => TlsFault::Ours(alert.to_owned()),
        _ if reason.contains("did not return a certificate") => {
            TlsFault::Theirs("it shows none".to_owned())
        }
        _ => TlsFault::Protocol(reason),
    }
}

/// Whether the other side means the certificate of this one.
fn is_of_certificate(alert: &str) -> bool {
    alert.contains("certificate") || alert.contains("unknown ca")
}
