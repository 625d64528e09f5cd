//! Signs of life for whoever started the process: systemd (`Type=notify`, `WatchdogSec`), which names a
//! socket in `NOTIFY_SOCKET`, or `tidemark up`, which holds the other end of standard input. Whoever hears
//! none for long starts the process again.
//!
//! A sign that cannot be sent at once is left out: the next one comes a second later, and who waits for it
//! waits for many.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::time::Duration;

/// What systemd calls the variable with the address of its socket.
pub(crate) const SOCKET: &str = "NOTIFY_SOCKET";
/// For so long a sign for `tidemark up` may wait for room.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where signs of life go.
#[derive(Debug, Default)]
pub struct LifeSigns(Option<Hearer>);

#[derive(Debug)]
enum Hearer {
    /// systemd.
    Service(UnixDatagram),
    /// `tidemark up`.
    Supervisor(UnixStream),
}

impl LifeSigns {
    /// To systemd, where it started the process as a service that is to tell; else to nobody.
    pub fn to_service() -> LifeSigns {
        let Some(name) = std::env::var_os(SOCKET).filter(|name| !name.is_empty()) else {
            return LifeSigns(None);
        };
        match service(&name) {
            Ok(socket) => LifeSigns(Some(Hearer::Service(socket))),
            Err(error) => {
                tracing::warn!(
                    "cannot tell {name:?}, which {SOCKET} names, that this process lives: {error}"
                );
                LifeSigns(None)
            }
        }
    }

    /// To who holds the other end of standard input, where that is a socket; else to nobody.
    pub fn to_supervisor() -> LifeSigns {
        let own = std::io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from);
        let socket = own.and_then(|socket| {
            socket.peer_addr()?;
            // What is read of it is waited for, by who listens to the supervisor.
            socket.set_write_timeout(Some(PATIENCE))?;
            Ok(socket)
        });
        LifeSigns(socket.ok().map(Hearer::Supervisor))
    }

    /// The process has started: from now on signs are waited for.
    pub fn ready(&self) {
        self.give("READY=1\n");
    }

    /// It lives, and nothing in it stands still.
    pub fn alive(&self) {
        self.give("WATCHDOG=1\n");
    }

    /// It was asked to end, and does.
    pub fn ending(&self) {
        self.give("STOPPING=1\n");
    }

    fn give(&self, sign: &str) {
        // Who has gone hears none; that it has is noticed elsewhere.
        let _ = match &self.0 {
            None => return,
            Some(Hearer::Service(socket)) => socket.send(sign.as_bytes()).map(drop),
            Some(Hearer::Supervisor(socket)) => {
                let mut socket = socket;
                socket.write_all(sign.as_bytes())
            }
        };
    }
}

/// The socket of systemd: a file, or a name that begins with `@`.
fn service(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = match name.as_bytes().split_first() {
        Some((b'@', name)) => abstract_address(name)?,
        _ => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    #[test]
    fn systemd_hears_signs_by_a_file_and_by_a_name() {
        let file = std::env::temp_dir().join(format!("tidemark-signs-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let name = format!("@tidemark-signs-{}", std::process::id());
        let named = SocketAddr::from_pathname(&file).unwrap();
        let hidden = abstract_address(&name.as_bytes()[1..]).unwrap();
        for (name, address) in [(file.as_os_str(), named), (OsStr::new(&name), hidden)] {
            let socket = UnixDatagram::bind_addr(&address).unwrap();
            let signs = LifeSigns(Some(Hearer::Service(service(name).unwrap())));
            signs.ready();
            signs.alive();
            signs.ending();
            let all: Vec<_> = (0..3).map(|_| heard(&socket)).collect();
            assert_eq!(all, ["READY=1\n", "WATCHDOG=1\n", "STOPPING=1\n"]);
        }
        std::fs::remove_file(&file).unwrap();
        assert!(service(file.as_os_str()).is_err(), "nobody is there");
    }

    #[test]
    fn who_hears_nothing_any_more_holds_nobody_up() {
        let (own, other) = UnixStream::pair().unwrap();
        own.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
        let signs = LifeSigns(Some(Hearer::Supervisor(own)));
        // More than the socket has room for.
        (0..3_000).for_each(|_| signs.alive());
        drop(other);
        signs.alive();
        LifeSigns::default().alive();
    }
}
