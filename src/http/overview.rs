//! `/overview`: what a running job is doing, now and over the last hour, for the page at `/` and for
//! `tidemark top`.
//!
//! Ids, keys, payloads and reasons in it come from other people's records. They are cut, and whoever
//! shows them shows them as text.

mod condition;
mod figures;

pub use condition::{JobCondition, JobTrouble};
pub(crate) use figures::AHEAD_SHARE;
pub use figures::{
    CheckpointOverview, EntityOverview, MemoryOverview, OperatorOverview, PartitionOverview,
    ProcessOverview, RateSample, SinkOverview, SourceOverview, ViewOverview, WorkerOverview,
};

use crate::dead_letters::LetterInShort;
use crate::http::Component;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use tidemark_operators::time::EventTime;

/// Characters of an entity's id that are told.
pub const ID_CHARS_MAX: usize = 200;

/// The answer of `/overview`. Rates are per second of the newest [`RateSample`]'s time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The version that runs.
    pub version: Cow<'static, str>,
    /// The job's name.
    pub job: String,
    /// The machine's clock, in ms since the Unix epoch.
    pub wall: u64,
    /// How long the process has run, in ms.
    pub uptime_ms: u64,
    /// Whether all is well, and if not, what is wrong.
    pub condition: JobCondition,
    /// Event time as of which live rows are; `None` before the first event.
    pub live_clock: Option<EventTime>,
    /// Event time before which every event is known; `None` before the first event and after all
    /// inputs have ended.
    pub frontier: Option<EventTime>,
    /// Every worker of this process.
    pub workers: Vec<WorkerOverview>,
    /// The operators of its workers, in the order of the dataflow; none where they are not watched.
    #[serde(default)]
    pub operators: Vec<OperatorOverview>,
    /// Every partition that this process reads; in what a page is told each second, of many only those
    /// that have something to tell.
    pub partitions: Vec<PartitionOverview>,
    /// How many partitions this process reads.
    pub partitions_in_all: usize,
    /// What became of the records, by source.
    pub sources: Vec<SourceOverview>,
    /// What is held, by entity type.
    pub entities: Vec<EntityOverview>,
    /// The views, for who looks for a row.
    pub views: Vec<ViewOverview>,
    /// Where rows and dead letters go.
    pub sinks: Vec<SinkOverview>,
    /// The newest checkpoint; `None` where none are made.
    pub checkpoint: Option<CheckpointOverview>,
    /// Memory of this process.
    pub memory: MemoryOverview,
    /// The newest dead letters, the newest first; a few of each reason.
    pub letters: Vec<LetterInShort>,
    /// The processes of the job, where there are several.
    pub processes: Vec<ProcessOverview>,
    /// All parts and their states, as in `/health`.
    pub parts: Vec<Component>,
    /// The newest sample.
    pub newest: Option<RateSample>,
    /// The last hour, oldest first; at most 720, and none in what a page is told each second.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hour: Vec<RateSample>,
}

/// Of more partitions, a page is told each second of so many.
pub const PARTITIONS_TOLD: usize = 12;

impl Overview {
    /// What a page is told each second: without the hour, which it asks for once, and of many partitions
    /// the one that holds the frontier, those without an event yet, those that have something to tell, then those that are furthest behind.
    #[must_use]
    pub fn in_short(mut self) -> Overview {
        let partitions = &mut self.partitions;
        if partitions.len() > PARTITIONS_TOLD {
            partitions.sort_by_key(|p| {
                (!p.holds, p.clock.is_some(), !p.tells(), Reverse(p.lag), p.clock)
            });
            partitions.truncate(PARTITIONS_TOLD);
            partitions.sort_by(|a, b| (&a.source, a.partition).cmp(&(&b.source, b.partition)));
        }
        self.hour.clear();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_partitions_those_are_told_that_have_something_to_tell() {
        let partition = |partition| PartitionOverview { partition, ..PartitionOverview::default() };
        let mut all: Vec<_> = (0..100).map(partition).collect();
        (all[70].holds, all[80].idle, all[90].lag) = (true, true, Some(5));
        let whole = Overview { partitions: all, ..Overview::default() };
        let told = whole.clone().in_short().partitions;
        let numbers: Vec<_> = told.iter().map(|partition| partition.partition).collect();
        assert_eq!(numbers.len(), PARTITIONS_TOLD);
        assert!([70, 80, 90].iter().all(|number| numbers.contains(number)), "{numbers:?}");
        assert!(numbers.is_sorted());
        let few = Overview { partitions: whole.partitions[..12].to_vec(), ..Overview::default() };
        assert_eq!(few.clone().in_short().partitions, few.partitions);
        // One that holds is told, whatever the others have to tell.
        let mut whole = whole;
        whole.partitions.iter_mut().for_each(|p| (p.idle, p.clock) = (true, Some(1)));
        (whole.partitions[70].idle, whole.partitions[70].clock) = (false, Some(9));
        assert!(whole.in_short().partitions.iter().any(|partition| partition.partition == 70));
    }
}
