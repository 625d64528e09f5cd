//! `tidemark check`: a job as it was understood, for people or as JSON.

mod document;

use crate::cli::{CheckArgs, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{job_file, output};
use std::fmt::Write as _;
use tidemark_jobs::Job;

/// Checks a job and prints its report, and what is to be noted about it.
///
/// # Errors
/// When the job cannot be read, or anything is wrong with it: all of it, with exit code 2.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let job = job_file::load(&args.job)?;
    let file = job_file::file_name(&args.job);
    match args.format {
        OutputFormat::Json => output::print_json(&document::document(&job, file)),
        OutputFormat::Text => output::print(&(job.report() + &notes(&job, file))),
    }
}

/// What is to be noted, each with its place.
fn notes(job: &Job, file: &str) -> String {
    let mut out = String::new();
    for note in &job.notes {
        // Writing to a string cannot fail.
        let _ = write!(out, "\nnote {file}:{}:{}: {}\n", note.line, note.column, note.message);
        if let Some(hint) = &note.hint {
            let _ = writeln!(out, "  {hint}");
        }
    }
    out
}
