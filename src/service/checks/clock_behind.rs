//! A live clock that is far behind what arrives: event times lag their arrivals, or nothing new is
//! accepted, so values are as of a time long gone.
//!
//! What counts is the arrival of the record that was judged last, by partition: an arrival that is
//! wrong is forgotten with the next record, and one ahead of the machine's clock counts as now.

use crate::connect::millis;
use crate::http::Part;
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{duration_short, duration_text};
use std::time::Duration;
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::time::{EventTime, Millis};

/// Finds the job when its live clock is too far behind the newest arrival.
#[derive(Debug)]
pub(crate) struct ClockBehind {
    by: Duration,
}

impl ClockBehind {
    pub fn new(by: Duration) -> Self {
        ClockBehind { by }
    }
}

/// How far the live clock is behind the arrival of the newest record of any partition; `None` before
/// the first event, and where no arrivals are known.
pub(crate) fn behind<'w>(
    workers: impl IntoIterator<Item = &'w WorkerMetrics>,
    wall: EventTime,
) -> Option<Millis> {
    let (mut clock, mut arrived) = (EventTime::MAX, None);
    for worker in workers {
        clock = clock.min(worker.live_clock.get());
        let newest = worker.progress().into_iter().filter_map(|p| p.ahead.newest_arrival).max();
        arrived = arrived.max(newest);
    }
    Some(arrived?.min(wall).saturating_sub(clock)).filter(|_| clock > 0)
}

impl HealthCheck for ClockBehind {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let workers = moment.workers.iter().map(|worker| &**worker);
        let limit = millis(self.by);
        let Some(behind) =
            behind(workers, moment.wall).filter(|behind| moment.caught_up && *behind > limit)
        else {
            return Vec::new();
        };
        let text = format!(
            "the live clock is {} behind the arrival of the newest record, more than clock_behind \
             ({}): events come late, or are refused; look at what writes the topics, and at \
             tidemark_dead_letters_total",
            duration_short(behind),
            duration_text(limit),
        );
        let component = moment.plan.name.clone();
        vec![Finding { part: Part::Job, component, reason: "clock_behind", text }]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::tests::{START, World};

    fn found(world: &World, clock: EventTime) -> bool {
        world.workers[0].live_clock.set(clock);
        !ClockBehind::new(Duration::from_secs(60)).look(&world.moment(0)).is_empty()
    }

    #[test]
    fn a_clock_further_behind_than_the_limit_is_found_and_one_that_far_behind_is_not() {
        let mut world = World::new();
        world.workers[0].live_clock.set(1);
        assert!(!found(&world, 1), "no arrival is known");
        world.arrived(&[Some(START - 5_000), Some(START - 500_000), None]);
        assert!(!found(&world, 0), "there is no clock yet");
        assert!(!found(&world, START - 65_000));
        assert!(found(&world, START - 65_001));
        world.caught_up = false;
        assert!(!found(&world, START - 65_001), "while it catches up nothing is said");
    }

    #[test]
    fn an_arrival_ahead_of_the_machines_clock_counts_as_now() {
        let world = World::new();
        world.arrived(&[Some(START + 1_000_000_000)]);
        assert!(!found(&world, START - 60_000));
        assert!(found(&world, START - 60_001));
    }
}
