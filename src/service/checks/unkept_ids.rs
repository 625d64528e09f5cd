//! Ids that were not kept for want of room: copies of their records are events, which counts them twice.
//!
//! What the last [`OVER`] brought is looked at, once the job has caught up. Bound: the samples of
//! [`Recent`] by source with `unique_within`.

use crate::http::Part;
use crate::service::checks::recent::{OVER, Recent};
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::count_text;
use std::sync::{Mutex, PoisonError};

/// Finds sources that have more ids within `unique_within` than `unique_ids_max`.
#[derive(Debug, Default)]
pub(crate) struct UnkeptIds {
    /// By source.
    recent: Mutex<Vec<Option<Recent<1>>>>,
}

impl HealthCheck for UnkeptIds {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if !moment.caught_up {
            recent.clear();
            return Vec::new();
        }
        recent.resize(moment.plan.sources.len(), None);
        let mut findings = Vec::new();
        for ((at, source), recent) in moment.plan.sources.iter().enumerate().zip(recent.iter_mut())
        {
            let Some(unique) = &source.unique else { continue };
            let ids = moment.workers.iter().filter_map(|worker| worker.unique.get(at));
            let unkept = [ids.map(|ids| ids.unkept.get()).sum()];
            let recent = recent.get_or_insert_with(|| Recent::new(unkept, moment.now, OVER));
            let [grown] = recent.look(unkept, moment.now);
            if grown > 0 {
                findings.push(Finding {
                    part: Part::Source,
                    component: source.name.clone(),
                    reason: "unkept_ids",
                    text: format!(
                        "{} ids were not kept in the last {} minutes, since a partition had as many \
                         as unique_ids_max ({}): copies of these records are events; raise \
                         unique_ids_max, or shorten unique_within",
                        count_text(grown),
                        OVER.as_secs() / 60,
                        count_text(u64::try_from(unique.ids_max).unwrap_or(u64::MAX))
                    ),
                });
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::tests::World;
    use tidemark_operators::plan::{Duplicates, UniquePlan};

    #[test]
    fn a_source_whose_ids_have_no_room_is_named_until_they_have() {
        let mut world = World::new();
        let check = UnkeptIds::default();
        let unkept = |world: &World, ids: u64| world.workers[0].unique[0].unkept.add(ids);
        unkept(&world, 7);
        assert_eq!(check.look(&world.moment(0)), [], "no copies are told");
        let (id, ids_max, duplicates) = (vec![0], 50_000, Duplicates::Skip);
        world.plan.sources[0].unique =
            Some(UniquePlan { id, within: 600_000, ids_max, duplicates });
        assert_eq!(check.look(&world.moment(1)), [], "what was before is no news");
        unkept(&world, 1_200);
        let findings = check.look(&world.moment(2));
        assert_eq!((findings.len(), findings[0].component.as_str()), (1, "source_0"));
        assert!(findings[0].text.starts_with("1,200 ids were not kept"), "{}", findings[0].text);
        let over = OVER.as_secs();
        (3..2 * over).for_each(|at| drop(check.look(&world.moment(at))));
        assert_eq!(check.look(&world.moment(2 * over)), []);
        world.caught_up = false;
        unkept(&world, 1);
        assert_eq!(check.look(&world.moment(2 * over + 1)), []);
        world.caught_up = true;
        assert_eq!(check.look(&world.moment(2 * over + 2)), [], "catching up was no news");
    }
}
