//! `tidemark check`: a job as it was understood.

use crate::cli::CheckArgs;
use crate::failure::Failure;
use crate::{job_file, output};
use std::process::ExitCode;

/// Checks a job and prints its report.
///
/// # Errors
/// When the job cannot be read, or anything is wrong with it: all of it, with exit code 2.
pub fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    output::print(&job_file::load(&args.job)?.report())
}
