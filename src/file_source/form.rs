//! What a file is, told by its first bytes, whatever its name is.
//!
//! It serves to say what is wrong with a file before its first record is judged: read as lines, a
//! file of another form is nothing but malformed records. What could be a damaged first line of a
//! file of JSON lines is never taken for anything else.

use std::io::{self, Read};

/// How many bytes are looked at, at most.
pub const HEAD_BYTES_MAX: usize = 4_096;
/// How many lines are looked at to tell CSV.
const HEAD_LINES: usize = 2;
/// What some editors and exports put before UTF-8.
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A form that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// None of the others: lines, as far as can be told.
    Lines,
    /// An Avro object container.
    Avro,
    /// Compressed by zstd.
    Zstd,
    /// Compressed by gzip.
    Gzip,
    /// Compressed by bzip2.
    Bzip2,
    /// Compressed by xz.
    Xz,
    /// A zip archive.
    Zip,
    /// Parquet columns.
    Parquet,
    /// ORC columns.
    Orc,
    /// An Arrow or Feather file.
    Arrow,
    /// Text in UTF-16 or UTF-32.
    Utf16,
    /// One JSON array that holds the records.
    JsonArray,
    /// Text in columns, behind a line with their names.
    Csv,
}

/// By what a form begins with.
const MAGIC: [(&[u8], Form); 14] = [
    (b"Obj\x01", Form::Avro),
    (b"\x28\xb5\x2f\xfd", Form::Zstd),
    (b"\x1f\x8b", Form::Gzip),
    (b"BZh", Form::Bzip2),
    (b"\xfd7zXZ\0", Form::Xz),
    (b"PK\x03\x04", Form::Zip),
    (b"PAR1", Form::Parquet),
    (b"PARE", Form::Parquet),
    (b"ORC", Form::Orc),
    (b"ARROW1", Form::Arrow),
    (b"\xff\xfe", Form::Utf16),
    (b"\xfe\xff", Form::Utf16),
    (b"{\0", Form::Utf16),
    (b"\0{", Form::Utf16),
];

impl Form {
    /// The form of what begins with `head`: its first [`HEAD_BYTES_MAX`] bytes or two lines.
    pub fn of(head: &[u8]) -> Form {
        if let Some((_, form)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
            return *form;
        }
        let skippable = matches!(head, [first, 0x2a, 0x4d, 0x18, ..] if first & 0xf0 == 0x50);
        let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
        match () {
            () if skippable => Form::Zstd,
            () if is_array(text) => Form::JsonArray,
            () if is_csv(text) => Form::Csv,
            () => Form::Lines,
        }
    }

    /// What it is, and what makes JSON lines of `file`; `None` where there is nothing to be said.
    pub fn remedy(self, file: &str) -> Option<(&'static str, String)> {
        self.pattern().map(|(what, remedy)| (what, remedy.replace("FILE", file)))
    }

    fn pattern(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Form::Lines => return None,
            Form::Avro => ("an Avro object container", "say `format = \"avro\"` in its source"),
            Form::Zstd => ("compressed by zstd", "zstd -dc FILE | tidemark .. --source NAME=-"),
            Form::Gzip => ("compressed by gzip", "gzip -dc FILE | tidemark .. --source NAME=-"),
            Form::Bzip2 => ("compressed by bzip2", "bzip2 -dc FILE | tidemark .. --source NAME=-"),
            Form::Xz => ("compressed by xz", "xz -dc FILE | tidemark .. --source NAME=-"),
            Form::Zip => ("a zip archive", "unzip -p FILE | tidemark .. --source NAME=-"),
            Form::Parquet => {
                ("Parquet", "duckdb -c \"copy (from 'FILE') to 'FILE.jsonl' (format json)\"")
            }
            Form::Orc => ("ORC", "export it as JSON lines"),
            Form::Arrow => ("an Arrow file", "export it as JSON lines"),
            Form::Utf16 => ("UTF-16 text", "iconv -f UTF-16 -t UTF-8 FILE > FILE.utf8"),
            Form::JsonArray => ("one JSON array", "jq -c '.[]' FILE > FILE.jsonl"),
            Form::Csv => ("CSV", "say `format = \"csv\"` in its source"),
        })
    }
}

/// Whether the text is an array of objects: a line that is an array of something else is a wrong
/// record.
fn is_array(text: &[u8]) -> bool {
    let Some(inside) = text.trim_ascii_start().strip_prefix(b"[") else { return false };
    let first_line = inside.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let broken_line = first_line.trim_ascii().is_empty() && first_line.len() < inside.len();
    inside.trim_ascii_start().starts_with(b"{") || broken_line
}

/// Whether the first line names columns, and the second has as many that are no record.
fn is_csv(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text.get(..text.len().min(HEAD_BYTES_MAX)).unwrap_or(text))
    else {
        return false;
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let (Some(header), second) = (lines.next(), lines.next()) else { return false };
    [',', ';', '\t', '|'].into_iter().any(|separator| {
        let names = header.split(separator);
        let columns = names.clone().count();
        let second = second.is_none_or(|line| {
            !line.trim_start().starts_with(['{', '[']) && line.split(separator).count() >= columns
        });
        columns > 1 && names.clone().all(is_name) && second
    })
}

/// Whether it could name a column.
fn is_name(text: &str) -> bool {
    let name = text.trim().trim_matches('"');
    let mut chars = name.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || "_.- ".contains(c))
        && name.len() <= 100
}

/// Reads as much as [`Form::of`] needs and no more, so that a pipe is not waited for.
///
/// # Errors
/// When reading fails.
pub fn head(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES_MAX];
    let mut length = 0;
    while let Some(rest) = head.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        }
        let read = head.get(..length).unwrap_or_default();
        let ends = read.iter().filter(|byte| **byte == b'\n').count();
        let text = read.strip_prefix(BYTE_ORDER_MARK).unwrap_or(read).trim_ascii_start();
        let record = text.starts_with(b"{") && !text.starts_with(b"{\0");
        if ends >= HEAD_LINES || (record && ends > 0) {
            break;
        }
    }
    head.truncate(length);
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_by_their_first_bytes() {
        for (head, form) in [
            (&b"\x1f\x8b\x08\0"[..], Form::Gzip),
            (b"PAR1\x15\x04", Form::Parquet),
            (b"Obj\x01\x04", Form::Avro),
            (b"\x28\xb5\x2f\xfd\x04", Form::Zstd),
            (b"\x5a\x2a\x4d\x18", Form::Zstd),
            (b"\xff\xfe{\0\"\0", Form::Utf16),
            (b"\xfe\xff\0{", Form::Utf16),
            (b"{\0\"\0a\0", Form::Utf16),
            (b"[{\"a\":1},{\"a\":2}]", Form::JsonArray),
            (b"[\n  {\"a\":1},\n", Form::JsonArray),
            (b" \n[\r\n", Form::JsonArray),
            (b"\xef\xbb\xbf[{", Form::JsonArray),
            (b"card_id,amount\nc1,10\n", Form::Csv),
            (b"\xef\xbb\xbf\"card id\";\"amount\"\r\nc1;10\r\n", Form::Csv),
            (b"a\tb\n1\t2\n", Form::Csv),
            (b"card_id,amount\n", Form::Csv),
        ] {
            assert_eq!(Form::of(head), form, "{}", head.escape_ascii());
            assert!(form == Form::Lines || form.remedy("a").is_some());
        }
    }

    #[test]
    fn a_damaged_first_line_is_a_record_all_the_same() {
        for head in [
            &b""[..],
            b"{\"a\":1}\n{\"a\":2}\n",
            b"\xef\xbb\xbf{\"a\":1}\n",
            b"{\"a\":1,\"b\"",
            b"[1,2]\n{\"a\":1}\n",
            b"[]\n",
            b"[[[[[",
            b"not json\n{\"a\":1}\n",
            b"hello, world\n{\"a\":1}\n",
            b"1,2\n3,4\n",
            b"{1}\n",
            b"\xff\x00\n",
            b"\n\n\n",
            b"0\n1\n",
        ] {
            assert_eq!(Form::of(head), Form::Lines, "{}", head.escape_ascii());
        }
    }

    /// Gives a line at a time, and fails when it is asked for more than there is.
    struct Pipe(Vec<&'static [u8]>);

    impl Read for Pipe {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "the pipe is waited for");
            let line = self.0.remove(0);
            into[..line.len()].copy_from_slice(line);
            Ok(line.len())
        }
    }

    #[test]
    fn a_pipe_is_not_waited_for_once_there_is_a_record() {
        let line: &[u8] = b"{\"a\":1}\n";
        assert_eq!(head(Pipe(vec![line])).unwrap(), line);
        assert_eq!(head(Pipe(vec![b"x,y\n", b"1,2\n"])).unwrap(), b"x,y\n1,2\n");
    }
}
