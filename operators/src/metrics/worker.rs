//! Everything one worker counts.

use crate::ingest::reader::Standing;
use crate::metrics::cell::{Counter, Gauge};
use crate::metrics::clocks::{Ahead, ClockCounts};
use crate::metrics::held::HeldBytes;
use crate::metrics::histogram::{Histogram, LATE_BOUNDS_MS, LATENCY_BOUNDS_NS};
use crate::metrics::invalid::InvalidFields;
use crate::metrics::loads::WatchedLoad;
use crate::metrics::unique::UniqueIds;
use crate::metrics::waits::WaitCounts;
use crate::origin::PartitionId;
use crate::plan::{Operation, Plan};
use crate::time::{EventTime, Millis};
use crate::verdict::Reason;
use std::sync::{Mutex, PoisonError};

/// The verdicts on one source's records; together they are the records read.
#[derive(Debug, Default)]
pub struct VerdictCounts {
    /// Records that became events.
    pub accepted: Counter,
    /// Records behind their partition's watermark.
    pub late: Counter,
    /// Records further ahead of their arrival than the job allows.
    pub future: Counter,
    /// Records that could not be decoded.
    pub malformed: Counter,
    /// Records whose schema is not known or does not fit the job.
    pub schema: Counter,
    /// Records without a value.
    pub tombstone: Counter,
    /// Records without a key of any entity, which are left out and no dead letters.
    pub keyless: Counter,
    /// Records of operations that the job does not read, in the order of [`Operation::ALL`].
    pub skipped: [Counter; Operation::ALL.len()],
    /// Records whose id was there before, which are left out and no dead letters.
    pub duplicate: Counter,
    /// Records whose id was there before, which are dead letters.
    pub duplicate_dead: Counter,
    /// Records of topics that the state has already, from the files of the job's history.
    pub history: Counter,
}

impl VerdictCounts {
    /// The count of one dead-letter reason.
    pub fn dead(&self, reason: Reason) -> &Counter {
        match reason {
            Reason::Late => &self.late,
            Reason::Future => &self.future,
            Reason::Malformed => &self.malformed,
            Reason::Schema => &self.schema,
            Reason::Tombstone => &self.tombstone,
            Reason::Duplicate => &self.duplicate_dead,
        }
    }

    /// All records that became dead letters.
    pub fn dead_letters(&self) -> u64 {
        Reason::ALL.iter().map(|reason| self.dead(*reason).get()).sum()
    }

    /// All records read: the verdicts together.
    pub fn total(&self) -> u64 {
        self.accepted.get() + self.left_out() + self.dead_letters()
    }

    /// Records that the job looks at: all but those of operations that it does not read.
    pub fn judged(&self) -> u64 {
        self.total().saturating_sub(self.skipped_all())
    }

    /// Records that are in no feature and no dead letters.
    pub fn left_out(&self) -> u64 {
        self.keyless.get() + self.duplicate.get() + self.history.get() + self.skipped_all()
    }

    /// Records of operations that the job does not read.
    pub fn skipped_all(&self) -> u64 {
        self.skipped.iter().map(Counter::get).sum()
    }

    /// The same by operation, of those of which there are some.
    pub fn skipped_by_operation(&self) -> impl Iterator<Item = (Operation, u64)> {
        let counts = Operation::ALL.into_iter().zip(self.skipped.iter().map(Counter::get));
        counts.filter(|(_, count)| *count > 0)
    }

    /// Counts one of `operation`, which the job does not read.
    pub fn skip(&self, operation: Operation) {
        let at = Operation::ALL.iter().position(|known| *known == operation);
        if let Some(count) = at.and_then(|at| self.skipped.get(at)) {
            count.add(1);
        }
    }
}

/// What is held for one window of an entity type.
#[derive(Debug, Default)]
pub struct WindowMetrics {
    /// Events inside: at the live clock where live rows are kept, else at the frontier.
    pub events: Gauge,
    /// Batches of its arrangement; 1 while nobody but the log itself reads it.
    pub batches: Gauge,
    /// Rows of the log that its arrangement reaches back to.
    pub rows: Gauge,
    /// Bytes of those rows, which all windows of the entity share, and of the batches themselves.
    pub bytes: Gauge,
}

/// What is held for one entity type.
#[derive(Debug, Default)]
pub struct EntityMetrics {
    /// Entities that hold a slot.
    pub entities: Gauge,
    /// Events in the timeline's log.
    pub timeline_rows: Gauge,
    /// Bytes of the timeline's log in memory.
    pub timeline_bytes: Gauge,
    /// How far behind the clock its events leave memory, in ms; 0: they do not.
    pub hot_window: Gauge,
    /// Events of the timeline that are elsewhere, whether in memory, too, or not.
    pub cold_rows: Gauge,
    /// Bytes of those there.
    pub cold_bytes: Gauge,
    /// Pieces of those that are in memory, too, because an edge of a window is there.
    pub cold_back: Gauge,
    /// Pieces that have been read back.
    pub cold_reads: Gauge,
    /// Pieces that could not be written, and stayed in memory for some time more.
    pub cold_failures: Gauge,
    /// For how long the worker has waited for pieces, in ns: told by whoever reads them.
    pub cold_wait_ns: Counter,
    /// Bytes of the events that are not behind the frontier yet. This and the next ones are looked at
    /// once in a while, not each step.
    pub unsealed_bytes: Gauge,
    /// Bytes of what is accumulated over windows and of last events, live and sealed, and of rows
    /// on their way out.
    pub accumulator_bytes: Gauge,
    /// Bytes of what is kept of the events before an event, sealed and not.
    pub history_bytes: Gauge,
    /// Bytes of the dictionaries: entity ids and attribute values.
    pub dictionary_bytes: Gauge,
    /// Bytes of rows that are copied for the next checkpoint.
    pub checkpoint_bytes: Gauge,
    /// Bytes of sealed lines that wait for those of other entity types and workers to be merged.
    pub lines_bytes: Gauge,
    /// Those of all these bytes that nothing is in: they are filled again before anything grows.
    pub reusable_bytes: Gauge,
    /// The windows of the entity, by their place in its plan.
    pub windows: Vec<WindowMetrics>,
    /// The share of the newest events that came from the busiest entity, in thousandths.
    pub hottest_per_mille: Gauge,
    /// The busiest entities, the busiest first.
    hottest: Mutex<Vec<(String, u32)>>,
}

impl EntityMetrics {
    /// The bytes of its state, by part, with the parts' names.
    pub fn parts(&self) -> [(&'static str, u64); 7] {
        [
            ("timeline", self.timeline_bytes.get()),
            ("unsealed", self.unsealed_bytes.get()),
            ("accumulators", self.accumulator_bytes.get()),
            ("history", self.history_bytes.get()),
            ("dictionaries", self.dictionary_bytes.get()),
            ("checkpoint", self.checkpoint_bytes.get()),
            ("lines", self.lines_bytes.get()),
        ]
    }

    /// The bytes of its state.
    pub fn held(&self) -> HeldBytes {
        HeldBytes {
            held: self.parts().iter().map(|(_, bytes)| bytes).sum(),
            reusable: self.reusable_bytes.get(),
        }
    }

    /// Replaces the busiest entities (id, and share of the newest events in thousandths; the
    /// busiest first): a few times a second, not once a batch.
    pub fn set_hottest(&self, entities: impl IntoIterator<Item = (String, u32)>) {
        let mut hottest = self.hottest.lock().unwrap_or_else(PoisonError::into_inner);
        hottest.clear();
        hottest.extend(entities);
        self.hottest_per_mille.set(hottest.first().map_or(0, |(_, share)| u64::from(*share)));
    }

    /// The busiest entities as of the last update. For people only: ids are no metric's labels.
    pub fn hottest(&self) -> Vec<(String, u32)> {
        self.hottest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What is known of one reference table.
#[derive(Debug, Default)]
pub struct TableMetrics {
    /// Rows of the newest version. On worker 0 only.
    pub rows: Gauge,
    /// Versions of a file, or records of a topic, that took effect. On worker 0 only.
    pub versions: Counter,
    /// Versions or records that could not be read, so that the old ones stay. On worker 0 only.
    pub failures: Counter,
    /// The event time from which on the newest version is seen. On worker 0 only.
    pub effective: Gauge,
    /// Everything before this event time is known of the table; `u64::MAX` once it has closed.
    pub frontier: Gauge,
    /// Updates held for lookups: the rows, and what changed since the sealed events.
    pub updates: Gauge,
}

/// How far one partition has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionProgress {
    /// Which partition.
    pub id: PartitionId,
    /// Its watermark.
    pub watermark: EventTime,
    /// Its clock: the greatest `min(ts, arrival)` of its accepted records; 0 before the first.
    pub clock: EventTime,
    /// The greatest time of an accepted event; 0 before the first.
    pub newest: EventTime,
    /// Its events against their arrivals.
    pub ahead: Ahead,
    /// The event time of the first accepted record of this run; 0 before it.
    pub first: EventTime,
    /// The offset of the next record to read.
    pub next_offset: u64,
    /// Whether it is idle: its watermark follows those of the others.
    pub idle: bool,
    /// Whether nothing was left to read when the reader was last asked, or nobody waits for what is.
    pub caught_up: bool,
    /// Where the reader stood when it was last asked.
    pub standing: Standing,
    /// Whether it follows the others because it has held them back for the source's `hold_max`.
    pub overdue: bool,
    /// For how long its clock has not moved although all that can be read was read, in ms; 0 while it
    /// is idle, or where something is left to read.
    pub still: Millis,
    /// Whether it is paused because it ran too far ahead of the others.
    pub paused: bool,
}

/// What one worker counts. Made once from the job's plan; the worker writes, anyone reads.
#[derive(Debug)]
pub struct WorkerMetrics {
    /// The worker's index in the computation.
    pub worker: usize,
    /// Verdicts by source, in plan order.
    pub verdicts: Vec<VerdictCounts>,
    /// Values that could not be read and are null therefore, by source, in plan order.
    pub invalid: Vec<InvalidFields>,
    /// The ids that copies are told by, by source, in plan order.
    pub unique: Vec<UniqueIds>,
    /// Decimals that had more digits than their fields keep, by source and field.
    pub rounded: Vec<Vec<Counter>>,
    /// Times against arrivals by source, in plan order.
    pub clocks: Vec<ClockCounts>,
    /// How far behind the watermark late records were, in ms ([`LATE_BOUNDS_MS`]).
    pub late_by_ms: Histogram,
    /// Sealed rows computed (one an event and view).
    pub rows_sealed: Counter,
    /// Live rows handed to the online sink.
    pub rows_live: Counter,
    /// Feature values in those rows, sealed and live.
    pub features: Counter,
    /// From a record's due or read time until its live row was handed over, in ns
    /// ([`LATENCY_BOUNDS_NS`]).
    pub latency_ns: Histogram,
    /// The frontier in ms of event time: every accepted event before it is known. 0 before the
    /// first; `u64::MAX` once all inputs have closed.
    pub frontier: Gauge,
    /// The live clock in ms of event time; 0 before the first event.
    pub live_clock: Gauge,
    /// What the live clock may not exceed, in ms; `u64::MAX` where nothing bounds it.
    pub live_cap: Gauge,
    /// What is held, by entity type, in plan order.
    pub entities: Vec<EntityMetrics>,
    /// The reference tables, in plan order.
    pub tables: Vec<TableMetrics>,
    /// Attribute values and entity ids in the dictionaries.
    pub dictionary_entries: Gauge,
    /// Events accepted and not yet sealed.
    pub unsealed_rows: Gauge,
    /// Their bytes (the stash).
    pub unsealed_bytes: Gauge,
    /// Bytes sent to other workers and not yet taken in by them.
    pub in_flight_bytes: Gauge,
    /// Distinct counts that were read at the limit of what is written (`distinct_max`), or beyond it.
    pub distinct_saturated: Counter,
    /// Integer results out of range, shown as null.
    pub int_overflows: Counter,
    /// For how long reading was kept up, by what was waited for.
    pub waits: WaitCounts,
    /// What its operators do, where that is watched.
    pub load: WatchedLoad,
    /// CPU time that the worker's thread has used, in ns, as of a few times a second.
    pub cpu_ns: Gauge,
    /// Steps of the worker, idle ones included: a worker whose number stands still is stalled. It
    /// must move at least once a second while nothing is to be done.
    pub steps: Counter,
    /// The partitions this worker owns.
    progress: Mutex<Vec<PartitionProgress>>,
}

impl WorkerMetrics {
    /// Zeroes for worker `worker` of a computation over `plan`.
    pub fn new(worker: usize, plan: &Plan) -> Self {
        let entity = |e: &crate::plan::EntityPlan| EntityMetrics {
            windows: e.windows.iter().map(|_| WindowMetrics::default()).collect(),
            ..EntityMetrics::default()
        };
        let live_cap = Gauge::default();
        live_cap.set(EventTime::MAX);
        WorkerMetrics {
            worker,
            verdicts: plan.sources.iter().map(|_| VerdictCounts::default()).collect(),
            invalid: plan.sources.iter().map(|s| InvalidFields::new(s.fields.len())).collect(),
            unique: plan.sources.iter().map(|_| UniqueIds::default()).collect(),
            rounded: plan
                .sources
                .iter()
                .map(|s| s.fields.iter().map(|_| Counter::default()).collect())
                .collect(),
            clocks: plan.sources.iter().map(|_| ClockCounts::default()).collect(),
            late_by_ms: Histogram::new(LATE_BOUNDS_MS),
            rows_sealed: Counter::default(),
            rows_live: Counter::default(),
            features: Counter::default(),
            latency_ns: Histogram::new(LATENCY_BOUNDS_NS),
            frontier: Gauge::default(),
            live_clock: Gauge::default(),
            live_cap,
            entities: plan.entities.iter().map(entity).collect(),
            tables: plan.tables.iter().map(|_| TableMetrics::default()).collect(),
            dictionary_entries: Gauge::default(),
            unsealed_rows: Gauge::default(),
            unsealed_bytes: Gauge::default(),
            in_flight_bytes: Gauge::default(),
            distinct_saturated: Counter::default(),
            int_overflows: Counter::default(),
            waits: WaitCounts::default(),
            load: WatchedLoad::default(),
            cpu_ns: Gauge::default(),
            steps: Counter::default(),
            progress: Mutex::default(),
        }
    }

    /// Replaces the progress of the worker's partitions: a few times a second, not once a batch.
    pub fn set_progress(&self, partitions: impl IntoIterator<Item = PartitionProgress>) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.clear();
        progress.extend(partitions);
    }

    /// The progress of the worker's partitions as of the last update.
    pub fn progress(&self) -> Vec<PartitionProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
