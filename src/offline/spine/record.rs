//! A row of a spine, taken apart.

use crate::sample_file::object_members;
use std::borrow::Cow;
use std::sync::Arc;
use tidemark_operators::ingest::decode::csv::{CellReader, names};
use tidemark_operators::plan::Format;

/// A value in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExampleValue<'a> {
    /// Nothing: a null, or an empty cell.
    Null,
    /// A text; what a cell of CSV has is one.
    Text(Cow<'a, str>),
    /// A number, as it is written.
    Number(&'a str),
    /// True or false.
    Bool(bool),
    /// An array or an object of JSON, as it is written.
    Nested(&'a str),
}

/// A row: names and values in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExampleRecord<'a> {
    /// Each name once.
    pub fields: Vec<(Cow<'a, str>, ExampleValue<'a>)>,
}

/// Takes rows apart.
#[derive(Debug)]
pub struct RecordSplitter {
    delimiter: Option<u8>,
    cells: CellReader,
    header: Option<Arc<str>>,
    names: Vec<String>,
}

impl RecordSplitter {
    /// For rows of this format; Avro is none that a spine has.
    pub fn new(format: Format) -> Self {
        let delimiter = match format {
            Format::Csv { delimiter } => Some(delimiter),
            Format::Json | Format::Avro => None,
        };
        let cells = CellReader::new(delimiter.unwrap_or(b','));
        RecordSplitter { delimiter, cells, header: None, names: Vec::new() }
    }

    /// The names that the line `header` has.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn names(&mut self, header: &Arc<str>) -> Result<&[String], String> {
        if self.header.as_ref().is_none_or(|known| !Arc::ptr_eq(known, header)) {
            self.names = names(header, self.delimiter.unwrap_or(b','))?;
            if self.names.iter().any(String::is_empty) {
                return Err(
                    "its first line has a column without a name: name it, or write the file \
                            without it (pandas: index=False)"
                        .to_owned(),
                );
            }
            self.header = Some(Arc::clone(header));
        }
        Ok(&self.names)
    }

    /// The row that `record` is, behind the line `header` where it is of CSV.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn split<'a>(
        &'a mut self,
        header: Option<&Arc<str>>,
        record: &'a [u8],
    ) -> Result<ExampleRecord<'a>, String> {
        if self.delimiter.is_none() {
            let members = object_members(record)?.into_iter();
            let fields = members.map(|(name, value)| (Cow::Owned(name), json_value(value.get())));
            return Ok(ExampleRecord { fields: fields.collect() });
        }
        match header {
            Some(header) => self.names(header).map(|_| ())?,
            None => return Err("it came without a header".to_owned()),
        }
        let cells = self.cells.of_columns(record, self.names.len());
        let cells = cells.map_err(|error| error.to_string())?;
        let value = |cell: &'a str| match cell {
            "" => ExampleValue::Null,
            cell => ExampleValue::Text(Cow::Borrowed(cell)),
        };
        let fields = self.names.iter().zip(cells);
        let fields = fields.map(|(name, cell)| (Cow::Borrowed(name.as_str()), value(cell)));
        Ok(ExampleRecord { fields: fields.collect() })
    }
}

/// What a text of JSON is.
fn json_value(text: &str) -> ExampleValue<'_> {
    match text.as_bytes().first() {
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) => ExampleValue::Text(Cow::Owned(text)),
            // Half a surrogate: no text that anything else could hold.
            Err(_) => ExampleValue::Nested(text),
        },
        Some(b'-' | b'0'..=b'9') => ExampleValue::Number(text),
        Some(b't') => ExampleValue::Bool(true),
        Some(b'f') => ExampleValue::Bool(false),
        Some(b'n') => ExampleValue::Null,
        _ => ExampleValue::Nested(text),
    }
}
