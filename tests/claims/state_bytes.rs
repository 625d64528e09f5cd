//! State that reaches what it may take in memory: reading stops, nothing is lost, and it goes on when
//! there is room.

use crate::scripted::{Outcome, Step, records, run_bounded, until, watch};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tidemark::engine::{Observer, StateBound};
use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::{Limits, Room};

const T: u64 = 1_700_000_000_000;
const LIMIT: u64 = 32 << 20;
const CARDS: u64 = 400_000;

/// A job with windows of 10 s.
fn plan(idle_after: &str) -> Arc<Plan> {
    let text = format!(
        "[job]\nname = \"flood\"\n[sources.t]\nfiles = [\"memory\"]\nout_of_orderness = \"1s\"\n\
         idle_after = \"{idle_after}\"\ntime = {{ field = \"ts\", unit = \"ms\" }}\n\
         [sources.t.fields]\ncard = \"string\"\nmerchant = \"string\"\n[entities.card]\nkey = \"card\"\n\
         [views.cards]\nentity = \"card\"\nsource = \"t\"\n[views.cards.features]\n\
         n = {{ aggregate = \"count\", window = \"10s\" }}\n\
         places = {{ aggregate = \"distinct\", of = \"merchant\", window = \"10s\" }}\n"
    );
    tidemark_jobs::load("flood.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

fn event(ts: u64, card: u64) -> String {
    let ts = T + ts;
    format!(
        "{{\"ts\":{ts},\"card\":\"a card of its own {card:08}\",\"merchant\":\"merchant {}\"}}",
        card % 977
    )
}

/// Cards that are seen once each, one a ms or so many.
fn flood(a_ms: u64) -> Vec<Step> {
    let batch = |from: u64| {
        let events: Vec<_> = (from..from + 500).map(|card| event(card / a_ms, card)).collect();
        records(from, &events)
    };
    (0..CARDS).step_by(500).map(batch).collect()
}

/// Bounds the state, and keeps the most that it took.
fn bound(observer: &Observer, most: &Arc<AtomicU64>) {
    let (metrics, most) = (observer.metrics.clone(), Arc::clone(most));
    let watch = move || {
        let entities = metrics.iter().flat_map(|worker| &worker.entities);
        let held: HeldBytes = entities.map(|entity| entity.held()).sum();
        most.fetch_max(held.used(), Relaxed);
        HeldBytes::default()
    };
    observer.bound_state(StateBound::new(LIMIT, watch));
}

fn room(observer: &Observer) -> Room {
    let bound = observer.state_bound().unwrap();
    bound.room(bound.held(&observer.metrics))
}

fn read(observer: &Observer, partition: u32) -> u64 {
    let progress = observer.metrics[0].progress();
    progress.iter().find(|p| p.id.partition == partition).map_or(0, |p| p.next_offset)
}

const LIMITS: fn() -> Limits =
    || Limits { records_step: 500, chunk_rows: 1_024, ..Limits::default() };

/// A flood that is far ahead of a partition that has fallen silent.
fn ahead_of_a_silent_one(bounded: bool) -> (Outcome, u64) {
    let most = Arc::<AtomicU64>::default();
    let silence = match bounded {
        // Silent only once it is so.
        true => watch("no more of the flood is read", |o, _| {
            let full = room(o) != Room::Enough;
            assert!(!full || read(o, 0) < CARDS / 2, "what was read all fitted");
            full
        }),
        false => until("anything else", |_, _| true),
    };
    let silent = vec![
        records(0, &[event(0, CARDS)]),
        silence,
        until("the flood goes on", move |o, _| !bounded || read(o, 0) > CARDS / 2),
        records(1, &[event(CARDS, CARDS)]),
    ];
    let bound = |observer: &Observer| {
        if bounded {
            bound(observer, &most);
        }
    };
    let scripts = vec![flood(1), silent];
    let outcome = run_bounded(&plan("200ms"), LIMITS(), None, None, bound, scripts);
    (outcome, most.load(Relaxed))
}

#[test]
fn a_flood_ahead_of_a_silent_partition_waits_for_room_and_every_value_is_that_of_a_run_without_bound()
 {
    let (bounded, most) = ahead_of_a_silent_one(true);
    let (free, _) = ahead_of_a_silent_one(false);
    assert_eq!(bounded.verdicts, [CARDS + 2, 0, 0, 0]);
    assert_eq!((bounded.verdicts, bounded.newest), (free.verdicts, free.newest));
    assert!(bounded.sealed == free.sealed, "sealed rows are others");
    let newest = |outcome: &Outcome| {
        let last = outcome.shown.iter().map(|(row, shown)| (row.clone(), shown.last().cloned()));
        last.collect::<Vec<_>>()
    };
    assert!(newest(&bounded) == newest(&free), "newest rows are others");
    assert!(most > LIMIT * 9 / 10 && most < LIMIT * 11 / 10, "it took {most} of {LIMIT}");
}

#[test]
fn a_partition_that_holds_the_frontier_is_read_when_others_have_filled_nearly_all_there_is() {
    let (most, looks) = (Arc::<AtomicU64>::default(), AtomicU64::new(0));
    // Nobody is idle: only its records move the frontier.
    let behind: Vec<_> =
        (0..CARDS / 1_000).map(|second| event(second * 1_000 + 1, CARDS)).collect();
    let behind = vec![
        records(0, &[event(0, CARDS)]),
        until("the others have had time to fill the rest", move |o, _| {
            room(o) != Room::Enough && looks.fetch_add(1, Relaxed) > 2_000
        }),
        records(1, &behind),
    ];
    let (done, waits) = mpsc::channel::<()>();
    let bound = |observer: &Observer| {
        bound(observer, &most);
        // Rather stopped than waiting for ever.
        let observer = observer.clone();
        thread::spawn(move || {
            if waits.recv_timeout(Duration::from_secs(120)) == Err(RecvTimeoutError::Timeout) {
                observer.stop();
            }
        });
    };
    let outcome = run_bounded(&plan("1h"), LIMITS(), None, None, bound, vec![flood(1), behind]);
    drop(done);
    assert_eq!(outcome.verdicts, [CARDS + 1 + CARDS / 1_000, 0, 0, 0]);
    assert!(most.load(Relaxed) < LIMIT * 11 / 10);
}

#[test]
fn where_nothing_leaves_the_windows_reading_stops_and_the_job_stays() {
    let (most, watched) = (Arc::<AtomicU64>::default(), Arc::new(Mutex::new(None)));
    let watcher = Arc::clone(&watched);
    // All of it is within 10 s.
    let watching = thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(60);
        let observer: Observer = loop {
            assert!(Instant::now() < deadline, "nothing was begun");
            match watcher.lock().unwrap().clone() {
                Some(observer) => break observer,
                None => thread::sleep(Duration::from_millis(1)),
            }
        };
        while room(&observer) != Room::None {
            assert!(Instant::now() < deadline, "it was never full");
            thread::sleep(Duration::from_millis(1));
        }
        let steps = |more: u64| {
            let until = observer.metrics[0].steps.get() + more;
            while observer.metrics[0].steps.get() < until {
                assert!(Instant::now() < deadline, "the worker stands still");
                thread::sleep(Duration::from_millis(1));
            }
        };
        // What was on its way arrives.
        steps(20);
        let before = read(&observer, 0);
        steps(100);
        assert_eq!((read(&observer, 0), room(&observer)), (before, Room::None));
        assert!(before < CARDS / 2, "{before} cards were read");
        observer.stop();
    });
    let bound = |observer: &Observer| {
        bound(observer, &most);
        *watched.lock().unwrap() = Some(observer.clone());
    };
    let outcome = run_bounded(&plan("1s"), LIMITS(), None, None, bound, vec![flood(100)]);
    watching.join().unwrap();
    assert_eq!(outcome.newest, None, "it was stopped");
    assert!(most.load(Relaxed) < LIMIT * 11 / 10);
}
