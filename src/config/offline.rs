//! Where sealed rows go for training.

mod postgres;

use crate::cli::RowTimes;
use crate::config::Settings;
use crate::config::keys::{Choice, Keys, choose};
use crate::config::place::is_store;
use crate::failure::Failure;
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
            keys.optional_text("url", &is_store, &mut self.url);
            keys.duration("roll", ROLL.0..=ROLL.1, &mut self.roll);
            choose(keys, "rows", &mut self.rows);
        });
        keys.section("postgres", &mut |keys| self.postgres.keys(keys));
    }

    /// What is wrong with these settings by themselves.
    pub(super) fn contradictions(&self) -> Vec<&'static str> {
        let mut wrong = Vec::new();
        if self.url.is_none() && self.rows == RowTimes::Changes {
            wrong.push(
                "\"rows = \"changes\"\" in [offline.parquet] needs \"url\" there: it is what files have",
            );
        }
        if self.postgres.url.is_none() && self.postgres.rows == RowTimes::Changes {
            wrong.push(
                "\"rows = \"changes\"\" in [offline.postgres] needs \"url\" there: it is what tables have",
            );
        }
        if self.readers() == 2 && self.rows != self.postgres.rows {
            wrong.push(
                "\"rows\" in [offline.parquet] and in [offline.postgres] must be the same: both are written from \
                 one file of sealed rows",
            );
        }
        wrong
    }

    /// Refuses what `all` lacks for a job that is to write there. Not a contradiction: commands that only say
    /// where rows are to be read need none of it.
    ///
    /// # Errors
    /// With exit code 2.
    pub fn check(&self, all: &Settings) -> Result<(), Failure> {
        let files = self
            .url
            .as_ref()
            .and_then(|_| lacks(all, FILES, self.rows, ("parquet", cfg!(feature = "parquet"))));
        let lacks = files.or_else(|| {
            self.postgres.url.as_ref()?;
            lacks(all, TABLES, self.postgres.rows, ("postgres", cfg!(feature = "postgres")))
        });
        lacks.map_or(Ok(()), |lacks| Err(Failure::usage(lacks)))
    }
}

/// The sections of both kinds of stores.
const FILES: &str = "[offline.parquet]";
const TABLES: &str = "[offline.postgres]";

/// What `all` lacks for rows that go to the store of `section`, which needs this feature of the program.
fn lacks(
    all: &Settings,
    section: &str,
    rows: RowTimes,
    (feature, is_built): (&str, bool),
) -> Option<String> {
    if !is_built {
        return Some(format!(
            "\"url\" in {section} needs a program that is built with its feature \"{feature}\""
        ));
    }
    let (Some(path), Some(_)) = (&all.sealed.path, &all.state.url) else {
        let variable = if section == TABLES { " (POSTGRES_URL)" } else { "" };
        return Some(format!(
            "\"url\" in {section}{variable} needs \"path\" in [sealed], the file where rows wait, and \"url\" \
             in [state], which knows how far they are final"
        ));
    };
    if is_standard_output(Path::new(path)) {
        return Some(format!(
            "\"path\" in [sealed] names the standard output: rows are written to {section} from a file"
        ));
    }
    (rows == RowTimes::Changes && all.sealed.topic.is_some()).then(|| {
        format!(
            "\"rows = \"changes\"\" in {section} cannot be beside \"topic\" in [sealed]: a topic has the rows \
             of events alone; leave one of them out"
        )
    })
}
