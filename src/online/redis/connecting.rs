//! Connections that are made in time.
//!
//! The `redis` crate bounds how long a TCP connection takes, and not how long the server's side of a TLS
//! handshake does: a server that takes connections and says nothing, or one that speaks no TLS, would keep
//! whoever asks for ever. So such a connection is made by a thread of its own, which is waited for no longer
//! than a connection may take. One that hangs ends when the server closes the connection.

use redis::{Client, Connection, RedisError};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// Handshakes of this process that may hang. While so many do, no other one is begun.
const HANGING_MAX: usize = 16;

/// How many there are.
static HANDSHAKES: AtomicUsize = AtomicUsize::new(0);

/// A handshake that is counted.
struct Handshake;

impl Handshake {
    fn begin() -> Option<Handshake> {
        let begun = HANDSHAKES.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |hanging| {
            (hanging < HANGING_MAX).then_some(hanging + 1)
        });
        begun.is_ok().then_some(Handshake)
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        HANDSHAKES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connects `client`, whose server speaks TLS, within about `timeout`.
///
/// # Errors
/// When it is not connected by then.
pub(super) fn connect(client: Client, timeout: Duration) -> Result<Connection, RedisError> {
    let Some(counted) = Handshake::begin() else {
        let why = format!(
            "{HANGING_MAX} TLS handshakes hang: the server takes connections and says nothing"
        );
        return Err(io::Error::other(why).into());
    };
    let (sender, receiver) = sync_channel(1);
    let handshake = move || {
        let connection = client.get_connection_with_timeout(timeout);
        drop(counted);
        // Who asked may have given up.
        let _ = sender.send(connection);
    };
    std::thread::Builder::new().name("redis-tls".to_owned()).spawn(handshake)?;
    match receiver.recv_timeout(timeout) {
        Ok(connection) => connection,
        Err(RecvTimeoutError::Timeout) => {
            let why = format!(
                "the TLS handshake has not ended within {} ms; does the server speak TLS on this port?",
                timeout.as_millis()
            );
            Err(io::Error::other(why).into())
        }
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the thread of the TLS handshake is gone").into())
        }
    }
}
