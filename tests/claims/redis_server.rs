//! Real servers for tests: each test starts its own, on a free loopback port and in a folder of its
//! own, and it ends with the test. A missing server fails the test.

use crate::folder::Folder;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start before the test gives up.
const START: Duration = Duration::from_secs(30);

/// A port that nobody has, and that no other test of this run is given: who stops a server and starts
/// it again finds it free.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of so many, one after the other. Below the range that outgoing connections are given, and that
/// in which scripts look for theirs.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let begun = std::process::id().wrapping_mul(31);
        let next = NEXT.fetch_add(count.into(), Ordering::Relaxed).wrapping_add(begun);
        let first = 10_000 + u16::try_from(next % 9_000).unwrap();
        if (first..).take(count.into()).all(is_free) {
            return first;
        }
    }
}

/// A Redis server.
pub struct Redis {
    pub port: u16,
    pub folder: Folder,
    child: Option<Child>,
}

impl Redis {
    /// Starts one; `arguments` as on its command line.
    pub fn start(arguments: &[&str]) -> Redis {
        let mut redis = Redis { port: free_port(), folder: Folder::new("redis"), child: None };
        redis.start_again(arguments);
        redis
    }

    /// One that is not there yet: its port is known, and nothing listens.
    pub fn planned() -> Redis {
        Redis { port: free_port(), folder: Folder::new("redis"), child: None }
    }

    /// Starts it on the same port, with the data its folder has.
    pub fn start_again(&mut self, arguments: &[&str]) {
        let port = self.port.to_string();
        let folder = self.folder.path().display().to_string();
        let own = ["--bind", "127.0.0.1", "--save", "", "--dir", &folder, "--loglevel", "warning"];
        let tls = arguments.contains(&"--tls-port");
        let child = Command::new("redis-server")
            .args(if tls { ["--port", "0"] } else { ["--port", &port] })
            .args(own)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start redis-server ({e}); run scripts/setup first"));
        self.child = Some(child);
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(started.elapsed() < START, "redis-server does not listen on {port}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// As a power cut would end it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops (`STOP`) or goes on (`CONT`): a server that hangs.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// A connection of the test's own.
    pub fn client(&self) -> redis::Connection {
        self.client_at(&format!("redis://127.0.0.1:{}", self.port))
    }

    pub fn client_at(&self, url: &str) -> redis::Connection {
        let client = redis::Client::open(url).unwrap();
        let started = Instant::now();
        loop {
            match client.get_connection() {
                Ok(connection) => return connection,
                Err(e) => assert!(started.elapsed() < START, "{e}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
