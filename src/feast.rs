//! `tidemark feast`: a Feast repository of a job, with which stock Feast reads what the job writes.

mod history;
mod log_of_events;
mod repo;
mod tables_of_rows;

use crate::cli::FeastArgs;
use crate::config::{ClusterFile, Flags, OnlineKind, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::online::Layout;
use crate::whole_file::WholeFile;
use crate::{connect, job_file, output};
use history::FeastHistory;
use log_of_events::MODULE_NAME;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

/// What a file begins with that this command has written, and may write again.
const WRITTEN: &str = "# Written by `tidemark feast";

/// Writes the repository, and says what to do with it.
///
/// # Errors
/// Exit code 2 when the job or the settings are wrong, or a file of another hand is in the way; 1 when
/// the files cannot be written.
pub fn run(args: &FeastArgs) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let job = job_file::load(&args.job)?;
    let redis = connect::redis(&settings);
    let history = FeastHistory::of(args, &settings, &job)?;
    let files = repo::files(&job, &redis, &history).map_err(Failure::usage)?;
    for (name, _) in &files {
        check(&args.dir.join(name))?;
    }
    std::fs::create_dir_all(&args.dir).map_err(|error| {
        Failure::failed(format!("cannot make the folder '{}': {error}", args.dir.display()))
    })?;
    for (name, text) in &files {
        WholeFile::write(&args.dir.join(name), text).map_err(Failure::failed)?;
    }
    if redis.layout == Layout::Hash || settings.online.kind != OnlineKind::Redis {
        output::note(
            "note: the job does not write what Feast reads yet: set layout = \"feast\" (or \"both\") in \
             [online.redis] of cluster.toml, with kind = \"redis\" in [online]",
        );
    }
    output::print(&next_steps(&args.dir, &files))
}

fn next_steps(dir: &Path, files: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (name, _) in files {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "wrote {}", dir.join(name).display());
    }
    out.push_str("next, there: pip install -r requirements.txt && feast apply\n");
    if files.iter().any(|(name, _)| *name == MODULE_NAME) {
        let _ = writeln!(
            out,
            "a program that asks for history from elsewhere needs PYTHONPATH={} for {MODULE_NAME}",
            dir.display()
        );
    }
    out.push_str("there is nothing to materialize: `tidemark run` keeps the rows current\n");
    out
}

/// Whether a file may be written: it is not there, or this command has written it.
fn check(path: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.starts_with(WRITTEN) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(Failure::usage(format!(
            "will not overwrite '{}', which `tidemark feast` has not written",
            path.display()
        ))
        .hint("name another folder, or move that file away")),
        Err(error) => Err(Failure::usage(format!("cannot read '{}': {error}", path.display()))),
    }
}
