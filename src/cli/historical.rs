//! `tidemark historical`: features of examples, for training.

use super::values::{self, KnownWhen, SourceFiles, TableFile};
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;
use tidemark_operators::plan::TimeUnit;

/// `tidemark historical`
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("asked").required(true).args(["service", "features"]))]
#[command(after_help = "\
Examples:
  tidemark historical fraud --entities labels.csv --service fraud_detection \\
      --source transactions=tx.jsonl --out training.csv
  tidemark historical fraud --entities labels.jsonl --time scored_at --before \\
      --features transaction_stats_5m:txn_count_5m,card_fraud_indicators \\
      --source transactions=p0.jsonl.zst,p1.jsonl.zst --out training.jsonl

SPINE is CSV, JSON lines (plain, gzip, zstd) or Parquet, by its content: a row an example, a time,
the keys of its entities and whatever else, such as labels, which stays as it is. What comes out is
every row of it, in its order, duplicates too, with a column a feature: what the feature was at that
time, exact to the millisecond, with all that had left its window by then. An event at that very
time counts, unless --before; one that came too late to be counted online is not counted here.
Under --known lag=300ms events count so much later, as they did for who waits for them online; under
--known arrived each counts once it had arrived by its own arrival_field, or by the timestamp of its
record in a dump of kcat -J: what an online read at that time was answered. An entity without events
has what a feature is of no events; a row without a key has nulls.

A key's column has the name of the field that is the key, or that of the entity. A time is ISO 8601
(without an offset it is UTC) or a number in s, ms, us or ns since 1970, told by its size. Nothing
in SPINE changes any value: it may lie before the first event or after the last one.
OUT is CSV, JSON lines or Parquet by its name. One line of JSON on stdout says what was read and
what it cost. Exit codes: 0 done, 1 failed, or not one record was accepted, 2 wrong words or files.")]
pub struct HistoricalArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The examples: each a time, the keys of entities, and labels
    #[arg(long, value_name = "SPINE")]
    pub entities: PathBuf,
    /// The features of this service of the job
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// These features; a view alone stands for all of its own
    #[arg(long, value_name = "VIEW[:FEATURE],..", value_delimiter = ',')]
    pub features: Vec<String>,
    /// The files of a source, folders or patterns; once for each source of the job
    #[arg(long = "source", value_name = "NAME=FILE[,FILE..]", required = true)]
    #[arg(value_parser = values::source_files)]
    pub sources: Vec<SourceFiles>,
    /// A CSV file to read a reference table from, in the place of what the job says
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = values::table_file)]
    pub tables: Vec<TableFile>,
    /// Write the examples with their features here
    #[arg(long, value_name = "OUT.csv|.jsonl|.parquet")]
    pub out: PathBuf,
    /// The column of SPINE with the time
    #[arg(long, value_name = "COLUMN", default_value = "event_timestamp")]
    pub time: String,
    /// How it is written
    #[arg(long, value_name = "UNIT", value_enum, default_value_t)]
    pub time_unit: SpineUnit,
    /// Leave out events at the very time of a row (arrived: that arrive then): what was known just before
    #[arg(long)]
    pub before: bool,
    /// When an event counts: once its time has come (final), so much later (lag=300ms), or once it had
    /// arrived (arrived)
    #[arg(long, value_name = "WHEN", value_parser = values::known, default_value_t)]
    pub known: KnownWhen,
    /// Name the columns of features with their views: VIEW__FEATURE
    #[arg(long)]
    pub full_feature_names: bool,
    /// Write what the training set is here: features with their definitions, files with checksums
    #[arg(long, value_name = "SPEC.json")]
    pub spec: Option<PathBuf>,
    /// Write dead letters here: records that are late or malformed, with the reason
    #[arg(long, value_name = "OUT.jsonl")]
    pub dlq: Option<PathBuf>,
    /// Worker threads [env: PARALLELISM] [default: 1]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
}

/// How the times of examples are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SpineUnit {
    /// ISO 8601, or a number whose unit its size tells
    #[default]
    Auto,
    /// Milliseconds since 1970
    Ms,
    /// Seconds since 1970, with or without a fraction
    S,
    /// Microseconds since 1970
    Us,
    /// Nanoseconds since 1970
    Ns,
    /// ISO 8601
    Iso,
}

impl From<SpineUnit> for TimeUnit {
    fn from(unit: SpineUnit) -> Self {
        match unit {
            SpineUnit::Auto => TimeUnit::Auto,
            SpineUnit::Ms => TimeUnit::Ms,
            SpineUnit::S => TimeUnit::S,
            SpineUnit::Us => TimeUnit::Us,
            SpineUnit::Ns => TimeUnit::Ns,
            SpineUnit::Iso => TimeUnit::Iso,
        }
    }
}
