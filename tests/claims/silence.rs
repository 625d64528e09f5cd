//! Silence: idle partitions hold nobody back, and live values decay when nothing comes any more.

use crate::scripted::{Shown, Step, records, run, until};
use std::sync::Arc;
use tidemark::engine::Observer;
use tidemark::generator::{Generator, Options};
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::ingest::projection::{Outbox, Projection};
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::Limits;
use tidemark_operators::verdict::Reason;

const T: u64 = 1_700_000_000_000;

fn plan(idle_after: &str) -> Arc<Plan> {
    let text = format!(
        "[job]\nname = \"silence\"\n[sources.t]\nfiles = [\"memory\"]\nout_of_orderness = \"1s\"\n\
         idle_after = \"{idle_after}\"\ntime = {{ field = \"ts\", unit = \"ms\" }}\n\
         [sources.t.fields]\ncard = \"string\"\n[entities.card]\nkey = \"card\"\n\
         [views.cards]\nentity = \"card\"\nsource = \"t\"\n[views.cards.features]\n\
         n = {{ aggregate = \"count\", window = \"300ms\" }}\n\
         m = {{ aggregate = \"count\", window = \"100ms\" }}\n"
    );
    tidemark_jobs::load("silence.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

fn event(ts: u64) -> String {
    format!("{{\"ts\":{},\"card\":\"c\"}}", T + ts)
}

fn frontier(observer: &Observer) -> u64 {
    observer.metrics[0].frontier.get()
}

fn is_idle(observer: &Observer, partition: u32) -> bool {
    let progress = observer.metrics[0].progress();
    progress.iter().any(|p| p.id.partition == partition && p.idle)
}

/// Whether the partition has been read up to `offset`.
fn has_read(observer: &Observer, partition: u32, offset: u64) -> bool {
    let progress = observer.metrics[0].progress();
    progress.iter().any(|p| p.id.partition == partition && p.next_offset >= offset)
}

#[test]
fn an_idle_partition_stops_holding_the_others_back_and_a_late_floor_says_so() {
    let busy = vec![
        records(0, &[event(0)]),
        until("the other is idle", |o, _| is_idle(o, 1)),
        records(1, &[event(100_000)]),
        // The end of this one must not be what moves the frontier.
        until("the other has come back", |o, _| has_read(o, 1, 5)),
    ];
    let silent = vec![
        records(0, &[event(0)]),
        until("the frontier has moved on", |o, _| frontier(o) == T + 99_000),
        // On time by its own watermark, late by the floor; late by both; on time; late by its own.
        records(1, &[event(5_000), event(0) /* 0 */]),
        records(3, &[event(102_000), event(100_999)]),
        until("its sibling has ended", |_, _| true),
    ];
    let outcome = run(&plan("40ms"), Limits::default(), None, vec![busy, silent]);
    let letters = outcome.dead.iter();
    let letters: Vec<_> = letters
        .map(|d| (d.partition.partition, d.offset, d.late_by.unwrap(), d.idle_floor))
        .collect();
    assert_eq!(
        letters,
        [(1, 1, 94_000, true), (1, 2, 99_000, true), (1, 4, 1, false)],
        "{:?}",
        outcome.dead
    );
    assert!(outcome.dead.iter().all(|d| d.reason == Reason::Late));
    assert_eq!(outcome.verdicts, [4, 3, 0, 0]);
    assert_eq!(outcome.newest, Some(T + 102_000));
}

#[test]
fn a_silent_partition_that_is_not_idle_yet_holds_the_frontier() {
    // Nothing is idle for a day: the frontier stays at the silent partition's watermark.
    let busy = vec![records(0, &[event(0)]), records(1, &[event(100_000)])];
    let silent = vec![
        records(0, &[event(0)]),
        until("all has been read", |o, _| has_read(o, 0, 2)),
        until("and the frontier moved as far as it may", |o, _| {
            assert!(frontier(o) <= T - 1_000, "nothing but us holds it");
            frontier(o) == T - 1_000
        }),
        records(1, &[event(500)]),
    ];
    let outcome = run(&plan("24h"), Limits::default(), None, vec![busy, silent]);
    assert_eq!(outcome.verdicts, [4, 0, 0, 0], "{:?}", outcome.dead);
}

#[test]
fn live_values_decay_when_every_source_is_silent() {
    let row = |n: u32, m: u32| Some(format!("{{\"n\":{n},\"m\":{m}}}"));
    let newest = |shown: &Shown| shown.get("cards/c").and_then(|rows| rows.last().cloned());
    let next = row(1, 1);
    let script: Vec<Step> = vec![
        records(0, &[event(0), event(1)]),
        until("the row is gone", move |_, shown| newest(shown) == Some(None)),
        records(2, &[event(1_000_000)]),
        until("there is one again", move |_, shown| shown["cards/c"].contains(&next)),
    ];
    let outcome = run(&plan("24h"), Limits::default(), Some(30), vec![script]);
    assert_eq!(outcome.verdicts, [3, 0, 0, 0]);
    assert_eq!(outcome.newest, Some(T + 1_000_000));
    // How many steps of decay are seen depends on the pace of this machine; their order does not.
    let steps = [row(2, 2), row(2, 1), row(2, 0), row(1, 0), None, row(1, 1), row(1, 0), None];
    let mut steps = steps.iter();
    let mut rows = outcome.shown["cards/c"].clone();
    rows.dedup();
    for shown in &rows {
        assert!(steps.any(|step| step == shown), "{:?}", outcome.shown);
    }
}

#[test]
fn the_default_stash_keeps_the_silence_of_one_partition_at_20_000_events_a_second() {
    let plan = tidemark::job_file::load("fraud").unwrap().plan;
    let (mut projection, mut outbox) = (Projection::new(&plan, 0), Outbox::new(&plan, 1));
    let (mut decoder, mut decoded) = (Decoder::new(&plan.sources[0]), Decoded::default());
    let options = Options { events: 10_000, ..Options::default() };
    let mut generator = Generator::new(options).unwrap();
    while let Some(record) = generator.next() {
        let _ = decoder.decode(record.line, &mut decoded);
    }
    let rows = decoded.rows() as u64;
    assert!(rows > 9_000, "{rows}");
    let offsets: Vec<_> = (0..rows).collect();
    let kept = projection.project(&mut decoded, 0, &offsets, 0, &mut outbox);
    let silence = plan.sources[0].idle_after / 1_000 * 20_000 * kept / rows;
    let paused_at = Limits::default().stash_bytes / 2;
    assert!(silence < paused_at, "{} bytes an event, {silence} in all", kept / rows);
    assert!(silence > paused_at / 4, "and the default is not a guess: {}", kept / rows);
}
