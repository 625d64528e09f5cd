//! Pages as a server shows them, below `/docs/`: the page of its job, with a search, and those that come
//! with the program.

use super::{html, pages, sample, server};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::OnceLock;
use tidemark_jobs::Job;
use tidemark_jobs::docs::job_page;

const HTML: &str = "text/html; charset=utf-8";

/// The documentation of a job beside it.
pub struct ServedDocs {
    job: Job,
    /// Where features are asked for.
    server: String,
    /// The page of the job, once it was asked for.
    page: OnceLock<String>,
}

/// A file of it.
pub struct ServedFile<'a> {
    /// Its type, as HTTP says it.
    pub kind: &'static str,
    /// What is in it.
    pub text: Cow<'a, str>,
}

impl ServedDocs {
    /// Of `job`, whose features are served at `serve`.
    pub fn new(job: &Job, serve: SocketAddr) -> ServedDocs {
        ServedDocs { job: job.clone(), server: server(serve), page: OnceLock::new() }
    }

    /// The file of this name; the empty one is the page of the job. What it takes to make is up to a
    /// second the first time: this is not for a thread that others wait for.
    pub fn file(&self, name: &str) -> Option<ServedFile<'_>> {
        let (kind, text) = match name {
            "" => (HTML, Cow::Borrowed(self.page.get_or_init(|| self.of_job()).as_str())),
            "page.css" => ("text/css; charset=utf-8", Cow::Borrowed(html::STYLE)),
            "search.js" => {
                ("text/javascript; charset=utf-8", Cow::Borrowed(include_str!("search.js")))
            }
            name => {
                let name = name.strip_suffix(".html")?;
                let page = pages::PAGES.iter().find(|page| page.name == name)?;
                (HTML, Cow::Owned(html::served(&page.page(), false)))
            }
        };
        Some(ServedFile { kind, text })
    }

    fn of_job(&self) -> String {
        // Tables may take as much memory as the running job has for them: no second time beside it.
        let examples = match self.job.plan.tables.is_empty() {
            true => sample::examples(&self.job).unwrap_or_else(|error| {
                tracing::info!(%error, "the page of the job has no examples");
                Vec::new()
            }),
            false => Vec::new(),
        };
        let mut page = job_page(&self.job, &examples, &self.server);
        page.sections.push(pages::links());
        html::served(&page, true)
    }
}
