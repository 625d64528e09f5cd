//! Avro object containers: blocks of records behind a header that has their schema.

use super::RecordFile;
use super::lines::BLOCK_BYTES;
use crate::file_source::codec::{Codec, wrong};
use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use tidemark_operators::ingest::decode::avro::{Extents, SCHEMA_BYTES_MAX};
use tidemark_operators::ingest::reader::{RawBatch, RawRecord};

/// What a container begins with.
pub(super) const MAGIC: [u8; 4] = *b"Obj\x01";
/// The longest block, in bytes, before and after decompression (64 MiB).
pub(super) const CONTAINER_BLOCK_BYTES_MAX: usize = 64 << 20;
/// What is read of the file at once, in bytes.
const READ_BYTES: usize = 1 << 16;
/// The most records of a batch, however short they are.
pub(super) const BATCH_RECORDS_MAX: usize = 1 << 16;
/// The most entries of a header, and their most bytes.
const HEADER_ENTRIES_MAX: usize = 1_024;
const HEADER_BYTES_MAX: usize = SCHEMA_BYTES_MAX * 2;

type Sync = [u8; 16];

/// See the module.
pub(super) struct Container<R> {
    from: Counting<R>,
    schema: Arc<str>,
    codec: Codec,
    sync: Sync,
    extents: Extents,
    /// The number of the next record.
    record: u64,
    /// Where the block that is being read begins, in bytes.
    block: u64,
    rest: Rest,
}

/// What has still to be handed over of a block.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    at: usize,
    count: u64,
}

impl<R: Read> Container<R> {
    /// Reads the header, which begins behind the [`MAGIC`].
    pub fn new(from: R) -> io::Result<Self> {
        let mut from =
            Counting { from: BufReader::with_capacity(READ_BYTES, from), at: MAGIC.len() as u64 };
        let mut header = from.header()?;
        let mut sync = Sync::default();
        from.fill(&mut sync)?;
        let schema =
            header.remove("avro.schema").ok_or_else(|| wrong("its header has no schema"))?;
        let schema = String::from_utf8(schema).map_err(|_| wrong("its schema is not UTF-8"))?;
        let codec = Codec::named(&header.remove("avro.codec").unwrap_or_default())?;
        let extents =
            Extents::new(&schema).map_err(|why| wrong(format!("its schema cannot be read: {why}")));
        let block = from.at;
        let (schema, extents, rest) = (schema.into(), extents?, Rest::default());
        Ok(Self { from, schema, codec, sync, extents, record: 0, block, rest })
    }

    fn block(&mut self) -> io::Result<()> {
        self.block = self.from.at;
        let count = self.from.long()?;
        let count = u64::try_from(count).map_err(|_| wrong("a block of less than no records"))?;
        let size = self.from.length(CONTAINER_BLOCK_BYTES_MAX)?;
        let data = self.from.take(size)?;
        let mut sync = Sync::default();
        self.from.fill(&mut sync)?;
        if sync != self.sync {
            return Err(wrong("the block does not end with the mark of the file"));
        }
        (self.rest.at, self.rest.count) = (0, count);
        self.rest.bytes.clear();
        self.codec.decompress(data, &mut self.rest.bytes)
    }

    /// Moves records of the block to `batch`, as many as there is room for.
    fn split(&mut self, batch: &mut RawBatch) -> io::Result<()> {
        let rest = &mut self.rest;
        let start = rest.at;
        while rest.count > 0 && has_room(batch, rest.at - start) {
            let left = rest.bytes.get(rest.at..).unwrap_or_default();
            let length = self.extents.of(left).map_err(|error| wrong(error.to_string()))?;
            if length == 0 {
                return Err(wrong("a record of no bytes, which has no event time"));
            }
            let from = batch.bytes.len() + rest.at - start;
            let value = Some(from..from + length);
            batch.records.push(RawRecord { offset: self.record, value, ..RawRecord::default() });
            rest.at += length;
            rest.count -= 1;
            self.record += 1;
        }
        batch.bytes.extend_from_slice(rest.bytes.get(start..rest.at).unwrap_or_default());
        match rest.bytes.len() - rest.at {
            left if rest.count == 0 && left > 0 => {
                Err(wrong(format!("{left} bytes are left behind the block's last record")))
            }
            _ => Ok(()),
        }
    }
}

impl<R: Read> RecordFile for Container<R> {
    fn place(&self) -> String {
        format!("record {} (in the block at byte {})", self.record, self.block)
    }

    /// A long block comes in several batches: what a record takes beside its bytes is bounded too.
    fn read_on(&mut self) -> io::Result<Option<RawBatch>> {
        let mut batch = RawBatch { schema: Some(Arc::clone(&self.schema)), ..RawBatch::default() };
        while has_room(&batch, 0) {
            if self.rest.count == 0 {
                if self.from.ended()? {
                    break;
                }
                self.block()?;
            }
            self.split(&mut batch)?;
        }
        Ok((!batch.records.is_empty()).then_some(batch))
    }
}

/// Whether a batch to which `more` bytes have still to be added takes another record.
fn has_room(batch: &RawBatch, more: usize) -> bool {
    batch.bytes.len() + more < BLOCK_BYTES && batch.records.len() < BATCH_RECORDS_MAX
}

/// What is read, and how far.
struct Counting<R> {
    from: BufReader<R>,
    at: u64,
}

impl<R: Read> Counting<R> {
    fn ended(&mut self) -> io::Result<bool> {
        Ok(self.from.fill_buf()?.is_empty())
    }

    fn fill(&mut self, into: &mut [u8]) -> io::Result<()> {
        self.from.read_exact(into).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => wrong("it ends in the middle of a block"),
            _ => error,
        })?;
        self.at += into.len() as u64;
        Ok(())
    }

    /// An Avro long.
    fn long(&mut self) -> io::Result<i64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.fill(&mut byte)?;
            let [byte] = byte;
            // Of the tenth byte one bit is left.
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(wrong("a number of more than 64 bits"))
    }

    /// A length of at most `max`.
    fn length(&mut self, max: usize) -> io::Result<usize> {
        let length = self.long()?;
        let fits = usize::try_from(length).ok().filter(|length| *length <= max);
        fits.ok_or_else(|| wrong(format!("{length} bytes, where 0 to {max} may be")))
    }

    /// The next bytes. Memory is taken as they come, whatever `length` says.
    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.from).take(length as u64).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        if bytes.len() < length {
            return Err(wrong("it ends in the middle of a block"));
        }
        Ok(bytes)
    }

    /// The entries of the header.
    fn header(&mut self) -> io::Result<HashMap<String, Vec<u8>>> {
        let mut entries = HashMap::new();
        let (mut left, mut read) = (HEADER_BYTES_MAX, 0);
        loop {
            let count = self.long()?;
            match count {
                0 => return Ok(entries),
                ..0 => drop(self.long()?),
                _ => {}
            }
            for _ in 0..count.unsigned_abs() {
                read += 1;
                if read > HEADER_ENTRIES_MAX {
                    return Err(wrong(format!("more than {HEADER_ENTRIES_MAX} header entries")));
                }
                let length = self.length(left)?;
                let key = self.take(length)?;
                left -= length;
                let length = self.length(left)?;
                let value = self.take(length)?;
                left -= length;
                entries.insert(String::from_utf8_lossy(&key).into_owned(), value);
            }
        }
    }
}
