//! Bad input: every record becomes one event or one dead letter, with all its bytes.

use crate::memory::{Run, replay};
use crate::scripted::{Step, records, run};
use crate::twin::World;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::collections::BTreeSet;
use std::sync::Arc;
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::Limits;
use tidemark_operators::verdict::Reason;

const T: u64 = 1_700_000_000_000;
const GOOD: &str = r#"{"ts":1700000000000,"card":"c","amount":1.5,"points":3,"at":"10.0.0.1"}"#;

fn job(source: &str) -> Arc<Plan> {
    let text = format!(
        "[job]\nname = \"bad\"\n[sources.t]\nfiles = [\"memory\"]\nout_of_orderness = \"1s\"\n\
         {source}\nkeyless = \"dead\"\ninvalid = \"reject\"\ntext_bytes_max = \"4MiB\"\n[sources.t.fields]\ncard = \"string?\"\nuser = \"string?\"\namount = \"decimal\"\n\
         points = \"int?\"\nrate = \"double?\"\ngood = \"bool?\"\nat = \"ip?\"\n\
         [entities.card]\nkey = \"card\"\n[entities.user]\nkey = \"user\"\n\
         [views.cards]\nentity = \"card\"\nsource = \"t\"\n[views.cards.features]\n\
         n = {{ aggregate = \"count\", window = \"1m\" }}\n\
         a = {{ aggregate = \"sum\", of = \"amount\", window = \"1m\" }}\n\
         p = {{ aggregate = \"sum\", of = \"points\", window = \"1m\" }}\n\
         r = {{ aggregate = \"latest\", of = \"rate\", horizon = \"1m\" }}\n\
         g = {{ aggregate = \"count\", window = \"1m\", where = 'good' }}\n\
         i = {{ aggregate = \"distinct\", of = \"at\", window = \"1m\" }}\n\
         [views.users]\nentity = \"user\"\nsource = \"t\"\n[views.users.features]\n\
         n = {{ aggregate = \"count\", window = \"1m\" }}\n"
    );
    tidemark_jobs::load("bad.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

fn in_ms() -> Arc<Plan> {
    job("time = { field = \"ts\", unit = \"ms\" }")
}

/// Records that are no events, and what their letters have to say.
fn bad() -> Vec<(Vec<u8>, &'static str)> {
    let edit = |from: &str, to: &str, says| {
        assert!(GOOD.contains(from));
        (GOOD.replacen(from, to, 1).into_bytes(), says)
    };
    let mut long = GOOD.replace("\"c\"", &format!("\"{}\"", "c".repeat(10 << 20))).into_bytes();
    long.push(b'\n');
    let mut broken = GOOD.as_bytes().to_vec();
    broken[31] = 0xff;
    let mut overlong = GOOD.as_bytes().to_vec();
    overlong.splice(30..31, [0xc0, 0x80]);
    vec![
        (GOOD.as_bytes()[..GOOD.len() - 1].to_vec(), "not one JSON value"),
        (GOOD.as_bytes()[..40].to_vec(), "not one JSON value"),
        (b"{".to_vec(), "not one JSON value"),
        (Vec::new(), "not one JSON value"),
        (b"\0\0\0".to_vec(), "not one JSON value"),
        (b"[1,2]".to_vec(), "the record is an array"),
        (format!("{GOOD}{GOOD}").into_bytes(), "trailing characters"),
        (vec![b'['; 100_000], "the record is an array"),
        (format!("{{\"x\":{}1{}}}", "[".repeat(9_999), "]".repeat(9_999)).into_bytes(), ""),
        (broken, "not UTF-8"),
        (overlong, "not UTF-8"),
        (long, "the limit is 1048576"),
        edit("\"c\"", "7.5", "\"card\""),
        edit("\"c\"", "{\"id\":7}", "\"card\""),
        edit("1.5", "\"1,5\"", "\"amount\""),
        edit("1.5", "null", "\"amount\""),
        edit("\"amount\"", "\"amounts\"", "\"amount\""),
        edit("1.5", "NaN", "found NaN"),
        edit("1.5", "\"NaN\"", "\"amount\""),
        edit("1.5", "-Infinity", "found -Infinity"),
        edit("1.5", "1e400", "\"amount\""),
        edit("1.5", "1000000000000.000001", "\"amount\""),
        edit("3", "3.5", "\"points\""),
        edit("3", "9223372036854775808", "\"points\""),
        edit("3", "-9223372036854775808", "\"points\""),
        edit("\"points\":3", "\"rate\":1e999", "\"rate\""),
        edit("\"points\":3", "\"good\":2", "\"good\""),
        edit("10.0.0.1", "10.0.0.256", "\"at\""),
        edit("\"card\":\"c\",", "", "none of the entity keys"),
        edit("\"c\"", "null", "none of the entity keys"),
        edit("\"ts\":1700000000000,", "", "event time"),
        edit("1700000000000", "null", "event time"),
        edit("1700000000000", "\"yesterday\"", "event time"),
        edit("1700000000000", "-62135596800000", "outside"),
        edit("1700000000000", "253402300799999", "outside"),
        edit("1700000000000", "1e300", "event time"),
        edit("1700000000000", "NaN", "found NaN"),
    ]
}

#[test]
fn every_malformed_record_becomes_one_dead_letter_with_its_bytes() {
    let (bad, plan) = (bad(), in_ms());
    let mut batch = RawBatch::default();
    let mut push = |value: Option<&[u8]>, key: &[u8]| {
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(key);
        let middle = batch.bytes.len();
        batch.bytes.extend_from_slice(value.unwrap_or_default());
        let offset = 100 + 3 * batch.records.len() as u64;
        batch.records.push(RawRecord {
            offset,
            key: Some(start..middle),
            value: value.map(|_| middle..batch.bytes.len()),
            ..RawRecord::default()
        });
    };
    // Between good ones, so that none does harm to its neighbours.
    push(Some(GOOD.as_bytes()), b"good");
    for (value, _) in &bad {
        push(Some(value), b"k\xff");
        push(Some(GOOD.as_bytes()), b"good");
    }
    push(None, b"null");
    let offset = |at: usize| 100 + 3 * (1 + 2 * at as u64);
    let read = batch.records.len() as u64;
    let outcome = run(&plan, Limits::default(), None, vec![vec![Step::Records(batch)]]);

    assert_eq!(outcome.dead.len(), bad.len() + 1);
    for (at, (letter, (value, says))) in outcome.dead.iter().zip(&bad).enumerate() {
        let error = letter.error.as_deref().unwrap();
        assert!(error.contains(says), "{says}: {error}");
        assert!(error.len() < 1_000, "an error shows little of the record: {}", error.len());
        assert_eq!(letter.offset, offset(at), "{error}");
        assert!(letter.value.as_ref() == Some(value), "its bytes, untouched: {error}");
        assert_eq!(letter.key.as_deref(), Some(&b"k\xff"[..]));
        assert_eq!((letter.reason, letter.event_time), (Reason::Malformed, None));
        assert_eq!((letter.late_by, letter.idle_floor), (None, false));
        assert_eq!((&*letter.source, letter.partition.partition), ("t", 0));
        assert_eq!(letter.watermark, T - 1_000);
    }
    let null = outcome.dead.last().unwrap();
    assert_eq!((&null.value, null.key.as_deref()), (&None, Some(&b"null"[..])));
    let good = bad.len() as u64 + 1;
    assert_eq!(null.reason, Reason::Tombstone);
    assert_eq!(outcome.verdicts, [good, 0, 0, good]);
    assert_eq!(outcome.verdicts.iter().sum::<u64>(), read);
    assert_eq!(outcome.sealed.lines().count() as u64, good);
    let features = format!("{{\"n\":{good},\"a\":{:?},", 1.5 * good as f64);
    let row = outcome.shown["cards/c"].last().unwrap().as_deref().unwrap();
    assert!(row.starts_with(&features), "{row}");
    assert_eq!(outcome.newest, Some(T));
}

#[test]
fn years_1_and_9999_are_malformed_in_every_unit() {
    for (unit, good, bad) in [
        ("ms", "1700000000000", ["-62135596800000", "253402300799000"]),
        ("s", "1700000000", ["-62135596800", "253402300799"]),
        ("us", "1700000000000000", ["-62135596800000000", "253402300799000000"]),
        (
            "rfc3339",
            "\"2023-11-14T22:13:20Z\"",
            ["\"0001-01-01T00:00:00Z\"", "\"9999-12-31T23:59:59Z\""],
        ),
    ] {
        let plan = job(&format!("time = {{ field = \"ts\", unit = \"{unit}\" }}"));
        let record = |ts: &str| format!("{{\"ts\":{ts},\"card\":\"c\",\"amount\":1}}");
        let log = [record(bad[0]), record(good), record(bad[1]), record(good)];
        let outcome = run(&plan, Limits::default(), None, vec![vec![records(0, &log)]]);
        assert_eq!(outcome.verdicts, [2, 0, 0, 2], "{unit}: {:?}", outcome.dead);
        assert_eq!(outcome.newest, Some(T), "{unit}: a wrong time moves no clock");
        let offsets: Vec<_> = outcome.dead.iter().map(|letter| letter.offset).collect();
        assert_eq!(offsets, [0, 2], "{unit}");
        for letter in &outcome.dead {
            assert!(letter.error.as_deref().unwrap().contains("ts"), "{unit}: {letter:?}");
        }
    }
}

#[test]
fn a_record_within_a_raised_limit_is_an_event() {
    let long = GOOD.replace("\"c\"", &format!("\"{}\"", "c".repeat(3 << 20)));
    for (record_bytes, verdicts) in [(4 << 20, [1, 0, 0, 0]), (1 << 20, [0, 0, 0, 1])] {
        let limits = Limits { record_bytes, ..Limits::default() };
        let outcome = run(&in_ms(), limits, None, vec![vec![records(0, &[&long])]]);
        assert_eq!(outcome.verdicts, verdicts);
    }
}

#[test]
fn a_record_too_far_ahead_of_its_arrival_is_a_dead_letter_and_moves_nothing() {
    let plan = job("time = { field = \"ts\", unit = \"ms\" }\nmax_future_skew = \"1m\"\n\
         arrival_field = { field = \"arrived\", unit = \"ms\" }");
    let record = |ts: u64, arrived: Option<u64>| {
        let arrived = arrived.map_or(String::new(), |at| format!(",\"arrived\":{at}"));
        format!("{{\"ts\":{ts},\"card\":\"c\",\"amount\":1{arrived}}}").into_bytes()
    };
    let values = [
        record(T, Some(T)),
        record(T + 60_001, Some(T)),
        record(T + 60_000, Some(T)),
        // Late by one, and by nothing: neither of the two before has moved the watermark.
        record(T - 1_001, Some(T)),
        record(T - 1_000, Some(T)),
        // Without an arrival of its own a record has its timestamp.
        record(T + 200_000, None),
        record(T + 200_000, Some(T + 190_000)),
        // Without either nothing is known: when it is read decides nothing.
        record(T + 300_000, None),
    ];
    let Step::Records(mut batch) = records(0, &values) else { unreachable!() };
    batch.read_at = Some(T);
    batch.records[5].timestamp = Some(T + 139_999);
    batch.records[6].timestamp = Some(T);
    let outcome = run(&plan, Limits::default(), None, vec![vec![Step::Records(batch)]]);
    let letters = outcome.dead.iter();
    let letters: Vec<_> = letters
        .map(|d| {
            (d.offset, d.reason, d.event_time, d.field_time, d.late_by, d.arrival, d.watermark)
        })
        .collect();
    let wm = T - 1_000;
    assert_eq!(
        letters,
        [
            (1, Reason::Future, Some(T + 1_000), Some(T + 60_001), None, Some(T), wm),
            (3, Reason::Late, Some(T - 1_001), Some(T - 1_001), Some(1), Some(T), wm),
            (5, Reason::Future, Some(T + 140_999), Some(T + 200_000), None, Some(T + 139_999), wm),
        ]
    );
    assert_eq!(outcome.verdicts, [5, 1, 2, 0]);
    assert!(outcome.dead.iter().all(|d| d.value.as_deref() == Some(&values[d.offset as usize])));
    let errors = outcome.dead.iter().filter(|d| d.reason == Reason::Future);
    errors.for_each(|d| assert!(d.error.as_deref().unwrap().contains("max_future_skew"), "{d:?}"));
}

#[test]
fn the_four_verdicts_add_up_to_the_records_read_whatever_they_are() {
    let (mut accepted, mut malformed) = (0, 0);
    for seed in 0..80 {
        let mut world = World::random(seed);
        let mut rng = SmallRng::seed_from_u64(seed ^ 0xbad);
        for record in world.log.iter_mut().flatten() {
            match rng.random_range(0..8) {
                0 => record.truncate(rng.random_range(0..record.len())),
                1 => record.extend_from_within(..),
                2 => {
                    let at = rng.random_range(0..record.len());
                    record[at] = rng.random();
                }
                3 => {
                    let at = rng.random_range(0..record.len());
                    record.insert(at, rng.random());
                }
                _ => {}
            }
        }
        let job =
            world.job().replace("out_of_orderness =", "keyless = \"dead\"\nout_of_orderness =");
        let plan = tidemark_jobs::load("twin.toml", &job).unwrap().plan;
        let output = replay(&plan, &world.log, &Run { seed, ..Run::default() });
        let read: usize = world.log.iter().map(Vec::len).sum();
        assert_eq!(output.verdicts.iter().sum::<u64>(), read as u64, "seed {seed}");
        let [events, late, future, bad] = output.verdicts;
        assert_eq!(output.dead.len() as u64, late + future + bad, "seed {seed}");
        let places: BTreeSet<_> = output.dead.iter().map(|d| (d.partition, d.offset)).collect();
        assert_eq!(places.len(), output.dead.len(), "seed {seed}: one letter a record");
        for letter in &output.dead {
            let record = &world.log[letter.partition.partition as usize][letter.offset as usize];
            assert_eq!(letter.value.as_ref(), Some(record), "seed {seed}");
            let late = letter.reason == Reason::Late;
            assert_eq!((letter.late_by.is_some(), letter.error.is_some()), (late, !late));
        }
        accepted += events;
        malformed += bad;
    }
    assert!(accepted > 1_000 && malformed > 1_000, "{accepted} {malformed}");
}
