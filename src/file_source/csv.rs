//! Files of CSV, split into records.

use super::RecordFile;
use super::codec::wrong;
use super::lines::Blocks;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use tidemark_operators::ingest::decode::csv::{Splitter, is_quoted, names};
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};

/// See the module.
pub(super) struct CsvReader<R> {
    blocks: Blocks<R>,
    delimiter: u8,
    splitter: Splitter,
    header: Arc<str>,
    /// What was read and not yet handed over: the beginning of a record, without line ends before it.
    begun: Vec<u8>,
    /// How much of that the splitter has seen.
    seen: usize,
    /// The number of that record.
    record: u64,
    /// The line on which it begins, from 1.
    line: u64,
    record_bytes_max: usize,
}

impl<R: Read> CsvReader<R> {
    /// Reads the header. Nothing is kept of a record beyond `record_bytes_max`.
    pub fn new(from: R, delimiter: u8, record_bytes_max: usize) -> io::Result<Self> {
        Self::of_blocks(Blocks::new(from), delimiter, record_bytes_max)
    }

    pub fn of_blocks(
        blocks: Blocks<R>,
        delimiter: u8,
        record_bytes_max: usize,
    ) -> io::Result<Self> {
        let mut csv = Self {
            blocks,
            delimiter,
            splitter: Splitter::new(delimiter),
            header: "".into(),
            begun: Vec::new(),
            seen: 0,
            record: 0,
            line: 1,
            record_bytes_max,
        };
        let header = csv.first()?;
        let header = String::from_utf8(header).map_err(|_| wrong("its header is not UTF-8"))?;
        names(&header, delimiter).map_err(wrong)?;
        csv.header = header.into();
        Ok(csv)
    }

    /// The first record: the header.
    fn first(&mut self) -> io::Result<Vec<u8>> {
        let (mut bytes, mut seen) = (Vec::new(), 0);
        loop {
            let more = self.blocks.read(&mut bytes)?;
            let end = self.splitter.end(bytes.get(seen..).unwrap_or_default());
            let blank = line_ends(&bytes);
            match end.map(|length| seen + length) {
                Some(end) => {
                    self.begun = bytes.split_off(end);
                    self.line += newlines(&bytes);
                    bytes.truncate(end - 1);
                }
                None if !more && blank == bytes.len() => {
                    return Err(wrong("it is empty, and CSV begins with a line of names"));
                }
                None if !more && !self.splitter.finish() => return Err(self.unclosed()),
                None if !more => {}
                None if bytes.len() > self.record_bytes_max => {
                    let limit = self.record_bytes_max;
                    return Err(wrong(format!(
                        "its first line, the header, has over {limit} bytes"
                    )));
                }
                None => {
                    seen = bytes.len();
                    continue;
                }
            }
            bytes.drain(..blank);
            return Ok(bytes);
        }
    }

    /// Reads on, and splits what there is.
    fn block(&mut self) -> io::Result<RawBatch> {
        let mut bytes = std::mem::take(&mut self.begun);
        let more = self.blocks.read(&mut bytes)?;
        let mut records = Vec::with_capacity(bytes.len() / 128 + 1);
        let (mut start, mut at) = (0, self.seen);
        while let Some(length) = self.splitter.end(bytes.get(at..).unwrap_or_default()) {
            at += length;
            start += self.skip_line_ends(bytes.get(start..).unwrap_or_default());
            records.push(self.cut(start..at - 1));
            self.line += newlines(bytes.get(start..at).unwrap_or_default());
            start = at;
        }
        start += self.skip_line_ends(bytes.get(start..).unwrap_or_default());
        let rest = start..bytes.len();
        if !more && !rest.is_empty() {
            if !self.splitter.finish() {
                return Err(self.unclosed());
            }
            records.push(self.cut(rest));
        } else {
            self.begun.extend_from_slice(bytes.get(rest).unwrap_or_default());
            bytes.truncate(start);
        }
        self.seen = self.begun.len();
        let schema = Some(Arc::clone(&self.header));
        let mut batch = RawBatch { bytes, records, schema, ..RawBatch::default() };
        if self.begun.len() > self.record_bytes_max {
            self.long_record(&mut batch)?;
        }
        Ok(batch)
    }

    /// How many bytes of line ends `bytes` begins with, which are no record's.
    fn skip_line_ends(&mut self, bytes: &[u8]) -> usize {
        let blank = line_ends(bytes);
        self.line += newlines(bytes.get(..blank).unwrap_or_default());
        blank
    }

    /// The next record, which is at `range` of the batch.
    fn cut(&mut self, range: Range<usize>) -> RawRecord {
        let kept = range.len().min(self.record_bytes_max);
        let value = Some(range.start..range.start + kept);
        let (offset, left_out) = (self.record, range.len() - kept);
        self.record += 1;
        RawRecord { offset, value, left_out, ..RawRecord::default() }
    }

    /// The record that has begun, which is longer than one may be: of all that follows nothing is kept
    /// but its length.
    fn long_record(&mut self, batch: &mut RawBatch) -> io::Result<()> {
        if is_quoted(&self.begun, self.delimiter) {
            let (line, limit) = (self.line, self.record_bytes_max);
            return Err(wrong(format!(
                "the record that begins on line {line} has over {limit} bytes and stands inside of \
                 quotes: a quote is not closed, or `[limits] record_bytes_max` is too small"
            )));
        }
        let mut kept = std::mem::take(&mut self.begun);
        let (mut length, mut lines) = (kept.len(), newlines(&kept));
        kept.truncate(self.record_bytes_max);
        self.seen = 0;
        let mut block = Vec::new();
        loop {
            block.clear();
            if !self.blocks.read(&mut block)? {
                if !self.splitter.finish() {
                    return Err(self.unclosed());
                }
                break;
            }
            if let Some(end) = self.splitter.end(&block) {
                self.begun.extend_from_slice(block.get(end..).unwrap_or_default());
                block.truncate(end);
                length += end - 1;
                lines += newlines(&block);
                break;
            }
            length += block.len();
            lines += newlines(&block);
        }
        let start = batch.bytes.len();
        let record = self.cut(start..start + length);
        batch.bytes.extend_from_slice(&kept);
        batch.records.push(record);
        self.line += lines;
        Ok(())
    }

    fn unclosed(&self) -> io::Error {
        let line = self.line;
        wrong(format!(
            "a quote in the record that begins on line {line} is not closed before the file ends"
        ))
    }
}

impl<R: Read> RecordFile for CsvReader<R> {
    fn place(&self) -> String {
        format!("line {} (record {})", self.line, self.record)
    }

    fn read_on(&mut self) -> io::Result<Option<RawBatch>> {
        (!self.blocks.ended()).then(|| self.block()).transpose()
    }
}

/// How many bytes of line ends it begins with.
pub(crate) fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
