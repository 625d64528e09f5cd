//! How the blocks of a container are compressed.

use super::container::CONTAINER_BLOCK_BYTES_MAX;
use std::io::{self, Read};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Null,
    Deflate,
    Snappy,
    Zstandard,
}

/// A file that is not what it should be.
pub(super) fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Codec {
    /// By its name in the header, where it may be missing.
    pub fn named(name: &[u8]) -> io::Result<Codec> {
        match name {
            b"" | b"null" => Ok(Codec::Null),
            b"deflate" => Ok(Codec::Deflate),
            b"snappy" => Ok(Codec::Snappy),
            b"zstandard" => Ok(Codec::Zstandard),
            other => Err(wrong(format!(
                "it is compressed with \"{}\", and null, deflate, snappy and zstandard can be read: \
                 write it with one of these",
                other.escape_ascii()
            ))),
        }
    }

    /// Appends the block `data` to `into`.
    pub fn decompress(self, data: Vec<u8>, into: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Codec::Null if into.is_empty() => *into = data,
            Codec::Null => into.extend_from_slice(&data),
            Codec::Deflate => bounded(flate2::bufread::DeflateDecoder::new(&*data), into)?,
            Codec::Snappy => return snappy(&data, into),
            Codec::Zstandard => bounded(zstd::stream::read::Decoder::with_buffer(&*data)?, into)?,
        }
        Ok(())
    }
}

fn bounded(from: impl Read, into: &mut Vec<u8>) -> io::Result<()> {
    let limit = CONTAINER_BLOCK_BYTES_MAX;
    let read = from.take(limit as u64 + 1).read_to_end(into)?;
    if read > limit { Err(too_long()) } else { Ok(()) }
}

fn too_long() -> io::Error {
    wrong(format!("a block of more than {CONTAINER_BLOCK_BYTES_MAX} bytes after decompression"))
}

/// Snappy without framing, and behind it a CRC-32 of what was compressed.
fn snappy(data: &[u8], into: &mut Vec<u8>) -> io::Result<()> {
    let (data, sum) = data.split_last_chunk().ok_or_else(|| wrong("a block without a checksum"))?;
    let invalid = |error: snap::Error| wrong(format!("invalid snappy data: {error}"));
    let length = snap::raw::decompress_len(data).map_err(invalid)?;
    // What snappy can make of so many bytes is bounded: 64 bytes of 3.
    if length > CONTAINER_BLOCK_BYTES_MAX || length / 32 > data.len() {
        return Err(too_long());
    }
    let start = into.len();
    into.resize(start + length, 0);
    let block = into.get_mut(start..).unwrap_or_default();
    snap::raw::Decoder::new().decompress(data, block).map_err(invalid)?;
    if crc32fast::hash(block) != u32::from_be_bytes(*sum) {
        return Err(wrong("the block's checksum is wrong"));
    }
    Ok(())
}
