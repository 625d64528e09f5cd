//! `sum`: the sum of an int or decimal field.

use super::{Aggregate, Measure, Measured, Memory, Of, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Sum;

#[derive(Debug)]
struct Summed(Of, Windowed);

impl Aggregate for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), Windowed::read(feature));
        Ok(Rc::new(Summed(of?, keys?)))
    }
}

impl Measure for Summed {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Summed(of, keys) = self;
        let attribute = scope.summand(of, "sum");
        let mask = scope.mask(keys.filter.as_ref())?;
        let (attribute, _) = attribute?;
        let accumulator = scope.accumulator(Kind::Sum, Some(attribute), mask, keys.window);
        Ok(Measured {
            read: Read::Sum { accumulator },
            ty: Type::Double,
            nullable: false,
            divisor: None,
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Sum),
            definition: format!("sum of {}{}", of.0.value, keys.filtered()),
        })
    }
}
