//! `tidemark top`.

use super::values;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// `tidemark top`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark top                                      beside `tidemark demo` or `tidemark run`
  tidemark top http://features-1:8088 http://features-2:8088
  tidemark top --once | head -3                     once, as plain text

Of a job in several processes one address is enough: the others are asked too. In a terminal q or
Ctrl-C ends it; elsewhere it prints once, as with --once, and fails when a process does not answer.
In a browser the address itself shows the same and more.")]
pub struct TopArgs {
    /// Where processes of a job are asked [default: port 8088 here, or as cluster.toml says]
    #[arg(value_name = "URL", value_parser = values::http)]
    pub urls: Vec<String>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Print what there is once and end
    #[arg(long)]
    pub once: bool,
    /// How often the processes are asked
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = values::duration)]
    pub every: Duration,
}
