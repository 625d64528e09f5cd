//! A bounded feed of raw batches from a reading thread to the worker that owns the partition.
//!
//! The thread blocks while the feed is full; the worker never blocks. The worker is woken only
//! after it was told that there is nothing yet, so a busy worker costs no wake-ups.

use crate::source::Waker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use tidemark_operators::ingest::reader::{Poll, RawBatch, Standing};

/// What goes through the channel.
enum Message {
    Records(RawBatch),
    Ended,
    Failed(String),
}

/// What both ends see.
#[derive(Default)]
struct FeedState {
    /// The worker was told that there is nothing.
    waiting: AtomicBool,
    /// The thread stands at the end of what there is for now.
    caught_up: AtomicBool,
    /// The worker is gone.
    closed: AtomicBool,
}

/// The thread's end.
pub(crate) struct FeedSender {
    channel: SyncSender<Message>,
    shared: Arc<FeedState>,
    waker: Waker,
}

/// The worker's end. Dropping it ends the thread with its next batch.
pub(crate) struct ThreadFeed {
    channel: Receiver<Message>,
    shared: Arc<FeedState>,
    /// How it ended, once it has.
    end: Option<Result<(), String>>,
}

/// A feed of at most `batches_max` batches.
pub(crate) fn feed(batches_max: usize, waker: Waker) -> (FeedSender, ThreadFeed) {
    let (sender, receiver) = sync_channel(batches_max);
    let shared = Arc::new(FeedState::default());
    (
        FeedSender { channel: sender, shared: Arc::clone(&shared), waker },
        ThreadFeed { channel: receiver, shared, end: None },
    )
}

impl FeedSender {
    /// Hands over a batch, waiting while the feed is full; false when nobody reads it any more.
    pub fn send(&self, batch: RawBatch) -> bool {
        self.put(Message::Records(batch))
    }

    /// The last thing to be handed over: the log has ended, or cannot be read on.
    pub fn end(self, outcome: Result<(), String>) {
        self.put(match outcome {
            Ok(()) => Message::Ended,
            Err(text) => Message::Failed(text),
        });
    }

    /// Says whether the thread stands at the end of what there is for now.
    pub fn set_caught_up(&self, caught_up: bool) {
        self.shared.caught_up.store(caught_up, Ordering::Release);
    }

    /// Whether nobody reads the feed any more.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    fn put(&self, message: Message) -> bool {
        let sent = self.channel.send(message).is_ok();
        if sent && self.shared.waiting.swap(false, Ordering::AcqRel) {
            (self.waker)();
        }
        sent
    }
}

impl ThreadFeed {
    /// What there is next. Once ended or failed it stays so.
    pub fn poll(&mut self) -> Poll {
        match &self.end {
            Some(Ok(())) => return Poll::Ended,
            Some(Err(text)) => return Poll::Failed(text.clone()),
            None => {}
        }
        let mut next = self.channel.try_recv();
        if matches!(next, Err(TryRecvError::Empty)) {
            // Said first and looked again after: a batch sent in between wakes us or is found.
            self.shared.waiting.store(true, Ordering::Release);
            next = self.channel.try_recv();
        }
        let end = match next {
            Ok(Message::Records(batch)) => return Poll::Records(batch),
            Err(TryRecvError::Empty) => {
                let caught_up = self.shared.caught_up.load(Ordering::Acquire);
                return Poll::Pending(if caught_up { Standing::AtEnd } else { Standing::Behind });
            }
            Ok(Message::Ended) => Ok(()),
            Ok(Message::Failed(text)) => Err(text),
            Err(TryRecvError::Disconnected) => {
                Err("the reading thread broke off; its panic is in the log".to_owned())
            }
        };
        self.end = Some(end);
        self.poll()
    }
}

impl Drop for ThreadFeed {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_worker_is_woken_only_after_it_was_told_that_there_is_nothing() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&wakes);
        let waker: Waker = Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let (sender, mut feed) = feed(8, waker);
        assert!(sender.send(RawBatch::default()) && sender.send(RawBatch::default()));
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
        assert!(matches!(feed.poll(), Poll::Records(_)));
        assert!(matches!(feed.poll(), Poll::Records(_)));
        assert!(matches!(feed.poll(), Poll::Pending(Standing::Behind)));
        sender.set_caught_up(true);
        assert!(matches!(feed.poll(), Poll::Pending(Standing::AtEnd)));
        assert!(sender.send(RawBatch::default()) && sender.send(RawBatch::default()));
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        sender.end(Err("broken".into()));
        assert!(matches!(feed.poll(), Poll::Records(_)));
        assert!(matches!(feed.poll(), Poll::Records(_)));
        for _ in 0..3 {
            assert!(matches!(feed.poll(), Poll::Failed(text) if text == "broken"));
        }
    }

    #[test]
    fn a_thread_notices_that_nobody_reads() {
        let (sender, receiver) = feed(1, Arc::new(|| {}));
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed() && !sender.send(RawBatch::default()));
    }

    #[test]
    fn a_thread_that_breaks_off_is_a_failure() {
        let (sender, mut feed) = feed(1, Arc::new(|| {}));
        drop(sender);
        assert!(matches!(feed.poll(), Poll::Failed(_)));
    }
}
