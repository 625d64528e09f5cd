//! `tidemark backfill`: a job's history from files, before its topics.

use super::values::{self, SourceFiles};
use clap::Args;
use std::path::PathBuf;
use tidemark_operators::time::EventTime;

/// `tidemark backfill`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark backfill fraud --source transactions=may.jsonl.zst,june.jsonl.zst
  tidemark backfill fraud --source transactions=lake/2026-05/
  tidemark backfill fraud --cluster cluster.toml --until 2026-07-01T00:00:00Z \\
      --source transactions=may.parquet,june.parquet

A topic keeps a week, and features look back a month: the older events are in files. It reads them
as `tidemark run` reads a topic, writes the state that [state] of cluster.toml names, which has to
be empty, and ends. `tidemark run` goes on from that state with the topic, and writes its rows then.

Events before the time where the two meet come from the files, all others from the topic: each once,
however much of the topic the files repeat. So the files have to have everything before that time,
and the topic everything from it on. It is --until, or the newest event of the files less the
source's out_of_orderness. Where records may be missing between the two, it is refused, with both
times. Records of the topic before that time that came after the backfill are late. `tidemark docs
backfill` says more.

Files are JSON lines, CSV, Avro or Parquet, as for `tidemark replay`. A backfill that was stopped or
killed goes on when the same command is given again; nothing else goes on from its state until it is
done. One line of JSON on stdout says what was read. Exit codes: 0 done, 1 failed or stopped, 2
something is wrong before the start, 72-75 another process has taken the state over.

Environment: as for `tidemark run`.")]
pub struct BackfillArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The files of a source, folders or patterns; once for each source of the job
    #[arg(long = "source", value_name = "NAME=FILE[,FILE..]", required = true)]
    #[arg(value_parser = values::source_files)]
    pub sources: Vec<SourceFiles>,
    /// Events before this time come from the files, all others from the topics; needed where the job
    /// has several sources [default: the newest event of the files less out_of_orderness]
    #[arg(long, value_name = "TIME", value_parser = values::time)]
    pub until: Option<EventTime>,
    /// Go on although events may be missing between the files and a topic
    #[arg(long)]
    pub accept_gap: bool,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
    /// Worker threads [env: PARALLELISM] [default: as cluster.toml says]
    #[arg(long, value_name = "N", value_parser = values::workers)]
    pub workers: Option<usize>,
}
