//! `latest`: a field of the entity's latest event, until that is `horizon` old.

use super::{Aggregate, AtLatest, Measure, Measured, Of, Reading, Reported};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;

pub(super) struct Latest;

#[derive(Debug)]
struct LatestOf(Of, AtLatest);

impl Aggregate for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (Of::read(feature), AtLatest::read(feature));
        Ok(Rc::new(LatestOf(of?, keys?)))
    }
}

impl Measure for LatestOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let LatestOf(of, keys) = self;
        let mask = scope.mask_of_latest(keys.filter.as_ref())?;
        let (read, ty, memory) = scope.latest(&of.0, mask, keys.horizon)?;
        Ok(Measured {
            reading: Reading::of(read, ty, true),
            extents: vec![(mask, keys.horizon)],
            over: keys.over(),
            memory,
            definition: format!("{} of the latest event{}", of.0.value, keys.filtered()),
        })
    }
}
