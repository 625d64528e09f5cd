//! What commands that read a job's log again have in common.

use super::OutputFormat;
use super::values::{self, SourceFiles, TableFile};
use clap::Args;
use std::path::PathBuf;

/// Where the log is, and how it is read and told of.
#[derive(Clone, Debug, Args)]
pub struct RereadArgs {
    /// The files of a source, folders or patterns, in the place of what the job says
    #[arg(long = "source", value_name = "NAME=FILE[,FILE..]", value_parser = values::source_files)]
    pub sources: Vec<SourceFiles>,
    /// A CSV file to read a reference table from, in the place of what the job says
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = values::table_file)]
    pub tables: Vec<TableFile>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Worker threads [env: PARALLELISM] [default: 1]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
    /// Text for people, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}
