//! Blocks of bytes, split into lines.

use super::LINE_BYTES_MAX;
use std::io::{self, Read};
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};

/// How much is read at once, in bytes.
pub(super) const BLOCK_BYTES: usize = 1 << 18;

/// See the module.
pub(super) struct LineReader<R> {
    from: R,
    /// The beginning of a line whose end has not been read.
    begun: Vec<u8>,
    /// The number of that line.
    line: u64,
    /// Where that line begins, in bytes of the decompressed contents.
    at: u64,
    ended: bool,
    block_bytes: usize,
    line_bytes_max: usize,
}

impl<R: Read> LineReader<R> {
    pub fn new(from: R) -> Self {
        Self::with_sizes(from, BLOCK_BYTES, LINE_BYTES_MAX)
    }

    pub fn with_sizes(from: R, block_bytes: usize, line_bytes_max: usize) -> Self {
        let (begun, line, at, ended) = (Vec::new(), 0, 0, false);
        Self { from, begun, line, at, ended, block_bytes, line_bytes_max }
    }

    /// Where reading stands, for messages.
    pub fn place(&self) -> String {
        format!("line {} (byte {})", self.line, self.at)
    }

    /// The records of the next block that has any, or `None` at the end.
    pub fn next_batch(&mut self) -> io::Result<Option<RawBatch>> {
        while !self.ended {
            let batch = self.block()?;
            if !batch.records.is_empty() {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Reads on until at least one line has ended, and splits what there is.
    fn block(&mut self) -> io::Result<RawBatch> {
        let mut bytes = std::mem::take(&mut self.begun);
        let mut searched = 0;
        let end = loop {
            bytes.reserve(self.block_bytes);
            let read = (&mut self.from).take(self.block_bytes as u64).read_to_end(&mut bytes)?;
            if read == 0 {
                self.ended = true;
                break bytes.len();
            }
            let fresh = bytes.get(searched..).unwrap_or_default();
            if let Some(last) = memchr::memrchr(b'\n', fresh) {
                break searched + last + 1;
            }
            searched = bytes.len();
            if searched > self.line_bytes_max {
                let limit = self.line_bytes_max;
                let text = format!("the line is longer than {limit} bytes; is this JSON lines?");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        };
        self.begun.extend_from_slice(bytes.get(end..).unwrap_or_default());
        bytes.truncate(end);
        let records = self.split(&bytes);
        self.at += end as u64;
        Ok(RawBatch { bytes, records, ..RawBatch::default() })
    }

    /// The records in whole lines (and, at the end, a last one without an end).
    fn split(&mut self, bytes: &[u8]) -> Vec<RawRecord> {
        let mut records = Vec::with_capacity(bytes.len() / 128 + 1);
        let mut start = 0;
        let unended = (!bytes.is_empty() && !bytes.ends_with(b"\n")).then_some(bytes.len());
        for end in memchr::memchr_iter(b'\n', bytes).chain(unended) {
            let line = bytes.get(start..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !is_blank(line) {
                records.push(RawRecord {
                    offset: self.line,
                    key: None,
                    value: Some(start..start + line.len()),
                    ..RawRecord::default()
                });
            }
            self.line += 1;
            start = end + 1;
        }
        records
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.first().is_none_or(u8::is_ascii_whitespace) && line.trim_ascii().is_empty()
}
