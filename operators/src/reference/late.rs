//! Filter bits that depend on what is looked up: evaluated where the entity is kept, each time
//! something has been looked up.

use crate::event_batch::NULL;
use crate::expression::Program;
use crate::plan::{AttributePlan, EntityPlan, Plan, Storage};
use crate::timeline::chunk::symbol_of;
use crate::timeline::names::Names;
use crate::timeline::stash::Block;
use crate::value::Column;
use std::ops::Range;
use std::sync::Arc;

/// The late predicates of an entity.
pub(super) struct Late {
    predicates: Vec<Predicate>,
    attributes: Vec<AttributePlan>,
    /// Which attributes some predicate reads.
    read: Vec<usize>,
    columns: Vec<Column>,
    result: Column,
}

struct Predicate {
    bit: usize,
    by_source: Vec<Option<Program>>,
}

impl Late {
    pub fn new(plan: &Plan, entity: &EntityPlan) -> Self {
        let mut read: Vec<usize> = Vec::new();
        for expr in entity.late.iter().flat_map(|late| late.by_source.iter().flatten()) {
            read.extend(expr.inputs());
        }
        read.sort_unstable();
        read.dedup();
        let predicates = entity.late.iter().map(|late| {
            let program = |expr| Program::new(expr, Arc::clone(&plan.zone));
            let by_source = late.by_source.iter().map(|expr| expr.as_ref().map(program));
            Predicate { bit: late.bit, by_source: by_source.collect() }
        });
        Late {
            predicates: predicates.collect(),
            attributes: entity.attributes.clone(),
            read,
            columns: vec![Column::default(); entity.attributes.len()],
            result: Column::default(),
        }
    }

    /// Sets the bits of `rows`.
    pub fn fill(&mut self, block: &Block, rows: Range<usize>, names: &Names) {
        if self.predicates.is_empty() {
            return;
        }
        self.load(block, rows.clone(), names);
        for Predicate { bit, by_source } in &mut self.predicates {
            for row in rows.clone() {
                block.bits[row].set(block.bits[row].get() & !(1 << *bit));
            }
            for (source, program) in by_source.iter_mut().enumerate() {
                let Some(program) = program else { continue };
                program.eval(&self.columns, rows.len(), &mut self.result);
                for (at, row) in rows.clone().enumerate() {
                    if usize::from(block.origins[row].source) == source {
                        let holds = self.result.bool(at) == Some(true);
                        block.bits[row].set(block.bits[row].get() | u64::from(holds) << *bit);
                    }
                }
            }
        }
    }

    /// The attributes of `rows` as columns.
    fn load(&mut self, block: &Block, rows: Range<usize>, names: &Names) {
        for attribute in &self.read {
            let column = &mut self.columns[*attribute];
            column.clear();
            for cell in &block.attributes[*attribute][rows.clone()] {
                match (self.attributes[*attribute].storage, cell.get()) {
                    (Storage::Symbol, symbol) => {
                        names.push_symbol(*attribute, symbol_of(symbol), column);
                    }
                    (Storage::Wide, NULL) => column.push_null(),
                    (Storage::Wide, word) => column.push_int(word),
                }
            }
        }
    }
}
