use super::*;
use crate::checkpoint::{Manifests, MergedSegments, SEGMENTS_LISTED_MAX};
use crate::objects::memory::MemoryObjects;
use crate::recovery::WorkerMessage;
use crate::recovery::ids::IdsByPartition;
use crate::recovery::lacks::Lacks;
use crate::recovery::parcel::Parcel;
use crate::recovery::part::LetterRoom;
use crate::recovery::part_files::PartFiles;
use crate::recovery::publisher::{LetterPublisher, Nowhere, Published};
use crate::recovery::writer::{Gathering, SnapshotFiles, Writer};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};
use tidemark_operators::cut::{
    AttributeValues, Cut, Forgotten, PartitionMark, SeenId, TimelineRows,
};
use tidemark_operators::entity_log::{EntityLog, RowsCopier};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;

/// A job of one worker that writes checkpoints.
struct Job<'a> {
    plan: Arc<Plan>,
    objects: &'a Arc<MemoryObjects>,
    writer: Writer<'a>,
    cut: u64,
    /// Seconds between two cuts.
    grid: u64,
}

impl<'a> Job<'a> {
    /// Goes on from what is there.
    fn begin(objects: &'a Arc<MemoryObjects>, name: &str, grid: u64) -> Self {
        let text = include_str!("../../../jobs/fraud.toml");
        let unique = "[sources.transactions]\nid = \"transaction_id\"\nunique_within = \"20h\"";
        let text = text.replacen("[sources.transactions]", unique, 1);
        let plan = tidemark_jobs::load("fraud.toml", &text).unwrap().plan;
        let first = Manifest { job: plan.name.clone(), ..Manifest::default() };
        let leader = Manifests::new(&**objects).take_over(&first, name, 0).unwrap();
        let cut = leader.manifest().cut / grid / 1_000;
        let room = Arc::new(LetterRoom::new(10, 1 << 20));
        let published = Published::default();
        let publisher = LetterPublisher::start("letters", Box::new(Nowhere), published, room);
        let progress = Arc::<CheckpointProgress>::default();
        let store: Arc<dyn Objects> = Arc::clone(objects) as _;
        let writer = Writer {
            files: PartFiles::new(&**objects, &plan, None, Arc::clone(&progress)),
            next: leader.manifest().clone(),
            merging: Merging::new(store, None, None, Arc::clone(&progress)),
            objects: &**objects,
            leader,
            cipher: None,
            keys: None,
            workers: 1,
            sealed_rows: false,
            progress,
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
        Job { plan, objects, writer, cut, grid }
    }

    fn hand(&mut self, message: WorkerMessage) {
        if let Some(cut) = self.writer.take(message, &|| false).unwrap()
            && self.writer.is_whole(cut)
        {
            self.writer.commit(cut, &|| false).unwrap();
        }
    }

    /// Writes a checkpoint with these rows of the first entity type.
    fn cut(&mut self, rows: TimelineRows) {
        self.cut_with(rows, IdsByPartition::new());
    }

    /// The same, with these ids.
    fn cut_with(&mut self, rows: TimelineRows, ids: IdsByPartition) {
        self.cut += 1;
        let cut = Cut { number: self.cut, at: self.cut * self.grid * 1_000 };
        let of = |entity, rows| WorkerMessage::Rows { cut, worker: 0, entity, rows };
        self.hand(of(0, rows));
        (1..self.plan.entities.len()).for_each(|at| self.hand(of(at, TimelineRows::default())));
        let mark = PartitionMark { read: self.cut, ..PartitionMark::default() };
        let marks = BTreeMap::from([(PartitionId { source: 0, partition: 0 }, mark)]);
        let letters = Vec::new();
        self.hand(WorkerMessage::Parcel(Parcel::Marks { cut, ids, marks, letters, live: 0 }));
    }

    /// So many rows between the last cut and the next.
    fn rows(&self, count: u64) -> TimelineRows {
        let entity = &self.plan.entities[0];
        let log = EntityLog::new(entity, 256, 0);
        let mut rows = RowsCopier::new(entity).begin(&log);
        let seed = self.cut;
        // As it comes, and other in every column.
        let random = |n: u64, column: usize| {
            let mixed =
                (n + (seed << 32) + ((column as u64) << 56)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            (mixed ^ mixed >> 31) >> 16
        };
        let ids = count.min(2_000);
        let known = (0..ids).map(|n| rows.ids.push(format!("card_{n:08}").as_bytes()).unwrap());
        let known: Vec<_> = known.collect();
        let span = self.grid * 1_000;
        for n in 0..count {
            rows.times.push(self.cut * span + n * span / count);
            rows.entities.push(known[usize::try_from(random(n, 0) % ids).unwrap()]);
            rows.bits.push(random(n, 1) % 2);
            for (at, column) in rows.attributes.iter_mut().enumerate() {
                let random = random(n, 2 + at);
                match column {
                    AttributeValues::Words(words) => words.push((random % 10_000).cast_signed()),
                    AttributeValues::Symbols { values, places } => {
                        if values.is_empty() {
                            (0..200).for_each(|n| {
                                assert!(values.push(format!("v{n}").as_bytes()).is_some())
                            });
                        }
                        places.push(u32::try_from(random % 201).unwrap());
                    }
                }
            }
        }
        rows
    }

    /// Waits until what is under way is listed, with checkpoints in which nothing else changes.
    fn settle(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.writer.merging.underway.is_some() {
            assert!(Instant::now() < deadline, "segments are never merged");
            std::thread::sleep(Duration::from_millis(1));
            self.cut(TimelineRows::default());
        }
    }

    fn segments(&self) -> Vec<ListedSegment> {
        self.writer.leader.segments().unwrap()
    }

    /// The times and ids of all rows.
    fn read(&self) -> Vec<(u64, Vec<u8>)> {
        let objects: &dyn Objects = &**self.objects;
        let mut merged = MergedSegments::new(objects, self.segments(), 0..u64::MAX, None);
        let mut read = Vec::new();
        while let Some(row) = merged.next_row().unwrap() {
            read.push((row.time(), row.id().to_vec()));
        }
        read
    }
}

fn told(rows: &TimelineRows) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let id = |place: &u32| rows.ids.get(*place as usize).unwrap().to_vec();
    rows.times.iter().copied().zip(rows.entities.iter().map(id))
}

/// The bytes of columns as `zstd -1` makes them of one piece.
fn zstd_bytes(all: &[TimelineRows]) -> u64 {
    let mut columns: Vec<Vec<u8>> = Vec::new();
    let mut put = |at: usize, bytes: &[u8]| {
        columns.resize(columns.len().max(at + 1), Vec::new());
        columns[at].extend_from_slice(bytes);
    };
    for rows in all {
        rows.times.iter().for_each(|time| put(0, &time.to_le_bytes()));
        rows.entities.iter().for_each(|place| put(1, &place.to_le_bytes()));
        rows.bits.iter().for_each(|bits| put(2, &bits.to_le_bytes()));
        for (at, column) in rows.attributes.iter().enumerate() {
            match column {
                AttributeValues::Words(words) => {
                    words.iter().for_each(|word| put(3 + at, &word.to_le_bytes()));
                }
                AttributeValues::Symbols { places, .. } => {
                    places.iter().for_each(|place| put(3 + at, &place.to_le_bytes()));
                }
            }
        }
    }
    zstd::bulk::compress(&columns.concat(), 1).unwrap().len() as u64
}

#[test]
fn however_many_cuts_there_are_few_segments_are_listed_and_they_have_all_rows() {
    let objects = Arc::new(MemoryObjects::new());
    let mut job = Job::begin(&objects, "first", 1);
    let (mut expected, mut most) = (Vec::new(), 0);
    for _ in 0..1_100 {
        let rows = job.rows(3);
        expected.extend(told(&rows));
        job.cut(rows);
        job.settle();
        most = most.max(job.segments().len());
    }
    assert!(most <= SEGMENTS_LISTED_MAX / 2 + 2, "{most} segments were listed");
    let merged = job.segments().iter().filter(|segment| segment.merged).count();
    assert_eq!((merged, job.writer.next.indexes.len()), (2, 0));
    assert_eq!(job.writer.progress.segments.load(Ordering::Relaxed), job.segments().len() as u64);
    assert_eq!(job.read(), expected);
    // What was merged is deleted once no kept checkpoint lists it.
    let held = || objects.held().keys().filter(|name| name.starts_with("segments/")).count();
    assert!(held() < most + 20, "{} segments are held", held());
    drop(job);
    let again = Job::begin(&objects, "second", 1);
    assert_eq!(again.read(), expected);
}

#[test]
fn a_row_is_written_twice_at_most_and_both_times_small() {
    let objects = Arc::new(MemoryObjects::new());
    let mut job = Job::begin(&objects, "first", 10);
    let (mut all, mut expected) = (Vec::new(), Vec::new());
    for _ in 0..28 {
        let rows = job.rows(20_000);
        expected.extend(told(&rows));
        all.push(rows.clone());
        job.cut(rows);
        job.settle();
    }
    let progress = &job.writer.progress;
    let written = |bytes: &std::sync::atomic::AtomicU64| bytes.load(Ordering::Relaxed);
    assert_eq!(written(&progress.merged_segments), 28, "two merges, of fourteen each");
    let (rows, merged) = (written(&progress.row_bytes), written(&progress.merged_bytes));
    let one_piece = zstd_bytes(&all);
    let times = |bytes: u64| bytes * 100 / one_piece;
    eprintln!("{rows} and {merged} bytes, {one_piece} in one piece");
    assert!(times(rows) <= 150 && times(rows + merged) <= 250, "{rows} and {merged} bytes");
    assert_eq!(job.read(), expected);
}

#[test]
fn what_a_process_has_merged_and_not_listed_when_it_is_killed_is_deleted_by_the_next_one() {
    let objects = Arc::new(MemoryObjects::new());
    let mut job = Job::begin(&objects, "first", 1);
    let mut expected = Vec::new();
    while job.writer.merging.underway.is_none() {
        let rows = job.rows(3);
        expected.extend(told(&rows));
        job.cut(rows);
    }
    let listed: Vec<_> = job.segments().into_iter().map(|segment| segment.name).collect();
    let orphan = || {
        let held = objects.held();
        held.keys().find(|name| name.starts_with("segments/") && !listed.contains(name)).cloned()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let orphan = loop {
        match orphan() {
            Some(orphan) => break orphan,
            None => assert!(Instant::now() < deadline, "nothing is merged"),
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    // The process itself does not delete it before it is listed, whatever it commits meanwhile.
    for _ in 0..3 {
        let same = job.writer.leader.manifest().clone();
        job.writer.leader.append(same).unwrap();
    }
    job.writer.leader.collect(job.writer.merging.writing_from()).unwrap();
    assert!(objects.held().contains_key(&orphan));
    drop(job);
    let mut next = Job::begin(&objects, "second", 1);
    assert_eq!(next.read(), expected);
    next.writer.leader.collect(u64::MAX).unwrap();
    assert!(!objects.held().contains_key(&orphan), "it belongs to no checkpoint");
    // And it merges them itself.
    next.cut(next.rows(3));
    next.settle();
    assert_eq!(next.segments().iter().filter(|segment| segment.merged).count(), 1);
}

#[test]
fn segments_that_are_listed_no_longer_stay_as_they_are() {
    let objects = Arc::new(MemoryObjects::new());
    let mut job = Job::begin(&objects, "first", 1);
    while job.writer.merging.underway.is_none() {
        job.cut(job.rows(1));
    }
    // The oldest is older than every window by now.
    let mut next = job.writer.next.clone();
    next.segments.remove(0);
    let before = next.segments.clone();
    let deadline = Instant::now() + Duration::from_secs(60);
    while job.writer.merging.underway.is_some() {
        assert!(Instant::now() < deadline, "nothing is merged");
        job.writer.merging.take(&mut next);
    }
    assert_eq!(next.segments, before);
}

#[test]
fn a_file_of_ids_that_cannot_be_read_is_left_as_it_is_and_the_job_goes_on() {
    let objects = Arc::new(MemoryObjects::new());
    let mut job = Job::begin(&objects, "a", 1);
    let partition = PartitionId { source: 0, partition: 0 };
    let count = 16;
    let mut damaged = String::new();
    for n in 0..count {
        let id = SeenId { at: u64::from(n), hash: [n; 16], class: 0 };
        job.cut_with(TimelineRows::default(), BTreeMap::from([(partition, vec![id])]));
        if n == 2 {
            damaged = job.writer.leader.manifest().ids[1].name.clone();
            let mut held = objects.held();
            let bytes = held.get_mut(&damaged).unwrap();
            bytes[8] ^= 1;
        }
    }
    let listed = &job.writer.leader.manifest().ids;
    assert!(listed.iter().any(|one| one.name == damaged && one.level == 0), "{listed:?}");
    // Eight others are one by now.
    assert_eq!(listed.iter().map(|one| one.ids).max(), Some(8), "{listed:?}");
    assert_eq!(listed.len(), 1 + 1 + 7, "{listed:?}");
}

#[test]
fn segments_lose_the_rows_of_a_forgotten_entity_and_the_manifest_lists_it_until_then() {
    let objects = Arc::new(MemoryObjects::new());
    let mut job = Job::begin(&objects, "first", 1);
    let mut expected = Vec::new();
    for _ in 0..20 {
        let rows = job.rows(50);
        expected.extend(told(&rows));
        job.cut(rows);
    }
    // Rows of it that come later stay.
    let later = job.rows(50);
    let (_, id) = told(&later).next().unwrap();
    let before = job.cut * 1_000;
    let forgotten = Forgotten { id: id.clone(), before, read: Vec::new() };
    job.hand(WorkerMessage::Parcel(Parcel::Forgotten { entity: 0, forgotten }));
    expected.retain(|(_, of)| *of != id);
    expected.extend(told(&later));
    job.cut(later);
    let listed = &job.writer.leader.manifest().tombstones;
    assert_eq!((listed.len(), listed[0].before), (1, before));
    let rows_of = |job: &Job<'_>| job.read().iter().filter(|(_, of)| *of == id).count();
    assert!(rows_of(&job) > 2, "the segments still have them");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !job.writer.next.tombstones.is_empty() {
        assert!(Instant::now() < deadline, "it is listed for ever");
        std::thread::sleep(Duration::from_millis(1));
        job.cut(TimelineRows::default());
        job.settle();
    }
    assert_eq!(job.read(), expected);
    drop(job);
    assert_eq!(Job::begin(&objects, "second", 1).read(), expected);
}
