//! A timeline with its names: the log, the stash above it, the directory of entities and the
//! dictionaries of text values.

mod by_value;
mod copied;
mod held;
mod mapping;
mod restored;

pub use copied::{GONE, RowsCopier};
pub use held::{RowSearch, SearchError, WAITING_ROWS_MAX};
pub use mapping::{BitFrom, RowMapping};
pub use restored::{RestoreError, RowError};

use crate::cut::Forgotten;
use crate::event_batch::{EventBatch, NO_SPAN, NULL};
use crate::history::fold::Fold;
pub use crate::history::revised::Revised;
use crate::history::sealed::SealedHistory;
use crate::history::unsealed::Unsealed;
use crate::interner::{PIECE, stable_hash};
use crate::origin::Origin;
use crate::plan::{AttributePlan, EntityPlan, Storage};
use crate::time::{EventTime, Millis};
use crate::timeline::chunk::Chunk;
use crate::timeline::dictionary::Dictionary;
use crate::timeline::log::Log;
use crate::timeline::names::Names;
use crate::timeline::stash::{Block, Stash, Stashed};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

/// The longest window spans at least about so many chunks, so that rows, slots and symbols are
/// freed at most this fraction of it late.
const CHUNKS_A_WINDOW: Millis = 16;

/// See the module.
pub struct EntityLog {
    /// Entity ids and symbols.
    pub names: Names,
    /// Sealed rows.
    pub log: Log,
    /// Rows that are not sealed.
    pub stash: Stash,
    entity: String,
    attributes: Vec<AttributePlan>,
    history: Option<SealedHistory>,
    /// `None` when nothing is derived, or nobody looks at rows before they are sealed.
    unsealed: Option<Unsealed>,
    /// Rows in the stash that the last batch changed; the live windows want to know.
    pub revised: Revised,
    ready: Vec<Stashed>,
    /// While it is restored: entities whose rows before a time, and states up to then, are forgotten.
    forgotten: HashMap<Vec<u8>, EventTime>,
}

impl EntityLog {
    /// An empty one for `plan`. `chunk_rows` bounds a chunk; rows typically wait `waiting` ms in
    /// the stash.
    pub fn new(plan: &EntityPlan, chunk_rows: usize, waiting: Millis) -> Self {
        let longest = plan.windows.iter().map(|w| w.leaves(0)).max().unwrap_or(0);
        let span = (longest / CHUNKS_A_WINDOW).max(1);
        EntityLog {
            names: Names::new(&plan.attributes),
            log: Log::new(chunk_rows, span, plan.filters, &plan.attributes),
            stash: Stash::new(waiting / 64),
            entity: plan.name.clone(),
            attributes: plan.attributes.clone(),
            unsealed: Fold::new(plan).map(|_| Unsealed::default()),
            history: Fold::new(plan).map(SealedHistory::new),
            revised: Revised::new(plan.attributes.len()),
            ready: Vec::new(),
            forgotten: HashMap::new(),
        }
    }

    /// Passes over what is [restored](Self::restore) of these entities.
    pub fn forget_restored<'a>(&mut self, forgotten: impl IntoIterator<Item = &'a Forgotten>) {
        self.forgotten = forgotten.into_iter().map(|one| (one.id.clone(), one.before)).collect();
    }

    /// Before which time nothing of the entity `id` is restored, where it is forgotten.
    pub(crate) fn forgotten_before(&self, id: &[u8]) -> Option<EventTime> {
        self.forgotten.get(id).copied()
    }

    /// The same, when nobody looks at rows before they are sealed: nothing is derived before.
    pub fn sealed_only(mut self) -> Self {
        self.unsealed = None;
        self
    }

    /// Interns a batch; its rows go to the stash, and are handed back for the live windows.
    pub fn receive(&mut self, batch: EventBatch) -> Rc<Block> {
        self.receive_with(batch, |_, _| {})
    }

    /// The same, when `fill` fills in the attributes that are looked up (and bits that follow from
    /// them): they are null before. A symbol of a dictionary of its own counts once for each row.
    pub fn receive_with(
        &mut self,
        batch: EventBatch,
        fill: impl FnOnce(&Block, &mut Names),
    ) -> Rc<Block> {
        let block = self.intern_with(batch, fill);
        self.add(block)
    }

    /// Interns a batch, whose rows go nowhere yet: they are the caller's, who [adds](Self::add) each of
    /// them later, in whichever block. `fill` as in [`receive_with`](Self::receive_with).
    pub fn intern_with(
        &mut self,
        batch: EventBatch,
        fill: impl FnOnce(&Block, &mut Names),
    ) -> Block {
        let mut slots = Vec::with_capacity(batch.len());
        for (ids, hashes) in batch.ids.chunks(PIECE).zip(batch.hashes.chunks(PIECE)) {
            let likely = self.names.entities.likely(hashes);
            for ((id, hash), likely) in ids.iter().zip(hashes).zip(likely.iter()) {
                slots.push(self.names.entities.intern_as(likely, batch.kept(*id), *hash));
            }
        }
        let (mut wide, mut spans) = (batch.wide.iter(), batch.spans.iter());
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for (plan, symbols) in self.attributes.iter().zip(&mut self.names.symbols) {
            let column = match symbols {
                _ if plan.derived => vec![NULL; batch.len()],
                Some(values) => intern(&batch, spans.next().map_or(&[][..], |s| s), values),
                None => wide.next().cloned().unwrap_or_default(),
            };
            attributes.push(cells(column));
        }
        let EventBatch { times, origins, bits, .. } = batch;
        let block = Block { times, origins, slots, bits: cells(bits), attributes };
        fill(&block, &mut self.names);
        block
    }

    /// Rows that were [interned](Self::intern_with) go to the stash, and are handed back for the live
    /// windows. None may lie below what is sealed.
    pub fn add(&mut self, block: Block) -> Rc<Block> {
        let block = Rc::new(block);
        let at = self.stash.insert(Rc::clone(&block));
        if let (Some(at), Some(history)) = (at, &mut self.history) {
            let slots = self.names.entities.end();
            history.grow(slots);
            if let Some(unsealed) = &mut self.unsealed {
                unsealed.grow(slots);
                let rows = self.stash.rows(at);
                unsealed.receive(rows, &self.stash, history, &mut self.revised);
            }
        }
        block
    }

    /// Moves the rows with `ts < hi` (all for `None`) into the log; appends their origins.
    pub fn seal(&mut self, hi: Option<EventTime>, origins: &mut Vec<Origin>) {
        let mut ready = std::mem::take(&mut self.ready);
        self.stash.take(hi, &mut ready);
        for entry in ready.drain(..) {
            self.derive(&entry);
            self.log.push(self.stash.block(&entry), entry.row as usize);
            origins.push(entry.origin);
            self.stash.release(&entry);
        }
        self.ready = ready;
    }

    /// Lets `change` change the derived attributes and bits (what was looked up) of all rows in the
    /// stash with `ts >= from`, in no particular order, and derives again what follows from those that
    /// are others. Rows that are others then are in [`EntityLog::revised`].
    pub fn revise(&mut self, from: EventTime, mut change: impl FnMut(&Block, usize, &mut Names)) {
        let EntityLog { stash, names, history, unsealed, revised, .. } = self;
        let mut changed = Revised::new(self.attributes.len());
        let mut entries = Vec::new();
        for entry in stash.entries(from) {
            let change = || change(stash.block(entry), entry.row as usize, names);
            if changed.watch(stash, entry, change) {
                entries.push(*entry);
            }
        }
        if let (Some(history), Some(unsealed)) = (history, unsealed) {
            unsealed.derive_again(&entries, &changed.old, stash, history, revised);
        } else {
            for (row, entry) in entries.iter().enumerate() {
                revised.compare(&changed.old, row, stash, entry);
            }
        }
    }

    /// Derives what is being sealed; its symbols count for the row from now on.
    #[inline]
    fn derive(&mut self, entry: &Stashed) {
        let Some(history) = &mut self.history else { return };
        let (block, row) = (self.stash.block(entry), entry.row as usize);
        history.seal(block, row, &mut self.names);
        if let Some(unsealed) = &mut self.unsealed {
            unsealed.sealed(block, row, &history.fold);
        }
    }

    /// Forgets of the history what no event at or above `frontier` can ask for; at most about
    /// `budget` entities.
    pub fn forget(&mut self, frontier: EventTime, budget: usize) {
        if let Some(history) = &mut self.history {
            history.forget(frontier, budget, &mut self.names);
        }
    }

    /// About how much memory the history takes, in bytes: that of sealed events, and the lists of
    /// those that are not sealed (their rows are the stash's).
    pub fn history_memory(&self) -> usize {
        let sealed = self.history.as_ref().map_or(0, SealedHistory::memory);
        sealed + self.unsealed.as_ref().map_or(0, Unsealed::memory)
    }

    /// How much of that nothing is in, in bytes.
    pub fn history_reusable(&self) -> usize {
        let sealed = self.history.as_ref().map_or(0, SealedHistory::slot_memory);
        let unsealed = self.unsealed.as_ref().map_or(0, Unsealed::slot_memory);
        self.names.free_slots().of(sealed + unsealed)
    }

    /// How many values the unsealed events of `slot` have shown to what looks for new ones.
    #[cfg(test)]
    pub(crate) fn shown_unsealed(&self, slot: u32) -> usize {
        self.unsealed.as_ref().map_or(0, |unsealed| unsealed.shown(slot))
    }

    /// Frees chunks that lie below `seq` wholly and that nobody reads, and the names that only they
    /// used. Stops after about `budget` rows.
    pub fn retire(&mut self, seq: u64, budget: u64) {
        let mut rows = 0;
        while rows < budget {
            match self.log.retire(seq) {
                Some(chunk) => {
                    rows += u64::from(chunk.len());
                    self.release(&chunk);
                }
                None => break,
            }
        }
    }

    fn release(&mut self, chunk: &Chunk) {
        let Some(columns) = chunk.columns() else { return };
        let rows = chunk.len() as usize;
        for slot in columns.slots().iter().take(rows) {
            self.names.entities.release(slot.get());
        }
        for (attribute, plan) in self.attributes.iter().enumerate() {
            if plan.storage == Storage::Symbol {
                for symbol in columns.symbols(attribute).iter().take(rows) {
                    self.names.release_symbol(attribute, symbol.get());
                }
            }
        }
    }
}

/// A column whose values can change in place.
fn cells<T>(column: Vec<T>) -> Vec<Cell<T>> {
    column.into_iter().map(Cell::new).collect()
}

/// One symbol column of a batch.
fn intern(batch: &EventBatch, spans: &[u64], values: &mut Dictionary) -> Vec<i64> {
    /// No symbol, and not null.
    const KEPT: i64 = -1;
    let (mut column, mut hashes) = (vec![NULL; spans.len()], Vec::with_capacity(PIECE));
    for (symbols, spans) in column.chunks_mut(PIECE).zip(spans.chunks(PIECE)) {
        for (symbol, span) in symbols.iter_mut().zip(spans).filter(|(_, span)| **span != NO_SPAN) {
            let bytes = batch.kept(*span);
            *symbol = values.own(bytes).map_or(KEPT, i64::from);
            if *symbol == KEPT {
                hashes.push(stable_hash(bytes));
            }
        }
        let likely = values.likely(&hashes);
        let kept = symbols.iter_mut().zip(spans).filter(|(symbol, _)| **symbol == KEPT);
        for (((symbol, span), hash), likely) in kept.zip(hashes.drain(..)).zip(likely.iter()) {
            *symbol = i64::from(values.keep_as(likely, batch.kept(*span), hash));
        }
    }
    column
}
