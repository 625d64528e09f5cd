//! `tidemark replay`: files at full speed, by event time only. The same files give the same bytes,
//! whatever the workers.

mod online_rows;

use crate::cli::ReplayArgs;
use crate::dead_letters::{DeadLetterFile, FileLimits as LetterLimits, FileMode};
use crate::engine::{self, MakeParts, Observer, Online, Parts, Settings};
use crate::failure::Failure;
use crate::file_source::{self, FilePartitions};
use crate::online::{Embedded, OnlineStore};
use crate::sealed_file::SealedFile;
use crate::source::Waker;
use crate::tables::{OpenTables, TablesConfig};
use crate::{config, job_file, process, progress};
use serde::Serialize;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark_jobs::Job;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use tidemark_operators::plan::Plan;

/// How long dead letters may take to reach the disk at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The line of JSON at the end.
#[derive(Debug, Serialize)]
struct Summary {
    events: u64,
    accepted: u64,
    late: u64,
    future: u64,
    malformed: u64,
    schema: u64,
    tombstone: u64,
    keyless: u64,
    invalid_fields: u64,
    rows: u64,
    wall_s: f64,
    cpu_s: f64,
    events_per_cpu_s: f64,
    peak_rss_bytes: u64,
}

/// Dead letters that nobody asked for: counted like all others, and let go.
struct Uncollected;

impl DeadLetterSink for Uncollected {
    fn has_room(&self) -> bool {
        true
    }

    fn push(&mut self, _letter: DeadLetter) {}
}

/// Carries out `tidemark replay`.
///
/// # Errors
/// Wrong job, sources or settings (exit 2); files that cannot be read or written (exit 1).
pub fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    let job = job_file::load(&args.job)?;
    let settings = config::Settings::load(&config::ClusterFile::None, config::Flags::default())?;
    let workers = args.workers.unwrap_or(settings.workers);
    let files = sources(&job, args)?;
    let tables = tables(&job, args)?;
    let online = if args.online.is_some() { Online::AtEnd } else { Online::Off };
    let settings = Settings {
        plan: Arc::clone(&job.plan),
        workers,
        limits: settings.limits.engine(),
        live_idle: None,
        machine_clock: None,
        sealing: if args.sealed.is_some() { Sealing::Lines } else { Sealing::Count },
        online,
    };
    let observer = Observer::new(&settings);
    let outputs = Outputs::create(args, &settings, &observer)?;
    let read = Arc::new(file_source::Progress::default());
    let make = outputs.parts(&settings, &files, tables, &read);
    let result = watched(&settings, &observer, &make, &read);
    drop(make);
    outputs.finish(args, &settings.plan)?;
    result?;
    let invalid = invalid_fields(&job.plan, &observer);
    tell_invalid(&invalid);
    let summary = summary(&observer, &invalid, started.elapsed());
    let line = serde_json::to_string(&summary).map_err(Failure::failed)?;
    #[expect(clippy::print_stdout, reason = "this line is what the command is asked for")]
    {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The files of each source of the job.
fn sources(job: &Job, args: &ReplayArgs) -> Result<Vec<(u16, Vec<PathBuf>)>, Failure> {
    let names: Vec<_> = job.plan.sources.iter().map(|s| s.name.as_str()).collect();
    let mut files: Vec<(u16, Vec<PathBuf>)> = Vec::new();
    for given in &args.sources {
        let Some(at) = names.iter().position(|name| *name == given.name) else {
            let unknown = format!("job \"{}\" has no source \"{}\"", job.plan.name, given.name);
            return Err(Failure::usage(unknown).hint(format!("its sources: {}", names.join(", "))));
        };
        let source = u16::try_from(at).map_err(Failure::usage)?;
        match files.iter_mut().find(|(known, _)| *known == source) {
            Some((_, known)) => known.extend(given.files.iter().cloned()),
            None => files.push((source, given.files.clone())),
        }
    }
    files.sort_by_key(|(source, _)| *source);
    match names.iter().enumerate().find(|(at, _)| files.iter().all(|f| usize::from(f.0) != *at)) {
        Some((_, missing)) => {
            let message = format!("source \"{missing}\" of the job has no files");
            Err(Failure::usage(message).hint(format!("add --source {missing}=FILE")))
        }
        None => Ok(files),
    }
}

/// The job's tables, as they are now.
fn tables(job: &Job, args: &ReplayArgs) -> Result<OpenTables, Failure> {
    let names: Vec<_> = job.plan.tables.iter().map(|table| table.name.as_str()).collect();
    let mut instead = Vec::new();
    for given in &args.tables {
        let Some(at) = names.iter().position(|name| *name == given.name) else {
            let unknown = format!("job \"{}\" has no table \"{}\"", job.plan.name, given.name);
            let hint = match names.is_empty() {
                true => "leave out --table: the job has none".to_owned(),
                false => format!("its tables: {}", names.join(", ")),
            };
            return Err(Failure::usage(unknown).hint(hint));
        };
        instead.push((at, given.file.clone()));
    }
    let config = TablesConfig { instead: &instead, ..TablesConfig::default() };
    Ok(OpenTables::open(&job.plan, &config, &|| true)?.unwrap_or_default())
}

/// Where a replay writes.
struct Outputs {
    sealed: Option<SealedFile>,
    letters: Option<DeadLetterFile>,
    store: Option<Arc<Embedded>>,
}

impl Outputs {
    fn create(
        args: &ReplayArgs,
        settings: &Settings,
        observer: &Observer,
    ) -> Result<Self, Failure> {
        let stop = observer.clone();
        let sealed = args.sealed.as_deref();
        let sealed = sealed.map(|path| SealedFile::create(path, move |reason| stop.fail(reason)));
        let letters = args.dlq.as_deref();
        let letters = letters
            .map(|path| DeadLetterFile::open(path, FileMode::Truncate, LetterLimits::default()));
        let online = args.online.is_some();
        Ok(Outputs {
            sealed: sealed.transpose().map_err(Failure::failed)?,
            letters: letters.transpose().map_err(Failure::failed)?,
            store: online.then(|| Arc::new(Embedded::new(&settings.plan, settings.workers))),
        })
    }

    fn parts(
        &self,
        settings: &Settings,
        files: &[(u16, Vec<PathBuf>)],
        tables: OpenTables,
        read: &Arc<file_source::Progress>,
    ) -> MakeParts {
        let (files, read) = (files.to_vec(), Arc::clone(read));
        let workers = settings.workers;
        let formats: Vec<_> = settings.plan.sources.iter().map(|source| source.format).collect();
        let lines = std::sync::Mutex::new(self.sealed.as_ref().map(SealedFile::sink));
        let letters: Vec<_> =
            (0..workers).map(|_| self.letters.as_ref().map(DeadLetterFile::sink)).collect();
        let letters = std::sync::Mutex::new(letters);
        let store = self.store.clone();
        Arc::new(move |worker, waker: Waker| {
            let mine = file_source::share(&files, worker, workers).map_err(|e| e.to_string())?;
            let partitions = FilePartitions::open_formats(mine, &formats, &waker, &read)
                .map_err(|e| e.to_string())?;
            let letters = letters.lock().map_or(None, |mut l| l.get_mut(worker)?.take());
            let lines =
                if worker == 0 { lines.lock().map_or(None, |mut l| l.take()) } else { None };
            Ok(Parts {
                partitions: Box::new(partitions),
                tables: tables.take(worker, &waker)?,
                schemas: None,
                dead_letters: match letters {
                    Some(sink) => Box::new(sink),
                    None => Box::new(Uncollected),
                },
                online: store.as_ref().map(|store| store.writer(worker)),
                lines: lines.map(|sink| Box::new(sink) as _),
            })
        })
    }

    fn finish(self, args: &ReplayArgs, plan: &Plan) -> Result<(), Failure> {
        if let Some(sealed) = self.sealed {
            sealed.finish().map_err(Failure::failed)?;
        }
        if let Some(letters) = self.letters {
            letters.finish(PATIENCE).map_err(Failure::failed)?;
        }
        match (&self.store, args.online.as_deref()) {
            (Some(store), Some(path)) => online_rows::write(path, plan, store.as_ref()),
            _ => Ok(()),
        }
    }
}

/// Runs the job with a progress bar beside it.
fn watched(
    settings: &Settings,
    observer: &Observer,
    make: &MakeParts,
    read: &Arc<file_source::Progress>,
) -> Result<(), Failure> {
    let terminal = std::io::stderr().is_terminal();
    let done = std::sync::atomic::AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        if terminal {
            scope.spawn(|| show(observer, read, &done));
        }
        let run = engine::run(settings, observer, make);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        run
    });
    run.map(|_| ()).map_err(Failure::failed)
}

fn show(observer: &Observer, read: &file_source::Progress, done: &std::sync::atomic::AtomicBool) {
    let started = Instant::now();
    let mut bar = None;
    while !done.load(std::sync::atomic::Ordering::Relaxed) {
        let bar = bar.get_or_insert_with(|| progress::DrawnProgress::new(read.total(), true));
        let verdicts = observer.metrics.iter().flat_map(|m| &m.verdicts);
        let events = verdicts.map(|v| v.total()).sum();
        bar.set(read.read(), events, started.elapsed().as_secs_f64());
        std::thread::sleep(Duration::from_millis(100));
    }
    if let Some(bar) = bar {
        bar.finish();
    }
}

/// A field some of whose values could not be read.
struct InvalidField<'a> {
    source: &'a str,
    field: &'a str,
    count: u64,
    first: Option<String>,
}

fn invalid_fields<'a>(plan: &'a Plan, observer: &Observer) -> Vec<InvalidField<'a>> {
    let mut found = Vec::new();
    for (at, source) in plan.sources.iter().enumerate() {
        for (index, field) in source.fields.iter().enumerate() {
            let workers = || observer.metrics.iter().filter_map(|m| m.invalid.get(at));
            let count = workers().map(|invalid| invalid.count(index)).sum();
            if count > 0 {
                let first = workers().find_map(|invalid| invalid.first(index));
                found.push(InvalidField { source: &source.name, field: &field.name, count, first });
            }
        }
    }
    found
}

/// Says which fields are null in some events although something was there.
#[expect(clippy::print_stderr, reason = "for people: the last line of output is for programs")]
fn tell_invalid(invalid: &[InvalidField<'_>]) {
    for InvalidField { source, field, count, first } in invalid {
        let first = first.as_deref().unwrap_or_default();
        eprintln!("invalid: {source}.{field}, {count} values are null, the first: {first}");
    }
}

fn summary(observer: &Observer, invalid: &[InvalidField<'_>], wall: Duration) -> Summary {
    let sum = |count: fn(&tidemark_operators::metrics::VerdictCounts) -> u64| -> u64 {
        observer.metrics.iter().flat_map(|m| &m.verdicts).map(count).sum()
    };
    let events = sum(|v| v.total());
    let cpu = process::cpu_time().as_secs_f64();
    Summary {
        events,
        accepted: sum(|v| v.accepted.get()),
        late: sum(|v| v.late.get()),
        future: sum(|v| v.future.get()),
        malformed: sum(|v| v.malformed.get()),
        schema: sum(|v| v.schema.get()),
        tombstone: sum(|v| v.tombstone.get()),
        keyless: sum(|v| v.keyless.get()),
        invalid_fields: invalid.iter().map(|field| field.count).sum(),
        rows: observer.metrics.iter().map(|m| m.rows_sealed.get()).sum(),
        wall_s: wall.as_secs_f64(),
        cpu_s: cpu,
        events_per_cpu_s: if cpu > 0.0 { (events as f64 / cpu).round() } else { 0.0 },
        peak_rss_bytes: process::peak_rss_bytes(),
    }
}
