//! History from the log: what the store of ours in a repository is told.

use super::history::place;
use crate::cli::{FeastArgs, KnownWhen};
use crate::failure::Failure;
use crate::named_file::is_standard;
use crate::replay::inputs;
use std::fmt::Write as _;
use std::path::Path;
use tidemark_jobs::{Job, shipped};
use tidemark_operators::json::quoted;

/// The store, a module of Python that is written into the repository.
pub(super) const MODULE: &str = include_str!("tidemark_offline.py");
/// Its name.
pub(super) const MODULE_NAME: &str = "tidemark_offline.py";

/// What `tidemark historical` is told when Feast asks.
#[derive(Debug)]
pub(super) struct LogOfEvents {
    /// The job, as the command line names it.
    job: String,
    /// The files of each source.
    sources: Vec<(String, Vec<String>)>,
    tables: Vec<(String, String)>,
    known: Option<KnownWhen>,
    before: bool,
}

impl LogOfEvents {
    /// What `args` say.
    ///
    /// # Errors
    /// When a source of `job` lacks its files, or the job is in no file; exit code 2.
    pub(super) fn of(args: &FeastArgs, job: &Job) -> Result<Self, Failure> {
        inputs::named_of_all(job, &args.sources)?;
        if is_standard(Path::new(&args.job)) {
            let why = "a job on standard input cannot be asked for history later";
            return Err(Failure::usage(why).hint("write it to a file, and name that"));
        }
        let mut sources: Vec<(String, Vec<String>)> = Vec::new();
        for given in &args.sources {
            let files =
                given.files.iter().map(|file| place(&file.display().to_string(), "--source"));
            let files = files.collect::<Result<Vec<_>, _>>()?;
            match sources.iter_mut().find(|(name, _)| *name == given.name) {
                Some((_, known)) => known.extend(files),
                None => sources.push((given.name.clone(), files)),
            }
        }
        let tables = args.tables.iter().map(|given| {
            Ok((given.name.clone(), place(&given.file.display().to_string(), "--table")?))
        });
        Ok(LogOfEvents {
            job: match shipped(&args.job) {
                Some(_) => args.job.clone(),
                None => place(&args.job, "the job")?,
            },
            sources,
            tables: tables.collect::<Result<_, Failure>>()?,
            known: args.known,
            before: args.before,
        })
    }

    /// `offline_store` of feature_store.yaml, without its first line.
    pub(super) fn store(&self) -> String {
        let mut out = "  type: tidemark_offline.TidemarkOfflineStore\n".to_owned();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  job: {}", quoted(&self.job));
        out += "  sources:\n";
        for (name, files) in &self.sources {
            let files: Vec<_> = files.iter().map(|file| quoted(file)).collect();
            let _ = writeln!(out, "    {}: [{}]", quoted(name), files.join(", "));
        }
        if !self.tables.is_empty() {
            out += "  tables:\n";
        }
        for (name, file) in &self.tables {
            let _ = writeln!(out, "    {}: {}", quoted(name), quoted(file));
        }
        if let Some(known) = self.known {
            let _ = writeln!(out, "  known: {}", quoted(&known.to_string()));
        }
        if self.before {
            out += "  before: true\n";
        }
        out
    }
}
