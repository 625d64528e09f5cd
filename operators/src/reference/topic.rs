//! A table that is a compacted topic.
//!
//! A record's key is the row's key as text, or a JSON object that has it (see [`key`](super::key)); its
//! value is a JSON object with the columns, and an empty value deletes the row. A record is seen from
//! its time on, and of each key the newest by time counts; one whose time is below the table's
//! capability is seen from there on. A deletion has no time of its own, unless the broker gives one or
//! times are the records' timestamps: it is seen from the capability on, or from when the row began.
//!
//! Partitions have watermarks and become idle as those of events do; the table is known up to the
//! least of them. Nothing is late: it only takes effect later. A topic far ahead of the events is
//! paused, so that the changes that wait for them are bounded. Where what it says is kept, see
//! [`kept`](super::kept).

use super::history::History;
use super::input::{TopicFeed, Update, above};
use super::kept::Unkept;
use super::{key, text};
use crate::cut::RecordCheck;
use crate::ingest::decode::{Decoded, Decoder, Metadata, payload};
use crate::ingest::partition::Owned;
use crate::ingest::reader::RawRecord;
use crate::metrics::TableMetrics;
use crate::plan::{Place, RecordPart, SourcePlan, TablePlan};
use crate::time::{EventTime, Millis};
use crate::value::{Cell, Column, Type};

/// Records that are taken in before other operators run.
const RECORDS_STEP: usize = 4_096;
/// Changes that lie ahead of the events: while there are more, the topic is not read on.
const STATES_AHEAD_MAX: usize = 1 << 16;

pub(super) struct TopicTable {
    plan: TablePlan,
    source: SourcePlan,
    key_path: Vec<String>,
    feed: TopicFeed,
    decoder: Decoder,
    decoded: Decoded,
    owned: Vec<Owned>,
    history: History,
    /// What was kept by the runs before, until it is seen.
    begun: Vec<Update>,
    /// What is not kept yet; `None`: nothing is kept.
    unkept: Option<Unkept>,
    loaded: bool,
    /// There is more to read at once.
    pub more: bool,
}

impl TopicTable {
    /// `key_path` is where the row's key is in that of a record; empty: it is the row's.
    pub fn new(
        plan: &TablePlan,
        source: &SourcePlan,
        key_path: &[String],
        mut feed: TopicFeed,
    ) -> Self {
        let (mut history, mut begun) = (History::default(), Vec::new());
        let unkept = feed.kept.take();
        let unkept = unkept.map(|keeper| Unkept::new(keeper, &mut history, &mut begun));
        TopicTable {
            plan: plan.clone(),
            source: source.clone(),
            key_path: key_path.to_vec(),
            feed,
            decoder: Decoder::new(source),
            decoded: Decoded::default(),
            owned: Vec::new(),
            history,
            begun,
            unkept,
            loaded: false,
            more: false,
        }
    }

    /// The time that the table's capability must not pass: that of what is not kept, and the watermark.
    pub fn holds(&self) -> Option<EventTime> {
        let unkept = self.unkept.as_ref().and_then(Unkept::holds);
        unkept.into_iter().chain(self.watermark()).min()
    }

    /// Whether something is read that is not kept.
    pub fn keeps(&self) -> bool {
        self.unkept.as_ref().is_some_and(|unkept| unkept.holds().is_some())
    }

    /// The least watermark of the partitions that hold it back; `None` when none does.
    fn watermark(&self) -> Option<EventTime> {
        let holding = self.owned.iter().filter(|o| !o.idle && !o.ended);
        holding.map(|o| o.judge.watermark()).min()
    }

    /// Everything is read from `at` on: what lies before it can go.
    pub fn settle(&mut self, at: EventTime) {
        self.history.settle(at);
    }

    /// Takes in records that have come, at capability `at`; says whether all that was there has
    /// been read once.
    ///
    /// # Errors
    /// When a partition cannot be read on, or the table has too many rows.
    pub fn read(
        &mut self,
        at: EventTime,
        sources: Option<EventTime>,
        now: Millis,
        metrics: &TableMetrics,
        updates: &mut Vec<Update>,
    ) -> Result<bool, String> {
        updates.append(&mut self.begun);
        if let Some(kept) = self.unkept.as_mut().and_then(|it| it.is_kept(updates).transpose()) {
            // The capability moves on before anything else is read, which would hold it.
            self.more = kept?;
            return Ok(self.loaded);
        }
        self.adopt(at, now);
        let is_full = self.loaded && self.unkept.as_ref().is_some_and(Unkept::is_full);
        let mut left = if is_full || self.is_far_ahead(sources) { 0 } else { RECORDS_STEP };
        let paused = left == 0;
        for partition in 0..self.owned.len() {
            while left > 0 && self.owned[partition].ready(now)? {
                left -= 1;
                self.take(partition, at, now, metrics, updates);
            }
            self.owned[partition].rest(sources, now)?;
        }
        self.more = left == 0 && !paused;
        metrics.rows.set(self.history.rows());
        if self.history.rows() > self.plan.rows_max as u64 {
            return Err(format!(
                "reading the table \"{}\" from topic \"{}\": it has more than {} rows; raise \
                 \"rows_max\" of the table, or make the topic smaller",
                self.plan.name,
                self.source.topic.as_deref().unwrap_or_default(),
                self.plan.rows_max
            ));
        }
        let read = |o: &Owned| o.caught_up() && o.next >= o.raw.records.len();
        self.loaded |= left > 0 && !self.owned.is_empty() && self.owned.iter().all(read);
        if let Some(unkept) = &mut self.unkept {
            match self.loaded {
                true => unkept.hand_over(&self.history, at)?,
                false => unkept.bound(),
            }
        }
        Ok(self.loaded)
    }

    /// From when on what is read while the capability is at `at` is seen at the earliest.
    fn not_before(&self, at: EventTime) -> EventTime {
        self.unkept.as_ref().map_or(at, |unkept| unkept.not_before().max(at))
    }

    /// Takes over the partitions that have appeared.
    fn adopt(&mut self, at: EventTime, now: Millis) {
        let from = self.not_before(at);
        for reader in self.feed.partitions.appeared() {
            let number = reader.id().partition;
            let mut owned = Owned::new(reader, &self.source, now, from);
            if let Some(unkept) = &mut self.unkept {
                let clock = unkept.mark(number).and_then(|mark| mark.clock);
                owned.judge.resume(clock, clock);
                unkept.found(number);
            }
            self.owned.push(owned);
        }
    }

    /// Whether there is enough that events have not come to yet. A topic that holds the sources'
    /// events back is never paused, nor one that has not been read to its end yet.
    fn is_far_ahead(&self, sources: Option<EventTime>) -> bool {
        let ahead = |sources| self.watermark().is_some_and(|own| own > above(sources));
        self.loaded && self.history.open() > STATES_AHEAD_MAX && sources.is_some_and(ahead)
    }

    /// Takes in the next record of a partition.
    fn take(
        &mut self,
        partition: usize,
        at: EventTime,
        now: Millis,
        metrics: &TableMetrics,
        updates: &mut Vec<Update>,
    ) {
        let least = self.not_before(at);
        let owned = &mut self.owned[partition];
        let Some(record) = owned.raw.records.get(owned.next).cloned() else { return };
        owned.next += 1;
        let raw = std::mem::take(&mut owned.raw);
        let number = owned.reader.id().partition;
        let outcome = self.row(Metadata { batch: &raw, record: &record, partition: number });
        let owned = &mut self.owned[partition];
        match outcome {
            Ok((key, time, cells)) => {
                let began = if cells.is_none() { self.history.began(&key) } else { None };
                let from = time.or(began).map_or(least, |time| time.max(least));
                // What has no time says nothing of how far the topic is: were it taken for a sign of
                // life, a stream of deletions would hold the watermark, and sealing, for ever.
                // A row may say that it is right from some day to come; that day has not come by it.
                if let Some(time) = time {
                    owned.judge.judge(time, self.source.arrival_of(None, record.timestamp));
                    owned.accept(time, now);
                }
                if let Some(unkept) = &mut self.unkept {
                    unkept.note(at, &key, from, cells.as_ref());
                }
                let updates = match &mut self.unkept {
                    Some(unkept) if self.loaded => &mut unkept.updates,
                    _ => updates,
                };
                self.history.put(&key, from, cells, updates);
                metrics.versions.add(1);
                metrics.effective.set(from);
            }
            Err(why) => {
                metrics.failures.add(1);
                let place = format!("{} at offset {}", owned.reader.describe(), record.offset);
                (self.feed.refused)(&format!("{place}: {why}"));
            }
        }
        let owned = &mut self.owned[partition];
        if let Some(unkept) = &mut self.unkept {
            unkept.read(number, record.offset.saturating_add(1), owned.judge.clock());
            if owned.next == raw.records.len() {
                let value = raw.value(&record);
                unkept.last(number, RecordCheck::of(record.offset, record.timestamp, value));
            }
        }
        owned.raw = raw;
    }

    /// The time of a record that deletes a row, which has no value to read it from.
    fn deleted_at(&self, record: &RawRecord) -> Option<EventTime> {
        let SourcePlan { time, earliest, latest, .. } = &self.source;
        match time.place {
            Place::Record(RecordPart::Timestamp) => {
                record.timestamp.filter(|at| (*earliest..*latest).contains(at))
            }
            _ => record.appended_at(),
        }
    }

    /// The key of a record, its time, and its cells; `None` where it deletes the row.
    #[expect(
        clippy::type_complexity,
        reason = "the three things a record says, taken apart at once"
    )]
    fn row(
        &mut self,
        of: Metadata<'_>,
    ) -> Result<(Vec<u8>, Option<EventTime>, Option<Vec<Cell>>), String> {
        let Metadata { batch: raw, record, .. } = of;
        let key = raw.key(record).ok_or("it has no key, which names the row")?;
        let key = key::of_row(key, &self.key_path)?;
        let key = text::key(&key, self.plan.matching).map_err(|why| format!("its key: {why}"))?;
        let value = payload(raw.value(record));
        if value.is_empty() {
            return Ok((key, self.deleted_at(record), None));
        }
        self.decoded.clear();
        let decoded = self.decoder.decode_with(value, Some(of), &mut self.decoded);
        decoded.map_err(|error| error.to_string())?;
        let time = self.decoded.time.first().copied();
        let columns = self.plan.columns.iter().zip(&self.decoded.columns);
        Ok((key, time, Some(columns.map(|(plan, column)| cell(column, plan.ty)).collect())))
    }
}

/// The first value of a column.
fn cell(column: &Column, ty: Type) -> Cell {
    let cell = match ty.is_bytes() {
        true => column.bytes(0).map(|bytes| Cell::Bytes(bytes.to_vec())),
        false => column.word(0).map(Cell::Word),
    };
    cell.unwrap_or(Cell::Null)
}
