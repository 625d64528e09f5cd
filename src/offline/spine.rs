//! A spine: examples to be given features, each a row with a time, the keys of entities, and whatever
//! else it has (labels), which is passed through.
//!
//! It is a file of CSV or JSON lines, plain, gzip or zstd, or of Parquet, told by what it begins with. It is read twice,
//! first for its times and keys and then for its rows, so it must stay as it is meanwhile.

mod column;
mod record;

pub use column::{ColumnType, ExampleColumn};
pub use record::{ExampleRecord, ExampleValue, RecordSplitter};

use crate::failure::Failure;
use crate::sample_file::{Asked, ToldFile};
use crate::text::printable;
use column::ColumnSurvey;
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tidemark_jobs::document::nearest;
use tidemark_operators::ingest::decode::csv::COLUMNS_MAX;
use tidemark_operators::ingest::decode::{Conversion, Scalar, conversion};
use tidemark_operators::interner::stable_hash;
use tidemark_operators::plan::{Format, ReadOptions, TimeForm, TimeUnit};
use tidemark_operators::time::EventTime;
use tidemark_operators::value::{Type, Value};
use tidemark_operators::zone::Zone;

/// How much of a wrong value a message shows, in characters.
const SHOWN_MAX: usize = 60;

/// A column of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Its name.
    pub name: String,
    /// Another name that it may have.
    pub other_name: String,
    /// What its keys are: text, int or ip.
    pub ty: Type,
}

/// How a spine is read.
#[derive(Clone, Debug)]
pub struct SpineOptions<'a> {
    /// The file.
    pub path: &'a Path,
    /// The column of times.
    pub time: &'a str,
    /// How times are written. A local time is one of UTC.
    pub unit: TimeUnit,
    /// The columns of keys.
    pub keys: &'a [KeyColumn],
}

/// What has been seen of a spine.
#[derive(Clone, Debug)]
pub struct Spine {
    /// The file.
    pub path: PathBuf,
    /// How its rows are encoded.
    pub format: Format,
    /// Its columns: those of a header, or in the order in which they appear.
    pub columns: Vec<ExampleColumn>,
    /// The name of that of times.
    pub time: String,
    /// How many rows it has.
    pub rows: u64,
    /// What its header and rows are, for who reads them again.
    pub digest: u64,
    /// The earliest and the latest time; `None`: it has no rows.
    pub span: Option<(EventTime, EventTime)>,
    /// For each of the keys, how many rows have none.
    pub keyless: Vec<u64>,
}

/// What a row asks.
pub struct AskedRow<'a> {
    /// Its number, from 0.
    pub row: u64,
    /// Its time.
    pub time: EventTime,
    /// For each of the keys whom it is about; `None`: about nobody.
    pub ids: &'a [Option<String>],
}

impl Spine {
    /// Reads the file through, and shows `visit` what each of its rows asks.
    ///
    /// # Errors
    /// When the file or one of its rows cannot be read, by file, row and column, with exit code 2; or
    /// what `visit` gives.
    pub fn survey(
        options: &SpineOptions<'_>,
        visit: &mut dyn FnMut(&AskedRow<'_>) -> Result<(), Failure>,
    ) -> Result<Spine, Failure> {
        let mut file = ToldFile::open(options.path, Asked::Rows)?;
        let format = file.format();
        if format == Format::Avro {
            let path = options.path.display();
            let why = format!("cannot read the examples in {path}: it is an Avro container");
            return Err(Failure::usage(why).hint("write them as CSV or as lines of JSON"));
        }
        let mut survey = SpineSurvey::new(options, format);
        let mut splitter = RecordSplitter::new(format);
        while let Some(batch) = file.next_batch()? {
            survey.header(batch.schema.as_ref(), &mut splitter)?;
            for record in &batch.records {
                let (offset, raw) = (record.offset, batch.value(record));
                if record.left_out > 0 {
                    let why = format!("it is longer than {} bytes", raw.len());
                    return Err(survey.wrong(offset, &why));
                }
                survey.digest = digest(survey.digest, raw);
                let split = splitter.split(batch.schema.as_ref(), raw);
                let row = split.map_err(|why| survey.wrong(offset, &why))?;
                survey.row(offset, &row, visit)?;
            }
        }
        survey.complete(&file, &mut splitter)?;
        Ok(Spine {
            path: options.path.to_owned(),
            format,
            columns: survey.columns.finish(),
            time: options.time.to_owned(),
            rows: survey.rows,
            digest: survey.digest,
            span: survey.span,
            keyless: survey.keyless,
        })
    }
}

/// A spine while it is read.
struct SpineSurvey<'a> {
    options: &'a SpineOptions<'a>,
    format: Format,
    reading: ReadOptions,
    columns: ColumnSurvey,
    /// Where the time is, once it has been found.
    time: Option<usize>,
    /// Where each key is.
    keys: Vec<Option<usize>>,
    rows: u64,
    digest: u64,
    span: Option<(EventTime, EventTime)>,
    keyless: Vec<u64>,
}

impl<'a> SpineSurvey<'a> {
    fn new(options: &'a SpineOptions<'a>, format: Format) -> Self {
        let zone = Some(Arc::new(Zone::utc()));
        let time = TimeForm { unit: options.unit, zone, coerce: true };
        SpineSurvey {
            options,
            format,
            reading: ReadOptions { time, ..ReadOptions::default() },
            columns: ColumnSurvey::default(),
            time: None,
            keys: vec![None; options.keys.len()],
            rows: 0,
            digest: 0,
            span: None,
            keyless: vec![0; options.keys.len()],
        }
    }

    /// All rows have been seen. One without rows has its columns all the same.
    fn complete(&mut self, file: &ToldFile, splitter: &mut RecordSplitter) -> Result<(), Failure> {
        if self.rows > 0 {
            self.find(true)?;
        } else if let Some(names) = names_without_rows(self.options.path) {
            self.columns.name(&names);
            self.find(true)?;
        } else {
            self.header(file.only_header().as_ref(), splitter)?;
        }
        for (key, place) in self.options.keys.iter().zip(&self.keys) {
            if let Some(column) = place.filter(|_| key.ty == Type::Text) {
                self.columns.has_ids(column);
            }
        }
        Ok(())
    }

    /// Takes the columns of the line `header`, where there is one and none has been seen.
    fn header(
        &mut self,
        header: Option<&Arc<str>>,
        splitter: &mut RecordSplitter,
    ) -> Result<(), Failure> {
        let Some(header) = header.filter(|_| self.columns.is_empty()) else { return Ok(()) };
        self.digest = digest(self.digest, header.as_bytes());
        let path = self.options.path;
        let names = splitter.names(header).map_err(|why| wrong_file(path, &why))?;
        self.columns.name(names);
        self.find(true)
    }

    /// Finds the columns that are read; `all`: those that have not appeared are not there.
    fn find(&mut self, all: bool) -> Result<(), Failure> {
        let SpineOptions { time, keys, .. } = self.options;
        self.time = self.time.or_else(|| self.columns.find(time));
        for (place, key) in self.keys.iter_mut().zip(*keys) {
            let find =
                || self.columns.find(&key.name).or_else(|| self.columns.find(&key.other_name));
            *place = place.or_else(find);
        }
        if !all {
            return Ok(());
        }
        if self.time.is_none() {
            let hint = "name the column of times by --time COLUMN";
            return Err(self.lacks(time, "of times").hint(hint));
        }
        match keys.iter().zip(&self.keys).find(|(_, place)| place.is_none()) {
            Some((key, _)) => {
                let what = format!("of the keys of entity \"{}\"", key.other_name);
                let hint = "rename the column that has them, or ask for features of other entities";
                Err(self.lacks(&key.name, &what).hint(hint))
            }
            None => Ok(()),
        }
    }

    fn lacks(&self, column: &str, what: &str) -> Failure {
        let names = self.columns.names();
        let near = nearest(column, names.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; \"{near}\" is near it"));
        let names = names.join(", ");
        wrong_file(
            self.options.path,
            &format!(
                "it has no column \"{column}\" {what}{near}; its columns: {}",
                printable(&names)
            ),
        )
    }

    fn wrong(&self, offset: u64, why: &str) -> Failure {
        wrong_row(self.options.path, self.format, offset, why)
    }

    fn row(
        &mut self,
        offset: u64,
        row: &ExampleRecord<'_>,
        visit: &mut dyn FnMut(&AskedRow<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut found = vec![None; self.keys.len() + 1];
        for (at, (name, value)) in row.fields.iter().enumerate() {
            let appeared = self.columns.see(at, name, value);
            let Some((column, is_new)) = appeared else {
                let why = format!("there are more than {COLUMNS_MAX} columns in all");
                return Err(self.wrong(offset, &why));
            };
            if is_new {
                self.find(false)?;
            }
            let read = self.keys.iter().copied().chain([self.time]);
            for (found, _) in found.iter_mut().zip(read).filter(|(_, at)| *at == Some(column)) {
                *found = Some(value);
            }
        }
        let time = found.pop().flatten();
        let time = self.time_of(time).map_err(|why| {
            self.wrong(offset, &format!("column \"{}\": {why}", self.options.time))
        })?;
        let mut ids = Vec::with_capacity(found.len());
        for ((key, value), keyless) in self.options.keys.iter().zip(found).zip(&mut self.keyless) {
            let id = value.map_or(Ok(None), |value| id_of(key.ty, value, &self.reading));
            let id = id.map_err(|why| {
                let why = format!("column \"{}\": {why}", key.name);
                wrong_row(self.options.path, self.format, offset, &why)
            })?;
            *keyless += u64::from(id.is_none());
            ids.push(id);
        }
        let row = self.rows;
        self.rows += 1;
        self.span = Some(self.span.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
        visit(&AskedRow { row, time, ids: &ids })
    }

    fn time_of(&self, value: Option<&ExampleValue<'_>>) -> Result<EventTime, String> {
        let unit = self.options.unit.name();
        let scalar = match value {
            None | Some(ExampleValue::Null) => return Err("it has no time".to_owned()),
            Some(value) => value.scalar(),
        };
        let read = scalar.map(|scalar| conversion(Type::Timestamp, scalar, &self.reading));
        let shown = value.map_or(Cow::Borrowed(""), shown);
        let Some(Conversion::Value(Value::Timestamp(ms))) = read else {
            let what = match self.options.unit {
                TimeUnit::Auto => {
                    "an ISO time, or a number of s, ms, us or ns in the years 1990 to 2099"
                        .to_owned()
                }
                _ => format!("a time as --time-unit {unit} reads it"),
            };
            return Err(format!("{shown} is not {what}"));
        };
        let time = EventTime::try_from(ms);
        time.map_err(|_| format!("{shown} lies before 1970, where no event is"))
    }
}

/// The columns of a file that says them beside its rows.
#[cfg(feature = "parquet")]
fn names_without_rows(path: &Path) -> Option<Vec<String>> {
    crate::file_source::column_names(path)
}

#[cfg(not(feature = "parquet"))]
fn names_without_rows(_: &Path) -> Option<Vec<String>> {
    None
}

/// The id that a value is, as the engine reads it of a record; `None` for none.
fn id_of(
    ty: Type,
    value: &ExampleValue<'_>,
    reading: &ReadOptions,
) -> Result<Option<String>, String> {
    if matches!(value, ExampleValue::Null) {
        return Ok(None);
    }
    match value.scalar().map(|scalar| conversion(ty, scalar, reading)) {
        Some(Conversion::Null) => Ok(None),
        Some(Conversion::Value(Value::Text(text))) => Ok(Some(text)),
        Some(Conversion::Value(Value::Int(number))) => Ok(Some(number.to_string())),
        Some(Conversion::Value(Value::Ip(address))) => Ok(Some(address.to_string())),
        _ => Err(match ty {
            Type::Int => {
                format!("{} is not a whole number, as the entity's keys are", shown(value))
            }
            Type::Ip => format!("{} is not an IP address, as the entity's keys are", shown(value)),
            _ => format!("{} is no key", shown(value)),
        }),
    }
}

/// What is so far of the digest of a spine, with one more header or row. The same rows in another order
/// give another one.
pub(crate) fn digest(so_far: u64, raw: &[u8]) -> u64 {
    so_far.rotate_left(5) ^ stable_hash(raw)
}

fn wrong_file(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("cannot read the examples in {}: {why}", path.display()))
}

/// What is wrong with the row at `offset`, by what people call it.
fn wrong_row(path: &Path, format: Format, offset: u64, why: &str) -> Failure {
    let place = match format {
        // Of CSV a row may be several lines.
        Format::Csv { .. } => format!("row {} behind the header", offset + 1),
        Format::Json | Format::Avro => format!("line {}", offset + 1),
    };
    wrong_file(path, &format!("{place}: {}", printable(why)))
}

/// A value as a message shows it.
fn shown<'v>(value: &'v ExampleValue<'_>) -> Cow<'v, str> {
    let text = match value {
        ExampleValue::Null => "nothing",
        ExampleValue::Text(text) => text,
        ExampleValue::Number(text) | ExampleValue::Nested(text) => text,
        ExampleValue::Bool(true) => "true",
        ExampleValue::Bool(false) => "false",
    };
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => Cow::Owned(format!("`{}..`", text.get(..end).unwrap_or_default())),
        None => Cow::Owned(format!("`{text}`")),
    }
}

impl ExampleValue<'_> {
    /// The value as records are read; `None` for what is nested or nothing.
    fn scalar(&self) -> Option<Scalar<'_>> {
        Some(match self {
            ExampleValue::Text(text) => Scalar::Text(text),
            ExampleValue::Number(text) => Scalar::Number(text),
            ExampleValue::Bool(value) => Scalar::Bool(*value),
            ExampleValue::Null | ExampleValue::Nested(_) => return None,
        })
    }
}
