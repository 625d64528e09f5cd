//! What a topic's records have said, kept so that a later run goes on with it.
//!
//! ```text
//! records are read ─→ from when on each is seen ─→ handed over ─→ kept ─→ they are seen, and the table's
//!                     (its time, or the capability)                       frontier may pass that time
//! ```
//!
//! From when on an update is seen depends on where the events were when it was read, which no later run
//! can find out. So it is decided once: what was read is handed over with those times and with how far
//! the topic was read, and nothing of it is seen, and nothing from its time on is settled, before that is
//! kept. A later run begins with all that was kept and reads on behind it: it does not need the records
//! of before, which compaction may have removed.
//!
//! While the topic is read for the first time, to the end that it has, nothing is settled at all, so rows
//! are seen at once; then all of them are handed over together.

use super::history::History;
use super::input::Update;
use super::row::Key;
use crate::cut::RecordCheck;
use crate::time::EventTime;
use crate::value::Cell;
use std::collections::BTreeMap;

/// Changes that are read and not handed over; default 65,536: while there are more, the topic is not read
/// on. Before it is read to its end, more of them are handed over as the whole table.
const CHANGES_MAX: usize = 1 << 16;

/// What a row is from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowState {
    /// The row's key.
    pub key: Key,
    /// Events from this time on see it, until the next state of the key.
    pub from: EventTime,
    /// Its cells; `None`: there is no such row.
    pub cells: Option<Vec<Cell>>,
}

/// How far a partition of a table's topic is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicMark {
    /// The offset behind the last record that was read.
    pub read: u64,
    /// The greatest time of its clock.
    pub clock: Option<EventTime>,
    /// One of the last records.
    pub last: Option<RecordCheck>,
}

/// What has been read of a table's topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicRead {
    /// Of two with one key and one time the last counts.
    pub states: Vec<RowState>,
    /// They are all that there is of the table; else those that were read since the last that were kept.
    pub whole: bool,
    /// None of those that were read since is seen before this time.
    pub at: EventTime,
    /// How far each partition is read with them.
    pub partitions: BTreeMap<u32, TopicMark>,
}

/// Keeps what a table's topic has said. Nothing here blocks.
pub trait TopicKeeper {
    /// What was kept by the runs before; `None`: nothing, and the topic is read from where it starts.
    /// Asked for once, before all else.
    fn begin(&mut self) -> Option<TopicRead>;

    /// Records that are read behind that are seen from this time on at the earliest: a run before may
    /// have given out what was looked up before it.
    fn not_before(&self) -> EventTime;

    /// Whether it takes something now.
    fn is_ready(&mut self) -> bool;

    /// Takes what was read; called where it is ready.
    ///
    /// # Errors
    /// When it cannot be kept at all; the job has to stop.
    fn keep(&mut self, read: TopicRead) -> Result<(), String>;

    /// Whether what it took last is kept, so that every later run begins with it; asked until it is.
    ///
    /// # Errors
    /// When it cannot be kept at all; the job has to stop.
    fn is_kept(&mut self) -> Result<bool, String>;
}

/// What is read and not kept.
pub(super) struct Unkept {
    keeper: Box<dyn TopicKeeper>,
    not_before: EventTime,
    /// What has changed and is not handed over.
    states: BTreeMap<(Key, EventTime), Option<Vec<Cell>>>,
    /// All of the table is to be handed over.
    whole: bool,
    /// What it changes, which nobody sees before it is kept.
    pub updates: Vec<Update>,
    /// Where the capability stood when the first of it was read.
    held: Option<EventTime>,
    handed_over: bool,
    marks: BTreeMap<u32, TopicMark>,
}

impl Unkept {
    /// Begins with what was kept before, which `history` takes in: what that changes is in `updates`.
    pub fn new(
        mut keeper: Box<dyn TopicKeeper>,
        history: &mut History,
        updates: &mut Vec<Update>,
    ) -> Self {
        let begun = keeper.begin();
        let whole = begun.is_none();
        let TopicRead { states, partitions, .. } = begun.unwrap_or_default();
        for RowState { key, from, cells } in states {
            history.put(&key, from, cells, updates);
        }
        Unkept {
            not_before: keeper.not_before(),
            keeper,
            states: BTreeMap::new(),
            whole,
            updates: Vec::new(),
            held: None,
            handed_over: false,
            marks: partitions,
        }
    }

    /// See [`TopicKeeper::not_before`].
    pub fn not_before(&self) -> EventTime {
        self.not_before
    }

    /// How far `partition` was read by the runs before.
    pub fn mark(&self, partition: u32) -> Option<&TopicMark> {
        self.marks.get(&partition)
    }

    /// The time that the table's capability must not pass.
    pub fn holds(&self) -> Option<EventTime> {
        self.held
    }

    /// Whether nothing more is to be read before something is handed over.
    pub fn is_full(&self) -> bool {
        self.states.len() >= CHANGES_MAX
    }

    /// A record that was read at capability `at` says that the row of `key` has these cells from `from` on.
    pub fn note(&mut self, at: EventTime, key: &Key, from: EventTime, cells: Option<&Vec<Cell>>) {
        self.held.get_or_insert(at);
        if !self.whole {
            self.states.insert((key.clone(), from), cells.cloned());
        }
    }

    /// There is `partition`, of which nothing may have been read.
    pub fn found(&mut self, partition: u32) {
        self.marks.entry(partition).or_default();
    }

    /// `partition` is read so far.
    pub fn read(&mut self, partition: u32, read: u64, clock: Option<EventTime>) {
        let mark = self.marks.entry(partition).or_default();
        (mark.read, mark.clock) = (read, clock);
    }

    /// One of the last records that were read of `partition`.
    pub fn last(&mut self, partition: u32, last: RecordCheck) {
        self.marks.entry(partition).or_default().last = Some(last);
    }

    /// The topic is not read to its end for the first time: many changes are the whole table.
    pub fn bound(&mut self) {
        if self.is_full() {
            self.states.clear();
            self.whole = true;
        }
    }

    /// Hands over what was read, where there is something and it is taken; `history` has all of it.
    ///
    /// # Errors
    /// When it cannot be kept at all.
    pub fn hand_over(&mut self, history: &History, at: EventTime) -> Result<(), String> {
        let nothing = !self.whole && self.states.is_empty();
        if nothing || self.handed_over || !self.keeper.is_ready() {
            return Ok(());
        }
        let (at, whole) = (*self.held.get_or_insert(at), std::mem::take(&mut self.whole));
        let changes = std::mem::take(&mut self.states).into_iter();
        let states = match whole {
            true => history.states().collect(),
            false => changes.map(|((key, from), cells)| RowState { key, from, cells }).collect(),
        };
        self.handed_over = true;
        self.keeper.keep(TopicRead { states, whole, at, partitions: self.marks.clone() })
    }

    /// Whether what was handed over last is kept by now; `None`: nothing waits for that. Once it is,
    /// `updates` gets what it changes.
    ///
    /// # Errors
    /// When it cannot be kept at all.
    pub fn is_kept(&mut self, updates: &mut Vec<Update>) -> Result<Option<bool>, String> {
        if !self.handed_over {
            return Ok(None);
        }
        let kept = self.keeper.is_kept()?;
        if kept {
            (self.handed_over, self.held) = (false, None);
            updates.append(&mut self.updates);
        }
        Ok(Some(kept))
    }
}
