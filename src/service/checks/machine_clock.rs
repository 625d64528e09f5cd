//! A machine's clock that is behind those of all who write: the live clock does not pass it (unless
//! the frontier does), so values would be as of a time long gone and nothing else would tell.
//!
//! One producer whose clock is fast in both stamps looks the same; more than half of the partitions
//! do not.

use crate::connect::millis;
use crate::http::Part;
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{duration_short, duration_text};
use std::time::Duration;

/// Finds the job when the newest records of most partitions arrived in the machine's future.
#[derive(Debug)]
pub(crate) struct SlowMachineClock {
    by: Duration,
}

impl SlowMachineClock {
    pub fn new(by: Duration) -> Self {
        SlowMachineClock { by }
    }
}

impl HealthCheck for SlowMachineClock {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let limit = millis(self.by);
        let partitions = moment.workers.iter().flat_map(|worker| worker.progress());
        let arrivals: Vec<_> = partitions.filter_map(|p| p.ahead.newest_arrival).collect();
        let ahead = arrivals.iter().map(|at| at.saturating_sub(moment.wall));
        let ahead: Vec<_> = ahead.filter(|ahead| *ahead > limit).collect();
        let most = moment.caught_up && ahead.len() * 2 > arrivals.len();
        let Some(least) = ahead.iter().min().filter(|_| most) else {
            return Vec::new();
        };
        let text = format!(
            "the newest records of {} of {} partitions arrived {} or more after this machine's clock, \
             more than clock_behind ({}): it is slow, or those who stamp the records are fast; live \
             values follow the slower one. Look at the time synchronisation of this machine, then at \
             that of brokers and producers",
            ahead.len(),
            arrivals.len(),
            duration_short(*least),
            duration_text(limit),
        );
        let component = moment.plan.name.clone();
        vec![Finding { part: Part::Job, component, reason: "machine_clock", text }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::tests::{START, World};

    fn found(world: &World) -> bool {
        !SlowMachineClock::new(Duration::from_secs(60)).look(&world.moment(0)).is_empty()
    }

    #[test]
    fn a_machine_behind_most_partitions_is_found_and_one_fast_partition_is_not() {
        let mut world = World::new();
        assert!(!found(&world), "no arrival is known");
        let (level, fast) = (Some(START - 500), Some(START + 60_001));
        world.arrived(&[fast, level, None]);
        assert!(!found(&world), "one of two");
        world.arrived(&[fast, fast, level, None]);
        assert!(found(&world));
        world.caught_up = false;
        assert!(!found(&world), "while it catches up nothing is said");
        world.caught_up = true;
        world.arrived(&[Some(START + 60_000), Some(START + 60_000)]);
        assert!(!found(&world), "by as much as it may");
    }
}
