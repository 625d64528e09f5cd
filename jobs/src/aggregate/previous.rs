//! `previous`: a field of the event before the entity's latest one.

use super::{Aggregate, AtLatest, Measure, Measured, Of, Reported};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;

pub(super) struct Previous;

#[derive(Debug)]
struct PreviousOf(Of, AtLatest);

impl Aggregate for Previous {
    fn name(&self) -> &'static str {
        "previous"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), AtLatest::read(feature));
        Ok(Rc::new(PreviousOf(of?, keys?)))
    }
}

impl Measure for PreviousOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let PreviousOf(of, keys) = self;
        let mask = scope.mask_of_latest(keys.filter.as_ref())?;
        let (reading, memory) = scope.previous(of, mask, keys.horizon)?;
        Ok(Measured {
            reading,
            extents: vec![(mask, keys.horizon)],
            over: keys.over(),
            memory,
            definition: format!(
                "{} of the event before the latest one{}",
                of.0.value,
                keys.filtered()
            ),
        })
    }
}
