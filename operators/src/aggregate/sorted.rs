//! Maximum and minimum of values that may leave before their time, because what they were derived
//! from has been revised: all values inside, sorted.

use super::{Algebra, Reading};
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::{Column, Type};
use std::collections::BTreeMap;

/// Maxima by slot, or minima when `MIN`. Each distinct value inside takes about 24 bytes.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, sorted::Sorted};
/// use tidemark_operators::value::{Column, Type};
///
/// let mut least = Sorted::<true>::new(Type::Int);
/// least.grow(1);
/// least.add(0, 5, 1_000);
/// least.add(0, 9, 2_000);
/// // The first is revised: it leaves although it is not the oldest, or comes back as another value.
/// least.remove(0, 5, 1_000);
/// least.add(0, 7, 1_000);
/// let mut out = Column::default();
/// least.read(0, Reading::Extreme, &mut out);
/// assert_eq!(out.int(0), Some(7));
/// ```
pub struct Sorted<const MIN: bool> {
    ty: Type,
    values: Slab<BTreeMap<i64, u32>>,
    distinct: usize,
}

impl<const MIN: bool> Sorted<MIN> {
    /// Over an attribute of type `ty`.
    pub fn new(ty: Type) -> Self {
        Sorted { ty, values: Slab::new(), distinct: 0 }
    }
}

impl<const MIN: bool> Algebra for Sorted<MIN> {
    fn grow(&mut self, slots: usize) {
        self.values.grow(slots);
    }

    fn add(&mut self, slot: u32, value: i64, _ts: EventTime) {
        let count = self.values[slot].entry(value).or_default();
        self.distinct += usize::from(*count == 0);
        *count += 1;
    }

    fn remove(&mut self, slot: u32, value: i64, _ts: EventTime) {
        let values = &mut self.values[slot];
        if let Some(count) = values.get_mut(&value) {
            *count -= 1;
            if *count == 0 {
                values.remove(&value);
                self.distinct -= 1;
            }
        }
    }

    fn read(&self, slot: u32, _reading: Reading, out: &mut Column) {
        let values = &self.values[slot];
        let value = if MIN { values.first_key_value() } else { values.last_key_value() };
        match value {
            None => out.push_null(),
            Some((value, _)) if self.ty.is_like(Type::DECIMAL) => {
                out.push_double(*value as f64 / self.ty.unit() as f64);
            }
            Some((value, _)) => out.push_int(*value),
        }
    }

    fn holds(&self, slot: u32) -> bool {
        !self.values[slot].is_empty()
    }

    fn memory(&self) -> usize {
        self.values.bytes() + self.distinct * 24
    }
}
