//! Whom Feast asks what features were, and what its repository says of it.
//!
//! ```text
//!  log     feature_store.yaml names a class in tidemark_offline.py, which runs `tidemark historical`
//!  files   views have FileSources, which Feast's own stores (Dask, DuckDB) join
//!  tables  views have PostgreSQLSources, which Feast's own store joins
//! ```
//!
//! # Why this way
//!
//! Where nobody says what history is to be of, views get FileSources that nothing has to lie behind: with a class
//! of ours Feast would have to find our module wherever features are only read online.

use super::log_of_events::LogOfEvents;
use super::tables_of_rows::TablesOfRows;
use crate::cli::{FeastArgs, HistoryFrom, RowTimes};
use crate::config::{OfflineSettings, Settings};
use crate::failure::Failure;
use std::path::absolute;
use tidemark_jobs::Job;
use tidemark_operators::json::quoted;

/// Whom Feast asks what features were.
#[derive(Debug)]
pub(super) enum FeastHistory {
    /// `tidemark historical`, over the log.
    Log(LogOfEvents),
    /// Files of rows.
    Files(FilesOfRows),
    /// Tables of rows.
    Tables(TablesOfRows),
    /// Nobody yet.
    Nobody,
}

/// Files of Parquet with the rows of each view.
#[derive(Debug)]
pub(super) struct FilesOfRows {
    /// Where they are; `{view}` stands for the view.
    pattern: String,
    /// At which times they have rows, where that is known.
    rows: Option<RowTimes>,
}

impl FeastHistory {
    /// What `args` and `settings` say.
    ///
    /// # Errors
    /// When what is asked for is nowhere, or Feast cannot have it; exit code 2.
    pub(super) fn of(args: &FeastArgs, settings: &Settings, job: &Job) -> Result<Self, Failure> {
        let OfflineSettings { url, postgres, .. } = &settings.offline;
        if !args.sources.is_empty() {
            return LogOfEvents::of(args, job).map(FeastHistory::Log);
        }
        if let Some(pattern) = &args.sealed {
            return FilesOfRows::of_replay(pattern, job).map(FeastHistory::Files);
        }
        let tables =
            || TablesOfRows::of(postgres).map(FeastHistory::Tables).map_err(Failure::usage);
        match (args.history, url, &postgres.url) {
            (None | Some(HistoryFrom::Files), Some(url), _) => {
                FilesOfRows::of_job(url, settings.offline.rows).map(FeastHistory::Files)
            }
            (None | Some(HistoryFrom::Tables), _, Some(_)) => tables(),
            (None, None, None) => Ok(FeastHistory::Nobody),
            (Some(HistoryFrom::Files), None, _) => Err(Failure::usage(
                "--history files: there is no \"url\" in [offline.parquet] of cluster.toml",
            )
            .hint("name files that `tidemark replay` wrote by --sealed 'rows/{view}.parquet'")),
            (Some(HistoryFrom::Tables), _, None) => Err(Failure::usage(
                "--history tables: there is no \"url\" in [offline.postgres] of cluster.toml",
            )
            .hint("name the server there, or in POSTGRES_URL")),
        }
    }

    /// `offline_store` of feature_store.yaml, without its first line.
    pub(super) fn store(&self) -> String {
        match self {
            FeastHistory::Log(log) => log.store(),
            FeastHistory::Files(_) | FeastHistory::Nobody => "  type: file\n".to_owned(),
            FeastHistory::Tables(tables) => tables.store(),
        }
    }

    /// What Feast is installed with beside its client of Redis.
    pub(super) fn extras(&self) -> &'static str {
        match self {
            FeastHistory::Log(_) | FeastHistory::Files(_) | FeastHistory::Nobody => "",
            FeastHistory::Tables(_) => ",postgres",
        }
    }

    /// Where the class of its sources is.
    pub(super) fn import(&self) -> &'static str {
        match self {
            FeastHistory::Log(_) => "from tidemark_offline import TidemarkSource\n",
            FeastHistory::Files(_) | FeastHistory::Nobody => "from feast import FileSource\n",
            FeastHistory::Tables(_) => {
                "from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import (\n    \
                 PostgreSQLSource,\n)\n"
            }
        }
    }

    /// What is said of it above the views.
    pub(super) fn comment(&self) -> String {
        let (what, rows, section) = match self {
            FeastHistory::Log(_) => {
                return "# What features were is asked of the job itself, which reads the log of its events: each\n\
                        # example gets what its features were at its time, to the millisecond.\n"
                    .to_owned();
            }
            FeastHistory::Nobody => {
                return "# Feast wants a source of history for each view; nothing has to lie there for online\n\
                        # features. Give `tidemark feast` the log by --source NAME=FILE, and training sets come\n\
                        # from there, right at any time; or rows, by [offline.parquet] in cluster.toml.\n"
                    .to_owned();
            }
            FeastHistory::Files(files) => ("files", files.rows, "parquet"),
            FeastHistory::Tables(tables) => ("tables", Some(tables.rows), "postgres"),
        };
        let of_times = match rows {
            Some(RowTimes::Changes) => {
                format!(
                    "# These {what} have a row whenever a feature changes: what Feast joins of them is right at any\n\
                     # time up to where they end.\n"
                )
            }
            Some(RowTimes::Events) => {
                format!(
                    "# These {what} have rows of events: what Feast joins of them is right at the times of the\n\
                     # entity's own events, and does not decay between two of them. Set rows = \"changes\" in\n\
                     # [offline.{section}] of cluster.toml, or give `tidemark feast` the log by --source.\n"
                )
            }
            None => "# What Feast joins of these files is right at any time where they were written with\n\
                     # --rows changes; with rows of events, at the times of the entity's own events alone.\n"
                .to_owned(),
        };
        match self {
            FeastHistory::Files(_) => {
                of_times
                    + "# With offline_store: {type: duckdb} in feature_store.yaml it is faster (pip install\n\
                       # feast[duckdb]).\n"
            }
            _ => of_times,
        }
    }

    /// The source of `view`, as an expression of Python.
    pub(super) fn source(&self, view: &str) -> String {
        let (class, kind, place) = match self {
            FeastHistory::Log(_) => {
                return format!("TidemarkSource(name=\"{view}_history\", view={})", quoted(view));
            }
            FeastHistory::Nobody => (
                "FileSource",
                "file",
                format!("path={}", quoted(&format!("data/{view}/*.parquet"))),
            ),
            FeastHistory::Files(files) => {
                let path = files.pattern.replace("{view}", view);
                ("FileSource", "file", format!("path={}", quoted(&path)))
            }
            FeastHistory::Tables(tables) => {
                ("PostgreSQLSource", "table", format!("table={}", quoted(&tables.table(view))))
            }
        };
        format!(
            "{class}(\n        name=\"{view}_{kind}\",\n        {place},\n        \
             timestamp_field=\"event_timestamp\",\n        created_timestamp_column=\"created\",\n    )"
        )
    }
}

impl FilesOfRows {
    /// Those that a replay wrote with --sealed.
    fn of_replay(pattern: &str, job: &Job) -> Result<Self, Failure> {
        if job.plan.views.len() > 1 && !pattern.contains("{view}") {
            let why = format!("--sealed {pattern} would be the rows of every view");
            return Err(Failure::usage(why).hint("write {view} where its name stands"));
        }
        Ok(FilesOfRows { pattern: place(pattern, "--sealed")?, rows: None })
    }

    /// Those that a job writes to a folder or bucket.
    fn of_job(url: &str, rows: RowTimes) -> Result<Self, Failure> {
        let folder = match url.strip_prefix("file://") {
            None if url.contains("://") => url.to_owned(),
            path => place(path.unwrap_or(url), "\"url\" in [offline.parquet]")?,
        };
        let folder = folder.trim_end_matches('/');
        Ok(FilesOfRows { pattern: format!("{folder}/{{view}}/*.parquet"), rows: Some(rows) })
    }
}

/// A path that is the same from everywhere: Feast looks for what is relative in its repository.
///
/// # Errors
/// When there is no such path.
pub(super) fn place(path: &str, what: &str) -> Result<String, Failure> {
    match absolute(path) {
        Ok(path) => Ok(path.display().to_string()),
        Err(error) => {
            Err(Failure::usage(format!("cannot tell where {what} is, '{path}': {error}")))
        }
    }
}
