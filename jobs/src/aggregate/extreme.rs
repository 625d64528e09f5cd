//! `max` and `min`: the extrema of an int, decimal or timestamp field; null without values.

use super::{Aggregate, Measure, Measured, Memory, Of, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) const MAX: Extreme = Extreme { name: "max", kind: Kind::Max, word: "greatest" };
pub(super) const MIN: Extreme = Extreme { name: "min", kind: Kind::Min, word: "least" };

#[derive(Clone, Copy, Debug)]
pub(super) struct Extreme {
    name: &'static str,
    kind: Kind,
    word: &'static str,
}

#[derive(Debug)]
struct ExtremeOf(Extreme, Of, Windowed);

impl Aggregate for Extreme {
    fn name(&self) -> &'static str {
        self.name
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), Windowed::read(feature));
        Ok(Rc::new(ExtremeOf(*self, of?, keys?)))
    }
}

impl Measure for ExtremeOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let ExtremeOf(extreme, of, keys) = self;
        let attribute = scope.ordered(of, extreme.name);
        let mask = scope.mask(keys.filter.as_ref())?;
        let (attribute, ty) = attribute?;
        let accumulator = scope.accumulator(extreme.kind, Some(attribute), mask, keys.window);
        // Extrema of decimals are read as doubles.
        let shown = if ty.is_like(Type::DECIMAL) { Type::Double } else { ty };
        Ok(Measured {
            reading: Reading::of(Read::Extreme { accumulator }, shown, true),
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(extreme.kind),
            definition: format!("{} {}{}", extreme.word, of.0.value, keys.filtered()),
        })
    }
}
