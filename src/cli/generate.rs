//! `tidemark generate`

use crate::cli::values;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

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
Examples:
  tidemark generate --profile fraud --events 100_000 --seed 7 --out tx.jsonl
  tidemark generate --profile w1 --events 1_000_000 --seed 1 --partitions 4 --out w1.jsonl.zst
  tidemark replay fraud --source transactions=tx.jsonl
  tidemark generate --profile behavior --events 500_000 --seed 1 --out behavior.jsonl

The same arguments write the same bytes. With several partitions FILE gets their numbers:
w1-0.jsonl.zst, w1-1.jsonl.zst and so on. A name that ends in .zst is compressed.")]
pub struct GenerateArgs {
    /// What kind of records
    #[arg(long, value_enum)]
    pub profile: ProfileArg,
    /// How many records, over all partitions
    #[arg(long, value_name = "N", value_parser = values::some)]
    pub events: u64,
    /// Decides everything that the other flags leave open
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// How many partitions, each a file
    #[arg(long, value_name = "P", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub partitions: u32,
    /// How many cards or users [default: 100,000; personalization: 20,000; behavior: 5,000]
    #[arg(long, value_name = "N", value_parser = values::some, visible_alias = "users")]
    pub cards: Option<u64>,
    /// Hours of event time they are spread over [default: 48; behavior: 1,440]
    #[arg(long, value_name = "H", value_parser = values::some)]
    pub hours: Option<u64>,
    /// The share of records that are late, 0 to 1
    #[arg(long, value_name = "F", default_value = "0", value_parser = values::share)]
    pub late: f64,
    /// The share of records that are malformed, 0 to 1
    #[arg(long, value_name = "F", default_value = "0", value_parser = values::share)]
    pub malformed: f64,
    /// Where to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}
