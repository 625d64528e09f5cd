//! The bytes of commands: keys, fields and values as Redis reads them.

use crate::online::layout::{Placing, RowForm};
use crate::online::rows::{Row, mask};
use crate::online::schema::Schema;
use crate::online::texts::Texts;
use tidemark_operators::time::Millis;

/// What is the same in every command of a view.
#[derive(Debug)]
pub(crate) struct ViewWire {
    /// One for each layout that is written.
    pub(crate) forms: Vec<FormWire>,
    /// How many features it has.
    features: usize,
    /// The least TTL of its keys, in ms, at least 1.
    pub(crate) ttl: Millis,
}

/// What is the same in every command of a view in one layout.
#[derive(Debug)]
pub(crate) struct FormWire {
    form: RowForm,
    /// `$len\r\nfield\r\n` for each feature.
    fields: Vec<Vec<u8>>,
    /// The same for the field that says as of when they are.
    stamp: Option<Vec<u8>>,
}

/// Which fields of a row a command names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NamedFields<'a> {
    /// Bits of features.
    pub(crate) masks: &'a [u64],
    /// And the one that says as of when they are, where the layout has it.
    pub(crate) stamp: bool,
}

impl ViewWire {
    /// The views of a schema.
    pub(crate) fn all(schema: &Schema, placing: &Placing<'_>) -> Vec<ViewWire> {
        let views = schema.views.iter().zip(placing.forms(schema)).map(|(view, forms)| ViewWire {
            features: view.features.len(),
            ttl: forms.iter().map(|form| form.ttl).min().unwrap_or(1),
            forms: forms.into_iter().map(FormWire::new).collect(),
        });
        views.collect()
    }

    /// The mask of group `group` with every feature set.
    pub(crate) fn all_of(&self, group: usize) -> u64 {
        mask(self.features, group)
    }

    /// Whether a key of it is other views' too.
    pub(crate) fn is_shared(&self) -> bool {
        self.forms.iter().any(FormWire::is_shared)
    }
}

impl FormWire {
    fn new(form: RowForm) -> FormWire {
        let fields = form.fields.iter().map(|field| framed(field)).collect();
        let stamp = form.stamp.as_deref().map(framed);
        FormWire { form, fields, stamp }
    }

    /// Whether its keys are other views' too.
    pub(crate) fn is_shared(&self) -> bool {
        self.form.is_shared()
    }

    fn key(&self, id: &[u8], out: &mut Vec<u8>) {
        length(b'$', self.form.key_len(id), out);
        self.form.push_key(id, out);
        out.extend_from_slice(b"\r\n");
    }

    /// The key of `id`.
    pub(crate) fn key_of(&self, id: &[u8]) -> Vec<u8> {
        self.form.key(id)
    }

    /// The fields of a row, all of them.
    pub(crate) fn every_field(&self) -> impl Iterator<Item = &[u8]> {
        self.form.fields.iter().chain(&self.form.stamp).map(Vec::as_slice)
    }

    /// `HSET key field value ..`.
    pub(crate) fn hset(
        &self,
        id: &[u8],
        fields: NamedFields<'_>,
        row: &Row<'_>,
        texts: &Texts,
        scratch: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        let stamp = self.stamp.as_ref().filter(|_| fields.stamp);
        let pairs = count(fields.masks) + usize::from(stamp.is_some());
        begin(b"$4\r\nHSET\r\n", 2 + 2 * pairs, out);
        self.key(id, out);
        // First, as Redis looks through short hashes from their beginning for each field, and this one is
        // in every write.
        if let Some(name) = stamp {
            out.extend_from_slice(name);
            scratch.clear();
            crate::online::feast::push_stamp(row.as_of(), scratch);
            bulk(scratch, out);
        }
        for at in bits(fields.masks) {
            let (Some(name), Some(ty), Some(word)) =
                (self.fields.get(at), self.form.ty(at), row.values.get(at))
            else {
                continue;
            };
            out.extend_from_slice(name);
            scratch.clear();
            if ty.is_bytes() {
                self.form.push_bytes(ty, texts.get(*word, &mut [0; 8]), scratch);
            } else {
                self.form.push_word(ty, *word, scratch);
            }
            bulk(scratch, out);
        }
    }

    /// `HDEL key field ..`.
    pub(crate) fn hdel(&self, id: &[u8], fields: NamedFields<'_>, out: &mut Vec<u8>) {
        let stamp = self.stamp.as_ref().filter(|_| fields.stamp);
        begin(b"$4\r\nHDEL\r\n", 2 + count(fields.masks) + usize::from(stamp.is_some()), out);
        self.key(id, out);
        for name in bits(fields.masks).filter_map(|at| self.fields.get(at)).chain(stamp) {
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
        bulk(itoa::Buffer::new().format(self.form.ttl).as_bytes(), out);
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

/// `HMGET key field ..` for the row of `id`.
pub(crate) fn hmget(form: &RowForm, id: &[u8], fields: &PackedFields, out: &mut Vec<u8>) {
    out.reserve(form.key_len(id) + fields.bytes.len() + 32);
    begin(b"$5\r\nHMGET\r\n", 2 + fields.count, out);
    length(b'$', form.key_len(id), out);
    form.push_key(id, out);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&fields.bytes);
}

/// Fields as commands have them, once for all keys that they are read of.
#[derive(Debug, Default)]
pub(crate) struct PackedFields {
    bytes: Vec<u8>,
    count: usize,
}

impl PackedFields {
    pub(crate) fn new(fields: &[&[u8]]) -> PackedFields {
        let mut bytes = Vec::new();
        fields.iter().for_each(|field| bulk(field, &mut bytes));
        PackedFields { bytes, count: fields.len() }
    }
}

/// `HDEL key field ..`.
pub(crate) fn hdel<'a>(key: &'a [u8], fields: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let arguments: Vec<&[u8]> = [&b"HDEL"[..], key].into_iter().chain(fields).collect();
    command(&arguments, out);
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
