//! `tidemark replay`: files at full speed, by event time only. The same files give the same bytes,
//! whatever the workers.

mod online_rows;
mod outputs;
mod refused;
mod skipped;

use crate::cli::ReplayArgs;
use crate::engine::{self, MakeParts, Observer, Online, Parts, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::file_source::{self, JobFiles};
use crate::named_file::is_standard_output;
use crate::online::OnlineStore;
use crate::refusals::{CountedLetters, Refusals};
use crate::source::Waker;
use crate::tables::{OpenTables, TablesConfig};
use crate::text::printable;
use crate::{config, job_file, output, process, progress, refusals, whole_file};
use outputs::Outputs;
use serde::Serialize;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tidemark_jobs::Job;
use tidemark_operators::entity_windows::Sealing;

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
    duplicate: u64,
    skipped: u64,
    invalid_fields: u64,
    rows: u64,
    wall_s: f64,
    cpu_s: f64,
    events_per_cpu_s: f64,
    peak_rss_bytes: u64,
}

/// Carries out `tidemark replay`.
///
/// # Errors
/// Wrong job, sources or settings, an output that is an input or another output (exit 2); files that
/// cannot be read or written, or records of which none was accepted (exit 1).
pub fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let started = Instant::now();
    let job = job_file::load(&args.job)?;
    let settings = config::Settings::load(&config::ClusterFile::None, config::Flags::default())?;
    let workers = args.workers.unwrap_or(settings.workers);
    let files = sources(&job, args)?;
    roles(&job, args, &files).check()?;
    whole_file::end_on_signals()?;
    let limits = settings.limits.engine();
    let files = JobFiles::new(&job.plan, files, limits.record_bytes).map_err(Failure::failed)?;
    let tables = tables(&job, args)?;
    let online = if args.online.is_some() { Online::AtEnd } else { Online::Off };
    let settings = Settings {
        plan: Arc::clone(&job.plan),
        workers,
        limits,
        live_idle: None,
        machine_clock: None,
        sealing: if args.sealed.is_some() { Sealing::Lines } else { Sealing::Count },
        online,
    };
    let observer = Observer::new(&settings);
    let outputs = Outputs::create(args, &settings, &observer)?;
    let counted = Refusals::new(&settings.plan, files.files());
    let read = Arc::clone(files.progress());
    let make = parts(&outputs, workers, files, tables, &counted);
    let result = watched(&settings, &observer, &make, &read);
    drop(make);
    result?;
    let accepted = refusals::some_accepted(&observer.metrics);
    outputs.finish(&settings.plan, accepted.is_ok())?;
    let invalid = invalid_fields(&job.plan, &observer);
    tell_invalid(&invalid);
    tell_rounded(&job.plan, &observer);
    skipped::say(&job.plan, &observer);
    let summary = summary(&observer, &invalid, started.elapsed());
    let mut line = serde_json::to_string(&summary).map_err(Failure::failed)?;
    refused::say(&counted, args.dlq.as_deref(), summary.events - summary.skipped);
    let rows = [&args.sealed, &args.dlq, &args.online].into_iter().flatten();
    if rows.clone().any(|path| is_standard_output(path)) {
        output::note(&line);
    } else {
        line.push('\n');
        output::print(&line)?;
    }
    accepted?;
    Ok(Exit::Done)
}

/// What is read and what is written.
fn roles(job: &Job, args: &ReplayArgs, files: &[(u16, Vec<PathBuf>)]) -> FileRoles {
    let mut roles = FileRoles::default();
    job_file::is_read(&args.job, &mut roles);
    for (source, files) in files {
        let source = job.plan.sources.get(usize::from(*source));
        let name = source.map_or("", |source| source.name.as_str());
        files.iter().for_each(|file| roles.reads(format!("source \"{name}\""), file));
    }
    let given = |name: &str| args.tables.iter().any(|table| table.name == name);
    job_file::tables_are_read(&job.plan, |name| !given(name), &mut roles);
    for table in &args.tables {
        roles.reads(format!("table \"{}\"", table.name), &table.file);
    }
    let outputs = [("--sealed", &args.sealed), ("--dlq", &args.dlq), ("--online", &args.online)];
    for (flag, path) in outputs {
        path.iter().for_each(|path| roles.writes(flag, path));
    }
    roles
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

/// Makes what the workers work with.
fn parts(
    outputs: &Outputs,
    workers: usize,
    files: JobFiles,
    tables: OpenTables,
    refusals: &Arc<Refusals>,
) -> MakeParts {
    let lines = Mutex::new(outputs.lines());
    let letters = Mutex::new((0..workers).map(|_| Some(outputs.letters())).collect::<Vec<_>>());
    let refusals = Arc::clone(refusals);
    let store = outputs.store.clone();
    Arc::new(move |worker, waker: Waker| {
        let partitions = files.open(worker, workers, &waker).map_err(|e| e.to_string())?;
        let letters = letters.lock().map_or(None, |mut l| l.get_mut(worker)?.take());
        let letters = Box::new(letters.ok_or("a worker was started twice")?);
        let lines = if worker == 0 { lines.lock().map_or(None, |mut l| l.take()) } else { None };
        Ok(Parts {
            partitions: Box::new(partitions),
            tables: tables.take(worker, &waker)?,
            schemas: None,
            dead_letters: Box::new(CountedLetters::new(letters, &refusals)),
            online: store.as_ref().map(|store| store.writer(worker)),
            lines: lines.map(|sink| Box::new(sink) as _),
            checkpoints: None,
        })
    })
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

fn invalid_fields<'a>(
    plan: &'a tidemark_operators::plan::Plan,
    observer: &Observer,
) -> Vec<InvalidField<'a>> {
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
fn tell_invalid(invalid: &[InvalidField<'_>]) {
    for InvalidField { source, field, count, first } in invalid {
        // It may hold what a producer wrote.
        let first = printable(first.as_deref().unwrap_or_default());
        output::note(&format!(
            "invalid: {source}.{field}, {count} values are null, the first: {first}"
        ));
    }
}

/// Says which decimals had more digits than their fields keep.
fn tell_rounded(plan: &tidemark_operators::plan::Plan, observer: &Observer) {
    for (at, source) in plan.sources.iter().enumerate() {
        for (index, field) in source.fields.iter().enumerate() {
            let workers = observer.metrics.iter().filter_map(|m| m.rounded.get(at)?.get(index));
            let count: u64 = workers.map(|count| count.get()).sum();
            if count > 0 {
                output::note(&format!(
                    "rounded: {}.{}, {count} values had more digits than {} keeps",
                    source.name, field.name, field.ty
                ));
            }
        }
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
        duplicate: sum(|v| v.duplicate.get() + v.duplicate_dead.get()),
        skipped: sum(|v| v.skipped_all()),
        invalid_fields: invalid.iter().map(|field| field.count).sum(),
        rows: observer.metrics.iter().map(|m| m.rows_sealed.get()).sum(),
        wall_s: wall.as_secs_f64(),
        cpu_s: cpu,
        events_per_cpu_s: if cpu > 0.0 { (events as f64 / cpu).round() } else { 0.0 },
        peak_rss_bytes: process::peak_rss_bytes(),
    }
}
