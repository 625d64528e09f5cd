//! What keeps the rows of a view alive.

use crate::plan::entity::EntityPlan;
use crate::plan::view::ViewPlan;
use crate::plan::window::{Kind, LastPlan};
use crate::time::Millis;

/// What keeps a row alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alive {
    /// An accumulator that holds every event of the extent.
    Holds(usize),
    /// A latest event, of this last-event state, younger than this.
    Younger(usize, Millis),
}

impl EntityPlan {
    /// What keeps the rows of `view` alive: for each of its extents, something that knows whether an
    /// event of it is still there. Last-event state that nothing else needs is added to `lasts`, which
    /// begins with the plan's.
    pub(crate) fn kept_alive(&self, view: &ViewPlan, lasts: &mut Vec<LastPlan>) -> Vec<Alive> {
        let mut alive = Vec::new();
        for (mask, extent) in &view.extents {
            let exact = self.accumulators.iter().position(|a| {
                let window = self.windows[a.window];
                a.kind == Kind::Count
                    && a.mask == *mask
                    && (window.delay, window.length) == (0, *extent)
            });
            if let Some(at) = exact {
                alive.push(Alive::Holds(at));
                continue;
            }
            let last = lasts.iter().position(|l| l.mask == *mask).unwrap_or_else(|| {
                lasts.push(LastPlan { mask: *mask, attributes: Vec::new(), horizon: *extent });
                lasts.len() - 1
            });
            lasts[last].horizon = lasts[last].horizon.max(*extent);
            alive.push(Alive::Younger(last, *extent));
        }
        alive
    }

    /// All last-event state: the plan's, and behind it what the lives of rows need besides.
    pub fn kept_lasts(&self) -> Vec<LastPlan> {
        let mut lasts = self.lasts.clone();
        for view in &self.views {
            self.kept_alive(view, &mut lasts);
        }
        lasts
    }
}
