//! Maximum and minimum of values that may leave before their time, because what they were derived
//! from has been revised: all values inside, sorted.
//!
//! A slot's word is the place of its tree; a slot without events has none.
//! By value a tree is its (value, count) pairs.

use super::{Algebra, ByValue, Reading, extreme};
use crate::cut::{Encoded, Unreadable, put, put_signed};
use crate::event_batch::NULL;
use crate::slab::Slab;
use crate::time::EventTime;
use crate::value::Type;
use std::collections::BTreeMap;

/// No tree.
const NONE: u32 = 0;
/// The bytes of the least tree that has a value, and of each value in a tree of many.
pub(crate) const LEAF_BYTES: usize = 192;
const VALUE_BYTES: usize = 24;

/// Maxima, or minima when `MIN`. Each distinct value inside takes about 24 bytes.
///
/// ```
/// use tidemark_operators::aggregate::{Algebra, Reading, sorted::Sorted};
/// use tidemark_operators::value::Type;
///
/// let (mut least, mut card) = (Sorted::<true>::new(Type::Int), [0]);
/// least.add(&mut card, 0, 5, 1_000);
/// least.add(&mut card, 0, 9, 2_000);
/// // The first is revised: it leaves although it is not the oldest, or comes back as another value.
/// least.remove(&mut card, 0, 5, 1_000);
/// least.add(&mut card, 0, 7, 1_000);
/// assert_eq!(least.read(&card, Reading::Extreme), Some(7));
/// ```
#[derive(Clone)]
pub struct Sorted<const MIN: bool> {
    ty: Type,
    /// The first is nobody's: its place stands for none.
    trees: Slab<BTreeMap<i64, u32>>,
    used: u32,
    /// Places of trees that nobody has any more.
    free: Vec<u32>,
    distinct: usize,
}

impl<const MIN: bool> Sorted<MIN> {
    /// Over an attribute of type `ty`.
    pub fn new(ty: Type) -> Self {
        let mut trees = Slab::new();
        trees.grow(1);
        Sorted { ty, trees, used: 1, free: Vec::new(), distinct: 0 }
    }

    /// The place of an empty tree.
    fn allocate(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.trees.grow(self.used as usize);
            self.used - 1
        })
    }
}

impl<const MIN: bool> Algebra for Sorted<MIN> {
    type State = [u32; 1];

    fn add(&mut self, [place]: &mut [u32; 1], _slot: u32, value: i64, _ts: EventTime) {
        if *place == NONE {
            *place = self.allocate();
        }
        let count = self.trees[*place].entry(value).or_default();
        self.distinct += usize::from(*count == 0);
        *count += 1;
    }

    fn remove(&mut self, [place]: &mut [u32; 1], _slot: u32, value: i64, _ts: EventTime) {
        let values = &mut self.trees[*place];
        let Some(count) = values.get_mut(&value) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        values.remove(&value);
        self.distinct -= 1;
        if values.is_empty() {
            self.free.push(*place);
            *place = NONE;
        }
    }

    fn read(&self, [place]: &[u32; 1], _reading: Reading) -> Option<u64> {
        let values = &self.trees[*place];
        let value = if MIN { values.first_key_value() } else { values.last_key_value() };
        extreme::read(*value?.0, self.ty)
    }

    fn holds(&self, [place]: &[u32; 1]) -> bool {
        *place != NONE
    }

    fn save(&self, [place]: &[u32; 1], _by: &ByValue<'_>, out: &mut Vec<u8>) {
        for (value, count) in &self.trees[*place] {
            put_signed(out, *value);
            put(out, u64::from(*count));
        }
    }

    fn load(
        &mut self,
        [place]: &mut [u32; 1],
        _slot: u32,
        _by: &ByValue<'_>,
        from: &mut Encoded<'_>,
    ) -> Result<(), Unreadable> {
        while !from.is_empty() {
            let (value, count) = (from.take_signed()?, from.take_word()?);
            if value == NULL || count == 0 {
                return Err(Unreadable::Impossible);
            }
            if *place == NONE {
                *place = self.allocate();
            }
            if self.trees[*place].insert(value, count).is_some() {
                return Err(Unreadable::Twice);
            }
            self.distinct += 1;
        }
        Ok(())
    }

    fn memory(&self) -> usize {
        let trees = (self.used as usize - 1).saturating_sub(self.free.len());
        let nodes = (trees * LEAF_BYTES).max(self.distinct * VALUE_BYTES);
        self.trees.bytes() + self.free.capacity() * size_of::<u32>() + nodes
    }

    fn reusable(&self) -> usize {
        self.free.len() * size_of::<BTreeMap<i64, u32>>()
    }
}
