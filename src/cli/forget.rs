//! `tidemark forget`: what is held of an entity is erased.

use crate::cli::{OutputFormat, values};
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `tidemark forget`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark forget card card_0000017                 ask the process of this machine
  tidemark forget card --ids asked.txt              several, one id a line
  tidemark forget card card_0000017 --stopped       in the state of a job that does not run
  tidemark forget card card_0000017 --http http://features-1:8088 --format json

The job goes on as if no event of the entity had come before: its rows go from the online store at
once, what comes later counts from nothing, and other entities keep what they have of the same
events. It ends once a checkpoint says so, so that a restart knows it, too; what lies in older files
of the state is written anew without it by and by. `tidemark docs checkpoints` says all of it.

With --format json a line an id: {\"entity\", \"id\", \"held\": whether anything was in memory,
\"before\": MS, \"durable\": whether a restart knows it, \"out_of_reach\": [PLACE]}.
Exit codes: 0 all are forgotten for good, also those of whom nothing was held; 1 it failed, or the
job has no [state] and a restart may bring back what its topics still have; 2 wrong words.")]
pub struct ForgetArgs {
    /// The entity type, as the job names it
    pub entity: String,
    /// The ids of the entities; what begins with a hyphen stands behind `--`
    #[arg(value_name = "ID", required_unless_present = "ids")]
    pub id: Vec<String>,
    /// A file with more ids, one a line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub ids: Option<PathBuf>,
    /// Ask the process that listens there [default: port 8088 here, or as cluster.toml says]
    #[arg(long, value_name = "URL", value_parser = values::http, conflicts_with = "stopped")]
    pub http: Option<String>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// The job does not run: change its state, where `url` of `[state]` says
    #[arg(long)]
    pub stopped: bool,
    /// How long it may take until a checkpoint says so
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = values::duration)]
    pub within: Duration,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}
