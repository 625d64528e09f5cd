//! What was read of a reference table's topic, in the state.
//!
//! ```text
//! records are read ─→ batch: each row with the time that it is seen from ─→ object ─→ record ─→ seen
//!      many batches ─→ the newest whole version and those behind it are one: object ─→ record
//! ```
//!
//! A version is a batch, or all that there is of the table as events from a checkpoint's cut on see it.
//! Its record says how far the topic was read with it, so a restart needs no record of before: it reads
//! the newest whole version that is right at its cut, then all batches behind, and goes on there. A
//! deleted row is one with a mark in a column of its own, which no job can name.

use super::RecoveryError;
use super::kept_table::KeptTable;
use crate::checkpoint::{
    ColumnDefinition, TableDefinition, TopicPartition, TopicPosition, VersionRecord,
};
use std::sync::Arc;
use tidemark_operators::plan::TableFrom;
use tidemark_operators::reference::history::History;
use tidemark_operators::reference::kept::{RowState, TopicMark, TopicRead};
use tidemark_operators::reference::row::Row;
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;
use tidemark_operators::value::Cell;

/// Behind so many batches a whole version is written; default 256: so many small objects a restart reads at
/// most.
const BATCHES_MAX: usize = 256;
/// And behind so many changes as the newest whole version has rows, but not behind fewer than these;
/// default 1,000. They are held in memory, too.
const CHANGES_MIN: usize = 1_000;
/// The column that says that a row is deleted: no column of a job is called so.
const DELETED: &str = "(deleted)";

/// See the module.
pub struct KeptTopic {
    table: Arc<KeptTable>,
    /// The topic's name, and its id where the brokers have ids.
    topic: (String, Option<String>),
    /// How many rows the newest whole version has.
    rows: u64,
    /// What was kept behind it, and in how many batches.
    changed: Vec<RowState>,
    batches: usize,
    partitions: Vec<TopicPartition>,
}

impl KeptTopic {
    /// Goes on with what was kept of the topic of `table`, and says what that is; nothing: none of it, or
    /// none that can be used, which is logged.
    ///
    /// # Errors
    /// When a version is damaged or missing.
    pub fn begin(table: &Arc<KeptTable>) -> Result<(Self, Option<TopicRead>), RecoveryError> {
        let topic = match &table.plan().from {
            TableFrom::Topic { source, .. } => source.topic.clone().unwrap_or_default(),
            TableFrom::File { .. } | TableFrom::Shipped { .. } => String::new(),
        };
        let mut kept = KeptTopic {
            table: Arc::clone(table),
            topic: (topic, None),
            rows: 0,
            changed: Vec::new(),
            batches: 0,
            partitions: Vec::new(),
        };
        let records = table.begun_records();
        if records.is_empty() {
            return Ok((kept, None));
        }
        match kept.read(&records)? {
            Ok(read) => Ok((kept, Some(read))),
            Err(why) => {
                tracing::warn!(
                    table = table.name(),
                    "what is kept of the table's topic cannot be used: {why}; it is read from its \
                     beginning, and events that are read again are looked up in what it has now"
                );
                (kept.rows, kept.batches) = (0, 0);
                kept.changed.clear();
                Ok((kept, None))
            }
        }
    }

    /// Takes in what these records list, or says why it cannot be used.
    fn read(
        &mut self,
        records: &[VersionRecord],
    ) -> Result<Result<TopicRead, String>, RecoveryError> {
        let Some(position) = records.last().and_then(|last| last.topic.clone()) else {
            return Ok(Err("the table was a file then".to_owned()));
        };
        if position.name != self.topic.0 {
            return Ok(Err(format!("it was read from the topic '{}'", position.name)));
        }
        let mut states = Vec::new();
        for (at, record) in records.iter().enumerate() {
            if at == 0 && !record.is_whole() {
                return Ok(Err("no version has all of it".to_owned()));
            }
            // Who takes over repeats the newest. That is one record more to be read, too.
            let before = at.checked_sub(1).and_then(|before| records.get(before));
            if before.is_some_and(|before| before.rows.name == record.rows.name) {
                self.batches += usize::from(!record.is_whole());
                continue;
            }
            match self.states(record)? {
                Err(why) => return Ok(Err(why)),
                Ok(read) if record.is_whole() => {
                    (self.rows, self.batches) = (record.rows.rows, 0);
                    self.changed.clear();
                    states.extend(read);
                }
                Ok(read) => {
                    self.batches += 1;
                    self.changed.extend_from_slice(&read);
                    states.extend(read);
                }
            }
        }
        let partitions = position.partitions.iter().map(|of| (of.partition, mark(of))).collect();
        (self.topic.1, self.partitions) = (position.id, position.partitions);
        let at = self.table.begun_cut();
        Ok(Ok(TopicRead { states, whole: true, at, partitions }))
    }

    /// The topic's id, where that is known.
    pub fn id(&self) -> Option<&String> {
        self.topic.1.as_ref()
    }

    /// The topic has this id.
    pub fn found(&mut self, id: Option<String>) {
        self.topic.1 = id.or(self.topic.1.take());
    }

    /// The table.
    pub fn table(&self) -> &Arc<KeptTable> {
        &self.table
    }

    /// Has every run begin with what was read.
    ///
    /// # Errors
    /// When another run has taken over, or the store does not do it while `keep_trying` says so.
    pub fn keep(
        &mut self,
        read: TopicRead,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        let TopicRead { states, whole, at, partitions } = read;
        self.partitions = partitions.iter().map(|(number, of)| stored(*number, of)).collect();
        // All that is looked up lies behind the cut.
        let from = if whole { self.table.begun_cut() } else { at };
        if whole {
            let rows = states.len() as u64;
            self.write(states.into_iter(), (true, from), keep_trying)?;
            (self.rows, self.batches) = (rows, 0);
            self.changed.clear();
        } else {
            self.write(states.iter().cloned(), (false, from), keep_trying)?;
            self.batches += 1;
            self.changed.extend(states);
        }
        Ok(())
    }

    /// Writes a whole version, where there is much behind the newest.
    ///
    /// # Errors
    /// As [`keep`](Self::keep); when the newest is damaged or missing.
    pub fn merge(&mut self, keep_trying: &dyn Fn() -> bool) -> Result<(), RecoveryError> {
        let many = usize::try_from(self.rows).unwrap_or(usize::MAX).max(CHANGES_MIN);
        match self.batches < BATCHES_MAX && self.changed.len() < many {
            true => Ok(()),
            false => self.merge_all(keep_trying),
        }
    }

    fn merge_all(&mut self, keep_trying: &dyn Fn() -> bool) -> Result<(), RecoveryError> {
        let Some(newest) = self.table.newest_whole() else { return Ok(()) };
        // It is of this definition, since it was read or written by this process.
        let Ok(before) = self.states(&newest)? else { return Ok(()) };
        let (mut history, mut changes) = (History::default(), Vec::new());
        for RowState { key, from, cells } in before.into_iter().chain(self.changed.drain(..)) {
            history.put(&key, from, cells, &mut changes);
            changes.clear();
        }
        let cut = self.table.cut();
        history.settle(cut);
        let rows = history.len() as u64;
        self.write(history.states(), (true, cut), keep_trying)?;
        (self.rows, self.batches) = (rows, 0);
        Ok(())
    }

    fn write(
        &self,
        states: impl Iterator<Item = RowState>,
        (whole, from): (bool, EventTime),
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        let columns = self.table.plan().columns.len();
        let rows: Vec<TableRow> = states.map(|state| row(state, columns)).collect();
        let encoded = self.table.encoded(&rows)?;
        drop(rows);
        let listed = self.table.write(&encoded, self.definition(), keep_trying)?;
        let (name, id) = self.topic.clone();
        let position = TopicPosition { name, id, whole, partitions: self.partitions.clone() };
        self.table.record_rows(from, (listed, Some(position)), keep_trying)
    }

    /// What a version has, as the table is defined now, or why it cannot be used.
    fn states(
        &self,
        record: &VersionRecord,
    ) -> Result<Result<Vec<RowState>, String>, RecoveryError> {
        let rows = self.table.rows(record, &self.definition())?;
        Ok(rows.map(|rows| rows.into_iter().map(state).collect()))
    }

    fn definition(&self) -> TableDefinition {
        let mut definition = TableDefinition::of(self.table.plan());
        definition
            .columns
            .push(ColumnDefinition { name: DELETED.to_owned(), ty: "bool".to_owned() });
        definition
    }
}

/// The row that stands for a state of a table with so many columns.
fn row(state: RowState, columns: usize) -> TableRow {
    let RowState { key, from, cells } = state;
    let is_deleted = cells.is_none();
    let mut cells = cells.unwrap_or_else(|| vec![Cell::Null; columns]);
    cells.push(Cell::Word(u64::from(is_deleted)));
    TableRow { key, row: Row { valid_from: from, cells } }
}

fn state(row: TableRow) -> RowState {
    let TableRow { key, row: Row { valid_from, mut cells } } = row;
    let is_deleted = cells.pop() == Some(Cell::Word(1));
    RowState { key, from: valid_from, cells: Some(cells).filter(|_| !is_deleted) }
}

fn mark(of: &TopicPartition) -> TopicMark {
    TopicMark { read: of.read, clock: of.clock, last: of.check.map(Into::into) }
}

fn stored(partition: u32, mark: &TopicMark) -> TopicPartition {
    let TopicMark { read, clock, last } = *mark;
    TopicPartition { partition, read, clock, check: last.map(Into::into) }
}

#[cfg(test)]
mod tests;
