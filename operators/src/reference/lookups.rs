//! What one entity looks up for each of its events.

use super::late::Late;
use super::memo::Memo;
use super::tables::TablesRef;
use crate::event_batch::NULL;
use crate::plan::{EntityPlan, LookupPlan, Plan, Storage};
use crate::time::EventTime;
use crate::timeline::chunk::symbol_of;
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use crate::value::Cell::{self, Null};
use std::ops::Range;

/// The lookups of an entity, those in one table by one key together.
pub struct Lookups {
    tables: TablesRef,
    reader: usize,
    groups: Vec<Group>,
    late: Late,
}

struct Group {
    table: usize,
    key: usize,
    targets: Vec<Target>,
    memo: Memo,
}

struct Target {
    attribute: usize,
    /// It is a symbol, of a dictionary of its own.
    symbol: bool,
    column: usize,
    default: Cell,
    sources: Vec<bool>,
}

impl Lookups {
    /// The lookups of `entity` in `tables`.
    pub fn new(plan: &Plan, entity: &EntityPlan, tables: TablesRef) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for plan in &entity.lookups {
            let LookupPlan { table, key, column, target, default, sources } = plan;
            let attribute = entity.attributes.get(*target);
            let target = Target {
                attribute: *target,
                symbol: attribute.is_some_and(|a| a.storage == Storage::Symbol),
                column: *column,
                default: default.clone(),
                sources: sources.clone(),
            };
            match groups.iter_mut().find(|group| (group.table, group.key) == (*table, *key)) {
                Some(group) => group.targets.push(target),
                None => groups.push(Group {
                    table: *table,
                    key: *key,
                    targets: vec![target],
                    memo: Memo::default(),
                }),
            }
        }
        let reader = tables.borrow_mut().reader();
        Lookups { tables, reader, groups, late: Late::new(plan, entity) }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Everything before this is known of all tables; `None` once all have closed.
    pub fn frontier(&self) -> Option<EventTime> {
        if self.is_empty() { None } else { self.tables.borrow().frontier() }
    }

    /// The least event time for which something may be found that was not when this was last asked:
    /// events from then on that are not sealed have to be looked up again.
    pub fn news(&mut self) -> Option<EventTime> {
        let mut tables = self.tables.borrow_mut();
        self.groups.iter().filter_map(|group| tables.news(self.reader, group.table)).min()
    }

    /// Looks up the events `rows` of `block`, fills in their derived columns, and sets the bits that
    /// follow from them. Symbols are counted as used by the events; one that is replaced is not any
    /// more.
    pub fn fill(&mut self, block: &Block, rows: Range<usize>, names: &mut Names) {
        for group in &mut self.groups {
            group.fill(&self.tables, block, rows.clone(), names);
        }
        self.late.fill(block, rows, names);
    }
}

impl Group {
    fn fill(&mut self, tables: &TablesRef, block: &Block, rows: Range<usize>, names: &mut Names) {
        let mut tables = tables.borrow_mut();
        let version = tables.version(self.table);
        for row in rows {
            let found = {
                let symbol = symbol_of(block.attributes[self.key][row].get());
                let keys = names.symbols.get(self.key).and_then(Option::as_ref);
                keys.filter(|_| symbol != 0).and_then(|keys| {
                    let mut own = [0; 4];
                    let (bytes, ts) = (keys.bytes(symbol, &mut own), block.times[row]);
                    let ask = || tables.lookup(self.table, bytes, ts);
                    self.memo.get(symbol, bytes, ts, version, ask).row.clone()
                })
            };
            let source = usize::from(block.origins[row].source);
            for target in &self.targets {
                let here = target.sources.get(source).copied().unwrap_or(false);
                let cell = found.as_ref().and_then(|found| found.cells.get(target.column));
                let cell = cell.filter(|cell| **cell != Null).unwrap_or(&target.default);
                let value = &block.attributes[target.attribute][row];
                value.set(target.put(if here { cell } else { &Null }, value.get(), names));
            }
        }
    }
}

impl Target {
    /// The word or symbol of `cell`, in the place of `old`.
    fn put(&self, cell: &Cell, old: i64, names: &mut Names) -> i64 {
        if !self.symbol {
            return match cell {
                Cell::Word(bits) => bits.cast_signed(),
                Null | Cell::Bytes(_) => NULL,
            };
        }
        let mut word = [0; 8];
        let new = match (cell.dictionary(&mut word), &mut names.symbols[self.attribute]) {
            (Some(bytes), Some(values)) => i64::from(values.intern(bytes)),
            _ => NULL,
        };
        names.release_symbol(self.attribute, symbol_of(old));
        new
    }
}
