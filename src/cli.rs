//! The command line: every command, its flags and what they may be. Parsing only; what a command
//! does is found through [`crate::dispatch`].
//!
//! Exit codes are those of [`Exit`](crate::exit::Exit), and `--help` lists them.

mod backfill;
mod checkpoint;
mod completions;
mod dlq;
mod docs;
mod explain;
mod feast;
mod forget;
mod format;
mod generate;
mod health;
mod historical;
mod init;
mod offline;
mod reread;
mod row_times;
mod run;
mod test;
mod top;
mod validate;
mod validate_pit;
mod values;

pub use backfill::BackfillArgs;
pub use checkpoint::{
    CheckpointArgs, CheckpointCommand, CheckpointExported, CheckpointShown, CheckpointsListed,
    CheckpointsVerified,
};
pub use completions::CompletionsArgs;
pub use dlq::{DlqArgs, DlqCommand, LetterFilter, LettersListed, LettersReplayed, ReasonName};
pub use docs::{DocsArgs, PageFormat};
pub use explain::ExplainArgs;
pub use feast::{FeastArgs, HistoryFrom};
pub use forget::ForgetArgs;
pub use format::OutputFormat;
pub use generate::{GenerateArgs, ProfileArg, RATE_DEFAULT, RATE_MAX};
pub use health::HealthArgs;
pub use historical::{HistoricalArgs, SpineUnit};
pub use init::{FormatArg, InitArgs};
pub use offline::{OfflineArgs, OfflineCommand, OfflineInitArgs};
pub use reread::RereadArgs;
pub use row_times::RowTimes;
pub use run::{CheckArgs, DemoArgs, GetArgs, ReplayArgs, RunArgs, ServeArgs, UpArgs};
pub use test::TestArgs;
pub use top::TopArgs;
pub use validate::ValidateArgs;
pub use validate_pit::ValidatePitArgs;
pub(crate) use values::HOT_WINDOW;
pub use values::{KnownWhen, SampleOf, SourceFiles, TableFile};

use crate::version::VERSION;
use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Watch it (no servers, no files):
  tidemark demo                                     which cards are being tested, and why
  tidemark get transaction_stats_5m card_0000017    beside it: the row of a card

A feature of your own, on your own records or generated ones:
  tidemark init events.jsonl --output my_job.toml  a job for a file of records
  tidemark docs fraud --format toml > my_job.toml
  tidemark generate --events 100_000 --out tx.jsonl
  tidemark check my_job.toml                     every mistake at once, and what was understood
  tidemark test my_job.toml                      its cases, in virtual time
  tidemark replay my_job.toml --source transactions=tx.jsonl --sealed rows.jsonl

On Kafka and Redis, here or as cluster.toml and the environment say:
  tidemark generate --topic transactions         generated records, until Ctrl-C
  tidemark run my_job.toml
  tidemark get my_job.toml VIEW ID               the row as Redis has it
  KAFKA_BOOTSTRAP_SERVERS=kafka:9092 REDIS_URL=redis://redis:6379/0 tidemark run my_job.toml

A job is a file, or the name of a shipped one: fraud, personalization, behavior. `tidemark docs`
lists what there is to read, and `tidemark COMMAND --help` has examples of every command.

Files: `-` is standard input or output wherever a file is named. What a command writes gets its name
when it is whole; an output that is an input, the job or another output is refused.
Exit codes: 0 done; 1 failed while it ran; 2 the command line, a file it names or the environment is
wrong, and nothing was started; 3 the answer is no (`test` failed, `get` found no row); 70 to 79 a
running job that ended by itself (70 a defect); 130 and 143 SIGINT and SIGTERM before the end.
Settings: a flag goes before the environment, the environment before cluster.toml.";

/// A streaming feature engine: features of cards, users and devices over windows that are exact to
/// the millisecond.
#[derive(Debug, Parser)]
#[command(name = "tidemark", version = VERSION, after_help = EXAMPLES, arg_required_else_help = true)]
#[command(max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which one needs them first.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch features change on generated traffic; needs no files and no servers
    Demo(DemoArgs),
    /// Write generated records to a file, or to a topic of Kafka
    Generate(GenerateArgs),
    /// Write a job for your own records, from a file of them
    Init(InitArgs),
    /// Check a job file and print what was understood
    Check(CheckArgs),
    /// Test a job's features on cases with virtual time
    Test(TestArgs),
    /// Run a job over files at full speed, by event time only; same input, same bytes
    Replay(ReplayArgs),
    /// Find what features were at the times of examples, for training; exact, from files
    Historical(HistoricalArgs),
    /// Read a job's history from files into its state, from which a run goes on with its topics
    Backfill(BackfillArgs),
    /// Run a job: read its topics or files, keep the online store up to date
    Run(RunArgs),
    /// Run a job in the processes that cluster.toml names, and start them again when one ends
    Up(UpArgs),
    /// Serve a job's features to models, from the rows that it keeps in Redis
    Serve(ServeArgs),
    /// Write a Feast repository, with which stock Feast reads what a job writes to Redis
    Feast(FeastArgs),
    /// Show the newest feature row of one entity, from the running process or from Redis
    Get(GetArgs),
    /// Show which events make the features of one entity at a time, and when each leaves
    Explain(ExplainArgs),
    /// Show what running processes of a job are doing, and what is wrong
    Top(TopArgs),
    /// Say whether what a running job needs is there, and whether its rows are current
    Validate(ValidateArgs),
    /// Say whether a running process is well, for checks of containers
    Health(HealthArgs),
    /// Say whether online rows, training and the log have the same values
    ValidatePit(ValidatePitArgs),
    /// Look into a file of dead letters, or write them back into their topic
    Dlq(DlqArgs),
    /// Make the tables that rows are kept in for training
    Offline(OfflineArgs),
    /// Look into the state that a job keeps: list, show, verify or export checkpoints
    Checkpoint(CheckpointArgs),
    /// Forget an entity: erase what is held of it, in the running job or in its state
    Forget(ForgetArgs),
    /// Show a page of this documentation, or write one of a job and its features
    Docs(DocsArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(CompletionsArgs),
}

#[cfg(test)]
mod tests;
