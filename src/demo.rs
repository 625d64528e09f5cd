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
mod flagged;
mod letters;
mod memory;
mod past;
mod recent;
mod story;
#[cfg(test)]
mod tests;
mod traffic;
mod watch;

use crate::cli::DemoArgs;
use crate::config::{ClusterFile, Flags, ServeSettings, Settings};
use crate::engine::{self, EngineError, Observer, Online};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::http::{HostNames, HttpServer};
use crate::logging::{self, KeptLines, LogTarget};
use crate::online::{Embedded, OnlineStore, project_name};
use crate::run::observed;
use crate::screen::{self, Ask, ScreenState, Until};
use crate::service::Service;
use crate::serving::{EngineRows, FeatureServer, RankedSources, RowSource};
use crate::signals::Stop;
use crate::tables::{OpenTables, TablesConfig};
use crate::text::{count_text, duration_short, latency_short};
use crate::whole_file::WholeFile;
use crate::{connect, job_file, output, panics};
use flagged::Flagged;
use letters::DemoLetters;
use memory::MemoryGuard;
use recent::RecentRecords;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tidemark_jobs::Job;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::time::EventTime;
use tidemark_operators::verdict::Reason;
use traffic::Traffic;
use watch::DemoWatch;

/// How long the traffic is live before the screen is written to a file.
const SCREENSHOT_AFTER: Duration = Duration::from_secs(15);
/// Its columns and lines then.
const SCREENSHOT_SIZE: (u16, u16) = (116, 30);
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
    let job = job(args)?;
    let plan = Arc::clone(&job.plan);
    let traffic = Traffic::new(args, &plan, settings.workers, RecentRecords::default())?;
    let log = KeptLines::default();
    let terminal = std::io::stdout().is_terminal() && args.screenshot.is_none();
    let target = if terminal { LogTarget::Kept(log.clone()) } else { LogTarget::Stderr };
    logging::start(&settings.log.level, settings.log.format, target).map_err(Failure::usage)?;
    if !terminal {
        // The live screen gives the terminal back first.
        panics::end_the_process();
    }
    let stop = Stop::on_signals()?;

    let run = engine_settings(&settings, &plan);
    let observer = observed(&run, &settings);
    let store: Arc<dyn OnlineStore> = Arc::new(Embedded::new(&plan, settings.workers));
    let letters = DemoLetters::default();
    let (written, stall_after) = (letters.clone(), settings.http.stall_after);
    let service = Service::new(plan, observer.clone(), Arc::clone(&store), stall_after);
    let service = service.with_page(&job, served_at(args), letters.kept());
    let service = Arc::new(service.with_log(Box::new(move || written.status())));
    let (address, names) = (settings.http.address(), HostNames::new(settings.http.named()));
    let http = HttpServer::start(address, names.clone(), Arc::<Service>::clone(&service))?;
    let features = serve((args, &job, names), &observer, &store, &service)?;

    let tables = tables(&run.plan, &observer)?;
    let (seen, kept) = (Arc::clone(&store), letters.clone());
    let mut watch = DemoWatch::new(&run, observer.clone(), seen, kept, traffic.clone());
    watch = watch.with_log(log.clone());
    watch.http = Some(http.address().to_string());
    let sinks = DemoSinks { letters, store, flagged: watch.flagged() };
    let engine = start(&run, &observer, &traffic, sinks, tables)?;
    let memory = MemoryGuard::default();
    if !terminal {
        output::print(&watch.greeting())?;
    }
    let look = |ask: &Ask| {
        let mut state = watch.look(ask);
        state.ended = engine.is_finished() || memory.exceeded(state.rss_bytes);
        state
    };
    let until = Until { uptime: args.duration, stop: stop.flag() };
    let shown = match &args.screenshot {
        Some(path) => take_screenshot(look, path),
        None => screen::show(look, until)
            .map(|_| ())
            .map_err(|error| Failure::failed(format!("cannot show the demo: {error}"))),
    };
    observer.stop();
    let ended = join(engine);
    drop((http, features));
    tell_warnings(&log);
    ended?;
    shown?;
    memory.verdict()?;
    output::print(&summary(&observer))
}

/// The job's reference tables.
fn tables(plan: &Plan, observer: &Observer) -> Result<OpenTables, Failure> {
    let metrics = observer.metrics.first().cloned();
    let config = TablesConfig { reload: true, metrics, ..TablesConfig::default() };
    Ok(OpenTables::open(plan, &config, &|| true)?.unwrap_or_default())
}

/// Serves the features to models, when that is asked for.
fn serve(
    (args, job, names): (&DemoArgs, &Job, HostNames),
    observer: &Observer,
    store: &Arc<dyn OnlineStore>,
    service: &Arc<Service>,
) -> Result<Option<FeatureServer>, Failure> {
    if args.serve.is_none() {
        return Ok(None);
    }
    let (store, service) = (Arc::clone(store), Arc::clone(service));
    let rows = EngineRows::new(store, observer.metrics.clone(), move || service.caught_up());
    let sources = RankedSources::new(vec![RowSource::engine(rows)]);
    let project = project_name(&job.plan.name);
    FeatureServer::start((job, project), &serve_settings(args), names, sources).map(Some)
}

fn served_at(args: &DemoArgs) -> SocketAddr {
    serve_settings(args).address()
}

fn serve_settings(args: &DemoArgs) -> ServeSettings {
    let default = ServeSettings::default();
    ServeSettings { port: args.serve.unwrap_or(default.port), ..default }
}

/// How the job runs: by the clock of its records, rows at every step.
fn engine_settings(settings: &Settings, plan: &Arc<Plan>) -> engine::Settings {
    engine::Settings {
        plan: Arc::clone(plan),
        shape: Shape::one_process(settings.workers),
        limits: settings.limits.engine(),
        live_idle: Some(connect::millis(settings.limits.live_idle)),
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::None,
        online: Online::EveryStep,
    }
}

/// Writes the screen as it looks when the traffic has been live for a while.
fn take_screenshot(
    look: impl FnMut(&Ask) -> ScreenState,
    path: &std::path::Path,
) -> Result<(), Failure> {
    let cannot = |error: &dyn std::fmt::Display| {
        Failure::failed(format!("cannot write the screen to {}: {error}", path.display()))
            .hint("name a file in a folder that may be written to")
    };
    let picture = screen::picture(look, SCREENSHOT_AFTER, SCREENSHOT_SIZE);
    let Some(text) = picture.map_err(|error| cannot(&error))? else {
        return Err(Failure::failed("cannot show the demo: it ended before it was live"));
    };
    WholeFile::write(path, &text).map_err(|error| cannot(&error.source))
}

/// The job, when the picture does not take the place of what is read.
fn job(args: &DemoArgs) -> Result<Job, Failure> {
    let name = args.named_job.as_deref().unwrap_or(&args.job);
    let job = job_file::load(name)?;
    roles(args, name, &job).check()?;
    Ok(job)
}

/// What is read and what is written.
fn roles(args: &DemoArgs, name: &str, job: &Job) -> FileRoles {
    let mut roles = FileRoles::default();
    job_file::is_read(name, &mut roles);
    job_file::tables_are_read(&job.plan, |_| true, &mut roles);
    args.screenshot.iter().for_each(|path| roles.writes("--screenshot", path));
    roles
}

/// Where rows and dead letters go.
struct DemoSinks {
    letters: DemoLetters,
    store: Arc<dyn OnlineStore>,
    flagged: Flagged,
}

/// Starts the workers, on a thread that waits for them.
fn start(
    run: &engine::Settings,
    observer: &Observer,
    traffic: &Traffic,
    sinks: DemoSinks,
    tables: OpenTables,
) -> Result<Engine, Failure> {
    let (run, observer) = (run.clone(), observer.clone());
    let traffic = traffic.clone();
    let origin = observer.started();
    let make: engine::MakeParts = Arc::new(move |worker, waker| {
        let partitions = traffic.start(worker, &waker, origin).map_err(|e| e.to_string())?;
        Ok(engine::Parts {
            partitions: Box::new(partitions),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(sinks.letters.clone()),
            online: Some(sinks.flagged.watch(worker, sinks.store.writer(worker))),
            lines: None,
            probes: Vec::new(),
            checkpoints: None,
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
    let dead = Reason::ALL.iter().zip(totals.dead);
    for (reason, count) in dead.filter(|(reason, count)| *count > 0 || !reason.is_rare()) {
        text.push_str(&format!(", {} {}", count_text(count), reason.name()));
    }
    let latency = |per_mille| totals.latency_ns.quantile(per_mille).map(latency_short);
    if let (Some(p50), Some(p99)) = (latency(500), latency(990)) {
        text.push_str(&format!("; arrival to row p50 {p50}, p99 {p99}"));
    }
    text.push('\n');
    text
}
