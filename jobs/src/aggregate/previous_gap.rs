//! `previous_gap`: the time between the entity's latest event and the one before it.

use super::{Aggregate, AtLatest, Measure, Measured, Memory, Reported};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::Read;
use tidemark_operators::value::Type;

/// Units: the key's value, the word in a definition, and what turns milliseconds into it.
const UNITS: [(&str, &str, Option<i64>); 5] = [
    ("ms", "milliseconds", None),
    ("s", "seconds", Some(1_000)),
    ("min", "minutes", Some(60_000)),
    ("h", "hours", Some(3_600_000)),
    ("d", "days", Some(86_400_000)),
];

pub(super) struct PreviousGap;

#[derive(Debug)]
struct Gap {
    keys: AtLatest,
    word: &'static str,
    divisor: Option<i64>,
}

impl Aggregate for PreviousGap {
    fn name(&self) -> &'static str {
        "previous_gap"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let keys = AtLatest::read(feature);
        let has_unit = feature.has("unit");
        let unit = feature.choice("unit", &UNITS.map(|(unit, ..)| unit)).map(|unit| unit.value);
        if has_unit && unit.is_none() {
            return Err(Reported);
        }
        let unit = unit.unwrap_or("ms");
        let (_, word, divisor) =
            UNITS.into_iter().find(|(name, ..)| *name == unit).ok_or(Reported)?;
        Ok(Rc::new(Gap { keys: keys?, word, divisor }))
    }
}

impl Measure for Gap {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Gap { keys, word, divisor } = self;
        let mask = scope.mask(keys.filter.as_ref())?;
        let last = scope.last(mask, keys.horizon);
        Ok(Measured {
            read: Read::Gap { last, horizon: keys.horizon },
            ty: Type::Int,
            nullable: true,
            divisor: *divisor,
            extents: vec![(mask, keys.horizon)],
            over: keys.over(),
            memory: Memory::last([].into_iter()),
            definition: format!(
                "{word} between the latest event and the one before it{}",
                keys.filtered()
            ),
        })
    }
}
