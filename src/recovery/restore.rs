//! Reads a checkpoint for the workers, on a thread of its own.

use super::due::CheckpointProgress;
use super::lacks::{Lacks, is_key};
use super::{RecoveryConfig, RecoveryError, system};
use crate::checkpoint::{
    EntitySchema, ListedSegment, ListedStates, Manifest, SegmentReader, StateKeys, StatesReader,
};
use crate::fault;
use crate::objects::Objects;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tidemark_operators::entity_log::RowMapping;
use tidemark_operators::entity_windows::{RestoreFeed, Restored};
use tidemark_operators::plan::Plan;
use tidemark_operators::plan::identity::{EntityIdentities, RowIdentities};
use tidemark_operators::snapshot::Made;
use tidemark_operators::time::EventTime;

/// Pieces that wait for a worker.
const PIECES_MAX: usize = 2;
/// How often it is said how far reading is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// What is read of one entity type.
struct EntityObjects {
    pub segments: Vec<ListedSegment>,
    pub states: Vec<ListedStates>,
}

impl EntityObjects {
    fn bytes(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.bytes);
        segments.chain(self.states.iter().map(|states| states.bytes)).sum()
    }
}

/// Everything that is read.
struct Loader {
    pub plan: Arc<Plan>,
    pub objects: Arc<dyn Objects>,
    pub keys: Option<Arc<StateKeys>>,
    /// The snapshot's cut, 0 when there is none.
    pub snapshot: EventTime,
    /// By entity of the plan.
    pub entities: Vec<EntityObjects>,
    pub progress: Arc<CheckpointProgress>,
    pub lacks: Arc<Lacks>,
}

/// Begins to read the checkpoint `begun`, where there is anything to be read: for each worker its feeds.
pub(super) fn load(
    config: &RecoveryConfig,
    objects: &Arc<dyn Objects>,
    begun: &Manifest,
    segments: Vec<ListedSegment>,
    (progress, lacks): (&Arc<CheckpointProgress>, &Arc<Lacks>),
) -> Result<Vec<Vec<Box<dyn RestoreFeed + Send>>>, RecoveryError> {
    if begun.cut == 0 {
        return Ok(Vec::new());
    }
    let states = begun.snapshot.iter().flat_map(|snapshot| &snapshot.states);
    let of = |name: &str| EntityObjects {
        segments: segments.iter().filter(|segment| segment.entity == name).cloned().collect(),
        states: states.clone().filter(|states| states.entity == name).cloned().collect(),
    };
    let loader = Loader {
        plan: Arc::clone(&config.plan),
        objects: Arc::clone(objects),
        keys: config.keys.clone(),
        snapshot: begun.snapshot.as_ref().map_or(0, |snapshot| snapshot.as_of),
        entities: config.plan.entities.iter().map(|entity| of(&entity.name)).collect(),
        progress: Arc::clone(progress),
        lacks: Arc::clone(lacks),
    };
    loader
        .start(config.shape.local())
        .map_err(|why| system("start the thread that reads a checkpoint", why))
}

/// A worker's end.
struct WorkerFeed {
    pieces: Receiver<Restored>,
    entity: usize,
    lacks: Arc<Lacks>,
}

impl RestoreFeed for WorkerFeed {
    fn next(&mut self) -> Restored {
        match self.pieces.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => Restored::Wait,
            Err(TryRecvError::Disconnected) => Restored::Failed(
                "restoring a checkpoint: the thread that reads it is gone".to_owned(),
            ),
        }
    }

    fn made(&mut self, made: &[Made]) {
        self.lacks.made(self.entity, made);
    }
}

type Feeds = Vec<Box<dyn RestoreFeed + Send>>;

impl Loader {
    /// Starts reading for `workers` workers: for each its feeds, by entity.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(self, workers: usize) -> std::io::Result<Vec<Feeds>> {
        let (mut ends, mut feeds): (Vec<Vec<SyncSender<Restored>>>, Vec<Feeds>) =
            (Vec::new(), (0..workers).map(|_| Vec::new()).collect());
        for entity in 0..self.entities.len() {
            let mut of_entity = Vec::new();
            for feeds in &mut feeds {
                let (end, pieces) = sync_channel(PIECES_MAX);
                of_entity.push(end);
                let lacks = Arc::clone(&self.lacks);
                feeds.push(Box::new(WorkerFeed { pieces, entity, lacks }));
            }
            ends.push(of_entity);
        }
        let thread = std::thread::Builder::new().name("restore".to_owned());
        thread.spawn(move || self.read(&ends))?;
        Ok(feeds)
    }

    /// Reads everything for the workers at `ends`, by entity, and says how far it is.
    fn read(&self, ends: &[Vec<SyncSender<Restored>>]) {
        let began = Instant::now();
        let all = self.entities.iter().map(EntityObjects::bytes).sum();
        self.progress.restore_bytes.store(all, Ordering::Relaxed);
        tracing::info!(bytes = all, "the state is read from the newest checkpoint");
        let mut said = began;
        for (entity, (objects, ends)) in self.entities.iter().zip(ends).enumerate() {
            let mut done = |bytes| {
                let read = self.progress.restored_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
                if said.elapsed() >= SAY_EVERY {
                    said = Instant::now();
                    let entity = &self.plan.entities[entity].name;
                    tracing::info!(read, of = all, entity, "the state is being read");
                }
            };
            if let Err(failure) = self.entity(entity, objects, ends, &mut done) {
                give(ends, || Restored::Failed(failure.to_string()));
                return;
            }
        }
        let ms = began.elapsed().as_millis();
        tracing::info!(bytes = all, "the state is read, after {ms} ms");
    }

    fn entity(
        &self,
        entity: usize,
        of: &EntityObjects,
        ends: &[SyncSender<Restored>],
        done: &mut dyn FnMut(u64),
    ) -> Result<(), RecoveryError> {
        let mut states_given = false;
        for together in side_by_side(&of.segments) {
            let Some(to) = together.iter().map(|segment| segment.to).max() else { continue };
            if to > self.snapshot && !std::mem::replace(&mut states_given, true) {
                // Rows before the snapshot come before it, wherever they are.
                self.rows(entity, &together, 0..self.snapshot, ends)?;
                self.states(&of.states, ends, done)?;
            }
            let from = if states_given { self.snapshot } else { 0 };
            self.rows(entity, &together, from..to, ends)?;
            done(together.iter().map(|segment| segment.bytes).sum());
        }
        if !states_given {
            self.states(&of.states, ends, done)?;
        }
        give(ends, || Restored::End);
        Ok(())
    }

    /// The rows of these segments that lie in `times`.
    fn rows(
        &self,
        entity: usize,
        segments: &[&ListedSegment],
        times: Range<EventTime>,
        ends: &[SyncSender<Restored>],
    ) -> Result<(), RecoveryError> {
        let from = segments.iter().map(|segment| segment.from).min().unwrap_or(0);
        let times = times.start.max(from)..times.end;
        if times.start >= times.end {
            return Ok(());
        }
        let (mut parts, mut mapping) = (Vec::new(), None);
        for segment in segments {
            let reader = SegmentReader::open(&*self.objects, segment, self.keys.as_deref())?;
            let schema = &reader.content().schema;
            // Rows of another key are rows of other entities.
            let Some(found) = self.mapping(entity, schema, &segment.name)? else { continue };
            mapping = Some(Arc::new(found));
            for block in reader.blocks_within(times.clone()) {
                parts.push(Arc::new(reader.rows(block)?));
            }
        }
        if let Some(mapping) = mapping {
            fault::point("restore.rows");
            give(ends, || Restored::Rows {
                parts: parts.clone(),
                times: times.clone(),
                mapping: Arc::clone(&mapping),
            });
        }
        Ok(())
    }

    fn states(
        &self,
        files: &[ListedStates],
        ends: &[SyncSender<Restored>],
        done: &mut dyn FnMut(u64),
    ) -> Result<(), RecoveryError> {
        for listed in files.iter().filter(|listed| self.lacks.is_of_key(listed)) {
            let reader = StatesReader::open(&*self.objects, listed, self.keys.as_deref())?;
            for block in 0..reader.blocks() {
                let states = Arc::new(reader.states(block)?);
                fault::point("restore.states");
                give(ends, || Restored::States(Arc::clone(&states)));
            }
            done(listed.bytes);
        }
        Ok(())
    }
}

impl Loader {
    /// How rows of `entity` that were written under `schema` are read.
    fn mapping(
        &self,
        entity: usize,
        schema: &EntitySchema,
        object: &str,
    ) -> Result<Option<RowMapping>, RecoveryError> {
        let (mapping, missing) = mapping(&self.plan, entity, schema);
        let is_same = !missing.iter().any(|what| is_key(what));
        match self.lacks.accept(&schema.entity, missing) {
            Ok(()) => Ok(is_same.then_some(mapping)),
            Err(missing) => Err(RecoveryError::Changed {
                entity: schema.entity.clone(),
                object: object.to_owned(),
                store: self.objects.url().to_owned(),
                missing,
            }),
        }
    }
}

/// Gives a piece to every worker. One that is gone needs none.
fn give(ends: &[SyncSender<Restored>], piece: impl Fn() -> Restored) {
    for end in ends {
        let _ = end.send(piece());
    }
}

/// Segments that have rows of the same times, in the order of time: mostly those of one cut, a worker
/// each. What one worker has handed over for a cut that never was whole lies beside what another has
/// for the next.
fn side_by_side(segments: &[ListedSegment]) -> Vec<Vec<&ListedSegment>> {
    let mut segments: Vec<&ListedSegment> = segments.iter().collect();
    segments.sort_by(|a, b| (a.from, &a.name).cmp(&(b.from, &b.name)));
    let (mut all, mut end) = (Vec::<Vec<&ListedSegment>>::new(), 0);
    for segment in segments {
        match all.last_mut().filter(|_| segment.from < end) {
            Some(together) => together.push(segment),
            None => all.push(vec![segment]),
        }
        end = end.max(segment.to);
    }
    all
}

/// How rows of entity `entity` of `plan`, written under `schema`, are read, and what the job needs and
/// they do not have.
fn mapping(plan: &Plan, entity: usize, schema: &EntitySchema) -> (RowMapping, Vec<String>) {
    let stored = RowIdentities {
        sources: schema.sources.clone(),
        keys: schema.keys.clone(),
        attributes: schema.attributes.iter().map(|stored| stored.identity.clone()).collect(),
        bits: schema.filters.clone(),
        every: schema.every.clone(),
    };
    // As they are when only the sources have had events that did then.
    let own = EntityIdentities::new(plan, &plan.entities[entity], Some(&stored.sources)).rows;
    RowMapping::between(&stored, &own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_whose_times_overlap_are_read_together() {
        let segment = |name: &str, from, to| ListedSegment {
            name: name.to_owned(),
            entity: "card".to_owned(),
            rows: 1,
            from,
            to,
            bytes: 1,
            crc32c: 0,
            merged: false,
        };
        let segments = [
            segment("e", 5_500, 7_000),
            segment("a", 100, 3_000),
            segment("c", 3_000, 5_000),
            segment("b", 900, 3_000),
            segment("d", 3_100, 7_000),
        ];
        let names: Vec<Vec<&str>> = side_by_side(&segments)
            .iter()
            .map(|together| together.iter().map(|segment| segment.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["a", "b"], vec!["c", "d", "e"]]);
        assert!(side_by_side(&[]).is_empty());
    }
}
