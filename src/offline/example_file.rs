//! Examples with their features: rows of CSV, lines of JSON, or columns of Parquet.
//!
//! Where a file has the form of the spine, a row is written as it stands there, byte for byte, with its
//! features behind it. Otherwise its values are: a number keeps its digits, a text that is none stays one.

#[cfg(feature = "parquet")]
mod columns;

#[cfg(feature = "parquet")]
use crate::offline::parquet_file::ParquetFile;
use crate::offline::spine::{ColumnType, ExampleColumn, ExampleValue};
use std::io::{self, Write};
use tidemark_operators::json::{push_json, push_json_text};
use tidemark_operators::plan::Format;
use tidemark_operators::value::{Column, Type};

/// The form of a file of examples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExampleForm {
    /// Rows of CSV.
    Csv {
        /// What lies between two cells.
        delimiter: u8,
    },
    /// Lines of JSON.
    JsonLines,
    /// Columns of Parquet.
    #[cfg(feature = "parquet")]
    Parquet,
}

/// A feature of examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureColumn {
    /// Its name among the columns.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A row of the spine.
pub struct SpineRow<'a> {
    /// As it stands in the file.
    pub raw: &'a [u8],
    /// For each column of the spine its value; asked for where the form is another one.
    pub values: Vec<Option<ExampleValue<'a>>>,
}

/// Where examples go.
enum ExampleOutput<W: Write + Send> {
    Lines(W),
    #[cfg(feature = "parquet")]
    Columns(Box<ParquetFile<W>>),
}

/// Writes examples.
pub struct ExampleFile<'a, W: Write + Send> {
    out: ExampleOutput<W>,
    form: ExampleForm,
    same: bool,
    columns: &'a [ExampleColumn],
    features: &'a [FeatureColumn],
    /// The spine's column of times.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only columns have a type"))]
    time: &'a str,
    row: Vec<u8>,
}

impl<'a, W: Write + Send> ExampleFile<'a, W> {
    /// In `form`, of a spine of `format` with `columns`, of which `time` has the times.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(
        out: W,
        form: ExampleForm,
        format: Format,
        (columns, time): (&'a [ExampleColumn], &'a str),
        features: &'a [FeatureColumn],
    ) -> io::Result<Self> {
        let same = match (form, format) {
            (ExampleForm::Csv { delimiter }, Format::Csv { delimiter: read }) => delimiter == read,
            (ExampleForm::JsonLines, Format::Json) => true,
            _ => false,
        };
        let out = match form {
            #[cfg(feature = "parquet")]
            ExampleForm::Parquet => {
                let kinds = columns::kinds(columns, time, features);
                ExampleOutput::Columns(Box::new(ParquetFile::new(out, &kinds)?))
            }
            _ => ExampleOutput::Lines(out),
        };
        Ok(ExampleFile { out, form, same, columns, features, time, row: Vec::new() })
    }

    /// Whether rows are written as they stand, so that nobody has to take them apart.
    pub fn passes_rows_on(&self) -> bool {
        self.same
    }

    /// Writes the first line, where there is one. `header` is that of the spine, if it has one.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn begin(&mut self, header: Option<&str>) -> io::Result<()> {
        let ExampleForm::Csv { delimiter } = self.form else { return Ok(()) };
        self.row.clear();
        match header.filter(|_| self.same) {
            Some(header) => self.row.extend_from_slice(trimmed(header.as_bytes())),
            None => {
                for (at, column) in self.columns.iter().enumerate() {
                    if at > 0 {
                        self.row.push(delimiter);
                    }
                    push_cell(column.name.as_bytes(), delimiter, &mut self.row);
                }
            }
        }
        for feature in self.features {
            if !self.row.is_empty() {
                self.row.push(delimiter);
            }
            push_cell(feature.name.as_bytes(), delimiter, &mut self.row);
        }
        self.end()
    }

    /// Writes a row; its features are in row `at` of `features`, a column each.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, row: &SpineRow<'_>, features: &[&Column], at: usize) -> io::Result<()> {
        self.row.clear();
        match self.form {
            ExampleForm::Csv { delimiter } => self.csv(row, delimiter, features, at),
            ExampleForm::JsonLines => self.json(row, features, at),
            #[cfg(feature = "parquet")]
            ExampleForm::Parquet => return self.columns(row, features, at),
        }
        self.end()
    }

    #[cfg(feature = "parquet")]
    fn columns(&mut self, row: &SpineRow<'_>, features: &[&Column], at: usize) -> io::Result<()> {
        let ExampleOutput::Columns(file) = &mut self.out else { return Ok(()) };
        let mut values = Vec::with_capacity(self.columns.len() + features.len());
        for (place, column) in self.columns.iter().enumerate() {
            let value = row.values.get(place).and_then(Option::as_ref);
            values.push(columns::value(value, column, self.time)?);
        }
        let found = self.features.iter().zip(features);
        values.extend(found.map(|(feature, column)| columns::feature(column, feature.ty, at)));
        file.row(values.into_iter())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        match self.out {
            ExampleOutput::Lines(mut out) => out.flush().map(|()| out),
            #[cfg(feature = "parquet")]
            ExampleOutput::Columns(file) => file.finish(),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.row.push(b'\n');
        match &mut self.out {
            ExampleOutput::Lines(out) => out.write_all(&self.row),
            #[cfg(feature = "parquet")]
            ExampleOutput::Columns(_) => Ok(()),
        }
    }

    fn csv(&mut self, row: &SpineRow<'_>, delimiter: u8, features: &[&Column], at: usize) {
        let out = &mut self.row;
        if self.same {
            out.extend_from_slice(trimmed(row.raw));
        } else {
            for (place, value) in row.values.iter().enumerate() {
                if place > 0 {
                    out.push(delimiter);
                }
                push_value_cell(value.as_ref(), delimiter, out);
            }
        }
        for (feature, column) in self.features.iter().zip(features) {
            out.push(delimiter);
            match (feature.ty, column.bytes(at)) {
                _ if column.word(at).is_none() => {}
                (Type::Text, Some(text)) => push_cell(text, delimiter, out),
                (Type::Ip, Some(bytes)) => crate::online::text::bytes(Type::Ip, bytes, out),
                _ => push_json(column, feature.ty, at, out),
            }
        }
    }

    fn json(&mut self, row: &SpineRow<'_>, features: &[&Column], at: usize) {
        let out = &mut self.row;
        if self.same {
            let whole = row.raw.trim_ascii();
            out.extend_from_slice(whole.strip_suffix(b"}").unwrap_or(whole));
        } else {
            out.push(b'{');
            for (column, value) in self.columns.iter().zip(&row.values) {
                separate(out);
                push_json_text(column.name.as_bytes(), out);
                out.push(b':');
                push_json_value(value.as_ref(), column.ty, out);
            }
        }
        for (feature, column) in self.features.iter().zip(features) {
            separate(out);
            push_json_text(feature.name.as_bytes(), out);
            out.push(b':');
            push_json(column, feature.ty, at, out);
        }
        out.push(b'}');
    }
}

/// A comma, unless an object has just begun.
fn separate(out: &mut Vec<u8>) {
    if !out.trim_ascii_end().ends_with(b"{") {
        out.push(b',');
    }
}

/// A row of CSV without what ends its line.
fn trimmed(row: &[u8]) -> &[u8] {
    row.strip_suffix(b"\r").unwrap_or(row)
}

/// A text as a cell: an empty one in quotes, for nothing else tells it from none.
fn push_cell(text: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let harmful = |byte: &u8| matches!(byte, b'"' | b'\r' | b'\n') || *byte == delimiter;
    if !text.is_empty() && !text.iter().any(harmful) {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

fn push_value_cell(value: Option<&ExampleValue<'_>>, delimiter: u8, out: &mut Vec<u8>) {
    match value {
        None | Some(ExampleValue::Null) => {}
        Some(ExampleValue::Bool(value)) => out.extend_from_slice(value.to_string().as_bytes()),
        Some(ExampleValue::Number(text)) => push_cell(text.as_bytes(), delimiter, out),
        Some(ExampleValue::Text(text)) => push_cell(text.as_bytes(), delimiter, out),
        Some(ExampleValue::Nested(text)) => push_cell(text.as_bytes(), delimiter, out),
    }
}

fn push_json_value(value: Option<&ExampleValue<'_>>, ty: ColumnType, out: &mut Vec<u8>) {
    match value {
        None | Some(ExampleValue::Null) => out.extend_from_slice(b"null"),
        Some(ExampleValue::Bool(value)) => out.extend_from_slice(value.to_string().as_bytes()),
        Some(ExampleValue::Number(text) | ExampleValue::Nested(text)) => {
            out.extend_from_slice(text.as_bytes());
        }
        Some(ExampleValue::Text(text)) => match ty {
            // Of a column that has nothing else, a cell is what it reads as.
            ColumnType::Int | ColumnType::Double | ColumnType::Bool => {
                out.extend_from_slice(text.as_bytes());
            }
            ColumnType::Text => push_json_text(text.as_bytes(), out),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn columns() -> Vec<ExampleColumn> {
        let column = |name: &str, ty| ExampleColumn { name: name.to_owned(), ty };
        vec![column("id", ColumnType::Text), column("label", ColumnType::Int)]
    }

    fn features() -> (Vec<FeatureColumn>, Vec<Column>) {
        let feature = |name: &str, ty| FeatureColumn { name: name.to_owned(), ty };
        let names = vec![feature("n", Type::Int), feature("a, b", Type::Text)];
        let mut columns = vec![Column::default(); 2];
        columns[0].push_int(3);
        columns[1].push_bytes(b"say \"x\"");
        columns[0].push_null();
        columns[1].push_bytes(b"");
        (names, columns)
    }

    fn written(form: ExampleForm, format: Format, header: Option<&str>, raw: &str) -> String {
        let (columns, (names, values)) = (columns(), features());
        let mut file = ExampleFile::new(Vec::new(), form, format, (&columns, "t"), &names).unwrap();
        file.begin(header).unwrap();
        let text = |text: &'static str| Some(ExampleValue::Text(Cow::Borrowed(text)));
        for at in 0..2 {
            let values_of_row = vec![text("a;b"), text("007").filter(|_| at == 1).or(text("1"))];
            let row = SpineRow { raw: raw.as_bytes(), values: values_of_row };
            file.write(&row, &values.iter().collect::<Vec<_>>(), at).unwrap();
        }
        String::from_utf8(file.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_row_of_the_same_form_stays_as_it_is() {
        let csv = Format::Csv { delimiter: b';' };
        let form = ExampleForm::Csv { delimiter: b';' };
        let expected = "id ;label;n;a, b\n\"x\"; 1;3;\"say \"\"x\"\"\"\n\"x\"; 1;;\"\"\n";
        assert_eq!(written(form, csv, Some("id ;label\r"), "\"x\"; 1\r"), expected);
        let expected = "{ \"id\" : 1 ,\"n\":3,\"a, b\":\"say \\\"x\\\"\"}\n\
                        { \"id\" : 1 ,\"n\":null,\"a, b\":\"\"}\n";
        assert_eq!(
            written(ExampleForm::JsonLines, Format::Json, None, " { \"id\" : 1 } "),
            expected
        );
        let begun = written(ExampleForm::JsonLines, Format::Json, None, "{ }");
        assert!(begun.starts_with("{ \"n\":3,"), "{begun}");
    }

    #[test]
    fn a_row_of_another_form_keeps_its_values() {
        let csv = ExampleForm::Csv { delimiter: b';' };
        assert_eq!(
            written(csv, Format::Json, None, ""),
            "id;label;n;a, b\n\"a;b\";1;3;\"say \"\"x\"\"\"\n\"a;b\";007;;\"\"\n"
        );
        let json = written(ExampleForm::JsonLines, Format::Csv { delimiter: b',' }, None, "");
        assert!(json.starts_with("{\"id\":\"a;b\",\"label\":1,\"n\":3,"), "{json}");
    }
}
