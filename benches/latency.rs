//! How long from when a record is due until the embedded store has its row? Open loop: against the
//! schedule of the generator, not against the last answer, so that waiting counts.
//!
//! `cargo bench --bench latency [-- RATE.. [silent]]` with rates in events per second. One worker runs
//! the job of `w1.toml`; of a batch its oldest event counts. With `silent` each rate is measured once
//! more in the first 29 s of the silence of one partition of four: it holds the frontier of all. The reference, in the same run, is an empty
//! pipe: the same generator and schedule into a reader that only looks at the time, which shows what
//! the machine's scheduling adds by itself. The bar is the project's own.

#![expect(
    clippy::print_stdout,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench prints and may fail"
)]

#[path = "measure/machine.rs"]
mod machine;
#[path = "measure/no_letters.rs"]
mod no_letters;
#[path = "measure/silence.rs"]
mod silence;

use no_letters::NoLetters;
use silence::Silenced;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemark::engine::{self, Observer, Online, Parts, Settings};
use tidemark::generator::live::{History, LiveGenerator, LiveOptions};
use tidemark::generator::{Cast, Profile};
use tidemark::online::{Embedded, OnlineStore as _};
use tidemark::source::Waker;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::reader::{Partitions as _, Poll};
use tidemark_operators::metrics::{Histogram, HistogramSnapshot, LATENCY_BOUNDS_NS};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// Events per second, unless others are asked for.
const RATES: [u64; 3] = [5_000, 50_000, 100_000];
/// The rate and the p99 of the bar.
const BAR: (u64, Duration) = (50_000, Duration::from_millis(10));
const PARTITIONS: u32 = 4;
const CARDS: u32 = 100_000;
/// The past before the first live event: as dense as the present, at most so many ms and so many
/// events. With it all windows up to five minutes are full, and lose events as fast as they get them.
const HISTORY: (u64, u64) = (320_000, 16_000_000);
/// After the backlog that the history left is gone.
const WARM_UP: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);
/// How long a partition has been silent when the other three are measured, so that the measurement
/// ends before it is taken for idle (30 s).
const SILENT: Duration = Duration::from_secs(9);
/// How long the history and its backlog may take.
const CATCH_UP_MAX: Duration = Duration::from_secs(300);
/// How long the reference sleeps at most: as the engine's workers.
const TICK: Duration = Duration::from_millis(5);

fn main() {
    let asked: Vec<u64> = std::env::args().skip(1).filter_map(|rate| rate.parse().ok()).collect();
    let silent = std::env::args().any(|argument| argument == "silent");
    let rates = if asked.is_empty() { RATES.to_vec() } else { asked };
    let text = std::fs::read_to_string(job()).unwrap();
    let plan = tidemark_jobs::load("w1.toml", &text).unwrap().plan;
    println!("machine: {}", machine::machine());
    println!("{PARTITIONS} partitions, one worker, {} s measured", MEASURED.as_secs());
    for rate in rates {
        let pipe = pipe(rate);
        println!("{rate}/s, empty pipe (reference): {pipe}");
        match job_latency(rate, &plan, silent) {
            Some((measured, beside_silence)) => {
                println!("{rate}/s, generator to embedded store: {measured}");
                if let Some(measured) = beside_silence {
                    println!("{rate}/s, one partition of {PARTITIONS} silent: {measured}");
                }
            }
            None => println!("{rate}/s: the engine did not catch up within {CATCH_UP_MAX:?}"),
        }
    }
}

fn job() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/w1.toml")
}

/// What came of one run.
struct Measured {
    rate: u64,
    latency: HistogramSnapshot,
    events: u64,
    seconds: f64,
    cpu: Duration,
    rows: Option<u64>,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantile = |per_mille| match self.latency.quantile(per_mille) {
            Some(ns) => format!("{:.2} ms", ns as f64 / 1e6),
            None => "none".to_owned(),
        };
        let (bar_rate, bar) = BAR;
        write!(f, "p50 {}, p99 {}", quantile(500), quantile(990))?;
        if self.rate == bar_rate && self.rows.is_some() {
            write!(f, " (bar {} ms)", bar.as_millis())?;
        }
        write!(f, ", p99.9 {}, max {}", quantile(999), most(&self.latency))?;
        let events = self.events as f64;
        let cpu = self.cpu.as_nanos() as f64 / events;
        write!(f, "; {:.0} events/s, {cpu:.0} ns CPU per event", events / self.seconds)?;
        if let Some(rows) = self.rows {
            write!(f, ", {:.2} rows per event", rows as f64 / events)?;
        }
        Ok(())
    }
}

/// The bounds of the bucket of the greatest value.
fn most(latency: &HistogramSnapshot) -> String {
    let Some(last) = latency.counts.iter().rposition(|count| *count > 0) else {
        return "none".to_owned();
    };
    let ms = |bucket: usize| latency.bounds.get(bucket).map(|ns| *ns as f64 / 1e6);
    match (last.checked_sub(1).and_then(ms), ms(last)) {
        (Some(low), Some(high)) => format!("in {low} to {high} ms"),
        (None, Some(high)) => format!("below {high} ms"),
        (low, None) => format!("above {} ms", low.unwrap_or(0.0)),
    }
}

fn options(rate: u64, history: Option<History>, origin: Instant) -> LiveOptions {
    LiveOptions {
        profile: Profile::W1,
        seed: 7,
        rate: rate as f64,
        partitions: PARTITIONS,
        cards: CARDS,
        late: 0.0,
        malformed: 0.0,
        history,
        events: None,
        origin,
        cast: Cast::Plain,
        present: None,
    }
}

fn start(options: &LiveOptions, waker: &Waker) -> LiveGenerator {
    let all: Vec<_> =
        (0..PARTITIONS).map(|partition| PartitionId { source: 0, partition }).collect();
    LiveGenerator::start(options, &all, waker).unwrap()
}

/// The reference.
fn pipe(rate: u64) -> Measured {
    let latency = Arc::new(Histogram::new(LATENCY_BOUNDS_NS));
    let (events, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let (noted, counted, stopped) = (Arc::clone(&latency), Arc::clone(&events), Arc::clone(&stop));
    let reader = std::thread::spawn(move || {
        let thread = std::thread::current();
        let waker: Waker = Arc::new(move || thread.unpark());
        let origin = Instant::now();
        let mut readers = start(&options(rate, None, origin), &waker).appeared();
        while !stopped.load(Relaxed) {
            let mut idle = true;
            for reader in &mut readers {
                match reader.poll() {
                    Poll::Records(batch) => {
                        let now = u64::try_from(origin.elapsed().as_nanos()).unwrap();
                        noted.record(now.saturating_sub(batch.due_ns));
                        counted.fetch_add(batch.records.len() as u64, Relaxed);
                        idle = false;
                    }
                    Poll::Pending { .. } => {}
                    Poll::Ended => panic!("the generator has ended"),
                    Poll::Failed(failure) => panic!("{failure}"),
                }
            }
            if idle {
                std::thread::park_timeout(TICK);
            }
        }
    });
    std::thread::sleep(WARM_UP);
    let measured = between(rate, || (latency.snapshot(), events.load(Relaxed), None));
    stop.store(true, Relaxed);
    reader.join().unwrap();
    measured
}

/// The difference of two looks.
fn between(rate: u64, look: impl Fn() -> (HistogramSnapshot, u64, Option<u64>)) -> Measured {
    let (began, cpu, (latency, events, rows)) =
        (Instant::now(), tidemark::process::cpu_time(), look());
    std::thread::sleep(MEASURED);
    let (after, events_after, rows_after) = look();
    Measured {
        rate,
        latency: after.since(&latency),
        events: events_after - events,
        seconds: began.elapsed().as_secs_f64(),
        cpu: tidemark::process::cpu_time() - cpu,
        rows: rows_after.zip(rows).map(|(after, before)| after - before),
    }
}

/// What has happened before the first live event.
fn past(rate: u64) -> History {
    let (span, events_max) = HISTORY;
    let events = (rate * span / 1_000).min(events_max);
    History { span: events * 1_000 / rate, events }
}

/// The engine, and the engine beside a silent partition; `None` when it does not keep up.
fn job_latency(rate: u64, plan: &Arc<Plan>, silent: bool) -> Option<(Measured, Option<Measured>)> {
    let settings = Settings {
        plan: Arc::clone(plan),
        shape: Shape::default(),
        limits: Limits::default(),
        live_idle: Some(1_000),
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    };
    let (observer, store) = (Observer::new(&settings), Arc::new(Embedded::new(plan, 1)));
    let past = past(rate);
    let (options, events) = (options(rate, Some(past), observer.started()), past.events);
    let silence = Arc::new(AtomicBool::new(false));
    let silenced = Arc::clone(&silence);
    let make: engine::MakeParts = Arc::new(move |worker, waker| {
        let (inner, silent) = (start(&options, &waker), Arc::clone(&silenced));
        Ok(Parts {
            partitions: Box::new(Silenced { inner, partition: PARTITIONS - 1, silent }),
            tables: Vec::new(),
            schemas: None,
            dead_letters: Box::new(NoLetters),
            online: Some(store.writer(worker)),
            lines: None,
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    let watched = observer.clone();
    let engine = std::thread::spawn(move || engine::run(&settings, &watched, &make));
    let metrics = Arc::clone(&observer.metrics[0]);
    let accepted = || metrics.verdicts[0].accepted.get();
    let began = Instant::now();
    // Less than 50 ms behind the schedule.
    let behind = || {
        let due = events as f64 + observer.started().elapsed().as_secs_f64() * rate as f64;
        due - accepted() as f64 > rate as f64 * 0.05
    };
    while behind() && began.elapsed() < CATCH_UP_MAX {
        assert!(!engine.is_finished(), "{:?}", engine.join());
        std::thread::sleep(Duration::from_millis(100));
    }
    let measured = (!behind()).then(|| {
        println!(
            "{rate}/s: history of {events} events over {} s, caught up after {:.1} s",
            past.span / 1_000,
            began.elapsed().as_secs_f64()
        );
        std::thread::sleep(WARM_UP);
        let look = || (metrics.latency_ns.snapshot(), accepted(), Some(metrics.rows_live.get()));
        let measured = between(rate, look);
        let beside_silence = silent.then(|| {
            silence.store(true, Relaxed);
            std::thread::sleep(SILENT);
            between(rate, look)
        });
        (measured, beside_silence)
    });
    observer.stop();
    engine.join().unwrap().unwrap();
    measured
}
