//! `duration`: the time from the first event of the entity's session to its last; 0 when none is
//! open.

use super::{Aggregate, Measure, Measured, Reading, Reported, Session, Unit};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;

pub(super) struct Duration;

#[derive(Debug)]
struct Lasting {
    session: Session,
    unit: Unit,
}

impl Aggregate for Duration {
    fn name(&self) -> &'static str {
        "duration"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (session, unit) = (Session::only(feature), Unit::read(feature));
        Ok(Rc::new(Lasting { session: session?, unit: unit? }))
    }
}

impl Measure for Lasting {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let Lasting { session, unit } = *self;
        let (first, memory) = scope.session_start(session);
        let last: Reading = scope.session_end(session);
        Ok(Measured {
            reading: last.since(first).or_zero().over(unit.millis),
            extents: vec![scope.session_extent(session)],
            over: session.over(),
            memory,
            definition: format!("{} from the first event to the last", unit.word),
        })
    }
}
