//! `tidemark generate`

use crate::cli::values;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Records a second that are written to a topic for ever, unless another rate is given.
pub const RATE_DEFAULT: u64 = 100;
/// The most records a second.
pub const RATE_MAX: u64 = 1_000_000;

/// What kind of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// Card transactions with skew, disorder and bursts of card testing
    Fraud,
    /// The workload of the benchmarks
    W1,
    /// Clicks of visits to a shop, from landing pages to purchases
    Personalization,
    /// Employees at work over 60 days, and account take-overs
    Behavior,
}

/// `tidemark generate`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples, files:
  tidemark generate --profile fraud --events 100_000 --seed 7 --out tx.jsonl
  tidemark generate --profile w1 --events 1_000_000 --seed 1 --partitions 4 --out w1.jsonl.zst
  tidemark replay fraud --source transactions=tx.jsonl

Examples, Kafka:
  tidemark generate --topic transactions                    100 records a second, until Ctrl-C
  tidemark generate --topic clicks --rate 2_000 --partitions 4 --bootstrap kafka-1:9092
  tidemark generate --topic transactions --events 100_000   at once, the records of a file
  tidemark run fraud                                        reads the topic transactions

The same arguments write the same bytes, of January 2026 and after. With several partitions FILE
gets their numbers: w1-0.jsonl.zst, w1-1.jsonl.zst and so on. What ends in .zst is compressed.

With a rate, records happen as they are written: their event times are of now. In a topic the key
is the card or user, all of whose records are in one partition. Brokers, TLS and SASL are those of
`tidemark run`: [kafka] in cluster.toml, KAFKA_BOOTSTRAP_SERVERS. The topic is always named by
--topic: KAFKA_TOPIC is what jobs read.
SIGINT or SIGTERM ends it when the brokers have all that was written; a record that they do not
take for a minute is a failure.")]
pub struct GenerateArgs {
    /// What kind of records [default: what the shipped job on the topic reads, else fraud]
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArg>,
    /// How many records, over all partitions [default for a topic: no end]
    #[arg(long, value_name = "N", value_parser = values::some)]
    pub events: Option<u64>,
    /// Decides everything that the other flags leave open
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// How many partitions, each a file [default: 1; of a topic that is there, as many as it has]
    #[arg(long, value_name = "P")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub partitions: Option<u32>,
    /// How many cards or users [default: 100,000; personalization: 20,000; behavior: 5,000]
    #[arg(long, value_name = "N", value_parser = values::some, visible_alias = "users")]
    pub cards: Option<u64>,
    /// Hours of event time they are spread over [default: 48; behavior: 1,440]
    #[arg(long, value_name = "H", value_parser = values::some, conflicts_with = "rate")]
    pub hours: Option<u64>,
    /// The share of records that are late, 0 to 1
    #[arg(long, value_name = "F", default_value = "0", value_parser = values::share)]
    pub late: f64,
    /// The share of records that are malformed, 0 to 1
    #[arg(long, value_name = "F", default_value = "0", value_parser = values::share)]
    pub malformed: f64,
    /// Write to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["topic", "rate", "bootstrap", "cluster"])]
    pub out: Option<PathBuf>,
    /// Write to this topic of Kafka; it is created when it is not there
    #[arg(long, value_name = "NAME", help_heading = "Kafka")]
    pub topic: Option<String>,
    /// Records a second from now on [default: all at once; without --events 100 a second]
    #[arg(long, value_name = "N", value_parser = values::some, help_heading = "Kafka")]
    pub rate: Option<u64>,
    /// The brokers, host:port separated by commas [env: KAFKA_BOOTSTRAP_SERVERS]
    /// [default: localhost:9092]
    #[arg(long, value_name = "BROKERS", help_heading = "Kafka")]
    pub bootstrap: Option<String>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE", help_heading = "Kafka")]
    pub cluster: Option<PathBuf>,
}
