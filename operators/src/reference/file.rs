//! The versions of a table's file, one after the other, each from its time on.

use super::input::{TableFeed, TablePoll, TookEffect, Update};
use super::version::{TableRow, Version};
use crate::metrics::TableMetrics;
use crate::time::EventTime;

/// A version that is to be seen from a time on, once its feed keeps that time.
struct ComingVersion {
    rows: Vec<TableRow>,
    from: EventTime,
}

/// See the module.
pub(super) struct FileVersions {
    feed: Box<dyn TableFeed>,
    /// The newest that is in effect.
    version: Version,
    coming: Option<ComingVersion>,
    /// From when on the newest is seen: none that comes later is seen earlier.
    newest: EventTime,
    /// Whether there is a version at all.
    any: bool,
}

impl FileVersions {
    pub fn new(feed: Box<dyn TableFeed>) -> Self {
        FileVersions { feed, version: Version::default(), coming: None, newest: 0, any: false }
    }

    /// The time that the table's capability must not pass: something may yet be seen from there on.
    pub fn holds(&self) -> Option<EventTime> {
        self.coming.as_ref().map(|coming| coming.from)
    }

    /// Takes in the versions that there are, at capability `at`; says whether there was one.
    ///
    /// # Errors
    /// When the feed cannot go on.
    pub fn read(
        &mut self,
        at: EventTime,
        metrics: &TableMetrics,
        updates: &mut Vec<Update>,
    ) -> Result<bool, String> {
        loop {
            if let Some(coming) = &self.coming
                && !self.feed.keep(coming.from)?
            {
                return Ok(false);
            }
            if let Some(ComingVersion { rows, from }) = self.coming.take() {
                self.take(rows, from, metrics, updates);
            }
            match self.feed.poll() {
                TablePoll::Same => return Ok(self.any),
                TablePoll::Failed(failure) => return Err(failure),
                TablePoll::Kept(rows, from) => self.take(rows, from.max(at), metrics, updates),
                TablePoll::Version(rows) => {
                    let from = at.max(self.newest).max(self.feed.not_before());
                    self.coming = Some(ComingVersion { rows, from });
                }
            }
        }
    }

    fn take(
        &mut self,
        rows: Vec<TableRow>,
        from: EventTime,
        metrics: &TableMetrics,
        updates: &mut Vec<Update>,
    ) {
        let changes = self.version.replace(rows);
        let rows = self.version.len() as u64;
        metrics.rows.set(rows);
        metrics.versions.add(1);
        metrics.effective.set(from);
        let (added, removed) = (changes.added, changes.removed);
        updates.extend(changes.changes.into_iter().map(|(row, diff)| (row, from, diff)));
        self.feed.took_effect(TookEffect { from, added, removed, rows });
        (self.newest, self.any) = (self.newest.max(from), true);
    }
}
