//! `count`: how many events.

use super::{Aggregate, Measure, Measured, Memory, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Count;

#[derive(Debug)]
struct Counted(Windowed);

impl Aggregate for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        Ok(Rc::new(Counted(Windowed::read(feature)?)))
    }
}

impl Measure for Counted {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Counted(keys) = self;
        let mask = scope.mask(keys.filter.as_ref())?;
        let accumulator = scope.accumulator(Kind::Count, None, mask, keys.window);
        Ok(Measured {
            read: Read::Count { accumulator },
            ty: Type::Int,
            nullable: false,
            divisor: None,
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Count),
            definition: format!("number of events{}", keys.filtered()),
        })
    }
}
