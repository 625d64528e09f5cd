//! The pages that come with the program, by name.
//!
//! Each lies beside what it describes and is inside of the binary, so that it is there, and speaks of
//! this version, after an installation too.

use super::settings;
use crate::failure::Failure;
use std::path::Path;
use tidemark_jobs::docs::{Page, Section, expressions_page, job_file_page};
use tidemark_jobs::document::nearest;
use tidemark_jobs::{SHIPPED, shipped};

/// A page that comes with the program.
pub(super) struct Shipped {
    /// What it is asked for by.
    pub(super) name: &'static str,
    /// What it is about, in a line of the list.
    about: &'static str,
    text: Text,
}

/// Where the text of a page is from.
enum Text {
    /// A file of Markdown.
    File {
        /// Its path from the root of the repository.
        path: &'static str,
        markdown: &'static str,
    },
    /// Made from what the program knows.
    Made(fn() -> Page),
}

/// A page that is a file, by its path from the root of the repository.
macro_rules! page {
    ($name:literal, $path:literal, $about:literal) => {
        Shipped {
            name: $name,
            about: $about,
            text: Text::File { path: $path, markdown: include_str!(concat!("../../", $path)) },
        }
    };
}

/// All of them, in the order in which they are listed: what one reads first stands first.
pub(super) const PAGES: [Shipped; 32] = [
    page!("readme", "README.md", "install, quickstart, scoring, training, Kafka and Redis"),
    page!("install", "src/version/install.md", "installing, completions, symbols"),
    page!("aggregates", "jobs/aggregates.md", "what a feature can be; types of fields"),
    Shipped {
        name: "expressions",
        about: "the language of filters and derived features",
        text: Text::Made(expressions_page),
    },
    Shipped { name: "job-file", about: "every key of a job file", text: Text::Made(job_file_page) },
    page!(
        "records",
        "jobs/records.md",
        "your own records: jobs that read what twelve producers write"
    ),
    page!("testing", "jobs/testing.md", "testing the features of a job"),
    page!("tables", "jobs/tables.md", "reference tables: looking values up by key or IP prefix"),
    page!("avro", "jobs/avro.md", "reading Avro, with a schema registry or a folder"),
    page!(
        "semantics",
        "operators/semantics.md",
        "what exactly a value means: windows, time, lateness, nulls"
    ),
    page!(
        "dead-letters",
        "src/dead_letters/dead-letters.md",
        "what happens to bad input: verdicts, dead letters"
    ),
    page!(
        "serving",
        "src/serving/serving.md",
        "features for models over HTTP, as Feast answers them"
    ),
    page!(
        "training",
        "src/historical/training.md",
        "features at the times of examples, exact, from the log"
    ),
    page!(
        "rows",
        "src/offline/rows.md",
        "sealed rows as files of Parquet and tables of PostgreSQL: columns, joins"
    ),
    page!(
        "warehouses",
        "src/offline/warehouses.md",
        "rows of Parquet as tables of DuckDB, BigQuery, Snowflake, Databricks"
    ),
    page!("redis", "src/online/redis.md", "rows in Redis: keys, heartbeat, expiry, pace"),
    Shipped {
        name: "settings",
        about: "every key of cluster.toml, with unit, default and variable",
        text: Text::Made(settings::page),
    },
    page!("limits", "src/config/limits.md", "every bound, and what happens when it is reached"),
    page!(
        "running",
        "src/run/running.md",
        "one process, systemd, containers, Kubernetes; upgrades, scaling, sizes"
    ),
    page!("backfill", "src/run/backfill.md", "a job's history from files, before its topics"),
    page!("monitoring", "src/metrics/monitoring.md", "HTTP endpoints, health, readiness, alerts"),
    page!(
        "troubleshooting",
        "src/metrics/troubleshooting.md",
        "what is seen, where to look, what to change"
    ),
    page!("metrics", "src/metrics/metrics.md", "every metric and what it says"),
    page!(
        "checkpoints",
        "src/checkpoint/checkpoints.md",
        "how state is kept: what is in a store, looking into it, buckets, encryption"
    ),
    page!("cluster", "src/run/cluster.md", "one job in several processes, and a lost one"),
    page!("failures", "src/run/failures.md", "what happens when something fails, and at a restart"),
    page!("performance", "benches/performance.md", "what is measured, by which command"),
    page!("architecture", "src/architecture.md", "how data flows, and what lies where"),
    page!("dependencies", "src/dependencies.md", "which crates, what for, why not our own"),
    page!(
        "extending",
        "operators/src/aggregate.md",
        "how to add an aggregate, a window kind, a metric"
    ),
    page!("contributing", "tests/contributing.md", "how changes are checked"),
    page!("changelog", "CHANGELOG.md", "what changed, and what of it breaks something"),
];

impl Shipped {
    /// The page in Markdown.
    pub(super) fn markdown(&self) -> String {
        match self.text {
            Text::File { markdown, .. } => markdown.to_owned(),
            Text::Made(made) => made().markdown(),
        }
    }

    /// The page in sections, with links to other pages as links to what `--output NAME.html` writes.
    pub(super) fn page(&self) -> Page {
        match self.text {
            Text::File { path, markdown } => in_sections(&between_pages(path, markdown)),
            Text::Made(made) => made(),
        }
    }
}

/// The page of that name.
///
/// # Errors
/// When there is no page, no shipped job and no file of that name: the nearest is named. Exit code 2.
pub(super) fn named(name: &str) -> Result<Option<&'static Shipped>, Failure> {
    let found = PAGES.iter().find(|page| page.name == name);
    let path = Path::new(name);
    let is_path = name.contains('/') || path.extension().is_some() || path.exists();
    if found.is_some() || is_path || shipped(name).is_some() {
        return Ok(found);
    }
    let failure = Failure::usage(format!("there is no page and no shipped job \"{name}\""));
    Err(match nearest(name, PAGES.iter().map(|page| page.name).chain(SHIPPED)) {
        Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
        None => failure.hint("list them by: tidemark docs"),
    })
}

/// The list of all pages.
pub(super) fn list() -> String {
    let mut out = String::from("Pages, shown by tidemark docs PAGE:\n");
    let width = PAGES.iter().map(|page| page.name.len()).max().unwrap_or(0);
    for page in &PAGES {
        out.push_str(&format!("  {:width$}  {}\n", page.name, page.about));
    }
    out.push_str("\nPages of jobs, every feature with its meaning, null rule and memory:\n");
    out.push_str(&format!("  {}, or a job file of your own\n", SHIPPED.join(", ")));
    out
}

/// Links to all pages, as the last section of the page of a job that a server shows.
pub(super) fn links() -> Section {
    let link = |page: &Shipped| format!("- [{}]({}.html): {}\n", page.name, page.name, page.about);
    let label = "Pages of the program".to_owned();
    Section { level: 2, label, name: None, body: PAGES.iter().map(link).collect() }
}

/// Markdown that begins with its title, in sections. What looks like a heading inside of a block of
/// code is none.
fn in_sections(markdown: &str) -> Page {
    let mut page = Page { title: String::new(), lead: String::new(), sections: Vec::new() };
    let mut in_code = false;
    for line in markdown.lines() {
        in_code ^= line.starts_with("```");
        let heading = if in_code { None } else { line.split_once("# ") };
        match heading {
            Some(("", title)) => page.title = title.to_owned(),
            Some((marks @ ("#" | "##"), label)) => page.sections.push(Section {
                level: if marks == "#" { 2 } else { 3 },
                label: label.to_owned(),
                name: None,
                body: String::new(),
            }),
            _ => {
                let last = page.sections.last_mut();
                let body = last.map_or(&mut page.lead, |section| &mut section.body);
                body.push_str(line);
                body.push('\n');
            }
        }
    }
    page
}

/// `markdown` of the file `path`, whose links to files of other pages lead to their names with `.html`.
fn between_pages(path: &str, markdown: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut out = String::with_capacity(markdown.len());
    let mut pieces = markdown.split("](");
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.push_str("](");
        let (target, rest) = piece.split_at(piece.find(')').unwrap_or(0));
        let (file, anchor) = target.split_at(target.find('#').unwrap_or(target.len()));
        let file = from_root(folder, file);
        match PAGES.iter().find(|page| page.is_file(&file)) {
            Some(page) => out.push_str(&format!("{}.html{anchor}", page.name)),
            None => out.push_str(target),
        }
        out.push_str(rest);
    }
    out
}

impl Shipped {
    fn is_file(&self, wanted: &str) -> bool {
        match self.text {
            Text::File { path, .. } => path == wanted,
            Text::Made(_) => wanted == format!("jobs/{}.md", self.name),
        }
    }
}

/// The path from the root of what a file in `folder` calls `link`.
fn from_root(folder: &str, link: &str) -> String {
    let mut places: Vec<&str> = folder.split('/').filter(|place| !place.is_empty()).collect();
    for place in link.split('/') {
        match place {
            ".." => _ = places.pop(),
            "." => {}
            place => places.push(place),
        }
    }
    places.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_begins_with_its_title_and_has_a_name_of_its_own() {
        for (at, page) in PAGES.iter().enumerate() {
            assert!(page.markdown().starts_with("# "), "{}", page.name);
            assert!(!page.page().title.is_empty(), "{}", page.name);
            assert!(PAGES.iter().skip(at + 1).all(|other| other.name != page.name));
            assert!(!SHIPPED.contains(&page.name), "{} is a job", page.name);
            assert!(list().contains(&format!("  {} ", page.name)), "{}", list());
        }
    }

    #[test]
    fn an_unknown_page_names_the_nearest_of_pages_and_jobs() {
        let said = |name: &str| named(name).err().map(|failure| failure.to_string());
        assert_eq!(
            said("semantic").unwrap(),
            "error: there is no page and no shipped job \"semantic\"\nhint: did you mean \"semantics\"?"
        );
        assert!(said("frad").unwrap().ends_with("did you mean \"fraud\"?"));
        assert!(said("nothing_like_it").unwrap().ends_with("list them by: tidemark docs"));
        assert_eq!(said("semantics"), None);
        assert_eq!(said("fraud"), None);
        assert_eq!(said("of/mine"), None);
    }

    #[test]
    fn headings_make_sections_and_comments_in_code_do_not() {
        let page =
            in_sections("# T\n\nlead\n\n## One\n\n```sh\n# no heading\n```\n\n### Two\n\nx\n");
        assert_eq!((page.title.as_str(), page.lead.trim()), ("T", "lead"));
        let found: Vec<_> = page.sections.iter().map(|it| (it.level, it.label.as_str())).collect();
        assert_eq!(found, [(2, "One"), (3, "Two")]);
        assert!(page.sections[0].body.contains("# no heading"));
    }

    #[test]
    fn links_between_pages_lead_to_their_html() {
        let text =
            "[a](../online/redis.md#pace) [b](https://x.y) [c](../../jobs/expressions.md) (d)";
        assert_eq!(
            between_pages("src/config/limits.md", text),
            "[a](redis.html#pace) [b](https://x.y) [c](expressions.html) (d)"
        );
        let readme = PAGES.iter().find(|page| page.name == "readme").unwrap();
        let Text::File { path, markdown } = readme.text else { panic!("it is a file") };
        assert!(between_pages(path, markdown).contains("(semantics.html"), "{path}");
    }
}
