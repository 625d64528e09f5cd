//! `distinct`: how many distinct values a field has, exactly.

use super::{Aggregate, Measure, Measured, Memory, OfValue, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Distinct;

#[derive(Debug)]
struct DistinctOf(OfValue, Windowed);

impl Aggregate for Distinct {
    fn name(&self) -> &'static str {
        "distinct"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (OfValue::read(feature), Windowed::read(feature));
        Ok(Rc::new(DistinctOf(of?, keys?)))
    }
}

impl Measure for DistinctOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let DistinctOf(of, keys) = self;
        let attribute = scope.symbol(of, "distinct");
        let mask = scope.mask(keys.filter.as_ref())?;
        let attribute = attribute?;
        let accumulator = scope.accumulator(Kind::Distinct, Some(attribute), mask, keys.window);
        let read = Read::Distinct { accumulator };
        Ok(Measured {
            reading: Reading::of(read, Type::Int, false),
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Distinct),
            definition: format!("distinct values of {}{}", of.shown(), keys.filtered()),
        })
    }
}
