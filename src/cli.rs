//! The command line: every command, its flags and what they may be. Parsing only; what a command
//! does is found through [`crate::dispatch`].
//!
//! Exit codes are those of [`Exit`](crate::exit::Exit), and `--help` lists them.

mod dlq;
mod docs;
mod format;
mod generate;
mod run;
mod test;
mod values;

pub use dlq::{DlqArgs, DlqCommand, LetterFilter, LettersListed, ReasonName};
pub use docs::{DocsArgs, PageFormat};
pub use format::OutputFormat;
pub use generate::{GenerateArgs, ProfileArg};
pub use run::{CheckArgs, DemoArgs, GetArgs, ReplayArgs, RunArgs};
pub use test::TestArgs;
pub use values::SourceFiles;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Try it (no servers needed):
  tidemark demo                       card features moving on generated traffic, in this terminal
  curl localhost:8088/features/transaction_stats_5m/card_0000017

Run it on your own topic:
  tidemark check fraud                what the shipped job computes
  tidemark docs fraud                 the same as a page to read
  tidemark run fraud                  Kafka and Redis on this machine, or as cluster.toml says
  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 REDIS_URL=redis://redis:6379/0 tidemark run my_job.toml

Backfill from files, the same features to the last digit:
  tidemark replay fraud --source transactions=day1.jsonl.zst,day2.jsonl.zst --sealed rows.jsonl

Files: `-` is standard input or output wherever a file is named. What a command writes gets its name
when it is whole; an output that is an input, the job or another output is refused.
Exit codes: 0 done; 1 failed while it ran; 2 the command line, a file it names or the environment is
wrong, and nothing was started; 3 the answer is no (a case of `test` failed); 70 to 79 a running job
that ended by itself (70 a defect); 130 and 143 SIGINT and SIGTERM before the end.
Settings: a flag goes before the environment, the environment before cluster.toml.";

/// A streaming feature engine: features of cards, users and devices over windows that are exact to
/// the millisecond.
#[derive(Debug, Parser)]
#[command(name = "tidemark", version, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch features change on generated traffic; needs no files and no servers
    Demo(DemoArgs),
    /// Run a job: read its topics or files, keep the online store up to date
    Run(RunArgs),
    /// Run a job over files at full speed, by event time only; same input, same bytes
    Replay(ReplayArgs),
    /// Show the newest feature row of one entity from the online store
    Get(GetArgs),
    /// Check a job file and print what was understood
    Check(CheckArgs),
    /// Test a job's features on cases with virtual time
    Test(TestArgs),
    /// Show a page of this documentation, or write one of a job and its features
    Docs(DocsArgs),
    /// Write generated records to a file
    Generate(GenerateArgs),
    /// Look into a file of dead letters
    Dlq(DlqArgs),
}

#[cfg(test)]
mod tests;
