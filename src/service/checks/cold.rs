//! Events that were to leave memory and could not: they stay, and memory is not what it was planned to be.
//!
//! What the last [`OVER`] brought is looked at, also while the job catches up: it is then that most of them are to
//! leave. Bound: the samples of [`Recent`] by entity type.

use crate::http::Part;
use crate::service::checks::recent::{OVER, Recent};
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::count_text;
use std::sync::{Mutex, PoisonError};

/// Finds entity types whose events were not taken by the disk.
#[derive(Debug, Default)]
pub(crate) struct KeptInMemory {
    /// By entity type.
    recent: Mutex<Vec<Option<Recent<1>>>>,
}

impl HealthCheck for KeptInMemory {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.resize(moment.plan.entities.len(), None);
        let mut entities = Vec::new();
        let mut chunks = 0;
        for ((at, entity), recent) in moment.plan.entities.iter().enumerate().zip(&mut *recent) {
            let held = moment.workers.iter().filter_map(|worker| worker.entities.get(at));
            let failures = [held.map(|held| held.cold_failures.get()).sum()];
            let recent = recent.get_or_insert_with(|| Recent::new([0], moment.now, OVER));
            let [grown] = recent.look(failures, moment.now);
            if grown > 0 {
                chunks += grown;
                entities.push(entity.name.as_str());
            }
        }
        if entities.is_empty() {
            return Vec::new();
        }
        let text = format!(
            "events that were to leave memory could not be written to the folder of \"cold\" in [state] ({} times in \
             the last {} minutes; of {}) and stay: the log says why; make room there, or name another folder. \
             They leave once it succeeds",
            count_text(chunks),
            OVER.as_secs() / 60,
            entities.join(", ")
        );
        vec![Finding { part: Part::Memory, component: "memory".to_owned(), reason: "cold", text }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::tests::World;

    #[test]
    fn events_that_could_not_leave_memory_are_told_until_they_do() {
        let mut world = World::new();
        world.caught_up = false;
        let check = KeptInMemory::default();
        assert_eq!(check.look(&world.moment(0)), []);
        world.workers[0].entities[0].cold_failures.set(1_200);
        let findings = check.look(&world.moment(1));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.component.as_str(), finding.reason), ("memory", "cold"));
        assert!(finding.text.contains("(1,200 times in the last 5 minutes"), "{}", finding.text);
        assert!(finding.text.contains(&world.plan.entities[0].name), "{}", finding.text);
        let over = OVER.as_secs();
        (2..2 * over).for_each(|at| drop(check.look(&world.moment(at))));
        assert_eq!(check.look(&world.moment(2 * over)), []);
    }
}
