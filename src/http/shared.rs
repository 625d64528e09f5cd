//! What the job is doing, computed at most once a second for all who look.
//!
//! A page that is open is told each second (server-sent events). Whatever the number of pages: one is
//! computed and written as text, and all are sent those bytes.
//!
//! Bounds: [`PAGES_MAX`] open pages; the next one is refused and asks `/overview` by itself, less often.
//! One text waits for a page at most: who reads slowly misses some, and who reads nothing is closed as
//! any connection is.

use crate::http::Introspect;
use crate::http::overview::Overview;
use hyper::body::{Body, Bytes, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

/// Pages that are told each second at the same time.
pub const PAGES_MAX: usize = 128;
/// How long an overview is shared.
const SHARED_FOR: Duration = Duration::from_millis(950);
/// The time between two texts to a page.
const EVERY: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct SharedOverview {
    job: Arc<dyn Introspect>,
    newest: Mutex<Option<(Instant, Arc<Overview>)>>,
    pages: Mutex<Vec<mpsc::Sender<Bytes>>>,
}

impl SharedOverview {
    pub fn new(job: Arc<dyn Introspect>) -> Arc<Self> {
        Arc::new(SharedOverview { job, newest: Mutex::default(), pages: Mutex::default() })
    }

    /// What the job is doing, as of a second ago at most. Whoever asks at the same time waits for one
    /// answer.
    pub fn overview(&self) -> Arc<Overview> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        match &*newest {
            Some((at, overview)) if at.elapsed() < SHARED_FOR => Arc::clone(overview),
            _ => {
                let overview = Arc::new(self.job.overview());
                *newest = Some((Instant::now(), Arc::clone(&overview)));
                overview
            }
        }
    }

    /// The texts for a page that has just been opened, the first one at once; `None` when there are too
    /// many.
    pub fn open_page(&self) -> Option<PageEvents> {
        let is_room = |pages: &mut Vec<mpsc::Sender<Bytes>>| {
            pages.retain(|page| !page.is_closed());
            pages.len() < PAGES_MAX
        };
        if !is_room(&mut self.pages()) {
            return None;
        }
        let first = event(&self.overview());
        let (sender, events) = mpsc::channel(1);
        let mut pages = self.pages();
        if !is_room(&mut pages) {
            return None;
        }
        let _ = sender.try_send(first);
        pages.push(sender);
        Some(PageEvents(events))
    }

    fn pages(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Bytes>>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all pages, on a thread that may wait.
    fn tell(&self) {
        let text = event(&self.overview());
        self.pages().retain(|page| {
            // One that has not taken the last text yet gets a later one.
            !matches!(page.try_send(text.clone()), Err(mpsc::error::TrySendError::Closed(_)))
        });
    }

    /// Tells all pages each second while there are any, on one of the threads that `asking` counts.
    pub async fn tell_for_ever(self: Arc<Self>, asking: Arc<Semaphore>) {
        let mut seconds = tokio::time::interval(EVERY);
        seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            seconds.tick().await;
            if self.pages().is_empty() {
                continue;
            }
            let (shared, thread) = (Arc::clone(&self), Arc::clone(&asking).acquire_owned().await);
            let told = tokio::task::spawn_blocking(move || {
                let _thread = thread;
                shared.tell();
            });
            if told.await.is_err() {
                tracing::error!("telling the open pages failed");
            }
        }
    }
}

/// An overview as an event.
fn event(overview: &Overview) -> Bytes {
    match serde_json::to_string(&overview.clone().in_short()) {
        Ok(text) => Bytes::from(format!("data: {text}\n\n")),
        Err(error) => {
            tracing::error!(%error, "cannot write an overview as JSON");
            Bytes::from_static(b": it could not be written\n\n")
        }
    }
}

/// The body of an answer that goes on for as long as the page is open.
pub(super) struct PageEvents(mpsc::Receiver<Bytes>);

impl Body for PageEvents {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}
