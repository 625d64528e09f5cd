//! A server in front of the registry: it counts requests, and answers in its place when told to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with a request.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Hands it on.
    Pass,
    /// Answers with this status and body.
    Answer(u16, &'static str),
    /// Answers with 200 and this body, whatever it is.
    Bytes(&'static [u8]),
    /// Begins a good answer, and goes on with it a byte at a time without an end.
    Trickle,
    /// Answers with 200 and a body without an end.
    Endless,
    /// Never answers.
    Hang,
    /// Closes the connection.
    Close,
}

/// Runs until the process ends.
pub struct Front {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    mode: Mode,
    /// The path that the mode is for; without one it is for all.
    only: Option<String>,
    requests: Vec<String>,
    /// Connections that are never answered.
    held: Vec<TcpStream>,
}

impl Front {
    /// In front of the server at `port`, to which it hands everything on.
    pub fn start(port: &str) -> Front {
        let upstream = format!("127.0.0.1:{port}");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { mode: Mode::Pass, only: None, requests: Vec::new(), held: Vec::new() };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, upstream) = (Arc::clone(&shared), upstream.clone());
                // A client that goes away is no failure of the test.
                std::thread::spawn(move || drop(serve(stream, &shared, &upstream)));
            }
        });
        Front { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn set(&self, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        (state.mode, state.only) = (mode, None);
    }

    /// The same for one path; the others are handed on.
    pub fn set_for(&self, path: String, mode: Mode) {
        let mut state = self.state.lock().unwrap();
        (state.mode, state.only) = (mode, Some(path));
    }

    /// The paths that were asked for, in order.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }
}

/// One request a connection.
fn serve(mut stream: TcpStream, state: &Mutex<State>, upstream: &str) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let path = text.split(' ').nth(1).unwrap().to_owned();
    let mode = {
        let mut state = state.lock().unwrap();
        let mode = match &state.only {
            Some(only) if *only != path => Mode::Pass,
            _ => state.mode,
        };
        state.requests.push(path);
        mode
    };
    match mode {
        Mode::Pass => {
            let mut server = TcpStream::connect(upstream)?;
            let end = text.len() - 2;
            server.write_all(format!("{}Connection: close\r\n\r\n", &text[..end]).as_bytes())?;
            std::io::copy(&mut server, &mut stream)?;
        }
        Mode::Answer(status, body) => {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Said So\r\nContent-Length: {length}\r\nLocation: /login\r\n\
                 Connection: close\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes())?;
        }
        Mode::Bytes(body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
        }
        Mode::Trickle => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{")?;
            loop {
                std::thread::sleep(Duration::from_millis(5));
                stream.write_all(b" ")?;
            }
        }
        Mode::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"8\r\n        \r\n")?;
            }
        }
        Mode::Hang => state.lock().unwrap().held.push(stream),
        Mode::Close => {}
    }
    Ok(())
}
