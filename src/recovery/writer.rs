//! The thread that writes checkpoints.

use super::due::CheckpointProgress;
use super::ids::IdsByPartition;
use super::insist::insist;
use super::lacks::Lacks;
use super::letters;
use super::merging::Merging;
use super::parcel::Parcel;
use super::part_files::PartFiles;
use super::publisher::{Batch, LetterPublisher};
use super::table_versions::TableVersions;
use super::{RecoveryError, WorkerMessage, marks};
use crate::checkpoint::{
    BlockCipher, ForgottenEntity, Leader, ListedKind, ListedSegment, ListedStates, MANIFESTS_KEPT,
    Manifest, Snapshot, StateKeys, StoredLetters, WrittenBy, object_name, store,
};
use crate::fault;
use crate::kafka::FoundTopics;
use crate::objects::Objects;
use crate::wall_clock::wall_ms;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use tidemark_operators::cut::{Cut, EntityStates, PartitionMark, TimelineRows};
use tidemark_operators::ingest::dead_letter::DeadLetter;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::{EventTime, Millis};

/// What the thread works with.
pub(super) struct Writer<'a> {
    pub plan: Arc<Plan>,
    pub objects: &'a dyn Objects,
    pub leader: Leader<'a>,
    pub cipher: Option<Arc<BlockCipher>>,
    pub merging: Merging,
    pub keys: Option<Arc<StateKeys>>,
    /// In all processes.
    pub workers: usize,
    /// Whether sealed rows are written, whose file has to be told of.
    pub sealed_rows: bool,
    pub progress: Arc<CheckpointProgress>,
    /// The topics that are read, once they are found.
    pub topics: Arc<OnceLock<Arc<FoundTopics>>>,
    pub publisher: Arc<LetterPublisher>,
    pub lacks: Arc<Lacks>,
    /// The versions of tables that this process keeps.
    pub tables: Arc<TableVersions>,
    /// What the next manifest will be.
    pub next: Manifest,
    pub files: PartFiles<'a>,
    pub gathering: Gathering,
    /// Names of files of ids that cannot be read, as long as they are listed.
    pub unreadable_ids: BTreeSet<String>,
    /// Entities that are forgotten, and that no manifest lists yet.
    pub forgotten: Vec<ForgottenEntity>,
    /// A snapshot that is not whole yet.
    pub telling: SnapshotFiles,
    /// The number of the next object of this sequence number.
    pub number: usize,
    /// By the kept manifests, how far letters were published.
    pub published: VecDeque<u64>,
}

/// What has been handed over and is in no manifest, by the number of its cut.
#[derive(Default)]
pub(super) struct Gathering(BTreeMap<u64, CutParts>);

impl Gathering {
    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What has been handed over for one cut.
#[derive(Default)]
struct CutParts {
    /// How many parts have come.
    parts: usize,
    ids: IdsByPartition,
    marks: BTreeMap<PartitionId, PartitionMark>,
    letters: Vec<DeadLetter>,
    live: EventTime,
    segments: Vec<ListedSegment>,
    sealed_bytes: Option<u64>,
}

impl Gathering {
    fn of(&mut self, cut: Cut) -> &mut CutParts {
        self.0.entry(cut.number).or_default()
    }

    /// Takes out what belongs to the cut `cut`, which is whole, with all that was handed over for cuts
    /// before it that never were.
    fn take(&mut self, cut: Cut) -> CutParts {
        let later = match cut.number.checked_add(1) {
            Some(next) => self.0.split_off(&next),
            None => BTreeMap::new(),
        };
        let mut all = CutParts::default();
        for parts in std::mem::replace(&mut self.0, later).into_values() {
            for (id, ids) in parts.ids {
                all.ids.entry(id).or_default().extend(ids);
            }
            all.marks.extend(parts.marks);
            all.letters.extend(parts.letters);
            all.segments.extend(parts.segments);
            all.live = all.live.max(parts.live);
            all.sealed_bytes = parts.sealed_bytes.or(all.sealed_bytes);
        }
        all
    }
}

/// The state files of a snapshot that is being told.
#[derive(Default)]
pub(super) struct SnapshotFiles {
    as_of: EventTime,
    /// By worker and entity.
    whole: BTreeSet<(usize, usize)>,
    pub files: Vec<ListedStates>,
}

/// How long before a cut an entity type's rows may lie that something still needs.
pub(super) fn reach(plan: &Plan) -> Millis {
    let windows = plan.entities.iter().flat_map(|entity| &entity.windows);
    windows.map(|window| window.leaves(0)).max().unwrap_or(0)
}

/// The name of an object that is written after `manifest`.
fn name(manifest: &Manifest, number: &mut usize, kind: ListedKind, worker: usize) -> String {
    let Manifest { generation, sequence, .. } = *manifest;
    *number += 1;
    let (sequence, number) = (sequence + 1, *number);
    object_name(kind, WrittenBy { generation, sequence, worker, number })
}

impl Writer<'_> {
    /// Writes what comes until the other ends are gone, and says why it could not go on, if it could
    /// not. `keep_trying` says whether a store that fails is to be tried again.
    ///
    /// # Errors
    /// When another process has taken over the state, or what is to be written is none.
    pub fn run(
        mut self,
        messages: &Receiver<WorkerMessage>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        while let Ok(message) = messages.recv() {
            let cut = self.take(message, keep_trying)?;
            let Some(cut) = cut.filter(|cut| self.is_whole(*cut)) else { continue };
            self.progress.gathered.fetch_max(cut.number, Ordering::AcqRel);
            self.commit(cut, keep_trying)?;
            self.progress.commit(cut.number);
        }
        Ok(())
    }

    /// How many parts a cut has.
    pub(super) fn is_whole(&self, cut: Cut) -> bool {
        let of_worker = 1 + self.plan.entities.len();
        let all = self.workers * of_worker + usize::from(self.sealed_rows);
        self.gathering.0.get(&cut.number).is_some_and(|parts| parts.parts == all)
    }

    pub(super) fn take(
        &mut self,
        message: WorkerMessage,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<Cut>, RecoveryError> {
        let parcel = match message {
            WorkerMessage::Parcel(parcel) => Some(parcel),
            WorkerMessage::Rows { cut, worker, entity, rows } => {
                Some(self.segment(cut, (worker, entity), &rows, keep_trying)?)
            }
            WorkerMessage::States { worker, entity, as_of, states } => {
                self.states((worker, entity), as_of, states, keep_trying)?
            }
            WorkerMessage::Failed(error) => return Err(error),
            WorkerMessage::SealedBegins { bytes, told } => {
                let mut next = self.next.clone();
                letters::set(&mut next.outbox, letters::SEALED_BYTES, bytes);
                letters::published(&mut next.outbox, &self.publisher.published());
                self.append(next, keep_trying)?;
                // Whoever waits may be gone.
                let _ = told.send(());
                None
            }
            WorkerMessage::Sealed { cut, bytes } => {
                let parts = self.gathering.of(cut);
                (parts.sealed_bytes, parts.parts) = (Some(bytes), parts.parts + 1);
                return Ok(Some(cut));
            }
        };
        Ok(parcel.and_then(|parcel| self.gather(parcel)))
    }

    pub(super) fn name(&mut self, kind: ListedKind, worker: usize) -> String {
        name(self.leader.manifest(), &mut self.number, kind, worker)
    }

    fn segment(
        &mut self,
        cut: Cut,
        (worker, entity): (usize, usize),
        rows: &TimelineRows,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Parcel, RecoveryError> {
        let mut listed = None;
        if !rows.is_empty() {
            let name = self.name(ListedKind::Segment, worker);
            listed = Some(self.files.segment(name, (cut, entity), rows, keep_trying)?);
        }
        Ok(Parcel::Segment { cut, listed })
    }

    fn states(
        &mut self,
        of: (usize, usize),
        as_of: EventTime,
        states: Option<EntityStates>,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Option<Parcel>, RecoveryError> {
        let Writer { files, leader, number, .. } = self;
        let mut name = |kind, worker| name(leader.manifest(), number, kind, worker);
        let whole = files.states(&mut name, (of, as_of), states, keep_trying)?;
        Ok(whole.map(|files| Parcel::States { of, as_of, files }))
    }

    /// Gathers a part whose objects are stored; says to which cut it belongs.
    fn gather(&mut self, parcel: Parcel) -> Option<Cut> {
        let cut = match parcel {
            Parcel::Marks { cut, ids, marks, letters, live } => {
                let parts = self.gathering.of(cut);
                parts.ids.extend(ids);
                parts.marks.extend(marks);
                parts.letters.extend(letters);
                parts.live = parts.live.max(live);
                cut
            }
            Parcel::Segment { cut, listed } => {
                self.gathering.of(cut).segments.extend(listed);
                cut
            }
            Parcel::States { of, as_of, files } => {
                if as_of > self.telling.as_of {
                    self.telling = SnapshotFiles { as_of, ..SnapshotFiles::default() };
                }
                if as_of == self.telling.as_of {
                    self.telling.files.extend(files);
                    self.telling.whole.insert(of);
                }
                return None;
            }
            Parcel::Forgotten { entity, forgotten } => {
                self.forget(entity, &forgotten);
                return None;
            }
        };
        self.gathering.of(cut).parts += 1;
        Some(cut)
    }

    /// Writes the manifest of `cut`, when anything has changed, and has its letters published.
    pub(super) fn commit(
        &mut self,
        cut: Cut,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        let mut gathered = self.gathering.take(cut);
        let sequence = self.leader.manifest().sequence + 1;
        let mut next = self.prepare(cut, &mut gathered, keep_trying)?;
        let unchanged = next == self.next && gathered.letters.is_empty();
        // Versions of tables go with checkpoints that need them no more.
        if unchanged && !self.tables.are_crowded() {
            return Ok(());
        }
        next.created_at = wall_ms().unwrap_or(0);
        if gathered.live >= next.live_clock {
            (next.live_clock, next.live_clock_at) = (gathered.live, next.created_at);
        }
        let progress = Arc::clone(&self.progress);
        let batch = Batch::new(sequence, cut.number, gathered.letters);
        if !batch.letters.is_empty() {
            let (generation, cipher) = (self.leader.manifest().generation, self.cipher.as_deref());
            let (letters, object) = StoredLetters::of(generation, sequence, &batch.lines, cipher)?;
            insist(&progress, keep_trying, || store(self.objects, &object))?;
            fault::point("cut.letters");
            letters.list(&mut next.outbox);
        }
        let mut batch = Some(batch).filter(|batch| !batch.letters.is_empty());
        if fault::is_mutant("letters_before_commit")
            && let Some(batch) = batch.take()
        {
            self.publisher.publish(batch);
            // A race that the letters win.
            while self.publisher.published().number < sequence && keep_trying() {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
        fault::point("cut.manifest");
        self.append(next, keep_trying)?;
        fault::point("cut.committed");
        // As the manifest says, which may not know yet of the newest.
        let published = letters::how_far(&self.next.outbox).map_or(0, |published| published.number);
        self.published.push_back(published);
        while self.published.len() > MANIFESTS_KEPT {
            self.published.pop_front();
        }
        if let Some(batch) = batch {
            self.publisher.publish(batch);
        }
        let (manifest, number) = (self.leader.manifest(), &mut self.number);
        self.merging.begin(manifest, || name(manifest, number, ListedKind::Segment, 0));
        self.collect(sequence);
        Ok(())
    }

    /// What the manifest of `cut` will say, but for its letters.
    fn prepare(
        &mut self,
        cut: Cut,
        gathered: &mut CutParts,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<Manifest, RecoveryError> {
        let mut next = self.next.clone();
        next.cut = cut.at;
        let topics = self.topics.get().map(|topics| &**topics);
        let told = std::mem::take(&mut gathered.marks);
        marks::put(&self.plan, topics, told, &mut next.partitions);
        self.write_ids(std::mem::take(&mut gathered.ids), &mut next, keep_trying)?;
        next.segments.append(&mut gathered.segments);
        if let Some(bytes) = gathered.sealed_bytes {
            letters::set(&mut next.outbox, letters::SEALED_BYTES, bytes);
        }
        letters::published(&mut next.outbox, &self.publisher.published());
        self.take_snapshot(cut, &mut next);
        let held = next.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of);
        next.retire(held.saturating_sub(reach(&self.plan)));
        next.lacking = self.lacks.at(cut.at, next.rows_from.unwrap_or(0));
        next.fingerprint.clone_from(&self.lacks.fingerprints);
        // Of a table that the job no longer has nothing is needed.
        next.tables = self.tables.at(cut.at);
        self.merging.take(&mut next);
        self.list_forgotten(&mut next);
        Ok(next)
    }

    fn append(
        &mut self,
        next: Manifest,
        keep_trying: &dyn Fn() -> bool,
    ) -> Result<(), RecoveryError> {
        let progress = Arc::clone(&self.progress);
        insist(&progress, keep_trying, || self.leader.append(next.clone()))?;
        self.number = 0;
        self.next = self.leader.manifest().clone();
        let indexed = self.next.indexes.iter().map(|index| index.segments).sum::<u64>();
        let listed = self.next.segments.len() as u64 + indexed;
        self.progress.segments.store(listed, Ordering::Relaxed);
        let sealed = letters::number(&self.next.outbox, letters::SEALED_BYTES).unwrap_or(0);
        self.progress.sealed_bytes.store(sealed, Ordering::Release);
        self.progress.sealed_cut.store(self.next.cut, Ordering::Release);
        self.tell_forgotten();
        Ok(())
    }

    /// Lists a snapshot that is whole and not ahead of the cut.
    fn take_snapshot(&mut self, cut: Cut, next: &mut Manifest) {
        let all = self.workers * self.plan.entities.len();
        let SnapshotFiles { as_of, whole, .. } = &self.telling;
        if *as_of == 0 || *as_of > cut.at || whole.len() < all {
            return;
        }
        let as_of = *as_of;
        let states = std::mem::take(&mut self.telling.files);
        // Nothing more of it is taken.
        self.telling = SnapshotFiles { as_of: as_of + 1, ..SnapshotFiles::default() };
        next.snapshot = Some(Snapshot { as_of, states });
        self.progress.snapshot.store(as_of, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Manifests;
    use crate::objects::memory::MemoryObjects;
    use crate::recovery::collecting::COLLECT_EVERY;
    use crate::recovery::part::LetterRoom;
    use crate::recovery::publisher::{Nowhere, Published};
    use tidemark_operators::cut::AttributeValues;
    use tidemark_operators::entity_log::{EntityLog, RowsCopier};

    fn mark(read: u64) -> BTreeMap<PartitionId, PartitionMark> {
        let mark = PartitionMark { read, ..PartitionMark::default() };
        BTreeMap::from([(PartitionId { source: 0, partition: 0 }, mark)])
    }

    #[test]
    fn a_cut_takes_what_cuts_before_it_have_left_and_nothing_of_those_after_it() {
        let mut gathering = Gathering::default();
        let last = Cut::last(9_999);
        for (cut, read) in
            [(Cut { number: 1, at: 1_000 }, 10), (Cut { number: 2, at: 2_000 }, 20), (last, 30)]
        {
            let parts = gathering.of(cut);
            (parts.marks, parts.live) = (mark(read), read);
        }
        let read = |parts: &CutParts| parts.marks.values().map(|mark| mark.read).max();
        let second = gathering.take(Cut { number: 2, at: 2_000 });
        assert_eq!((read(&second), second.live), (Some(20), 20));
        let rest = gathering.take(last);
        assert_eq!((read(&rest), rest.live), (Some(30), 30));
        assert!(gathering.0.is_empty());
    }

    #[test]
    fn what_is_handed_over_for_a_later_manifest_outlives_the_collecting_of_an_earlier_one() {
        let plan = crate::job_file::load("personalization").unwrap().plan;
        let store: Arc<MemoryObjects> = Arc::new(MemoryObjects::new());
        let objects = &*store;
        let first = Manifest { job: plan.name.clone(), ..Manifest::default() };
        let leader = Manifests::new(objects).take_over(&first, "a", 0).unwrap();
        let room = Arc::new(LetterRoom::new(10, 1 << 20));
        let published = Published::default();
        let publisher = LetterPublisher::start("letters", Box::new(Nowhere), published, room);
        let mut writer = Writer {
            files: PartFiles::new(objects, &plan, None, Arc::default()),
            next: leader.manifest().clone(),
            merging: Merging::new(Arc::clone(&store) as _, None, None, Arc::default()),
            objects,
            leader,
            cipher: None,
            keys: None,
            workers: 1,
            sealed_rows: false,
            progress: Arc::default(),
            topics: Arc::default(),
            publisher: Arc::new(publisher.unwrap()),
            lacks: Arc::new(Lacks::new(&plan, &Manifest::default(), Vec::new())),
            tables: Arc::default(),
            gathering: Gathering::default(),
            unreadable_ids: BTreeSet::new(),
            forgotten: Vec::new(),
            telling: SnapshotFiles::default(),
            number: 0,
            published: VecDeque::new(),
            plan: Arc::clone(&plan),
        };
        let mut hand = |message| {
            if let Some(cut) = writer.take(message, &|| false).unwrap()
                && writer.is_whole(cut)
            {
                writer.commit(cut, &|| false).unwrap();
            }
        };
        let log = EntityLog::new(&plan.entities[0], 256, 0);
        let none = RowsCopier::new(&plan.entities[0]).begin(&log);
        let mut one = none.clone();
        let id = one.ids.push(b"someone").unwrap();
        (one.times, one.entities, one.bits) = (vec![1], vec![id], vec![0]);
        for column in &mut one.attributes {
            match column {
                AttributeValues::Words(words) => words.push(0),
                AttributeValues::Symbols { places, .. } => places.push(0),
            }
        }
        let entities = plan.entities.len();
        let last = Cut::last(1_000_000);
        let rows = |cut, entity, rows| WorkerMessage::Rows { cut, worker: 0, entity, rows };
        let marks = |cut: Cut| {
            let (marks, letters) = (mark(cut.number), Vec::new());
            let ids = IdsByPartition::new();
            WorkerMessage::Parcel(Parcel::Marks { cut, ids, marks, letters, live: 0 })
        };
        for number in 1..=2 * COLLECT_EVERY {
            let cut = Cut { number, at: number * 1_000 };
            if number == 2 {
                hand(rows(last, 0, one.clone()));
            }
            (0..entities).for_each(|entity| hand(rows(cut, entity, none.clone())));
            hand(marks(cut));
        }
        (1..entities).for_each(|entity| hand(rows(last, entity, none.clone())));
        hand(marks(last));
        let listed = writer.leader.segments().unwrap();
        assert_eq!(listed.len(), 1);
        assert!(objects.get(&listed[0].name).unwrap().is_some(), "it is still there");
    }
}
