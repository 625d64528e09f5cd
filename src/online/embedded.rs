//! The store that lives in the process: the table, and nothing else.

use crate::online::schema::Schema;
use crate::online::table::Table;
use crate::online::{Incomplete, OnlineStore, StoreError, StoreStatus};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;

/// An online store without a server: rows are read over HTTP or from the process, and are gone with
/// it. Memory: the rows of live entities.
#[derive(Debug)]
pub struct Embedded {
    table: Table,
}

impl Embedded {
    /// A store for the views of `plan`, with a shard for each of `workers`.
    pub fn new(plan: &Plan, workers: usize) -> Self {
        Embedded::in_process(plan, Shape::one_process(workers))
    }

    /// The same for the workers of one of several processes.
    pub fn in_process(plan: &Plan, shape: Shape) -> Self {
        Embedded { table: Table::new(Arc::new(Schema::new(plan)), shape, None) }
    }
}

impl OnlineStore for Embedded {
    fn table(&self) -> &Table {
        &self.table
    }

    fn status(&self) -> StoreStatus {
        StoreStatus::new(self.table.totals(), None)
    }

    fn release(&self) {}

    fn complete(&self, _view: usize) {}

    fn incomplete(&self, _views: Incomplete) {}

    fn close(&self, _within: Duration) -> Result<(), StoreError> {
        Ok(())
    }
}
