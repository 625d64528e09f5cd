//! `tidemark offline`

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `tidemark offline`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  POSTGRES_URL=postgres://tidemark@db/features tidemark offline init fraud

Page rows says what is in the tables.")]
pub struct OfflineArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: OfflineCommand,
}

/// What to do with what keeps rows for training.
#[derive(Clone, Debug, Subcommand)]
pub enum OfflineCommand {
    /// Make the tables of a job's rows in PostgreSQL, and columns for features that are new
    Init(OfflineInitArgs),
}

/// `tidemark offline init`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  POSTGRES_URL=postgres://tidemark@db/features tidemark offline init fraud
  tidemark offline init my_job.toml --cluster cluster.toml

Where PostgreSQL is, and which schema, says [offline.postgres] of cluster.toml; POSTGRES_URL goes
before its url. What is there stays: tables and columns are added, none is changed or dropped, and
once more changes nothing. A column that was renamed, dropped or given another type by hand is named
and refused (exit code 1), with what to do. `tidemark run` needs the tables, and makes those of
months itself: its user needs CREATE on the schema and has to own the tables, so run this as that
user.")]
pub struct OfflineInitArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
}
