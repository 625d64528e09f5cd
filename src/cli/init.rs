//! `tidemark init`

use clap::Args;
use std::path::PathBuf;

/// `tidemark init`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark init tx.jsonl                          the job, on standard output
  tidemark init tx.jsonl --output my_job.toml     and then:
  tidemark check my_job.toml --sample tx.jsonl    what it makes of each field
  tidemark replay my_job.toml --source tx=tx.jsonl --sealed rows.jsonl

The first 10,000 records are looked at: JSON lines, plain or compressed, as `replay` reads them; `-`
is standard input. Each key of the records becomes a field of the type that reads all of its values,
with a ? where it is missing in some. The event time, how it is written and how far out of order it
is, who the events are about and a few features to start with are guessed: read the job before it
runs. What was seen is told on standard error. No values of the sample are in the job, but for those
that a filter compares with.
Exit codes: 0 done, 1 the job cannot be written, 2 there is no job in these records, or --output is
there already: nothing is written over.")]
pub struct InitArgs {
    /// A file of records
    pub file: PathBuf,
    /// Write the job here: a file that is not there yet [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}
