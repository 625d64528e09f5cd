//! Clients that ask as soon as they are answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// What they saw.
pub struct Load {
    /// How long each answer took, in microseconds, in order of length.
    pub took: Vec<u64>,
    /// How many of them said that there is none now (503).
    pub unavailable: usize,
}

impl Load {
    /// Questions that were answered.
    pub fn count(&self) -> f64 {
        self.took.len() as f64
    }

    /// The time within which `per_mille` of a thousand answers came, in us.
    pub fn quantile(&self, per_mille: usize) -> f64 {
        let at = (self.took.len() * per_mille / 1_000).min(self.took.len() - 1);
        self.took[at] as f64
    }
}

/// A request with all of its head, as bytes.
pub fn request(line: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{line} HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// `clients` send `requests` in turn, each over a connection of its own, for so long.
pub fn ask(port: u16, requests: &[Vec<u8>], clients: usize, length: Duration) -> Load {
    let until = Instant::now() + length;
    let answers: Vec<(u64, bool)> = std::thread::scope(|scope| {
        let client = |at: usize| {
            scope.spawn(move || {
                let turn = requests.iter().cycle().skip(at * requests.len() / clients);
                let mut client = Client::open(port);
                let mut took = Vec::new();
                for request in turn {
                    let sent = Instant::now();
                    if sent >= until {
                        break;
                    }
                    client.ask(request);
                    took.push((sent.elapsed().as_micros() as u64, client.unavailable));
                }
                took
            })
        };
        let clients: Vec<_> = (0..clients).map(client).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let unavailable = answers.iter().filter(|(_, unavailable)| *unavailable).count();
    let mut took: Vec<u64> = answers.into_iter().map(|(took, _)| took).collect();
    took.sort_unstable();
    assert!(took.len() > unavailable, "port {port} has answered nothing");
    Load { took, unavailable }
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
    /// Whether the last answer said that there is none now (503).
    pub unavailable: bool,
}

impl Client {
    pub fn open(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        Client { stream, answer: Vec::with_capacity(1 << 16), unavailable: false }
    }

    /// The body of the answer, which must be 200 or 503.
    pub fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream.write_all(request).unwrap();
        self.answer.clear();
        let mut piece = [0; 1 << 14];
        loop {
            let count = self.stream.read(&mut piece).unwrap();
            assert!(count > 0, "the server closed the connection");
            self.answer.extend_from_slice(&piece[..count]);
            let head = self.answer.windows(4).position(|at| at == b"\r\n\r\n");
            let Some(head) = head.map(|at| at + 4) else { continue };
            let text = String::from_utf8_lossy(&self.answer[..head]).to_ascii_lowercase();
            self.unavailable = text.starts_with("http/1.1 503");
            assert!(self.unavailable || text.starts_with("http/1.1 200"), "{text}");
            let length = text.split("content-length: ").nth(1).and_then(|it| it.lines().next());
            let length: usize = length.and_then(|it| it.parse().ok()).unwrap();
            if self.answer.len() >= head + length {
                return &self.answer[head..];
            }
        }
    }
}
