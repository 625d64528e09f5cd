//! `tidemark run`: a job from its topics or files to the online store, until it ends or is stopped.
//!
//! The order of a start: settings and job are checked (exit code 2 until here), the online store
//! and the dead letters are opened, HTTP answers, and only then Kafka is reached, for as long as
//! that takes. The order of an end: reading stops, dead letters are written, rows are written,
//! connections are closed, HTTP goes last.
//!
//! A job starts where its sources say, whatever an earlier run did: rows are derived from the log,
//! so a process that was killed leaves nothing behind that the next one could stumble over.

mod answering;
mod arrival;
pub(crate) mod backfill;
mod checkpoints;
mod cluster;
mod cold;
mod deadline;
mod features;
mod letters;
pub(crate) mod place;
mod refused;
mod resumed;
mod roles;
pub(crate) mod schemas;
mod sealed;
pub(crate) mod sources;
mod store;
mod watch;

use crate::cli::RunArgs;
use crate::config::{ClusterFile, Flags, RunSettings, Settings};
use crate::engine::{self, MakeParts, Observer, Online, Parts};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::http::HttpServer;
use crate::kafka::KafkaStatus;
use crate::mesh::Mesh;
use crate::online::OnlineStore;
use crate::recovery::Recovery;
use crate::refusals::{CountedLetters, Refusals};
use crate::service::Service;
use crate::serving::{EngineRows, FeatureServer};
use crate::signals::Stop;
use crate::tables::{OpenTables, TablesConfig};
use crate::{connect, job_file, logging, refusals};
use arrival::arrivals;
use cluster::Joined;
use deadline::Deadline;
use letters::RunLetters;
use place::ClusterPlace;
use refused::RefusedWatch;
use resumed::GoesOn;
use schemas::SchemaSource;
use sealed::RunSealed;
use sources::Sources;
pub(crate) use sources::{file_text, with_files};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemark_jobs::Job;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;
use tidemark_operators::time::{MINUTE, Millis};
pub(crate) use watch::observed;

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the command line, the job, `cluster.toml` or the environment is wrong; 1 when
/// the job had to stop, or its sinks did not take everything before the deadline.
pub fn run(args: &RunArgs) -> Result<Exit, Failure> {
    let cluster = ClusterFile::from(args.cluster.as_ref());
    let mut settings = Settings::load(&cluster, Flags::from(args))?;
    let place = ClusterPlace::of(args.process, &mut settings)?.supervised(args.supervised);
    let job = job_file::load(&args.job)?;
    let plan = with_files(connect::with_topic(Arc::clone(&job.plan), settings.topic.as_deref())?)?;
    let job = Job { plan: Arc::clone(&plan), ..job };
    let sources = Sources::new(&plan, &settings)?.accepting(&plan, &args.accept_changed_topic)?;
    letters::check(&settings)?;
    sealed::check(&job.plan, &settings)?;
    roles::of((&args.job, args.cluster.as_deref()), &plan, &settings).check()?;
    let schemas = SchemaSource::open(&plan, &settings)?;
    logging::start(&settings.log.level, settings.log.format, logging::LogTarget::Stderr)
        .map_err(Failure::usage)?;
    let stop = Stop::on_signals()?;
    if args.supervised {
        place::end_with_supervisor(&stop)?;
    }
    let start_empty = checkpoints::start_empty(&plan, &args.start_empty)?;
    let cluster = (&place, start_empty, &stop);
    let Some(open) = OpenJob::open(&job, settings, (sources, schemas), cluster)? else {
        return Ok(Exit::Done);
    };
    let _features = open.features(&job)?;
    open.run(&stop)
}

/// A job whose sinks are open and whose HTTP server answers.
struct OpenJob {
    settings: Settings,
    engine: engine::Settings,
    observer: Observer,
    sources: Sources,
    schemas: Option<SchemaSource>,
    status: Arc<KafkaStatus>,
    letters: Arc<RunLetters>,
    refusals: Arc<Refusals>,
    sealed: Option<RunSealed>,
    recovery: Option<Arc<Recovery>>,
    store: Arc<dyn OnlineStore>,
    service: Arc<Service>,
    rows: Arc<EngineRows>,
    /// Until the workers have it.
    mesh: Mutex<Option<Mesh>>,
    /// Ends when dropped, which is last of all.
    _http: HttpServer,
}

impl OpenJob {
    fn open(
        job: &Job,
        settings: Settings,
        (sources, schemas): (Sources, Option<SchemaSource>),
        (place, start_empty, stop): (&ClusterPlace, Vec<String>, &Stop),
    ) -> Result<Option<Self>, Failure> {
        let plan = &job.plan;
        let mut engine = engine_settings(plan, &settings, place.shape());
        engine.live_left = store::live_left(plan, &settings);
        let observer = watch::observed(&engine, &settings);
        let cluster = cluster::join(plan, &settings, &observer, (place, start_empty, stop))?;
        let Some(Joined { recovery, mesh }) = cluster else { return Ok(None) };
        let cold = cold::keep(&settings, &observer)?;
        let sources = sources.resumed(plan, recovery.as_deref());
        let letters = Arc::new(RunLetters::open(&settings, recovery.as_ref())?);
        let refusals = Refusals::new(plan, sources.files());
        let sealed = RunSealed::open(plan, &settings, &observer, recovery.as_ref())?;
        let store = store::open(plan, &settings, &observer, recovery.as_ref())?;
        let status = KafkaStatus::new();
        let (told, stall_after) = (observer.clone(), settings.http.stall_after);
        let mut service = Service::new(Arc::clone(plan), told, Arc::clone(&store), stall_after)
            .with_health(&settings.health)
            .with_settings(RunSettings::of(plan, &settings))
            .with_log(letters.status())
            .with_logs(sealed.iter().flat_map(RunSealed::statuses))
            .with_page(job, settings.serve.address(), refusals.newest())
            .with_checkpoints(recovery.as_ref().map(|recovery| recovery.costs()))
            .with_forgotten(recovery.as_ref().map(|recovery| recovery.forgotten()))
            .with_lacking(recovery.as_ref().map(|recovery| recovery.complete_from()))
            .with_peers(place.peers(mesh.as_ref().map(Mesh::run)));
        if sources.has_topics() {
            service = service.with_kafka(Arc::clone(&status), sources.files_of(place.shape()));
        }
        if let Some(registry) = schemas.as_ref().and_then(SchemaSource::registry) {
            service = service.with_registry(Arc::clone(registry));
        }
        if place.is_first() {
            service = service.with_disks(written(&settings, &letters).chain(cold.as_deref()));
        }
        let service = Arc::new(service.with_life_signs(place.life_signs()));
        let observed = (&observer, &store, &service);
        let (rows, http) = answering::start((plan, &settings), observed, place, mesh.as_ref())?;
        Ok(Some(OpenJob {
            settings,
            engine,
            observer,
            sources,
            schemas,
            status,
            letters,
            refusals,
            sealed,
            recovery,
            store,
            service,
            rows,
            mesh: Mutex::new(mesh),
            _http: http,
        }))
    }

    /// The server of its features, when there is to be one.
    fn features(&self, job: &Job) -> Result<Option<FeatureServer>, Failure> {
        features::serve(job, &self.settings, &self.rows)
    }

    /// Runs to the end, and closes what was opened whatever that end is.
    fn run(mut self, stop: &Stop) -> Result<Exit, Failure> {
        let watched = watch::Watched {
            service: Arc::clone(&self.service),
            observer: self.observer.clone(),
            store: Arc::clone(&self.store),
            before_stop: self.last_checkpoint(),
        };
        let refused = RefusedWatch::new(&self.refusals, self.letters.place());
        let watch = watched.start(stop, refused)?;
        let deadline = Deadline::start(self.settings.limits.shutdown, stop)?;
        let superseded =
            |failure| checkpoints::superseded(failure, &self.observer, self.recovery.as_deref());
        let outcome = self.read(stop, &deadline).map_err(superseded);
        drop(watch);
        if self.observer.agreed().stopped() {
            stop.ask();
        }
        self.recovery = None;
        // By itself it began to end just now.
        let ended = Instant::now();
        // What is left is written by the process that has taken over.
        let taken_over = outcome.as_ref().is_err_and(Failure::is_taken_over);
        let left = || match stop.asked_at() {
            _ if taken_over => Duration::ZERO,
            Some(_) => deadline.left(),
            None => self.settings.limits.shutdown.saturating_sub(ended.elapsed()),
        };
        let stopped = outcome.is_err() || stop.asked();
        if stop.asked() {
            tracing::info!(within = ?self.settings.limits.shutdown, "stopping: writing what is left");
        }
        // Its last lines belong to the last checkpoint.
        let sealed = self.sealed.take().map(RunSealed::finish_file);
        let (rows, sealed) = sealed.unwrap_or((Vec::new(), Ok(())));
        let (service, store) = (Arc::clone(&self.service), Arc::clone(&self.store));
        // Side by side: no sink takes the time of another.
        let (written, published) = std::thread::scope(|scope| {
            let published = scope.spawn(|| store::close(&*store, stopped, left()));
            let written = self.letters.finish(left());
            // Behind the last checkpoint.
            sealed::finish(rows, !stopped, left());
            (written, published.join().unwrap_or(Ok(())))
        });
        let said = watch::totals(&service, &self.observer);
        first_failure([outcome, written, sealed, published])?;
        tracing::info!("{}: {said}", if stopped { "stopped" } else { "ended, all is read" });
        if !stopped {
            refusals::some_accepted(&self.observer.metrics)?;
        }
        Ok(Exit::Done)
    }

    /// What makes a last checkpoint when the job is asked to stop: within half of the time that it has.
    fn last_checkpoint(&self) -> Box<dyn Fn() + Send> {
        let (recovery, observer) = (self.recovery.clone(), self.observer.clone());
        let within = self.settings.limits.shutdown / 2;
        let recovery = recovery.map(|recovery| Arc::downgrade(&recovery));
        Box::new(move || {
            let recovery = recovery.as_ref().and_then(std::sync::Weak::upgrade);
            if let Some(recovery) = recovery
                && !recovery.checkpoint(within, || !observer.stopping())
            {
                tracing::warn!(
                    ?within,
                    "no last checkpoint was made: the next start reads again what came since the one before"
                );
            }
        })
    }

    /// Reads until all sources end, somebody stops it, or something fails.
    fn read(&self, stop: &Stop, deadline: &Deadline) -> Result<(), Failure> {
        let shape = self.observer.shape();
        let keep_trying = || !stop.asked() && !self.observer.stopping();
        let Some(tables) = self.tables(&keep_trying)? else { return self.failure() };
        let tables = Arc::new(tables);
        let Some(opened) = self.sources.open(shape, &self.status, &keep_trying)? else {
            return self.failure();
        };
        if let (Some(recovery), Some(topics)) = (&self.recovery, opened.topics()) {
            recovery.found(Arc::clone(topics));
        }
        let opened = Arc::new(opened);
        let mesh = self.mesh.lock().unwrap_or_else(PoisonError::into_inner).take();
        let parts = self.parts(&opened, &tables);
        let outcome = engine::run_in(&self.engine, &self.observer, &parts, mesh);
        drop(parts);
        let closing = || Duration::from_secs(5).min(deadline.left() / 4);
        if let Some(opened) = Arc::into_inner(opened) {
            opened.close(closing());
        }
        tables.close(closing());
        match outcome {
            Ok(_) => Ok(()),
            Err(error) => Err(Failure::failed(error)),
        }
    }

    /// Why the job had to stop before its workers were started, if it had to.
    fn failure(&self) -> Result<(), Failure> {
        self.observer.failure().map_or(Ok(()), |why| Err(Failure::failed(why)))
    }

    /// The job's reference tables, opened; `None` when somebody stopped it.
    fn tables(&self, keep_trying: &dyn Fn() -> bool) -> Result<Option<OpenTables>, Failure> {
        let config = TablesConfig {
            reload: true,
            kafka: Some(connect::kafka(&self.settings.kafka)),
            instead: &[],
            kept: self.recovery.as_ref().map(|recovery| Arc::clone(recovery.tables())),
            accept_changed: self.sources.accepted(),
            metrics: self.observer.metrics.first().cloned(),
            status: self.service.tables(),
        };
        match self.observer.shape().process() {
            0 => OpenTables::open(&self.engine.plan, &config, keep_trying),
            _ => Ok(Some(OpenTables::default())),
        }
    }

    fn parts(&self, opened: &Arc<sources::OpenSources>, tables: &Arc<OpenTables>) -> MakeParts {
        let tables = Arc::clone(tables);
        let (opened, letters) = (Arc::clone(opened), Arc::clone(&self.letters));
        let store = Arc::clone(&self.store);
        let (clock, schemas) = (self.observer.clone(), self.schemas.clone());
        let refusals = Arc::clone(&self.refusals);
        let recovery = self.recovery.clone();
        let lines = Mutex::new(self.sealed.as_ref().map(RunSealed::sink));
        Arc::new(move |worker, waker| {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = if worker == 0 { lines.take() } else { None };
            let partitions = opened.partitions(worker, &waker)?;
            let waker_of_tables = waker.clone();
            let schemas = schemas.as_ref().map(|schemas| schemas.schemas(&waker));
            let (mut partitions, mut checkpoints, mut sink) = (partitions, None, None);
            if let Some(recovery) = &recovery {
                let topics = opened.topics().map(|topics| &**topics);
                let goes_on = GoesOn::of(recovery, worker, partitions, topics)?;
                partitions = goes_on.partitions;
                (checkpoints, sink) = (Some(goes_on.checkpoints), Some(goes_on.letters));
            }
            let sink = sink.unwrap_or_else(|| letters.sink(waker));
            Ok(Parts {
                partitions: Box::new(arrivals(partitions, &clock)),
                tables: tables.take(worker, &waker_of_tables)?,
                schemas,
                dead_letters: Box::new(CountedLetters::new(sink, &refusals)),
                online: Some(store.writer(worker)),
                lines: lines.map(|sink| Box::new(sink) as _),
                probes: Vec::new(),
                checkpoints,
            })
        })
    }
}

/// What is written to files.
fn written<'a>(settings: &'a Settings, letters: &'a RunLetters) -> impl Iterator<Item = &'a Path> {
    let sealed = settings.sealed.path.as_deref().map(Path::new);
    [letters.path(), sealed, settings.state.folder()].into_iter().flatten()
}

/// How the job's dataflow is run: sealed rows where there is a file for them, live rows always.
fn engine_settings(plan: &Arc<Plan>, settings: &Settings, shape: Shape) -> engine::Settings {
    engine::Settings {
        plan: Arc::clone(plan),
        shape,
        limits: settings.limits.engine(),
        live_idle: Some(connect::millis(settings.limits.live_idle)),
        live_left: (0, 0),
        machine_clock: Some(Arc::new(arrival::machine_clock)),
        sealing: match (&settings.sealed.path, &settings.state.url) {
            (Some(_), _) => settings.offline.row_times().sealing(),
            (None, Some(_)) => Sealing::State { rebuilt: REBUILT },
            (None, None) => Sealing::None,
        },
        online: Online::EveryStep,
    }
}

/// With checkpoints and without sealed rows, accumulators over windows that are left so soon are not
/// kept as of the seal, but made again from their rows when a job goes on.
const REBUILT: Millis = 10 * MINUTE;

/// The first of the failures; the others are logged.
fn first_failure(results: [Result<(), Failure>; 4]) -> Result<(), Failure> {
    let mut failures = results.into_iter().filter_map(Result::err);
    let first = failures.next();
    failures.for_each(|failure| tracing::error!("{failure}"));
    first.map_or(Ok(()), Err)
}
