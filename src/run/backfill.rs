//! `tidemark backfill`: a job's history from files into an empty state, which `tidemark run` goes on
//! from with its topics.
//!
//! ```text
//!  files ──(the dataflow of `run`, by event time, no online rows)──> checkpoints ──> state, cut T
//!  topics ─(first records, ends)─> no gap? ─> where each partition goes on ────────> the same, whole
//! ```
//!
//! What belongs to which side, and why each event comes once: the page `backfill`. What makes it so is
//! in three places: rows at the cut and behind it are in no checkpoint, the source passes over what a
//! partition has before the cut ([`HistoryOverlap`](tidemark_operators::cut::HistoryOverlap)), and the marks
//! of files become those of topics in one manifest ([`HistoryRead`]).

mod asked;
mod meeting;
mod watch;

use super::refused::RefusedWatch;
use super::resumed::GoesOn;
use super::sealed::{self, RunSealed};
use super::sources::{OpenSources, Sources};
use super::{checkpoints, cluster, cold, engine_settings, letters, roles};
use crate::cli::BackfillArgs;
use crate::config::{ClusterFile, Flags, Settings};
use crate::engine::{self, MakeParts, Observer, Online, Parts};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kafka::KafkaStatus;
use crate::recovery::{HistoryRead, Recovery, RecoveryConfig};
use crate::refusals::{CountedLetters, Refusals};
use crate::replay::summary::Summary;
use crate::replay::told;
use crate::signals::Stop;
use crate::tables::{OpenTables, TablesConfig};
use crate::text::time_text;
use crate::{connect, job_file, logging, output, refusals};
use asked::HistoryAsked;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tidemark_operators::shape::Shape;
use watch::ReadWatch;

/// The line of JSON at the end.
#[derive(Debug, Serialize)]
struct BackfillSummary {
    job: String,
    state: String,
    /// Events before it are history's.
    until: String,
    until_ms: u64,
    /// Partitions of topics that go on from there.
    partitions: usize,
    #[serde(flatten)]
    run: Summary,
}

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the command line, the job, `cluster.toml` or the environment is wrong; 1 when the
/// state is not empty, files or topics cannot be read, something would be missing between them, or
/// somebody asked to stop.
pub fn run(args: &BackfillArgs) -> Result<Exit, Failure> {
    let started = Instant::now();
    let flags = Flags { workers: args.workers, ..Flags::default() };
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), flags)?;
    let job = job_file::load(&args.job)?;
    let asked = HistoryAsked::of(args, &job, &settings)?;
    let topics = Sources::new(&asked.topics, &settings)?;
    letters::check(&settings)?;
    sealed::check(&asked.topics, &settings)?;
    roles::of((&args.job, args.cluster.as_deref()), &asked.files, &settings).check()?;
    logging::start(&settings.log.level, settings.log.format, logging::LogTarget::Stderr)
        .map_err(Failure::usage)?;
    let stop = Stop::on_signals()?;
    let keep_trying = || !stop.asked();
    let joins = (settings.limits.engine().record_bytes, args.accept_gap);
    // What can be known before the files are read is said before.
    let held = topics.held(&keep_trying)?;
    meeting::tell(&held, &asked.topics, joins.0);
    if let Some(until) = asked.history.until {
        meeting::topics(&held, &asked.topics, until, joins)?;
    }
    let reading = HistoryReading::open(&asked, &settings)?;
    let observer = reading.observer.clone();
    reading.run(&stop)?;
    let read =
        HistoryRead::of(&asked.state, &asked.topics.name).map_err(checkpoints::failed_with)?;
    if let (Some(read), Some(until)) = (&read, asked.history.until.filter(|_| !stop.asked()))
        && read.cut() < until
    {
        let (ends, until) = (time_text(read.cut()), time_text(until));
        let why =
            format!("the files were read to their end, {ends}, which lies before --until {until}");
        let hint = "name files that reach it, or leave --until out: the history then ends where they do; begin \
                    with an empty state again";
        return Err(Failure::failed(why).hint(hint));
    }
    let read = read.filter(|read| asked.history.until.is_none_or(|until| read.cut() == until));
    let read = read.ok_or_else(|| {
        let state = &asked.state;
        Failure::failed(format!(
            "the history in {state} is not what was read: somebody else wrote there"
        ))
    })?;
    meeting::files(&read, &asked.topics, args.accept_gap)?;
    let joined = meeting::topics(&topics.held(&keep_trying)?, &asked.topics, read.cut(), joins)?;
    let until = read.cut();
    read.complete(&joined).map_err(checkpoints::failed_with)?;
    let invalid = told::tell(&asked.topics, &observer);
    tracing::info!("done: `tidemark run` goes on at {}", time_text(until));
    output::print_json(&BackfillSummary {
        job: asked.topics.name.clone(),
        state: asked.state,
        until: time_text(until),
        until_ms: until,
        partitions: joined.iter().map(|topic| topic.partitions.len()).sum(),
        run: Summary::new(&observer, invalid, started.elapsed()),
    })
}

/// A history whose files are about to be read.
struct HistoryReading<'a> {
    asked: &'a HistoryAsked,
    settings: &'a Settings,
    engine: engine::Settings,
    observer: Observer,
    sources: Sources,
    recovery: Arc<Recovery>,
    refusals: Arc<Refusals>,
    sealed: Option<RunSealed>,
}

impl<'a> HistoryReading<'a> {
    /// Takes the state over, and opens what is written.
    fn open(asked: &'a HistoryAsked, settings: &'a Settings) -> Result<Self, Failure> {
        let plan = &asked.files;
        // In one process, whatever shape goes on from it.
        let shape = Shape::one_process(settings.workers);
        let engine = engine::Settings {
            live_idle: None,
            live_left: (0, 0),
            machine_clock: None,
            online: Online::Off,
            ..engine_settings(plan, settings, shape)
        };
        let observer = Observer::new(&engine);
        let sources = Sources::new(plan, settings)?;
        let refusals = Refusals::new(plan, sources.files());
        let config = cluster::config(plan, settings, shape)?;
        let config = config.ok_or_else(|| Failure::usage("the settings name no state"))?;
        let config = RecoveryConfig { history: Some(asked.history.clone()), ..config };
        let recovery =
            Recovery::open(config, letters::published(settings), cluster::fails(&observer));
        let recovery = Arc::new(recovery.map_err(checkpoints::failed_with)?);
        cold::keep(settings, &observer)?;
        let sealed = RunSealed::open(plan, settings, &observer, Some(&recovery))?;
        Ok(HistoryReading {
            asked,
            settings,
            engine,
            observer,
            sources,
            recovery,
            refusals,
            sealed,
        })
    }

    /// Reads the files up to where the history ends, and has a checkpoint of it.
    fn run(mut self, stop: &Stop) -> Result<(), Failure> {
        let (outcome, begun) = (self.read(stop), self.recovery.begun_at());
        let within = self.settings.limits.shutdown;
        let finished = self.sealed.take().map(RunSealed::finish_file);
        let (rows, written) = finished.unwrap_or((Vec::new(), Ok(())));
        let left = Arc::into_inner(self.recovery).map_or(0, |recovery| recovery.finish(within));
        if left > 0 {
            tracing::warn!(letters = left, "dead letters are left to the next start");
        }
        // More rows come with the topics.
        sealed::finish(rows, false, within);
        outcome.and(written)?;
        if let Some(failure) = self.observer.failure() {
            return Err(Failure::failed(failure));
        }
        if stop.asked() {
            let failure = "stopped before all of the history was read";
            return Err(Failure::failed(failure).hint("the same command goes on from there"));
        }
        // What is left of a history that was stopped may be refused altogether.
        match begun {
            0 => refusals::some_accepted(&self.observer.metrics),
            _ => Ok(()),
        }
    }

    fn read(&self, stop: &Stop) -> Result<(), Failure> {
        let keep_trying = || !stop.asked();
        let config = TablesConfig {
            kafka: Some(connect::kafka(&self.settings.kafka)),
            kept: Some(Arc::clone(self.recovery.tables())),
            ..TablesConfig::default()
        };
        let tables = OpenTables::open(&self.asked.files, &config, &keep_trying)?;
        let Some(tables) = tables else { return Ok(()) };
        let status = KafkaStatus::new();
        let opened = self.sources.open(self.engine.shape, &status, &keep_trying)?;
        let Some(opened) = opened else { return Ok(()) };
        let make = self.parts(opened, tables);
        let watch = ReadWatch {
            observer: &self.observer,
            recovery: &self.recovery,
            files: Arc::clone(self.sources.progress()),
            until: self.asked.history.until,
            within: self.settings.limits.shutdown / 2,
        };
        let kept = letters::place(self.settings);
        let mut refused = RefusedWatch::new(&self.refusals, kept);
        let over = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            scope.spawn(|| watch.run(stop, &over, &mut refused));
            let outcome = engine::run(&self.engine, &self.observer, &make);
            over.store(true, Ordering::Release);
            outcome
        });
        drop(make);
        outcome.map(drop).map_err(Failure::failed)
    }

    fn parts(&self, opened: OpenSources, tables: OpenTables) -> MakeParts {
        let (recovery, refusals) = (Arc::clone(&self.recovery), Arc::clone(&self.refusals));
        let lines = Mutex::new(self.sealed.as_ref().map(RunSealed::sink));
        Arc::new(move |worker, waker| {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            let lines = if worker == 0 { lines.take() } else { None };
            let partitions = opened.partitions(worker, &waker)?;
            let goes_on = GoesOn::of(&recovery, worker, partitions, None)?;
            Ok(Parts {
                partitions: goes_on.partitions,
                tables: tables.take(worker, &waker)?,
                dead_letters: Box::new(CountedLetters::new(goes_on.letters, &refusals)),
                schemas: None,
                online: None,
                lines: lines.map(|sink| Box::new(sink) as _),
                probes: Vec::new(),
                checkpoints: Some(goes_on.checkpoints),
            })
        })
    }
}
