//! The headers of a Parquet file, looked over before anything is made of what they claim: a few bytes of
//! them can claim any number of columns, values and bytes.
//!
//! Bounds: [`FOOTER_BYTES_MAX`], [`COLUMNS_MAX`] flat columns, [`OPEN_PAGES_BYTES_MAX`] for the pages
//! that are open at once. Encodings whose values may be much longer than their bytes are refused.

use super::thrift::{Thrift, kind};
use crate::file_source::codec::wrong;
use crate::text::printable;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use tidemark_operators::ingest::decode::csv::COLUMNS_MAX;

/// The longest footer, in bytes (16 MiB).
pub const FOOTER_BYTES_MAX: u64 = 16 << 20;
/// How many bytes the pages of all columns have at most that are open at once (256 MiB): of each
/// column the longest page of a row group and its dictionary.
pub const OPEN_PAGES_BYTES_MAX: u64 = 256 << 20;
/// The longest header of a page, in bytes.
const PAGE_HEADER_BYTES_MAX: usize = 1 << 20;
/// What is read of one at first.
const PAGE_HEADER_BYTES: usize = 1 << 10;
/// What a file begins and ends with.
const MAGIC: &[u8; 4] = b"PAR1";
/// What it ends with where all of it is encrypted.
const ENCRYPTED: &[u8; 4] = b"PARE";
/// Values that are the beginning of the one before: a few bytes make values of any length.
const DELTA_BYTE_ARRAY: i64 = 7;
/// Lengths apart from their values.
const DELTA_LENGTH_BYTE_ARRAY: i64 = 6;

/// Looks over the footer of a file of `length` bytes.
pub fn check_footer(file: &File, length: u64) -> io::Result<()> {
    let cut =
        || wrong("it does not end as Parquet does: it was cut off, or is still being written");
    let mut tail = [0; 8];
    let end = length.checked_sub(8).filter(|end| *end >= 4).ok_or_else(cut)?;
    let mut head = [0; 4];
    file.read_exact_at(&mut head, 0)?;
    if head != *MAGIC && head != *ENCRYPTED {
        return Err(wrong("it is Parquet within gzip or zstd, which is not read; expand it first"));
    }
    file.read_exact_at(&mut tail, end)?;
    let [a, b, c, d, magic @ ..] = tail;
    if magic == *ENCRYPTED {
        return Err(wrong("it is encrypted Parquet, which is not read; write it without"));
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    let start = end.checked_sub(footer).filter(|start| *start >= 4 && magic == *MAGIC);
    let start = start.ok_or_else(cut)?;
    if footer > FOOTER_BYTES_MAX {
        return Err(wrong(format!(
            "its footer has {footer} bytes, and {FOOTER_BYTES_MAX} is the limit; write it with fewer \
             row groups"
        )));
    }
    let mut bytes = vec![0; usize::try_from(footer).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, start)?;
    match schema(&bytes) {
        Some(checked) => checked,
        None => Err(wrong("its footer is damaged")),
    }
}

/// Whether the columns of a footer are flat and not too many; `None`: it cannot be read.
fn schema(footer: &[u8]) -> Option<io::Result<()>> {
    let mut read = Thrift::new(footer);
    let mut last = 0;
    while let Some(kind) = read.field(&mut last)? {
        if last == 2 {
            return columns(&mut read);
        }
        read.skip(kind)?;
    }
    None
}

/// The same of the list of what a schema has: its root, and behind it the columns.
fn columns(read: &mut Thrift<'_>) -> Option<io::Result<()>> {
    let (_, elements) = read.list()?;
    let columns = elements.checked_sub(1)?;
    if columns == 0 || columns > COLUMNS_MAX as u64 {
        let why = format!("it has {columns} columns, and 1 to {COLUMNS_MAX} may be");
        return Some(Err(wrong(why)));
    }
    let (_, children) = element(read)?;
    for _ in 0..columns {
        let (name, parts) = element(read)?;
        if parts != 0 {
            let name = String::from_utf8_lossy(name);
            return Some(Err(unfit(&name, 0, "it is nested; write its parts as columns")));
        }
    }
    (u64::try_from(children).ok()? == columns).then_some(Ok(()))
}

/// The name of a column, and how many parts it has.
fn element<'b>(read: &mut Thrift<'b>) -> Option<(&'b [u8], i64)> {
    let (mut name, mut parts, mut last) = (&b""[..], 0, 0);
    while let Some(kind) = read.field(&mut last)? {
        match last {
            4 => name = read.binary()?,
            5 => parts = read.int()?,
            _ => read.skip(kind)?,
        }
    }
    Some((name, parts))
}

/// What is wrong with a column.
pub fn unfit(name: &str, group: usize, why: &str) -> io::Error {
    let name = printable(name);
    wrong(format!("column \"{name}\" of row group {group} does not fit: {why}"))
}

/// A column of a row group, for [`check_pages`].
pub struct Chunk {
    /// Its name.
    pub name: String,
    /// Where it begins in the file, in bytes.
    pub start: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Looks over the pages of a row group's columns.
pub fn check_pages(
    file: &File,
    group: usize,
    chunks: impl Iterator<Item = Chunk>,
) -> io::Result<()> {
    let mut open = 0_u64;
    for chunk in chunks {
        open = open.saturating_add(longest_pages(file, group, &chunk)?);
        if open > OPEN_PAGES_BYTES_MAX {
            return Err(wrong(format!(
                "the pages of row group {group} that are open at once have more than \
                 {OPEN_PAGES_BYTES_MAX} bytes; write smaller row groups, or fewer columns"
            )));
        }
    }
    Ok(())
}

/// How many bytes the longest page and the dictionary of a column have together.
fn longest_pages(file: &File, group: usize, chunk: &Chunk) -> io::Result<u64> {
    let name = printable(&chunk.name);
    let damaged = |at| {
        wrong(format!("the page at byte {at} of column \"{name}\" of row group {group} is damaged"))
    };
    let (mut at, mut left) = (chunk.start, chunk.length);
    let (mut dictionary, mut longest) = (0, 0);
    while left > 0 {
        let page = PageHead::read(file, at, left)?.ok_or_else(|| damaged(at))?;
        // A value of a dictionary has a byte at least.
        if page.is_dictionary && page.values > page.bytes {
            return Err(damaged(at));
        }
        if !page.is_dictionary
            && matches!(page.encoding, DELTA_BYTE_ARRAY | DELTA_LENGTH_BYTE_ARRAY)
        {
            let why = "its encoding (delta byte array) is not read; write it plain or as a \
                       dictionary, as pyarrow and DuckDB do unless told otherwise";
            return Err(unfit(&chunk.name, group, why));
        }
        let kept = if page.is_dictionary { &mut dictionary } else { &mut longest };
        *kept = page.bytes.max(page.stored).max(*kept);
        let whole = page.head.saturating_add(page.stored);
        left = left.checked_sub(whole).ok_or_else(|| damaged(at))?;
        at = at.saturating_add(whole);
    }
    Ok(dictionary + longest)
}

/// What the header of a page says.
#[derive(Debug, Default, PartialEq, Eq)]
struct PageHead {
    /// How long the header is, in bytes.
    head: u64,
    /// How many bytes the page has in the file.
    stored: u64,
    /// How many it has when it is expanded.
    bytes: u64,
    is_dictionary: bool,
    values: u64,
    encoding: i64,
}

impl PageHead {
    /// That of the page at byte `at`, of which `left` bytes are left; `None`: it is none.
    fn read(file: &File, at: u64, left: u64) -> io::Result<Option<PageHead>> {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        for most in [PAGE_HEADER_BYTES, PAGE_HEADER_BYTES_MAX] {
            let mut bytes = vec![0; most.min(left)];
            let read = read_at_most(file, &mut bytes, at)?;
            let head = PageHead::of(bytes.get(..read).unwrap_or_default());
            if head.is_some() || most >= left {
                return Ok(head);
            }
        }
        Ok(None)
    }

    fn of(bytes: &[u8]) -> Option<PageHead> {
        let mut read = Thrift::new(bytes);
        let (mut head, mut last) = (PageHead::default(), 0);
        while let Some(kind) = read.field(&mut last)? {
            match (last, kind) {
                (2, _) => head.bytes = u64::try_from(read.int()?).ok()?,
                (3, _) => head.stored = u64::try_from(read.int()?).ok()?,
                (5 | 7 | 8, kind::STRUCT) => {
                    head.is_dictionary = last == 7;
                    // Values and encoding; of the third form there are two more counts between.
                    let encoding = if last == 8 { 4 } else { 2 };
                    head.values(&mut read, encoding)?;
                }
                _ => read.skip(kind)?,
            }
        }
        head.head = read.at() as u64;
        Some(head)
    }

    fn values(&mut self, read: &mut Thrift<'_>, encoding: i64) -> Option<()> {
        let mut last = 0;
        while let Some(kind) = read.field(&mut last)? {
            match last {
                1 => self.values = u64::try_from(read.int()?).ok()?,
                at if at == encoding => self.encoding = read.int()?,
                _ => read.skip(kind)?,
            }
        }
        Some(())
    }
}

/// Reads what there is for `bytes` at `at`: how much.
fn read_at_most(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(read as u64)) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_how_long_it_is_before_it_is_read() {
        // A data page of 100 bytes, 7 stored, of 3 values as a dictionary; then its bytes.
        let bytes = [0x15, 0, 0x15, 200, 1, 0x15, 14, 0x2c, 0x15, 6, 0x15, 16, 0, 0, 9, 9];
        let head = PageHead::of(&bytes).unwrap();
        let is = PageHead {
            head: 14,
            stored: 7,
            bytes: 100,
            is_dictionary: false,
            values: 3,
            encoding: 8,
        };
        assert_eq!(head, is);
        assert_eq!(PageHead::of(&bytes[..13]), None);
    }
}
