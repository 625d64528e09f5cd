//! `distinct`: how many distinct values a field has, exactly.

use super::{Aggregate, Measure, Measured, Memory, Of, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Distinct;

#[derive(Debug)]
struct DistinctOf(Of, Windowed);

impl Aggregate for Distinct {
    fn name(&self) -> &'static str {
        "distinct"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), Windowed::read(feature));
        Ok(Rc::new(DistinctOf(of?, keys?)))
    }
}

impl Measure for DistinctOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let DistinctOf(of, keys) = self;
        let attribute = scope.symbol(of, "distinct");
        let mask = scope.mask(keys.filter.as_ref())?;
        let (attribute, _) = attribute?;
        let accumulator = scope.accumulator(Kind::Distinct, Some(attribute), mask, keys.window);
        Ok(Measured {
            read: Read::Distinct { accumulator },
            ty: Type::Int,
            nullable: false,
            divisor: None,
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Distinct),
            definition: format!("distinct values of {}{}", of.0.value, keys.filtered()),
        })
    }
}
