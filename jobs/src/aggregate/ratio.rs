//! `ratio`: the events that match `where` over those that match `over`, or over all; 0 when there
//! are none of those.

use super::keys::filtered;
use super::{Aggregate, Measure, Measured, Memory, Reading, Reported, Within};
use crate::compile::Scope;
use crate::declare::{self, Written};
use crate::document::Table;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::value::Type;

pub(super) struct Ratio;

#[derive(Debug)]
struct RatioOf {
    keys: Within,
    over: Option<Written>,
}

impl Aggregate for Ratio {
    fn name(&self) -> &'static str {
        "ratio"
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let filtered = feature.need("where");
        let (keys, over) = (Within::read(feature), declare::filter(feature, "over"));
        let (keys, over) = (keys?, over?);
        if filtered { Ok(Rc::new(RatioOf { keys, over })) } else { Err(Reported) }
    }
}

impl Measure for RatioOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let RatioOf { keys, over } = self;
        let (counted, all) = (scope.mask(keys.filter()), scope.mask(over.as_ref()));
        let (counted, all) = (counted?, all?);
        let (reading, extents, memory) = match keys {
            Within::Window(keys) => {
                let numerator = scope.accumulator(Kind::Count, None, counted, keys.window);
                let denominator = scope.accumulator(Kind::Count, None, all, keys.window);
                let read = Read::Ratio { numerator, denominator };
                let extent = scope.extent(keys.window);
                let memory = Memory::of(Kind::Count).and(Memory::of(Kind::Count));
                let extents = vec![(counted, extent), (all, extent)];
                (Reading::of(read, Type::Double, false), extents, memory)
            }
            Within::Session(session, _) => {
                let (count, memory) = scope.session_count(*session, counted);
                let (all, cells) = scope.session_count(*session, all);
                let extent = scope.session_extent(*session);
                let reading = count.divided_by(all).or_zero();
                (reading, vec![extent], memory.with_derived(cells))
            }
        };
        Ok(Measured {
            reading,
            extents,
            over: keys.over(),
            memory,
            definition: format!(
                "events{} / {}",
                keys.filtered(),
                match over {
                    Some(_) => format!("events{}", filtered(over.as_ref())),
                    None => "all events".into(),
                }
            ),
        })
    }
}
