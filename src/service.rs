//! What a running job says about itself over HTTP: [`Introspect`] from what its parts report.
//!
//! ```text
//!  workers ── Observer ──┐
//!  topics ── KafkaStatus ┤                    /metrics  /health  /ready
//!  online store ─────────┼──> Service ──> HTTP server
//!  dead letters, .. ─────┘                    /features/{view}/{id}
//! ```
//!
//! Nothing here waits for a server, and nothing but an explanation for a worker: counters are read, the
//! online store answers from its own table.

mod catch_up;
mod checks;
mod condition;
mod coverage;
mod explain;
mod forget;
mod holding;
mod hour;
mod lasting;
mod lately;
mod notes;
mod overview;
mod parts;
mod peers;
mod positions;
mod snapshots;

use crate::config::{HealthSettings, RunSettings};
use crate::dead_letters::NewestLetters;
use crate::docs::ServedDocs;
use crate::engine::{Observer, StateBound};
use crate::http::components::StallWatch;
use crate::http::overview::Overview;
use crate::http::{
    ExplainAnswer, ExplainQuestion, ForgetAnswer, ForgetQuestion, Health, Introspect, Readiness,
    RowAnswer, RowQuestion,
};
use crate::kafka::KafkaStatus;
use crate::life_signs::LifeSigns;
use crate::metrics::snapshot::{
    CheckpointSnapshot, KafkaSnapshot, LogSinkSnapshot, OnlineSnapshot, RegistrySnapshot,
};
use crate::metrics::{Scrape, render};
use crate::named_file::is_standard;
use crate::online::OnlineStore;
use crate::process::ProcessUsage;
use crate::recovery::ForgottenStatus;
use crate::registry::Registry;
use crate::tables::TableStatus;
use crate::wall_clock::wall_ms;
use catch_up::CatchUp;
use checks::{Checks, Finding, Moment};
use hour::Hour;
use lasting::Lasting;
use lately::Lately;
pub use peers::Peers;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tidemark_jobs::Job;
use tidemark_jobs::docs::{CatalogueEntry, catalogue};
use tidemark_operators::metrics::PartitionProgress;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::EventTime;

/// How a sink that writes a log reports itself.
pub type LogStatus = Box<dyn Fn() -> LogSinkSnapshot + Send + Sync>;

/// From which time on rows of a view, by job index, lack nothing of what is kept since later only.
pub type LackingStatus = Box<dyn Fn(usize) -> Option<EventTime> + Send + Sync>;

/// How checkpoints report themselves.
pub type CheckpointStatus = Box<dyn Fn() -> CheckpointSnapshot + Send + Sync>;

/// A running job, as the HTTP server sees it. It may be made and asked before the job starts.
///
/// [`Service::new`] is enough for a job without servers; what else there is, is added:
///
/// ```ignore
/// let service = Service::new(plan, observer, store, stall_after)
///     .with_kafka(status, 0)
///     .with_log(Box::new(move || dead_letters.status()))
///     .with_disks([Path::new("dead_letters.jsonl")]);
/// HttpServer::start(address, HostNames::default(), Arc::new(service))?;
/// ```
pub struct Service {
    plan: Arc<Plan>,
    observer: Observer,
    store: Arc<dyn OnlineStore>,
    kafka: Option<Arc<KafkaStatus>>,
    registry: Option<Arc<Registry>>,
    tables: Vec<Arc<TableStatus>>,
    logs: Vec<LogStatus>,
    checkpoints: Option<CheckpointStatus>,
    /// The processes of the job, where there are several.
    peers: Option<Peers>,
    lacking: Option<LackingStatus>,
    forgotten: Option<ForgottenStatus>,
    files: Vec<PathBuf>,
    settings: RunSettings,
    stall_after: Duration,
    /// Made when the first worker has stepped: a job that waits for its brokers is not stalled.
    life_signs: LifeSigns,
    watch: OnceLock<StallWatch>,
    catch_up: CatchUp,
    checks: Checks,
    hour: Hour,
    /// Since when what is wrong has been so.
    lasting: Lasting,
    lately: Lately,
    letters: NewestLetters,
    catalogue: Vec<CatalogueEntry>,
    docs: Option<Arc<ServedDocs>>,
    /// What is explained; and whoever explains it, one at a time.
    explained: Option<Job>,
    explaining: Mutex<()>,
}

impl Service {
    /// A service for the job that `observer` watches, which runs `plan` and writes its rows to
    /// `store`. A worker that has not stepped for `stall_after` is stalled.
    pub fn new(
        plan: Arc<Plan>,
        observer: Observer,
        store: Arc<dyn OnlineStore>,
        stall_after: Duration,
    ) -> Self {
        Service {
            tables: TableStatus::of(plan.tables.len()),
            plan,
            observer,
            store,
            kafka: None,
            registry: None,
            logs: Vec::new(),
            checkpoints: None,
            peers: None,
            lacking: None,
            forgotten: None,
            files: Vec::new(),
            settings: RunSettings::default(),
            stall_after,
            life_signs: LifeSigns::default(),
            watch: OnceLock::new(),
            catch_up: CatchUp::default(),
            checks: Checks::new(&HealthSettings::default()),
            hour: Hour::default(),
            lasting: Lasting::default(),
            lately: Lately::default(),
            letters: NewestLetters::default(),
            catalogue: Vec::new(),
            docs: None,
            explained: None,
            explaining: Mutex::default(),
        }
    }

    /// Sets when something needs attention although every part works.
    #[must_use]
    pub fn with_health(mut self, settings: &HealthSettings) -> Self {
        self.checks = Checks::new(settings);
        self
    }

    /// Adds what the process runs with.
    #[must_use]
    pub fn with_settings(mut self, settings: RunSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Adds the topics: the sources that have a topic and no files are read from Kafka. Of the others this
    /// process reads `files` partitions.
    #[must_use]
    pub fn with_kafka(mut self, status: Arc<KafkaStatus>, files: usize) -> Self {
        self.kafka = Some(status);
        self.catch_up = CatchUp::new(files);
        self
    }

    /// Adds the schema registry that sources ask.
    #[must_use]
    pub fn with_registry(mut self, registry: Arc<Registry>) -> Self {
        self.registry = Some(registry);
        self
    }

    /// Adds a sink that writes a log: dead letters, sealed rows.
    #[must_use]
    pub fn with_log(mut self, status: LogStatus) -> Self {
        self.logs.push(status);
        self
    }

    /// Adds more of them.
    #[must_use]
    pub fn with_logs(mut self, logs: impl Iterator<Item = LogStatus>) -> Self {
        self.logs.extend(logs);
        self
    }

    /// Adds the checkpoints, where there are any.
    #[must_use]
    pub fn with_checkpoints(
        mut self,
        status: Option<impl Fn() -> CheckpointSnapshot + Send + Sync + 'static>,
    ) -> Self {
        self.checkpoints = status.map(|status| Box::new(status) as CheckpointStatus);
        self
    }

    /// Adds what the page shows besides: the features of `job`, which models ask for at `serve`, why they
    /// are what they are, and its newest dead letters.
    #[must_use]
    pub fn with_page(mut self, job: &Job, serve: SocketAddr, letters: &NewestLetters) -> Self {
        self.catalogue = catalogue(job);
        self.docs = Some(Arc::new(ServedDocs::new(job, serve)));
        self.explained = Some(job.clone());
        self.letters = letters.clone();
        self
    }

    /// Adds files and folders that are written: the space on their file systems is watched. A standard
    /// stream has none.
    #[must_use]
    pub fn with_disks<'p>(mut self, paths: impl IntoIterator<Item = &'p Path>) -> Self {
        self.files.extend(paths.into_iter().filter(|path| !is_standard(path)).map(PathBuf::from));
        self
    }

    /// Whether the job has caught up: every partition of a topic was read and computed up to the
    /// end it had at the start, and every other partition up to where it stood at some moment.
    /// Once true it stays so.
    pub fn caught_up(&self) -> bool {
        self.catch_up.look(&self.plan, &self.observer, self.kafka.as_deref()).ready
    }

    /// The event time as of which live rows are: the least live clock of the workers; 0 before the
    /// first event.
    pub fn live_clock(&self) -> EventTime {
        let clocks = self.observer.metrics.iter().map(|worker| worker.live_clock.get());
        clocks.min().unwrap_or(0)
    }

    /// Where all partitions stand, in the order of the workers.
    pub fn progress(&self) -> Vec<PartitionProgress> {
        self.observer.metrics.iter().flat_map(|worker| worker.progress()).collect()
    }

    /// The online store, as of now.
    pub fn online(&self) -> OnlineSnapshot {
        snapshots::online(self.store.status(), self.store.memory().held)
    }

    /// The topics, as of now; `None` when none is read.
    pub fn kafka(&self) -> Option<KafkaSnapshot> {
        self.kafka.as_ref().map(|status| snapshots::kafka(&self.plan, status))
    }

    /// The schema registry, as of now; `None` when no source needs it.
    pub fn registry(&self) -> Option<RegistrySnapshot> {
        self.registry.as_ref().map(|registry| snapshots::registry(registry.status()))
    }

    /// By reference table, whom to tell how it is doing.
    pub fn tables(&self) -> &[Arc<TableStatus>] {
        &self.tables
    }

    /// The sinks that write logs, as of now.
    pub fn logs(&self) -> Vec<LogSinkSnapshot> {
        self.logs.iter().map(|status| status()).collect()
    }

    /// Its checkpoints, where there are any.
    fn checkpoints(&self) -> Option<CheckpointSnapshot> {
        self.checkpoints.as_ref().map(|status| status())
    }

    /// What needs attention although every part works.
    fn findings(&self) -> Vec<Finding> {
        let online = self.online();
        self.checks.look(&Moment {
            plan: &self.plan,
            workers: &self.observer.metrics,
            online: &online,
            state: self.observer.state_bound(),
            caught_up: self.caught_up(),
            certificate: self.peers.as_ref().and_then(Peers::certificate_ends),
            now: Instant::now(),
            wall: wall_ms().unwrap_or(0),
        })
    }

    fn records(&self) -> u64 {
        let counts = self.observer.metrics.iter().flat_map(|worker| &worker.verdicts);
        counts.map(tidemark_operators::metrics::VerdictCounts::total).sum()
    }
}

impl Introspect for Service {
    fn metrics(&self) -> String {
        let (online, kafka, logs) = (self.online(), self.kafka(), self.logs());
        let (registry, findings) = (self.registry(), self.findings());
        let checkpoints = self.checkpoints();
        let scrape = Scrape {
            plan: &self.plan,
            workers: &self.observer.metrics,
            online: Some(&online),
            kafka: kafka.as_ref(),
            registry: registry.as_ref(),
            logs: &logs,
            checkpoints: checkpoints.as_ref(),
            degraded: &checks::degraded(&findings),
            refused: &self.checks.refused(&self.plan),
            clock_behind: checks::clock_behind::behind(
                self.observer.metrics.iter().map(|worker| &**worker),
                wall_ms().unwrap_or(0),
            ),
            disks: &snapshots::disks(&self.files),
            state_limit: self.observer.state_bound().map(StateBound::limit),
            ready: self.caught_up(),
            process: &ProcessUsage::now(),
        };
        render(&scrape).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics cannot be shown");
            String::new()
        })
    }

    fn health(&self) -> Health {
        let mut components = self.parts();
        checks::apply(self.findings(), &mut components);
        let uptime = self.observer.started().elapsed().as_millis();
        Health {
            job: self.plan.name.clone(),
            uptime_ms: u64::try_from(uptime).unwrap_or(u64::MAX),
            components,
        }
    }

    fn readiness(&self) -> Readiness {
        let mut readiness = self.catch_up.look(&self.plan, &self.observer, self.kafka.as_deref());
        let schemas = self.registry().filter(|registry| registry.pending > 0);
        if let (Some(reason), Some(registry)) = (&mut readiness.reason, schemas) {
            // Partitions that wait for schemas do not catch up: this is why.
            *reason = match registry.down {
                Some(why) => format!("{reason}; the schema registry gives no answer: {why}"),
                None => format!("{reason}; {} schemas are waited for", registry.pending),
            };
        }
        readiness
    }

    fn row(&self, asked: &RowQuestion) -> RowAnswer {
        self.feature_row(asked)
    }

    fn explain(&self, asked: &ExplainQuestion) -> ExplainAnswer {
        self.why(asked)
    }

    fn forget(&self, asked: &ForgetQuestion) -> ForgetAnswer {
        self.forgets(asked)
    }

    fn overview(&self) -> Overview {
        self.look_over()
    }

    fn catalogue(&self) -> Vec<CatalogueEntry> {
        self.catalogue.clone()
    }

    fn documentation(&self) -> Option<Arc<ServedDocs>> {
        self.docs.clone()
    }

    fn settings(&self) -> RunSettings {
        self.settings.clone().with_log_level(crate::logging::level())
    }

    fn tick(&self) {
        self.give_life_sign();
        self.lately.look(&self.progress(), Instant::now());
        self.hour.look(&self.observer.metrics, || self.distance());
        let findings = self.findings();
        self.note_troubles(&findings);
        self.checks.report(&findings);
    }
}

#[cfg(test)]
mod tests;
