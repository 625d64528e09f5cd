//! Where sealed rows go for training.

mod postgres;

use crate::cli::RowTimes;
use crate::config::Settings;
use crate::config::keys::{Choice, Keys, choose, not_empty};
use crate::named_file::is_standard_output;
pub use postgres::PostgresSettings;
pub(super) use postgres::is_url as is_postgres_url;
use std::path::Path;
use std::time::Duration;

/// Files of Parquet, and tables of PostgreSQL, that sealed rows are written to from their file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfflineSettings {
    /// The store: a folder or a bucket. By default there are none.
    pub url: Option<String>,
    /// How much event time a file has at most; default 1 h.
    pub roll: Duration,
    /// At which times sealed rows are written; default at those of events.
    pub rows: RowTimes,
    /// The tables.
    pub postgres: PostgresSettings,
}

impl Default for OfflineSettings {
    fn default() -> Self {
        OfflineSettings {
            url: None,
            roll: Duration::from_secs(3_600),
            rows: RowTimes::Events,
            postgres: PostgresSettings::default(),
        }
    }
}

impl Choice for RowTimes {
    const NAMES: &'static [(&'static str, Self)] =
        &[("events", RowTimes::Events), ("changes", RowTimes::Changes)];
}

/// The bounds of `roll`.
const ROLL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));

impl OfflineSettings {
    /// At which times sealed rows are written: files and tables have them from one file.
    pub fn row_times(&self) -> RowTimes {
        if self.url.is_some() { self.rows } else { self.postgres.rows }
    }

    /// How many read the file of sealed rows.
    pub fn readers(&self) -> usize {
        usize::from(self.url.is_some()) + usize::from(self.postgres.url.is_some())
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.section("parquet", &mut |keys| {
            keys.optional_text("url", &not_empty, &mut self.url);
            keys.duration("roll", ROLL.0..=ROLL.1, &mut self.roll);
            choose(keys, "rows", &mut self.rows);
        });
        keys.section("postgres", &mut |keys| self.postgres.keys(keys));
    }

    /// What is wrong with these settings beside the others.
    pub(super) fn contradictions(&self, all: &Settings) -> Vec<&'static str> {
        let mut wrong = self.postgres.contradictions();
        if self.readers() == 2 && self.rows != self.postgres.rows {
            wrong.push(
                "\"rows\" in [offline.parquet] and in [offline.postgres] must be the same: both are written from \
                 one file of sealed rows",
            );
        }
        wrong.extend(self.of_files(all));
        wrong
    }

    fn of_files(&self, all: &Settings) -> Vec<&'static str> {
        if self.url.is_none() {
            let lacks = "\"rows = \"changes\"\" in [offline.parquet] needs \"url\" there: it is what files have";
            return Vec::from_iter((self.rows == RowTimes::Changes).then_some(lacks));
        }
        let is_stream = |path: &String| is_standard_output(Path::new(path));
        match (&all.sealed.path, &all.state.url) {
            _ if cfg!(not(feature = "parquet")) => {
                vec![
                    "\"url\" in [offline.parquet] needs a program that is built with its feature \"parquet\"",
                ]
            }
            (Some(path), Some(_)) if is_stream(path) => vec![
                "\"path\" in [sealed] names the standard output: rows are written to [offline.parquet] \
                 from a file",
            ],
            _ if self.rows == RowTimes::Changes && all.sealed.topic.is_some() => vec![
                "\"rows = \"changes\"\" in [offline.parquet] cannot be beside \"topic\" in [sealed]: a topic \
                 has the rows of events alone; leave one of them out",
            ],
            (Some(_), Some(_)) => Vec::new(),
            _ => vec![
                "\"url\" in [offline.parquet] needs \"path\" in [sealed], the file where rows wait, and \
                 \"url\" in [state], which knows how far they are final",
            ],
        }
    }
}
