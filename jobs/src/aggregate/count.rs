//! `count`: how many events.

use super::{Aggregate, Measure, Measured, Memory, Reading, Reported, Within};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Count;

#[derive(Debug)]
struct Counted(Within);

impl Aggregate for Count {
    fn name(&self) -> &'static str {
        "count"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        Ok(Rc::new(Counted(Within::read(feature)?)))
    }
}

impl Measure for Counted {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Counted(keys) = self;
        let mask = scope.mask(keys.filter())?;
        let (reading, extent, memory) = match keys {
            Within::Window(keys) => {
                let accumulator = scope.accumulator(Kind::Count, None, mask, keys.window);
                let reading = Reading::of(Read::Count { accumulator }, Type::Int, false);
                (reading, (mask, scope.extent(keys.window)), Memory::of(Kind::Count))
            }
            Within::Session(session, _) => {
                let (count, memory) = scope.session_count(*session, mask);
                (count.or_zero(), scope.session_extent(*session), memory)
            }
        };
        Ok(Measured {
            reading,
            extents: vec![extent],
            over: keys.over(),
            memory,
            definition: format!("number of events{}", keys.filtered()),
        })
    }
}
