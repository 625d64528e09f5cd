//! Tables as CSV: a header with the names of the columns, in any order; others are ignored.
//!
//! Values are trimmed. An empty one is null; a text that is empty cannot be written.

use csv::{ReaderBuilder, StringRecord, Trim};
use std::collections::HashMap;
use std::io::Read;
use thiserror::Error;
use tidemark_operators::plan::{TableColumn, TablePlan};
use tidemark_operators::reference::row::{Key, Row};
use tidemark_operators::reference::text;
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::{Cell, Type};

/// The longest file that is read, in bytes.
pub const TABLE_BYTES_MAX: u64 = 1 << 30;

/// What is wrong with a table's CSV. Every message names the table and the file.
#[derive(Debug, Error)]
pub enum CsvError {
    /// The file cannot be read.
    #[error("cannot read the table \"{table}\" from {file}: {why}; see that the file is there")]
    Unreadable {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// The operating system's reason.
        why: std::io::Error,
    },
    /// It is no CSV.
    #[error("cannot read the table \"{table}\" from {file}: it is {what}; write it as CSV")]
    Form {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// What it is.
        what: &'static str,
    },
    /// It is longer than [`TABLE_BYTES_MAX`].
    #[error(
        "the table \"{table}\" in {file} is longer than {TABLE_BYTES_MAX} bytes; make it a topic"
    )]
    TooLong {
        /// The table.
        table: String,
        /// The file.
        file: String,
    },
    /// The file was changed again and again while it was read.
    #[error("the table \"{table}\" in {file} changes while it is read; replace it by renaming")]
    Moving {
        /// The table.
        table: String,
        /// The file.
        file: String,
    },
    /// A line is no line of CSV.
    #[error("the table \"{table}\" in {file}, line {line}: {why}; correct the line")]
    Line {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// From 1.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// The header lacks a column.
    #[error(
        "the table \"{table}\" in {file} has no column \"{column}\"; its first line names {found}"
    )]
    Column {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// The column.
        column: String,
        /// The header.
        found: String,
    },
    /// A value is wrong.
    #[error("the table \"{table}\" in {file}, line {line}, column \"{column}\": {why}")]
    Value {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// From 1.
        line: u64,
        /// The column.
        column: String,
        /// What is wrong, and what to write.
        why: String,
    },
    /// Two lines have the same key, and are valid from the same time on.
    #[error(
        "the table \"{table}\" in {file}, line {line}: \"{key}\" is there already, in line {first}; remove one of them"
    )]
    Twice {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// From 1.
        line: u64,
        /// The key as it is written.
        key: String,
        /// The line of the first.
        first: u64,
    },
    /// There are more rows than the job allows.
    #[error("the table \"{table}\" in {file} has more than {most} rows; raise its \"rows_max\"")]
    TooMany {
        /// The table.
        table: String,
        /// The file.
        file: String,
        /// The bound.
        most: usize,
    },
}

/// Reads the rows of `table` from `csv`, which errors call `file`. `valid_from` names the column
/// that says from when on a row is valid.
///
/// # Errors
/// The first mistake, with its line and column.
pub(super) fn read(
    table: &TablePlan,
    file: &str,
    valid_from: Option<&str>,
    csv: impl Read,
) -> Result<Vec<TableRow>, CsvError> {
    let limited = Limited { left: TABLE_BYTES_MAX, csv };
    let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(limited);
    let lines = CsvLines { table, file };
    let header = reader.headers().map_err(|error| lines.broken(&error))?.clone();
    let columns = Places::new(&lines, &header, valid_from)?;
    let mut rows = Vec::new();
    let mut seen: HashMap<(Key, EventTime), u64> = HashMap::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| lines.broken(&error))? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = columns.row(&lines, &record, line)?;
        if let Some(first) = seen.insert((row.key.clone(), row.row.valid_from), line) {
            let key = record.get(columns.key).unwrap_or_default().to_owned();
            let (table, file) = lines.names();
            return Err(CsvError::Twice { table, file, line, key, first });
        }
        if rows.len() >= table.rows_max {
            let (name, file) = lines.names();
            return Err(CsvError::TooMany { table: name, file, most: table.rows_max });
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Where errors are.
struct CsvLines<'a> {
    table: &'a TablePlan,
    file: &'a str,
}

impl CsvLines<'_> {
    fn names(&self) -> (String, String) {
        (self.table.name.clone(), self.file.to_owned())
    }

    fn broken(&self, error: &csv::Error) -> CsvError {
        let (table, file) = self.names();
        let line = error.position().map_or(0, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::Io(why) if why.kind() == std::io::ErrorKind::FileTooLarge => {
                CsvError::TooLong { table, file }
            }
            csv::ErrorKind::Io(why) => {
                let why = std::io::Error::new(why.kind(), why.to_string());
                CsvError::Unreadable { table, file, why }
            }
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let why = format!("it has {len} values, and the first line {expected_len}");
                CsvError::Line { table, file, line, why }
            }
            csv::ErrorKind::Utf8 { .. } => {
                CsvError::Line { table, file, line, why: "it is no UTF-8".to_owned() }
            }
            _ => CsvError::Line { table, file, line, why: error.to_string() },
        }
    }

    fn value(&self, line: u64, column: &str, why: String) -> CsvError {
        let (table, file) = self.names();
        CsvError::Value { table, file, line, column: column.to_owned(), why }
    }
}

/// Where the columns are in a line.
struct Places<'a> {
    key: usize,
    valid_from: Option<(usize, &'a str)>,
    columns: Vec<(usize, &'a TableColumn)>,
}

impl<'a> Places<'a> {
    fn new(
        lines: &CsvLines<'a>,
        header: &StringRecord,
        valid_from: Option<&'a str>,
    ) -> Result<Self, CsvError> {
        let place = |column: &str| {
            header.iter().position(|name| name == column).ok_or_else(|| {
                let (table, file) = lines.names();
                let found: Vec<String> = header.iter().map(|name| format!("\"{name}\"")).collect();
                let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
                CsvError::Column { table, file, column: column.to_owned(), found }
            })
        };
        let columns = lines.table.columns.iter().map(|plan| Ok((place(&plan.name)?, plan)));
        Ok(Places {
            key: place(&lines.table.key)?,
            valid_from: valid_from.map(|name| Ok((place(name)?, name))).transpose()?,
            columns: columns.collect::<Result<_, CsvError>>()?,
        })
    }

    fn row(
        &self,
        lines: &CsvLines<'_>,
        line: &StringRecord,
        at: u64,
    ) -> Result<TableRow, CsvError> {
        let value = |place: usize| line.get(place).unwrap_or_default();
        let key = text::key(value(self.key), lines.table.matching);
        let key = key.map_err(|why| lines.value(at, &lines.table.key, why))?;
        let valid_from = match self.valid_from {
            Some((place, name)) => {
                text::valid_from(value(place)).map_err(|why| lines.value(at, name, why))?
            }
            None => 0,
        };
        let cell = |(place, plan): &(usize, &TableColumn)| {
            let cell = text::cell(value(*place), plan.ty);
            let cell = cell.map_err(|why| lines.value(at, &plan.name, why))?;
            if cell == Cell::Null && plan.required {
                let optional = format!("{}?", plan.ty);
                let remedy = match plan.ty {
                    Type::Text => "an empty text counts as none".to_owned(),
                    _ => "every row needs a value".to_owned(),
                };
                let why = format!("it is empty; {remedy}, unless its type is \"{optional}\"");
                return Err(lines.value(at, &plan.name, why));
            }
            Ok(cell)
        };
        let cells = self.columns.iter().map(cell).collect::<Result<_, CsvError>>()?;
        Ok(TableRow { key, row: Row { valid_from, cells } })
    }
}

/// A reader that fails when there is too much.
struct Limited<R> {
    left: u64,
    csv: R,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.csv.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| std::io::Error::from(std::io::ErrorKind::FileTooLarge))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::plan::{Matching, TableFrom};

    fn plan(matching: Matching) -> TablePlan {
        let column = |name: &str, ty, required| TableColumn { name: name.to_owned(), ty, required };
        TablePlan {
            name: "scores".to_owned(),
            key: "network".to_owned(),
            matching,
            columns: vec![column("score", Type::DECIMAL, true), column("label", Type::Text, false)],
            rows_max: 3,
            from: TableFrom::File { path: String::new(), valid_from: None, reload: 1 },
        }
    }

    fn rows(csv: &str) -> Result<Vec<TableRow>, String> {
        let plan = plan(Matching::Prefix);
        let read = read(&plan, "s.csv", Some("since"), csv.as_bytes());
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn columns_are_found_by_their_names() {
        let csv = "\u{feff}label , extra,network,since,score\n\
                   \"a, b\",x,10.0.0.0/8,,0.25\n\
                   ,,10.0.0.0/8,2026-01-01T00:00:00Z, 1\n\
                   c,,2001:db8::/32,5,0";
        let rows = rows(csv).unwrap();
        let valid: Vec<_> = rows.iter().map(|row| row.row.valid_from).collect();
        assert_eq!(valid, [0, 1_767_225_600_000, 5]);
        assert_eq!(rows[0].key, [4, 8, 10]);
        let cells = |row: &TableRow| row.row.cells.clone();
        assert_eq!(cells(&rows[0]), [Cell::Word(250_000), Cell::Bytes(b"a, b".to_vec())]);
        assert_eq!(cells(&rows[1]), [Cell::Word(1_000_000), Cell::Null]);
    }

    #[test]
    fn a_mistake_is_named_with_its_file_line_and_column() {
        let head = "network,score,label,since\n";
        let wrong = |lines: &str| rows(&format!("{head}{lines}")).unwrap_err();
        let cases = [
            (
                "10.0.0.0/8,0.5,,\n10.0.0.1/8,1,,\n",
                "line 3, column \"network\": \"10.0.0.1/8\" has bits",
            ),
            (
                "10.0.0.0/8,high,,\n",
                "line 2, column \"score\": \"high\" is no decimal; write a number",
            ),
            ("10.0.0.0/8,,,\n", "line 2, column \"score\": it is empty; every row needs a value"),
            (
                "10.0.0.0/8,1,,yesterday\n",
                "line 2, column \"since\": \"yesterday\" is no timestamp",
            ),
            (",1,,\n", "line 2, column \"network\": \"\" is no IP prefix"),
            ("10.0.0.0/8,1\n", "line 2: it has 2 values, and the first line 4"),
            (
                "10.0.0.0/8,1,,\n11.0.0.0/8,1,,\n10.0.0.0/8,2,,\n",
                "line 4: \"10.0.0.0/8\" is there already, in line 2",
            ),
            (
                "1.0.0.0/8,1,,\n2.0.0.0/8,1,,\n3.0.0.0/8,1,,\n4.0.0.0/8,1,,\n",
                "has more than 3 rows",
            ),
        ];
        for (lines, expected) in cases {
            let error = wrong(lines);
            assert!(error.starts_with("the table \"scores\" in s.csv"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
        let error = rows("network,points,since\n").unwrap_err();
        assert!(
            error.contains("has no column \"score\"; its first line names \"network\", \"points\""),
            "{error}"
        );
        assert!(rows("").unwrap_err().contains("names nothing"));
        let plan = plan(Matching::Exact(Type::Text));
        let error = read(&plan, "s.csv", None, &b"network,score,label\n\xff,1,\n"[..]).unwrap_err();
        assert!(error.to_string().contains("line 2: it is no UTF-8"), "{error}");
    }
}
