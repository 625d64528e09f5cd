//! What waits to be read, and what goes out next: the same wherever it is read.

use super::together::refuse;
use super::{ReadError, RowsAsked, RowsRead};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// Commands that go out together; a request with more goes alone.
const TOGETHER_MAX: usize = 4_096;

/// For so long after a failure what is asked is refused at once, before the next attempt.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a connection that pauses leaves what waits to the others.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// To whom what was read is told.
pub(super) type AskedBy = oneshot::Sender<Result<RowsRead, ReadError>>;
/// What goes out together.
pub(super) type ReadRequests = Vec<(RowsAsked, AskedBy)>;

/// What waits. Bound: the reader's `queue_max`.
#[derive(Debug, Default)]
pub(super) struct WaitingReads {
    requests: VecDeque<(RowsAsked, AskedBy)>,
    closed: bool,
    /// Connections whose last exchange was answered.
    answered: usize,
    /// Why the last attempt failed, and when.
    failed: Option<(String, Instant)>,
}

/// What a connection has to do next.
pub(super) enum ReaderTurn {
    /// To send these.
    Send(ReadRequests),
    /// Nothing, until it is woken.
    Wait,
    /// To refuse these: it has just failed, and so have all others.
    Refuse(ReadRequests, String),
    /// To leave what waits to the others, which are answered, for [`LOOK_AGAIN`].
    LeaveToOthers,
    /// To end.
    End,
}

impl WaitingReads {
    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.requests.len()
    }

    /// What a connection has to do next. `answered`: whether its last exchange was.
    pub(super) fn turn(&mut self, answered: bool) -> ReaderTurn {
        if self.closed {
            return ReaderTurn::End;
        }
        if self.requests.is_empty() {
            return ReaderTurn::Wait;
        }
        let paused = self.failed.as_ref().filter(|(_, at)| !answered && at.elapsed() < PAUSE);
        if let Some((why, _)) = paused {
            return match self.answered {
                0 => ReaderTurn::Refuse(self.requests.drain(..).collect(), why.clone()),
                _ => ReaderTurn::LeaveToOthers,
            };
        }
        let (mut taken, mut count) = (Vec::new(), 0);
        while let Some((next, _)) = self.requests.front()
            && (taken.is_empty() || count + next.views.len() <= TOGETHER_MAX)
        {
            count += next.views.len();
            taken.extend(self.requests.pop_front());
        }
        // Whoever gave up waiting needs no answer.
        taken.retain(|(_, asked_by)| !asked_by.is_closed());
        ReaderTurn::Send(taken)
    }
}

/// Who waits for requests.
#[derive(Debug)]
pub(super) enum ReaderWake {
    Threads(Condvar),
    Tasks(Notify),
}

impl ReaderWake {
    pub(super) fn thread() -> ReaderWake {
        ReaderWake::Threads(Condvar::new())
    }

    pub(super) fn task() -> ReaderWake {
        ReaderWake::Tasks(Notify::new())
    }

    fn one(&self) {
        match self {
            ReaderWake::Threads(threads) => threads.notify_one(),
            ReaderWake::Tasks(tasks) => tasks.notify_one(),
        }
    }
}

/// What the connections share.
#[derive(Debug)]
pub(super) struct ReadQueue {
    waiting: Mutex<WaitingReads>,
    wake: ReaderWake,
}

impl ReadQueue {
    pub(super) fn new(wake: ReaderWake) -> ReadQueue {
        ReadQueue { waiting: Mutex::default(), wake }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, WaitingReads> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request wait; `false`: so many wait already.
    pub(super) fn put(&self, request: (RowsAsked, AskedBy), max: usize) -> bool {
        let mut waiting = self.lock();
        if waiting.requests.len() >= max {
            return false;
        }
        waiting.requests.push_back(request);
        drop(waiting);
        self.wake.one();
        true
    }

    /// All connections end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        match &self.wake {
            ReaderWake::Threads(threads) => threads.notify_all(),
            // Each that ends wakes the next one.
            ReaderWake::Tasks(tasks) => tasks.notify_one(),
        }
    }

    /// What waits may be another connection's.
    pub(super) fn wake_other(&self) {
        self.wake.one();
    }

    /// On a thread: until it is woken.
    pub(super) fn wait<'a>(
        &self,
        waiting: MutexGuard<'a, WaitingReads>,
    ) -> MutexGuard<'a, WaitingReads> {
        match &self.wake {
            ReaderWake::Threads(threads) => {
                threads.wait(waiting).unwrap_or_else(PoisonError::into_inner)
            }
            ReaderWake::Tasks(_) => waiting,
        }
    }

    /// In a task: until it is woken.
    pub(super) async fn woken(&self) {
        if let ReaderWake::Tasks(tasks) = &self.wake {
            tasks.notified().await;
        }
    }

    /// An exchange of a connection was answered, or failed; `before`: what held of its last one.
    pub(super) fn was_answered(&self, before: &mut bool, is: bool) {
        if std::mem::replace(before, is) != is {
            let mut waiting = self.lock();
            waiting.answered = match is {
                true => waiting.answered + 1,
                false => waiting.answered.saturating_sub(1),
            };
        }
    }

    /// These were not answered.
    pub(super) fn failed(&self, requests: ReadRequests, why: &str) {
        self.lock().failed = Some((why.to_owned(), Instant::now()));
        refuse(requests, why);
    }
}
