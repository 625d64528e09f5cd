//! The versions of one reference table in the state.
//!
//! ```text
//! the file has changed ─→ its rows are stored ─→ the dataflow says from when on they are seen
//!                      ─→ the record is created ─→ they are seen, and what lies behind can be settled
//! ```
//!
//! The rows come first, so that the dataflow waits for one small object only.

use super::due::CheckpointProgress;
use super::insist::insist;
use super::{RecoveryError, system};
use crate::checkpoint::{
    BlockCipher, CheckpointError, EncodedVersion, ListedKind, ListedVersion, StateKeys,
    TableDefinition, VersionReader, VersionRecord, VersionRecords, WrittenBy, object_name, store,
};
use crate::fault;
use crate::objects::{Creation, Objects};
use crate::wall_clock::wall_ms;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemark_operators::plan::TablePlan;
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;

/// How many versions of a table are held; default 1,000. While there are as many, its file is not looked
/// at: those that no event can be looked up in any more go with the checkpoints.
const VERSIONS_MAX: usize = 1_000;
/// How often a process tries to take the versions over while another one creates more.
const TAKE_OVERS_MAX: usize = 16;

/// A version that is seen from a time on.
pub type TimedVersion = (Vec<TableRow>, EventTime);

/// What was taken over, and by whom.
pub(super) struct TakenOver {
    pub objects: Arc<dyn Objects>,
    pub keys: Option<Arc<StateKeys>>,
    pub generation: u64,
    pub writer: String,
    /// The cut that the job goes on from.
    pub cut: EventTime,
    pub progress: Arc<CheckpointProgress>,
    pub over: Arc<AtomicBool>,
}

/// See the module.
pub struct KeptTable {
    plan: TablePlan,
    /// Its place in the plan.
    at: usize,
    taken: TakenOver,
    cipher: Option<BlockCipher>,
    /// The records from the one on that the oldest checkpoint needs.
    chain: Mutex<Vec<VersionRecord>>,
    /// What the newest version's rows are told by.
    newest: Mutex<Option<[u8; 32]>>,
    reached: AtomicU64,
    written: AtomicUsize,
}

impl KeptTable {
    /// Takes over the versions of the table `plan`, from number `base` on: no other run can create one
    /// behind them any more. Runs before may have given out rows before `reached`.
    ///
    /// # Errors
    /// When one of them is damaged or missing, or another run has taken over.
    pub(super) fn take_over(
        (plan, at): (&TablePlan, usize),
        taken: TakenOver,
        base: Option<u64>,
        reached: EventTime,
    ) -> Result<Self, RecoveryError> {
        let records = VersionRecords::new(&*taken.objects);
        let cipher = taken.keys.as_ref().map(|keys| keys.cipher()).transpose()?;
        let mut chain = Vec::new();
        for attempt in 0.. {
            chain = records.chain(&plan.name, base)?;
            let Some(last) = chain.last() else { break };
            if last.generation > taken.generation || attempt == TAKE_OVERS_MAX {
                return Err(fenced(&taken, last).into());
            }
            let again = VersionRecord {
                number: last.number.saturating_add(1),
                generation: taken.generation,
                writer: taken.writer.clone(),
                created_at: wall_ms().unwrap_or(0),
                reached: last.reached.max(last.from).max(reached),
                ..last.clone()
            };
            if records.create(&again)? == Creation::Created {
                chain.push(again);
                break;
            }
        }
        Ok(KeptTable {
            plan: plan.clone(),
            at,
            cipher,
            reached: AtomicU64::new(chain.last().map_or(0, |last| last.reached)),
            chain: Mutex::new(chain),
            newest: Mutex::new(None),
            written: AtomicUsize::new(0),
            taken,
        })
    }

    /// The table's name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// New versions are seen from this time on at the earliest.
    pub fn not_before(&self) -> EventTime {
        self.reached.load(Ordering::Acquire)
    }

    /// Why no other version can be taken in now, if that is so.
    pub fn full(&self) -> Option<String> {
        let is_full = self.lock().len() >= VERSIONS_MAX;
        is_full.then(|| {
            format!(
                "the state holds {VERSIONS_MAX} versions of the table \"{}\"; its file is read again once \
                 checkpoints have let go of some: see that checkpoints are made, and change the file less \
                 often",
                self.plan.name
            )
        })
    }

    /// What events are looked up in from the start on, oldest first: the versions that are kept, and
    /// `rows`, as they are now, where those are others.
    ///
    /// # Errors
    /// When a version is damaged or missing, or cannot be kept.
    pub fn begin(
        &self,
        rows: Vec<TableRow>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Vec<TimedVersion>, RecoveryError> {
        let mut versions = self.restored()?;
        let held = versions.last().map(|(rows, _)| self.encoded(rows)).transpose()?;
        let held = held.map(|held| held.digest());
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = held;
        if let Some(listed) = self.store(&rows, keep_trying)? {
            let from = match (self.lock().is_empty(), versions.is_empty()) {
                (true, _) => 0,
                // All that is looked up lies behind the cut.
                (false, true) => self.taken.cut,
                (false, false) => self.not_before(),
            };
            self.create(from, listed, keep_trying)?;
            versions.push((rows, from));
        }
        if let Some((_, from)) = versions.first_mut() {
            *from = 0;
        }
        Ok(versions)
    }

    /// Stores `rows`, unless they are those of the newest version. They belong to nothing before they are
    /// [recorded](Self::record).
    ///
    /// # Errors
    /// When the store does not do it while `keep_trying` says so.
    pub fn store(
        &self,
        rows: &[TableRow],
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<ListedVersion>, RecoveryError> {
        let encoded = self.encoded(rows)?;
        let digest = encoded.digest();
        if *self.newest.lock().unwrap_or_else(PoisonError::into_inner) == Some(digest) {
            return Ok(None);
        }
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let sequence = self.next_number();
        let generation = self.taken.generation;
        let written = WrittenBy { generation, sequence, worker: self.at, number };
        let name = object_name(ListedKind::Version, written);
        let definition = TableDefinition::of(&self.plan);
        let (object, listed) = encoded.object(name, definition, self.cipher.as_ref())?;
        self.insist(keep_trying, || store(&*self.taken.objects, &object))?;
        self.taken.progress.table_bytes.fetch_add(listed.bytes, Ordering::Relaxed);
        fault::point("table.rows");
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        Ok(Some(listed))
    }

    /// Has every run say from now on that the rows `listed` are seen from `from` on.
    ///
    /// # Errors
    /// When another run has taken over, or the store does not do it while `keep_trying` says so.
    pub fn record(
        &self,
        from: EventTime,
        listed: ListedVersion,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        if fault::is_mutant("table_record_after_frontier") {
            // A race that checkpoints win.
            let cut = || self.taken.progress.sealed_cut.load(Ordering::Acquire);
            while cut() <= from.saturating_add(1_000) && self.goes_on(keep_trying) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        self.create(from, listed, keep_trying)
    }

    fn create(
        &self,
        from: EventTime,
        listed: ListedVersion,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        let record = VersionRecord {
            table: self.plan.name.clone(),
            number: self.next_number(),
            generation: self.taken.generation,
            writer: self.taken.writer.clone(),
            created_at: wall_ms().unwrap_or(0),
            from,
            reached: self.not_before().max(from),
            rows: listed,
        };
        fault::point("table.record");
        let records = VersionRecords::new(&*self.taken.objects);
        match self.insist(keep_trying, || records.create(&record))? {
            Creation::Created => {}
            Creation::Exists => return Err(fenced(&self.taken, &record).into()),
        }
        fault::point("table.recorded");
        self.reached.fetch_max(record.reached, Ordering::AcqRel);
        self.lock().push(record);
        Ok(())
    }

    /// The number of the version that is seen at `cut`.
    pub(super) fn at(&self, cut: EventTime) -> Option<u64> {
        let chain = self.lock();
        let seen = chain.iter().rev().find(|record| record.from <= cut);
        seen.or(chain.first()).map(|record| record.number)
    }

    /// Nobody needs versions before number `base`.
    pub(super) fn release(&self, base: u64) {
        self.lock().retain(|record| record.number >= base);
    }

    /// How many versions are held.
    pub(super) fn versions(&self) -> u64 {
        self.lock().len() as u64
    }

    /// The versions that events at and after the cut are looked up in, oldest first.
    fn restored(&self) -> Result<Vec<TimedVersion>, RecoveryError> {
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
    fn rows(
        &self,
        record: &VersionRecord,
        own: &TableDefinition,
    ) -> Result<Result<Vec<TableRow>, String>, RecoveryError> {
        let (objects, keys) = (&*self.taken.objects, self.taken.keys.as_deref());
        let version = VersionReader::open(objects, &record.table, &record.rows, keys)?;
        let places = match version.content().definition.places(own) {
            Ok(places) => places,
            Err(why) => return Ok(Err(why)),
        };
        if record.rows.rows > self.plan.rows_max as u64 {
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

    fn encoded(&self, rows: &[TableRow]) -> Result<EncodedVersion, RecoveryError> {
        EncodedVersion::of(rows).ok_or_else(|| {
            let why = std::io::Error::other("a row is too long");
            system(&format!("keep the table \"{}\" in the state", self.plan.name), why)
        })
    }

    fn next_number(&self) -> u64 {
        self.lock().last().map_or(1, |last| last.number.saturating_add(1))
    }

    fn goes_on(&self, keep_trying: &dyn Fn() -> bool) -> bool {
        keep_trying() && !self.taken.over.load(Ordering::Acquire)
    }

    fn insist<T>(
        &self,
        keep_trying: &dyn Fn() -> bool,
        what: impl FnMut() -> Result<T, CheckpointError>,
    ) -> Result<T, RecoveryError> {
        insist(&self.taken.progress, &|| self.goes_on(keep_trying), what)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<VersionRecord>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of these records, in the order of their numbers, those that an event at or after `cut` is looked up in:
/// of all that say a time up to its own it sees the one with the greatest number.
fn seen_from(chain: &[VersionRecord], cut: EventTime) -> Vec<&VersionRecord> {
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

fn fenced(taken: &TakenOver, record: &VersionRecord) -> CheckpointError {
    CheckpointError::Fenced {
        sequence: record.number,
        generation: taken.generation,
        store: taken.objects.url().to_owned(),
        by: format!("version {} of the table \"{}\"", record.number, record.table),
    }
}

#[cfg(test)]
mod tests;
