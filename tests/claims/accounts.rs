//! What a run says of itself, against what can be counted by hand; and ids that are odd.

use crate::memory::{Run, replay, watched};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tidemark::engine::Online;
use tidemark_operators::online::HANDOUT_ROWS;
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::Limits;
use tidemark_operators::timeline::chunk::CHUNK_ROWS_MIN;
use tidemark_operators::window::batch::WindowBatch;

const T: u64 = 1_700_000_000_000;

fn plan() -> Arc<Plan> {
    let text = "[job]\nname = \"accounts\"\ndistinct_max = 3\n[sources.t]\nfiles = [\"memory\"]\n\
         out_of_orderness = \"20ms\"\ntime = { field = \"ts\", unit = \"ms\" }\n\
         [sources.t.fields]\ncard = \"string\"\n\
         country = { type = \"string\", optional = true }\n\
         points = { type = \"int\", optional = true }\n\
         [entities.card]\nkey = \"card\"\n\
         [views.cards]\nentity = \"card\"\nsource = \"t\"\n[views.cards.features]\n\
         n = { aggregate = \"count\", window = \"100ms\" }\n\
         wide = { aggregate = \"count\", window = \"1s\" }\n\
         delayed = { aggregate = \"count\", window = \"50ms\", delay = \"30ms\" }\n\
         places = { aggregate = \"distinct\", of = \"country\", window = \"1s\" }\n\
         last = { aggregate = \"latest\", of = \"points\", horizon = \"1s\" }\n\
         twice = { expression = 'last * 2' }\n";
    tidemark_jobs::load("accounts.toml", text).unwrap_or_else(|e| panic!("{e}")).plan
}

fn event(ts: u64, card: &str, country: u64, points: i64) -> Vec<u8> {
    let ts = T + ts;
    format!("{{\"ts\":{ts},\"card\":\"{card}\",\"country\":\"{country}\",\"points\":{points}}}")
        .into_bytes()
}

#[test]
fn metrics_say_what_is_held_and_what_was_computed() {
    let (times, plan) = ([0, 3, 3, 40, 410, 420, 450, 470, 480, 490, 500], plan());
    let big = |at: usize| if at == 4 { i64::MAX } else { 1 };
    let log = times.iter().enumerate();
    let log = log.map(|(at, ts)| event(*ts, ["a", "b"][at % 2], at as u64, big(at)));
    let log: Vec<_> = log.collect();
    for (online, sealed_rows) in [(Online::AtEnd, 11), (Online::Off, 11)] {
        let run = Run { online, ..Run::default() };
        let (output, observer) = watched(&plan, &vec![log.clone()], &run);
        let (metrics, entity) = (&observer.metrics[0], &observer.metrics[0].entities[0]);
        let live_rows = output.live.len() as u64;
        assert_eq!(metrics.rows_sealed.get(), sealed_rows);
        assert_eq!(metrics.rows_live.get(), live_rows);
        assert_eq!(metrics.features.get(), 6 * (sealed_rows + live_rows));
        let inside = |delay: u64, length: u64| {
            times.iter().filter(|ts| *ts + delay <= 500 && 500 < *ts + delay + length).count()
        };
        let held = |delay, length| {
            let windows = plan.entities[0].windows.iter();
            let mut windows = windows.zip(&entity.windows);
            windows.find(|(w, _)| (w.delay, w.length) == (delay, length)).unwrap().1
        };
        for (delay, length) in [(0, 100), (0, 1_000), (30, 50)] {
            let (window, inside) = (held(delay, length), inside(delay, length) as u64);
            assert_eq!(window.events.get(), inside, "{online:?} {delay} {length}");
            assert_eq!((window.batches.get(), window.rows.get()), (1, inside), "{delay} {length}");
            // The log is one chunk of the least size.
            let row = entity.timeline_bytes.get() / CHUNK_ROWS_MIN as u64;
            assert_eq!(window.bytes.get(), inside * row + size_of::<WindowBatch>() as u64);
        }
        assert_eq!((entity.entities.get(), entity.timeline_rows.get()), (2, 11));
        assert!(entity.timeline_bytes.get() > 0);
        // Two cards; the countries are short enough to stand for themselves.
        assert_eq!(metrics.dictionary_entries.get(), 2);
        let lines = output.sealed.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
        let rows: Vec<Value> = lines.map(|l| l["features"].clone()).collect();
        let full = rows.iter().filter(|r| r["places"] == 3).count() as u64;
        assert_eq!(metrics.distinct_saturated.get(), full + live_rows, "a limit reached counts");
        assert!(rows.iter().all(|r| r["places"].as_u64() <= Some(3)));
        let nulls = rows.iter().filter(|r| r["twice"].is_null()).count();
        assert_eq!((nulls, metrics.int_overflows.get()), (1, 1));
        assert_eq!(metrics.in_flight_bytes.get(), 0);
    }
}

#[test]
fn an_empty_text_is_no_id() {
    let log = vec![(0..300).map(|at| event(at, ["", "x"][at as usize % 2], 1, 1)).collect()];
    let run = Run { online: Online::Off, ..Run::default() };
    let output = replay(&plan(), &log, &run);
    assert_eq!(output.verdicts, [150, 0, 0, 150], "accepted and malformed");
    let lines = output.sealed.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let ids: BTreeSet<_> = lines.map(|l| l["entity_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, BTreeSet::from(["x".to_owned()]));
}

const MEMORY: &str = "[job]\nname = \"memory\"\n[sources.t]\nfiles = [\"memory\"]\n\
     out_of_orderness = \"20ms\"\ntime = { field = \"ts\", unit = \"ms\" }\n\
     [sources.t.fields]\ncard = \"string\"\ncountry = \"string?\"\n\
     [entities.card]\nkey = \"card\"\n\
     [views.cards]\nentity = \"card\"\n[views.cards.features]\n\
     places = { aggregate = \"distinct\", of = \"country\", window = \"1s\" }\n\
     is_new = { aggregate = \"is_new\", of = \"country\", horizon = \"1s\" }\n";

/// Bytes of accumulators, history and dictionaries at the end.
fn memory(events: &[(u64, u64)], online: Online) -> [u64; 3] {
    let plan = tidemark_jobs::load("memory.toml", MEMORY).unwrap_or_else(|e| panic!("{e}")).plan;
    // Longer than what a dictionary keeps in place.
    let name = |at: u64| format!("a country of the number {at:06}");
    let record = |(ts, at): &(u64, u64)| {
        let (ts, country) = (T + ts, name(*at));
        format!("{{\"ts\":{ts},\"card\":\"c{}\",\"country\":\"{country}\"}}", at % 50).into_bytes()
    };
    let log = vec![events.iter().map(record).collect()];
    let limits = Limits { chunk_rows: 256, ..Limits::default() };
    let (_, observer) = watched(&plan, &log, &Run { online, limits, ..Run::default() });
    let entity = &observer.metrics[0].entities[0];
    [&entity.accumulator_bytes, &entity.history_bytes, &entity.dictionary_bytes].map(|g| g.get())
}

#[test]
fn the_bytes_of_accumulators_history_and_dictionaries_grow_and_shrink() {
    let few: Vec<_> = (0..50).map(|at| (at, at)).collect();
    let many: Vec<_> = (0..30_000).map(|at| (at / 50, at)).collect();
    // Long after the last of them, event by event, so that all is let go of.
    let after = (0..4_000).map(|at| (5_000 + at, at % 50));
    let gone: Vec<_> = many.iter().copied().chain(after).collect();
    for online in [Online::Off, Online::EveryStep] {
        let [few, many, gone] = [&few, &many, &gone].map(|events| memory(events, online));
        for (at, what) in ["accumulators", "history", "dictionaries"].iter().enumerate() {
            let (few, many, gone) = (few[at], many[at], gone[at]);
            assert!(few > 0 && many > few + 200_000, "{what}: {few}, then {many} bytes");
            assert!(gone + 200_000 < many, "{what}: {many}, then {gone} bytes");
        }
    }
}

#[test]
fn more_rows_than_one_activation_hands_out_are_all_handed_out() {
    let entities = 2 * HANDOUT_ROWS as u64 + 77;
    let log = vec![(0..entities).map(|at| event(at / 1_000, &format!("c{at}"), 1, 1)).collect()];
    for online in [Online::AtEnd, Online::EveryStep] {
        let (output, observer) = watched(&plan(), &log, &Run { online, ..Run::default() });
        assert_eq!(output.live.len() as u64, entities, "{online:?}");
        assert!(output.live.values().all(|row| row.contains("\"wide\":1,")), "{online:?}");
        assert!(observer.metrics[0].rows_live.get() >= entities, "{online:?}");
    }
}
