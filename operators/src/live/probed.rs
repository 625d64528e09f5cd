//! What live windows say of any entity at their clock: [probes](crate::probes) that are answered by what
//! had arrived.

use super::LiveWindows;
use super::handout::read;
use crate::aggregate::Accumulators;
use crate::plan::{EntityPlan, Plan};
use crate::probes::EntityProbes;
use crate::timeline::names::Names;
use crate::value::Column;

impl LiveWindows {
    /// Windows that [answer](Self::probe) the probes `asked` of entity `entity`, and hand out no rows: only
    /// what the views that are asked for read is kept.
    pub fn probed(plan: &Plan, entity: &EntityPlan, asked: &EntityProbes) -> Self {
        let wanted = |view: usize| asked.views.contains(&view);
        let views = entity.views.iter().enumerate().filter(|(at, _)| wanted(*at));
        let reads = views.flat_map(|(_, view)| &view.reads);
        let mut read = vec![false; entity.accumulators.len()];
        reads.flat_map(|of| of.accumulators()).for_each(|at| read[at] = true);
        let accumulators = Accumulators::some(plan, entity, |at| read[at]);
        LiveWindows::of_views(plan, entity, accumulators, wanted)
    }

    /// What the views are of `slots` at the clock: of each its place in the job and its columns.
    pub fn probe(&mut self, slots: &[u32], names: &Names) -> Vec<(usize, &[Column])> {
        self.grow(names.entities.end());
        for view in &mut self.views {
            read(view, &self.accumulators, &self.lasts, (slots, self.clock), names);
            self.rows += slots.len() as u64;
            self.values += (slots.len() * view.features.len()) as u64;
        }
        self.views.iter().map(|view| (view.index, &view.columns.columns[..])).collect()
    }

    /// Forgets which rows have changed: nobody is given any.
    pub fn untouch(&mut self) {
        for view in &mut self.views {
            for slot in view.touched.drain(..) {
                view.marks[slot] = 0;
            }
        }
    }
}
