//! `first` and `last`: a field of the first or the last event of the entity's session, or the time
//! of that event; null when no session is open.

use super::{Aggregate, Measure, Measured, Of, Reported, Session};
use crate::compile::Scope;
use crate::document::Table;
use std::rc::Rc;

pub(super) const FIRST: Edge = Edge { name: "first", is_first: true };
pub(super) const LAST: Edge = Edge { name: "last", is_first: false };

#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    name: &'static str,
    is_first: bool,
}

#[derive(Debug)]
struct EdgeOf {
    edge: Edge,
    of: Option<Of>,
    session: Session,
}

impl Aggregate for Edge {
    fn name(&self) -> &'static str {
        self.name
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, session) = (Of::optional(feature), Session::only(feature));
        Ok(Rc::new(EdgeOf { edge: *self, of: of?, session: session? }))
    }
}

impl Measure for EdgeOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let EdgeOf { edge, of, session } = self;
        let (reading, memory) = match of {
            Some(of) if edge.is_first => scope.session_first(*session, of)?,
            Some(of) => scope.session_last(*session, of)?,
            None if edge.is_first => scope.session_start(*session),
            None => (scope.session_end(*session), super::Memory::last([].into_iter())),
        };
        let what = of.as_ref().map_or("time", |of| of.0.value.as_str());
        Ok(Measured {
            reading,
            extents: vec![scope.session_extent(*session)],
            over: session.over(),
            memory,
            definition: format!("{what} of the {} event", edge.name),
        })
    }
}
