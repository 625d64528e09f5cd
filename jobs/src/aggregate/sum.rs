//! `sum`: the sum of an int or decimal field.

use super::{Aggregate, Measure, Measured, Memory, Of, Reading, Reported, Within};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Sum;

#[derive(Debug)]
struct Summed(Of, Within);

impl Aggregate for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), Within::read(feature));
        Ok(Rc::new(Summed(of?, keys?)))
    }
}

impl Measure for Summed {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Summed(of, keys) = self;
        let attribute = scope.summand(of, "sum");
        let mask = scope.mask(keys.filter())?;
        let (attribute, ty) = attribute?;
        let (reading, extent, memory) = match keys {
            Within::Window(keys) => {
                let accumulator = scope.accumulator(Kind::Sum, Some(attribute), mask, keys.window);
                let reading = Reading::of(Read::Sum { accumulator }, Type::Double, false);
                (reading, (mask, scope.extent(keys.window)), Memory::of(Kind::Sum))
            }
            Within::Session(session, _) => {
                let (sum, memory) = scope.session_sum(*session, mask, attribute, ty);
                (sum, scope.session_extent(*session), memory)
            }
        };
        Ok(Measured {
            reading,
            extents: vec![extent],
            over: keys.over(),
            memory,
            definition: format!("sum of {}{}", of.0.value, keys.filtered()),
        })
    }
}
