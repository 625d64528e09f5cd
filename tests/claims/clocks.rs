//! One record does not decide what time it is for everybody: events ahead of their arrival are
//! corrected and move nobody's clock, whenever and wherever they are read.

use crate::memory::{Run, replay};
use crate::scripted::{Outcome, Step, records, run, run_until, until};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tidemark::engine::MachineClock;
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::Limits;
use tidemark_operators::verdict::Reason;

const T: u64 = 1_767_484_955_000;

fn plan(settings: &str) -> Arc<Plan> {
    let text = format!(
        "[job]\nname = \"clocks\"\n[sources.t]\nfiles = [\"memory\"]\nout_of_orderness = \"5s\"\n\
         time = {{ field = \"ts\", unit = \"ms\" }}\n{settings}\n\
         [sources.t.fields]\ncard = \"string\"\namount = \"decimal\"\n[entities.card]\nkey = \"card\"\n\
         [views.v]\nentity = \"card\"\n[views.v.features]\n\
         c = {{ aggregate = \"count\", window = \"5m\" }}\n\
         s = {{ aggregate = \"sum\", of = \"amount\", window = \"5m\" }}\n"
    );
    tidemark_jobs::load("clocks.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

fn event(ts: u64, card: &str, seen: Option<u64>) -> Vec<u8> {
    let seen = seen.map_or(String::new(), |seen| format!(",\"seen\":{seen}"));
    format!("{{\"ts\":{ts},\"card\":\"{card}\",\"amount\":10{seen}}}").into_bytes()
}

#[test]
fn a_phone_nine_minutes_ahead_counts_at_its_arrival_and_blanks_no_other_card() {
    let good = (0..50).map(|n| event(T + 100 * n, "good", Some(T + 100 * n + 20)));
    let good: Vec<_> = good.collect();
    let phone = vec![event(T + 540_000, "phone", Some(T + 2_550))];
    let plan = plan("arrival_field = \"seen\"");
    let as_of = T + 2_550 + 5_000;
    for log in [vec![good.clone(), phone.clone()], vec![phone, good]] {
        for workers in [1, 2, 3] {
            let output = replay(&plan, &log, &Run { workers, ..Run::default() });
            assert_eq!((output.verdicts, output.newest), ([51, 0, 0, 0], as_of));
            let row = |c: u32| format!("{{\"c\":{c},\"s\":{:?}}}", f64::from(10 * c));
            let expected = [("v/good".to_owned(), row(50)), ("v/phone".to_owned(), row(1))];
            assert_eq!(output.live, BTreeMap::from(expected));
            let sealed = output.sealed.lines().find(|line| line.contains("\"phone\"")).unwrap();
            assert!(sealed.contains(&format!("\"as_of\":{as_of},")), "{sealed}");
            assert!(sealed.contains(&row(1)), "{sealed}");
            let newest = output.sealed.lines().rfind(|line| line.contains("\"good\"")).unwrap();
            assert!(newest.contains(&row(50)), "{newest}");
        }
    }
}

/// What a record says.
#[derive(Clone, Copy)]
struct Said {
    ts: u64,
    timestamp: Option<u64>,
}

/// A partition of which some records lie ahead of their timestamps, some behind, and some timestamps
/// are nonsense.
fn history(rng: &mut SmallRng) -> Vec<Said> {
    let mut now = T;
    let one = |_| {
        now += rng.random_range(0..3_000);
        let ts = now - rng.random_range(0..6_000);
        match rng.random_range(0..20) {
            0..3 => Said { ts: now + rng.random_range(0..900_000), timestamp: Some(now) },
            3 => Said { ts, timestamp: Some(now - rng.random_range(0..30_000)) },
            4 => Said { ts, timestamp: None },
            5 => Said { ts, timestamp: Some([0, now / 1_000, u64::MAX][rng.random_range(0..3)]) },
            _ => Said { ts, timestamp: Some(now) },
        }
    };
    (0..120).map(one).collect()
}

/// By hand: the reason and the event time of each letter, by offset.
fn judged(history: &[Said], skew: u64) -> BTreeMap<u64, (Reason, u64)> {
    let (mut clock, mut letters) = (0_u64, BTreeMap::new());
    for (offset, said) in (0..).zip(history) {
        let plausible = 631_152_000_000..4_102_444_800_000;
        let arrival = said.timestamp.filter(|at| plausible.contains(at)).unwrap_or(u64::MAX);
        let time = said.ts.min(arrival.saturating_add(5_000));
        if said.ts > arrival.saturating_add(skew) {
            letters.insert(offset, (Reason::Future, time));
        } else if time + 5_000 < clock {
            letters.insert(offset, (Reason::Late, time));
        } else {
            clock = clock.max(said.ts.min(arrival));
        }
    }
    letters
}

/// Reads `history` in batches of `most` records, at the wall time `read_at`.
fn read(plan: &Arc<Plan>, history: &[Said], most: usize, read_at: u64) -> Outcome {
    let batch = |(at, said): (usize, &[Said])| {
        let values: Vec<_> = said.iter().map(|said| event(said.ts, "c", None)).collect();
        let Step::Records(mut batch) = records((at * most) as u64, &values) else { unreachable!() };
        batch.read_at = Some(read_at);
        for (record, said) in batch.records.iter_mut().zip(said) {
            record.timestamp = said.timestamp;
        }
        Step::Records(batch)
    };
    let script = history.chunks(most).enumerate().map(batch).collect();
    run(plan, Limits::default(), None, vec![script])
}

#[test]
fn verdicts_follow_from_the_log_alone_however_and_whenever_it_is_read() {
    let (mut future, mut late) = (0, 0);
    for seed in 0..40 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let skew = 600_000;
        let (history, plan) = (history(&mut rng), plan("max_future_skew = \"10m\""));
        let expected = judged(&history, skew);
        let first = read(&plan, &history, 7, T);
        let letters = first.dead.iter();
        let letters = letters.map(|d| (d.offset, (d.reason, d.event_time.unwrap())));
        assert_eq!(letters.collect::<BTreeMap<_, _>>(), expected, "seed {seed}");
        // A restart a day later, in other batches: what was refused is refused again.
        let again = read(&plan, &history, 50, T + 86_400_000);
        assert_eq!((&again.dead, &again.sealed), (&first.dead, &first.sealed), "seed {seed}");
        assert_eq!(again.verdicts, first.verdicts);
        future += first.verdicts[2];
        late += first.verdicts[1];
    }
    assert!(future > 100 && late > 100, "{future} from the future, {late} late");
}

#[test]
fn dead_letters_say_what_the_field_says_the_events_time_and_the_arrival() {
    let said = |ts, timestamp| Said { ts, timestamp: Some(timestamp) };
    let history = [said(T + 20_000, T + 20_000), said(T + 900_000, T + 8_000)];
    let outcome = read(&plan(""), &history, 7, T);
    let letter = &outcome.dead[0];
    assert_eq!(outcome.verdicts, [1, 1, 0, 0]);
    let times = (letter.field_time, letter.event_time, letter.arrival, letter.late_by);
    assert_eq!(times, (Some(T + 900_000), Some(T + 13_000), Some(T + 8_000), Some(2_000)));
}

#[test]
fn without_arrivals_nothing_is_corrected_and_without_a_bound_clocks_are_bounded_all_the_same() {
    let said = |ts, timestamp| Said { ts, timestamp: Some(timestamp) };
    let history = [said(T + 540_000, T), said(T + 1_000, T + 1_000)];
    let outcome = read(&plan("arrival = \"none\""), &history, 7, T);
    assert_eq!((outcome.verdicts, outcome.newest), ([1, 1, 0, 0], Some(T + 540_000)));
    let outcome = read(&plan("max_ahead = \"none\""), &history, 7, T);
    assert_eq!((outcome.verdicts, outcome.newest), ([2, 0, 0, 0], Some(T + 540_000)));
    let outcome = read(&plan("max_ahead = \"1m\""), &history, 7, T);
    assert_eq!((outcome.verdicts, outcome.newest), ([2, 0, 0, 0], Some(T + 60_000)));
}

#[test]
fn a_host_fast_in_both_stamps_does_not_blank_the_cards_of_other_partitions() {
    // The machine's clock stands: what passes is not its time.
    let machine = Arc::new(AtomicU64::new(T + 2_000));
    let told = Arc::clone(&machine);
    let clock: MachineClock = Arc::new(move || told.load(Ordering::Relaxed));
    let row = |c: u32| Some(format!("{{\"c\":{c},\"s\":{:?}}}", f64::from(10 * c)));
    let count = move |shown: &crate::scripted::Shown, card: &str, c: u32| {
        shown.get(&format!("v/{card}")).and_then(|rows| rows.last()).is_some_and(|r| *r == row(c))
    };
    let stamped = |offset, ts, card: &str| {
        let Step::Records(mut batch) = records(offset, &[event(ts, card, None)]) else {
            unreachable!()
        };
        batch.records[0].timestamp = Some(ts);
        Step::Records(batch)
    };
    let good = vec![
        stamped(0, T, "good"),
        stamped(1, T + 1_000, "good"),
        until("the fast one is shown", move |_, shown| count(shown, "fast", 1)),
        stamped(2, T + 1_500, "good"),
        until("all of them are there", move |o, shown| {
            assert!(o.metrics[0].live_clock.get() <= T + 3_000, "the machine's clock bounds it");
            count(shown, "good", 3)
        }),
    ];
    let fast = vec![
        until("there are others", move |_, shown| count(shown, "good", 2)),
        stamped(0, T + 540_000, "fast"),
        until("they are as they were", move |_, shown| count(shown, "good", 3)),
    ];
    let scripts = vec![good, fast];
    let outcome = run_until(&plan(""), Limits::default(), Some(1_000), Some(clock), scripts);
    assert_eq!(outcome.verdicts, [4, 0, 0, 0], "{:?}", outcome.dead);
    let rows = &outcome.shown["v/good"];
    let all = rows.iter().position(|shown| *shown == row(3)).unwrap();
    let mut counts = (1..=3).map(row);
    for shown in &rows[..=all] {
        assert!(counts.any(|count| count == *shown), "none is blanked while events come: {rows:?}");
    }
    assert_eq!(outcome.newest, Some(T + 540_000), "when all has ended, the clock goes to the end");
}
