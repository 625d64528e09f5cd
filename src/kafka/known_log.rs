//! Whether the partitions of a topic are still the logs that a checkpoint has read.
//!
//! ```text
//!  a partition     low ........ reread ........ last, read ........ high
//!  as it was known              └ is read again ┘  └ its record is compared
//! ```
//!
//! A log is another one when its topic has another id, when it ends before what was read, or when the
//! last record that was read is another one now. Records between `low` and `reread` are not needed; that
//! some behind `reread` are gone is a loss, whatever they were. What cannot be compared, since retention
//! or compaction has removed just that record, is no sign of anything: it is said and passed over.

use crate::kafka::error::KafkaError;
use crate::kafka::inquirer::{Trouble, native, signed};
use crate::kafka::lane::timestamp;
use crate::kafka::read_topic::read_from;
use crate::kafka::settings::KafkaConfig;
use crate::kafka::topic_id::TopicId;
use rdkafka::Offset;
use rdkafka::message::{BorrowedMessage, Message as _};
use std::collections::BTreeMap;
use tidemark_operators::cut::{RecordCheck, Resume};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::time::EventTime;

/// What a checkpoint knows of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownTopic {
    /// The name of the source that reads it, or of the reference table.
    pub source: String,
    /// Whether it is read as a reference table.
    pub is_table: bool,
    /// Its id, where the brokers had ids.
    pub id: Option<String>,
    /// Its partitions.
    pub partitions: BTreeMap<u32, KnownPartition>,
    /// Whether reading goes on when it is another one by now, or has lost records.
    pub accept_changed: bool,
}

/// What a checkpoint knows of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KnownPartition {
    /// From where on it is read again.
    pub reread: u64,
    /// The offset after the last record that was read.
    pub read: u64,
    /// That record; `None`: none was read.
    pub last: Option<RecordCheck>,
    /// Nothing that was read of it counts: records are wanted that have this timestamp or a later one.
    pub wanted: Option<EventTime>,
}

/// How a partition has changed since a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogChange {
    /// It is another log: nothing is known of it.
    Another,
    /// Records that were to be read are gone: it begins at this offset.
    Lost(u64),
}

/// The topics of a job, as they were found at its start.
#[derive(Clone, Debug, Default)]
pub struct FoundTopics {
    /// By source the topic's id, where the brokers have ids.
    pub(crate) ids: BTreeMap<u16, String>,
    /// By partition the offset at which reading begins.
    pub(crate) begins: BTreeMap<PartitionId, u64>,
    /// Partitions that have changed, which was accepted.
    pub(super) changes: BTreeMap<PartitionId, LogChange>,
}

impl FoundTopics {
    /// Takes out of `resume` what does not hold of the logs that are there.
    pub fn amend(&self, resume: &mut Resume) {
        for (id, change) in &self.changes {
            match change {
                LogChange::Another => {
                    resume.partitions.remove(id);
                    // Events with these ids are before the cut, and late now, or were not kept.
                    resume.ids.take(*id);
                }
                LogChange::Lost(begins) => {
                    if let Some(mark) = resume.partitions.get_mut(id) {
                        mark.reread = *begins;
                        mark.read = mark.read.max(*begins);
                    }
                }
            }
        }
    }

    /// Partitions of which what a checkpoint says does not hold any more.
    pub(crate) fn others(&self) -> impl Iterator<Item = PartitionId> {
        let others = self.changes.iter().filter(|(_, change)| **change == LogChange::Another);
        others.map(|(id, _)| *id)
    }
}

/// What is found in the place of a record that is known.
enum FoundRecord {
    Same,
    /// Retention or compaction has removed it.
    Gone,
    Other(RecordCheck),
}

/// A change, and how it is told of.
struct ToldChange {
    partition: u32,
    change: LogChange,
    sign: String,
}

/// Of the partitions of `topic`, whose id and whose first and last offsets are these, those that have
/// changed since what is `known` of them.
///
/// # Errors
/// The first that has, unless that is accepted; or why the brokers did not say.
pub(super) fn changes(
    config: &KafkaConfig,
    topic: &str,
    known: &KnownTopic,
    id: Option<TopicId>,
    held: &[(u64, u64)],
) -> Result<BTreeMap<u32, LogChange>, Trouble> {
    if known.partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found = known.id.clone().zip(id.map(|id| id.to_string())).filter(|(was, is)| was != is);
    let told = match found {
        Some((was, is)) => {
            let sign = format!(", the topic's id was {was} and is {is}: it was made anew");
            let told = |(partition, at): (&u32, &KnownPartition)| {
                another(*partition, format!("{}{sign}", place(at, held_by(held, *partition))))
            };
            known.partitions.iter().map(told).collect()
        }
        None => by_records(config, topic, known, held)?,
    };
    let Some(first) = told.first() else { return Ok(BTreeMap::new()) };
    if !known.accept_changed {
        return Err(Trouble::Lasting(KafkaError::ChangedSinceCheckpoint {
            what: if known.is_table { "table" } else { "source" },
            of: known.source.clone(),
            topic: topic.to_owned(),
            partition: first.partition,
            sign: first.sign.clone(),
            others: told.len() - 1,
        }));
    }
    for ToldChange { partition, sign, .. } in &told {
        let source = &known.source;
        tracing::warn!(
            source,
            topic,
            partition,
            "kafka: the partition is not as the checkpoint knows it, which is accepted: {sign}"
        );
    }
    Ok(told.into_iter().map(|told| (told.partition, told.change)).collect())
}

/// The same where the topic's id says nothing.
fn by_records(
    config: &KafkaConfig,
    topic: &str,
    known: &KnownTopic,
    held: &[(u64, u64)],
) -> Result<Vec<ToldChange>, Trouble> {
    let (mut told, mut compared) = (Vec::new(), Vec::new());
    let firsts = first_timestamps(config, topic, known, held)?;
    for (partition, at) in &known.partitions {
        let found = held_by(held, *partition);
        match by_offsets(at, found, firsts.get(partition).copied()) {
            Some((change, sign)) => {
                let sign = format!("{}{sign}", place(at, found));
                told.push(ToldChange { partition: *partition, change, sign });
            }
            None => compared.extend(at.last.map(|last| (*partition, last))),
        }
    }
    for (partition, found) in compare(config, topic, &compared, held)? {
        let (source, at) = (&known.source, known.partitions.get(&partition));
        let Some((at, last)) = at.and_then(|at| Some((at, at.last?))) else { continue };
        match found {
            FoundRecord::Same => {}
            FoundRecord::Gone => tracing::info!(
                source,
                topic,
                partition,
                offset = last.offset,
                "kafka: the last record that was read is not there any more, so whether the partition \
                 is the one that the checkpoint knows is unverifiable; reading goes on"
            ),
            FoundRecord::Other(other) => {
                let place = place(at, held_by(held, partition));
                let time =
                    |at: Option<EventTime>| at.map_or("none".to_owned(), |at| at.to_string());
                let sign = format!(
                    "{place}, and the record at offset {} is another one than it was (timestamp {}, \
                     it was {}): the topic was made anew or cut off",
                    last.offset,
                    time(other.timestamp),
                    time(last.timestamp),
                );
                told.push(another(partition, sign));
            }
        }
    }
    told.sort_by_key(|told| told.partition);
    Ok(told)
}

fn another(partition: u32, sign: String) -> ToldChange {
    ToldChange { partition, change: LogChange::Another, sign }
}

fn held_by(held: &[(u64, u64)], partition: u32) -> Option<(u64, u64)> {
    held.get(usize::try_from(partition).ok()?).copied()
}

/// Both offsets: of the checkpoint, and of the partition now.
fn place(known: &KnownPartition, held: Option<(u64, u64)>) -> String {
    let read = known.read;
    match held {
        Some((low, high)) => format!("it was read up to offset {read}, holds {low} up to {high}"),
        None => format!("it was read up to offset {read}, is not there"),
    }
}

/// What its offsets say of a partition that was known as `known`, and holds those from the first to the
/// last of `held` now; `first`: the timestamp of the first, where that is what counts.
fn by_offsets(
    known: &KnownPartition,
    held: Option<(u64, u64)>,
    first: Option<EventTime>,
) -> Option<(LogChange, String)> {
    let KnownPartition { reread, read, wanted, .. } = *known;
    let Some((low, high)) = held else {
        return Some((
            LogChange::Another,
            ": the topic has fewer partitions than it had".to_owned(),
        ));
    };
    if high < read {
        let sign = ": the topic was made anew or cut off".to_owned();
        return Some((LogChange::Another, sign));
    }
    // From a partition of which nothing was ever wanted nothing is missing.
    let is_missing = match wanted {
        Some(wanted) => first.is_none_or(|first| first > wanted),
        None => read > 0,
    };
    if low > reread && is_missing {
        let gone = low - reread;
        let sign = format!(
            ", and has to be read from {reread} on: {gone} offsets were removed, by retention or by \
             hand, before they were done with"
        );
        return Some((LogChange::Lost(low), sign));
    }
    None
}

/// Of the partitions that lack records of which only the younger were wanted: the timestamps of the first
/// that they have.
fn first_timestamps(
    config: &KafkaConfig,
    topic: &str,
    known: &KnownTopic,
    held: &[(u64, u64)],
) -> Result<BTreeMap<u32, EventTime>, Trouble> {
    let lacks = |(partition, at): &(&u32, &KnownPartition)| {
        let low = held_by(held, **partition).filter(|(low, high)| low < high).map(|(low, _)| low);
        at.wanted.is_some() && low.is_some_and(|low| low > at.reread)
    };
    let of = known.partitions.iter().filter(lacks).map(|(partition, _)| *partition);
    let firsts =
        first_records(config, topic, &of.collect::<Vec<_>>(), |record| timestamp(record).0)?;
    Ok(firsts.into_iter().filter_map(|(partition, time)| Some((partition, time?))).collect())
}

/// Of each of these partitions of a topic what `of` makes of the first record that it has; of one that has
/// none nothing.
pub(super) fn first_records<T>(
    config: &KafkaConfig,
    topic: &str,
    partitions: &[u32],
    mut of: impl FnMut(&BorrowedMessage<'_>) -> T,
) -> Result<BTreeMap<u32, T>, Trouble> {
    let from = partitions.iter().map(|partition| Ok((native(*partition)?, Offset::Beginning)));
    let from = from.collect::<Result<Vec<_>, Trouble>>()?;
    let mut found = BTreeMap::new();
    if !from.is_empty() {
        let read = read_from(config, topic, &from, &mut |record| {
            if let Ok(partition) = u32::try_from(record.partition()) {
                found.entry(partition).or_insert_with(|| of(record));
            }
            Ok(found.len() < from.len())
        });
        read.map_err(trouble)?;
    }
    Ok(found)
}

fn trouble(error: KafkaError) -> Trouble {
    match error {
        KafkaError::NoAnswer { .. } => Trouble::Passing(error.to_string()),
        error => Trouble::Lasting(error),
    }
}

/// Compares the records that are known with those that are there.
fn compare(
    config: &KafkaConfig,
    topic: &str,
    known: &[(u32, RecordCheck)],
    held: &[(u64, u64)],
) -> Result<Vec<(u32, FoundRecord)>, Trouble> {
    let is_there = |(partition, last): &&(u32, RecordCheck)| {
        held_by(held, *partition).is_some_and(|(low, high)| (low..high).contains(&last.offset))
    };
    let mut wanted = Vec::new();
    for (partition, last) in known.iter().filter(is_there) {
        wanted.push((native(*partition)?, Offset::Offset(signed(last.offset))));
    }
    let mut found = BTreeMap::new();
    if !wanted.is_empty() {
        let count = wanted.len();
        let read = read_from(config, topic, &wanted, &mut |record| {
            found.entry(record.partition()).or_insert_with(|| {
                let offset = u64::try_from(record.offset()).unwrap_or(u64::MAX);
                let (timestamp, value) = (timestamp(record).0, record.payload());
                RecordCheck::of(offset, timestamp, value.unwrap_or_default())
            });
            Ok(found.len() < count)
        });
        read.map_err(trouble)?;
    }
    let verdict = |(partition, last): &(u32, RecordCheck)| {
        let record = native(*partition).ok().and_then(|partition| found.get(&partition));
        let verdict = match record.filter(|record| record.offset == last.offset) {
            None => FoundRecord::Gone,
            Some(record) if record == last => FoundRecord::Same,
            Some(record) => FoundRecord::Other(*record),
        };
        (*partition, verdict)
    };
    Ok(known.iter().map(verdict).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(reread: u64, read: u64) -> KnownPartition {
        KnownPartition { reread, read, last: None, wanted: None }
    }

    #[test]
    fn a_log_that_ends_before_what_was_read_is_another_one_and_one_that_ends_there_is_not() {
        assert_eq!(by_offsets(&known(40, 100), Some((0, 100)), None), None);
        let (change, _) = by_offsets(&known(40, 100), Some((0, 99)), None).unwrap();
        assert_eq!(change, LogChange::Another);
        assert_eq!(by_offsets(&known(40, 100), None, None).unwrap().0, LogChange::Another);
    }

    #[test]
    fn records_before_what_is_read_again_may_go_and_those_behind_it_are_a_loss() {
        assert_eq!(by_offsets(&known(40, 100), Some((40, 200)), None), None);
        let (change, sign) = by_offsets(&known(40, 100), Some((41, 200)), None).unwrap();
        assert_eq!(change, LogChange::Lost(41));
        assert!(sign.contains("1 offsets were removed"), "{sign}");
        assert_eq!(by_offsets(&known(0, 0), Some((41, 200)), None), None, "nothing was read of it");
    }

    #[test]
    fn where_only_younger_records_were_wanted_older_ones_may_go() {
        let of = KnownPartition { wanted: Some(5_000), ..known(40, 40) };
        let held = Some((60, 200));
        assert_eq!(by_offsets(&of, held, Some(5_000)), None);
        let lost = Some(LogChange::Lost(60));
        let change = |first| by_offsets(&of, held, first).map(|(change, _)| change);
        assert_eq!(change(Some(5_001)), lost);
        assert_eq!(change(None), lost, "nobody can say");
        assert_eq!(by_offsets(&of, Some((40, 200)), None), None, "nothing has gone");
        let first = KnownPartition { read: 0, reread: 0, ..of };
        assert_eq!(by_offsets(&first, held, Some(9_000)).map(|(change, _)| change), lost);
    }

    #[test]
    fn what_is_known_of_another_log_is_forgotten_and_a_gap_is_stepped_over() {
        let id = |partition| PartitionId { source: 0, partition };
        let mark = |reread, read| tidemark_operators::cut::PartitionMark {
            reread,
            read,
            ..Default::default()
        };
        let partitions = [(id(0), mark(5, 9)), (id(1), mark(5, 9)), (id(2), mark(5, 9))];
        let mut resume = Resume { partitions: partitions.into(), ..Resume::default() };
        let changes = [(id(0), LogChange::Another), (id(1), LogChange::Lost(20))];
        FoundTopics { changes: changes.into(), ..FoundTopics::default() }.amend(&mut resume);
        let expected = [(id(1), mark(20, 20)), (id(2), mark(5, 9))];
        assert_eq!(resume.partitions, expected.into());
    }
}
