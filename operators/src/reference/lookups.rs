//! What one entity looks up for each of its events.

use super::memo::Memo;
use super::row::Cell;
use super::tables::TablesRef;
use crate::event_batch::{NULL, Origin};
use crate::interner::stable_hash;
use crate::plan::{EntityPlan, LookupPlan, Storage};
use crate::time::EventTime;
use crate::timeline::entity_log::Names;

/// The lookups of an entity, those in one table by one key together.
pub struct Lookups {
    tables: TablesRef,
    reader: usize,
    groups: Vec<Group>,
}

struct Group {
    table: usize,
    key: usize,
    targets: Vec<Target>,
    memo: Memo,
}

struct Target {
    attribute: usize,
    /// Whose dictionary its symbols are from; `None` for words.
    dictionary: Option<usize>,
    column: usize,
    default: Cell,
    sources: Vec<bool>,
}

/// The events that are looked up: what is known of them, a column a thing, all of one length.
pub struct Looked<'a> {
    /// Event times.
    pub times: &'a [EventTime],
    /// Where they came from.
    pub origins: &'a [Origin],
    /// For each attribute of the entity its words or symbols. Targets that are empty are filled,
    /// others are replaced.
    pub attributes: &'a mut [Vec<i64>],
}

impl Lookups {
    /// The lookups of `entity` in `tables`.
    pub fn new(entity: &EntityPlan, tables: TablesRef) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for plan in &entity.lookups {
            let LookupPlan { table, key, column, target, default, sources } = plan;
            let attribute = entity.attributes.get(*target);
            let symbol = attribute.filter(|a| a.storage == Storage::Symbol);
            let target = Target {
                attribute: *target,
                dictionary: symbol.map(|a| a.dictionary.unwrap_or(*target)),
                column: *column,
                default: default.as_ref().map_or(Cell::Null, Cell::new),
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
        Lookups { tables, reader, groups }
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

    /// Looks up events and fills their derived columns. Symbols are counted as used by the events;
    /// one that is replaced is not any more.
    pub fn fill(&mut self, looked: &mut Looked<'_>, names: &mut Names) {
        for group in &mut self.groups {
            group.fill(&self.tables, looked, names);
        }
    }
}

impl Group {
    fn fill(&mut self, tables: &TablesRef, looked: &mut Looked<'_>, names: &mut Names) {
        let mut tables = tables.borrow_mut();
        let version = tables.version(self.table);
        for target in &self.targets {
            if let Some(column) = looked.attributes.get_mut(target.attribute) {
                column.resize(looked.times.len(), NULL);
            }
        }
        for (row, ts) in looked.times.iter().enumerate() {
            let symbol = looked.attributes.get(self.key).and_then(|keys| keys.get(row)).copied();
            let symbol = symbol.and_then(|symbol| u32::try_from(symbol).ok());
            let keys = names.symbols.get(self.key).and_then(Option::as_ref);
            let key = symbol.zip(keys).filter(|(symbol, _)| *symbol > 0);
            let found = key.map(|(symbol, keys)| {
                let bytes = keys.bytes(symbol);
                self.memo.get(symbol, bytes, *ts, version, || tables.lookup(self.table, bytes, *ts))
            });
            let found = found.and_then(|found| found.row.clone());
            for target in &self.targets {
                let source = looked.origins.get(row).map_or(0, |o| usize::from(o.source));
                let here = target.sources.get(source).copied().unwrap_or(false);
                let cell = found.as_ref().and_then(|found| found.cells.get(target.column));
                let cell = cell.filter(|cell| **cell != Cell::Null).unwrap_or(&target.default);
                let cell = if here { cell } else { &Cell::Null };
                if let Some(value) =
                    looked.attributes.get_mut(target.attribute).and_then(|c| c.get_mut(row))
                {
                    target.put(cell, value, names);
                }
            }
        }
    }
}

impl Target {
    fn put(&self, cell: &Cell, value: &mut i64, names: &mut Names) {
        let Some(dictionary) = self.dictionary else {
            *value = match cell {
                Cell::Word(bits) => bits.cast_signed(),
                Cell::Null | Cell::Bytes(_) => NULL,
            };
            return;
        };
        let mut word = [0; 8];
        let new = match (cell.dictionary(&mut word), names.symbols.get_mut(dictionary)) {
            (Some(bytes), Some(Some(symbols))) => {
                i64::from(symbols.intern(bytes, stable_hash(bytes)))
            }
            _ => NULL,
        };
        let old = std::mem::replace(value, new);
        if let Ok(old) = u32::try_from(old) {
            names.release_symbol(dictionary, old);
        }
    }
}
