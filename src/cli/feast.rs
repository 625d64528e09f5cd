//! `tidemark feast`

use super::values::{self, KnownWhen, SourceFiles, TableFile};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `tidemark feast`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark feast fraud feature_repo --source transactions=tx.jsonl
  cd feature_repo && pip install -r requirements.txt && feast apply
  tidemark feast fraud feature_repo --sealed 'rows/{view}.parquet'

Online: stock Feast reads what `tidemark run` writes with layout = \"feast\" in [online.redis] of
cluster.toml: get_online_features, `feast serve`. There is nothing to materialize. The address of
Redis and the project are those of cluster.toml and the environment.

History: whom get_historical_features asks is the first of these that there is.
  --source NAME=FILE: the log of events. The repository gets a store of ours, tidemark_offline.py,
      which has `tidemark historical` read these files. Every example comes back, in its order, and
      exact at any time. `*` in a name stands for what there is when Feast asks.
  --sealed as `tidemark replay` was given it, or \"url\" in [offline.parquet] of cluster.toml: files
      of rows, which Feast's own stores join (Dask, DuckDB).
  \"url\" in [offline.postgres]: tables of rows, which Feast's own store joins.
What is joined is exact at any time where rows were written with rows = \"changes\" (page warehouses).

Passwords are never written: Feast takes them from REDIS_PASSWORD and POSTGRES_PASSWORD. Files that
this command wrote are written anew, others never.")]
pub struct FeastArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The folder of the repository; made when it is not there
    pub dir: PathBuf,
    /// The files of a source, for history from the log; once for each source of the job
    #[arg(long = "source", value_name = "NAME=FILE[,FILE..]", value_parser = values::source_files)]
    pub sources: Vec<SourceFiles>,
    /// A CSV file to read a reference table from, in the place of what the job says
    #[arg(long = "table", value_name = "NAME=FILE", value_parser = values::table_file)]
    #[arg(requires = "sources")]
    pub tables: Vec<TableFile>,
    /// When an event counts in history from the log: final, lag=300ms or arrived, as in `tidemark historical`
    #[arg(long, value_name = "WHEN", value_parser = values::known, requires = "sources")]
    pub known: Option<KnownWhen>,
    /// Leave out events at the very time of an example, in history from the log
    #[arg(long, requires = "sources", conflicts_with = "known")]
    pub before: bool,
    /// The files of rows that a replay wrote, {view} standing for each view
    #[arg(long, value_name = "ROWS.parquet", conflicts_with = "sources")]
    pub sealed: Option<String>,
    /// Which rows of cluster.toml Feast joins, where both sections there have a "url" [default: files]
    #[arg(long, value_name = "WHERE", value_enum, conflicts_with_all = ["sources", "sealed"])]
    pub history: Option<HistoryFrom>,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
}

/// Which rows Feast joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HistoryFrom {
    /// The files of [offline.parquet]
    Files,
    /// The tables of [offline.postgres]
    Tables,
}
