//! `tidemark checkpoint`

use crate::cli::OutputFormat;
use crate::cli::values;
use clap::{Args, Subcommand};
use std::path::PathBuf;
use tidemark_operators::time::EventTime;

/// `tidemark checkpoint`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark checkpoint ls /var/lib/tidemark               the checkpoints that are there
  tidemark checkpoint show /var/lib/tidemark             what the newest one holds
  tidemark checkpoint verify /var/lib/tidemark           read everything that they list
  tidemark checkpoint export /var/lib/tidemark card      the rows of an entity type, as JSON lines

STATE is a folder, its URL (file:///var/lib/tidemark), or s3://BUCKET/PREFIX; how S3 is reached say
AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the latter also as files
(AWS_SECRET_ACCESS_KEY_FILE). A job that runs on it is not disturbed, and nothing is changed.")]
pub struct CheckpointArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CheckpointCommand,
}

/// What to do with checkpoints.
#[derive(Clone, Debug, Subcommand)]
pub enum CheckpointCommand {
    /// List checkpoints, one a line: number, generation, cut, age, rows, bytes, table versions
    Ls(CheckpointsListed),
    /// Show what a checkpoint holds: partitions, segments, snapshot, positions, versions of tables
    Show(CheckpointShown),
    /// Read every object that checkpoints list, and name each one that is damaged or missing
    Verify(CheckpointsVerified),
    /// Write the rows of an entity type as JSON lines
    Export(CheckpointExported),
}

impl CheckpointCommand {
    /// How it answers.
    pub fn format(&self) -> OutputFormat {
        match self {
            CheckpointCommand::Ls(args) => args.format,
            CheckpointCommand::Show(args) => args.format,
            CheckpointCommand::Verify(args) => args.format,
            CheckpointCommand::Export(_) => OutputFormat::Text,
        }
    }
}

/// `tidemark checkpoint ls`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark checkpoint ls /var/lib/tidemark
  tidemark checkpoint ls /var/lib/tidemark --format json

A generation counts up each time that a process takes over the state. The cut is the event time up
to which rows are kept; what is later is read again from its topics. Bytes are those of all objects
that the checkpoint lists, most of which others list too. Table versions are those of reference
tables that events may be looked up in from the cut on.

With --format json: {\"checkpoints\": [{\"sequence\", \"generation\", \"cut\", \"created_at\",
\"rows\", \"bytes\", \"versions\"}], \"damaged\": [{\"object\", \"error\"}]}; times are ms since 1970.")]
pub struct CheckpointsListed {
    /// Where the state is: a folder or a URL
    #[arg(value_name = "STATE")]
    pub state: String,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `tidemark checkpoint show`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark checkpoint show /var/lib/tidemark
  tidemark checkpoint show /var/lib/tidemark --sequence 17 --format json

With --format json: the manifest as it is in the store, on one line.")]
pub struct CheckpointShown {
    /// Where the state is: a folder or a URL
    #[arg(value_name = "STATE")]
    pub state: String,
    /// Which checkpoint [default: the newest]
    #[arg(long, value_name = "N")]
    pub sequence: Option<u64>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `tidemark checkpoint verify`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark checkpoint verify /var/lib/tidemark
  tidemark checkpoint verify /var/lib/tidemark --keys keys.txt    look into encrypted ones, too

Exit code 1 when an object is damaged or missing. It reads as much as `tidemark checkpoint ls` says,
and holds one object's ids and one block at a time.

With --format json: {\"checkpoints\": N, \"objects\": N, \"bytes\": N, \"encrypted\": N, \"unlisted\": N,
\"faults\": [{\"object\", \"error\"}]}; \"encrypted\" are those of which only checksums were verified.")]
pub struct CheckpointsVerified {
    /// Where the state is: a folder or a URL
    #[arg(value_name = "STATE")]
    pub state: String,
    /// The file of keys, where the state is encrypted
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// `tidemark checkpoint export`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark checkpoint export /var/lib/tidemark card --out card.jsonl
  tidemark checkpoint export /var/lib/tidemark card | head -3
  tidemark checkpoint export /var/lib/tidemark card --from 2026-01-04T00:00:00Z

A line is {\"time\": MS, \"id\": ID, \"filters\": [FILTER], \"attributes\": {NAME: VALUE}}: a row as
the timeline keeps it, with the filters of the job that it passes. Rows are in the order of their
times. Those of entities that were removed are left out.")]
pub struct CheckpointExported {
    /// Where the state is: a folder or a URL
    #[arg(value_name = "STATE")]
    pub state: String,
    /// The entity type, as the job names it
    pub entity: String,
    /// The file to write; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub out: PathBuf,
    /// Which checkpoint [default: the newest]
    #[arg(long, value_name = "N")]
    pub sequence: Option<u64>,
    /// Leave out rows before this time: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub from: Option<EventTime>,
    /// Leave out rows at this time and later ones: RFC 3339
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub to: Option<EventTime>,
    /// The file of keys, where the state is encrypted
    #[arg(long, value_name = "FILE")]
    pub keys: Option<PathBuf>,
}
