//! `entropy`: Shannon's entropy of a field's values in nats, or divided by that of equal shares.

use super::{Aggregate, Measure, Measured, Memory, OfValue, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Entropy;

#[derive(Debug)]
struct EntropyOf {
    of: OfValue,
    keys: Windowed,
    normalised: bool,
}

impl Aggregate for Entropy {
    fn name(&self) -> &'static str {
        "entropy"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (OfValue::read(feature), Windowed::read(feature));
        let normalised = feature.boolean("normalised").is_some_and(|flag| flag.value);
        Ok(Rc::new(EntropyOf { of: of?, keys: keys?, normalised }))
    }
}

impl Measure for EntropyOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let EntropyOf { of, keys, normalised } = self;
        let attribute = scope.symbol(of, "entropy");
        let mask = scope.mask(keys.filter.as_ref())?;
        let attribute = attribute?;
        let accumulator = scope.accumulator(Kind::Entropy, Some(attribute), mask, keys.window);
        let word = if *normalised { "normalised entropy" } else { "entropy" };
        let read = Read::Entropy { accumulator, normalised: *normalised };
        Ok(Measured {
            reading: Reading::of(read, Type::Double, false),
            extents: vec![(mask, scope.extent(keys.window))],
            over: keys.over(),
            memory: Memory::of(Kind::Entropy),
            definition: format!("{word} of {}{}", of.shown(), keys.filtered()),
        })
    }
}
