//! The format of a file's records, told by what the file begins with: whatever its name is.

use crate::failure::Failure;
use crate::file_source::PeekedFile;
use crate::file_source::csv::line_ends;
use crate::file_source::form::{BYTE_ORDER_MARK, Form};
use crate::text::printable;
use std::path::Path;
use std::sync::Arc;
use tidemark_operators::ingest::decode::csv::{CellReader, Splitter};
use tidemark_operators::ingest::decode::{Conversion, Scalar, conversion};
use tidemark_operators::plan::{Format, ReadOptions, TimeForm, TimeUnit};
use tidemark_operators::value::Type;
use tidemark_operators::zone::Zone;

/// What cells may lie between.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many records are split to see whether they are CSV.
const SPLIT_MAX: usize = 1_000;
/// How long the name of a column is at most, in bytes, where nobody says that it is one.
const NAME_BYTES_MAX: usize = 100;

/// What is said of the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    #[default]
    Nothing,
    /// That they are rows with names: what is not of another form is CSV, however damaged.
    Rows,
    /// JSON lines.
    Json,
    /// A container of Avro.
    Avro,
    /// CSV, and what lies between its cells where that is said.
    Csv(Option<u8>),
}

/// The format of `peeked`, which was opened at `path`.
///
/// # Errors
/// When it cannot be read, or what it begins with is neither asked for nor known: what to do.
pub(super) fn format(
    path: &Path,
    peeked: &mut PeekedFile,
    asked: Asked,
) -> Result<Format, Failure> {
    let file = path.display();
    match asked {
        Asked::Json => return Ok(Format::Json),
        Asked::Avro => return Ok(Format::Avro),
        Asked::Csv(Some(delimiter)) => return Ok(Format::Csv { delimiter }),
        Asked::Csv(None) | Asked::Rows | Asked::Nothing => {}
    }
    let (head, whole) = peeked.head().map_err(Failure::usage)?;
    let form = Form::of(head);
    let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let any_csv = || {
        let split = best(text, whole, |split| split.names.len() > 1);
        Ok(Format::Csv { delimiter: split.map_or(b',', |split| split.delimiter) })
    };
    if asked == Asked::Csv(None) {
        return any_csv();
    }
    match form {
        Form::Avro => return Ok(Format::Avro),
        Form::Lines if is_framed(head) => {
            return Err(Failure::usage(format!(
                "{file} is Avro as a topic has it: its schema is in a schema registry, and {file} \
                 only has the schema's number"
            ))
            .hint(
                "write the records to an Avro object container, or write the job by hand: \
                 `format = \"avro\"` in its source, fields as `tidemark docs avro` says",
            ));
        }
        Form::Lines | Form::Csv if !text.trim_ascii_start().starts_with(b"{") => {}
        // JSON; or another form, which says itself how it becomes JSON where it is read.
        _ => return Ok(Format::Json),
    }
    let Some(split) = best(text, whole, Split::is_table) else {
        let is_csv = asked == Asked::Rows && !text.trim_ascii().is_empty();
        return if is_csv { any_csv() } else { Ok(Format::Json) };
    };
    match split.names.iter().find(|name| is_value(name)) {
        None => Ok(Format::Csv { delimiter: split.delimiter }),
        Some(value) => Err(Failure::usage(format!(
            "{file} is like CSV, and its first line does not name the columns: \"{}\" is a value",
            printable(value)
        ))
        .hint("put a line of names before the first, or say --format csv if that is what it is")),
    }
}

/// Whether it is a record in the framing of a schema registry, and not of JSON.
fn is_framed(head: &[u8]) -> bool {
    matches!(head, [0, 0..=0x7f, _, _, _, first, ..] if *first != b'{')
}

/// A text, split as if its cells lay between `delimiter`s.
struct Split {
    delimiter: u8,
    /// What its first record has.
    names: Vec<String>,
    /// How many records follow.
    records: usize,
    /// How many of them have as many cells.
    alike: usize,
}

impl Split {
    fn of(text: &[u8], whole: bool, delimiter: u8) -> Option<Split> {
        let (mut splitter, mut cells) = (Splitter::new(delimiter), CellReader::new(delimiter));
        let mut split = Split { delimiter, names: Vec::new(), records: 0, alike: 0 };
        let mut rest = text;
        while split.records < SPLIT_MAX {
            let end = splitter.end(rest).or_else(|| whole.then_some(rest.len()));
            let Some((record, after)) = end.and_then(|end| rest.split_at_checked(end)) else {
                break;
            };
            rest = after;
            let record = without_line_ends(record);
            if record.is_empty() {
                if rest.is_empty() {
                    break;
                }
                continue;
            }
            match cells.split(record) {
                Ok(cells) if split.names.is_empty() => {
                    split.names = cells.map(str::to_owned).collect();
                }
                Ok(cells) => {
                    split.records += 1;
                    split.alike += usize::from(cells.count() == split.names.len());
                }
                Err(_) if split.names.is_empty() => return None,
                Err(_) => split.records += 1,
            }
        }
        Some(split)
    }

    /// Whether it is columns with names, as far as can be seen.
    fn is_table(&self) -> bool {
        let named = |name: &&String| !name.trim().is_empty();
        let short = self.names.iter().all(|name| name.len() <= NAME_BYTES_MAX);
        let bracket = self.names.first().is_some_and(|name| name.trim_start().starts_with('['));
        self.names.len() > 1
            && self.names.iter().filter(named).count() + 1 >= self.names.len()
            && short
            && !bracket
            && self.alike * 2 >= self.records
    }
}

/// Of all delimiters by which it is `right` the one that most records bear out, and of these the one
/// that makes most columns.
fn best(text: &[u8], whole: bool, right: impl Fn(&Split) -> bool) -> Option<Split> {
    let splits = DELIMITERS.into_iter().filter_map(|it| Split::of(text, whole, it));
    let splits = splits.filter(right);
    splits.rev().max_by_key(|split| (split.alike == split.records, split.alike, split.names.len()))
}

/// Whether a name of a column would rather be a value: a number, a time or an address.
fn is_value(name: &str) -> bool {
    let text = Scalar::Text(name.trim());
    let reads = |ty: Type, unit: TimeUnit| {
        let time = TimeForm { unit, zone: Some(Arc::new(Zone::utc())), coerce: true };
        let reading = ReadOptions { time, ..ReadOptions::default() };
        matches!(conversion(ty, text, &reading), Conversion::Value(_))
    };
    [Type::Double, Type::Ip].into_iter().any(|ty| reads(ty, TimeUnit::Ms))
        || [TimeUnit::Iso, TimeUnit::Date].into_iter().any(|unit| reads(Type::Timestamp, unit))
}

/// What follows the line ends that it begins with.
fn without_line_ends(bytes: &[u8]) -> &[u8] {
    bytes.get(line_ends(bytes)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<(char, usize)> {
        let split = best(text.as_bytes(), true, Split::is_table)?;
        Some((char::from(split.delimiter), split.names.len()))
    }

    #[test]
    fn columns_are_told_by_what_lies_between_the_same_number_of_cells() {
        for (text, expected) in [
            ("a,b\n1,2\n", Some((',', 2))),
            ("a;b\r\n1,5;2,5\r\n", Some((';', 2))),
            ("a\tb\tc\n1\t2,3\t4", Some(('\t', 3))),
            ("\"a,b\";c\n\"x\ny\";1\n", Some((';', 2))),
            ("金額,größe\n1,2\n", Some((',', 2))),
            (",card_id\n0,c\n", Some((',', 2))),
            ("a,b\n", Some((',', 2))),
            ("a,b|c\n1,2|3\n1|2,3\n", Some((',', 2))),
            // One line is damaged.
            ("a,b,c\n1,2,3\n4,5\n1,2,3\n", Some((',', 3))),
            ("card_id\nc\n", None),
            ("not json\n{\"a\":1}\n", None),
            ("hello, world\n{\"a\":1}\n", None),
            ("[1,2]\n[3,4]\n", None),
            ("", None),
            ("\n\n", None),
            ("a,b,,,\n1,2,3,4,5\n", None),
        ] {
            assert_eq!(told(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_value_names_no_column() {
        for value in [
            "1",
            "-2.50",
            "2026-01-04",
            "2026-01-04T00:02:35Z",
            "192.0.2.7",
            "007",
            "1767484955000",
        ] {
            assert!(is_value(value), "{value}");
        }
        for name in ["amount", "card_id", "Card ID", "2nd", "id.1", "金額", "", "time", "a-1"] {
            assert!(!is_value(name), "{name}");
        }
    }

    #[test]
    fn a_record_of_a_topic_of_avro_is_told_from_one_of_json() {
        assert!(is_framed(b"\0\0\0\0\x07\x02c"));
        assert!(!is_framed(b"\0\0\0\0\x07{\"a\":1}"));
        assert!(!is_framed(b"\0\0\0\0"));
    }
}
