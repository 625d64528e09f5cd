//! `avg`: the mean of an int or decimal field; null without values.

use super::{Aggregate, Measure, Measured, Memory, Of, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Avg;

#[derive(Debug)]
struct Averaged(Of, Windowed);

impl Aggregate for Avg {
    fn name(&self) -> &'static str {
        "avg"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), Windowed::read(feature));
        Ok(Rc::new(Averaged(of?, keys?)))
    }
}

impl Measure for Averaged {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Averaged(of, keys) = self;
        let attribute = scope.summand(of, "avg");
        let mask = scope.mask(keys.filter.as_ref())?;
        let (attribute, _) = attribute?;
        let accumulator = scope.accumulator(Kind::Sum, Some(attribute), mask, keys.window);
        Ok(Measured {
            reading: Reading::of(Read::Avg { accumulator }, Type::Double, true),
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Sum),
            definition: format!("average {}{}", of.0.value, keys.filtered()),
        })
    }
}
