//! `previous_gap`: the time between the entity's latest event and the one before it.

use super::{Aggregate, AtLatest, Measure, Measured, Memory, Reported};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::Read;
use tidemark_operators::value::Type;

/// Units: the key's value, the word in a definition, and what turns milliseconds into it.
const UNITS: [(&str, &str, Option<&str>); 5] = [
    ("ms", "milliseconds", None),
    ("s", "seconds", Some("x / 1000")),
    ("min", "minutes", Some("x / 60000")),
    ("h", "hours", Some("x / 3600000")),
    ("d", "days", Some("x / 86400000")),
];

pub(super) struct PreviousGap;

#[derive(Debug)]
struct Gap {
    keys: AtLatest,
    word: &'static str,
    conversion: Option<&'static str>,
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
        let (_, word, conversion) =
            UNITS.into_iter().find(|(name, ..)| *name == unit).ok_or(Reported)?;
        Ok(Rc::new(Gap { keys: keys?, word, conversion }))
    }
}

impl Measure for Gap {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Gap { keys, word, conversion } = self;
        let mask = scope.mask(keys.filter.as_ref())?;
        let last = scope.last(mask, keys.horizon);
        Ok(Measured {
            read: Read::Gap { last, horizon: keys.horizon },
            ty: Type::Int,
            nullable: true,
            conversion: *conversion,
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
