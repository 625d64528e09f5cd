//! Blocks of bytes, split into lines.

use super::RecordFile;
use std::io::{self, Read};
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};

/// How much is read at once, in bytes.
pub(super) const BLOCK_BYTES: usize = 1 << 17;

/// A file, read block by block.
pub(super) struct Blocks<R> {
    from: R,
    block_bytes: usize,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub fn new(from: R) -> Self {
        Self::of(from, BLOCK_BYTES)
    }

    /// Of blocks of so many bytes.
    pub fn of(from: R, block_bytes: usize) -> Self {
        Self { from, block_bytes, ended: false }
    }

    /// Whether the end has been read.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Appends the next block to `bytes`; false at the end.
    pub fn read(&mut self, bytes: &mut Vec<u8>) -> io::Result<bool> {
        bytes.reserve(self.block_bytes);
        let read = (&mut self.from).take(self.block_bytes as u64).read_to_end(bytes)?;
        self.ended = read == 0;
        Ok(!self.ended)
    }
}

/// See the module.
pub(super) struct LineReader<R> {
    blocks: Blocks<R>,
    /// The beginning of a line whose end has not been read, or lines that have not been split.
    begun: Vec<u8>,
    /// The number of that line.
    line: u64,
    /// Where that line begins, in bytes of the decompressed contents.
    at: u64,
    record_bytes_max: usize,
}

impl<R: Read> LineReader<R> {
    pub fn new(from: R, record_bytes_max: usize) -> Self {
        Self::of_blocks(Blocks::new(from), record_bytes_max)
    }

    pub fn of_blocks(blocks: Blocks<R>, record_bytes_max: usize) -> Self {
        Self { blocks, begun: Vec::new(), line: 0, at: 0, record_bytes_max }
    }

    /// Reads on until at least one line has ended, and splits what there is.
    fn block(&mut self) -> io::Result<RawBatch> {
        let mut bytes = std::mem::take(&mut self.begun);
        let mut searched = 0;
        let end = loop {
            if !self.blocks.read(&mut bytes)? {
                break bytes.len();
            }
            let fresh = bytes.get(searched..).unwrap_or_default();
            if let Some(last) = memchr::memrchr(b'\n', fresh) {
                break searched + last + 1;
            }
            searched = bytes.len();
            // Of what ends a line a byte may be there already.
            if searched > self.record_bytes_max.saturating_add(1) {
                return self.long_line(bytes);
            }
        };
        self.begun.extend_from_slice(bytes.get(end..).unwrap_or_default());
        bytes.truncate(end);
        let records = self.split(&bytes);
        self.at += end as u64;
        Ok(RawBatch { bytes, records, ..RawBatch::default() })
    }

    /// The line that `bytes` is the beginning of, which is longer than a record may be: of all that
    /// follows nothing is kept but its length.
    fn long_line(&mut self, mut bytes: Vec<u8>) -> io::Result<RawBatch> {
        let (mut length, mut last) = (bytes.len(), bytes.last().copied());
        let mut end_bytes = 0;
        bytes.truncate(self.record_bytes_max);
        let mut block = Vec::new();
        while self.blocks.read(&mut block)? {
            let end = memchr::memchr(b'\n', &block);
            let line = block.get(..end.unwrap_or(block.len())).unwrap_or_default();
            length += line.len();
            last = line.last().copied().or(last);
            if let Some(end) = end {
                end_bytes = 1;
                self.begun.extend_from_slice(block.get(end + 1..).unwrap_or_default());
                break;
            }
            block.clear();
        }
        self.at += (length + end_bytes) as u64;
        length -= usize::from(last == Some(b'\r'));
        let record = RawRecord {
            offset: self.line,
            value: Some(0..bytes.len()),
            left_out: length - bytes.len(),
            ..RawRecord::default()
        };
        self.line += 1;
        Ok(RawBatch { bytes, records: vec![record], ..RawBatch::default() })
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
                let kept = line.len().min(self.record_bytes_max);
                records.push(RawRecord {
                    offset: self.line,
                    value: Some(start..start + kept),
                    left_out: line.len() - kept,
                    ..RawRecord::default()
                });
            }
            self.line += 1;
            start = end + 1;
        }
        records
    }
}

impl<R: Read> RecordFile for LineReader<R> {
    fn place(&self) -> String {
        format!("line {} (byte {})", self.line, self.at)
    }

    fn read_on(&mut self) -> io::Result<Option<RawBatch>> {
        (!self.blocks.ended()).then(|| self.block()).transpose()
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.first().is_none_or(u8::is_ascii_whitespace) && line.trim_ascii().is_empty()
}
