//! Letters between the workers and the publisher, until they are acknowledged.

use crate::source::Waker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemark_operators::ingest::dead_letter::DeadLetter;

/// How the dead letters fare, for `/health` and the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterStatus {
    /// Letters that the brokers have not acknowledged yet.
    pub outstanding: usize,
    /// Letters that they have.
    pub delivered: u64,
    /// Attempts that failed; each letter is tried again.
    pub failures: u64,
    /// What is wrong, until the next letter gets through.
    pub error: Option<String>,
    /// Whether the sources stand still because nothing more can be taken.
    pub full: bool,
}

/// See the module.
pub(crate) struct Outbox {
    letters_max: usize,
    bytes_max: usize,
    state: Mutex<OutboxState>,
    changed: Condvar,
    wakers: Mutex<Vec<Waker>>,
    abandoned: AtomicBool,
}

#[derive(Default)]
struct OutboxState {
    /// To be sent, oldest first.
    pending: VecDeque<Arc<DeadLetter>>,
    /// Pending or sent, and not acknowledged.
    outstanding: usize,
    bytes: usize,
    delivered: u64,
    failures: u64,
    error: Option<String>,
    /// A worker was told that there is no room.
    refused: bool,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(letters_max: usize, bytes_max: usize) -> Outbox {
        Outbox {
            letters_max: letters_max.max(1),
            bytes_max: bytes_max.max(1),
            state: Mutex::default(),
            changed: Condvar::new(),
            wakers: Mutex::default(),
            abandoned: AtomicBool::new(false),
        }
    }

    pub(crate) fn add_waker(&self, waker: Waker) {
        lock(&self.wakers).push(waker);
    }

    fn room_in(&self, state: &OutboxState) -> bool {
        state.outstanding < self.letters_max && state.bytes < self.bytes_max
    }

    pub(crate) fn has_room(&self) -> bool {
        let mut state = lock(&self.state);
        let room = self.room_in(&state);
        state.refused |= !room;
        room
    }

    pub(crate) fn push(&self, letter: DeadLetter) {
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_add(weight(&letter));
        state.outstanding += 1;
        state.pending.push_back(Arc::new(letter));
        self.changed.notify_all();
    }

    /// The letters to be sent, in order; waits up to `wait` for the first.
    pub(crate) fn take(&self, wait: Duration) -> VecDeque<Arc<DeadLetter>> {
        let state = lock(&self.state);
        let idle = |state: &mut OutboxState| state.pending.is_empty() && !state.closed;
        let mut state = self.wait(state, wait, idle);
        std::mem::take(&mut state.pending)
    }

    /// Gives letters back that were not sent, to be taken first.
    pub(crate) fn put_back(&self, mut letters: VecDeque<Arc<DeadLetter>>) {
        let mut state = lock(&self.state);
        letters.append(&mut state.pending);
        state.pending = letters;
    }

    pub(crate) fn delivered(&self, letter: &DeadLetter) {
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_sub(weight(letter));
        state.outstanding = state.outstanding.saturating_sub(1);
        state.delivered += 1;
        state.error = None;
        let wake = state.refused && self.room_in(&state);
        if wake {
            state.refused = false;
        }
        self.changed.notify_all();
        drop(state);
        if wake {
            lock(&self.wakers).iter().for_each(|waker| waker());
        }
    }

    /// Something went wrong; a letter, if one was concerned, will be tried again.
    pub(crate) fn failed(&self, error: String, letters: usize) {
        let mut state = lock(&self.state);
        state.failures = state.failures.saturating_add(u64::try_from(letters).unwrap_or(0));
        state.error = Some(error);
    }

    pub(crate) fn status(&self) -> DeadLetterStatus {
        let state = lock(&self.state);
        DeadLetterStatus {
            outstanding: state.outstanding,
            delivered: state.delivered,
            failures: state.failures,
            error: state.error.clone(),
            full: !self.room_in(&state),
        }
    }

    /// Says that nothing more comes, and waits until all is acknowledged, at most `deadline`.
    /// Returns what is left.
    pub(crate) fn close(&self, deadline: Duration) -> usize {
        let mut state = lock(&self.state);
        state.closed = true;
        self.changed.notify_all();
        self.wait(state, deadline, |state| state.outstanding > 0).outstanding
    }

    /// Whether the publisher is done.
    pub(crate) fn is_finished(&self) -> bool {
        let state = lock(&self.state);
        self.abandoned.load(Ordering::Acquire) || (state.closed && state.outstanding == 0)
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, OutboxState>,
        timeout: Duration,
        condition: impl FnMut(&mut OutboxState) -> bool,
    ) -> MutexGuard<'a, OutboxState> {
        let waited = self.changed.wait_timeout_while(state, timeout, condition);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Locks, also when another thread panicked while it held the lock: what is under these locks is
/// consistent between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a letter holds in memory, about.
fn weight(letter: &DeadLetter) -> usize {
    let bytes = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    size_of::<DeadLetter>()
        + bytes(&letter.key)
        + bytes(&letter.value)
        + letter.source.len()
        + letter.topic.as_ref().map_or(0, String::len)
        + letter.error.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use tidemark_operators::origin::PartitionId;
    use tidemark_operators::verdict::Reason;

    fn letter(bytes: usize) -> DeadLetter {
        DeadLetter {
            source: "s".into(),
            topic: None,
            partition: PartitionId { source: 0, partition: 0 },
            offset: 0,
            key: None,
            value: Some(vec![0; bytes]),
            reason: Reason::Malformed,
            event_time: None,
            field_time: None,
            arrival: None,
            watermark: 0,
            late_by: None,
            idle_floor: false,
            error: None,
        }
    }

    #[test]
    fn there_is_no_room_until_letters_are_acknowledged_and_then_the_workers_are_woken() {
        let outbox = Outbox::new(2, 1 << 20);
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        outbox.add_waker(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        outbox.push(letter(1));
        assert!(outbox.has_room());
        outbox.push(letter(1));
        assert!(!outbox.has_room());
        let taken = outbox.take(Duration::ZERO);
        assert!(!outbox.has_room(), "sent is not acknowledged");
        outbox.delivered(&taken[0]);
        assert_eq!(woken.load(Ordering::Relaxed), 1);
        assert!(outbox.has_room());
        outbox.delivered(&taken[1]);
        assert_eq!(woken.load(Ordering::Relaxed), 1, "nobody was refused in between");
    }

    #[test]
    fn bytes_are_bounded_too() {
        let outbox = Outbox::new(100, 1_000);
        outbox.push(letter(2_000));
        assert!(!outbox.has_room());
        assert!(outbox.status().full);
    }

    #[test]
    fn what_was_put_back_comes_first_and_closing_counts_what_is_left() {
        let outbox = Outbox::new(100, 1 << 20);
        for bytes in 1..4 {
            outbox.push(letter(bytes));
        }
        let taken = outbox.take(Duration::ZERO);
        outbox.push(letter(4));
        outbox.put_back(taken);
        let sizes: Vec<_> = outbox
            .take(Duration::ZERO)
            .iter()
            .map(|letter| letter.value.as_ref().unwrap().len())
            .collect();
        assert_eq!(sizes, [1, 2, 3, 4]);
        assert_eq!(outbox.close(Duration::ZERO), 4);
        assert!(!outbox.is_finished());
        outbox.abandon();
        assert!(outbox.is_finished());
    }
}
