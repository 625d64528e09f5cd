//! How rows that were stored under one job are read under another.

use crate::plan::EntityPlan;
use crate::plan::identity::{NOTHING, RowIdentities};

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

    /// Rows that were stored as `stored` says, for a plan whose rows are as `own` says, among the
    /// sources that the stored ones come from; and the identities of what the plan's rows have and
    /// those do not: that is null, or not set. With another key they are rows of other entities, and the
    /// key is missing.
    ///
    /// ```
    /// use tidemark_operators::entity_log::{BitFrom, RowMapping};
    /// use tidemark_operators::plan::identity::RowIdentities;
    ///
    /// let stored = RowIdentities {
    ///     sources: vec!["payments".to_owned()],
    ///     keys: vec!["payments.card:string".to_owned()],
    ///     attributes: vec!["word decimal payments.amount:decimal".to_owned()],
    ///     bits: Vec::new(),
    ///     every: "payments".to_owned(),
    /// };
    /// let own = RowIdentities {
    ///     attributes: vec![
    ///         "symbol string payments.country:string".to_owned(),
    ///         "word decimal payments.amount:decimal".to_owned(),
    ///     ],
    ///     bits: vec!["payments".to_owned()],
    ///     ..stored.clone()
    /// };
    /// let (mapping, missing) = RowMapping::between(&stored, &own);
    /// assert_eq!(mapping.attributes, [None, Some(0)]);
    /// assert_eq!(mapping.bits, [BitFrom::Always], "all stored rows are of that source");
    /// assert_eq!(missing, ["symbol string payments.country:string"]);
    /// ```
    pub fn between(stored: &RowIdentities, own: &RowIdentities) -> (Self, Vec<String>) {
        let other = own.keys.iter().filter(|key| !stored.keys.contains(key));
        let mut missing: Vec<String> = other.map(|key| format!("key {key}")).collect();
        // The same value may be kept another way.
        let value = |identity: &str| identity.split_once(' ').map(|(_, value)| value.to_owned());
        let attributes = own.attributes.iter().map(|own| {
            let all = || stored.attributes.iter();
            let same = all().position(|stored| stored == own);
            let found = same.or_else(|| all().position(|stored| value(stored) == value(own)));
            if found.is_none() && !own.ends_with(&format!(" {NOTHING}")) {
                missing.push(own.clone());
            }
            found
        });
        let attributes = attributes.collect();
        let bits =
            own.bits.iter().map(|own| match stored.bits.iter().position(|stored| stored == own) {
                Some(bit) => BitFrom::Bit(bit),
                None if *own == stored.every => BitFrom::Always,
                None => {
                    if own != NOTHING {
                        missing.push(own.clone());
                    }
                    BitFrom::Never
                }
            });
        let bits = bits.collect();
        (RowMapping { attributes, bits }, missing)
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
