//! `tidemark demo`: a job on generated traffic, from records to rows, in this process alone.
//!
//! ```text
//!  generator ──> engine (its own thread) ──> embedded store ──> screen, HTTP
//!                   └──> dead letters, the newest in memory
//! ```
//!
//! Everything is what `tidemark run` uses but for the two ends: records are made instead of read,
//! and dead letters are shown instead of written.

mod columns;
mod letters;
mod memory;
mod recent;
mod traffic;
mod watch;

use crate::cli::DemoArgs;
use crate::config::{ClusterFile, Flags, Settings};
use crate::engine::{self, EngineError, Observer, Online};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::HttpServer;
use crate::logging::{self, KeptLines, LogTarget};
use crate::online::{Embedded, OnlineStore};
use crate::screen::{self, Until};
use crate::service::Service;
use crate::signals::Stop;
use crate::tables::{OpenTables, TablesConfig};
use crate::text::{count_text, duration_short, latency_short};
use crate::{connect, job_file, output, panics};
use letters::NewestLetters;
use memory::MemoryGuard;
use recent::RecentRecords;
use std::io::IsTerminal;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::time::EventTime;
use tidemark_operators::verdict::Reason;
use traffic::Traffic;
use watch::DemoWatch;

/// How long the workers may take to stop.
const STOP_MAX: Duration = Duration::from_secs(10);

type Engine = JoinHandle<Result<Option<EventTime>, EngineError>>;

/// Runs the demo until its time is over, a key or a signal ends it.
///
/// # Errors
/// When the job, a flag or the environment is wrong (exit code 2), the port is in use, or the job
/// fails.
pub fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    let flags = Flags { workers: args.workers, port: args.port, ..Flags::default() };
    let settings = Settings::load(&ClusterFile::None, flags)?;
    let plan = job_file::load(&args.job)?.plan;
    let recent = RecentRecords::default();
    let traffic = Traffic::new(args, &plan, settings.workers, recent.clone())?;
    let log = KeptLines::default();
    let terminal = std::io::stdout().is_terminal();
    let target = if terminal { LogTarget::Kept(log.clone()) } else { LogTarget::Stderr };
    logging::start(&settings.log.level, settings.log.format, target).map_err(Failure::usage)?;
    if !terminal {
        // The live screen gives the terminal back first.
        panics::end_the_process();
    }
    let stop = Stop::on_signals()?;

    let run = engine::Settings {
        plan: Arc::clone(&plan),
        workers: settings.workers,
        limits: settings.limits.engine(),
        live_idle: Some(connect::millis(settings.limits.live_idle)),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    };
    let observer = Observer::new(&run);
    let store: Arc<dyn OnlineStore> = Arc::new(Embedded::new(&plan, settings.workers));
    let letters = NewestLetters::default();
    let written = letters.clone();
    let stall_after = settings.http.stall_after;
    let service = Service::new(plan, observer.clone(), Arc::clone(&store), stall_after)
        .with_log(Box::new(move || written.status()));
    let http = HttpServer::start(settings.http.address(), Arc::new(service))?;

    let metrics = observer.metrics.first().cloned();
    let config = TablesConfig { reload: true, metrics, ..TablesConfig::default() };
    let tables = OpenTables::open(&run.plan, &config, &|| true)?.unwrap_or_default();
    let engine = start(&run, &observer, &traffic, &store, &letters, tables)?;
    let memory = MemoryGuard::default();
    let mut watch = DemoWatch::new(&run, observer.clone(), store, letters, log.clone(), recent);
    watch.http = Some(http.address().to_string());
    if !terminal {
        output::print(&watch.greeting())?;
    }
    let look = || {
        let mut state = watch.look(terminal);
        state.ended = engine.is_finished() || memory.exceeded(state.rss_bytes);
        state
    };
    let shown = screen::show(look, Until { uptime: args.duration, stop: stop.flag() });
    observer.stop();
    let ended = join(engine);
    drop(http);
    tell_warnings(&log);
    ended?;
    shown.map_err(|error| Failure::failed(format!("cannot show the demo: {error}")))?;
    memory.verdict()?;
    output::print(&summary(&observer))
}

/// Starts the workers, on a thread that waits for them.
fn start(
    run: &engine::Settings,
    observer: &Observer,
    traffic: &Traffic,
    store: &Arc<dyn OnlineStore>,
    letters: &NewestLetters,
    tables: OpenTables,
) -> Result<Engine, Failure> {
    let (run, observer) = (run.clone(), observer.clone());
    let (traffic, store, letters) = (traffic.clone(), Arc::clone(store), letters.clone());
    let origin = observer.started();
    let make: engine::MakeParts = Arc::new(move |worker, waker| {
        let partitions = traffic.start(worker, &waker, origin).map_err(|e| e.to_string())?;
        Ok(engine::Parts {
            partitions: Box::new(partitions),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(letters.clone()),
            online: Some(store.writer(worker)),
            lines: None,
        })
    });
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || engine::run(&run, &observer, &make))
        .map_err(|error| Failure::failed(format!("cannot start a thread for the job: {error}")))
}

/// Waits for the workers, which were asked to stop, and gives what went wrong with them.
fn join(engine: Engine) -> Result<(), Failure> {
    let begun = Instant::now();
    while !engine.is_finished() {
        if begun.elapsed() >= STOP_MAX {
            let most = STOP_MAX.as_secs();
            return Err(Failure::failed(format!("the workers did not stop within {most} s")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    match engine.join() {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Failure::failed(error)),
        Err(_) => Err(Failure::failed("the thread of the job panicked; please report it")),
    }
}

/// What was logged while the screen hid it.
fn tell_warnings(log: &KeptLines) {
    for line in log.lines() {
        if line.contains("WARN") || line.contains("ERROR") {
            eprintln!("{line}");
        }
    }
}

/// One line about the whole run.
fn summary(observer: &Observer) -> String {
    let uptime = u64::try_from(observer.started().elapsed().as_millis()).unwrap_or(u64::MAX);
    let totals = watch::WatchTotals::of(&observer.metrics);
    let mut text = format!(
        "demo over after {}: {} records read, {} of them events",
        duration_short(uptime),
        count_text(totals.accepted + totals.dead.iter().sum::<u64>()),
        count_text(totals.accepted),
    );
    for (reason, count) in Reason::ALL.iter().zip(totals.dead) {
        text.push_str(&format!(", {} {}", count_text(count), reason.name()));
    }
    let latency = |per_mille| totals.latency_ns.quantile(per_mille).map(latency_short);
    if let (Some(p50), Some(p99)) = (latency(500), latency(990)) {
        text.push_str(&format!("; arrival to row p50 {p50}, p99 {p99}"));
    }
    text.push('\n');
    text
}
