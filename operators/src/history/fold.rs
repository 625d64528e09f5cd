//! One step of the fold: an event, and the state its entity is in before it.
//!
//! An entity's state is a row of cells: two for each sequence (a value, and the time of its event
//! plus one; 0: there is none), and for each session the time of its last event plus one, its start,
//! the attributes of its first event, its counts and its sums. All zeros is the state of an entity
//! without events. Values that were ever seen are kept apart ([`Memory::seen`]).

use crate::event_batch::NULL;
use crate::plan::{EntityPlan, Sequence, SequencePlan, SessionPlan, SessionSum, Storage};
use crate::time::{EventTime, Millis};
use crate::timeline::stash::Block;

/// What the fold of one entity keeps outside its cells.
pub(crate) trait Memory {
    /// When sequence `sequence` has seen `symbol` last.
    fn seen(&self, sequence: usize, symbol: u32) -> Option<EventTime>;

    /// It sees it again.
    fn see(&mut self, sequence: usize, symbol: u32, ts: EventTime);

    /// The event gets `value` of an event before it, as its derived `attribute`. Comes before the
    /// cell that held the value is replaced, which may have been the last to hold it.
    fn carry(&mut self, attribute: usize, value: i64);

    /// A cell that holds a symbol of `attribute` (0 or [`NULL`]: none) gets another.
    fn replace(&mut self, attribute: usize, old: i64, new: i64);
}

/// Where what is in an entity's cells, and what is to be derived.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    sequences: Vec<(SequencePlan, usize)>,
    sessions: Vec<(SessionPlan, usize)>,
    /// Whether an attribute is a symbol.
    symbols: Vec<bool>,
    /// Derived attributes, and all derived bits.
    targets: Vec<usize>,
    bits: u64,
    /// Cells an entity.
    pub width: usize,
    /// An entity's state is without meaning so long after its latest event.
    pub kept: Millis,
}

impl Fold {
    /// For `plan`; `None` when it derives nothing.
    pub fn new(plan: &EntityPlan) -> Option<Self> {
        let mut fold = Fold {
            sequences: Vec::new(),
            sessions: Vec::new(),
            symbols: plan.attributes.iter().map(|a| a.storage == Storage::Symbol).collect(),
            targets: Vec::new(),
            bits: 0,
            width: 0,
            kept: 0,
        };
        for sequence in &plan.sequences {
            fold.sequences.push((sequence.clone(), fold.width));
            fold.kept = fold.kept.max(sequence.horizon);
            match sequence.what {
                Sequence::Changed { bit } => fold.bits |= 1 << bit,
                Sequence::New { target } | Sequence::Previous { target } => {
                    fold.targets.push(target);
                }
            }
            fold.width += 2;
        }
        for session in &plan.sessions {
            fold.sessions.push((session.clone(), fold.width));
            fold.kept = fold.kept.max(session.gap.saturating_add(1));
            fold.targets.extend(session.start);
            fold.targets.extend(session.firsts.iter().map(|(_, target)| *target));
            fold.targets.extend(session.counts.iter().map(|(_, target)| *target));
            fold.targets.extend(session.sums.iter().flat_map(|s| [s.high, s.low]));
            let SessionPlan { firsts, counts, sums, .. } = session;
            fold.width += 2 + firsts.len() + counts.len() + 2 * sums.len();
        }
        (fold.width > 0).then_some(fold)
    }

    /// The sequences that keep what they have seen: their numbers, attributes and horizons.
    pub fn seeing(&self) -> impl Iterator<Item = (usize, usize, Millis)> {
        let all = self.sequences.iter().enumerate();
        all.filter_map(|(at, (plan, _))| {
            let new = matches!(plan.what, Sequence::New { .. });
            new.then_some((at, plan.attribute, plan.horizon))
        })
    }

    /// The sequences, and the first cell of each.
    pub fn sequences(&self) -> &[(SequencePlan, usize)] {
        &self.sequences
    }

    /// The sessions, and the first cell of each.
    pub fn sessions(&self) -> &[(SessionPlan, usize)] {
        &self.sessions
    }

    /// Whether an attribute is a symbol.
    pub fn is_symbol(&self, attribute: usize) -> bool {
        self.symbols.get(attribute).copied().unwrap_or(false)
    }

    /// The symbols that row `row` of `block` has shown to sequences that keep them, and the numbers
    /// of these.
    pub fn shown(&self, block: &Block, row: usize) -> impl Iterator<Item = (usize, u32)> {
        let bits = block.bits[row].get();
        self.sequences.iter().enumerate().filter_map(move |(at, (plan, _))| {
            let value = block.attributes[plan.attribute][row].get();
            let new = matches!(plan.what, Sequence::New { .. });
            (new && bits & plan.mask == plan.mask && value != NULL).then_some((at, value as u32))
        })
    }

    /// The cells that hold symbols, and the attributes these are of.
    pub fn symbol_cells(&self) -> impl Iterator<Item = (usize, usize)> {
        let sequences = self.sequences.iter().filter_map(|(plan, cell)| {
            let new = matches!(plan.what, Sequence::New { .. });
            (!new && self.symbols[plan.attribute]).then_some((*cell, plan.attribute))
        });
        let sessions = self.sessions.iter().flat_map(|(plan, cell)| {
            let firsts = plan.firsts.iter().enumerate();
            firsts.map(move |(at, (attribute, _))| (cell + 2 + at, *attribute))
        });
        let sessions = sessions.filter(|(_, attribute)| self.symbols[*attribute]);
        sequences.chain(sessions)
    }

    /// Derives what is to be derived of row `row` of `block` and moves the state past it. Events
    /// must come in the order of the log.
    #[inline]
    pub fn step(&self, block: &Block, row: usize, cells: &mut [i64], memory: &mut impl Memory) {
        let bits = &block.bits[row];
        bits.set(bits.get() & !self.bits);
        for target in &self.targets {
            block.attributes[*target][row].set(NULL);
        }
        self.pass(block, row, cells, memory);
    }

    /// Moves the state past row `row` of `block`, of which everything has been derived before and stays
    /// as it is.
    pub fn follow(&self, block: &Block, row: usize, cells: &mut [i64], memory: &mut impl Memory) {
        let bits = block.bits[row].get();
        let value = |target: &usize| &block.attributes[*target][row];
        let stored: Vec<i64> = self.targets.iter().map(|target| value(target).get()).collect();
        self.pass(block, row, cells, memory);
        block.bits[row].set(bits);
        self.targets.iter().zip(stored).for_each(|(target, stored)| value(target).set(stored));
    }

    #[inline]
    fn pass(&self, block: &Block, row: usize, cells: &mut [i64], memory: &mut impl Memory) {
        let bits = &block.bits[row];
        for (at, (plan, cell)) in self.sequences.iter().enumerate() {
            if bits.get() & plan.mask == plan.mask {
                self.sequence((at, plan), block, row, &mut cells[*cell..], memory);
            }
        }
        for (plan, cell) in &self.sessions {
            if bits.get() & plan.mask == plan.mask {
                self.session(plan, block, row, &mut cells[*cell..], memory);
            }
        }
    }

    #[inline]
    fn sequence(
        &self,
        (at, plan): (usize, &SequencePlan),
        block: &Block,
        row: usize,
        cells: &mut [i64],
        memory: &mut impl Memory,
    ) {
        let (ts, value) = (block.times[row], block.attributes[plan.attribute][row].get());
        let recent = |then: EventTime| then.saturating_add(plan.horizon) > ts;
        // Times in cells are kept plus one.
        let before = |cells: &[i64]| match cells[1] {
            0 => None,
            then => Some(cells[0]).filter(|_| recent(then as u64 - 1)),
        };
        match plan.what {
            Sequence::Changed { .. } | Sequence::New { .. } if value == NULL => return,
            Sequence::Changed { bit } => {
                if before(cells).is_some_and(|before| before != value) {
                    let bits = &block.bits[row];
                    bits.set(bits.get() | 1 << bit);
                }
            }
            Sequence::New { target } => {
                let symbol = value as u32;
                let known = memory.seen(at, symbol).is_some_and(recent);
                block.attributes[target][row].set(i64::from(!known));
                memory.see(at, symbol, ts);
                return;
            }
            Sequence::Previous { target } => {
                let value = before(cells).unwrap_or(NULL);
                block.attributes[target][row].set(value);
                if self.symbols[target] {
                    memory.carry(target, value);
                }
            }
        }
        if self.symbols[plan.attribute] {
            memory.replace(plan.attribute, cells[0], value);
        }
        cells[0] = value;
        cells[1] = ts as i64 + 1;
    }

    #[inline]
    fn session(
        &self,
        plan: &SessionPlan,
        block: &Block,
        row: usize,
        cells: &mut [i64],
        memory: &mut impl Memory,
    ) {
        let (ts, bits) = (block.times[row], block.bits[row].get());
        let open = cells[0] != 0 && ts.saturating_sub(cells[0] as u64 - 1) <= plan.gap;
        let (head, rest) = cells.split_at_mut(2);
        let (firsts, rest) = rest.split_at_mut(plan.firsts.len());
        let (counts, rest) = rest.split_at_mut(plan.counts.len());
        let sums = &mut rest[..2 * plan.sums.len()];
        if !open {
            head[1] = ts as i64;
            for (cell, (attribute, _)) in firsts.iter_mut().zip(&plan.firsts) {
                let value = block.attributes[*attribute][row].get();
                if self.symbols[*attribute] {
                    memory.replace(*attribute, *cell, value);
                }
                *cell = value;
            }
            counts.fill(0);
            sums.fill(0);
        }
        head[0] = ts as i64 + 1;
        if let Some(target) = plan.start {
            block.attributes[target][row].set(head[1]);
        }
        for (cell, (_, target)) in firsts.iter().zip(&plan.firsts) {
            block.attributes[*target][row].set(*cell);
            if self.symbols[*target] {
                memory.carry(*target, *cell);
            }
        }
        for (cell, (mask, target)) in counts.iter_mut().zip(&plan.counts) {
            *cell += i64::from(bits & mask == *mask);
            block.attributes[*target][row].set(*cell);
        }
        for (cells, sum) in sums.chunks_exact_mut(2).zip(&plan.sums) {
            let value = block.attributes[sum.attribute][row].get();
            if bits & sum.mask == sum.mask && value != NULL {
                let total = SessionSum::total(cells[0], cells[1]) + i128::from(value);
                (cells[0], cells[1]) = SessionSum::parts(total);
            }
            block.attributes[sum.high][row].set(cells[0]);
            block.attributes[sum.low][row].set(cells[1]);
        }
    }
}
