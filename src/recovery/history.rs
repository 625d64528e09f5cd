//! A history that is read from files into an empty state, from which topics go on.
//!
//! ```text
//!  files:   ── event times ──────────── cut T ┄┄┄ (rows at T and behind it are in no checkpoint)
//!  state:   rows < T │ marks of the files            not whole: nobody but a backfill goes on from it
//!  state:   rows < T │ marks of the topics: begin, end, T       whole: as any other
//!  topic:        begin ──────────────────── T ──────────── end ─────────────→
//!                its events before T are history's         │ before T: late
//! ```
//!
//! The last step is one manifest, so a process that is killed leaves a state that a backfill goes on
//! from, or one that is whole.

use super::RecoveryError;
use super::thread::take_over;
use crate::checkpoint::{HistoryMark, Manifest, Manifests, PartitionMark, ReadHistory};
use crate::fault;
use crate::objects::{self, Absent, Objects};
use crate::text::time_text;
use tidemark_operators::time::EventTime;

/// Sees that `held` may be gone on from: by a job that runs, or to read `history` into it.
///
/// # Errors
/// When it has a history that is not whole, or has something that history must come before.
pub(super) fn check(
    held: &Manifest,
    history: Option<&ReadHistory>,
    store: &str,
) -> Result<(), RecoveryError> {
    let store = store.to_owned();
    match (&held.history, history) {
        (Some(read), None) if !read.is_whole => Err(RecoveryError::HistoryUnread { store }),
        (_, None) => Ok(()),
        (Some(read), Some(asked)) if !read.is_whole => {
            // As long as nothing of it is kept, it may be begun with others.
            let is_begun = held.cut > 0 || !held.partitions.is_empty();
            let is_other = read.files != asked.files;
            let what = match asked.until.filter(|until| *until < held.cut) {
                _ if is_begun && is_other => "it was begun with other files".to_owned(),
                Some(until) => {
                    let (until, cut) = (time_text(until), time_text(held.cut));
                    format!("it is to end at {until}, and is read up to {cut} already")
                }
                None => return Ok(()),
            };
            Err(RecoveryError::OtherHistory { store, what })
        }
        (read, Some(_)) => {
            let what = match read {
                Some(_) => "a history and what came after it",
                None => "what a run of the job has read",
            };
            let held = format!("{what}, up to {}", time_text(held.cut));
            Err(RecoveryError::NotEmpty { store, held })
        }
    }
}

/// What was read of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceRead {
    /// Its first accepted event.
    pub first: Option<EventTime>,
    /// Its newest one.
    pub newest: Option<EventTime>,
}

/// A history whose files are read, and which no topic goes on from yet.
pub struct HistoryRead {
    objects: Box<dyn Objects>,
    job: String,
    held: Manifest,
}

/// A topic that goes on from a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedTopic {
    /// The name of its source.
    pub source: String,
    /// Its id, where the brokers have ids.
    pub id: Option<String>,
    /// Its partitions.
    pub partitions: Vec<JoinedPartition>,
}

/// A partition of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinedPartition {
    /// Its number.
    pub partition: u32,
    /// Where it is read from.
    pub begin: u64,
    /// Its end: what lies behind it came after the history was read.
    pub end: u64,
}

impl HistoryRead {
    /// What the store at `url` has of the job `job`; `None`: nothing, or no history that is to be
    /// ended.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(url: &str, job: &str) -> Result<Option<Self>, RecoveryError> {
        let objects = objects::open(url, Absent::Made)?;
        let newest = Manifests::new(&*objects).newest()?.map(|newest| newest.manifest);
        let is_open = |held: &Manifest| held.history.as_ref().is_some_and(|read| !read.is_whole);
        let held = newest.filter(|held| held.job == job && is_open(held));
        Ok(held.map(|held| HistoryRead { objects, job: job.to_owned(), held }))
    }

    /// Every event before this time is in the state, and none behind it.
    pub fn cut(&self) -> EventTime {
        self.held.cut
    }

    /// What was read of a source.
    pub fn source(&self, name: &str) -> SourceRead {
        let mut read = SourceRead::default();
        for mark in self.held.partitions.iter().filter(|mark| mark.source == name) {
            read.newest = read.newest.max(mark.newest);
            let first = read.first.into_iter().chain(mark.first_accepted).min();
            read.first = first;
        }
        read
    }

    /// Ends it: from here on `topics` go on, from where they begin.
    ///
    /// # Errors
    /// When another process has taken the state over, or the store does not take it.
    pub fn complete(self, topics: &[JoinedTopic]) -> Result<(), RecoveryError> {
        let until = self.cut();
        let marks = topics.iter().flat_map(|topic| {
            let read = self.source(&topic.source);
            topic.partitions.iter().map(move |joined| PartitionMark {
                source: topic.source.clone(),
                partition: joined.partition,
                identity: topic.id.clone(),
                first_accepted: read.first,
                read: joined.begin,
                reread: joined.begin,
                history: Some(HistoryMark { end: joined.end, until }),
                ..PartitionMark::default()
            })
        });
        let (partitions, history) = (marks.collect(), self.held.history.clone());
        fault::point("history.read");
        let mut leader = take_over(&*self.objects, &self.job, history.as_ref())?;
        let whole = history.map(|history| ReadHistory { is_whole: true, ..history });
        // Ids are of records of the files; a topic's come with the records that are read again.
        let ids = Vec::new();
        let held = leader.manifest().clone();
        leader.append(Manifest { partitions, ids, history: whole, ..held })?;
        fault::point("history.whole");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn history(files: &[&str], until: Option<EventTime>, is_whole: bool) -> ReadHistory {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        ReadHistory { files: BTreeMap::from([("t".to_owned(), files)]), until, is_whole }
    }

    fn held(cut: EventTime, history: Option<ReadHistory>) -> Manifest {
        Manifest { cut, history, ..Manifest::default() }
    }

    #[test]
    fn a_job_goes_on_from_a_state_without_a_history_or_with_a_whole_one() {
        assert!(check(&held(5_000, None), None, "s").is_ok());
        assert!(check(&held(5_000, Some(history(&["a"], None, true))), None, "s").is_ok());
        let unread = check(&held(5_000, Some(history(&["a"], None, false))), None, "s");
        assert!(matches!(unread, Err(RecoveryError::HistoryUnread { .. })));
    }

    #[test]
    fn a_history_goes_on_where_it_stopped_and_nowhere_else() {
        let asked = history(&["a", "b"], None, false);
        let half = |files: &[&str]| held(5_000, Some(history(files, None, false)));
        assert!(check(&half(&["a", "b"]), Some(&asked), "s").is_ok());
        let later = history(&["a", "b"], Some(5_000), false);
        assert!(check(&half(&["a", "b"]), Some(&later), "s").is_ok(), "its end may be said later");
        let other = check(&half(&["b", "a"]), Some(&asked), "s");
        assert!(matches!(other, Err(RecoveryError::OtherHistory { .. })));
        let before = history(&["a", "b"], Some(4_000), false);
        let behind = check(&half(&["a", "b"]), Some(&before), "s");
        assert!(matches!(behind, Err(RecoveryError::OtherHistory { .. })));
        let nothing = held(0, Some(history(&["b"], None, false)));
        assert!(check(&nothing, Some(&asked), "s").is_ok(), "nothing of it is kept");
        for full in [held(0, None), held(5_000, Some(history(&["a", "b"], None, true)))] {
            let refused = check(&full, Some(&asked), "s");
            assert!(matches!(refused, Err(RecoveryError::NotEmpty { .. })));
        }
    }
}
