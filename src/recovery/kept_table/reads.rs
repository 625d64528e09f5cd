//! What is read of the versions that are kept.

use super::super::RecoveryError;
use super::KeptTable;
use super::TimedVersion;
use crate::checkpoint::{TableDefinition, VersionReader, VersionRecord};
use tidemark_operators::plan::TableFrom;
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;

impl KeptTable {
    /// The records from the one on that is seen at the cut that the job goes on from.
    pub(in crate::recovery) fn begun_records(&self) -> Vec<VersionRecord> {
        let chain = self.lock();
        chain.get(begins(&chain, self.taken.cut)..).unwrap_or_default().to_vec()
    }

    /// The newest record that needs none before it.
    pub(in crate::recovery) fn newest_whole(&self) -> Option<VersionRecord> {
        self.lock().iter().rfind(|record| record.is_whole()).cloned()
    }

    /// The versions that events at and after the cut are looked up in, oldest first.
    pub(super) fn restored(&self) -> Result<Vec<TimedVersion>, RecoveryError> {
        let needed: Vec<VersionRecord> =
            seen_from(&self.lock(), self.taken.cut).into_iter().cloned().collect();
        let own = TableDefinition::of(&self.plan);
        let mut versions = Vec::new();
        for record in needed.iter().rev() {
            match self.rows(record, &own)? {
                Ok(rows) => versions.push((rows, record.from)),
                Err(why) => {
                    tracing::warn!(
                        table = self.plan.name,
                        version = record.number,
                        "a version of the table that is kept cannot be used: {why}; events that are read \
                         again see the first one that can be, or the table as it is now"
                    );
                    break;
                }
            }
        }
        versions.reverse();
        Ok(versions)
    }

    /// The rows of a version as the table is defined now, or why they cannot be had.
    pub(in crate::recovery) fn rows(
        &self,
        record: &VersionRecord,
        own: &TableDefinition,
    ) -> Result<Result<Vec<TableRow>, String>, RecoveryError> {
        let is_topic = matches!(self.plan.from, TableFrom::Topic { .. });
        if record.topic.is_some() != is_topic {
            let was = if is_topic { "a file" } else { "a topic" };
            return Ok(Err(format!("the table was {was} then")));
        }
        let (objects, keys) = (&*self.taken.objects, self.taken.keys.as_deref());
        let version = VersionReader::open(objects, &record.table, &record.rows, keys)?;
        let places = match version.content().definition.places(own) {
            Ok(places) => places,
            Err(why) => return Ok(Err(why)),
        };
        // Of a topic an object may have several states of a row; its rows are counted when they are in use.
        if !is_topic && record.rows.rows > self.plan.rows_max as u64 {
            let most = self.plan.rows_max;
            return Ok(Err(format!("it has more than {most} rows, the \"rows_max\" of now")));
        }
        let mut rows = Vec::new();
        for block in 0..version.blocks() {
            for mut row in version.rows(block)? {
                let cell = |place: &usize| row.row.cells.get(*place).cloned();
                // Every row has all columns of its object.
                row.row.cells = places.iter().filter_map(cell).collect();
                rows.push(row);
            }
        }
        Ok(Ok(rows))
    }
}

/// Of these records, in the order of their numbers, those that an event at or after `cut` is looked up in:
/// of all that say a time up to its own it sees the one with the greatest number.
pub(super) fn seen_from(chain: &[VersionRecord], cut: EventTime) -> Vec<&VersionRecord> {
    let mut seen: Vec<&VersionRecord> = Vec::new();
    for record in chain.iter().rev() {
        let until = seen.last().map_or(EventTime::MAX, |later| later.from);
        if until <= cut {
            break;
        }
        if record.from < until {
            seen.push(record);
        }
    }
    seen.reverse();
    seen
}

/// The place of the record that is seen at `cut`: of a topic, of the newest whole one that is right from then
/// on. All that come behind it are needed, too.
pub(super) fn begins(chain: &[VersionRecord], cut: EventTime) -> usize {
    let whole = |record: &VersionRecord| record.is_whole();
    let seen = chain.iter().rposition(|record| whole(record) && record.from <= cut);
    seen.or_else(|| chain.iter().position(whole)).unwrap_or(0)
}
