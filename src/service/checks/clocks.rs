//! Clocks that disagree: records whose event times and arrivals do not fit together, each kind with
//! the setting that helps.
//!
//! | reason | in the last five minutes |
//! |---|---|
//! | `corrected` | more than a tenth of a source's events had to be set back to their arrival |
//! | `slow_timestamps` | more than a hundredth of its records are late by their arrival alone |
//! | `frontier_held` | most events of the partition that holds the frontier back lie ahead of their arrivals, by more than they may be out of order on average |
//!
//! Bound: a window of counts a source, and one a partition.

use super::recent::{OVER, Recent};
use crate::http::Part;
use crate::metrics::float;
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{count_text, duration_text};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use tidemark_operators::metrics::{Ahead, ClockCounts, PartitionProgress};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::SourcePlan;

/// Of fewer records nothing is said.
const RECORDS_LEAST: u64 = 100;
/// The share of corrected events above which a source is found.
const CORRECTED_SHARE: f64 = 0.1;
/// The share of records late by their arrival alone above which a source is found.
const SLOW_SHARE: f64 = 0.01;
/// The share of events ahead of their arrival from which on a partition is named.
const AHEAD_SHARE: f64 = 0.01;
/// The share of events ahead of their arrival above which it is the arrivals that lag: a few events far
/// ahead are fast clocks, and hold nobody back.
const LAGGING_SHARE: f64 = 0.5;
/// The share of timestamps that are event times above which a source says what helps.
const STAMPED_SHARE: f64 = 0.5;

/// Events whose arrival is known, corrected, late by arrival.
type OfSource = Recent<3>;
/// Events whose arrival is known, those ahead of it, and how far, in ms.
type OfPartition = Recent<3>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Clocks(Mutex<Windows>);

#[derive(Debug, Default)]
struct Windows {
    sources: BTreeMap<usize, OfSource>,
    partitions: BTreeMap<PartitionId, OfPartition>,
}

impl HealthCheck for Clocks {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !moment.caught_up {
            // What a history holds is no news.
            *windows = Windows::default();
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (at, source) in moment.plan.sources.iter().enumerate() {
            let counts = source_counts(moment, at);
            let window =
                windows.sources.entry(at).or_insert_with(|| Recent::new(counts, moment.now, OVER));
            let grown = window.look(counts, moment.now);
            findings.extend(corrected(source, grown));
            findings.extend(slow(source, grown));
        }
        let progress: Vec<_> = moment.workers.iter().flat_map(|worker| worker.progress()).collect();
        findings.extend(windows.holder(moment, &progress));
        findings
    }
}

fn source_counts(moment: &Moment<'_>, source: usize) -> [u64; 3] {
    let counts = moment.workers.iter().filter_map(|worker| worker.clocks.get(source));
    let of = |counts: &ClockCounts| {
        [&counts.arrivals, &counts.corrected, &counts.late_by_arrival].map(|c| c.get())
    };
    counts.map(of).fold([0; 3], |[a, b, c], [x, y, z]| [a + x, b + y, c + z])
}

fn finding(source: &SourcePlan, reason: &'static str, text: String) -> Finding {
    Finding { part: Part::Source, component: source.name.clone(), reason, text }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn corrected(source: &SourcePlan, [arrivals, corrected, _]: [u64; 3]) -> Option<Finding> {
    let share = float(corrected) / float(arrivals.max(1));
    if arrivals < RECORDS_LEAST || share <= CORRECTED_SHARE {
        return None;
    }
    let most = source.max_ahead.unwrap_or(0);
    let text = format!(
        "{} of the last {} events lay more than max_ahead ({}) ahead of their arrival and were set \
         back to that: look at the producers' clocks, or at what arrival is taken from (arrival_field)",
        percent(share),
        count_text(arrivals),
        duration_text(most),
    );
    Some(finding(source, "corrected", text))
}

fn slow(source: &SourcePlan, [arrivals, _, late]: [u64; 3]) -> Option<Finding> {
    let records = arrivals + late;
    let share = float(late) / float(records.max(1));
    if records < RECORDS_LEAST || share <= SLOW_SHARE {
        return None;
    }
    let text = format!(
        "{} of the last {} records are late by their timestamps alone, their event times are not: a \
         producer stamps its records slow by more than out_of_orderness and max_ahead; correct its \
         clock, raise max_ahead, name an arrival_field, or set arrival = \"none\"",
        percent(share),
        count_text(records),
    );
    Some(finding(source, "slow_timestamps", text))
}

impl Windows {
    /// The partition that holds the frontier back, when it does so by timestamps that lag its events.
    fn holder(&mut self, moment: &Moment<'_>, progress: &[PartitionProgress]) -> Option<Finding> {
        for partition in progress {
            let counts = ahead(&partition.ahead);
            self.partitions
                .entry(partition.id)
                .or_insert_with(|| Recent::new(counts, moment.now, OVER));
        }
        let grown: Vec<_> = progress.iter().map(|p| (p, self.grown(p, moment.now))).collect();
        let held = holder(progress)?;
        let (holder, [arrivals, events, by_ms]) = grown.iter().find(|(p, _)| p.id == held.id)?;
        let source = moment.plan.sources.get(usize::from(holder.id.source))?;
        let mean = by_ms / (*arrivals).max(1);
        let lag = float(*events) > float(*arrivals) * LAGGING_SHARE;
        let least = *arrivals >= RECORDS_LEAST && mean > source.out_of_orderness;
        if progress.len() < 2 || !lag || !least {
            return None;
        }
        let text = format!(
            "partition {} holds the frontier back: the timestamps of its records lag their event times \
             by {} on average, more than out_of_orderness ({}); correct the clock that sets them, or \
             name an arrival_field",
            holder.id.partition,
            duration_text(mean),
            duration_text(source.out_of_orderness),
        );
        Some(finding(source, "frontier_held", text))
    }

    fn grown(&mut self, partition: &PartitionProgress, now: Instant) -> [u64; 3] {
        let counts = ahead(&partition.ahead);
        self.partitions.get_mut(&partition.id).map_or([0; 3], |window| window.look(counts, now))
    }
}

/// The partition that holds the frontier, of these.
pub(crate) fn holder(progress: &[PartitionProgress]) -> Option<&PartitionProgress> {
    let active = progress.iter().filter(|p| !p.idle && p.clock > 0);
    active.min_by_key(|p| p.watermark)
}

fn ahead(ahead: &Ahead) -> [u64; 3] {
    [ahead.arrivals, ahead.events, ahead.by_ms]
}

/// What there is to know of the times of a source's records in this run: which share of them has its
/// event time as timestamp, and the partition whose events lie ahead of their arrivals most often.
pub(crate) fn told(
    source: &SourcePlan,
    counts: &[&ClockCounts],
    progress: &[&PartitionProgress],
) -> Option<String> {
    let parts: Vec<_> = stamped(source, counts).into_iter().chain(furthest(progress)).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn stamped(source: &SourcePlan, counts: &[&ClockCounts]) -> Option<String> {
    let stamped: u64 = counts.iter().map(|counts| counts.stamped.get()).sum();
    let same: u64 = counts.iter().map(|counts| counts.stamped_with_ts.get()).sum();
    let share = float(same) / float(stamped.max(1));
    if stamped == 0 {
        return None;
    }
    let said = format!("{} of its events have their time as timestamp", percent(share));
    if stamped < RECORDS_LEAST || share <= STAMPED_SHARE || source.arrival.field().is_some() {
        return Some(said);
    }
    Some(format!(
        "{said}, so a fast clock is not seen: set message.timestamp.type=LogAppendTime or \
         message.timestamp.after.max.ms for the topic, or name an arrival_field"
    ))
}

fn furthest(progress: &[&PartitionProgress]) -> Option<String> {
    let share = |p: &PartitionProgress| float(p.ahead.events) / float(p.ahead.arrivals.max(1));
    let most = progress.iter().max_by(|a, b| share(a).total_cmp(&share(b)))?;
    let mean = most.ahead.by_ms / most.ahead.events.max(1);
    (share(most) >= AHEAD_SHARE).then(|| {
        format!(
            "{} of the events of partition {} lie ahead of their arrival, by {} on average",
            percent(share(most)),
            most.id.partition,
            duration_text(mean),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::tests::World;
    use tidemark_operators::ingest::reader::Standing;

    fn found(check: &Clocks, world: &World, at: u64) -> Vec<(String, &'static str)> {
        let findings = check.look(&world.moment(at)).into_iter();
        findings.map(|finding| (finding.component, finding.reason)).collect()
    }

    fn world() -> World {
        let mut world = World::of(2);
        world.plan.sources[1].max_ahead = Some(5_000);
        world
    }

    #[test]
    fn a_source_of_which_more_than_a_tenth_is_corrected_is_found_and_one_at_it_is_not() {
        let (check, world) = (Clocks::default(), world());
        let counts = &world.workers[0].clocks[1];
        assert_eq!(found(&check, &world, 0), []);
        counts.arrivals.add(1_000);
        counts.corrected.add(100);
        assert_eq!(found(&check, &world, 1), []);
        counts.corrected.add(1);
        assert_eq!(found(&check, &world, 2), [("source_1".to_owned(), "corrected")]);
        let text = check.look(&world.moment(3)).remove(0).text;
        assert!(
            text.starts_with("10.1 % of the last 1,000 events lay more than max_ahead (5s)"),
            "{text}"
        );
        counts.arrivals.add(5_000);
        assert_eq!(found(&check, &world, 4), []);
    }

    #[test]
    fn what_a_history_holds_is_no_news_and_few_records_say_nothing() {
        let (check, mut world) = (Clocks::default(), world());
        world.caught_up = false;
        assert_eq!(found(&check, &world, 0), []);
        world.workers[0].clocks[0].arrivals.add(1_000);
        world.workers[0].clocks[0].corrected.add(1_000);
        assert_eq!(found(&check, &world, 1), []);
        world.caught_up = true;
        assert_eq!(found(&check, &world, 2), []);
        world.workers[0].clocks[0].arrivals.add(RECORDS_LEAST - 1);
        world.workers[0].clocks[0].corrected.add(RECORDS_LEAST - 1);
        assert_eq!(found(&check, &world, 3), []);
    }

    #[test]
    fn records_that_only_their_timestamps_make_late_are_found() {
        let (check, world) = (Clocks::default(), world());
        let counts = &world.workers[0].clocks[0];
        assert_eq!(found(&check, &world, 0), []);
        counts.arrivals.add(990);
        counts.late_by_arrival.add(10);
        assert_eq!(found(&check, &world, 1), []);
        counts.late_by_arrival.add(1);
        assert_eq!(found(&check, &world, 2), [("source_0".to_owned(), "slow_timestamps")]);
    }

    fn partition(number: u32, watermark: u64, arrivals: u64, by_ms: u64) -> PartitionProgress {
        PartitionProgress {
            id: PartitionId { source: 0, partition: number },
            watermark,
            clock: watermark + 1,
            newest: watermark + 1,
            ahead: Ahead { arrivals, events: arrivals, by_ms, newest_arrival: None },
            first: 1,
            next_offset: 0,
            idle: false,
            caught_up: true,
            paused: false,
            standing: Standing::AtEnd,
            overdue: false,
            still: 0,
        }
    }

    #[test]
    fn the_partition_whose_events_are_ahead_most_often_is_named() {
        let mut few = partition(3, 500, 1_000, 9_000);
        few.ahead.events = 9;
        let source = &world().plan.sources[0];
        assert_eq!(told(source, &[], &[&few]), None, "less than a hundredth of them");
        few.ahead.events = 10;
        let text = told(source, &[], &[&partition(1, 500, 100, 0), &few]);
        assert!(text.is_some_and(|text| text.contains("events of partition 1 lie ahead")));
        let none = PartitionProgress { ahead: Ahead::default(), ..partition(1, 500, 0, 0) };
        let text = told(source, &[], &[&none, &few]).unwrap();
        assert_eq!(
            text,
            "1.0 % of the events of partition 3 lie ahead of their arrival, by 900ms on average"
        );
    }

    #[test]
    fn a_partition_that_holds_the_frontier_by_slow_timestamps_is_named() {
        let (check, world) = (Clocks::default(), world());
        let most = world.plan.sources[0].out_of_orderness;
        world.workers[0].set_progress([partition(0, 900, 0, 0), partition(1, 500, 0, 0)]);
        assert_eq!(found(&check, &world, 0), []);
        let told = |slow: u32, by_ms| {
            let times = |number, watermark| match number == slow {
                true => partition(number, watermark, 1_000, by_ms),
                false => partition(number, watermark, 1_000, 0),
            };
            world.workers[0].set_progress([times(0, 900), times(1, 500)]);
        };
        told(1, 1_000 * most);
        assert_eq!(found(&check, &world, 1), []);
        told(1, 1_000 * (most + 1));
        assert_eq!(found(&check, &world, 2), [("source_0".to_owned(), "frontier_held")]);
        told(0, 1_000 * (most + 1));
        assert_eq!(found(&check, &world, 3), [], "the other one holds nobody back");
    }

    #[test]
    fn one_event_years_ahead_is_not_taken_for_slow_timestamps() {
        let (check, world) = (Clocks::default(), world());
        world.workers[0].set_progress([partition(0, 900, 0, 0), partition(1, 500, 0, 0)]);
        assert_eq!(found(&check, &world, 0), []);
        let years = 10 * 365 * 86_400_000;
        let mut holder = partition(1, 500, 1_000, years);
        holder.ahead.events = 1;
        world.workers[0].set_progress([partition(0, 900, 1_000, 0), holder]);
        assert_eq!(found(&check, &world, 1), []);
        holder.ahead.events = 501;
        world.workers[0].set_progress([partition(0, 900, 1_000, 0), holder]);
        assert_eq!(found(&check, &world, 2).len(), 1, "of most events it would be");
    }

    #[test]
    fn timestamps_that_are_event_times_are_told_with_the_settings_that_help() {
        let mut world = world();
        let counts = &world.workers[0].clocks[0];
        assert_eq!(told(&world.plan.sources[0], &[counts], &[]), None);
        counts.stamped.add(200);
        counts.stamped_with_ts.add(100);
        let text = told(&world.plan.sources[0], &[counts], &[]).unwrap();
        assert_eq!(text, "50.0 % of its events have their time as timestamp");
        counts.stamped_with_ts.add(1);
        let text = stamped(&world.plan.sources[0], &[counts]).unwrap();
        for setting in [
            "message.timestamp.type=LogAppendTime",
            "message.timestamp.after.max.ms",
            "arrival_field",
        ] {
            assert!(text.contains(setting), "{text}");
        }
        let time = world.plan.sources[0].time.clone();
        world.plan.sources[0].arrival = tidemark_operators::plan::Arrival::Field(time);
        let text = stamped(&world.plan.sources[0], &[&world.workers[0].clocks[0]]).unwrap();
        assert_eq!(text, "50.5 % of its events have their time as timestamp");
    }
}
