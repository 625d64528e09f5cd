//! Where a partition stands at a cut.
//!
//! A checkpoint at cut `G` has the events with `ts < G`. What its job has judged besides lies at or
//! above `G`, and is read again from the partition: from the least offset of an event with `ts >= G`
//! (`reread`) to the record that is judged next (`read`). Nothing in between is judged again, because
//! a verdict may rest on what is no more to be known: of these records those that did not become
//! events are named by offset, and of the others those with `ts >= G` count.
//!
//! Kept for that is a staircase: for each second in which an event came that was later than all before
//! it, the offset of the first such event. The first step at or above `G` is `reread`, since cuts are
//! multiples of a second. What lies below a cut that was asked for is forgotten: cuts never go back.
//! When there are too many steps two become one, at the lower one's offset, which reads too much again
//! and never too little.

use super::{HeldIds, ResumedIds, SecondSteps, SeenId};
use crate::origin::PartitionId;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::rc::Rc;

/// The most steps of a staircase, 1 MiB of them.
const STEPS_MAX: usize = if cfg!(test) { 16 } else { 65_536 };

/// A record by which a log is known again that was truncated or made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCheck {
    /// Its offset.
    pub offset: u64,
    /// Its timestamp in the topic.
    pub timestamp: Option<EventTime>,
    /// The [`stable_hash`](crate::interner::stable_hash) of its value.
    pub checksum: u64,
}

/// The beginning of a partition whose events before a time are in the state already: they were read
/// from somewhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryOverlap {
    /// The first offset behind it: what is there was not there yet when the history was read.
    pub end: u64,
    /// Events at or behind this time are not of the history.
    pub until: EventTime,
}

/// Where a partition stands at a cut.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionMark {
    /// The offset after the last record that was judged.
    pub read: u64,
    /// Where to read again from: at most `read`.
    pub reread: u64,
    /// The greatest `min(ts, arrival)` of the accepted records.
    pub clock: Option<EventTime>,
    /// The greatest time of an accepted event.
    pub newest: Option<EventTime>,
    /// Records accepted.
    pub accepted: u64,
    /// The offset of the first record that was ever judged.
    pub start: Option<u64>,
    /// The time of the first accepted event; 0 before it.
    pub first: EventTime,
    /// Offsets in `reread..read` whose records did not become events, ascending.
    pub refused: Vec<Range<u64>>,
    /// The last record that was judged.
    pub last: Option<RecordCheck>,
    /// The part of it that is not done with whose earlier events are history's.
    pub history: Option<HistoryOverlap>,
}

/// Where the partitions of a job that goes on stand.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The cut: events before it are in the state that goes with this.
    pub at: EventTime,
    /// The partitions that are known.
    pub partitions: BTreeMap<PartitionId, PartitionMark>,
    /// The ids of their events.
    pub ids: ResumedIds,
}

/// The partitions of a worker, so that whoever cuts can be told where they stand. Its clones share
/// that.
#[derive(Clone, Debug, Default)]
pub struct PartitionMarks(Rc<RefCell<BTreeMap<PartitionId, Rc<RefCell<Marks>>>>>);

impl PartitionMarks {
    /// Where each partition stands at the cut `at`, which is not below one asked for before.
    pub fn at(&self, at: EventTime) -> BTreeMap<PartitionId, PartitionMark> {
        let all = self.0.borrow();
        all.iter().map(|(id, marks)| (*id, marks.borrow_mut().at(at))).collect()
    }

    /// The ids that partitions have had since they were asked for last; none of those that have none.
    pub fn new_ids(&self) -> BTreeMap<PartitionId, Vec<SeenId>> {
        let all = self.0.borrow();
        let new = all.iter().filter_map(|(id, marks)| {
            let new = marks.borrow().ids.as_ref()?.borrow_mut().take_new();
            (!new.is_empty()).then_some((*id, new))
        });
        new.collect()
    }

    /// A partition that is read from now on.
    pub(crate) fn add(&self, id: PartitionId, marks: Marks) -> Rc<RefCell<Marks>> {
        let marks = Rc::new(RefCell::new(marks));
        self.0.borrow_mut().insert(id, Rc::clone(&marks));
        marks
    }
}

/// What is kept of a partition to tell its [`PartitionMark`] at any cut.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    /// Where it stands, but for `reread` and `refused`.
    pub mark: PartitionMark,
    /// What is read again: nothing new is known until then.
    pub rereads: Option<Rereads>,
    /// The offsets at which seconds were first reached.
    steps: SecondSteps,
    refused: VecDeque<Range<u64>>,
    /// The ids of its events, where copies are told by them.
    pub ids: Option<Rc<RefCell<dyn HeldIds>>>,
}

/// A span of a partition that is read again.
#[derive(Debug)]
pub(crate) struct Rereads {
    /// The events before it are in the state.
    pub at: EventTime,
    /// As it was when it was read before.
    pub mark: PartitionMark,
    /// How many of the refused ranges lie below where it is.
    passed: usize,
}

impl Rereads {
    /// Whether the record at `offset` did not become an event. Offsets ascend.
    pub fn was_refused(&mut self, offset: u64) -> bool {
        let mut ranges = self.mark.refused.iter().skip(self.passed);
        let below = ranges.by_ref().take_while(|range| range.end <= offset).count();
        self.passed += below;
        self.mark.refused.get(self.passed).is_some_and(|range| range.contains(&offset))
    }
}

impl Marks {
    /// Goes on from `mark` as of the cut `at`.
    pub fn resume(mark: PartitionMark, at: EventTime) -> Self {
        let rereads = (mark.reread < mark.read).then(|| {
            let mark = mark.clone();
            Rereads { at, mark, passed: 0 }
        });
        Marks { mark, rereads, ..Marks::default() }
    }

    /// The record at `offset` is an event of `ts`.
    #[inline]
    pub fn accepted(&mut self, ts: EventTime, offset: u64) {
        if self.steps.len() >= STEPS_MAX {
            self.steps.halve();
        }
        self.steps.reach(ts, offset);
    }

    /// The record at `offset` is none.
    pub fn refused(&mut self, offset: u64) {
        match self.refused.back_mut() {
            Some(last) if last.end == offset => last.end = offset + 1,
            _ => self.refused.push_back(offset..offset + 1),
        }
    }

    /// The mark at the cut `at`, which is a multiple of a second, and no cut below it comes after it.
    pub fn at(&mut self, at: EventTime) -> PartitionMark {
        if let Some(rereads) = &self.rereads {
            return rereads.mark.clone();
        }
        let reread = self.steps.first_at(at).unwrap_or(self.mark.read);
        while self.refused.front().is_some_and(|range| range.end <= reread) {
            self.refused.pop_front();
        }
        let within = |range: &Range<u64>| range.start.max(reread)..range.end;
        let refused = self.refused.iter().map(within).collect();
        PartitionMark { reread, refused, ..self.mark.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_read_again_is_all_that_lies_at_or_above_the_cut_and_what_was_refused_is_named(
            records in proptest::collection::vec((0_u64..60_000, any::<bool>()), 0..300),
            cuts in proptest::collection::vec((0_usize..300, 0_u64..60), 0..6),
        ) {
            let mut marks = Marks::default();
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (mut least, mut asked) = (0, 0);
            for (offset, (ts, refused)) in records.iter().enumerate() {
                let offset = offset as u64;
                match refused {
                    true => marks.refused(offset),
                    false => marks.accepted(*ts, offset),
                }
                marks.mark.read = offset + 1;
                for (_, second) in cuts.iter().filter(|(when, _)| *when as u64 == offset) {
                    least = least.max(*second);
                    let mark = marks.at(least * SECOND);
                    asked += 1;
                    let read = &records[..=offset as usize];
                    let above = |(ts, refused): &(u64, bool)| !refused && *ts >= least * SECOND;
                    let exact = read.iter().position(above).unwrap_or(read.len()) as u64;
                    prop_assert!(mark.reread <= exact && mark.reread <= mark.read);
                    if records.iter().map(|(ts, _)| ts / SECOND).max() < Some(16) {
                        prop_assert_eq!(mark.reread, exact);
                    }
                    let mut again = Marks::resume(mark.clone(), least * SECOND);
                    for offset in mark.reread..mark.read {
                        let rereads = again.rereads.as_mut().unwrap();
                        prop_assert_eq!(rereads.was_refused(offset), records[offset as usize].1);
                    }
                    prop_assert_eq!(again.at(least * SECOND), mark);
                }
            }
            prop_assert!(asked <= cuts.len());
        }
    }

    #[test]
    fn a_cut_may_be_asked_for_again_and_tells_what_has_been_read_since() {
        let mut marks = Marks::default();
        for (offset, ts) in [1_000, 2_000, 2_500, 1_900, 4_000].into_iter().enumerate() {
            marks.accepted(ts, offset as u64);
            marks.mark.read = offset as u64 + 1;
        }
        assert_eq!((marks.at(2_000).reread, marks.at(2_000).read), (1, 5));
        marks.refused(5);
        marks.mark.read = 6;
        let mark = marks.at(2_000);
        assert_eq!((mark.reread, mark.read), (1, 6));
        assert!(mark.refused.iter().eq([&(5..6)]));
        assert_eq!(marks.at(3_000).reread, 4);
        assert_eq!(marks.at(5_000).reread, 6, "nothing lies above");
    }
}
