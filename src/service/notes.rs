//! What somebody who looks wants to know although nothing is wrong: partitions from which nothing comes,
//! and those whose clocks are ahead.

use super::Service;
use super::checks::Finding;
use crate::http::overview::{AHEAD_SHARE, PartitionOverview};
use crate::metrics::snapshot::KafkaSnapshot;
use crate::text::{duration_short, duration_text};
use tidemark_operators::plan::SourcePlan;
use tidemark_operators::time::Millis;

/// How long a partition may be silent that holds the others back, in ms, before that is told.
const HOLDS_FOR: Millis = 10_000;
/// By how much those must be ahead on average, in ms: less is what networks and batches do.
const AHEAD_BY: Millis = 5_000;

impl Service {
    /// What there is to say, as the rest of a sentence each. Nothing while the brokers cannot be reached,
    /// which is what silences all.
    pub(super) fn notes(
        &self,
        partitions: &[PartitionOverview],
        kafka: Option<&KafkaSnapshot>,
        findings: &[Finding],
    ) -> Vec<String> {
        if kafka.is_none_or(|kafka| kafka.down.is_some()) {
            return Vec::new();
        }
        let silent = self.plan.sources.iter().filter_map(|source| told(source, partitions));
        // Where that is found of a source, it says the same.
        let is_found = findings.iter().any(|finding| finding.reason == "corrected");
        let ahead = ahead(partitions).filter(|_| !is_found);
        ahead.into_iter().chain(silent).collect()
    }
}

/// The partition whose clock is furthest ahead, and how many there are.
fn ahead(partitions: &[PartitionOverview]) -> Option<String> {
    let is_ahead = |partition: &&PartitionOverview| {
        partition.ahead.is_some_and(|share| share > AHEAD_SHARE) && partition.ahead_by >= AHEAD_BY
    };
    let most = partitions.iter().filter(is_ahead).max_by_key(|partition| partition.ahead_by)?;
    let others = partitions.iter().filter(is_ahead).count() - 1;
    let (number, source, by) = (most.partition, &most.source, duration_short(most.ahead_by));
    let besides = if others == 0 { String::new() } else { format!(", and of {others} more") };
    Some(format!(
        "the clock of who writes partition {number} of {source}{besides} is ahead, by {by} on average"
    ))
}

/// What is told of one source: its silent partitions, for as long as the one that fell silent last.
fn told(source: &SourcePlan, partitions: &[PartitionOverview]) -> Option<String> {
    source.topic.as_ref()?;
    let mine = || partitions.iter().filter(|partition| partition.source == source.name);
    // What is left to read, or waits for others, is not silent.
    let is_silent = |partition: &&PartitionOverview| {
        let holds = partition.holds && partitions.len() > 1;
        let long = if holds { HOLDS_FOR.min(source.idle_after) } else { source.idle_after };
        partition.quiet >= long && partition.lag.is_none_or(|lag| lag == 0)
    };
    let silent: Vec<_> = mine().filter(is_silent).collect();
    let since = silent.iter().map(|partition| partition.quiet).min()?;
    let (name, since) = (&source.name, duration_short(since));
    if silent.len() == mine().count() {
        return Some(format!("nothing has come from {name} for {since}"));
    }
    let numbers: Vec<_> = silent.iter().map(|partition| partition.partition.to_string()).collect();
    let (which, have) = match numbers.as_slice() {
        [one] => (format!("partition {one}"), "has"),
        all => (format!("partitions {}", all.join(", ")), "have"),
    };
    let holds = silent.iter().any(|partition| partition.holds);
    let so = match holds {
        true => {
            format!("sealed rows wait for it, for {} at most", duration_text(source.idle_after))
        }
        false => {
            "the others go on without it; see who writes it, if it should have records".to_owned()
        }
    };
    Some(format!("{which} of {name} {have} been silent for {since}; {so}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(partition: u32, quiet: u64, lag: u64) -> PartitionOverview {
        PartitionOverview {
            source: "transactions".to_owned(),
            partition,
            quiet,
            lag: Some(lag),
            ..PartitionOverview::default()
        }
    }

    #[test]
    fn the_partition_whose_clock_is_furthest_ahead_is_named() {
        let clock = |number, share, ahead_by| PartitionOverview {
            ahead: Some(share),
            ahead_by,
            ..partition(number, 0, 0)
        };
        assert_eq!(ahead(&[clock(0, 0.9, 4_999), clock(1, 0.1, 9_000)]), None);
        let text = ahead(&[clock(0, 0.9, 5_000), clock(1, 0.2, 3_600_000), clock(2, 0.0, 0)]);
        let said =
            "the clock of who writes partition 1 of transactions, and of 1 more is ahead, by 1 h";
        assert!(text.as_deref().unwrap_or_default().starts_with(said), "{text:?}");
    }

    #[test]
    fn silent_partitions_are_named_and_those_with_something_left_to_read_are_not_silent() {
        let mut plan = crate::metrics::tests::small_plan().sources.remove(0);
        (plan.name, plan.topic, plan.idle_after) =
            ("transactions".to_owned(), Some("tx".to_owned()), 30_000);
        let said = |all: &[PartitionOverview]| told(&plan, all).unwrap_or_default();
        let (silent, speaks) = (partition(2, 45_000, 0), partition(0, 900, 0));
        assert_eq!(
            said(&[speaks.clone(), silent.clone()]),
            "partition 2 of transactions has been silent for 45.0 s; the others go on without it; \
             see who writes it, if it should have records"
        );
        assert_eq!(said(&[speaks.clone(), partition(2, 29_999, 0)]), "");
        assert_eq!(said(&[speaks.clone(), partition(2, 45_000, 7)]), "");
        let holds = PartitionOverview { holds: true, ..partition(2, 10_000, 0) };
        assert!(
            said(&[speaks.clone(), holds])
                .ends_with("10.0 s; sealed rows wait for it, for 30s at most")
        );
        let two = [speaks, partition(1, 60_000, 0), silent];
        assert!(said(&two).starts_with("partitions 1, 2 of transactions have been silent for 45"));
        assert_eq!(said(&two[1..]), "nothing has come from transactions for 45.0 s");
    }
}
