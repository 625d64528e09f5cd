//! Where history and topics meet: whether anything may be missing there.
//!
//! Of a partition of which nothing was ever removed nothing is missing. Of any other one nothing is
//! where its first event lies so far before the cut that every event behind the cut came after it:
//! `out_of_orderness`. A topic that was made after the cut lacks what happened in between, whatever it
//! has lost since.

use crate::failure::Failure;
use crate::kafka::{HeldPartition, HeldTopic};
use crate::recovery::{HistoryRead, JoinedPartition, JoinedTopic, SourceRead};
use crate::text::time_text;
use tidemark_operators::ingest::source::RecordTimes;
use tidemark_operators::plan::{Plan, SourcePlan};
use tidemark_operators::time::EventTime;

/// Sees that the files have a history up to the cut; what may be missing is said, where `accept_gap`.
///
/// # Errors
/// When they begin behind the cut, or end before it.
pub(super) fn files(read: &HistoryRead, plan: &Plan, accept_gap: bool) -> Result<(), Failure> {
    plan.sources.iter().try_for_each(|source| {
        file_gap(source, read.source(&source.name), read.cut())
            .map_or(Ok(()), |gap| told(gap, accept_gap))
    })
}

/// What may be missing, and what helps.
type HistoryGap = (String, String);

fn told((gap, hint): HistoryGap, accept_gap: bool) -> Result<(), Failure> {
    match accept_gap {
        true => {
            tracing::warn!("{gap}; which is accepted");
            Ok(())
        }
        false => Err(Failure::failed(gap).hint(hint)),
    }
}

fn file_gap(source: &SourcePlan, read: SourceRead, cut: EventTime) -> Option<HistoryGap> {
    let (name, at) = (&source.name, time_text(cut));
    let nothing = |what: &str| {
        let gap = format!("nothing of \"{name}\" is history: {what}, and history ends at {at}");
        Some((gap, "name older files, or say a later --until".to_owned()))
    };
    let (Some(first), Some(newest)) = (read.first, read.newest) else {
        return nothing("no record of its files was accepted");
    };
    if first >= cut {
        return nothing(&format!("its files begin at {}", time_text(first)));
    }
    (newest.saturating_add(source.out_of_orderness) < cut).then(|| {
        let newest = time_text(newest);
        let gap = format!(
            "the files of \"{name}\" end at {newest}, before the history is to end: at {at}; what \
             happened in between would be in neither"
        );
        let hint = "name files up to there, or say an earlier --until; where nothing happened in \
                    between, --accept-gap";
        (gap, hint.to_owned())
    })
}

/// Where the topics go on from a history that ends at `cut`; what may be missing is said, where
/// `accept_gap`. `record_bytes`: how long a record may be.
///
/// # Errors
/// When records behind the cut may have been removed already, or were never there.
pub(super) fn topics(
    held: &[HeldTopic],
    plan: &Plan,
    cut: EventTime,
    (record_bytes, accept_gap): (usize, bool),
) -> Result<Vec<JoinedTopic>, Failure> {
    let mut joined = Vec::new();
    for topic in held {
        let Some(source) = plan.sources.get(usize::from(topic.source)) else { continue };
        let firsts = firsts(topic, source, record_bytes);
        if let Some(gap) = topic_gap(topic, source, &firsts, cut) {
            told(gap, accept_gap)?;
        }
        let partitions = topic.partitions.iter().map(|held| JoinedPartition {
            partition: held.partition,
            begin: held.low,
            end: held.end,
        });
        joined.push(JoinedTopic {
            source: source.name.clone(),
            id: topic.id.clone(),
            partitions: partitions.collect(),
        });
    }
    Ok(joined)
}

/// Says from when on topics have records.
pub(super) fn tell(held: &[HeldTopic], plan: &Plan, record_bytes: usize) {
    for topic in held {
        let Some(source) = plan.sources.get(usize::from(topic.source)) else { continue };
        let begins = firsts(topic, source, record_bytes).into_iter().flatten().min();
        let begins = begins.map_or_else(|| "nowhere: it is empty".to_owned(), time_text);
        tracing::info!(source = source.name, topic = topic.topic, begins, "the topic goes on");
    }
}

/// By partition the time of its first event; where that cannot be read its record's timestamp.
fn firsts(topic: &HeldTopic, source: &SourcePlan, record_bytes: usize) -> Vec<Option<EventTime>> {
    let mut times = RecordTimes::new(source, record_bytes);
    let first = |held: &HeldPartition| {
        let batch = held.first.as_ref()?;
        let time = times.first(batch, held.partition);
        time.or_else(|| batch.records.first()?.timestamp)
    };
    topic.partitions.iter().map(first).collect()
}

fn topic_gap(
    topic: &HeldTopic,
    source: &SourcePlan,
    firsts: &[Option<EventTime>],
    cut: EventTime,
) -> Option<HistoryGap> {
    let (name, at) = (&topic.topic, time_text(cut));
    let begins = firsts.iter().flatten().min();
    if let Some(begins) = begins.filter(|begins| **begins > cut) {
        let begins = time_text(*begins);
        let gap = format!(
            "the topic {name} begins at {begins}, behind the end of the history at {at}; what happened \
             in between would be in neither"
        );
        let hint = format!(
            "name files up to there; where they have everything before the topic's first record, \
             --until {begins}; where nothing is known of the time in between, --accept-gap"
        );
        return Some((gap, hint));
    }
    topic.partitions.iter().zip(firsts).find_map(|(held, first)| {
        if held.low == 0 {
            return None;
        }
        let is_before =
            |first: &EventTime| first.saturating_add(source.out_of_orderness) <= cut;
        if first.is_some_and(|first| is_before(&first)) {
            return None;
        }
        let (partition, low) = (held.partition, held.low);
        let holds = first.map_or_else(
            || format!("{name}[{partition}] holds nothing any more before offset {low}"),
            |first| format!("{name}[{partition}] begins at {}, offset {low}", time_text(first)),
        );
        let gap = format!(
            "{holds}: older records were removed, and some of them may lie behind the end of the history \
             at {at}"
        );
        let hint = "name files up to a later time; to go on without what is missing, --accept-gap";
        Some((gap, hint.to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemark_operators::plan::{TimeField, TimeUnit};

    fn source() -> SourcePlan {
        let time = TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms);
        SourcePlan { out_of_orderness: 5_000, ..SourcePlan::new("t", time, Vec::new()) }
    }

    fn gap(lows: &[(u64, Option<EventTime>)], cut: EventTime) -> Option<String> {
        let partition = |(partition, (low, _)): (u32, &(u64, Option<EventTime>))| HeldPartition {
            partition,
            low: *low,
            end: low + 10,
            first: None,
        };
        let partitions = (0..).zip(lows).map(partition).collect();
        let topic = HeldTopic { source: 0, topic: "t".to_owned(), id: None, partitions };
        let firsts: Vec<_> = lows.iter().map(|(_, first)| *first).collect();
        topic_gap(&topic, &source(), &firsts, cut).map(|(gap, _)| gap)
    }

    #[test]
    fn a_topic_that_begins_behind_the_cut_is_a_gap_and_one_that_has_lost_nothing_is_none() {
        assert_eq!(gap(&[(0, Some(90_000)), (0, Some(150_000))], 100_000), None);
        assert_eq!(gap(&[(0, Some(100_000))], 100_000), None);
        assert_eq!(gap(&[(0, None)], 100_000), None, "it is empty, and always was");
        let behind = gap(&[(0, Some(100_001)), (0, None)], 100_000).unwrap();
        assert!(behind.contains("1970-01-01T00:01:40.001Z"), "{behind}");
        assert!(behind.contains("1970-01-01T00:01:40Z"), "{behind}");
    }

    #[test]
    fn a_partition_that_has_lost_records_has_to_begin_well_before_the_cut() {
        assert_eq!(gap(&[(7, Some(95_000))], 100_000), None);
        assert!(gap(&[(7, Some(95_001))], 100_000).unwrap().contains("t[0] begins"));
        assert!(gap(&[(0, Some(1)), (7, None)], 100_000).unwrap().contains("t[1] holds nothing"));
    }

    #[test]
    fn files_have_to_reach_from_before_the_cut_to_it() {
        let read = |first, newest| SourceRead { first: Some(first), newest: Some(newest) };
        let gap = |read| file_gap(&source(), read, 100_000).map(|(gap, _)| gap);
        assert_eq!(gap(read(1_000, 95_000)), None);
        assert!(gap(read(1_000, 94_999)).unwrap().contains("end at"));
        assert!(gap(read(100_000, 200_000)).unwrap().contains("nothing of \"t\""));
        assert!(gap(SourceRead::default()).unwrap().contains("no record"));
    }
}
