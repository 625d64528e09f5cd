//! What belongs to no checkpoint any more is deleted.

use super::letters;
use super::table_versions::TableVersions;
use super::writer::Writer;
use crate::checkpoint::MANIFESTS_KEPT;

/// Checkpoints between two times that what nobody lists any more is deleted.
pub(super) const COLLECT_EVERY: u64 = 10;

impl Writer<'_> {
    /// Deletes now and then what belongs to no checkpoint any more.
    pub(super) fn collect(&mut self, sequence: u64) {
        if !sequence.is_multiple_of(COLLECT_EVERY) && !self.tables.are_crowded() {
            return;
        }
        // What is handed over for a later manifest may have older names.
        let is_listed = self.telling.files.is_empty() && self.gathering.is_empty();
        let writing_from = if is_listed { self.merging.writing_from() } else { 0 };
        if let Err(error) = self.leader.collect(writing_from) {
            tracing::warn!(%error, "old objects of checkpoints cannot be deleted; they are left");
        }
        let names = TableVersions::names(&self.plan);
        let object = |table: &str, number| self.tables.object_of(table, number);
        match self.leader.collect_versions(&names, &object) {
            Ok(needed) => self.tables.release(&needed),
            Err(error) => {
                tracing::warn!(%error, "old versions of tables cannot be deleted; they are left");
            }
        }
        if let (MANIFESTS_KEPT, Some(last)) = (self.published.len(), self.published.front()) {
            letters::collect(self.objects, *last);
        }
    }
}
