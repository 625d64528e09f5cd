//! Which connections are open, how long each has stood still, and which one has to go.
//!
//! What somebody else does with their connections must not keep anybody away: none of them is
//! waited for. When there are as many as may be, the next one takes the place of the one whose last
//! request is longest ago, be it idle, half sent, or an answer that nobody reads.
//!
//! Bound: `connections_max` entries.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// How long connections may take for what they do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections that are open at the same time.
    pub connections_max: usize,
    /// From connecting, or from the last answer, to the end of the next request's head.
    pub head_timeout: Duration,
    /// From the last byte that the other side took of an answer.
    pub write_timeout: Duration,
    /// A connection without a request for so long gives way when there is no room.
    pub give_way_after: Duration,
}

/// No write is held up.
const FREE: u64 = u64::MAX;

/// One connection, as seen from outside of it.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// When it was opened or last made a request, in ms since `began` of all.
    asked_at: AtomicU64,
    /// Since when the other side has taken nothing, or `FREE`.
    held_up_at: AtomicU64,
    close: Notify,
}

impl Activity {
    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }

    /// A request has arrived.
    pub fn asked(&self) {
        self.asked_at.store(self.now(), Relaxed);
    }

    /// Returns once the connection is to be closed.
    pub async fn closed(&self) {
        self.close.notified().await;
    }

    fn held_up(&self, yes: bool) {
        if !yes {
            self.held_up_at.store(FREE, Relaxed);
        } else if self.held_up_at.load(Relaxed) == FREE {
            self.held_up_at.store(self.now(), Relaxed);
        }
    }
}

/// All that are open.
#[derive(Debug)]
pub(super) struct Connections {
    began: Instant,
    bounds: Bounds,
    open: Mutex<HashMap<u64, Arc<Activity>>>,
    next: AtomicU64,
    /// One was closed.
    left: Notify,
}

/// The place of an open connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    pub activity: Arc<Activity>,
    all: Arc<Connections>,
    number: u64,
}

impl Connections {
    pub fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Connections {
            began: Instant::now(),
            bounds,
            open: Mutex::default(),
            next: AtomicU64::new(0),
            left: Notify::new(),
        })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, once there is one.
    pub async fn seat(self: &Arc<Self>) -> Seat {
        loop {
            let left = self.left.notified();
            if let Some(seat) = self.try_seat() {
                return seat;
            }
            self.push_out();
            // One that gives way is gone within a turn of the runtime; none may be due yet.
            let _ = tokio::time::timeout(self.bounds.give_way_after / 10, left).await;
        }
    }

    fn try_seat(self: &Arc<Self>) -> Option<Seat> {
        let mut open = self.open();
        if open.len() >= self.bounds.connections_max {
            return None;
        }
        let number = self.next.fetch_add(1, Relaxed);
        let activity = Arc::new(Activity {
            began: self.began,
            asked_at: AtomicU64::new(millis(self.began.elapsed())),
            held_up_at: AtomicU64::new(FREE),
            close: Notify::new(),
        });
        open.insert(number, Arc::clone(&activity));
        Some(Seat { activity, all: Arc::clone(self), number })
    }

    /// Closes the connection whose last request is longest ago, if that is long enough.
    fn push_out(&self) {
        let open = self.open();
        let oldest = open.values().min_by_key(|activity| activity.asked_at.load(Relaxed));
        let Some(oldest) = oldest else { return };
        let still = oldest.now().saturating_sub(oldest.asked_at.load(Relaxed));
        if still >= millis(self.bounds.give_way_after) {
            oldest.close.notify_one();
        }
    }

    /// Closes those whose answers nobody reads.
    pub fn close_held_up(&self) {
        let after = millis(self.bounds.write_timeout);
        for activity in self.open().values() {
            let since = activity.held_up_at.load(Relaxed);
            if since != FREE && activity.now().saturating_sub(since) >= after {
                activity.close.notify_one();
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.open().remove(&self.number);
        self.all.left.notify_one();
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX - 1)
}

/// A stream that says when the other side takes nothing.
pub(super) struct Observed<S> {
    pub stream: S,
    pub activity: Arc<Activity>,
}

impl<S> Observed<S> {
    fn note<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.held_up(poll.is_pending());
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
