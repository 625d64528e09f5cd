//! Topics whose updates are kept, over restarts.

use super::Drive;
use super::topic::{One, plan, row};
use crate::ingest::reader::{PartitionReader, Poll, RawBatch, RawRecord, Standing};
use crate::origin::PartitionId;
use crate::reference::input::{TableInput, TopicFeed, above};
use crate::reference::kept::{TopicKeeper, TopicMark, TopicRead};
use crate::time::EventTime;
use crate::value::Cell;
use rand::{Rng as _, SeedableRng, rngs::SmallRng};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use timely::worker::Worker;

/// Records as keys and values; an empty value deletes.
type Log = Vec<(String, String)>;

struct LogReader {
    log: Rc<RefCell<Log>>,
    next: u64,
}

impl PartitionReader for LogReader {
    fn id(&self) -> PartitionId {
        PartitionId { source: 0, partition: 0 }
    }

    fn poll(&mut self) -> Poll {
        let log = self.log.borrow();
        let Some((key, value)) = log.get(usize::try_from(self.next).unwrap()) else {
            return Poll::Pending(Standing::AtEnd);
        };
        let mut batch = RawBatch::default();
        let key = Some(batch.keep(key.as_bytes()));
        let value = Some(batch.keep(value.as_bytes())).filter(|value| !value.is_empty());
        let record = RawRecord { offset: self.next, key, value, ..RawRecord::default() };
        batch.records.push(record);
        self.next += 1;
        Poll::Records(batch)
    }

    fn describe(&self) -> String {
        "t[0]".to_owned()
    }
}

#[derive(Default)]
struct Store {
    kept: Vec<TopicRead>,
    given: Option<TopicRead>,
    /// How often it says that what was given is not kept yet.
    unkept: u32,
    not_before: EventTime,
    /// Nothing is taken now.
    is_busy: bool,
}

struct Keeper(Rc<RefCell<Store>>);

impl TopicKeeper for Keeper {
    fn begin(&mut self) -> Option<TopicRead> {
        let store = self.0.borrow();
        let last = store.kept.last()?;
        let states = store.kept.iter().flat_map(|read| read.states.clone()).collect();
        Some(TopicRead { states, ..last.clone() })
    }

    fn not_before(&self) -> EventTime {
        self.0.borrow().not_before
    }

    fn is_ready(&mut self) -> bool {
        !self.0.borrow().is_busy
    }

    fn keep(&mut self, read: TopicRead) -> Result<(), String> {
        let before = self.0.borrow_mut().given.replace(read);
        assert_eq!(before, None, "one after the other");
        Ok(())
    }

    fn is_kept(&mut self) -> Result<bool, String> {
        let mut store = self.0.borrow_mut();
        store.unkept = store.unkept.saturating_sub(1);
        if store.unkept > 0 {
            return Ok(false);
        }
        let given = store.given.take().ok_or("nothing was given")?;
        store.kept.push(given);
        Ok(true)
    }
}

/// A run that reads a topic behind what was kept of it.
struct TopicRun {
    drive: Drive,
    log: Rc<RefCell<Log>>,
    store: Rc<RefCell<Store>>,
}

impl TopicRun {
    fn start(worker: &mut Worker, out_of_orderness: u64, log: Log, store: Store) -> Self {
        let (log, store) = (Rc::new(RefCell::new(log)), Rc::new(RefCell::new(store)));
        let read = store.borrow().kept.last().map_or(0, |last| last.partitions[&0].read);
        let reader = LogReader { log: Rc::clone(&log), next: read };
        let feed = TopicFeed {
            partitions: Box::new(One(Some(reader))),
            refused: Box::new(|why| panic!("{why}")),
            kept: Some(Box::new(Keeper(Rc::clone(&store)))),
        };
        let drive = Drive::of(worker, &plan(out_of_orderness), TableInput::Topic(feed));
        drive.settle(worker);
        TopicRun { drive, log, store }
    }

    fn write(&self, key: &str, value: &str) {
        self.log.borrow_mut().push((key.to_owned(), value.to_owned()));
    }

    /// What a run that comes after this one finds, which is killed.
    fn end(self) -> (Log, Vec<TopicRead>) {
        (self.log.take(), std::mem::take(&mut self.store.borrow_mut().kept))
    }
}

/// What was kept says so: every state that there ever was is looked at.
fn scan(kept: &[TopicRead], key: &str, ts: EventTime) -> Option<i64> {
    let states = kept.iter().flat_map(|read| &read.states);
    let seen = states.filter(|state| state.key == key.as_bytes() && state.from <= ts);
    // The last of those with the greatest time.
    match seen.max_by_key(|state| state.from)?.cells.as_deref()? {
        [Cell::Word(word)] => Some(word.cast_signed()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_update_is_seen_once_it_is_kept_and_nothing_from_its_time_on_is_settled_before() {
    timely::execute_directly(|worker| {
        let log = vec![("a".to_owned(), row(5_000, 1))];
        let mut run = TopicRun::start(worker, 2_000, log, Store::default());
        assert_eq!(run.store.borrow().kept.len(), 1, "all that was there at the start");
        run.drive.advance(worker, 60_000);
        run.drive.shared.now.set(1_000);
        run.drive.settle(worker);
        assert_eq!(run.drive.frontier(), Some(61_000));
        run.store.borrow_mut().unkept = u32::MAX;
        // It is late, and so takes effect where the table stands.
        run.write("a", &row(20_000, 2));
        for frontier in [60_000, 70_000, 80_000] {
            run.drive.advance(worker, frontier);
            assert_eq!(run.drive.frontier(), Some(61_000), "at {frontier}");
            assert_eq!(run.drive.lookup(b"a", 90_000), Some(1), "nobody has seen it");
        }
        run.store.borrow_mut().unkept = 0;
        run.drive.settle(worker);
        let seen = |run: &TopicRun| [60_999, 61_000].map(|ts| run.drive.lookup(b"a", ts));
        assert_eq!(seen(&run), [Some(1), Some(2)]);
        run.drive.shared.now.set(3_000);
        run.drive.settle(worker);
        assert_eq!(run.drive.frontier(), Some(81_000));
        // Killed; what comes next is read behind, whatever became of the records before.
        let (mut log, kept) = run.end();
        log.iter_mut().for_each(|(_, value)| *value = "compacted".to_owned());
        log.push(("b".to_owned(), row(30_000, 3)));
        let store = Store { kept, not_before: above(80_000), ..Store::default() };
        let run = TopicRun::start(worker, 2_000, log, store);
        assert_eq!(seen(&run), [Some(1), Some(2)]);
        let of_b = [80_999, 81_000].map(|ts| run.drive.lookup(b"b", ts));
        assert_eq!(of_b, [None, Some(3)], "behind all that was given out");
        let store = run.store.borrow();
        let last: &TopicMark = &store.kept.last().unwrap().partitions[&0];
        assert_eq!((last.read, last.last.map(|last| last.offset)), (3, Some(2)));
    });
}

#[test]
fn a_table_of_which_nothing_was_there_is_kept_as_empty() {
    timely::execute_directly(|worker| {
        let run = TopicRun::start(worker, 0, Log::new(), Store::default());
        let (mut log, kept) = run.end();
        assert_eq!(kept.len(), 1);
        assert!(kept[0].whole && kept[0].states.is_empty());
        log.push(("a".to_owned(), row(5_000, 1)));
        let store = Store { kept, not_before: 9_000, ..Store::default() };
        let run = TopicRun::start(worker, 0, log, store);
        assert_eq!([8_999, 9_000].map(|ts| run.drive.lookup(b"a", ts)), [None, Some(1)]);
    });
}

/// So many are not held.
const MANY: u64 = 70_000;

#[test]
fn what_waits_to_be_kept_is_bounded() {
    timely::execute_directly(|worker| {
        // It holds the events back, so that it is not paused for being ahead of them.
        let run = TopicRun::start(worker, 1_000_000, Log::new(), Store::default());
        run.store.borrow_mut().is_busy = true;
        for at in 0..MANY {
            run.write("a", &row(10_000 + at, 1));
        }
        let settle = |run: &TopicRun, worker: &mut Worker| {
            (0..6).for_each(|_| run.drive.settle(worker));
            run.drive.metrics.tables[0].versions.get()
        };
        let read = settle(&run, worker);
        assert!((65_000..MANY).contains(&read), "{read}");
        assert_eq!(run.store.borrow().kept.len(), 1);
        run.store.borrow_mut().is_busy = false;
        assert_eq!(settle(&run, worker), MANY, "it goes on");
        let kept = run.store.borrow().kept.iter().map(|read| read.states.len() as u64).sum::<u64>();
        assert_eq!(kept, MANY);
    });
}

#[test]
fn many_updates_that_were_written_while_nobody_ran_are_kept_as_the_whole_table() {
    timely::execute_directly(|worker| {
        let empty = TopicRead { whole: true, ..TopicRead::default() };
        let empty = TopicRead { partitions: [(0, TopicMark::default())].into(), ..empty };
        let keys = ["a", "b", "c"];
        let record = |at: u64| (keys[(at % 3) as usize].to_owned(), row(10_000 + at, 1));
        let store = Store { kept: vec![empty], not_before: 9_000, ..Store::default() };
        let run = TopicRun::start(worker, 0, (0..MANY).map(record).collect(), store);
        (0..3).for_each(|_| run.drive.settle(worker));
        let store = run.store.borrow();
        let last = store.kept.last().unwrap();
        assert_eq!((store.kept.len(), last.whole, last.partitions[&0].read), (2, true, MANY));
        assert_eq!(last.states.len() as u64, MANY, "none is settled");
    });
}

/// What the runs before have said and what is there of them.
#[derive(Default)]
struct Said {
    log: Log,
    kept: Vec<TopicRead>,
    /// What was found for a user at a time that was settled.
    found: BTreeMap<(u64, EventTime), Option<i64>>,
    sealed: EventTime,
    cut: EventTime,
    values: i64,
    /// How often something that was found before was found again by a later run.
    again: usize,
}

impl Said {
    /// A record of the time around `now`, in time or late, or a deletion without one.
    fn record(&mut self, rng: &mut SmallRng, now: EventTime) -> (String, String) {
        self.values += 1;
        let ts = (now + 2_000).saturating_sub(rng.random_range(0..6_000));
        let value = if rng.random_bool(0.85) { row(ts, self.values) } else { String::new() };
        (format!("k{}", rng.random_range(0..5)), value)
    }
}

fn run(seed: u64, before: Said) -> Said {
    let (sender, receiver) = std::sync::mpsc::channel();
    timely::execute_directly(move |worker| {
        let (mut rng, mut said) = (SmallRng::seed_from_u64(seed), before);
        // While nobody ran.
        for _ in 0..rng.random_range(0..4) {
            let (now, sealed) = (said.cut, said.sealed);
            let record = said.record(&mut rng, now.max(sealed));
            said.log.push(record);
        }
        let kept = std::mem::take(&mut said.kept);
        let not_before = if kept.is_empty() { 0 } else { above(said.sealed) };
        let store = Store { kept, not_before, ..Store::default() };
        let (log, known) = (std::mem::take(&mut said.log), said.found.clone());
        let mut run = TopicRun::start(worker, rng.random_range(0..3_000), log, store);
        let (mut now, mut clock) = (said.cut, 0);
        for step in 0..25 {
            for _ in 0..rng.random_range(0..4) {
                let (key, value) = said.record(&mut rng, now);
                run.write(&key, &value);
            }
            run.store.borrow_mut().unkept = rng.random_range(0..30);
            run.drive.settle(worker);
            clock += rng.random_range(0..800);
            run.drive.shared.now.set(clock);
            now += rng.random_range(0..2_000);
            run.drive.advance(worker, now);
            let settled = run.drive.frontier().unwrap_or(now).min(now);
            for _ in 0..30 {
                let (user, ts) = (rng.random_range(0..5), said.cut + rng.random_range(0..24) * 500);
                if ts >= settled {
                    continue;
                }
                let key = format!("k{user}");
                let found = run.drive.lookup(key.as_bytes(), ts);
                let expected = scan(&run.store.borrow().kept, &key, ts);
                assert_eq!(found, expected, "seed {seed}, step {step}, {key} at {ts}");
                let at = (user, ts);
                said.again += usize::from(known.contains_key(&at));
                let before = said.found.insert(at, found);
                assert!(before.is_none_or(|before| before == found), "seed {seed}, {key} at {ts}");
            }
            said.sealed = said.sealed.max(settled);
            if rng.random_bool(0.2) {
                said.cut = said.cut.max(said.sealed / 1_000 * 1_000);
                run.drive.seal(said.cut);
            }
        }
        (said.log, said.kept) = run.end();
        sender.send(said).unwrap();
    });
    receiver.recv().unwrap()
}

#[test]
fn over_restarts_every_event_sees_what_it_saw_before_and_what_was_kept_says() {
    let mut again = 0;
    for seed in 0..25 {
        let mut said = Said::default();
        for part in 0..4 {
            said = run(seed * 4 + part, said);
        }
        assert!(said.kept.len() > 10, "seed {seed}: {}", said.kept.len());
        again += said.again;
    }
    assert!(again > 100, "{again}");
}
