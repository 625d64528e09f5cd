//! `tidemark feast`

use clap::Args;
use std::path::PathBuf;

/// `tidemark feast`
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  tidemark feast fraud feature_repo
  cd feature_repo && pip install -r requirements.txt && feast apply

Stock Feast then reads what `tidemark run` writes with layout = \"feast\" in [online.redis] of
cluster.toml: get_online_features, `feast serve`. There is nothing to materialize. The address of
Redis and the project are those of cluster.toml and the environment; a password is never written,
Feast takes it from REDIS_PASSWORD. With \"url\" in [offline.parquet] get_historical_features joins
the files there, which is exact at any time with rows = \"changes\" (page warehouses). Files that
this command wrote are written anew, others never.")]
pub struct FeastArgs {
    /// The job: a file, or the name of a shipped job
    pub job: String,
    /// The folder of the repository; made when it is not there
    pub dir: PathBuf,
    /// Settings of the process [default: cluster.toml in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub cluster: Option<PathBuf>,
}
