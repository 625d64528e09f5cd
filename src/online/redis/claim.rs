//! Which job writes which views: the hash `tidemark:views`, a field `{entity type}:{view}` for each
//! view, whose value is the name of the job that writes it.
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
//! - Entries are made under WATCH: of two jobs that start at one moment, one is first.
//! - A run of a job that keeps its state enters its generation (see `fence`) in the same transaction.
//! - They are looked at again with every probe. A job that was silent for so long that another one
//!   took its views over learns it and stops, instead of writing beside it.

use crate::online::StoreError;
use crate::online::heartbeat::{Heartbeat, Life, worker_of};
use crate::online::redis::fence::{Entered, Fence};
use crate::online::redis::gate::Inherited;
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
    /// Redis does not let this user see `tidemark:views`: who else writes is not known.
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
    key: String,
    /// The first slot of the server that the key is on, in a cluster.
    pub(crate) first_slot: Option<u16>,
    job: String,
    fields: Vec<String>,
    /// How long another job's heartbeats must have stood still, in us.
    takeover_after: u64,
    /// By job in our way: since when its heartbeats have been these.
    watched: BTreeMap<String, (u64, BTreeMap<String, String>)>,
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
        let views = schema.views.iter();
        Claim {
            settings: Arc::clone(settings),
            key: format!("{}views", settings.bookkeeping()),
            first_slot: None,
            job: schema.job.clone(),
            fields: views.map(|view| format!("{}:{}", view.entity_name, view.name)).collect(),
            takeover_after: micros(settings.takeover_after),
            watched: BTreeMap::new(),
            granted: false,
            fence,
        }
    }

    /// Looks whether all views are this job's, and enters those that are free.
    pub(crate) fn look(&mut self, link: &mut Link, now: u64) -> Result<Standing, StoreError> {
        match self.enter(link, now) {
            Err(error) if is_denied(&error) => Ok(Standing::Unknown),
            other => other,
        }
    }

    fn enter(&mut self, link: &mut Link, now: u64) -> Result<Standing, StoreError> {
        let key = self.key.clone();
        let fence = self.fence.clone();
        let watched = fence.iter().map(|fence| fence.key().as_bytes());
        let watched: Vec<&[u8]> = [key.as_bytes()].into_iter().chain(watched).collect();
        link.ask("WATCH", &watched)?;
        let entered = match &fence {
            Some(fence) => fence.judge(&link.ask("GET", &[fence.key().as_bytes()])?, self.granted),
            None => Entered::Own,
        };
        if let (Some(fence), Entered::Later(later)) = (&fence, &entered) {
            link.ask("UNWATCH", &[])?;
            return Ok(Standing::TakenOver(fence.refusal(&self.job, later)));
        }
        let enters = fence.as_deref().filter(|_| entered != Entered::Own);
        let entries = link.hash(&key)?;
        let foreign = self.fields.iter().filter_map(|field| {
            let owner = entries.get(field).filter(|owner| **owner != self.job)?;
            Some((field.clone(), owner.clone()))
        });
        for (field, owner) in foreign.collect::<Vec<_>>() {
            let living = if self.granted { Some(true) } else { self.lives(link, &owner, now)? };
            match living {
                Some(false) => continue,
                Some(true) => {
                    link.ask("UNWATCH", &[])?;
                    return Ok(Standing::Refused(self.refusal(&field, &owner)));
                }
                None => {
                    link.ask("UNWATCH", &[])?;
                    return Ok(Standing::Wait(now + LOOK_AGAIN));
                }
            }
        }
        if !self.write(link, &entries, enters)? {
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
        entries: &BTreeMap<String, String>,
        enters: Option<&Fence>,
    ) -> Result<bool, StoreError> {
        let key = self.key.as_bytes();
        let missing = self.fields.iter().filter(|field| entries.get(*field) != Some(&self.job));
        let missing: Vec<_> = missing.collect();
        let left = entries.iter().filter(|(field, owner)| {
            **owner == self.job && field.contains(':') && !self.fields.contains(field)
        });
        let left: Vec<_> = left.map(|(field, _)| field).collect();
        if missing.is_empty() && left.is_empty() && enters.is_none() {
            link.ask("UNWATCH", &[])?;
            return Ok(true);
        }
        let mut enter = redis::pipe();
        enter.atomic();
        if !missing.is_empty() {
            let pairs = missing.iter().flat_map(|field| [field.as_str(), self.job.as_str()]);
            enter.cmd("HSET").arg(key).arg(pairs.collect::<Vec<_>>());
        }
        if !left.is_empty() {
            enter.cmd("HDEL").arg(key).arg(&left);
        }
        if let Some(fence) = enters {
            enter.cmd("SET").arg(fence.key()).arg(fence.text());
        }
        Ok(link.transaction(&enter)? != Value::Nil)
    }

    /// Whether a job is alive; `None`: not known yet.
    fn lives(&mut self, link: &mut Link, job: &str, now: u64) -> Result<Option<bool>, StoreError> {
        let mut beats = link.hash(&self.settings.beats_key(job, self.first_slot))?;
        beats.retain(|field, _| worker_of(field).is_some());
        let stopped =
            |beat: &String| beat.parse::<Heartbeat>().is_ok_and(|beat| beat.life == Life::Stopped);
        if !beats.is_empty() && beats.values().all(stopped) {
            return Ok(Some(false));
        }
        match self.watched.get(job) {
            Some((_, seen)) if *seen != beats && !beats.is_empty() => Ok(Some(true)),
            Some((since, _)) => Ok((*since + self.takeover_after <= now).then_some(false)),
            None => {
                self.watched.insert(job.to_owned(), (now, beats));
                Ok(None)
            }
        }
    }

    fn refusal(&self, field: &str, owner: &str) -> String {
        let (entity, view) = field.split_once(':').unwrap_or_default();
        let (job, key_prefix) = (&self.job, &self.settings.key_prefix);
        let how = if self.granted { "was taken over by" } else { "is written by" };
        format!(
            "cannot write view '{view}' of entity type '{entity}' to Redis for job '{job}': under \
             the key prefix '{key_prefix}' it {how} job '{owner}', which is alive; stop that job, \
             rename the view, or give this job another key_prefix (in Feast's layout: another project, \
             too) or db in [online.redis] of \
             cluster.toml"
        )
    }
}

/// Removes heartbeats of workers that the job no longer has; gives what the rows are worth
/// that the run before has left, nothing when that is not known. `definition`: what rows are made by, where runs are
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
