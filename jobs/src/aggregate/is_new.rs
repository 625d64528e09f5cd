//! `is_new`: whether the latest event is the first with its value; null when it has none.

use super::{Aggregate, AtLatest, Measure, Measured, Memory, OfValue, Reported};
use crate::compile::Scope;
use crate::document::Table;
use crate::document::quantity::show_duration;
use std::rc::Rc;
use tidemark_operators::plan::Storage;

pub(super) struct IsNew;

#[derive(Debug)]
struct NewOf(OfValue, AtLatest);

impl Aggregate for IsNew {
    fn name(&self) -> &'static str {
        "is_new"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (OfValue::read(feature), AtLatest::read(feature));
        Ok(Rc::new(NewOf(of?, keys?)))
    }
}

impl Measure for NewOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let NewOf(of, keys) = self;
        let attribute = scope.symbol(of, "is_new");
        let mask = scope.mask_of_latest(keys.filter.as_ref())?;
        Ok(Measured {
            reading: scope.new_value(&of.shown(), mask, attribute?, keys.horizon),
            extents: vec![(mask, keys.horizon)],
            over: keys.over(),
            memory: Memory::seen().and(Memory::last([Storage::Wide].into_iter())),
            definition: format!(
                "whether no event{} of the {} before the latest one has its {}",
                keys.filtered(),
                show_duration(keys.horizon),
                of.shown()
            ),
        })
    }
}
