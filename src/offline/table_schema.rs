//! The tables of a job's rows in PostgreSQL: what they are, and whether those that are there are these.
//!
//! ```text
//! SCHEMA.transaction_stats_5m            a view's rows, parted by the months of event_timestamp
//! SCHEMA.transaction_stats_5m_p2026_01   those of January 2026, UTC
//! SCHEMA.tidemark_columns                which columns `tidemark offline init` has made, and for which job
//! SCHEMA.tidemark_progress               how far a job's rows are written, and which run of it writes
//! ```
//!
//! # Why this way
//!
//! A column that is in `tidemark_columns` and not in its table was renamed or dropped by hand. Without that
//! record it could not be told from a new feature, and a second column would be made beside the renamed one.

use super::parquet_file::{ParquetKind, ParquetValue};
use super::row_view::RowView;
use super::table_rows::Month;
use std::fmt::Write as _;

/// Bytes of a name that PostgreSQL keeps; what is longer it cuts off.
const NAME_BYTES_MAX: usize = 63;
/// Bytes of what follows a view's name in that of a month's table: `_p2026_01`.
const MONTH_BYTES: usize = 9;
/// What our own tables begin with.
const OWN: &str = "tidemark_";
/// How many of the columns a row is known by: the key, `event_timestamp`, `created`.
const KEY_COLUMNS: usize = 3;

/// A name as SQL has it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL has it; backslashes are themselves there.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// What a column has, as PostgreSQL names the type.
pub fn sql_type(kind: ParquetKind) -> &'static str {
    match kind {
        ParquetKind::Int => "bigint",
        ParquetKind::Double => "double precision",
        ParquetKind::Bool => "boolean",
        ParquetKind::Text => "text",
        ParquetKind::Time => "timestamp with time zone",
    }
}

/// Whether names of `views` fit into PostgreSQL.
///
/// # Errors
/// The first that is too long, or is kept for tables of our own.
pub fn names_fit(views: &[RowView]) -> Result<(), String> {
    for view in views {
        if view.name.len() + MONTH_BYTES > NAME_BYTES_MAX {
            return Err(format!(
                "the view {} cannot be a table of PostgreSQL: its name has more than {} bytes",
                view.name,
                NAME_BYTES_MAX - MONTH_BYTES
            ));
        }
        if view.name.starts_with(OWN) {
            return Err(format!(
                "the view {} cannot be a table of [offline.postgres]: names that begin with {OWN} are its own",
                view.name
            ));
        }
        if let Some((name, _)) = view.columns.iter().find(|(name, _)| name.len() > NAME_BYTES_MAX) {
            return Err(format!(
                "the feature {name} of the view {} cannot be a column of PostgreSQL: its name has more than \
                 {NAME_BYTES_MAX} bytes",
                view.name
            ));
        }
    }
    Ok(())
}

/// A table as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTable {
    /// Its columns, each with its type.
    pub columns: Vec<(String, String)>,
    /// Those that we have made.
    pub made: Vec<String>,
    /// For which job; `None`: it is not ours.
    pub job: Option<String>,
}

impl FoundTable {
    /// Which columns of `view` it lacks, by their places.
    ///
    /// # Errors
    /// When it is not the view's table, or a column was renamed, dropped or made another type.
    pub fn lacks(&self, job: &str, view: &RowView) -> Result<Vec<usize>, String> {
        let name = &view.name;
        match &self.job {
            None => {
                return Err(format!(
                    "there is a table {name} that `tidemark offline init` has not made: rename that table, or name \
                 another \"schema\" in [offline.postgres]"
                ));
            }
            Some(other) if other != job => {
                return Err(format!(
                    "the table {name} is that of the job {other}: name another \"schema\" in [offline.postgres] of \
                 one of them"
                ));
            }
            Some(_) => {}
        }
        let mut lacks = Vec::new();
        for (at, (column, kind)) in view.columns.iter().enumerate() {
            match self.columns.iter().find(|(found, _)| found == column) {
                Some((_, found)) if found != sql_type(*kind) => {
                    return Err(format!(
                        "the column {column} of the table {name} has the type {found}, and the job's has {}: rename \
                     the feature, or that column and {}",
                        sql_type(*kind),
                        forget(name, column)
                    ));
                }
                Some(_) => {}
                None if self.made.contains(column) => return Err(self.renamed(name, column)),
                None => lacks.push(at),
            }
        }
        Ok(lacks)
    }

    fn renamed(&self, table: &str, column: &str) -> String {
        let others = self.columns.iter().filter(|(found, _)| !self.made.contains(found));
        let others: Vec<_> = others.map(|(found, _)| found.as_str()).collect();
        let found = match others.as_slice() {
            [] => String::new(),
            others => format!(" (nobody knows of {} there)", others.join(", ")),
        };
        format!(
            "the table {table} has no column {column} any more{found}: rename it back, or, for a new one, {}",
            forget(table, column)
        )
    }
}

/// How a column is made again.
fn forget(table: &str, column: &str) -> String {
    format!(
        "`delete from {OWN}columns where table_name = {} and column_name = {}`, and run `tidemark offline \
         init` then",
        text(table),
        text(column)
    )
}

/// Our own tables of `schema`.
pub fn create_own(schema: &str) -> String {
    let schema = quoted(schema);
    format!(
        "create table if not exists {schema}.{OWN}columns (table_name text not null, column_name text not \
         null, job text not null, primary key (table_name, column_name));
         create table if not exists {schema}.{OWN}progress (job text primary key, state text not null, \
         place bigint not null, last_as_of bigint not null, writer text not null, writer_state text not null, \
         writer_run bigint not null, written_at timestamp with time zone not null);"
    )
}

/// The table of `view`.
pub fn create(schema: &str, view: &RowView) -> String {
    let mut sql = format!("create table {} (", table(schema, view));
    for (at, (name, kind)) in view.columns.iter().enumerate() {
        let null = if at < KEY_COLUMNS { " not null" } else { "" };
        let _ = write!(sql, "{} {}{null}, ", quoted(name), sql_type(*kind));
    }
    let key: Vec<_> = view.columns.iter().take(KEY_COLUMNS).map(|(name, _)| quoted(name)).collect();
    let _ = write!(sql, "primary key ({})) partition by range (event_timestamp);", key.join(", "));
    sql
}

/// Columns of `view`, by their places, into its table.
pub fn add_columns(schema: &str, view: &RowView, lacks: &[usize]) -> String {
    let columns = lacks.iter().filter_map(|at| view.columns.get(*at));
    let columns =
        columns.map(|(name, kind)| format!("add column {} {}", quoted(name), sql_type(*kind)));
    format!("alter table {} {};", table(schema, view), columns.collect::<Vec<_>>().join(", "))
}

/// The name of the table of a month.
pub fn month_name(view: &RowView, Month { year, month }: Month) -> String {
    format!("{}_p{year:04}_{month:02}", view.name)
}

/// The table of a month. It is attached when it is there: so readers of the other months go on meanwhile.
pub fn create_month(schema: &str, view: &RowView, month: Month) -> String {
    let (all, part) = (table(schema, view), month_name(view, month));
    let part = format!("{}.{}", quoted(schema), quoted(&part));
    let begins = |Month { year, month }| format!("'{year:04}-{month:02}-01 00:00:00+00'");
    let (from, to) = (begins(month), begins(month.next()));
    format!(
        "create table {part} (like {all} including all);
         alter table {all} attach partition {part} for values from ({from}) to ({to});"
    )
}

/// Takes rows in, as [`ViewRows`](super::table_rows::ViewRows) has them.
pub fn copy(into: &str, view: &RowView) -> String {
    format!("copy {into} ({}) from stdin (format binary)", columns(view))
}

/// Makes an empty table `into` for rows of `view`, which goes with the transaction.
pub fn stage(schema: &str, into: &str, view: &RowView) -> String {
    format!("create temporary table {into} (like {}) on commit drop", table(schema, view))
}

/// Takes in from `from` what is not there.
pub fn merge(schema: &str, from: &str, view: &RowView) -> String {
    let (into, columns) = (table(schema, view), columns(view));
    format!("insert into {into} ({columns}) select {columns} from {from} on conflict do nothing")
}

/// What features are of no events, as of 1970, for the entities that are its parameter.
pub fn birth(schema: &str, view: &RowView) -> String {
    let key = view.columns.first().map_or(ParquetKind::Text, |(_, kind)| *kind);
    let epoch = "'1970-01-01 00:00:00+00'";
    let mut values = format!("born, {epoch}, {epoch}");
    for value in &view.empty {
        values.push_str(", ");
        values.push_str(&literal(value));
    }
    let named = view.columns.iter().take(KEY_COLUMNS + view.empty.len());
    let named: Vec<_> = named.map(|(name, _)| quoted(name)).collect();
    format!(
        "insert into {} ({}) select {values} from unnest($1::{}[]) born on conflict do nothing",
        table(schema, view),
        named.join(", "),
        sql_type(key)
    )
}

fn literal(value: &ParquetValue<'_>) -> String {
    match value {
        ParquetValue::Null => "null".to_owned(),
        ParquetValue::Int(value) => format!("'{value}'::bigint"),
        ParquetValue::Double(value) => format!("'{value}'::double precision"),
        ParquetValue::Bool(value) => value.to_string(),
        ParquetValue::Text(value) => {
            text(&String::from_utf8_lossy(value).replace('\0', "\u{fffd}"))
        }
    }
}

/// The table of a view.
pub fn table(schema: &str, view: &RowView) -> String {
    format!("{}.{}", quoted(schema), quoted(&view.name))
}

fn columns(view: &RowView) -> String {
    let names: Vec<_> = view.columns.iter().map(|(name, _)| quoted(name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests;
