//! What does a feature row cost? In ns for the worker that hands it to the online table (rows of 12
//! features, 100,000 entities at random, 3 features changed), and, with `--redis PORT`, in rows per
//! second and Redis CPU seconds on their way into a real Redis (which it flushes first), and what it
//! costs until a million keys are back after everything in it was lost; the bar is a minute of CPU.

#![expect(clippy::print_stdout, clippy::panic, reason = "a bench prints, and stops when it cannot")]

#[expect(dead_code, reason = "the Redis is the caller's; other benches start theirs")]
#[path = "measure/servers.rs"]
mod servers;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark::online::redis::{Generation, RedisServers, StoreStart};
use tidemark::online::{Embedded, OnlineStore, Redis, RedisSettings};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::{Cause, EntityIds, RowBatch};
use tidemark_operators::plan::{EntityPlan, FeaturePlan, Plan, ViewIndex, ViewPlan};
use tidemark_operators::value::{Column, Type};
use tidemark_operators::zone::Zone;

const ENTITIES: u32 = 100_000;
const FEATURES: usize = 12;
const BATCH: u32 = 1_000;
/// Keys that are lost and written again.
const KEYS: u32 = 1_000_000;
/// CPU seconds of this process and of Redis that this may take.
const BACK_CPU_MAX: f64 = 60.0;

struct Ids(Vec<Vec<u8>>);

impl EntityIds for Ids {
    fn id(&self, slot: u32) -> &[u8] {
        self.0.get(slot as usize).map_or(&[], Vec::as_slice)
    }
}

fn plan() -> Plan {
    let features = (0..FEATURES).map(|column| FeaturePlan {
        name: format!("txn_feature_{column}"),
        ty: if column % 2 == 0 { Type::Int } else { Type::Double },
        nullable: column % 2 == 1,
        column,
    });
    let view = ViewPlan {
        name: "w1".to_owned(),
        index: 0,
        mask: 0,
        ttl: 86_400_000,
        reads: Vec::new(),
        derived: Vec::new(),
        features: features.collect(),
        extents: Vec::new(),
    };
    let entity = EntityPlan {
        name: "card".to_owned(),
        sources: Vec::new(),
        attributes: Vec::new(),
        lookups: Vec::new(),
        late: Vec::new(),
        sequences: Vec::new(),
        sessions: Vec::new(),
        filters: 0,
        windows: Vec::new(),
        accumulators: Vec::new(),
        lasts: Vec::new(),
        views: vec![view],
    };
    Plan {
        name: "bench".to_owned(),
        sources: Vec::new(),
        tables: Vec::new(),
        entities: vec![entity],
        views: vec![ViewIndex { entity: 0, view: 0 }],
        zone: Arc::new(Zone::utc()),
        distinct_max: None,
    }
}

/// Batches of rows in which three features differ from one batch to the next.
fn batches(count: u64) -> Vec<RowBatch> {
    let mut random = SmallRng::seed_from_u64(1);
    let mut batches = Vec::new();
    for number in 0..count {
        let mut batch = RowBatch { as_of: number, ..RowBatch::default() };
        batch.features.resize_with(FEATURES, Column::default);
        let mut slots: Vec<u32> = (0..BATCH).map(|_| random.random_range(0..ENTITIES)).collect();
        slots.sort_unstable();
        slots.dedup();
        for slot in &slots {
            for (at, column) in batch.features.iter_mut().enumerate() {
                let changing = (number as usize + at).is_multiple_of(4);
                let value = if changing { number } else { u64::from(*slot) };
                match at % 2 {
                    0 => column.push_word(value),
                    _ => column.push_double(value as f64 / 100.0),
                }
            }
        }
        batch.causes.resize(slots.len(), Cause::Arrival);
        batch.deleted.resize(slots.len(), false);
        batch.slots = slots;
        batches.push(batch);
    }
    batches
}

fn rows(batches: &[RowBatch]) -> f64 {
    batches.iter().map(|b| b.slots.len()).sum::<usize>() as f64
}

fn main() {
    let ids = Ids((0..ENTITIES).map(|n| format!("card_{n:08}").into_bytes()).collect());
    let batches = batches(1_000);
    table(&batches, &ids);
    let mut arguments = std::env::args().skip_while(|a| a != "--redis").skip(1);
    if let Some(port) = arguments.next().and_then(|port| port.parse().ok()) {
        into_redis(port, &batches, &ids, false);
        into_redis(port, &batches, &ids, true);
        back_after_a_flush(port);
    }
}

fn table(batches: &[RowBatch], ids: &Ids) {
    let store = Embedded::new(&plan(), 1);
    let mut writer = store.writer(0);
    // Few batches over and over: a worker has just made the batch it hands over.
    let batches = batches.get(..20).unwrap_or(batches);
    for round in 0..4 {
        let started = cpu_ns();
        for _ in 0..50 {
            for batch in batches {
                writer.write(batch, ids);
            }
        }
        let ns = (cpu_ns() - started) / 50.0 / rows(batches);
        println!("embedded, round {round}: {ns:.0} CPU ns a row of {FEATURES} features");
    }
}

/// What this thread has spent.
fn cpu_ns() -> f64 {
    let spent = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    spent.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(f64::NAN)
}

fn cpu_seconds(client: &mut redis::Connection) -> f64 {
    let info: String = redis::cmd("INFO").arg("cpu").query(client).unwrap_or_default();
    let field = |name| info.lines().find_map(|line: &str| line.strip_prefix(name)?.parse().ok());
    field("used_cpu_user:").unwrap_or(0.0) + field("used_cpu_sys:").unwrap_or(0.0)
}

/// What this process has spent, in seconds.
fn own_cpu_seconds() -> f64 {
    servers::cpu_seconds("self")
}

fn connect(port: u16) -> redis::Connection {
    let url = format!("redis://127.0.0.1:{port}");
    let client = redis::Client::open(url).and_then(|client| client.get_connection());
    client.unwrap_or_else(|e| panic!("no Redis on port {port}: {e}"))
}

fn flush_all(client: &mut redis::Connection) {
    redis::cmd("FLUSHALL").exec(client).unwrap_or_else(|e| panic!("cannot flush: {e}"));
}

/// Waits while the only worker, whose steps its heartbeats ask for, goes on.
fn wait_while(worker: &WorkerMetrics, mut waits: impl FnMut() -> bool) {
    while waits() {
        worker.steps.add(1);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn back_after_a_flush(port: u16) {
    let mut client = connect(port);
    flush_all(&mut client);
    let ids = Ids((0..KEYS).map(|n| format!("card_{n:08}").into_bytes()).collect());
    let (plan, settings) = (
        plan(),
        RedisSettings { servers: RedisServers::on_loopback(port), ..RedisSettings::default() },
    );
    let worker = Arc::new(WorkerMetrics::new(0, &plan));
    let store = Redis::start_for(&plan, &[Arc::clone(&worker)], settings, StoreStart::default());
    let store = store.unwrap_or_else(|e| panic!("{e}"));
    let status = || store.status().redis.unwrap_or_default();
    let mut writer = store.writer(0);
    for from in (0..KEYS).step_by(BATCH as usize) {
        let mut batch = RowBatch { as_of: 1, ..RowBatch::default() };
        batch.slots = (from..from + BATCH).collect();
        batch.causes.resize(batch.slots.len(), Cause::Arrival);
        batch.deleted.resize(batch.slots.len(), false);
        batch.features.resize_with(FEATURES, Column::default);
        for (at, column) in batch.features.iter_mut().enumerate() {
            for slot in &batch.slots {
                match at % 2 {
                    0 => column.push_word(u64::from(*slot)),
                    _ => column.push_double(f64::from(*slot) / 100.0),
                }
            }
        }
        writer.write(&batch, &ids);
        wait_while(&worker, || status().dirty > 4_000);
    }
    let beats = status().beats;
    wait_while(&worker, || status().dirty > 0 || status().beats < beats + 2);
    let keys = |client: &mut redis::Connection| -> u64 {
        redis::cmd("DBSIZE").query(client).unwrap_or_else(|e| panic!("cannot count: {e}"))
    };
    let all = keys(&mut client);
    let (started, own, redis) = (Instant::now(), own_cpu_seconds(), cpu_seconds(&mut client));
    flush_all(&mut client);
    wait_while(&worker, || keys(&mut client) < all);
    let (own, redis) = (own_cpu_seconds() - own, cpu_seconds(&mut client) - redis);
    println!(
        "{all} keys are back {:.1} s after a flush: {own:.1} CPU seconds here, {redis:.1} in Redis; \
         the bar is {BACK_CPU_MAX} in all{}",
        started.elapsed().as_secs_f64(),
        if own + redis < BACK_CPU_MAX { "" } else { ": MISSED" }
    );
    store.close(Duration::from_secs(10)).unwrap_or_else(|e| panic!("{e}"));
}

/// `fenced`: as a job that keeps its state.
fn into_redis(port: u16, batches: &[RowBatch], ids: &Ids, fenced: bool) {
    let mut client = connect(port);
    flush_all(&mut client);
    let settings =
        RedisSettings { servers: RedisServers::on_loopback(port), ..RedisSettings::default() };
    let worker = Arc::new(WorkerMetrics::new(0, &plan()));
    let generation = fenced.then(|| Generation {
        number: 1,
        store: "bench".to_owned(),
        writer: "bench".to_owned(),
    });
    let start = StoreStart { generation, ..StoreStart::default() };
    let store = Redis::start_for(&plan(), &[worker], settings, start);
    let store = store.unwrap_or_else(|e| panic!("{e}"));
    let mut writer = store.writer(0);
    for round in 0..4 {
        let before = store.status().redis.unwrap_or_default();
        let (started, cpu) = (Instant::now(), cpu_seconds(&mut client));
        for batch in batches {
            writer.write(batch, ids);
            // As fast as Redis takes them, and no faster: nothing coalesces away.
            while store.status().redis.is_some_and(|s| s.dirty > 4_000) {
                std::thread::sleep(Duration::from_micros(50));
            }
        }
        while store.status().redis.is_some_and(|s| s.dirty > 0) {
            std::thread::sleep(Duration::from_micros(200));
        }
        let seconds = started.elapsed().as_secs_f64();
        let after = store.status().redis.unwrap_or_default();
        let written = (after.rows_written.arrival - before.rows_written.arrival) as f64;
        let cpu = cpu_seconds(&mut client) - cpu;
        println!(
            "Redis{}, round {round}: {written:.0} rows written of {:.0}, {:.0} rows/s, {:.0} rows a \
             Redis CPU second, {:.0} rows a flush, commands {:?}",
            if fenced { " with a fence" } else { "" },
            rows(batches),
            written / seconds,
            written / cpu,
            (after.flushed - before.flushed) as f64 / (after.pipelines - before.pipelines) as f64,
            after.arrival,
        );
    }
    store.close(Duration::from_secs(10)).unwrap_or_else(|e| panic!("{e}"));
}
