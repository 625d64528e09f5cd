//! `tidemark health`

use crate::cli::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `tidemark health`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark health                              a process of this machine, on port 8088
  tidemark health --address 127.0.0.1:8089     the second one of a cluster
  tidemark health --ready                      whether its rows are current
  tidemark health --cluster /etc/tidemark/cluster.toml

For checks of containers, and for people: it prints a line for everything that is not well, or one
that all is. Exit codes: 0 the process runs, also where something that it depends on is down (what
a restart would not mend); 3 it stands still, or with --ready has not caught up; 1 nobody answers
within --timeout, or what answers is no tidemark process; 2 wrong words or settings.")]
pub struct HealthArgs {
    /// Where the process answers HTTP [default: as cluster.toml and HEALTH_CHECK_PORT say]
    #[arg(long, value_name = "HOST:PORT", value_parser = values::address)]
    pub address: Option<String>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Ask whether it has caught up, instead of whether it runs
    #[arg(long)]
    pub ready: bool,
    /// How long it may take to answer
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = values::duration)]
    pub timeout: Duration,
}
