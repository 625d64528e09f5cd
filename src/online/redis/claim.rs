//! Which job writes which views: each enters its own in hashes that all look at (see `ledger`).
//!
//! The keys of rows carry no job's name. Before its first row a job enters its views; a view that
//! another living job has is refused, for one would undo what the other writes. The same name is
//! the same job: a restart finds its own entries and goes on, and so does a process that takes over
//! from another one of its name.
//!
//! # Why this way
//!
//! - A job lives while its heartbeats change, seen over `takeover_after` by the clock of the one who
//!   looks. So clocks of machines need not agree, and a job that was killed locks nobody out for
//!   longer than that. One that was stopped in order says so, and is not waited for.
//! - Entries are made under WATCH, all in one transaction: of two jobs that start at one moment, one is
//!   first.
//! - A run of a job that keeps its state enters its generation (see `fence`) in the same transaction.
//! - They are looked at again with every probe. A job that was silent for so long that another one
//!   took its views over learns it and stops, instead of writing beside it.

use crate::online::StoreError;
use crate::online::heartbeat::{Heartbeat, Life, worker_of};
use crate::online::redis::fence::{Entered, Fence};
use crate::online::redis::gate::Inherited;
use crate::online::redis::ledger::{ViewLedger, ViewWriter};
use crate::online::redis::left::{incomplete, left};
use crate::online::redis::link::Link;
use crate::online::redis::schedule::micros;
use crate::online::redis::settings::RedisSettings;
use crate::online::schema::Schema;
use redis::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Between two looks at another job's heartbeats, in us.
const LOOK_AGAIN: u64 = 200_000;

/// Whether the job may write.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All views are this job's.
    Granted,
    /// They are again: meanwhile nobody was entered, or a run that this one comes after. What it may
    /// have written is to be replaced.
    Regained,
    /// Redis does not let this user see what others have entered: who else writes is not known.
    Unknown,
    /// Another job may be alive: to be looked at again then, in us.
    Wait(u64),
    /// Another job is. The text says what to do.
    Refused(String),
    /// A later run of this job has taken over. The text says which.
    TakenOver(String),
}

/// A job's claim to its views.
#[derive(Debug)]
pub(crate) struct Claim {
    settings: Arc<RedisSettings>,
    ledgers: Vec<ViewLedger>,
    /// The first slot of the server that their keys are on, in a cluster.
    pub(crate) first_slot: Option<u16>,
    job: String,
    /// How long another job's heartbeats must have stood still, in us.
    takeover_after: u64,
    /// By job in our way: since when its heartbeats have been these.
    watched: BTreeMap<ViewWriter, (u64, BTreeMap<String, String>)>,
    granted: bool,
    /// Of a job that keeps its state.
    fence: Option<Arc<Fence>>,
}

impl Claim {
    pub(crate) fn new(
        schema: &Schema,
        settings: &Arc<RedisSettings>,
        fence: Option<Arc<Fence>>,
    ) -> Self {
        Claim {
            ledgers: ViewLedger::of(schema, settings),
            settings: Arc::clone(settings),
            first_slot: None,
            job: schema.job.clone(),
            takeover_after: micros(settings.takeover_after),
            watched: BTreeMap::new(),
            granted: false,
            fence,
        }
    }

    /// Looks whether all views are this job's, and enters those that are free.
    pub(crate) fn look(&mut self, link: &mut Link, now: u64) -> Result<Standing, StoreError> {
        match self.enter(link, now) {
            Err(error @ StoreError::Reply { .. }) => {
                // Rows go over this connection, and the next transaction is theirs: a change to what is
                // watched would end it.
                link.ask("UNWATCH", &[])?;
                if !is_denied(&error) {
                    return Err(error);
                }
            }
            other => return other,
        }
        // Under its own prefix it may be allowed all the same.
        let of_project = self.ledgers.iter().position(|ledger| ledger.project().is_some());
        let Some(at) = of_project else { return Ok(Standing::Unknown) };
        let denied = self.ledgers.remove(at);
        tracing::warn!(
            key = denied.key,
            "Redis does not show which jobs write rows of this Feast project: one with another \
             key_prefix that writes the same views is not noticed; allow the user the key"
        );
        self.look(link, now)
    }

    fn enter(&mut self, link: &mut Link, now: u64) -> Result<Standing, StoreError> {
        let fence = self.fence.clone();
        let keys = self.ledgers.iter().map(|ledger| ledger.key.as_bytes());
        let fenced = fence.iter().map(|fence| fence.key().as_bytes());
        link.ask("WATCH", &keys.chain(fenced).collect::<Vec<_>>())?;
        let entered = match &fence {
            Some(fence) => fence.judge(&link.ask("GET", &[fence.key().as_bytes()])?, self.granted),
            None => Entered::Own,
        };
        if let (Some(fence), Entered::Later(later)) = (&fence, &entered) {
            link.ask("UNWATCH", &[])?;
            return Ok(Standing::TakenOver(fence.refusal(&self.job, later)));
        }
        let enters = fence.as_deref().filter(|_| entered != Entered::Own);
        // Behind the WATCH: who takes over from now on and is entered before this one ends its transaction.
        if let Some(fence) = enters.filter(|fence| fence.is_superseded()) {
            link.ask("UNWATCH", &[])?;
            return Ok(Standing::TakenOver(fence.superseded(&self.job)));
        }
        let (mut held, mut conflicts) = (Vec::new(), Vec::new());
        for (at, ledger) in self.ledgers.iter().enumerate() {
            let entries = link.hash(&ledger.key)?;
            let found = ledger.conflicts(&entries, self.granted);
            conflicts.extend(found.into_iter().map(|conflict| (at, conflict)));
            held.push(entries);
        }
        for (at, conflict) in &conflicts {
            let living =
                if self.granted { Some(true) } else { self.lives(link, &conflict.writer, now)? };
            let standing = match (living, self.ledgers.get(*at)) {
                (Some(true), Some(ledger)) => {
                    Standing::Refused(ledger.refusal(conflict, self.granted))
                }
                (None, _) => Standing::Wait(now + LOOK_AGAIN),
                _ => continue,
            };
            link.ask("UNWATCH", &[])?;
            return Ok(standing);
        }
        if !self.write(link, &held, enters)? {
            return Ok(Standing::Wait(now + LOOK_AGAIN / 10));
        }
        let again = std::mem::replace(&mut self.granted, true) && enters.is_some();
        Ok(if again { Standing::Regained } else { Standing::Granted })
    }

    /// Enters what is missing, the generation of `enters` too, and removes views that the job no longer
    /// has; false when somebody else changed any of it meanwhile.
    fn write(
        &self,
        link: &mut Link,
        held: &[BTreeMap<String, String>],
        enters: Option<&Fence>,
    ) -> Result<bool, StoreError> {
        let (mut enter, mut changes) = (redis::pipe(), enters.is_some());
        enter.atomic();
        for (ledger, held) in self.ledgers.iter().zip(held) {
            let (missing, left) = (ledger.missing(held), ledger.left(held));
            changes |= !missing.is_empty() || !left.is_empty();
            if !missing.is_empty() {
                let pairs = missing.into_iter().flat_map(|(field, value)| [field, value]);
                enter.cmd("HSET").arg(&ledger.key).arg(pairs.collect::<Vec<_>>());
            }
            if !left.is_empty() {
                enter.cmd("HDEL").arg(&ledger.key).arg(left);
            }
        }
        if !changes {
            link.ask("UNWATCH", &[])?;
            return Ok(true);
        }
        if let Some(fence) = enters {
            enter.cmd("SET").arg(fence.key()).arg(fence.text());
        }
        Ok(link.transaction(&enter)? != Value::Nil)
    }

    /// Whether a job is alive; `None`: not known yet.
    fn lives(
        &mut self,
        link: &mut Link,
        writer: &ViewWriter,
        now: u64,
    ) -> Result<Option<bool>, StoreError> {
        let ViewWriter { job, key_prefix } = writer;
        let key = self.settings.beats_key_under(key_prefix, job, self.first_slot);
        let mut beats = link.hash(&key)?;
        beats.retain(|field, _| worker_of(field).is_some());
        let stopped =
            |beat: &String| beat.parse::<Heartbeat>().is_ok_and(|beat| beat.life == Life::Stopped);
        if !beats.is_empty() && beats.values().all(stopped) {
            return Ok(Some(false));
        }
        match self.watched.get(writer) {
            Some((_, seen)) if *seen != beats && !beats.is_empty() => Ok(Some(true)),
            Some((since, _)) => Ok((*since + self.takeover_after <= now).then_some(false)),
            None => {
                self.watched.insert(writer.clone(), (now, beats));
                Ok(None)
            }
        }
    }
}

/// Removes heartbeats of workers that the job no longer has; gives what the rows are worth that the run
/// before has left, nothing when that is not known. `definition`: what rows are made by, where runs are
/// numbered.
pub(crate) fn inherit(
    link: &mut Link,
    key: &str,
    workers: usize,
    definition: Option<u64>,
) -> Result<Inherited, StoreError> {
    let beats = match link.hash(key) {
        Err(error) if is_denied(&error) => return Ok(Inherited::default()),
        beats => beats?,
    };
    for field in beats.keys() {
        if worker_of(field).is_some_and(|worker| worker >= workers) {
            link.ask("HDEL", &[key.as_bytes(), field.as_bytes()])?;
        }
    }
    let shown = left(&beats, definition).map(|left| left.shown).unwrap_or_default();
    Ok(Inherited { shown, incomplete: Arc::new(incomplete(&beats)) })
}

/// Whether the key may not be seen, or is something else: not to be mended by trying again.
fn is_denied(error: &StoreError) -> bool {
    matches!(error, StoreError::Reply { reason, .. }
        if reason.starts_with("NOPERM") || reason.starts_with("WRONGTYPE"))
}
