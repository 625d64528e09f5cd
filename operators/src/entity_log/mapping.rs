//! How rows that were stored under one job are read under another.

use crate::plan::EntityPlan;

/// Where each attribute and filter bit of a plan is found in stored rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowMapping {
    /// For each attribute of the plan its column; `None`: null.
    pub attributes: Vec<Option<usize>>,
    /// For each filter bit of the plan what it is in each row.
    pub bits: Vec<BitFrom>,
}

/// What a filter bit is in stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitFrom {
    /// The stored bit of this number.
    Bit(usize),
    /// Set in all of them.
    Always,
    /// Set in none.
    Never,
}

impl RowMapping {
    /// Rows of the plan itself.
    pub fn same(entity: &EntityPlan) -> Self {
        RowMapping {
            attributes: (0..entity.attributes.len()).map(Some).collect(),
            bits: (0..entity.filters).map(BitFrom::Bit).collect(),
        }
    }

    /// The plan's bits of a row with these stored ones.
    #[inline]
    pub fn bits(&self, stored: u64) -> u64 {
        self.bits.iter().enumerate().fold(0, |bits, (at, from)| {
            let set = match from {
                BitFrom::Bit(bit) => stored.checked_shr(*bit as u32).unwrap_or(0) & 1,
                BitFrom::Always => 1,
                BitFrom::Never => 0,
            };
            bits | set << at
        })
    }
}
