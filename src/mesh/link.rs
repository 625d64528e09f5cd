//! A connection to another process, in frames.
//!
//! A frame is its length (four bytes, big-endian) and so many bytes of what the workers send. Of length
//! 0 it is a sign of life, of length [`END`] the end that all have agreed on.

use super::wire::{Wire, WireError};
use crate::exit::Exit;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The length that says that no frame follows.
const END: u32 = u32::MAX;
/// The bytes of a frame, at most.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Signs of life in the time after which a process that gives none is lost.
const BEATS: u32 = 5;

/// For how much longer nothing need be heard of a process that is itself still waiting for others.
const FORMING: Duration = Duration::from_secs(60);

/// How the connections of a process end.
#[derive(Debug, Default)]
pub struct MeshEnd {
    agreed: AtomicBool,
    leaving: AtomicBool,
}

impl MeshEnd {
    /// All processes end by agreement: that another one goes is no loss.
    pub fn agree(&self) {
        self.agreed.store(true, Ordering::Release);
    }

    /// Whether they do.
    pub fn is_agreed(&self) -> bool {
        self.agreed.load(Ordering::Acquire)
    }

    /// This process ends, whatever the others do.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }
}

/// See the module. Its loss ends the process, so those who read and write never see an error.
pub struct PeerLink {
    ends: Arc<LinkEnds>,
    reader: Wire,
    /// Bytes of the present frame that are not read.
    left: usize,
    /// The other side has said that no frame follows.
    over: bool,
    /// Something was heard of the other side.
    heard: bool,
}

/// What the handles of a connection share.
struct LinkEnds {
    peer: usize,
    address: String,
    timeout: Duration,
    out: Mutex<Out>,
    end: Arc<MeshEnd>,
}

struct Out {
    wire: Wire,
    frame: Vec<u8>,
    /// Nothing more is sent.
    shut: bool,
}

impl PeerLink {
    /// The connection `wire` to process `peer`, which is lost when nothing has been heard of it for
    /// `timeout`.
    pub(super) fn new(
        (peer, address): (usize, String),
        wire: Wire,
        timeout: Duration,
        end: &Arc<MeshEnd>,
    ) -> io::Result<Self> {
        wire.socket().set_nonblocking(false)?;
        wire.socket().set_nodelay(true)?;
        wire.socket().set_read_timeout(Some(timeout.saturating_add(FORMING)))?;
        let reader = wire.again()?;
        let out = Mutex::new(Out { wire, frame: Vec::new(), shut: false });
        let ends = Arc::new(LinkEnds { peer, address, timeout, out, end: Arc::clone(end) });
        let beating = Arc::downgrade(&ends);
        let thread = std::thread::Builder::new().name(format!("mesh-beat-{peer}"));
        thread.spawn(move || {
            while let Some(pause) = beating.upgrade().and_then(|ends| ends.beat()) {
                std::thread::sleep(pause);
            }
        })?;
        Ok(PeerLink { ends, reader, left: 0, over: false, heard: false })
    }

    /// Reads something into `buffer`, whatever that takes.
    fn read_some(&mut self, buffer: &mut [u8]) -> usize {
        loop {
            let why = match self.reader.read(buffer, None) {
                Ok(0) => "it has gone".to_owned(),
                Ok(read) => {
                    if !std::mem::replace(&mut self.heard, true) {
                        // It has all others, too, and gives signs of life from now on.
                        let socket = self.reader.socket();
                        let _ = socket.set_read_timeout(Some(self.ends.timeout));
                    }
                    return read;
                }
                Err(WireError::System(error)) if error.kind() == io::ErrorKind::Interrupted => {
                    continue;
                }
                Err(WireError::System(error)) if is_silence(&error) => {
                    let forming = if self.heard { Duration::ZERO } else { FORMING };
                    format!("nothing was heard of it for {:?}", self.ends.timeout + forming)
                }
                Err(error) => error.to_string(),
            };
            self.ends.lost(&why);
        }
    }

    /// The length of the next frame.
    fn head(&mut self) -> u32 {
        let mut head = [0; 4];
        let mut filled = 0;
        while let Some(rest) = head.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            filled += self.read_some(rest);
        }
        u32::from_be_bytes(head)
    }
}

impl LinkEnds {
    fn out(&self) -> MutexGuard<'_, Out> {
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a sign of life, unless what is being sent is one; how long until the next, if there is one.
    fn beat(&self) -> Option<Duration> {
        if let Ok(mut out) = self.out.try_lock() {
            if out.shut {
                return None;
            }
            // Whoever reads finds out what is wrong.
            let _ = out.wire.write_all(&0_u32.to_be_bytes());
        }
        Some(self.timeout / BEATS)
    }

    /// Ends the process, unless it ends anyway: then nothing more is to be done here.
    fn lost(&self, why: &str) {
        if self.end.is_leaving() || self.end.is_agreed() {
            loop {
                std::thread::park();
            }
        }
        let LinkEnds { peer, address, .. } = self;
        tracing::error!(
            "lost process {peer} of the cluster at {address}: {why}; this process ends with it, and \
             all are to be started again, as `tidemark up` does"
        );
        Exit::PeerLost.now()
    }
}

fn is_silence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Read for PeerLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            if self.over {
                return Ok(0);
            }
            match self.head() {
                0 => {}
                END => self.over = true,
                length => self.left = usize::try_from(length).unwrap_or(usize::MAX),
            }
        }
        let most = buffer.len().min(self.left);
        let read = self.read_some(buffer.get_mut(..most).unwrap_or_default());
        self.left -= read;
        Ok(read)
    }
}

impl Write for PeerLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bytes = bytes.get(..FRAME_BYTES_MAX).unwrap_or(bytes);
        let length = u32::try_from(bytes.len()).unwrap_or(0);
        if length == 0 {
            return Ok(0);
        }
        let mut out = self.ends.out();
        let Out { wire, frame, .. } = &mut *out;
        frame.clear();
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(bytes);
        let sent = wire.write_all(frame);
        drop(out);
        if let Err(error) = sent {
            self.ends.lost(&error.to_string());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PeerLink {
    /// Another handle of the connection. One reads, and one writes.
    ///
    /// # Errors
    /// When the system has no more of them.
    pub fn again(&self) -> io::Result<Self> {
        let (ends, reader) = (Arc::clone(&self.ends), self.reader.again()?);
        Ok(PeerLink { ends, reader, left: 0, over: false, heard: self.heard })
    }

    /// Whether reading and writing may wait.
    ///
    /// # Errors
    /// When the connection cannot be so.
    pub fn set_waiting(&self, waiting: bool) -> io::Result<()> {
        self.reader.socket().set_nonblocking(!waiting)
    }

    /// Ends writing, with a word when that is what all have agreed on.
    pub fn shut(&self, how: Shutdown) {
        let mut out = self.ends.out();
        out.shut = true;
        if self.ends.end.is_agreed() {
            // Whoever has gone needs no last word.
            let _ = out.wire.write_all(&END.to_be_bytes());
        }
        let _ = out.wire.socket().shutdown(how);
    }
}
