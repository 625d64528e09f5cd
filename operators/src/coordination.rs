//! What the workers tell each other about their partitions, apart from the events.
//!
//! Every worker broadcasts the watermark, the clock and the state of each partition it owns, and
//! keeps a table of what it has heard. From it follow the floor of idle partitions (the least
//! watermark of the active ones), the live clock, and that the job is over. Worker 0 broadcasts its
//! machine's clock, where floor and live clock must not run ahead of that.

mod agreement;

use crate::cut::Cut;
use crate::origin::PartitionId;
use crate::time::{EventTime, Millis};
pub use agreement::Agreement;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One partition, as its owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its watermark.
    pub watermark: EventTime,
    /// The greatest `min(ts, arrival)` of its accepted records.
    pub clock: Option<EventTime>,
    /// The greatest time of an accepted event.
    pub newest: Option<EventTime>,
    /// Records accepted so far.
    pub accepted: u64,
    /// It holds the frontier by its own watermark: not idle, not ended.
    pub active: bool,
    /// Nothing more is to be read as far as its owner knows.
    pub caught_up: bool,
    /// Its log has ended for good.
    pub ended: bool,
}

/// What workers broadcast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// A partition changed.
    Partition(PartitionId, Status),
    /// This worker has told of every partition that was there at its start.
    Reads(usize),
    /// This worker reads nothing any more.
    Done(usize),
    /// The clock of worker 0's machine, in ms since the epoch.
    MachineClock(EventTime),
    /// A checkpoint is wanted.
    Cut(Cut),
    /// The state of all entities is wanted as of this cut, which lies ahead.
    Snapshot(EventTime),
    /// This process has read its partitions up to the ends that they had.
    AllRead {
        /// Which process.
        process: usize,
        /// The greatest clock of its partitions then.
        clock: EventTime,
    },
    /// From when on the rows of a view lack nothing of this process's partitions.
    Covered {
        /// Which process.
        process: usize,
        /// The view's place in the job.
        view: u32,
        /// The event time, 0 when they were read from their beginning; `None`: nobody knows.
        from: Option<EventTime>,
    },
    /// Some process was asked to stop.
    StopWanted,
    /// All are to stop now.
    Stop,
    /// The dead letters of this cut and of all before are published.
    LettersPublished(u64),
}

/// What one worker has heard from all of them, itself included.
///
/// ```
/// use tidemark_operators::coordination::{Coordination, Notice};
///
/// let mut heard = Coordination::new(2, None);
/// heard.hear(&Notice::Done(0), 0);
/// assert_eq!(heard.over(), None, "the other worker reads on");
/// heard.hear(&Notice::Done(1), 0);
/// assert_eq!(heard.over(), Some(0), "all is over, and no event was accepted");
/// ```
#[derive(Clone, Debug)]
pub struct Coordination {
    partitions: BTreeMap<PartitionId, Status>,
    /// By worker, whether it still has to tell of its partitions.
    awaited: Vec<bool>,
    done: Vec<bool>,
    /// By source, where the machine's clock bounds the floor.
    out_of_orderness: Vec<Millis>,
    /// The greatest time of an accepted event.
    newest: EventTime,
    live: LiveClock,
    /// The newest cut and the newest snapshot that were asked for.
    cut: Option<Cut>,
    snapshot: EventTime,
}

/// The live clock: it follows the partitions' clocks, and monotonic time while no record moves it.
#[derive(Clone, Debug)]
struct LiveClock {
    /// `None`: follows records only.
    idle_after: Option<Millis>,
    /// The greatest clock of all partitions.
    greatest: EventTime,
    /// The monotonic time at which records moved the clock last, and the clock then.
    moved: (Millis, EventTime),
    /// How long records had not moved it when monotonic time began.
    silent_before: Millis,
    /// The machine's clock as it was heard last, and the monotonic time then; `None`: no cap.
    machine: Option<(EventTime, Millis)>,
    /// Every event before this is sealed.
    frontier: EventTime,
    clock: EventTime,
}

impl LiveClock {
    /// What the clock may not exceed at monotonic time `now`: the larger of the machine's clock and
    /// the frontier.
    fn cap(&self, now: Millis) -> Option<EventTime> {
        Some(self.machine_at(now)?.max(self.frontier))
    }

    /// The machine's clock at monotonic time `now`.
    fn machine_at(&self, now: Millis) -> Option<EventTime> {
        let (heard, then) = self.machine?;
        Some(heard.saturating_add(now.saturating_sub(then)))
    }

    fn capped(&self, clock: EventTime, now: Millis) -> EventTime {
        self.cap(now).map_or(clock, |cap| clock.min(cap))
    }
}

impl Coordination {
    /// A table for `workers` workers. When no record has moved the live clock for `live_idle` ms, it
    /// goes on by itself; `None`: never.
    pub fn new(workers: usize, live_idle: Option<Millis>) -> Self {
        let live = LiveClock {
            idle_after: live_idle,
            greatest: 0,
            moved: (0, 0),
            silent_before: 0,
            machine: None,
            frontier: 0,
            clock: 0,
        };
        let (partitions, done) = (BTreeMap::new(), vec![false; workers]);
        Coordination {
            partitions,
            awaited: Vec::new(),
            done,
            out_of_orderness: Vec::new(),
            newest: 0,
            live,
            cut: None,
            snapshot: 0,
        }
    }

    /// The same, with clocks bounded by the machine's, as worker 0 tells it: the live clock never
    /// exceeds the larger of that and the frontier, and the floor never exceeds that less the
    /// `out_of_orderness` of the partition that it comes from, by source. Where a producer's host is
    /// fast in the timestamps of its records, too, nothing else bounds them.
    #[must_use]
    pub fn capped(mut self, out_of_orderness: Vec<Millis>) -> Self {
        self.live.machine = Some((0, 0));
        self.out_of_orderness = out_of_orderness;
        self
    }

    /// The same, of a job that goes on: its live clock stood at `clock` when it was seen last, `silent`
    /// ms before monotonic time began. That silence counts once all has been read and no record has
    /// moved the clock further, so that values that had decayed do not come back.
    ///
    /// ```
    /// use tidemark_operators::coordination::{Coordination, Notice, Status};
    /// use tidemark_operators::origin::PartitionId;
    ///
    /// let mut heard = Coordination::new(1, Some(1_000)).resumed(50_000, 20_000);
    /// assert_eq!(heard.live_clock(0), 50_000, "nothing has been read yet");
    /// let status = Status {
    ///     watermark: 45_000,
    ///     clock: Some(50_000),
    ///     newest: Some(50_000),
    ///     accepted: 1,
    ///     active: true,
    ///     caught_up: true,
    ///     ended: false,
    /// };
    /// heard.hear(&Notice::Partition(PartitionId { source: 0, partition: 0 }, status), 5);
    /// assert_eq!(heard.live_clock(10), 70_010);
    /// ```
    #[must_use]
    pub fn resumed(mut self, clock: EventTime, silent: Millis) -> Self {
        (self.live.clock, self.live.greatest) = (clock, clock);
        (self.live.moved, self.live.silent_before) = ((0, clock), silent);
        self
    }

    /// The same, of workers in several processes, which do not begin at one moment: nothing is caught up
    /// before each of them has told of its partitions.
    #[must_use]
    pub fn of_processes(mut self) -> Self {
        self.awaited = vec![true; self.done.len()];
        self
    }

    /// The newest cut that was asked for.
    pub fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// The newest snapshot that was asked for; 0: none.
    pub fn snapshot(&self) -> EventTime {
        self.snapshot
    }

    /// Takes a notice in at monotonic time `now` ms.
    pub fn hear(&mut self, notice: &Notice, now: Millis) {
        match notice {
            Notice::Done(worker) => {
                if let Some(done) = self.done.get_mut(*worker) {
                    *done = true;
                }
            }
            Notice::Reads(worker) => {
                if let Some(awaited) = self.awaited.get_mut(*worker) {
                    *awaited = false;
                }
            }
            Notice::Cut(cut) => self.cut = Some(*cut),
            Notice::Snapshot(as_of) => self.snapshot = self.snapshot.max(*as_of),
            Notice::MachineClock(wall) => {
                if let Some(machine) = &mut self.live.machine {
                    *machine = (*wall, now);
                }
            }
            Notice::Partition(id, status) => {
                // As the silence before this left it.
                self.live_clock(now);
                self.partitions.insert(*id, *status);
                self.newest = self.newest.max(status.newest.unwrap_or(0));
                self.live.greatest = self.live.greatest.max(status.clock.unwrap_or(0));
                self.live_clock(now);
            }
            Notice::AllRead { .. }
            | Notice::Covered { .. }
            | Notice::StopWanted
            | Notice::Stop
            | Notice::LettersPublished(_) => {}
        }
    }

    /// What partitions follow that do not hold the frontier themselves, at monotonic time `now` ms:
    /// the least watermark of the active ones, none taken for more than the machine's clock allows.
    /// `None` when none is active.
    pub fn floor(&self, now: Millis) -> Option<EventTime> {
        let machine = self.live.machine_at(now);
        let watermark = |(id, status): (&PartitionId, &Status)| {
            let allowed = machine.map_or(EventTime::MAX, |machine| {
                let disorder = self.out_of_orderness.get(usize::from(id.source));
                machine.saturating_sub(disorder.copied().unwrap_or(0))
            });
            status.watermark.min(allowed)
        };
        self.partitions.iter().filter(|(_, s)| s.active).map(watermark).min()
    }

    /// Every event before `frontier` is sealed.
    pub fn sealed(&mut self, frontier: EventTime) {
        self.live.frontier = self.live.frontier.max(frontier);
    }

    /// What the live clock may not exceed at monotonic time `now` ms; `None`: nothing bounds it.
    pub fn live_cap(&self, now: Millis) -> Option<EventTime> {
        self.live.cap(now)
    }

    /// The live clock at monotonic time `now` ms: never goes back.
    pub fn live_clock(&mut self, now: Millis) -> EventTime {
        let all_read = self.all_read();
        let live = &mut self.live;
        let by_records = live.capped(live.greatest, now);
        if by_records > live.clock {
            live.clock = by_records;
            (live.moved, live.silent_before) = ((now, by_records), 0);
        }
        let (moved, then) = live.moved;
        let silent = now.saturating_sub(moved).saturating_add(live.silent_before);
        let idle = live.idle_after.is_some_and(|after| silent >= after);
        if idle && then > 0 && all_read {
            live.clock = live.clock.max(live.capped(then.saturating_add(silent), now));
        }
        live.clock
    }

    /// Every partition has been read to its present end (and there is at least one), or is over.
    pub fn caught_up(&self) -> bool {
        self.is_over() || self.all_read()
    }

    fn all_read(&self) -> bool {
        let mut read = self.partitions.values();
        !self.awaited.contains(&true)
            && !self.partitions.is_empty()
            && read.all(|status| status.caught_up)
    }

    /// When every worker is done: the greatest time of an accepted event.
    pub fn over(&self) -> Option<EventTime> {
        self.is_over().then_some(self.newest)
    }

    /// The greatest watermark of all partitions.
    pub fn watermark(&self) -> EventTime {
        self.partitions.values().map(|status| status.watermark).max().unwrap_or(0)
    }

    fn is_over(&self) -> bool {
        self.done.iter().all(|done| *done)
    }

    /// The partitions and what is known of them.
    pub fn partitions(&self) -> impl Iterator<Item = (&PartitionId, &Status)> {
        self.partitions.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(watermark: EventTime, active: bool, caught_up: bool) -> Status {
        let clock = Some(watermark + 10);
        let newest = clock.map(|clock| clock + 5);
        Status { watermark, clock, newest, accepted: watermark, active, caught_up, ended: false }
    }

    fn partition(partition: u32) -> PartitionId {
        PartitionId { source: 0, partition }
    }

    #[test]
    fn idle_partitions_do_not_hold_the_floor() {
        let mut table = Coordination::new(1, None);
        table.hear(&Notice::Partition(partition(0), status(100, true, false)), 0);
        table.hear(&Notice::Partition(partition(1), status(50, false, true)), 0);
        assert_eq!(table.floor(0), Some(100));
        table.hear(&Notice::Partition(partition(0), status(100, false, true)), 0);
        assert_eq!(table.floor(0), None, "when none is active, all hold");
    }

    #[test]
    fn a_partition_ahead_of_the_machines_clock_takes_nobody_along() {
        let mut table = Coordination::new(1, None).capped(vec![5]);
        table.hear(&Notice::Partition(partition(0), status(900, true, true)), 0);
        table.hear(&Notice::Partition(partition(1), status(50, false, true)), 0);
        assert_eq!(table.floor(0), Some(0), "nobody has said yet what time it is");
        table.hear(&Notice::MachineClock(200), 10);
        assert_eq!((table.floor(10), table.floor(110)), (Some(195), Some(295)));
        table.hear(&Notice::Partition(partition(2), status(295, true, true)), 110);
        assert_eq!(table.floor(150), Some(295), "one that is right is followed as it is");
        assert_eq!(table.floor(1_000), Some(295));
        let mut unbounded = Coordination::new(1, None);
        unbounded.hear(&Notice::Partition(partition(0), status(900, true, true)), 0);
        assert_eq!(unbounded.floor(0), Some(900), "a replay follows records alone");
    }

    #[test]
    fn the_live_clock_goes_on_in_silence_and_never_back() {
        let mut table = Coordination::new(1, Some(1_000));
        table.hear(&Notice::Partition(partition(0), status(100, true, true)), 500);
        assert_eq!(table.live_clock(1_499), 110);
        assert_eq!(table.live_clock(1_500), 1_110);
        assert_eq!(table.live_clock(2_000), 1_610);
        table.hear(&Notice::Partition(partition(0), status(200, true, true)), 2_000);
        assert_eq!(table.live_clock(2_100), 1_710, "an older event does not stop it");
        table.hear(&Notice::Partition(partition(1), status(300, true, false)), 2_100);
        assert_eq!(table.live_clock(9_000), 1_710, "somebody still has to catch up");
    }

    #[test]
    fn an_old_event_in_a_silence_does_not_stop_the_live_clock() {
        let mut table = Coordination::new(1, Some(1_000));
        table.hear(&Notice::Partition(partition(0), status(100, true, true)), 0);
        assert_eq!(table.live_clock(60_000), 60_110);
        // One each 0.9 s, a minute of silence behind the clock: none of them moves it.
        for event in 1..100 {
            let now = 60_000 + event * 900;
            table.hear(&Notice::Partition(partition(0), status(100 + event, true, true)), now);
            assert_eq!(table.live_clock(now), now + 110);
            assert_eq!(table.live_clock(now + 899), now + 1_009);
        }
        table.hear(&Notice::Partition(partition(0), status(200_000, true, true)), 151_000);
        assert_eq!(table.live_clock(151_999), 200_010, "this one does, and silence begins anew");
        assert_eq!(table.live_clock(152_000), 201_010);
    }

    #[test]
    fn an_event_ahead_of_its_arrival_moves_the_live_clock_to_its_arrival_only() {
        let mut table = Coordination::new(1, None);
        let ahead = Status { newest: Some(90_000), ..status(100, true, false) };
        table.hear(&Notice::Partition(partition(0), ahead), 0);
        assert_eq!((table.live_clock(0), table.over()), (110, None));
        table.hear(&Notice::Done(0), 0);
        assert_eq!(table.over(), Some(90_000), "when all has ended it goes to the event's time");
    }

    #[test]
    fn the_live_clock_stops_at_the_machines_clock_or_the_frontier_whichever_is_later() {
        let mut table = Coordination::new(2, Some(1_000)).capped(vec![0]);
        table.hear(&Notice::Partition(partition(0), status(100, true, true)), 0);
        assert_eq!(table.live_clock(0), 0, "nobody has said yet what time it is");
        table.sealed(50);
        assert_eq!(table.live_clock(0), 50);
        table.hear(&Notice::MachineClock(80), 10);
        assert_eq!(table.live_clock(10), 80);
        assert_eq!(table.live_clock(25), 95, "it goes on with the machine's");
        assert_eq!((table.live_clock(40), table.live_clock(41)), (110, 110), "up to the records'");
        table.hear(&Notice::MachineClock(20), 50);
        assert_eq!(table.live_clock(50), 110, "a clock that is set back does not turn it back");
        table.sealed(500);
        assert_eq!((table.live_clock(60), table.live_cap(60)), (110, Some(500)));
        // Nor does silence carry it beyond: by itself it would stand at 110 since 40, and 9,070 now.
        assert_eq!((table.live_clock(9_000), table.live_cap(9_000)), (8_970, Some(8_970)));
    }

    #[test]
    fn a_record_far_ahead_of_the_machines_clock_does_not_stop_the_live_clock() {
        let mut table = Coordination::new(1, Some(1_000)).capped(vec![0]);
        table.hear(&Notice::MachineClock(10_000), 0);
        table.hear(&Notice::Partition(partition(0), status(540_000, true, true)), 0);
        table.hear(&Notice::Partition(partition(1), status(9_990, true, true)), 0);
        for second in 0..10 {
            let now = second * 1_000;
            table.hear(&Notice::Partition(partition(1), status(9_990 + now, true, true)), now);
            assert_eq!(table.live_clock(now), 10_000 + now, "real time, for all the others");
        }
    }
}
