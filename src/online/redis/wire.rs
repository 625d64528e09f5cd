//! The bytes of commands: keys, fields and values as Redis reads them.

use crate::online::rows::{Row, mask};
use crate::online::schema::Schema;
use crate::online::text;
use crate::online::texts::Texts;
use tidemark_operators::time::{DAY, Millis};
use tidemark_operators::value::Type;

/// Beyond this a TTL is cut (100 years): Redis refuses times that overflow.
const TTL_MAX: Millis = 36_525 * DAY;

/// What is the same in every command of a view.
#[derive(Debug)]
pub(crate) struct ViewWire {
    head: Vec<u8>,
    tail: Vec<u8>,
    /// `$len\r\nname\r\n` for each feature.
    names: Vec<Vec<u8>>,
    types: Vec<Type>,
    /// The TTL in ms, at least 1.
    pub(crate) ttl: Millis,
}

impl ViewWire {
    /// The views of a schema; `ttl` in place of their own.
    pub(crate) fn all(schema: &Schema, prefix: &str, ttl: Option<Millis>) -> Vec<ViewWire> {
        let views = schema.views.iter().map(|view| ViewWire {
            head: view.key_head(prefix),
            tail: view.key_tail(),
            names: view.features.iter().map(|f| framed(f.name.as_bytes())).collect(),
            types: view.features.iter().map(|f| f.ty).collect(),
            ttl: ttl.unwrap_or(view.ttl).clamp(1, TTL_MAX),
        });
        views.collect()
    }

    /// The mask of group `group` with every feature set.
    pub(crate) fn all_of(&self, group: usize) -> u64 {
        mask(self.names.len(), group)
    }

    fn key(&self, id: &[u8], out: &mut Vec<u8>) {
        length(b'$', self.head.len() + id.len() + self.tail.len(), out);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(id);
        out.extend_from_slice(&self.tail);
        out.extend_from_slice(b"\r\n");
    }

    /// The key of `id`.
    pub(crate) fn key_of(&self, id: &[u8]) -> Vec<u8> {
        [&self.head, id, &self.tail].concat()
    }

    /// `HSET key field value ..` for the features in `masks`.
    pub(crate) fn hset(
        &self,
        id: &[u8],
        masks: &[u64],
        row: &Row<'_>,
        texts: &Texts,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        begin(b"$4\r\nHSET\r\n", 2 + 2 * count(masks), out);
        self.key(id, out);
        for at in bits(masks) {
            let (Some(name), Some(ty), Some(word)) =
                (self.names.get(at), self.types.get(at), row.values.get(at))
            else {
                continue;
            };
            out.extend_from_slice(name);
            scratch.clear();
            if ty.is_bytes() {
                text::bytes(*ty, texts.get(*word, &mut [0; 8]), scratch);
            } else {
                text::word(*ty, *word, scratch);
            }
            bulk(scratch, out);
        }
    }

    /// `HDEL key field ..` for the features in `masks`.
    pub(crate) fn hdel(&self, id: &[u8], masks: &[u64], out: &mut Vec<u8>) {
        begin(b"$4\r\nHDEL\r\n", 2 + count(masks), out);
        self.key(id, out);
        for name in bits(masks).filter_map(|at| self.names.get(at)) {
            out.extend_from_slice(name);
        }
    }

    /// `DEL key`.
    pub(crate) fn del(&self, id: &[u8], out: &mut Vec<u8>) {
        begin(b"$3\r\nDEL\r\n", 2, out);
        self.key(id, out);
    }

    /// `HLEN key`.
    pub(crate) fn hlen(&self, id: &[u8], out: &mut Vec<u8>) {
        begin(b"$4\r\nHLEN\r\n", 2, out);
        self.key(id, out);
    }

    /// `PEXPIRE key ttl`.
    pub(crate) fn pexpire(&self, id: &[u8], out: &mut Vec<u8>) {
        begin(b"$7\r\nPEXPIRE\r\n", 3, out);
        self.key(id, out);
        bulk(itoa::Buffer::new().format(self.ttl).as_bytes(), out);
    }
}

/// `HSET key field value ..` for fields that are no features.
pub(crate) fn hset(key: &[u8], pairs: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
    begin(b"$4\r\nHSET\r\n", 2 + 2 * pairs.len(), out);
    bulk(key, out);
    for (field, value) in pairs {
        bulk(field, out);
        bulk(value, out);
    }
}

/// A command with all of its arguments.
pub(crate) fn command(parts: &[&[u8]], out: &mut Vec<u8>) {
    length(b'*', parts.len(), out);
    parts.iter().for_each(|part| bulk(part, out));
}

/// `HMGET key field ..`.
pub(crate) fn hmget<'a>(
    key: &[u8],
    fields: impl ExactSizeIterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) {
    begin(b"$5\r\nHMGET\r\n", 2 + fields.len(), out);
    bulk(key, out);
    fields.for_each(|field| bulk(field, out));
}

/// `HGETALL key`.
pub(crate) fn hgetall(key: &[u8], out: &mut Vec<u8>) {
    begin(b"$7\r\nHGETALL\r\n", 2, out);
    bulk(key, out);
}

/// `MULTI`.
pub(crate) fn multi(out: &mut Vec<u8>) {
    begin(b"$5\r\nMULTI\r\n", 1, out);
}

/// `EXEC`.
pub(crate) fn exec(out: &mut Vec<u8>) {
    begin(b"$4\r\nEXEC\r\n", 1, out);
}

/// How many bits are set.
pub(crate) fn count(masks: &[u64]) -> usize {
    masks.iter().map(|group| group.count_ones() as usize).sum()
}

/// The places of the bits that are set.
fn bits(masks: &[u64]) -> impl Iterator<Item = usize> {
    masks.iter().enumerate().flat_map(|(group, mask)| {
        let mut rest = *mask;
        std::iter::from_fn(move || {
            let at = (rest != 0).then_some(rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(group * 64 + at)
        })
    })
}

fn begin(name: &[u8], arguments: usize, out: &mut Vec<u8>) {
    length(b'*', arguments, out);
    out.extend_from_slice(name);
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    length(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn length(kind: u8, length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 8);
    bulk(bytes, &mut out);
    out
}
