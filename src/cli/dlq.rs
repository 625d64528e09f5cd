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
  tidemark dlq show dead.jsonl --offset 1234        that record whole: bytes, reason, times
  tidemark dlq replay --topic transactions --reason schema   back into their topic")]
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
    /// Write letters back into the topic that they came from, each at most once
    Replay(LettersReplayed),
}

/// `tidemark dlq replay`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark dlq replay --topic transactions --reason schema --dry-run
  tidemark dlq replay --topic transactions --reason malformed,schema
  tidemark dlq replay dead.jsonl --topic transactions --reason malformed --bootstrap kafka-1:9092

First mend what they were refused for: correct the job and start it again, or bring back the
schema. Each copy has the key, value, partition and time of the record that was refused, a header
`replayed_from` (topic/partition/offset of that record) and a header `replayed_reason`; headers of
the record itself are not kept with a letter. The running job judges the copies as it judges all
records: what its partition's watermark has passed by now is late again.

A letter is replayed at most once, however often this runs, and when it is killed in the middle:
copies are committed together with their entries in the topic TOPIC.replayed, by which they are
known. The credentials need WRITE on both topics and on the transactional id
`tidemark-dlq-replay-TOPIC`. Readers of the topic other than Tidemark should read `read_committed`.
SIGINT or SIGTERM ends it after the transaction that is open.")]
pub struct LettersReplayed {
    /// The letters: a file, JSON lines [default: the topic of letters that cluster.toml names for
    /// TOPIC, else TOPIC.dlq]
    pub file: Option<PathBuf>,
    /// The topic that they came from and go back to; letters of others are passed over
    #[arg(long, value_name = "TOPIC")]
    pub topic: String,
    /// Only letters with one of these reasons, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', required = true)]
    pub reason: Vec<ReasonName>,
    /// Only records of this partition
    #[arg(long, value_name = "P")]
    pub partition: Option<u32>,
    /// Only records at this offset of their partition
    #[arg(long, value_name = "N")]
    pub offset: Option<u64>,
    /// Say what would be replayed, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The brokers, host:port separated by commas [env: KAFKA_BOOTSTRAP_SERVERS]
    /// [default: localhost:9092]
    #[arg(long, value_name = "BROKERS")]
    pub bootstrap: Option<String>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
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
