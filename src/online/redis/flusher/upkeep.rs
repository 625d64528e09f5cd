//! What goes over a flusher's connection besides rows: heartbeats, and what the first flusher does
//! for the whole store: the claim to its views, Redis's memory, keys of earlier runs.

use crate::online::redis::claim::{self, Claim, Standing};
use crate::online::redis::evictions::Evictions;
use crate::online::redis::flusher::{Flusher, Shared};
use crate::online::redis::gate::{Gate, Refusal};
use crate::online::redis::link::Link;
use crate::online::redis::projects;
use crate::online::redis::pulse::Telling;
use crate::online::redis::record::Record;
use crate::online::redis::schedule::micros;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::sweep::Sweep;
use crate::online::table::Cell;
use crate::online::{MemoryStatus, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::online::Shown;

/// The first flusher's tasks.
#[derive(Debug)]
pub(super) struct Upkeep {
    claim: Claim,
    /// When the claim is looked at next, in us.
    claim_at: u64,
    sweep: Sweep,
    /// Moves of flushers to another server that the sweep knows of.
    moves: u64,
    /// Who else writes is not known: nothing is removed that we have not written.
    no_sweep: bool,
    evictions: Evictions,
    /// There is room again for what was evicted.
    room: bool,
    cells: Arc<[Arc<Cell>]>,
    /// Workers in all processes.
    workers: usize,
    /// What rows are made by, where runs are numbered.
    definition: Option<u64>,
    /// What rows that are not written again are taken to show in Redis.
    kept: Option<Shown>,
    /// The project, in Feast's layout, until it is known to be entangled with none.
    project: Option<String>,
}

impl Upkeep {
    pub(super) fn new(shared: &Shared) -> Self {
        let settings = &shared.settings;
        let takeover_after = micros(settings.takeover_after);
        Upkeep {
            claim: Claim::new(
                &shared.schema,
                &settings.key_prefix,
                takeover_after,
                shared.fence.clone(),
            ),
            claim_at: 0,
            sweep: Sweep::new(
                (&shared.schema, shared.shape),
                &settings.placing(),
                settings.sweep_rate,
            ),
            moves: 0,
            no_sweep: false,
            evictions: Evictions::default(),
            room: false,
            cells: Arc::clone(&shared.cells),
            workers: shared.shape.peers(),
            definition: shared.definition,
            kept: shared.kept,
            project: settings.project_in(&shared.schema.job),
        }
    }

    /// When something is to be done next, in us.
    pub(super) fn due(&self, gate: &Gate) -> Option<u64> {
        let claim_at = if gate.is_doubted() { 0 } else { self.claim_at };
        let claim = (!gate.is_refused()).then_some(claim_at);
        let sweep = || self.sweep.due(&|view| gate.is_complete(view));
        let sweep = if gate.may_write() && !self.no_sweep { sweep() } else { None };
        claim.into_iter().chain(sweep).min()
    }

    pub(super) fn another_server(&mut self) {
        self.claim_at = 0;
        self.evictions.rewritten();
    }

    /// Whether Redis may hold keys again that were removed: they read as rows until they are found.
    fn is_undone(&mut self, gate: &Gate) -> bool {
        let complete = |view| gate.is_complete(view);
        !self.no_sweep && self.sweep.is_undone(&self.cells, &complete)
    }

    /// Asks for Redis's memory, and for how many keys it evicted.
    pub(super) fn ask(
        &mut self,
        link: &mut Link,
        record: &Record,
        settings: &RedisSettings,
    ) -> Result<(), StoreError> {
        let Some((used, max)) = link.memory()? else { return Ok(()) };
        let evicted = link.evicted()?;
        self.room |= evicted.is_some_and(|evicted| self.evictions.look(evicted, max));
        let mut numbers = record.numbers();
        numbers.memory = Some(MemoryStatus::of(used, max, settings.memory.alert_threshold));
        numbers.evicted = self.evictions.missing();
        Ok(())
    }
}

impl Flusher {
    /// Does what is due for the whole store, when this is the flusher that does it.
    pub(super) fn keep_up(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now_us();
        let Flusher { upkeep: Some(upkeep), link: Some(link), gate, .. } = self else {
            return Ok(());
        };
        let moves = gate.moves();
        if std::mem::replace(&mut upkeep.moves, moves) != moves {
            upkeep.sweep.restart();
        }
        let mut done = Ok(());
        if (upkeep.claim_at <= now || gate.is_doubted()) && !gate.is_refused() {
            let probe = micros(self.settings.probe_interval);
            gate.look();
            // The claim watches keys of its own, and for its own transaction.
            self.watching = false;
            done = upkeep.claim(link, gate, self.pulse.key(), now, probe);
        }
        let complete = |view| gate.is_complete(view);
        let sweep = upkeep.sweep.due(&complete).is_some_and(|due| due <= now);
        if done.is_ok() && sweep && gate.may_write() && !upkeep.no_sweep {
            done = upkeep.sweep.step(link, &upkeep.cells, now, &complete);
            self.record.numbers().sweeping = upkeep.sweep.is_running();
        }
        if std::mem::take(&mut upkeep.room) {
            tracing::info!("Redis has room again for what it evicted: all rows are written again");
            upkeep.evictions.rewritten();
            self.record.numbers().evicted = 0;
            for cell in &*upkeep.cells {
                cell.lock().dirt.lost();
                cell.wake.notify_one();
            }
        }
        match done {
            // An answer, if not the one that was hoped for: the connection is of use.
            Err(error @ StoreError::Reply { .. }) => Err(error),
            Err(error) => Err(self.drop_link(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Sets `maxmemory` when asked to. A server that does not allow it keeps its own.
    pub(super) fn limit_memory(&self, link: &mut Link) -> Result<(), StoreError> {
        let memory = &self.settings.memory;
        let Some(limit) = memory.limit_bytes else { return Ok(()) };
        let limit = limit.to_string();
        let set = [("maxmemory", limit.as_str()), ("maxmemory-policy", memory.policy.as_str())];
        for (name, value) in set {
            match link.ask("CONFIG", &[b"SET", name.as_bytes(), value.as_bytes()]) {
                Err(error @ StoreError::Reply { .. }) => {
                    let error = error.to_string();
                    tracing::warn!(error, "cannot set '{name}'; set it where Redis is managed");
                }
                other => {
                    other?;
                }
            }
        }
        Ok(())
    }

    /// Follows the worker's live clock.
    pub(super) fn follow(&mut self, over: bool) {
        if self.gate.is_held() {
            return;
        }
        let (clock, cell) = (self.clock, &self.cell);
        self.pulse.look(
            over,
            || clock.now_us(),
            || {
                let shard = cell.lock();
                // While rows are written again, none of them may be called written.
                if shard.dirt.reassert.is_some() { Some(0) } else { shard.dirt.oldest() }
            },
        );
    }

    /// Puts a heartbeat behind what the round trip holds.
    pub(super) fn beat(&mut self, stopped: bool) {
        let shard = self.cell.lock();
        let (pending, mut rewriting) = (shard.dirt.len(), shard.dirt.reassert.is_some());
        drop(shard);
        rewriting |= self.upkeep.as_mut().is_some_and(|upkeep| upkeep.is_undone(&self.gate));
        let telling = Telling { held: self.gate.is_held(), rewriting, stopped, pending };
        let (pulse, now) = (&mut self.pulse, self.clock.now_us());
        self.flush.beat(|buffer| pulse.append(telling, now, buffer));
    }

    /// Redis lost what this flusher had written.
    pub(super) fn lost(&mut self) {
        tracing::warn!(
            key = self.pulse.key(),
            "Redis lost the heartbeat: it was flushed or evicts; all rows are written again"
        );
        self.cell.lock().dirt.lost();
        if let Some(upkeep) = &mut self.upkeep {
            upkeep.claim_at = 0;
            upkeep.evictions.rewritten();
            self.record.numbers().evicted = 0;
        }
    }

    /// The last heartbeat: the run has ended in order. Not worth waiting for.
    pub(super) fn farewell(&mut self) {
        let left = self.gate.deadline().saturating_sub(self.clock.now_us());
        let left = Duration::from_micros(left).min(self.settings.response_timeout);
        let Some(link) = self.link.as_ref().filter(|_| !left.is_zero()) else { return };
        let unwanted = !self.gate.is_granted() || self.pulse.due().is_none();
        if unwanted || link.wait_at_most(left).is_err() || !self.watch().unwrap_or(false) {
            return;
        }
        self.follow(true);
        self.full = false;
        self.begin();
        self.beat(true);
        if let Err(error) = self.write() {
            tracing::debug!(%error, "the last heartbeat was not written");
        }
    }
}

impl Upkeep {
    fn claim(
        &mut self,
        link: &mut Link,
        gate: &Gate,
        heartbeats: &str,
        now: u64,
        probe_interval: u64,
    ) -> Result<(), StoreError> {
        self.claim_at = now + probe_interval;
        if let Some(own) = &self.project {
            if let Some(other) = projects::entangled(link, own)? {
                gate.refuse(Refusal { why: projects::refusal(own, &other), taken_over: false });
                return Ok(());
            }
            self.project = None;
        }
        match self.claim.look(link, now)? {
            Standing::Wait(until) => self.claim_at = until,
            Standing::Refused(why) => gate.refuse(Refusal { why, taken_over: false }),
            Standing::TakenOver(why) => gate.refuse(Refusal { why, taken_over: true }),
            Standing::Regained => {
                tracing::warn!(
                    "the generation of this job was gone from Redis, or an earlier run's: all rows \
                     are written again"
                );
                for cell in &*self.cells {
                    cell.lock().dirt.lost();
                }
                self.grant(gate, gate.inherited());
            }
            Standing::Granted if gate.is_granted() => {}
            Standing::Granted => {
                let left = claim::inherit(link, heartbeats, self.workers, self.definition)?;
                self.compare(link, left)?;
                self.grant(gate, left);
            }
            Standing::Unknown if gate.is_granted() => {}
            Standing::Unknown => {
                tracing::warn!(
                    "Redis does not show who else writes to it: a second job with the same views \
                     is not noticed, keys of earlier runs are left to their TTL, and a run that was \
                     taken over from may still write; allow the user the keys 'tidemark:*' and the \
                     commands get, set, watch, multi and exec"
                );
                self.no_sweep = true;
                gate.open();
                self.compare(link, Shown::default())?;
                self.grant(gate, Shown::default());
            }
        }
        Ok(())
    }

    /// Compares what Redis shows with what rows that are not written again are taken to show.
    fn compare(&mut self, link: &mut Link, left: Shown) -> Result<(), StoreError> {
        let Some(kept) = self.kept.take() else { return Ok(()) };
        // An evicted key reads as zeros, and nobody knows which those are.
        let evicted = match link.evicted() {
            Err(StoreError::Reply { .. }) => None,
            other => other?,
        };
        let whole = left.clock >= kept.clock && left.frontier >= kept.frontier;
        if !whole || evicted.is_none_or(|keys| keys > 0) {
            tracing::info!("Redis may lack rows of the run before: all rows are written again");
            self.cells.iter().for_each(|cell| cell.lock().dirt.lost());
        }
        Ok(())
    }

    fn grant(&self, gate: &Gate, inherited: Shown) {
        gate.grant(inherited);
        for cell in &*self.cells {
            // Whoever is about to sleep holds the lock: after this it sleeps, or has seen the gate.
            drop(cell.lock());
            cell.wake.notify_all();
        }
    }
}
