//! `previous_gap`: the time between the entity's latest event and the one before it.

use super::{Aggregate, AtLatest, Measure, Measured, Memory, Reading, Reported, Unit};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::Read;
use tidemark_operators::value::Type;

pub(super) struct PreviousGap;

#[derive(Debug)]
struct Gap {
    keys: AtLatest,
    unit: Unit,
}

impl Aggregate for PreviousGap {
    fn name(&self) -> &'static str {
        "previous_gap"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (keys, unit) = (AtLatest::read(feature), Unit::read(feature));
        Ok(Rc::new(Gap { keys: keys?, unit: unit? }))
    }
}

impl Measure for Gap {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Gap { keys, unit } = self;
        let mask = scope.mask_of_latest(keys.filter.as_ref())?;
        let last = scope.last(mask, keys.horizon);
        let millis = Reading::of(Read::Gap { last, horizon: keys.horizon }, Type::Int, true);
        Ok(Measured {
            reading: if unit.millis == 1 { millis } else { millis.over(unit.millis) },
            extents: vec![(mask, keys.horizon)],
            over: keys.over(),
            memory: Memory::last([].into_iter()),
            definition: format!(
                "{} between the latest event and the one before it{}",
                unit.word,
                keys.filtered()
            ),
        })
    }
}
