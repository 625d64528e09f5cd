//! What a checkpoint takes of an entity type, handed over by and by.
//!
//! Sealed rows are copied out as they come, a slice a step, so that a cut finds most of them copied:
//! it leaves out those at or above it, which are copied again for the next one. A snapshot is taken at
//! a cut that lies ahead: sealing stops there, and goes on once all states are told, a slice a step.
//! Live windows go on meanwhile.

use crate::cut::{Cut, Forgotten, SharedCutSink, TimelineRows};
use crate::entity_log::{EntityLog, GONE, RowsCopier};
use crate::plan::{EntityPlan, Plan};
use crate::snapshot::{Snapped, SnapshotWriter};
use crate::time::EventTime;
use std::collections::BTreeSet;

/// Rows copied in a step, about a millisecond's.
const SLICE_ROWS: u64 = 8_192;
/// Entities whose state is told in a step.
const SLICE_ENTITIES: usize = 512;
/// Rows that are copied ahead of a cut; more wait in the log.
const ROWS_MAX: u64 = 1 << 18;

/// See the module.
pub(super) struct Handed {
    sink: SharedCutSink,
    entity: usize,
    copier: RowsCopier,
    rows: TimelineRows,
    /// The places in them of entities that were forgotten since.
    gone: BTreeSet<u32>,
    /// The sequence number of the first of them, and of the first that is not copied.
    first: u64,
    copied: u64,
    /// The newest cut whose rows have been handed over.
    answered: u64,
    /// The newest snapshot that was taken or missed.
    snapshot: EventTime,
    telling: Option<SnapshotWriter>,
}

impl Handed {
    /// Of entity `entity` of a plan, of whose log a checkpoint has the rows below `first`, and a snapshot
    /// as of `snapshot`.
    pub fn new(
        sink: SharedCutSink,
        (entity, plan): (usize, &EntityPlan),
        log: &EntityLog,
        (first, snapshot): (u64, EventTime),
    ) -> Self {
        let mut copier = RowsCopier::new(plan);
        let rows = copier.begin(log);
        let (gone, copied, answered, telling) = (BTreeSet::new(), first, 0, None);
        Handed { sink, entity, copier, rows, gone, first, copied, answered, snapshot, telling }
    }

    /// What the rows that are copied for the next cut take, in bytes, and what copies them.
    pub fn memory(&self) -> usize {
        self.rows.memory() + self.copier.memory()
    }

    /// The first row of the log that may still be asked for.
    pub fn low_water(&self) -> u64 {
        self.first
    }

    /// The first row of the log that has not been copied.
    pub fn copied(&self) -> u64 {
        self.copied
    }

    /// Copies rows that have been sealed, and hands over those below `asked` once `sealed` has come
    /// there; says whether there is more to do now.
    ///
    /// # Errors
    /// When the rows of a cut are more than a list of ids or values takes.
    pub fn rows(
        &mut self,
        log: &EntityLog,
        asked: Option<Cut>,
        sealed: EventTime,
    ) -> Result<bool, String> {
        let room = ROWS_MAX.saturating_sub(self.copied - self.first);
        let asked = asked.filter(|cut| cut.number > self.answered && sealed >= cut.at);
        let end = match asked {
            Some(cut) => log.log.partition(self.first, |ts| ts < cut.at),
            None => log.log.end().min(self.copied + room),
        };
        let to = end.min(self.copied + SLICE_ROWS);
        if to > self.copied {
            let added = self.copier.append(log, self.copied, to, &mut self.rows);
            added.ok_or("the ids and values of a checkpoint's rows are more than 4 GiB")?;
            if log.log.is_lost() {
                // Some are missing, and the job stops.
                return Ok(false);
            }
            self.copied = to;
        }
        let Some(cut) = asked else { return Ok(self.copied < end) };
        if self.copied < end {
            return Ok(true);
        }
        let mut rows = std::mem::replace(&mut self.rows, self.copier.begin(log));
        rows.truncate(usize::try_from(end - self.first).unwrap_or(usize::MAX));
        let gone = std::mem::take(&mut self.gone);
        if !gone.is_empty() || rows.entities.contains(&GONE) {
            let left = rows.without(|place| place == GONE || gone.contains(&place));
            rows = left.ok_or("a row of a checkpoint has no id, or a value that is not listed")?;
        }
        (self.first, self.copied, self.answered) = (end, end, cut.number);
        self.sink.borrow_mut().rows(cut, self.entity, rows);
        Ok(false)
    }

    /// The entity at `slot`, whose id is taken away now, is forgotten: of it nothing is handed over any
    /// more.
    pub fn forget(&mut self, slot: u32, forgotten: &Forgotten) {
        self.gone.extend(self.copier.listed(slot));
        self.sink.borrow_mut().forgotten(self.entity, forgotten.clone());
    }

    /// Up to where may be sealed when a snapshot as of `wanted` is to be taken and `sealed` is reached. One that
    /// is being told is told to its end, also when a later one is asked for meanwhile.
    pub fn seals_to(&mut self, hi: EventTime, sealed: EventTime, wanted: EventTime) -> EventTime {
        if let Some(telling) = &self.telling {
            return hi.min(telling.as_of());
        }
        if wanted <= self.snapshot {
            return hi;
        }
        if wanted < sealed {
            // Too late for this one: another will be asked for.
            self.snapshot = wanted;
            return hi;
        }
        hi.min(wanted)
    }

    /// Tells a slice of the state `of` the entity type as of `wanted`, which is where everything is
    /// sealed to, or of the snapshot that is being told. Nothing may be sealed or forgotten until all is told.
    pub fn states(&mut self, plan: &Plan, of: &mut Snapped<'_>, wanted: EventTime) {
        let wanted = self.telling.as_ref().map_or(wanted, SnapshotWriter::as_of);
        if wanted <= self.snapshot {
            return;
        }
        let writer = self.telling.get_or_insert_with(|| SnapshotWriter::new(plan, of, wanted));
        let slice = writer.slice(of, SLICE_ENTITIES);
        if of.log.log.is_lost() {
            return;
        }
        let over = slice.is_none();
        self.sink.borrow_mut().states(self.entity, wanted, slice);
        if over {
            (self.telling, self.snapshot) = (None, wanted);
        }
    }

    /// Whether a snapshot is being told.
    pub fn is_telling(&self) -> bool {
        self.telling.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cut::{CutSink, EntityStates, PartitionMark, SeenId};
    use crate::in_memory::{batch, plan};
    use crate::origin::PartitionId;
    use crate::sealed::SealedWindows;
    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::rc::Rc;

    /// As of what a slice of states is handed over, and as of what it says to be; `None`: it is the end.
    type ToldSlice = (EventTime, Option<EventTime>);

    #[derive(Clone, Default)]
    struct ToldSlices(Rc<RefCell<Vec<ToldSlice>>>);

    impl CutSink for ToldSlices {
        fn ids(&mut self, _: Cut, _: BTreeMap<PartitionId, Vec<SeenId>>) {}
        fn marks(&mut self, _: Cut, _: BTreeMap<PartitionId, PartitionMark>, _: EventTime) {}
        fn rows(&mut self, _: Cut, _: usize, _: TimelineRows) {}
        fn forgotten(&mut self, _: usize, _: Forgotten) {}

        fn states(&mut self, _: usize, as_of: EventTime, states: Option<EntityStates>) {
            self.0.borrow_mut().push((as_of, states.map(|states| states.as_of)));
        }
    }

    #[test]
    fn a_snapshot_that_is_being_told_is_told_to_its_end_when_a_later_one_is_asked_for() {
        let plan = plan();
        let entity = &plan.entities[0];
        let ids: Vec<String> = (0..2 * SLICE_ENTITIES).map(|at| at.to_string()).collect();
        let events: Vec<_> = ids.iter().map(|id| (1_000, id.as_str())).collect();
        let mut log = EntityLog::new(entity, 64, 0);
        log.receive(batch(&events));
        log.seal(Some(2_000), &mut Vec::new());
        let sealed = SealedWindows::at(&plan, entity, &log.log, 2_000);
        let told = ToldSlices::default();
        let sink: SharedCutSink = Rc::new(RefCell::new(Box::new(told.clone())));
        let mut handed = Handed::new(sink, (0, entity), &log, (0, 0));
        let mut of = Snapped { entity, sealed: &sealed, live: None, log: &log };
        assert_eq!(handed.seals_to(9_000, 1_000, 2_000), 2_000);
        handed.states(&plan, &mut of, 2_000);
        assert!(handed.is_telling());
        while handed.is_telling() {
            assert_eq!(handed.seals_to(9_000, 2_000, 5_000), 2_000, "nothing is sealed meanwhile");
            handed.states(&plan, &mut of, 5_000);
        }
        assert_eq!(handed.seals_to(9_000, 2_000, 5_000), 5_000);
        let told = told.0.borrow();
        let is_of_one =
            |(as_of, own): &ToldSlice| *as_of == 2_000 && own.is_none_or(|own| own == 2_000);
        assert!(told.len() > 2 && told.iter().all(is_of_one), "{told:?}");
        assert_eq!(told.last(), Some(&(2_000, None)));
    }
}
