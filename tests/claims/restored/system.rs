//! The operators of an entity type's state, driven by hand on some workers.

use super::story::Story;
use crate::memory::Rows;
use rand::{Rng, rngs::SmallRng};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tidemark_operators::cut::Forgotten;
use tidemark_operators::cut::{EntityStates, TimelineRows};
use tidemark_operators::entity_log::{EntityLog, GONE, RowMapping, RowsCopier};
use tidemark_operators::forgotten::ForgottenEvents;
use tidemark_operators::in_memory::ColdInMemory;
use tidemark_operators::ingest::decode::{Decoded, Decoder};
use tidemark_operators::ingest::projection::{Outbox, Projection};
use tidemark_operators::interner::stable_hash;
use tidemark_operators::live::LiveWindows;
use tidemark_operators::online::{AppliedEvents, Cause, OnlineSink};
use tidemark_operators::plan::identity::EntityIdentities;
use tidemark_operators::plan::{EntityPlan, Plan};
use tidemark_operators::sealed::{SealedOutput, SealedRows, SealedWindows};
use tidemark_operators::snapshot::{Snapped, SnapshotReader, SnapshotWriter};
use tidemark_operators::timeline::names::Names;
use tidemark_operators::timeline::owner::Owner;
use tidemark_operators::window::attach::Attachments;

/// How the sealed side is run.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Sealed rows are given out; else state is only kept.
    pub rows: bool,
    /// Windows that are left so soon are made again from rows.
    pub rebuilt: u64,
    /// Rows leave memory at once.
    pub cold: bool,
}

impl Mode {
    pub const ROWS: Mode = Mode { rows: true, rebuilt: 0, cold: false };

    pub fn random(rng: &mut SmallRng) -> Self {
        let rebuilt = [0, 0, 60, 600_000][rng.random_range(0..4)];
        let rows = rng.random();
        Mode { rows, rebuilt: if rows { 0 } else { rebuilt }, cold: rng.random() }
    }
}

/// A sealed row: its view, time and origin, its entity's id, its values.
pub type SealedRow = (usize, u64, String, String, String);

struct Sealed<'a> {
    rows: &'a mut Vec<SealedRow>,
}

impl SealedOutput for Sealed<'_> {
    fn rows(&mut self, rows: &SealedRows<'_>, names: &Names) {
        for (row, slot) in rows.slots.iter().enumerate() {
            if names.entities.is_unnamed(*slot) {
                continue;
            }
            let value = |c: &tidemark_operators::value::Column| match c.bytes.is_empty() {
                true => format!("{:?}", c.word(row)),
                false => format!("{:?}", c.bytes(row)),
            };
            let values: Vec<String> = rows.columns.iter().map(value).collect();
            let id = String::from_utf8(names.entities.bytes(*slot).to_vec()).unwrap();
            let origin = format!("{:?}", rows.origins[row]);
            self.rows.push((rows.view, rows.times[row], origin, id, values.join(" ")));
        }
    }
}

/// One entity type on one worker.
struct Kept {
    log: EntityLog,
    windows: Attachments,
    sealed: SealedWindows,
    live: LiveWindows,
    copier: RowsCopier,
    /// Which of its events have arrived, and which are dropped when they come again.
    applied: AppliedEvents,
    forgotten: ForgottenEvents,
    /// What has been sealed, as a checkpoint has it.
    rows: Vec<TimelineRows>,
}

/// All entity types on all workers.
pub struct System {
    pub plan: Arc<Plan>,
    pub mode: Mode,
    workers: Vec<Vec<Kept>>,
    shown: Rows,
    pub sealed: Vec<SealedRow>,
    /// Events that are not there for an entity type.
    pub unseen: Vec<Unseen>,
    budget: u64,
}

/// The events of an entity before a place of the story.
#[derive(Clone, Debug)]
pub struct Unseen {
    pub entity: usize,
    pub id: String,
    pub until: usize,
}

/// State that is being saved.
pub struct Saving {
    writers: Vec<(usize, usize, SnapshotWriter)>,
    pub saved: Saved,
}

/// What was saved: by entity, the slices of all workers.
pub type Saved = Vec<Vec<EntityStates>>;

impl System {
    pub fn new(plan: &Arc<Plan>, workers: usize, mode: Mode) -> Self {
        let nothing = vec![Vec::new(); plan.entities.len()];
        let rows = vec![Vec::new(); plan.entities.len()];
        System::restore((plan, plan), workers, mode, &rows, (&nothing, 0), 0, u64::MAX).unwrap()
    }

    /// Makes it from the rows before `cut` and the state as of `snapshot`, which were stored under the
    /// job `stored`.
    pub fn restore(
        (plan, stored): (&Arc<Plan>, &Plan),
        workers: usize,
        mode: Mode,
        rows: &[Vec<TimelineRows>],
        (saved, snapshot): (&Saved, u64),
        cut: u64,
        budget: u64,
    ) -> Result<Self, String> {
        let saved = (saved, snapshot);
        System::restore_but((plan, stored), workers, mode, rows, saved, (cut, budget), &[])
    }

    /// The same, when some entities are forgotten.
    pub fn restore_but(
        (plan, stored): (&Arc<Plan>, &Plan),
        workers: usize,
        mode: Mode,
        rows: &[Vec<TimelineRows>],
        (saved, snapshot): (&Saved, u64),
        (cut, budget): (u64, u64),
        forgotten: &[(usize, Forgotten)],
    ) -> Result<Self, String> {
        let kept = |owner: Owner, at: usize| -> Result<Kept, String> {
            let entity = &plan.entities[at];
            let stored = EntityIdentities::new(stored, &stored.entities[at], None).rows;
            let among = Some(&stored.sources[..]);
            let own = EntityIdentities::new(plan, entity, among).rows;
            let (mapping, missing) = RowMapping::between(&stored, &own);
            assert_eq!(missing, Vec::<String>::new());
            let mut log = EntityLog::new(entity, if mode.cold { 4 } else { 256 }, 10);
            if mode.cold {
                log.log.keep_cold(&entity.name, 0, Box::new(ColdInMemory::new(&Arc::default())));
            }
            let parts: Vec<&TimelineRows> = rows[at].iter().collect();
            let forgotten = || forgotten.iter().filter(|(of, _)| *of == at).map(|(_, one)| one);
            log.forget_restored(forgotten());
            let put = |log: &mut EntityLog, times: Range<u64>, since: u64| {
                let restored = log.restore(&parts, &mapping, times, owner, since);
                restored.map_err(|error| error.to_string())
            };
            put(&mut log, 0..snapshot, u64::MAX)?;
            // As many as there are, two at a time.
            while log.log.cool(cut, log.log.end(), &[]) {}
            let mut windows = Attachments::at(&entity.windows, &log.log, snapshot);
            let mut sealed = SealedWindows::at(plan, entity, &log.log, snapshot);
            let mut reader = SnapshotReader::new(plan, entity, snapshot, owner, among);
            for slice in &saved[at] {
                reader.load(slice, &mut sealed, &mut log).map_err(|error| error.to_string())?;
            }
            reader.finish(&mut sealed, &mut log);
            put(&mut log, snapshot..cut, snapshot)?;
            if cut > snapshot {
                windows.seal(&log.log, cut);
                sealed.begin(windows.newest(), cut);
                while !sealed.fold(&log.log, &mut log.names, budget) {}
                windows.compact();
            }
            let live = LiveWindows::at(plan, entity, &sealed, &mut log);
            if !mode.rows {
                sealed = sealed.lessened(plan, entity, mode.rebuilt);
            }
            // What the checkpoint has, this one's next has too.
            let (copier, applied) = (RowsCopier::new(entity), AppliedEvents::default());
            let (mut dropped, rows) = (ForgottenEvents::default(), Vec::new());
            forgotten().for_each(|one| dropped.add(one));
            let forgotten = dropped;
            let mut kept = Kept { log, windows, sealed, live, copier, applied, forgotten, rows };
            kept.copy(kept.log.log.start());
            Ok(kept)
        };
        let worker = |worker| {
            let entities = 0..plan.entities.len();
            entities.map(|at| kept(Owner { worker, workers }, at)).collect()
        };
        let rows: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        Ok(System {
            workers: (0..workers).map(worker).collect::<Result<_, String>>()?,
            shown: Rows { plan: Arc::clone(plan), rows },
            plan: Arc::clone(plan),
            mode,
            sealed: Vec::new(),
            unseen: Vec::new(),
            budget,
        })
    }

    fn kept(&mut self) -> impl Iterator<Item = &mut Kept> {
        self.workers.iter_mut().flatten()
    }

    pub fn advance(&mut self, to: u64) {
        let budget = self.budget;
        for kept in self.kept() {
            while !kept.live.advance(&kept.log, to, budget) {}
        }
    }

    pub fn arrive(&mut self, story: &Story, range: Range<usize>) {
        self.arrive_from(story, range, 0);
    }

    /// The arrivals at `range` that are not before `from`.
    pub fn arrive_from(&mut self, story: &Story, range: Range<usize>, from: u64) {
        for place in range {
            let arrival = &story.arrivals[place];
            if arrival.ts < from {
                continue;
            }
            let mut decoder = Decoder::new(&self.plan.sources[arrival.source]);
            let mut decoded = Decoded::default();
            decoder.decode(&arrival.record, &mut decoded).unwrap();
            (decoded.time[0], decoded.arrival[0]) = (arrival.ts, Some(arrival.clock));
            let mut outbox = Outbox::new(&self.plan, self.workers.len());
            let mut projection = Projection::new(&self.plan, arrival.source);
            let offsets = [arrival.offset];
            projection.project(&mut decoded, arrival.partition, &offsets, 0, &mut outbox);
            for at in 0..self.plan.entities.len() {
                for mut batch in outbox.take(at) {
                    let is_unseen = |hash: &u64| {
                        let of = |unseen: &Unseen| stable_hash(unseen.id.as_bytes()) == *hash;
                        let mut of_type = self.unseen.iter().filter(|one| one.entity == at);
                        of_type.any(|unseen| place < unseen.until && of(unseen))
                    };
                    let seen: Vec<bool> = batch.hashes.iter().map(|h| !is_unseen(h)).collect();
                    batch.retain(&seen);
                    let kept = &mut self.workers[batch.target as usize][at];
                    kept.applied.take(&batch.origins);
                    kept.forgotten.drop_from(&mut batch);
                    let block = kept.log.receive(batch);
                    kept.live.arrive(&block, &mut kept.log);
                }
            }
        }
    }

    /// Forgets the entity `id` of type `at`, as the operator does.
    pub fn forget(&mut self, at: usize, id: &str) -> Forgotten {
        self.live();
        let hash = stable_hash(id.as_bytes());
        let worker = Owner::of(hash, self.workers.len());
        let kept = &mut self.workers[worker][at];
        let slot = kept.log.names.entities.intern(id.as_bytes(), hash);
        kept.live.leave(&[slot], &kept.log.names);
        self.live();
        let kept = &mut self.workers[worker][at];
        let names = &mut kept.log.names;
        kept.live.leave(&[], names);
        names.entities.unname(slot);
        names.entities.release(slot);
        let (before, read) = (kept.windows.upper(), kept.applied.offsets.clone());
        let forgotten = Forgotten { id: id.as_bytes().to_vec(), before, read };
        kept.forgotten.add(&forgotten);
        forgotten
    }

    /// Seals what lies before `hi`.
    pub fn seal(&mut self, hi: u64, budget: u64) {
        let mode = self.mode;
        let mut rows = std::mem::take(&mut self.sealed);
        self.live();
        for kept in self.kept() {
            if hi <= kept.windows.upper() {
                continue;
            }
            let (from, mut origins) = (kept.log.log.end(), Vec::new());
            kept.log.seal(Some(hi), &mut origins);
            kept.copy(from);
            kept.windows.seal(&kept.log.log, hi);
            kept.sealed.begin(kept.windows.newest(), hi);
            let Kept { log, sealed, .. } = kept;
            if mode.rows {
                sealed.sealed(&mut origins);
                let mut output = Sealed { rows: &mut rows };
                while !sealed.run(&log.log, &mut log.names, budget, &mut output) {}
            } else {
                while !sealed.fold(&log.log, &mut log.names, budget) {}
            }
            kept.windows.compact();
            let low = kept.windows.low_water(&kept.log.log);
            let low = low.min(kept.live.low_water(&kept.log)).min(kept.sealed.low_water());
            kept.live.forget(hi - 1, usize::MAX, &mut kept.log.names);
            kept.log.retire(low, u64::MAX);
            kept.log.forget(hi, budget as usize);
            kept.cool(hi);
        }
        self.sealed = rows;
    }

    /// The state as of `as_of`, to which all is sealed.
    pub fn save(&mut self, as_of: u64, budget: usize) -> Saved {
        let mut saving = self.begin_save(as_of);
        while self.save_more(&mut saving, budget) {}
        saving.saved
    }

    /// Begins to save the state as of `as_of`, to which all is sealed and stays so.
    pub fn begin_save(&mut self, as_of: u64) -> Saving {
        let mut writers = Vec::new();
        for (worker, entities) in self.workers.iter_mut().enumerate() {
            for (at, kept) in entities.iter_mut().enumerate() {
                let of = kept.snapped(&self.plan.entities[at], self.mode);
                writers.push((worker, at, SnapshotWriter::new(&self.plan, &of, as_of)));
            }
        }
        Saving { writers, saved: vec![Vec::new(); self.plan.entities.len()] }
    }

    /// Saves a slice; says whether there may be more.
    pub fn save_more(&mut self, saving: &mut Saving, budget: usize) -> bool {
        let Some((worker, at, writer)) = saving.writers.last_mut() else { return false };
        let kept = &mut self.workers[*worker][*at];
        let mut of = kept.snapped(&self.plan.entities[*at], self.mode);
        match writer.slice(&mut of, budget) {
            Some(slice) => saving.saved[*at].push(slice),
            None => {
                saving.writers.pop();
            }
        }
        true
    }

    /// All rows before `cut`, by entity, in the order of time.
    pub fn rows_before(&mut self, cut: u64) -> Vec<Vec<TimelineRows>> {
        let entity = |at: usize| {
            let all = self.workers.iter().flat_map(|worker| worker[at].rows.iter().cloned());
            let mut all: Vec<TimelineRows> = all.filter(|rows| rows.times[0] < cut).collect();
            all.sort_by_key(|rows| rows.times[0]);
            all
        };
        (0..self.plan.entities.len()).map(entity).collect()
    }

    pub fn sealed_before(&self, cut: u64) -> Vec<SealedRow> {
        self.sealed.iter().filter(|row| row.1 < cut).cloned().collect()
    }

    /// Every live row is given out again.
    pub fn touch_all(&mut self, budget: usize) {
        for kept in self.kept() {
            let mut from = Some(0);
            while let Some(slot) = from {
                from = kept.live.touch_all(slot, budget, Cause::Decay, &kept.log.names);
            }
        }
    }

    /// The live rows as they were given out last.
    pub fn live(&mut self) -> BTreeMap<String, String> {
        for kept in self.workers.iter_mut().flatten() {
            let mut batches = Vec::new();
            while !kept.live.hand_out(&kept.log.names, &mut batches) {}
            batches.iter().for_each(|batch| self.shown.write(batch, &kept.log.names));
        }
        self.shown.rows.lock().unwrap().clone()
    }

    /// Rows inside of each window, over all workers: of live windows and of arrangements.
    pub fn windows(&self) -> Vec<Vec<(u64, u64)>> {
        let entity = |at: usize| {
            let mut all = vec![(0, 0); self.plan.entities[at].windows.len()];
            for kept in self.workers.iter().map(|worker| &worker[at]) {
                for (window, (state, all)) in kept.windows.states().zip(&mut all).enumerate() {
                    all.0 += kept.live.window_rows(window);
                    all.1 += state.events;
                }
            }
            all
        };
        (0..self.plan.entities.len()).map(entity).collect()
    }

    /// How many chunks of rows have come back.
    pub fn came_back(&self) -> u64 {
        self.workers.iter().flatten().map(|kept| kept.log.log.cold().reads).sum()
    }

    /// How many rows and names there are.
    pub fn held(&self) -> (u64, usize) {
        self.workers.iter().flatten().fold((0, 0), |(rows, names), kept| {
            let log = &kept.log;
            let held = log.log.end() - log.log.start() + log.stash.len() as u64;
            (rows + held, names + log.names.len())
        })
    }
}

impl Kept {
    fn snapped<'a>(&'a mut self, entity: &'a EntityPlan, mode: Mode) -> Snapped<'a> {
        let live = (!mode.rows).then_some(&mut self.live);
        Snapped { entity, sealed: &self.sealed, live, log: &self.log }
    }

    /// Rows that lie before `hi` leave memory, where they do.
    fn cool(&mut self, hi: u64) {
        let mut places = Vec::new();
        self.windows.places(&mut places);
        self.live.places(&mut places);
        self.sealed.places(&mut places);
        let through = self.sealed.low_water();
        for _ in 0..8 {
            self.log.log.cool(hi, through, &places);
        }
    }

    /// Takes the rows from `from` on for the checkpoint.
    fn copy(&mut self, from: u64) {
        let rows = self.copier.copy(&self.log, from, self.log.log.end()).unwrap();
        let rows = rows.without(|place| place == GONE).unwrap();
        if !rows.is_empty() {
            self.rows.push(rows);
        }
    }
}

/// What was saved, by entity, id and component: parts are put together, values in order. The
/// encoding is taken apart only where its order says nothing.
pub fn parts(saved: &Saved) -> BTreeMap<(usize, Vec<u8>, String), Vec<Vec<u8>>> {
    let mut all: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
    for (entity, slice) in saved.iter().enumerate().flat_map(|(e, s)| s.iter().map(move |s| (e, s)))
    {
        for component in &slice.components {
            let lists = ["values [", "values seen for"];
            let list = lists.iter().any(|list| component.identity.starts_with(list));
            for (id, state) in slice.ids.iter().zip(component.states.iter()) {
                if state.is_empty() {
                    continue;
                }
                let of = all.entry((entity, id.to_vec(), component.identity.clone())).or_default();
                match list {
                    true => of.extend(pairs(state)),
                    false => of.push(state.to_vec()),
                }
                of.sort_unstable();
            }
        }
    }
    all
}

/// The (number, bytes) pairs of a list, each as it is encoded.
fn pairs(mut state: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !state.is_empty() {
        let number = state.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        assert!(state[number] < 0x80, "values here are short");
        let (pair, rest) = state.split_at(number + 1 + usize::from(state[number]));
        all.push(pair.to_vec());
        state = rest;
    }
    all
}
