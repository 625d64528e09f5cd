//! `tidemark historical`: what features were at the times of examples, from files, in one pass.
//!
//! ```text
//!  spine ──(times and keys)──> probes by entity and worker, in the order of time ──┐
//!  files ──> the job's dataflow, as in a replay: sealed windows, read by probes <──┘
//!  spine ──(rows)──> rows with what their probes have read, in the order of rows ──> OUT
//! ```
//!
//! What a probe reads is what the windows whose rows are sealed hold at its time, so a training set has
//! what `replay --sealed` has, at any time. Probes [read and do not enter](tidemark_operators::probes). Under
//! `--known arrived` they are read in live windows instead, through which the log goes in the order of
//! arrival.

mod arrivals;
mod asked;
mod outcome;
mod shares;
mod shown;
mod spec;

use crate::cli::{HistoricalArgs, KnownWhen};
use crate::config::{self, Settings as ProcessSettings};
use crate::engine::{MakeParts, Observer, Online, Parts, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_source::JobFiles;
use crate::named_file::{is_standard, is_standard_output};
use crate::offline::example_file::ExampleForm;
use crate::offline::spine::{Spine, SpineOptions};
use crate::refusals::{CountedLetters, Refusals};
use crate::replay::outputs::{OutputPaths, Outputs};
use crate::replay::summary::Summary;
use crate::replay::{inputs, refused, told, watch};
use crate::source::Waker;
use crate::tables::OpenTables;
use crate::whole_file::WholeFile;
use crate::{job_file, output, refusals, whole_file};
use arrivals::ArrivalCounts;
use asked::Asking;
pub(crate) use asked::of_reference;
use outcome::Outcome;
use serde::Serialize;
use shares::{KnownEvents, Shares, TakenAnswers};
use shown::ShownRows;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::plan::Format;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

/// The line of JSON at the end.
#[derive(Debug, Serialize)]
pub struct HistoricalSummary {
    features: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival_unknown: Option<u64>,
    #[serde(flatten)]
    run: Summary,
}

/// Carries out `tidemark historical`.
///
/// # Errors
/// Wrong job, features, spine, sources or settings, an output that is an input or another output
/// (exit 2); files that cannot be read or written, or records of which none was accepted (exit 1).
pub fn run(args: &HistoricalArgs) -> Result<Exit, Failure> {
    whole_file::end_on_signals()?;
    let probed = ProbedLog::of(args)?;
    probed.tell();
    let written = probed.write()?;
    written.tell();
    let mut line = serde_json::to_string(&written.summary).map_err(Failure::failed)?;
    match is_standard_output(&args.out) {
        true => output::note(&line),
        false => {
            line.push('\n');
            output::print(&line)?;
        }
    }
    Ok(Exit::Done)
}

/// Makes the training set that `args` ask for and tells nobody of it: for who makes many in one process. Signals
/// are his.
///
/// # Errors
/// As of [`run`].
pub fn make(args: &HistoricalArgs) -> Result<HistoricalSummary, Failure> {
    Ok(ProbedLog::of(args)?.write()?.summary)
}

/// The log once the job has run over it, with what its probes have read.
struct ProbedLog<'a> {
    args: &'a HistoricalArgs,
    started: Instant,
    job: tidemark_jobs::Job,
    asking: Asking,
    spine: Spine,
    form: ExampleForm,
    observer: Observer,
    refusals: Arc<Refusals>,
    answers: TakenAnswers,
    out: WholeFile,
    /// The files of each source.
    read: Vec<(u16, Vec<PathBuf>)>,
}

impl<'a> ProbedLog<'a> {
    fn of(args: &'a HistoricalArgs) -> Result<Self, Failure> {
        let started = Instant::now();
        let job = job_file::load(&args.job)?;
        let asking = Asking::of(&job, args)?;
        asking.check_known(&job, args)?;
        let settings = ProcessSettings::load(&config::ClusterFile::None, config::Flags::default())?;
        let workers = args.workers.unwrap_or(settings.workers);
        let files = inputs::sources(&job, &args.sources)?;
        check_roles(&job, args, &files)?;
        let read = files.clone();
        // What can be wrong with the rest is found before the examples are read.
        let limits = settings.limits.engine();
        let files =
            JobFiles::new(&job.plan, files, limits.record_bytes).map_err(Failure::failed)?;
        let tables = inputs::tables(&job, &args.tables)?;
        let (spine, shares) = ask(args, &asking, workers)?;
        let form = form(args, spine.format)?;
        asking.check_names(&spine)?;
        let settings = engine_settings(&job, args.known, limits, workers);
        let observer = Observer::new(&settings);
        let paths = OutputPaths { dlq: args.dlq.as_deref(), ..OutputPaths::default() };
        let outputs = Outputs::create(&paths, &settings, &observer)?;
        let out = WholeFile::create(&args.out).map_err(Failure::failed)?;
        let refusals = Refusals::new(&settings.plan, files.files());
        let progress = Arc::clone(files.progress());
        let (make, answers) = parts(&outputs, files, tables, &refusals, shares, &observer)?;
        let result = watch::watched(&settings, &observer, &make, &progress);
        drop(make);
        result?;
        let accepted = refusals::some_accepted(&observer.metrics).is_ok();
        outputs.finish(&settings.plan, accepted)?;
        Ok(ProbedLog {
            args,
            started,
            job,
            asking,
            spine,
            form,
            observer,
            refusals,
            answers,
            out,
            read,
        })
    }

    fn summary(&self) -> Summary {
        let invalid = told::invalid(&self.job.plan, &self.observer);
        Summary::new(&self.observer, invalid, self.started.elapsed())
    }

    /// Says what is to be known of the records.
    fn tell(&self) {
        told::tell(&self.job.plan, &self.observer);
        let run = self.summary();
        let kept = self.args.dlq.as_deref().ok_or(refused::BY_FLAG);
        refused::say(&self.refusals, kept, run.events - run.skipped);
    }

    /// Writes the examples with what was found of them.
    fn write(mut self) -> Result<WrittenSet, Failure> {
        refusals::some_accepted(&self.observer.metrics)?;
        let (job, args) = (&self.job, self.args);
        let arrivals = arrivals::of_run((job, args.known), &self.asking, &self.observer)?;
        let answers = std::mem::take(&mut self.answers);
        let to = (args.out.as_path(), &self.out);
        let outcome = Outcome::write(&self.spine, &self.asking, answers, self.form, to)?;
        let mut run = self.summary();
        WholeFile::finish(vec![self.out]).map_err(Failure::failed)?;
        run.rows = outcome.rows;
        let arrival_unknown = arrivals::unknown(args.known, &arrivals);
        let told = (&outcome, &run, arrival_unknown);
        spec::write((job, args, &self.read), (&self.asking, &self.spine), told)?;
        let features = self.asking.features.len();
        let summary = HistoricalSummary { features, arrival_unknown, run };
        Ok(WrittenSet { asking: self.asking, spine: self.spine, outcome, arrivals, summary })
    }
}

/// A training set that is there.
struct WrittenSet {
    asking: Asking,
    spine: Spine,
    outcome: Outcome,
    arrivals: Vec<ArrivalCounts>,
    summary: HistoricalSummary,
}

impl WrittenSet {
    /// Says what people may not expect of it.
    fn tell(&self) {
        self.outcome.tell(&self.asking, &self.spine);
        self.arrivals.iter().for_each(ArrivalCounts::tell);
    }
}

/// What is computed.
fn engine_settings(
    job: &tidemark_jobs::Job,
    known: KnownWhen,
    limits: Limits,
    workers: usize,
) -> Settings {
    let (plan, sealing) = match known {
        KnownWhen::Final => (Arc::clone(&job.plan), Sealing::Probes),
        KnownWhen::Lag(lag) => (Arc::new(job.plan.known_after(lag)), Sealing::Probes),
        KnownWhen::Arrived => (Arc::clone(&job.plan), Sealing::Arrived),
    };
    Settings {
        plan,
        shape: Shape::one_process(workers),
        limits,
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing,
        online: Online::Off,
    }
}

/// Refuses files that are named twice where that would destroy one.
fn check_roles(
    job: &tidemark_jobs::Job,
    args: &HistoricalArgs,
    files: &[(u16, Vec<std::path::PathBuf>)],
) -> Result<(), Failure> {
    let piped = |found: std::fs::Metadata| !found.is_file() && !found.is_dir();
    if is_standard(&args.entities) || std::fs::metadata(&args.entities).is_ok_and(piped) {
        let path = args.entities.display();
        let why = format!("cannot read the examples from \"{path}\": they are read twice");
        return Err(Failure::usage(why).hint("write them to a file and name it by --entities"));
    }
    let mut roles = inputs::roles(job, &args.job, files, &args.tables);
    roles.reads("--entities", &args.entities);
    roles.writes("--out", &args.out);
    args.dlq.iter().for_each(|path| roles.writes("--dlq", path));
    args.spec.iter().for_each(|path| roles.writes("--spec", path));
    roles.check()
}

/// Reads the spine for what it asks.
fn ask(args: &HistoricalArgs, asking: &Asking, workers: usize) -> Result<(Spine, Shares), Failure> {
    let keys: Vec<_> = asking.entities.iter().map(|entity| entity.key.clone()).collect();
    let options = SpineOptions {
        path: &args.entities,
        time: &args.time,
        unit: args.time_unit.into(),
        keys: &keys,
    };
    let lag = if let KnownWhen::Lag(ms) = args.known { ms } else { 0 };
    let mut shares = Shares::new(asking, workers, KnownEvents { before: args.before, lag });
    let mut shown = ShownRows::new("read", None);
    let spine = Spine::survey(&options, &mut |row| {
        shown.one_more();
        shares.push(row).map_err(Failure::failed)
    })?;
    Ok((spine, shares))
}

/// The form that the name of the output says.
fn form(args: &HistoricalArgs, spine: Format) -> Result<ExampleForm, Failure> {
    let csv = match spine {
        Format::Csv { delimiter } => ExampleForm::Csv { delimiter },
        Format::Json | Format::Avro => ExampleForm::Csv { delimiter: b',' },
    };
    if is_standard_output(&args.out) {
        let form = if spine == Format::Json { ExampleForm::JsonLines } else { csv };
        return Ok(form);
    }
    match args.out.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(csv),
        Some("tsv") => Ok(ExampleForm::Csv { delimiter: b'\t' }),
        Some("jsonl" | "ndjson" | "json") => Ok(ExampleForm::JsonLines),
        #[cfg(feature = "parquet")]
        Some("parquet") => Ok(ExampleForm::Parquet),
        _ => {
            let path = args.out.display();
            let why = format!("the name \"{path}\" of --out does not say what is to be written");
            Err(Failure::usage(why).hint("name a file .csv, .tsv, .jsonl or .parquet"))
        }
    }
}

/// Makes what the workers work with, and where what probes have read will be.
fn parts(
    outputs: &Outputs,
    files: JobFiles,
    tables: OpenTables,
    refusals: &Arc<Refusals>,
    shares: Shares,
    observer: &Observer,
) -> Result<(MakeParts, TakenAnswers), Failure> {
    let workers = observer.metrics.len();
    let letters = Mutex::new((0..workers).map(|_| Some(outputs.letters())).collect::<Vec<_>>());
    let refusals = Arc::clone(refusals);
    let (probes, answers) = shares.probes(observer).map_err(Failure::failed)?;
    let make = move |worker: usize, waker: Waker| {
        let partitions = files.open(worker, workers, &waker).map_err(|e| e.to_string())?;
        let letters = letters.lock().map_or(None, |mut l| l.get_mut(worker)?.take());
        let letters = Box::new(letters.ok_or("a worker was started twice")?);
        Ok(Parts {
            partitions: Box::new(partitions),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(CountedLetters::new(letters, &refusals)),
            online: None,
            lines: None,
            probes: probes.take(worker),
            checkpoints: None,
        })
    };
    Ok((Arc::new(make), answers))
}
