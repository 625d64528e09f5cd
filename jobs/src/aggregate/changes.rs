//! `changes` and `change_ratio`: how many events in a window, or which share of them, have another
//! value than the nearest event before them that has one.

use super::keys::horizon;
use super::{Aggregate, Measure, Measured, Memory, OfValue, Reading, Reported, Windowed};
use crate::compile::Scope;
use crate::document::Table;
use crate::document::quantity::show_duration;
use std::rc::Rc;
use tidemark_operators::plan::{Kind, Read};
use tidemark_operators::time::Millis;
use tidemark_operators::value::Type;

pub(super) const CHANGES: Changes = Changes { name: "changes", is_ratio: false };
pub(super) const CHANGE_RATIO: Changes = Changes { name: "change_ratio", is_ratio: true };

#[derive(Clone, Copy, Debug)]
pub(super) struct Changes {
    name: &'static str,
    is_ratio: bool,
}

#[derive(Debug)]
struct ChangesOf {
    changes: Changes,
    of: OfValue,
    keys: Windowed,
    /// How far apart the two events may be.
    horizon: Millis,
}

impl Aggregate for Changes {
    fn name(&self) -> &'static str {
        self.name
    }

    fn read(&self, feature: &mut Table<'_>) -> Result<Rc<dyn Measure>, Reported> {
        let (of, keys) = (OfValue::read(feature), Windowed::beside_horizon(feature));
        let horizon = horizon(feature);
        Ok(Rc::new(ChangesOf { changes: *self, of: of?, keys: keys?, horizon: horizon? }))
    }
}

impl Measure for ChangesOf {
    fn compile(&self, scope: &mut Scope<'_, '_>) -> Result<Measured, Reported> {
        let ChangesOf { changes, of, keys, horizon } = self;
        let attribute = scope.symbol(of, changes.name);
        let mask = scope.mask(keys.filter.as_ref())?;
        let changed = scope.changed(of, mask, attribute?, *horizon)?;
        let count = scope.accumulator(Kind::Count, None, changed, keys.window);
        let mut memory = Memory::before().and(Memory::of(Kind::Count));
        let mut definition = format!(
            "changes of {}{} (looking back {})",
            of.shown(),
            keys.filtered(),
            show_duration(*horizon)
        );
        let reading = if changes.is_ratio {
            let denominator = scope.accumulator(Kind::Count, None, mask, keys.window);
            memory = memory.and(Memory::of(Kind::Count));
            definition.push_str(&format!(" / events{}", keys.filtered()));
            let read = Read::Ratio { numerator: count, denominator };
            Reading::of(read, Type::Double, false)
        } else {
            Reading::of(Read::Count { accumulator: count }, Type::Int, false)
        };
        // Events that are no change are seen too: to be none is what is known of them.
        let extents = vec![(mask, scope.extent(keys.window))];
        Ok(Measured { reading, extents, over: keys.over(), memory, definition })
    }
}
