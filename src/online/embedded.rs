//! The store that lives in the process: the table, and nothing else.

use crate::online::schema::Schema;
use crate::online::table::Table;
use crate::online::{AppliedRow, HeldRow, Incomplete, OnlineStore, Row, StoreError, StoreStatus};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::metrics::HeldBytes;
use tidemark_operators::online::{AppliedEvents, OnlineSink};
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
    fn writer(&self, worker: usize) -> Box<dyn OnlineSink> {
        Box::new(self.table.writer(worker))
    }

    fn get(&self, view: usize, id: &[u8]) -> Option<Row> {
        self.table.get(view, id)
    }

    fn applied(&self, view: usize, id: &[u8]) -> Option<AppliedRow> {
        self.table.applied(view, id)
    }

    fn read(
        &self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) {
        self.table.read(entity, id, views, found);
    }

    fn read_applied(
        &self,
        entity: usize,
        id: &[u8],
        views: &[usize],
        found: &mut dyn FnMut(usize, Option<HeldRow<'_>>),
    ) -> Option<AppliedEvents> {
        self.table.read_applied(entity, id, views, found)
    }

    fn rows(&self, view: usize) -> Vec<(Vec<u8>, Row)> {
        self.table.rows(view)
    }

    fn memory(&self) -> HeldBytes {
        self.table.memory()
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
