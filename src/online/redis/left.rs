//! What an earlier run has left in Redis, by its heartbeats: up to which live clock and frontier every
//! row is what the job says.
//!
//! A heartbeat goes with the last rows of what it claims, or behind them, so whatever became of Redis
//! since (a restart, a failover, an older copy put back), rows are as new as the heartbeats beside them.
//! A run that goes on from its state writes only what may have changed since then:
//!
//! ```text
//! rows with an event at or after the frontier, with an edge after the clock, or without a heartbeat
//! ```
//!
//! and refreshes the TTL of the others soon, which finds those that somebody has removed.

use crate::online::heartbeat::{Heartbeat, Life, worker_of};
use crate::online::redis::fence::Generation;
use crate::online::redis::nodes::Nodes;
use crate::online::redis::settings::RedisSettings;
use crate::online::{Incomplete, StoreError};
use crate::version::VERSION;
use crate::wall_clock::wall_ms;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemark_operators::interner::stable_hash;
use tidemark_operators::online::Shown;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::{EventTime, Millis};

/// Rows that an earlier run has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftRows {
    /// What all of them show.
    pub shown: Shown,
    /// The newest live clock that any of them may show.
    pub newest: EventTime,
    /// For how long nobody has written, in ms, by the clocks of the machines.
    pub silent: Millis,
}

impl LeftRows {
    /// Of the rows of both.
    fn and(self, other: LeftRows) -> LeftRows {
        LeftRows {
            shown: least(self.shown, other.shown),
            newest: self.newest.max(other.newest),
            silent: self.silent.max(other.silent),
        }
    }
}

/// What the rows of both show.
pub(crate) fn least(one: Shown, other: Shown) -> Shown {
    Shown { frontier: one.frontier.min(other.frontier), clock: one.clock.min(other.clock) }
}

/// What rows are made by: of another definition, or by another program, they may be others.
pub(crate) fn definition(plan: &Plan, settings: &RedisSettings, generation: &Generation) -> u64 {
    let Plan { tables, entities, views, zone, distinct_max, .. } = plan;
    let (store, placing) = (&generation.store, settings.placing());
    let rows = (tables, entities, views, zone, distinct_max);
    stable_hash(format!("{VERSION} {store} {placing:?} {rows:?}").as_bytes())
}

/// What these heartbeats of a job tell; `None`: nothing, or that rows are missing. `definition`: of
/// another one they tell nothing either.
pub(crate) fn left(beats: &BTreeMap<String, String>, definition: Option<u64>) -> Option<LeftRows> {
    let now = wall_ms().unwrap_or(0);
    let mut left: Option<LeftRows> = None;
    let mut workers = 0;
    for (_, beat) in beats.iter().filter(|(field, _)| worker_of(field).is_some()) {
        let beat: Heartbeat = beat.parse().ok()?;
        let same = definition.is_none() || beat.definition == definition;
        if !same || beat.life == Life::Rewriting || beat.clock == 0 {
            return None;
        }
        workers += 1;
        let Heartbeat { clock, frontier, written, .. } = beat;
        let shown = Shown { frontier, clock };
        let one = LeftRows { shown, newest: clock, silent: now.abs_diff(written) };
        left = Some(left.map_or(one, |left| left.and(one)));
    }
    // Each of the workers that there were has to have said something.
    let all = beats.get("workers").and_then(|workers| workers.parse().ok());
    left.filter(|_| all.is_none_or(|all: usize| all == workers))
}

/// Which views these heartbeats say may lack something.
pub(crate) fn incomplete(beats: &BTreeMap<String, String>) -> Incomplete {
    let mut all = Incomplete::default();
    let workers = beats.iter().filter(|(field, _)| worker_of(field).is_some());
    for beat in workers.filter_map(|(_, beat)| beat.parse::<Heartbeat>().ok()) {
        all.add_all(&beat.incomplete);
    }
    all
}

/// Asks Redis what an earlier run of the job of `plan` has left there, which is now at `generation`;
/// waits for it no longer than connecting and a reply may take.
///
/// # Errors
/// When Redis cannot be asked.
pub fn left_in_redis(
    plan: &Plan,
    settings: &RedisSettings,
    generation: &Generation,
) -> Result<Option<LeftRows>, StoreError> {
    let definition = definition(plan, settings, generation);
    let Some(beats) = beats_in_redis(plan, settings)? else { return Ok(None) };
    let left: Option<Vec<_>> = beats.iter().map(|beats| left(beats, Some(definition))).collect();
    Ok(left.and_then(|left| left.into_iter().reduce(LeftRows::and)))
}

/// Asks Redis where the live clock of an earlier run of the job of `plan` stood when it wrote last, and
/// how many ms ago that is, by the clocks of the machines; (0, 0) when there was none.
///
/// # Errors
/// When Redis cannot be asked.
pub fn clock_left_in_redis(
    plan: &Plan,
    settings: &RedisSettings,
) -> Result<(EventTime, Millis), StoreError> {
    let beats = beats_in_redis(plan, settings)?.unwrap_or_default();
    let now = wall_ms().unwrap_or(0);
    let workers = beats.iter().flatten().filter(|(field, _)| worker_of(field).is_some());
    let beats = workers.filter_map(|(_, beat)| beat.parse::<Heartbeat>().ok());
    let newest = beats.map(|beat| (beat.clock, beat.written)).filter(|(clock, _)| *clock > 0).max();
    Ok(newest.map_or((0, 0), |(clock, written)| (clock, now.saturating_sub(written))))
}

/// The heartbeats of a job on each server; `None`: not all servers can be asked.
fn beats_in_redis(
    plan: &Plan,
    settings: &RedisSettings,
) -> Result<Option<Vec<BTreeMap<String, String>>>, StoreError> {
    let mut nodes = Nodes::new(Arc::new(settings.clone()));
    nodes.connect()?;
    let mut all = Vec::new();
    for node in &mut nodes.all {
        let key = settings.beats_key(&plan.name, node.first_slot);
        let Some(link) = &mut node.link else { return Ok(None) };
        all.push(link.hash(&key)?);
    }
    Ok(Some(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(clock: u64, frontier: u64, more: &str) -> String {
        format!(
            "v=1 state=live clock={clock} frontier={frontier} written=5 started=1 definition=9{more} \
             pending=0"
        )
    }

    fn of(beats: &[(&str, String)], definition: Option<u64>) -> Option<Shown> {
        let beats = beats.iter().map(|(field, beat)| ((*field).to_owned(), beat.clone())).collect();
        left(&beats, definition).map(|left| left.shown)
    }

    #[test]
    fn rows_are_as_new_as_the_oldest_heartbeat_of_all_workers() {
        let two = || "2".to_owned();
        let beats = [("w0", beat(70, 50, "")), ("w1", beat(60, 55, "")), ("workers", two())];
        assert_eq!(of(&beats, Some(9)), Some(Shown { frontier: 50, clock: 60 }));
        assert_eq!(of(&beats, None), Some(Shown { frontier: 50, clock: 60 }));
        assert_eq!(of(&beats[1..], Some(9)), None, "one is missing");
        assert_eq!(of(&beats, Some(8)), None, "another definition");
        assert_eq!(of(&[], Some(9)), None);
    }

    #[test]
    fn where_rows_were_being_written_again_or_nothing_is_known_nothing_is_told() {
        let rewriting = beat(70, 50, "").replace("live", "rewriting");
        let nothing = beat(0, 0, "").replace("live", "catching_up");
        for odd in [rewriting, nothing, "v=2".to_owned(), String::new()] {
            assert_eq!(
                of(&[("w0", beat(70, 50, "")), ("w1", odd.clone())], Some(9)),
                None,
                "{odd}"
            );
        }
    }
}
