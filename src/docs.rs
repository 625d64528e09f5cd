//! `tidemark docs`: documentation pages, in Markdown or HTML.
//!
//! What pages say is made in `tidemark_jobs::docs`. Here a job is run over `records` (`sample`), so
//! that its page has examples, and pages become files (`html`).

mod html;
mod records;
mod sample;
mod settings;
#[cfg(test)]
mod tests;

use crate::cli::{DocsArgs, PageFormat};
use crate::created_file::{Held, create};
use crate::failure::Failure;
use crate::{job_file, output};
use std::io::Write as _;
use std::process::ExitCode;
use tidemark_jobs::Job;
use tidemark_jobs::docs::{Page, expressions_page, job_file_page, job_page};

/// Writes a page to a file or to standard output.
///
/// # Errors
/// When the job cannot be read or is wrong (exit code 2), or the page cannot be written.
pub fn run(args: &DocsArgs) -> Result<ExitCode, Failure> {
    let page = match &args.job {
        Some(job) => of_job(&job_file::load(job)?),
        None if args.expressions => expressions_page(),
        None if args.settings => settings::page(),
        None => job_file_page(),
    };
    let text = match args.format {
        PageFormat::Markdown => page.markdown(),
        PageFormat::Html => html::page(&page),
    };
    let Some(path) = &args.output else { return output::print(&text) };
    let write = || create(path, Held::Removed)?.write_all(text.as_bytes());
    write().map_err(|error| {
        Failure::failed(format!("cannot write the page to {}: {error}", path.display()))
            .hint("choose another place by --output")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a job, with examples where they can be computed.
fn of_job(job: &Job) -> Page {
    let examples = sample::examples(job).unwrap_or_else(|error| {
        eprintln!("note: the page has no examples: {error}");
        Vec::new()
    });
    job_page(job, &examples)
}
