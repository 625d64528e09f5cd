//! Claims about generated traffic.

mod behavior;
mod clicks;

use super::*;
use crate::generator::live::{History, LiveGenerator, LiveOptions};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::ingest::reader::{Partitions, Poll};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::DAY;

const ALL: [Profile; 4] =
    [Profile::Fraud, Profile::W1, Profile::Personalization, Profile::Behavior];

fn options(profile: Profile) -> Options {
    Options { profile, events: 20_000, seed: 3, partitions: 3, cards: 2_000, ..Options::default() }
}

fn each(options: &Options, mut f: impl FnMut(&Record<'_>)) {
    let mut generator = Generator::new(options.clone()).expect("good options");
    while let Some(record) = generator.next() {
        f(&record);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let all = |options: &Options| {
        let mut bytes = Vec::new();
        each(options, |r| bytes.extend_from_slice(r.line));
        bytes
    };
    for profile in ALL {
        let options = Options { late: 0.01, malformed: 0.01, ..options(profile) };
        assert_eq!(all(&options), all(&options));
        assert_ne!(all(&options), all(&Options { seed: 4, ..options.clone() }));
    }
}

#[test]
fn no_record_is_late_or_malformed_unless_asked_for() {
    for profile in [Profile::Fraud, Profile::W1] {
        let options = options(profile);
        let (mut newest, mut bytes, mut cards) = ([0; 3], 0, HashMap::new());
        let mut ids = HashSet::new();
        each(&options, |record| {
            let value: Value = serde_json::from_slice(record.line).expect("JSON");
            let at = value["timestamp"].as_u64().expect("a time");
            let newest = &mut newest[record.partition as usize];
            assert!(at + 5_000 >= *newest, "{value}");
            *newest = at.max(*newest);
            for field in ["user_id", "currency", "merchant_id", "mcc", "country", "device_id"] {
                assert!(value[field].is_string());
            }
            assert!(
                value["ip_address"]
                    .as_str()
                    .is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok())
            );
            assert!(value["amount"].as_f64().is_some_and(|a| (0.5..=25_000.0).contains(&a)));
            assert!(["approved", "declined"].contains(&value["status"].as_str().unwrap()));
            let card = value["card_id"].as_str().expect("a card").to_owned();
            assert_eq!(record.key, card.as_bytes());
            assert_eq!(*cards.entry(card).or_insert(record.partition), record.partition);
            assert!(ids.insert(value["transaction_id"].as_str().unwrap().to_owned()));
            bytes += record.line.len();
        });
        assert_eq!(ids.len(), 20_000);
        assert!((255..285).contains(&(bytes / 20_000)), "{} bytes a record", bytes / 20_000);
        assert!(cards.len() > 1_500, "{} cards", cards.len());
    }
}

#[test]
fn late_and_malformed_records_are_what_they_say() {
    let options = Options { late: 0.05, malformed: 0.05, ..options(Profile::W1) };
    let (mut newest, mut counts) = ([0; 3], HashMap::new());
    each(&options, |record| {
        *counts.entry(format!("{:?}", record.kind)).or_insert(0) += 1;
        let value = serde_json::from_slice::<Value>(record.line);
        let newest = &mut newest[record.partition as usize];
        match record.kind {
            Kind::Malformed => {
                let valid = value.is_ok_and(|v| {
                    let time = v["timestamp"].as_u64().is_some_and(|t| t < 4_102_444_800_000);
                    let amount = v["amount"].as_f64().is_some_and(|a| a < 1e10);
                    v["card_id"].is_string() && amount && time
                });
                assert!(!valid, "{}", String::from_utf8_lossy(record.line));
            }
            kind => {
                let at = value.expect("JSON")["timestamp"].as_u64().expect("a time");
                assert_eq!(kind == Kind::Late, at + 5_000 < *newest);
                *newest = at.max(*newest);
            }
        }
    });
    assert!((800..1_200).contains(&counts["Late"]), "{counts:?}");
    assert!((800..1_200).contains(&counts["Malformed"]), "{counts:?}");
}

#[test]
fn fraud_has_bursts_of_card_testing_and_about_a_tenth_declined() {
    let mut by_minute: HashMap<(Vec<u8>, u64), (u32, u32)> = HashMap::new();
    let mut declined = 0;
    each(&Options { events: 50_000, ..options(Profile::Fraud) }, |record| {
        let value: Value = serde_json::from_slice(record.line).expect("JSON");
        let small = u32::from(value["amount"].as_f64().is_some_and(|a| a < 5.0));
        let was_declined = u32::from(value["status"] == "declined");
        declined += was_declined;
        let minute = by_minute.entry((record.key.to_vec(), record.time / 120_000)).or_default();
        minute.0 += was_declined;
        minute.1 += small;
    });
    assert!((4_000..8_000).contains(&declined), "{declined}");
    assert!(by_minute.values().filter(|(d, s)| *d >= 10 && *s >= 10).count() >= 5);
}

#[test]
fn options_out_of_bounds_are_named() {
    let base = Options::default();
    for (option, options) in [
        ("partitions", Options { partitions: 0, ..base.clone() }),
        ("cards", Options { cards: 0, ..base.clone() }),
        ("hours", Options { hours: 0, ..base.clone() }),
        ("late", Options { late: 1.5, ..base.clone() }),
        ("malformed", Options { malformed: f64::NAN, ..base }),
    ] {
        let error = Generator::new(options).map(|_| ()).expect_err("out of bounds").to_string();
        assert!(error.contains(&format!("`{option}`")), "{error}");
    }
}

#[test]
fn partition_numbers_stand_before_the_extension() {
    for (out, first) in [
        ("a/traffic.jsonl", "a/traffic-0.jsonl"),
        ("traffic.jsonl.zst", "traffic-0.jsonl.zst"),
        ("traffic.zst", "traffic-0.zst"),
        ("traffic", "traffic-0"),
        ("a.b/.hidden", "a.b/.hidden-0"),
    ] {
        assert_eq!(partition_path(out.as_ref(), 0, 2), std::path::Path::new(first));
        assert_eq!(partition_path(out.as_ref(), 0, 1), std::path::Path::new(out));
    }
}

#[test]
fn live_sessions_keep_up_with_the_clock_but_for_the_disorder() {
    for profile in [Profile::Personalization, Profile::Behavior] {
        let (start, history) = (schedule::START + DAY, 2_000);
        let options = Options { events: 12_000, cards: 128, partitions: 1, ..options(profile) };
        let live = LiveOptions { rate: 1e9 / 640e6, partitions: 1, ..live_options(profile) };
        let schedule = live::schedule(&live, start, 20 * DAY, history);
        assert!(schedule.at(0) + 20 * DAY <= start + HOUR);
        let mut generator =
            Generator::scheduled(options, schedule.clone(), (0, 1), Cast::Plain).unwrap();
        let (mut n, mut newest) = (0, 0);
        while let Some(record) = generator.next() {
            let now = schedule.at(n);
            assert!(record.time <= now);
            // What was delayed in the past is delivered first; then one may wait for another.
            assert!(n < history + 300 || record.time + 3_000 + OUT_OF_ORDER_MAX >= now, "{n}");
            assert!(record.time + OUT_OF_ORDER_MAX >= newest, "{n}");
            newest = newest.max(record.time);
            n += 1;
        }
        assert_eq!(n, 12_000);
    }
}

fn live_options(profile: Profile) -> LiveOptions {
    LiveOptions {
        profile,
        seed: 1,
        rate: 20_000.0,
        partitions: 2,
        cards: 1_000,
        late: 0.0,
        malformed: 0.0,
        history: Some(History { span: 7_200_000, events: 1_001 }),
        events: Some(2_001),
        origin: Instant::now(),
        cast: Cast::Plain,
        present: None,
    }
}

#[test]
fn live_traffic_follows_the_schedule_and_ends() {
    let origin = Instant::now();
    let options = LiveOptions { origin, ..live_options(Profile::Fraud) };
    let ids: Vec<_> = (0..2).map(|partition| PartitionId { source: 0, partition }).collect();
    let (wake, woken) = std::sync::mpsc::channel();
    let wake = std::sync::Mutex::new(wake);
    let waker: crate::source::Waker = Arc::new(move || {
        let _ = wake.lock().unwrap().send(());
    });
    let mut generator = LiveGenerator::start(&options, &ids, &waker).expect("started");
    assert!(!generator.may_grow());
    let mut readers = generator.appeared();
    assert!(generator.appeared().is_empty() && readers.len() == 2);
    let (mut records, mut cards) = (0, HashMap::new());
    let mut starts = [Vec::new(), Vec::new()];
    while !readers.is_empty() {
        let mut idle = true;
        readers.retain_mut(|reader| match reader.poll() {
            Poll::Records(batch) => {
                idle = false;
                let partition = reader.id().partition;
                let history = [501, 500][partition as usize];
                let first = batch.records[0].offset;
                match first.checked_sub(history) {
                    // The schedule does not wait for us: a record every 100 us in each partition.
                    Some(live) => starts[partition as usize].push(batch.due_ns - live * 100_000),
                    None => assert_eq!(batch.due_ns, 0, "history was never due"),
                }
                for record in &batch.records {
                    records += 1;
                    let value: Value = serde_json::from_slice(batch.value(record)).expect("JSON");
                    assert!(value["timestamp"].as_u64() <= batch.read_at);
                    let card = batch.key(record).expect("a key").to_vec();
                    assert_eq!(*cards.entry(card).or_insert(partition), partition);
                }
                true
            }
            Poll::Pending { .. } => true,
            Poll::Ended => false,
            Poll::Failed(text) => panic!("{text}"),
        });
        if idle && !readers.is_empty() {
            woken.recv_timeout(Duration::from_secs(20)).expect("woken after Pending");
        }
    }
    assert_eq!(records, 3_002);
    for starts in starts {
        assert!(starts.iter().all(|start| *start == starts[0]), "{starts:?}");
    }
    assert!(origin.elapsed() >= Duration::from_millis(100), "no record comes before it is due");
}

/// The shipped job that reads a profile's records, and one that reads all of their fields.
fn plans(profile: Profile) -> Vec<Arc<Plan>> {
    let (shipped, all_fields) = match profile {
        Profile::Fraud | Profile::W1 => ("fraud", None),
        Profile::Personalization => ("personalization", Some(include_str!("tests/clicks.toml"))),
        Profile::Behavior => ("behavior", Some(include_str!("tests/behavior.toml"))),
    };
    let shipped = tidemark_jobs::shipped(shipped).expect("shipped").1;
    let load = |text| tidemark_jobs::load("job.toml", text).unwrap_or_else(|e| panic!("{e}")).plan;
    std::iter::once(shipped).chain(all_fields).map(load).collect()
}

#[test]
fn exactly_the_records_that_are_not_malformed_decode_in_every_profile() {
    for (profile, plan) in ALL.into_iter().flat_map(|p| plans(p).into_iter().map(move |j| (p, j))) {
        assert_eq!(plan.sources[0].name, profile.source());
        assert_eq!(plan.sources[0].out_of_orderness, OUT_OF_ORDER_MAX);
        let mut decoder = Decoder::new(&plan.sources[0]);
        let mut decoded = Decoded::default();
        let mut rows = 0;
        let options = Options { late: 0.02, malformed: 0.05, ..options(profile) };
        each(&options, |record| {
            let result = decoder.decode(record.line, &mut decoded);
            let text = String::from_utf8_lossy(record.line);
            assert_eq!(result.is_err(), record.kind == Kind::Malformed, "{result:?}: {text}");
            if result.is_ok() {
                rows += 1;
                assert_eq!(decoded.time.last(), Some(&record.time));
            }
        });
        assert!(rows > 18_000 && decoded.rows() == rows);
    }
}

#[test]
fn disorder_is_bounded_within_users_too_and_late_records_are_beyond_it() {
    for profile in [Profile::Personalization, Profile::Behavior] {
        let options = Options { late: 0.02, hours: 24, ..options(profile) };
        let (mut newest, mut users) = ([0; 3], HashMap::new());
        let (mut disorder, mut disorder_of_user, mut late, mut ids) = (0, 0, 0, HashSet::new());
        each(&options, |record| {
            let newest = &mut newest[record.partition as usize];
            assert_eq!(record.kind == Kind::Late, record.time + OUT_OF_ORDER_MAX < *newest);
            let user = users.entry(record.key.to_vec()).or_insert((record.partition, 0));
            assert_eq!(user.0, record.partition, "a user has one partition");
            if record.kind == Kind::Late {
                late += 1;
            } else {
                disorder += u32::from(record.time < *newest);
                disorder_of_user += u32::from(record.time < user.1);
                user.1 = user.1.max(record.time);
            }
            *newest = record.time.max(*newest);
            let value: Value = serde_json::from_slice(record.line).expect("JSON");
            assert!(ids.insert(value["event_id"].as_str().expect("an id").to_owned()));
        });
        assert!((300..500).contains(&late), "{late}");
        assert!(disorder > 500 && disorder_of_user > 200, "{disorder} {disorder_of_user}");
    }
}

#[test]
fn more_events_than_users_can_do_are_made_all_the_same() {
    for profile in [Profile::Personalization, Profile::Behavior] {
        let crowded = Options { cards: 3, hours: 1, partitions: 1, ..options(profile) };
        let (mut newest, mut records) = (0, 0);
        each(&crowded, |record| {
            assert!(record.time + OUT_OF_ORDER_MAX >= newest);
            newest = newest.max(record.time);
            records += 1;
        });
        assert_eq!(records, 20_000);
        each(&Options { cards: 1, events: 50, hours: 24 * 366, ..crowded }, |_| {});
    }
}

#[test]
fn the_bytes_of_a_seed_are_the_same_in_every_release() {
    const PINNED: [u64; 4] = [
        2_190_459_454_364_213_744,
        6_011_745_097_713_515_568,
        11_870_797_693_220_331_876,
        6_644_099_019_602_121_644,
    ];
    let pinned = |profile| {
        let (mut sum, options) = (0, Options { late: 0.01, malformed: 0.01, ..options(profile) });
        each(&options, |r| {
            sum = r.line.iter().fold(sum, |sum, byte| mix(sum, u64::from(*byte)));
        });
        sum
    };
    assert_eq!(ALL.map(pinned), PINNED);
}
