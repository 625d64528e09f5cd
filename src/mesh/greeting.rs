//! The first words of a connection, from both sides: TLS where there is some, and who one is.

use super::hello::{HELLO_WITHIN, Hello, Welcome, hear, say};
use super::wire::{Wire, WireError};
use crate::peer_tls::IdentitySource;
use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Instant;

/// Connects to the process at `address` and says `hello`; what is answered.
///
/// # Errors
/// When nobody is there, or the two sides do not agree on TLS.
pub(super) fn greet(
    address: &str,
    hello: &Hello,
    identity: Option<&IdentitySource>,
) -> Result<(Wire, Welcome), WireError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for at in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&at, HELLO_WITHIN) {
            Ok(socket) => {
                let until = Instant::now() + HELLO_WITHIN;
                let mut wire = match identity {
                    None => Wire::plain(socket),
                    Some(identity) => {
                        let session = identity.current().connecting(host(address));
                        Wire::secured(socket, session.map_err(io::Error::other)?, until)?
                    }
                };
                say(&mut wire, hello)?;
                let welcome = hear(&mut wire, until)?;
                return Ok((wire, welcome));
            }
            Err(error) => last = error,
        }
    }
    Err(last.into())
}

/// Listens to one who has connected. Whoever speaks TLS where this process does not, or the other way round, is told
/// so in words that he knows.
///
/// # Errors
/// When he is no process of the cluster.
pub(super) fn greeted(
    socket: TcpStream,
    identity: Option<&IdentitySource>,
) -> Result<(Hello, Wire), WireError> {
    socket.set_nonblocking(false)?;
    let until = Instant::now() + HELLO_WITHIN;
    let again = socket.try_clone()?;
    let listen = || -> Result<(Hello, Wire), WireError> {
        let mut wire = match identity {
            None => Wire::plain(socket),
            Some(identity) => {
                let session = identity.current().accepting().map_err(io::Error::other)?;
                Wire::secured(socket, session, until)?
            }
        };
        Ok((hear(&mut wire, until)?, wire))
    };
    let heard = listen();
    let so = match &heard {
        Err(WireError::Plain) => "it speaks TLS only",
        Err(WireError::Secured) => "it speaks without TLS",
        _ => return heard,
    };
    let mut plain = Wire::plain(again);
    let why = format!("{so}: give all the same cluster.toml, with the same of TLS in [cluster]");
    // Whoever does not listen is not told.
    if say(&mut plain, &Welcome::Never(why)).is_ok() {
        plain.drain(until);
    }
    heard
}

/// Why who says `hello` over `wire` is not the process of `address`, by his certificate; `None`: he is, or
/// there is no TLS.
pub(super) fn is_another(
    wire: &Wire,
    (hello, address): (&Hello, &str),
    identity: Option<&IdentitySource>,
) -> Option<String> {
    let identity = identity?.current();
    let shown = match wire.session() {
        Some(session) => identity.is_of(&session, host(address)),
        None => return Some("it speaks without TLS".to_owned()),
    };
    let why = shown.unwrap_or_else(|error| Some(error.to_string()))?;
    Some(format!(
        "its certificate is not that of process {} at {address} ({why}); give it one that has this host \
         as a subject alternative name, and all the same cluster.toml",
        hello.process
    ))
}

/// The host of `host:port`.
fn host(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}
