//! Records of the versions of reference tables: which there are, and from when on each is seen.
//!
//! ```text
//! tables/{table}/{number}   -> versions/{generation}-{..}
//! ```
//!
//! A record is created at the next number, so that of two processes that do so at a time one learns that
//! the other is there. A process that takes over repeats the newest one under its own generation: what
//! had it before it can create none behind that, and whatever it has created before that counts. From then on
//! no version is seen from before [`VersionRecord::reached`], up to which rows may have been given out.
//!
//! A manifest says for each table which version is seen at its cut: it needs that one and all later ones.
//!
//! Of a table that is a topic a version is what was read of it since the one before, each row with the time
//! that it is seen from, and now and then all of it; its record says how far the topic was read. A manifest
//! needs the newest whole one of those that are right at its cut, and all later ones.

use super::blocks::damage;
use super::manifest::{TOPIC_FORMAT, sealed, sealed_in, unsealed_in};
use super::names::{TABLES, VERSIONS, table_record_name, table_record_number, written_in};
use super::{CheckRecord, CheckpointError, DamagePlace, ListedVersion, Manifest, create};
use crate::objects::{Creation, Objects};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use tidemark_operators::time::EventTime;

/// A version of a table, and from when on it is seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRecord {
    /// The table.
    pub table: String,
    /// Its place among all of the table, from 1.
    pub number: u64,
    /// The generation of the process that created it.
    pub generation: u64,
    /// That process: a text that no other start of one has.
    pub writer: String,
    /// When it was created, by the writer's clock: ms since 1970, UTC.
    pub created_at: u64,
    /// Events from this time on see it.
    pub from: EventTime,
    /// No later version is seen by events before this time.
    pub reached: EventTime,
    /// Its rows.
    pub rows: ListedVersion,
    /// How far the topic was read; nothing: the table is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicPosition>,
}

/// How far a table's topic was read when a version was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPosition {
    /// Its name.
    pub name: String,
    /// Its id, where the brokers had ids.
    pub id: Option<String>,
    /// Whether the rows are all of the table, as events from [`VersionRecord::from`] on see it; else those
    /// that were read since the version before.
    pub whole: bool,
    /// Its partitions.
    pub partitions: Vec<TopicPartition>,
}

/// How far a partition of a table's topic was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicPartition {
    /// Its number.
    pub partition: u32,
    /// The next offset to be read.
    pub read: u64,
    /// The greatest time of its clock.
    pub clock: Option<EventTime>,
    /// One of the last records that were read.
    pub check: Option<CheckRecord>,
}

impl VersionRecord {
    /// Whether a reader needs no version before it.
    pub fn is_whole(&self) -> bool {
        self.topic.as_ref().is_none_or(|topic| topic.whole)
    }
}

/// Says of a record, by its table and number, which object it lists, where that is known without reading it.
pub type ObjectOfRecord<'a> = &'a dyn Fn(&str, u64) -> Option<String>;

/// The records of a store.
#[derive(Clone, Copy)]
pub struct VersionRecords<'a> {
    objects: &'a dyn Objects,
}

impl<'a> VersionRecords<'a> {
    /// Those in `objects`.
    pub fn new(objects: &'a dyn Objects) -> Self {
        VersionRecords { objects }
    }

    /// The numbers of all that are there of each table, ascending.
    ///
    /// # Errors
    /// When the store does not tell.
    pub fn numbers(&self) -> Result<BTreeMap<String, Vec<u64>>, CheckpointError> {
        self.numbers_in(TABLES)
    }

    /// The same of the records whose names begin so.
    fn numbers_in(&self, prefix: &str) -> Result<BTreeMap<String, Vec<u64>>, CheckpointError> {
        let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for listed in self.objects.list(prefix)? {
            if let Some((table, number)) = table_record_number(&listed.name) {
                all.entry(table).or_default().push(number);
            }
        }
        all.values_mut().for_each(|numbers| numbers.sort_unstable());
        Ok(all)
    }

    /// The name of a record.
    pub fn name(table: &str, number: u64) -> String {
        table_record_name(table, number)
    }

    /// The numbers that there must be of a table, where a manifest says that `base` is seen at its cut;
    /// nothing: of those that are there. `all` is what [`numbers`](Self::numbers) tells of it.
    pub fn needed(base: Option<u64>, all: &[u64]) -> Range<u64> {
        let first = base.or(all.first().copied());
        // Not those that are listed: one in the middle may be missing.
        let last = |first: u64| all.last().copied().unwrap_or(first).max(first);
        first.map_or(0..0, |first| first..last(first).saturating_add(1))
    }

    /// One of them.
    ///
    /// # Errors
    /// When it cannot be read, is missing or damaged, or a newer program wrote it.
    pub fn read(&self, table: &str, number: u64) -> Result<VersionRecord, CheckpointError> {
        let name = table_record_name(table, number);
        let damaged = |what: &str| damage(self.objects, &name, DamagePlace::Whole, what);
        let read = unsealed_in::<VersionRecord>(TOPIC_FORMAT, self.objects, &name)?;
        let (record, _) = read.ok_or_else(|| damaged("it is missing"))?;
        if record.table != table || record.number != number {
            let what = format!("it is number {} of the table {}", record.number, record.table);
            return Err(damaged(&what).into());
        }
        Ok(record)
    }

    /// Those of a table from the one on that is seen at a manifest's cut, `base`; nothing: all that are
    /// there.
    ///
    /// # Errors
    /// When one of them cannot be read, is missing or damaged.
    pub fn chain(
        &self,
        table: &str,
        base: Option<u64>,
    ) -> Result<Vec<VersionRecord>, CheckpointError> {
        let all = self.numbers_in(&format!("{TABLES}{table}/"))?.remove(table).unwrap_or_default();
        Self::needed(base, &all).map(|number| self.read(table, number)).collect()
    }

    /// Creates a record; says whether another one has its number.
    ///
    /// # Errors
    /// When the store does not do it.
    pub fn create(&self, record: &VersionRecord) -> Result<Creation, CheckpointError> {
        let name = table_record_name(&record.table, record.number);
        let object = match &record.topic {
            None => sealed(name, record)?,
            Some(_) => sealed_in(TOPIC_FORMAT, name, record)?,
        };
        create(self.objects, &object)
    }

    /// Deletes what none of the manifests `kept` needs of the tables that the job has, which are `held`,
    /// and of others what no manifest names; then rows that no record lists, where it did before or where
    /// an earlier generation than `generation` wrote them. Says for each table of the job which number is
    /// the first that is needed.
    ///
    /// # Errors
    /// When the store does not do it.
    pub(super) fn collect(
        &self,
        kept: &[Manifest],
        held: &BTreeSet<String>,
        (generation, object): (u64, ObjectOfRecord<'_>),
    ) -> Result<BTreeMap<String, u64>, CheckpointError> {
        let (mut bases, mut listed, mut gone) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        for (table, numbers) in self.numbers()? {
            let is_held = held.contains(&table);
            let base = needed(kept, &table, is_held);
            for number in numbers {
                let name = match object(&table, number) {
                    Some(name) => name,
                    None => self.read(&table, number)?.rows.name,
                };
                if base.is_some_and(|base| number >= base) {
                    listed.insert(name);
                } else {
                    self.objects.delete(&table_record_name(&table, number))?;
                    gone.insert(name);
                }
            }
            bases.extend(base.filter(|_| is_held).map(|base| (table, base)));
        }
        for object in self.objects.list(VERSIONS)? {
            let of_before = written_in(&object.name).is_some_and(|(by, _)| by < generation);
            if (of_before || gone.contains(&object.name)) && !listed.contains(&object.name) {
                self.objects.delete(&object.name)?;
            }
        }
        Ok(bases)
    }
}

/// The first number that one of the manifests needs; nothing: they need none. A manifest that does not
/// name a table which the job has may need all.
fn needed(kept: &[Manifest], table: &str, is_held: bool) -> Option<u64> {
    let bases = || kept.iter().map(|manifest| manifest.tables.get(table).copied());
    match is_held && bases().any(|base| base.is_none()) {
        true => Some(0),
        false => bases().flatten().min(),
    }
}

#[cfg(test)]
mod tests;
