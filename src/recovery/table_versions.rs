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
use tidemark_operators::plan::{Plan, TableFrom};
use tidemark_operators::reference::input::above;
use tidemark_operators::time::EventTime;

use super::due::CheckpointProgress;

/// See the module.
#[derive(Default)]
pub struct TableVersions {
    /// By table of the plan; `None`: it is a topic, which is read again from its beginning.
    tables: Vec<Option<Arc<KeptTable>>>,
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
        let from_file = |at: &usize| {
            let table = config.plan.tables.get(*at);
            table.is_some_and(|table| !matches!(table.from, TableFrom::Topic { .. }))
        };
        let mut tables = vec![None; config.plan.tables.len()];
        if !(0..tables.len()).any(|at| from_file(&at)) {
            return Ok(TableVersions { tables });
        }
        let reached = reached(config.sealed_file.as_deref(), begun)?;
        for (at, slot) in tables.iter_mut().enumerate().filter(|(at, _)| from_file(at)) {
            let taken = TakenOver {
                objects: Arc::clone(objects),
                keys: config.keys.clone(),
                generation: begun.generation,
                writer: begun.writer.clone(),
                cut: begun.cut,
                progress: Arc::clone(progress),
                over: Arc::clone(over),
            };
            let Some(plan) = config.plan.tables.get(at) else { continue };
            let base = begun.tables.get(&plan.name).copied();
            *slot = Some(Arc::new(KeptTable::take_over((plan, at), taken, base, reached)?));
        }
        Ok(TableVersions { tables })
    }

    /// The table at `at` of the plan, where its versions are kept.
    pub fn of(&self, at: usize) -> Option<&Arc<KeptTable>> {
        self.tables.get(at)?.as_ref()
    }

    /// For each table the number of the version that is seen at `cut`: the manifest of that cut needs it
    /// and all later ones.
    pub(super) fn at(&self, cut: EventTime) -> BTreeMap<String, u64> {
        let kept = self.tables.iter().flatten();
        kept.filter_map(|table| Some((table.name().to_owned(), table.at(cut)?))).collect()
    }

    /// The names of all tables of `plan`.
    pub(super) fn names(plan: &Plan) -> BTreeSet<String> {
        plan.tables.iter().map(|table| table.name.clone()).collect()
    }

    /// The manifests that are kept need the versions from these on.
    pub(super) fn release(&self, bases: &BTreeMap<String, u64>) {
        for table in self.tables.iter().flatten() {
            if let Some(base) = bases.get(table.name()) {
                table.release(*base);
            }
        }
    }

    /// How many versions of each table are held.
    pub(super) fn counts(&self) -> Vec<(String, u64)> {
        let kept = self.tables.iter().flatten();
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
