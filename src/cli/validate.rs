//! `tidemark validate`

use super::OutputFormat;
use clap::Args;
use std::path::PathBuf;

/// `tidemark validate`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark validate fraud                      Redis, heartbeat, views, topics, schemas
  tidemark validate fraud --freshness          whether rows are younger than their bound
  tidemark validate fraud --freshness --entity-type card --entity-id card_0000017

Beside a running job, with the same cluster.toml and environment. Rows are current while every
worker gives signs of life (\"stale_after\" in [serve]) and the live clock is near this machine's
(\"behind_max\"). Exit codes: 0 all is well, 3 something is not, 2 wrong words or files.")]
pub struct ValidateArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Say what share of the rows is younger than its bound, and nothing else
    #[arg(long)]
    pub freshness: bool,
    /// Look at the rows of one entity of this type only
    #[arg(long, value_name = "TYPE", requires = "entity_id")]
    pub entity_type: Option<String>,
    /// The id of that entity
    #[arg(long, value_name = "ID", requires = "entity_type")]
    pub entity_id: Option<String>,
    /// Text for people, or one JSON document
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}
