//! The versions of one reference table in the state.
//!
//! ```text
//! the file has changed ─→ its rows are stored ─→ the dataflow says from when on they are seen
//!                      ─→ the record is created ─→ they are seen, and what lies behind can be settled
//! ```
//!
//! The rows come first, so that the dataflow waits for one small object only. What is read of a topic is
//! kept in the same way: [`kept_topic`](super::kept_topic).

mod reads;

use super::due::CheckpointProgress;
use super::insist::insist;
use super::{RecoveryError, system};
use crate::checkpoint::{
    BlockCipher, CheckpointError, EncodedVersion, ListedKind, ListedVersion, StateKeys,
    TableDefinition, TopicPosition, VersionRecord, VersionRecords, WrittenBy, object_name, store,
};
use crate::fault;
use crate::objects::{Creation, Objects};
use crate::wall_clock::wall_ms;
use reads::begins;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemark_operators::plan::TablePlan;
use tidemark_operators::reference::version::TableRow;
use tidemark_operators::time::EventTime;

/// How many versions of a table are held; default 1,000. While there are as many, its file is not looked
/// at and its topic not read: those that no event can be looked up in any more go with the checkpoints.
const VERSIONS_MAX: usize = 1_000;
/// While there are so many, each checkpoint lets go of those that it can, and the next is wanted at once.
const VERSIONS_CROWDED: usize = VERSIONS_MAX / 2;
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
                "the state holds {VERSIONS_MAX} versions of the table \"{}\"; it is read on once \
                 checkpoints have let go of some: see that checkpoints are made, and change it less \
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
        if versions.last().is_some_and(|(held, _)| are_same(held, &rows)) {
            let digest = self.encoded(&rows)?.digest();
            *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        } else if let Some(listed) = self.store(&rows, keep_trying)? {
            let from = match (self.lock().is_empty(), versions.is_empty()) {
                (true, _) => 0,
                // All that is looked up lies behind the cut.
                (false, true) => self.taken.cut,
                (false, false) => self.not_before(),
            };
            self.create(from, (listed, None), keep_trying)?;
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
        let listed = self.write(&encoded, TableDefinition::of(&self.plan), keep_trying)?;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(digest);
        Ok(Some(listed))
    }

    /// Writes an object with rows of a table that is defined so.
    pub(super) fn write(
        &self,
        encoded: &EncodedVersion,
        definition: TableDefinition,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<ListedVersion, RecoveryError> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let sequence = self.next_number();
        let generation = self.taken.generation;
        let written = WrittenBy { generation, sequence, worker: self.at, number };
        let name = object_name(ListedKind::Version, written);
        let (object, listed) = encoded.object(name, definition, self.cipher.as_ref())?;
        self.insist(keep_trying, || store(&*self.taken.objects, &object))?;
        self.taken.progress.table_bytes.fetch_add(listed.bytes, Ordering::Relaxed);
        fault::point("table.rows");
        Ok(listed)
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
        self.record_rows(from, (listed, None), keep_trying)
    }

    /// The same of a file or, where it is said how far it was read, of a topic.
    pub(super) fn record_rows(
        &self,
        from: EventTime,
        rows: (ListedVersion, Option<TopicPosition>),
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        if fault::is_mutant("table_record_after_frontier") {
            // A race that checkpoints win.
            let cut = || self.taken.progress.sealed_cut.load(Ordering::Acquire);
            while cut() <= from.saturating_add(1_000) && self.goes_on(keep_trying) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        self.create(from, rows, keep_trying)
    }

    fn create(
        &self,
        from: EventTime,
        (rows, topic): (ListedVersion, Option<TopicPosition>),
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
            rows,
            topic,
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
        if self.is_crowded() {
            self.taken.progress.wanted.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The number of the version that is seen at `cut`; of a topic, of the whole one that is right from
    /// then on.
    pub(super) fn at(&self, cut: EventTime) -> Option<u64> {
        let chain = self.lock();
        chain.get(begins(&chain, cut)).map(|record| record.number)
    }

    /// Whether there are so many versions that they should go soon.
    pub(super) fn is_crowded(&self) -> bool {
        self.lock().len() > VERSIONS_CROWDED
    }

    /// The object that a record lists.
    pub(super) fn object_of(&self, number: u64) -> Option<String> {
        let chain = self.lock();
        let record = chain.iter().find(|record| record.number == number)?;
        Some(record.rows.name.clone())
    }

    /// The cut that the job went on from, or that of the newest checkpoint since.
    pub(super) fn cut(&self) -> EventTime {
        self.taken.cut.max(self.taken.progress.sealed_cut.load(Ordering::Acquire))
    }

    /// The cut that the job went on from.
    pub(super) fn begun_cut(&self) -> EventTime {
        self.taken.cut
    }

    #[cfg(test)]
    pub(super) fn begun_progress(&self) -> &CheckpointProgress {
        &self.taken.progress
    }

    /// How the table is defined now.
    pub(super) fn plan(&self) -> &TablePlan {
        &self.plan
    }

    /// Nobody needs versions before number `base`.
    pub(super) fn release(&self, base: u64) {
        self.lock().retain(|record| record.number >= base);
    }

    /// How many versions are held.
    pub(super) fn versions(&self) -> u64 {
        self.lock().len() as u64
    }

    pub(super) fn encoded(&self, rows: &[TableRow]) -> Result<EncodedVersion, RecoveryError> {
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

/// Whether two versions have the same rows, in whatever order.
fn are_same(a: &[TableRow], b: &[TableRow]) -> bool {
    fn sorted(rows: &[TableRow]) -> Vec<&TableRow> {
        let mut sorted: Vec<_> = rows.iter().collect();
        sorted.sort_unstable_by(|a, b| (&a.key, a.row.valid_from).cmp(&(&b.key, b.row.valid_from)));
        sorted
    }
    a.len() == b.len() && sorted(a) == sorted(b)
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
