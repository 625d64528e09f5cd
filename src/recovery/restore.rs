//! Reads a checkpoint for the workers, on a thread of its own.

use super::RecoveryError;
use crate::checkpoint::{
    EntitySchema, ListedSegment, ListedStates, SegmentReader, StateKeys, StatesReader,
};
use crate::fault;
use crate::objects::Objects;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use tidemark_operators::entity_log::RowMapping;
use tidemark_operators::entity_windows::{RestoreFeed, Restored};
use tidemark_operators::plan::Plan;
use tidemark_operators::plan::identity::{EntityIdentities, RowIdentities};
use tidemark_operators::time::EventTime;

/// Pieces that wait for a worker.
const PIECES_MAX: usize = 2;

/// What is read of one entity type.
pub(super) struct EntityObjects {
    pub segments: Vec<ListedSegment>,
    pub states: Vec<ListedStates>,
}

/// Everything that is read.
pub(super) struct Loader {
    pub plan: Arc<Plan>,
    pub objects: Arc<dyn Objects>,
    pub keys: Option<Arc<StateKeys>>,
    /// The snapshot's cut, 0 when there is none.
    pub snapshot: EventTime,
    /// By entity of the plan.
    pub entities: Vec<EntityObjects>,
}

/// A worker's end.
struct WorkerFeed(Receiver<Restored>);

impl RestoreFeed for WorkerFeed {
    fn next(&mut self) -> Restored {
        match self.0.try_recv() {
            Ok(piece) => piece,
            Err(TryRecvError::Empty) => Restored::Wait,
            Err(TryRecvError::Disconnected) => Restored::Failed(
                "restoring a checkpoint: the thread that reads it is gone".to_owned(),
            ),
        }
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
        for _ in &self.entities {
            let mut of_entity = Vec::new();
            for feeds in &mut feeds {
                let (end, feed) = sync_channel(PIECES_MAX);
                of_entity.push(end);
                feeds.push(Box::new(WorkerFeed(feed)));
            }
            ends.push(of_entity);
        }
        let thread = std::thread::Builder::new().name("restore".to_owned());
        thread.spawn(move || {
            for (entity, (objects, ends)) in self.entities.iter().zip(&ends).enumerate() {
                if let Err(failure) = self.entity(entity, objects, ends) {
                    give(ends, || Restored::Failed(failure.to_string()));
                    return;
                }
            }
        })?;
        Ok(feeds)
    }

    fn entity(
        &self,
        entity: usize,
        of: &EntityObjects,
        ends: &[SyncSender<Restored>],
    ) -> Result<(), RecoveryError> {
        let mut states_given = false;
        for together in side_by_side(&of.segments) {
            let Some(to) = together.iter().map(|segment| segment.to).max() else { continue };
            if to > self.snapshot && !std::mem::replace(&mut states_given, true) {
                // Rows before the snapshot come before it, wherever they are.
                self.rows(entity, &together, 0..self.snapshot, ends)?;
                self.states(&of.states, ends)?;
            }
            let from = if states_given { self.snapshot } else { 0 };
            self.rows(entity, &together, from..to, ends)?;
        }
        if !states_given {
            self.states(&of.states, ends)?;
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
            mapping = Some(Arc::new(self.mapping(entity, schema, &segment.name)?));
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
    ) -> Result<(), RecoveryError> {
        for listed in files {
            let reader = StatesReader::open(&*self.objects, listed, self.keys.as_deref())?;
            for block in 0..reader.blocks() {
                let states = Arc::new(reader.states(block)?);
                fault::point("restore.states");
                give(ends, || Restored::States(Arc::clone(&states)));
            }
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
    ) -> Result<RowMapping, RecoveryError> {
        mapping(&self.plan, entity, schema).map_err(|missing| RecoveryError::Changed {
            entity: schema.entity.clone(),
            object: object.to_owned(),
            store: self.objects.url().to_owned(),
            missing,
        })
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

/// How rows of entity `entity` of `plan`, written under `schema`, are read.
///
/// # Errors
/// What the job needs and the rows do not have.
fn mapping(plan: &Plan, entity: usize, schema: &EntitySchema) -> Result<RowMapping, Vec<String>> {
    let stored = RowIdentities {
        sources: schema.sources.clone(),
        keys: schema.keys.clone(),
        attributes: schema.attributes.iter().map(|stored| stored.identity.clone()).collect(),
        bits: schema.filters.clone(),
        every: schema.every.clone(),
    };
    // As they are when only the sources have had events that did then.
    let own = EntityIdentities::new(plan, &plan.entities[entity], Some(&stored.sources)).rows;
    let (mapping, missing) = RowMapping::between(&stored, &own);
    if missing.is_empty() { Ok(mapping) } else { Err(missing) }
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
