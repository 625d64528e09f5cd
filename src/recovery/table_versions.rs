//! The versions of the job's reference tables that are kept in its state, so that what is read again
//! after a restart is looked up in the version that it was looked up in before.

use super::kept_table::{KeptTable, TakenOver};
use super::{RecoveryConfig, RecoveryError, letters, sealed_tail};
use crate::checkpoint::Manifest;
use crate::objects::Objects;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tidemark_operators::plan::{Plan, TablePlan};
use tidemark_operators::reference::input::above;
use tidemark_operators::time::EventTime;

use super::due::CheckpointProgress;

/// See the module.
#[derive(Default)]
pub struct TableVersions {
    /// By table of the plan.
    tables: Vec<Arc<KeptTable>>,
}

impl TableVersions {
    /// Takes over those in `objects`, as of the checkpoint `begun` of a run that is the one that leads.
    ///
    /// # Errors
    /// When one that may be needed is damaged or missing, when the store cannot be read, or when another
    /// run has taken over.
    pub(super) fn open(
        config: &RecoveryConfig,
        objects: &Arc<dyn Objects>,
        begun: &Manifest,
        (progress, over): (&Arc<CheckpointProgress>, &Arc<AtomicBool>),
    ) -> Result<Self, RecoveryError> {
        if config.plan.tables.is_empty() {
            return Ok(TableVersions::default());
        }
        let reached = reached(config.sealed_file.as_deref(), begun)?;
        let take_over = |(at, plan): (usize, &TablePlan)| {
            let taken = TakenOver {
                objects: Arc::clone(objects),
                keys: config.keys.clone(),
                generation: begun.generation,
                writer: begun.writer.clone(),
                cut: begun.cut,
                progress: Arc::clone(progress),
                over: Arc::clone(over),
            };
            let base = begun.tables.get(&plan.name).copied();
            KeptTable::take_over((plan, at), taken, base, reached).map(Arc::new)
        };
        let tables = config.plan.tables.iter().enumerate().map(take_over);
        Ok(TableVersions { tables: tables.collect::<Result<_, _>>()? })
    }

    /// The table at `at` of the plan, where its versions are kept.
    pub fn of(&self, at: usize) -> Option<&Arc<KeptTable>> {
        self.tables.get(at)
    }

    /// Whether a table has so many versions that they should go soon.
    pub(super) fn are_crowded(&self) -> bool {
        self.tables.iter().any(|table| table.is_crowded())
    }

    /// The object that a record of a table lists, where this process has it.
    pub(super) fn object_of(&self, table: &str, number: u64) -> Option<String> {
        self.tables.iter().find(|kept| kept.name() == table)?.object_of(number)
    }

    /// For each table the number of the version that is seen at `cut`: the manifest of that cut needs it
    /// and all later ones.
    pub(super) fn at(&self, cut: EventTime) -> BTreeMap<String, u64> {
        let kept = self.tables.iter();
        kept.filter_map(|table| Some((table.name().to_owned(), table.at(cut)?))).collect()
    }

    /// The names of all tables of `plan`.
    pub(super) fn names(plan: &Plan) -> BTreeSet<String> {
        plan.tables.iter().map(|table| table.name.clone()).collect()
    }

    /// The manifests that are kept need the versions from these on.
    pub(super) fn release(&self, bases: &BTreeMap<String, u64>) {
        for table in self.tables.iter() {
            if let Some(base) = bases.get(table.name()) {
                table.release(*base);
            }
        }
    }

    /// How many versions of each table are held.
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let kept = self.tables.iter();
        kept.map(|table| (table.name().to_owned(), table.versions())).collect()
    }
}

/// Up to which time the runs before may have given out rows: to whoever follows their file, also rows
/// behind the checkpoint, which are written again.
fn reached(file: Option<&Path>, begun: &Manifest) -> Result<EventTime, RecoveryError> {
    let known = letters::number(&begun.outbox, letters::SEALED_BYTES);
    let tail = match (file, known) {
        (Some(file), Some(known)) => sealed_tail::newest(file, known)?,
        _ => None,
    };
    Ok(above(begun.cut.max(tail.unwrap_or(0))))
}
