//! `hour_share`: how many events fall in the latest one's hour of the day, over how many in the
//! busiest hour; null without events.

use super::{Aggregate, Measure, Measured, Memory, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct HourShare;

#[derive(Debug)]
struct Share(Windowed);

impl Aggregate for HourShare {
    fn name(&self) -> &'static str {
        "hour_share"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        Ok(Rc::new(Share(Windowed::read(feature)?)))
    }
}

impl Measure for Share {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Share(keys) = self;
        let mask = scope.mask_of_latest(keys.filter.as_ref())?;
        let accumulator = scope.accumulator(Kind::Hours, None, mask, keys.window);
        let filtered = keys.filtered();
        Ok(Measured {
            reading: Reading::of(Read::HourShare { accumulator }, Type::Double, true),
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Hours),
            definition: format!(
                "events{filtered} in the latest one's hour of the day / in the busiest hour"
            ),
        })
    }
}
