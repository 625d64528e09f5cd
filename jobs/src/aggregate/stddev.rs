//! `stddev`: the population standard deviation of an int or decimal field; null without values.

use super::{Aggregate, Measure, Measured, Memory, Of, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Stddev;

#[derive(Debug)]
struct Deviation(Of, Windowed);

impl Aggregate for Stddev {
    fn name(&self) -> &'static str {
        "stddev"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), Windowed::read(feature));
        Ok(Rc::new(Deviation(of?, keys?)))
    }
}

impl Measure for Deviation {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Deviation(of, keys) = self;
        let attribute = scope.summand(of, "stddev");
        let mask = scope.mask(keys.filter.as_ref())?;
        let (attribute, _) = attribute?;
        let accumulator = scope.accumulator(Kind::Moments, Some(attribute), mask, keys.window);
        Ok(Measured {
            reading: Reading::of(Read::Stddev { accumulator }, Type::Double, true),
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Moments),
            definition: format!(
                "population standard deviation of {}{}",
                of.0.value,
                keys.filtered()
            ),
        })
    }
}
