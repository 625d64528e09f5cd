//! `tidemark dlq`

use crate::cli::OutputFormat;
use crate::dead_letters::Selection;
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use tidemark_operators::verdict::Reason;

/// `tidemark dlq`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark dlq ls dead.jsonl                        one line a letter, and the totals
  tidemark dlq ls dead.jsonl --reason malformed --limit 5
  tidemark dlq show dead.jsonl --offset 1234        that record whole: bytes, reason, times")]
pub struct DlqArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DlqCommand,
}

/// What to do with a file of dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum DlqCommand {
    /// List letters, one a line, and count them by reason
    Ls(LettersListed),
    /// Show letters whole: key, value, reason, how late, error
    #[command(after_help = "\
Examples:
  tidemark dlq show dead.jsonl --offset 1234
  tidemark dlq show dead.jsonl --reason malformed --limit 1")]
    Show(LetterFilter),
}

/// `tidemark dlq ls`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark dlq ls dead.jsonl
  tidemark dlq ls dead.jsonl --reason late --partition 3 --format json

With --format json: {\"letters\": [LETTER], \"more\": N, \"total\": N, \"by_reason\": {REASON: N},
\"partitions\": [{\"source\", \"partition\", \"total\", \"by_reason\", \"event_times\"}],
\"late_by\": [{\"below_ms\", \"count\"}], \"idle_floor\": N, \"not_letters\": N}; a LETTER is a line of the
file, and \"more\" is how many match beyond --limit.")]
pub struct LettersListed {
    /// Which letters.
    #[command(flatten)]
    pub filter: LetterFilter,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t)]
    pub format: OutputFormat,
}

/// Which letters.
#[derive(Clone, Debug, Args)]
pub struct LetterFilter {
    /// The file, JSON lines; `-` is standard input
    pub file: PathBuf,
    /// Only letters with this reason
    #[arg(long, value_enum)]
    pub reason: Option<ReasonName>,
    /// Only records of this partition
    #[arg(long, value_name = "P")]
    pub partition: Option<u32>,
    /// Only records at this offset of their partition
    #[arg(long, value_name = "N")]
    pub offset: Option<u64>,
    /// Leave out the first N that match
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u64,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u64,
}

impl LetterFilter {
    /// What is asked for.
    pub fn selection(&self) -> Selection {
        Selection {
            reason: self.reason.map(Reason::from),
            partition: self.partition,
            offset: self.offset,
            skip: self.skip,
            limit: Some(self.limit),
        }
    }
}

/// A reason as a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReasonName {
    /// Behind its partition's watermark when it was read
    Late,
    /// Too far ahead of its arrival
    Future,
    /// It could not be decoded, or lacks something required
    Malformed,
    /// The schema it was written with is unknown or does not fit the job
    Schema,
    /// It has no value
    Tombstone,
    /// A record with its id was accepted before it
    Duplicate,
}

impl From<ReasonName> for Reason {
    fn from(name: ReasonName) -> Self {
        match name {
            ReasonName::Late => Reason::Late,
            ReasonName::Future => Reason::Future,
            ReasonName::Malformed => Reason::Malformed,
            ReasonName::Schema => Reason::Schema,
            ReasonName::Tombstone => Reason::Tombstone,
            ReasonName::Duplicate => Reason::Duplicate,
        }
    }
}
