//! `tidemark docs`: documentation pages, in Markdown or HTML.
//!
//! What pages of jobs say is made in `tidemark_jobs::docs`. Here a job is run over `records` (`sample`),
//! so that its page has examples, and pages become files (`html`), or what a server shows (`served`).
//! `pages` are those that come with the program.

mod html;
mod pages;
mod records;
mod sample;
mod served;
mod settings;
#[cfg(test)]
mod tests;

pub use served::{ServedDocs, ServedFile};

use crate::cli::{DocsArgs, PageFormat};
use crate::config::ServeSettings;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::named_file::is_standard_output;
use crate::whole_file::{self, WholeFile};
use crate::{job_file, output};
use std::net::SocketAddr;
use std::path::Path;
use tidemark_jobs::docs::{Page, expressions_page, job_file_page, job_page};
use tidemark_jobs::{Job, SHIPPED, shipped};

/// Writes a page, or the list of pages, to a file or to standard output.
///
/// # Errors
/// When there is no such page, the job cannot be read or is wrong, or the page would take the place
/// of what it is made of (exit code 2), or the page cannot be written.
pub fn run(args: &DocsArgs) -> Result<Exit, Failure> {
    let text = match &args.page {
        page if args.format == PageFormat::Toml => job_text(page.as_deref())?,
        Some(name) => match pages::named(name)? {
            Some(page) if args.format == PageFormat::Markdown => page.markdown(),
            Some(page) => html::page(&page.page()),
            None => {
                let job = job_file::load(name)?;
                roles(args, name, &job).check()?;
                written(&of_job(&job), args.format)
            }
        },
        None if args.expressions => written(&expressions_page(), args.format),
        None if args.settings => written(&settings::page(), args.format),
        None if args.job_file => written(&job_file_page(), args.format),
        None if args.format == PageFormat::Html => {
            return Err(Failure::usage(
                "the list of pages is plain text: name the page to be HTML",
            )
            .hint("list them by: tidemark docs"));
        }
        None => pages::list(),
    };
    match &args.output {
        Some(path) if !is_standard_output(path) => write(path, &text),
        _ => output::print(&text),
    }
}

fn roles(args: &DocsArgs, name: &str, job: &Job) -> FileRoles {
    let mut roles = FileRoles::default();
    job_file::is_read(name, &mut roles);
    job_file::tables_are_read(&job.plan, |_| true, &mut roles);
    if let Some(path) = &args.output {
        roles.writes("--output", path);
    }
    roles
}

fn write(path: &Path, text: &str) -> Result<Exit, Failure> {
    whole_file::end_on_signals()?;
    WholeFile::write(path, text).map(|()| Exit::Done).map_err(|error| {
        let (path, why) = (path.display(), error.source);
        Failure::failed(format!("cannot write the page to {path}: {why}"))
            .hint("choose another place by --output")
    })
}

/// The file of a shipped job.
fn job_text(name: Option<&str>) -> Result<String, Failure> {
    match name.and_then(shipped) {
        Some((_, text)) => Ok(text.to_owned()),
        None => Err(Failure::usage("only a shipped job is shown as TOML")
            .hint(format!("name one of {}", SHIPPED.join(", ")))),
    }
}

fn written(page: &Page, format: PageFormat) -> String {
    match format {
        PageFormat::Html => html::page(page),
        _ => page.markdown(),
    }
}

/// The page of a job, with examples where they can be computed.
fn of_job(job: &Job) -> Page {
    let examples = sample::examples(job).unwrap_or_else(|error| {
        eprintln!("note: the page has no examples: {error}");
        Vec::new()
    });
    job_page(job, &examples, &server(ServeSettings::default().address()))
}

/// Where who is on this machine asks the server that listens on `address`.
fn server(address: SocketAddr) -> String {
    let here = address.ip().is_loopback() || address.ip().is_unspecified();
    match (here, address.port()) {
        (true, 0) => "http://localhost:PORT".to_owned(),
        (true, port) => format!("http://localhost:{port}"),
        (false, _) => format!("http://{address}"),
    }
}
