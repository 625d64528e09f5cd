//! `tidemark replay`: files at full speed, by event time only. The same files give the same bytes,
//! whatever the workers.

pub(crate) mod inputs;
mod online_rows;
pub(crate) mod outputs;
pub(crate) mod refused;
pub(crate) mod row_outputs;
mod skipped;
pub(crate) mod summary;
pub(crate) mod told;
pub(crate) mod watch;

use crate::cli::ReplayArgs;
use crate::cold_file::ColdFolder;
use crate::engine::{MakeParts, Observer, Online, Parts, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::file_source::JobFiles;
use crate::named_file::is_standard_output;
use crate::online::OnlineStore;
use crate::refusals::{CountedLetters, Refusals};
use crate::source::Waker;
use crate::tables::OpenTables;
use crate::{config, connect, job_file, output, refusals, whole_file};
use outputs::{OutputPaths, Outputs};
use row_outputs::SealedTo;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use summary::Summary;
use tidemark_jobs::Job;
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::shape::Shape;

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
    let files = inputs::sources(&job, &args.sources)?;
    let sealed = args.sealed.as_deref().map(|path| SealedTo::of(&job.plan, path)).transpose()?;
    roles(&job, args, &files, sealed.as_ref()).check()?;
    whole_file::end_on_signals()?;
    let limits = settings.limits.engine();
    let files = JobFiles::new(&job.plan, files, limits.record_bytes).map_err(Failure::failed)?;
    let tables = inputs::tables(&job, &args.tables)?;
    let online = if args.online.is_some() { Online::AtEnd } else { Online::Off };
    let settings = Settings {
        plan: Arc::clone(&job.plan),
        shape: Shape::one_process(workers),
        limits,
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: sealed.as_ref().map_or(Sealing::Count, |to| to.sealing(args.rows)),
        online,
    };
    let observer = Observer::new(&settings);
    let paths = OutputPaths {
        sealed: sealed.as_ref(),
        dlq: args.dlq.as_deref(),
        online: args.online.as_deref(),
    };
    let outputs = Outputs::create(&paths, &settings, &observer)?;
    let cold = keep_cold(args, &observer)?;
    let counted = Refusals::new(&settings.plan, files.files());
    let read = Arc::clone(files.progress());
    let make = parts(&outputs, workers, files, tables, &counted);
    let result = watch::watched(&settings, &observer, &make, &read);
    drop(make);
    result?;
    let accepted = refusals::some_accepted(&observer.metrics);
    outputs.finish(&settings.plan, accepted.is_ok())?;
    cold.iter().for_each(told::tell_cold);
    let invalid = told::tell(&job.plan, &observer);
    let summary = Summary::new(&observer, invalid, started.elapsed());
    let mut line = serde_json::to_string(&summary).map_err(Failure::failed)?;
    refused::say(
        &counted,
        args.dlq.as_deref().ok_or(refused::BY_FLAG),
        summary.events - summary.skipped,
    );
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

/// Has events leave memory, where that is asked.
fn keep_cold(args: &ReplayArgs, observer: &Observer) -> Result<Option<ColdFolder>, Failure> {
    let Some((hot_window, path)) = args.hot_window.zip(args.cold.as_deref()) else {
        return Ok(None);
    };
    let folder = ColdFolder::open(path, false).map_err(Failure::failed)?;
    let opened = folder.clone();
    observer.keep_cold(connect::millis(hot_window), move |metrics| opened.worker(metrics));
    Ok(Some(folder))
}

/// What is read and what is written.
fn roles(
    job: &Job,
    args: &ReplayArgs,
    files: &[(u16, Vec<PathBuf>)],
    sealed: Option<&SealedTo>,
) -> FileRoles {
    let mut roles = inputs::roles(job, &args.job, files, &args.tables);
    sealed.iter().flat_map(|to| to.files()).for_each(|path| roles.writes("--sealed", path));
    for (flag, path) in [("--dlq", &args.dlq), ("--online", &args.online)] {
        path.iter().for_each(|path| roles.writes(flag, path));
    }
    roles
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
            probes: Vec::new(),
            checkpoints: None,
        })
    })
}
