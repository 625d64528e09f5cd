//! `tidemark check`: a job as it was understood.

use crate::cli::CheckArgs;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{job_file, output};

/// Checks a job and prints its report.
///
/// # Errors
/// When the job cannot be read, or anything is wrong with it: all of it, with exit code 2.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    output::print(&job_file::load(&args.job)?.report())
}
