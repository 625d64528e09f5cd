//! `tidemark docs`

use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

/// How a page is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PageFormat {
    /// Markdown, with a list of contents
    #[default]
    Markdown,
    /// One HTML file that needs nothing else
    Html,
    /// Of a shipped job: its file, to begin one's own with
    Toml,
}

/// `tidemark docs`
#[derive(Clone, Debug, Args)]
#[command(group(ArgGroup::new("shown").args(["page", "expressions", "job_file", "settings"])))]
#[command(after_help = "\
Examples:
  tidemark docs                                           all pages, a line each
  tidemark docs semantics                                 what exactly a value means
  tidemark docs fraud                                     Markdown, on standard output
  tidemark docs fraud --format toml > my_job.toml         the job itself, to change it
  tidemark docs my_job.toml --format html --output features.html
  tidemark docs --expressions                             the language of filters and features
  tidemark docs --job-file                                every key of a job file
  tidemark docs --settings                                every key of cluster.toml

The page of a job says of every feature what it is, its type and window, when it is null and what
memory it takes, with an example, and of every reference table where it is from and as of when it is
looked up. Examples are computed by the job itself from a few thousand generated events; no file is
read but the job and its tables, and no server is needed. The same job gives the same bytes.")]
pub struct DocsArgs {
    /// A page, or a job: a file, or the name of a shipped job [default: a list of the pages]
    #[arg(value_name = "PAGE|JOB")]
    pub page: Option<String>,
    /// The reference of the expression language: the page expressions
    #[arg(long)]
    pub expressions: bool,
    /// The reference of job files: the page job-file
    #[arg(long)]
    pub job_file: bool,
    /// Every key of cluster.toml with its unit, default and variable: the page settings
    #[arg(long)]
    pub settings: bool,
    /// How the page is written
    #[arg(long, value_enum, default_value_t)]
    pub format: PageFormat,
    /// Write the page here [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
