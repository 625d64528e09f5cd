//! Rows in a form that programs read: what is no text in a view is none here, so that nothing is written as
//! digits only to be read as digits again.
//!
//! ```text
//!  u32 bytes behind this | u32 view | u64 as_of | u8 flags | event | u32 bytes of the id | id | values
//!  event, where flags has it: u16 source | u32 partition | u64 offset
//!  value:                     0 (null)   or   1 | u64 word   or   2 | u32 bytes | bytes
//! ```
//!
//! All numbers are little-endian. Such rows go from the workers to who writes them in the same program, and
//! are kept nowhere.

use super::LineRow;
use crate::origin::Origin;
use crate::plan::FeaturePlan;
use crate::time::EventTime;
use crate::value::{Column, Type};

/// A row has an event.
const EVENT: u8 = 1;
/// Its features were those of no events until then.
const FIRST: u8 = 2;

const NULL: u8 = 0;
const WORD: u8 = 1;
const BYTES: u8 = 2;

/// A row, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedRow<'p> {
    /// The view's place in the job.
    pub view: usize,
    /// The entity's id.
    pub id: &'p [u8],
    /// The row's time.
    pub as_of: EventTime,
    /// Its event; `None`: time alone has changed the features.
    pub event: Option<Origin>,
    /// Whether its features were those of no events until then.
    pub first: bool,
    /// Its features, in the order of the view.
    pub values: PackedValues<'p>,
}

/// A feature of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackedValue<'p> {
    /// None.
    Null,
    /// What has 64 bits, as in a [`Column`].
    Word(u64),
    /// A text or an address.
    Bytes(&'p [u8]),
}

impl PackedValue<'_> {
    /// Appends it, as [`PackedValues`] reads it.
    #[inline]
    pub fn pack(self, out: &mut Vec<u8>) {
        match self {
            PackedValue::Null => out.push(NULL),
            PackedValue::Word(word) => {
                // At once: room is looked for once.
                let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
                out.extend_from_slice(&[WORD, a, b, c, d, e, f, g, h]);
            }
            PackedValue::Bytes(bytes) => {
                out.push(BYTES);
                push_bytes(bytes, out);
            }
        }
    }
}

/// Appends a row, with the features of `columns`.
pub(super) fn push_row(
    row: &LineRow,
    id: &[u8],
    features: &[(String, FeaturePlan)],
    columns: &[Column],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(row.view as u32).to_le_bytes());
    out.extend_from_slice(&row.as_of.to_le_bytes());
    let flags = if row.origin.is_some() { EVENT } else { 0 } | if row.first { FIRST } else { 0 };
    out.push(flags);
    if let Some(Origin { source, partition, offset }) = row.origin {
        out.extend_from_slice(&source.to_le_bytes());
        out.extend_from_slice(&partition.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
    }
    push_bytes(id, out);
    for (_, feature) in features {
        let column = &columns[feature.column];
        let value = match (column.word(row.at), feature.ty) {
            (None, _) => PackedValue::Null,
            (Some(_), Type::Text | Type::Ip) => {
                PackedValue::Bytes(column.bytes(row.at).unwrap_or_default())
            }
            (Some(word), _) => PackedValue::Word(word),
        };
        value.pack(out);
    }
    let bytes = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&bytes.to_le_bytes());
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The rows among bytes; ends before what is no whole row.
#[derive(Clone, Copy, Debug)]
pub struct PackedRows<'p> {
    rest: &'p [u8],
}

impl<'p> PackedRows<'p> {
    /// Of these bytes.
    pub fn new(bytes: &'p [u8]) -> Self {
        PackedRows { rest: bytes }
    }

    /// What has not been read: nothing, behind the last of whole rows.
    pub fn rest(&self) -> &'p [u8] {
        self.rest
    }
}

impl<'p> Iterator for PackedRows<'p> {
    type Item = PackedRow<'p>;

    fn next(&mut self) -> Option<PackedRow<'p>> {
        let mut rest = self.rest;
        let mut row = take_bytes(&mut rest)?;
        let of = &mut row;
        let view = usize::try_from(u32::from_le_bytes(take(of)?)).ok()?;
        let as_of = EventTime::from_le_bytes(take(of)?);
        let [flags] = take(of)?;
        let event = match flags & EVENT {
            0 => None,
            _ => Some(Origin {
                source: u16::from_le_bytes(take(of)?),
                partition: u32::from_le_bytes(take(of)?),
                offset: u64::from_le_bytes(take(of)?),
            }),
        };
        let id = take_bytes(of)?;
        self.rest = rest;
        let first = flags & FIRST != 0;
        Some(PackedRow { view, id, as_of, event, first, values: PackedValues { rest: row } })
    }
}

/// The features of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedValues<'p> {
    rest: &'p [u8],
}

impl<'p> PackedValues<'p> {
    /// Those among bytes; ends before what is none.
    pub fn new(bytes: &'p [u8]) -> Self {
        PackedValues { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'p [u8] {
        self.rest
    }
}

impl<'p> Iterator for PackedValues<'p> {
    type Item = PackedValue<'p>;

    #[inline]
    fn next(&mut self) -> Option<PackedValue<'p>> {
        let rest = &mut self.rest;
        match take(rest)? {
            [NULL] => Some(PackedValue::Null),
            [WORD] => Some(PackedValue::Word(u64::from_le_bytes(take(rest)?))),
            _ => Some(PackedValue::Bytes(take_bytes(rest)?)),
        }
    }
}

#[inline]
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

#[inline]
fn take_bytes<'p>(rest: &mut &'p [u8]) -> Option<&'p [u8]> {
    let length = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows, and their bytes.
    fn packed() -> Vec<u8> {
        let feature = |(column, ty): (usize, Type)| {
            let name = format!("feature_{column}");
            (name.clone(), FeaturePlan { name, ty, nullable: true, column })
        };
        let types = [Type::Int, Type::Text, Type::Double, Type::Ip];
        let features: Vec<_> = types.into_iter().enumerate().map(feature).collect();
        let mut columns = vec![Column::default(); types.len()];
        columns[0].push_int(-3);
        columns[1].push_bytes(b"");
        columns[2].push_double(0.5);
        columns[3].push_bytes(&[192, 0, 2, 7]);
        columns.iter_mut().for_each(Column::push_null);
        let mut out = Vec::new();
        let origin = Some(Origin { source: 1, partition: 2, offset: 3 });
        let event = LineRow { view: 4, slot: 0, as_of: 1_000, origin, first: true, at: 0 };
        push_row(&event, b"card", &features, &columns, &mut out);
        let change = LineRow { view: 0, slot: 0, as_of: 2_000, origin: None, first: false, at: 1 };
        push_row(&change, b"", &features, &columns, &mut out);
        out
    }

    #[test]
    fn rows_read_back_as_they_were() {
        let packed = packed();
        let mut rows = PackedRows::new(&packed);
        let event = rows.next().unwrap();
        assert_eq!((event.view, event.id, event.as_of), (4, &b"card"[..], 1_000));
        assert_eq!(event.event, Some(Origin { source: 1, partition: 2, offset: 3 }));
        assert!(event.first);
        let values: Vec<_> = event.values.collect();
        let double = PackedValue::Word(0.5_f64.to_bits());
        let (int, address) =
            (PackedValue::Word(-3_i64 as u64), PackedValue::Bytes(&[192, 0, 2, 7]));
        assert_eq!(values, [int, PackedValue::Bytes(b""), double, address]);
        let change = rows.next().unwrap();
        assert_eq!(
            (change.view, change.id, change.event, change.first),
            (0, &b""[..], None, false)
        );
        assert_eq!(change.values.collect::<Vec<_>>(), [PackedValue::Null; 4]);
        assert_eq!((rows.next(), rows.rest()), (None, &b""[..]));
    }

    #[test]
    fn what_is_cut_off_anywhere_is_no_row() {
        let packed = packed();
        assert_eq!(PackedRows::new(&packed).count(), 2);
        for end in 0..packed.len() {
            let mut rows = PackedRows::new(&packed[..end]);
            let read = rows.by_ref().count();
            let left = rows_left(&packed, read);
            assert!(read < 2 && rows.rest().len() + packed.len() - end == left, "{end}: {read}");
        }
    }

    /// Bytes behind the first `read` rows.
    fn rows_left(packed: &[u8], read: usize) -> usize {
        let mut rows = PackedRows::new(packed);
        rows.by_ref().take(read).for_each(drop);
        rows.rest().len()
    }
}
