//! What goes over a flusher's connection besides rows: heartbeats, and what the first flusher does
//! for the whole store: the claim to its views, Redis's memory, keys of earlier runs.

use crate::online::redis::claim::{Claim, Standing};
use crate::online::redis::evictions::Evictions;
use crate::online::redis::fence::Fence;
use crate::online::redis::flusher::{Flusher, Shared};
use crate::online::redis::gate::{Gate, Inherited, Refusal};
use crate::online::redis::link::Link;
use crate::online::redis::nodes::Nodes;
use crate::online::redis::projects;
use crate::online::redis::pulse::Telling;
use crate::online::redis::record::Record;
use crate::online::redis::schedule::micros;
use crate::online::redis::servers::ServerAddress;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::sweep::Sweep;
use crate::online::table::Cell;
use crate::online::{MemoryStatus, StoreError};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::online::Shown;

/// How soon the server of the claims is looked for again, in us.
const HOMELESS: u64 = 100_000;

/// The first flusher's tasks.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub(super) claim: Claim,
    /// When the claim is looked at next, in us.
    claim_at: u64,
    /// Until then the server of the claims is not to be had, in us.
    homeless_until: u64,
    pub(super) sweep: Sweep,
    /// Moves of flushers to another server that the sweep knows of.
    moves: u64,
    /// Who else writes is not known: nothing is removed that we have not written.
    no_sweep: bool,
    /// By server.
    evictions: BTreeMap<ServerAddress, Evictions>,
    /// There is room again for what was evicted.
    room: bool,
    pub(super) cells: Arc<[Arc<Cell>]>,
    pub(super) settings: Arc<RedisSettings>,
    pub(super) fence: Option<Arc<Fence>>,
    /// Workers in all processes.
    pub(super) workers: usize,
    /// What rows are made by, where runs are numbered.
    pub(super) definition: Option<u64>,
    /// What rows that are not written again are taken to show in Redis.
    kept: Option<Shown>,
    /// The project, in Feast's layout, until it is known to be entangled with none.
    project: Option<String>,
}

impl Upkeep {
    pub(super) fn new(shared: &Shared) -> Self {
        let settings = &shared.settings;
        Upkeep {
            claim: Claim::new(&shared.schema, settings, shared.fence.clone()),
            claim_at: 0,
            homeless_until: 0,
            sweep: Sweep::new(
                (&shared.schema, shared.shape),
                &settings.placing(),
                settings.sweep_rate,
            ),
            moves: 0,
            no_sweep: false,
            evictions: BTreeMap::new(),
            room: false,
            cells: Arc::clone(&shared.cells),
            settings: Arc::clone(settings),
            fence: shared.fence.clone(),
            workers: shared.shape.peers(),
            definition: shared.definition,
            kept: shared.kept,
            project: settings.project_in(&shared.schema.job),
        }
    }

    /// When something is to be done next, in us.
    pub(super) fn due(&self, gate: &Gate) -> Option<u64> {
        let claim_at = if gate.is_doubted() { 0 } else { self.claim_at };
        let claim = (!gate.is_refused()).then_some(claim_at.max(self.homeless_until));
        let sweep = || self.sweep.due(&|view| gate.is_complete(view));
        let sweep = if gate.may_write() && !self.no_sweep { sweep() } else { None };
        claim.into_iter().chain(sweep).min()
    }

    pub(super) fn another_server(&mut self) {
        self.claim_at = 0;
        self.forget_evictions();
    }

    /// Keys lie on other servers than before.
    pub(super) fn slots_moved(&mut self) {
        self.sweep.begin_again();
    }

    /// Keys that a server evicted and that were not written again since.
    pub(super) fn evicted_by(&self, address: &ServerAddress) -> u64 {
        self.evictions.get(address).map_or(0, Evictions::missing)
    }

    /// All rows are being written again.
    fn forget_evictions(&mut self) {
        self.evictions.values_mut().for_each(Evictions::rewritten);
    }

    /// Whether Redis may hold keys again that were removed: they read as rows until they are found.
    fn is_undone(&mut self, gate: &Gate) -> bool {
        let complete = |view| gate.is_complete(view);
        !self.no_sweep && self.sweep.is_undone(&self.cells, &complete)
    }

    /// Asks a server for its memory, and for how many keys it evicted.
    pub(super) fn ask(
        &mut self,
        link: &mut Link,
        record: &Record,
        settings: &RedisSettings,
    ) -> Result<Option<MemoryStatus>, StoreError> {
        let Some((used, max)) = link.memory()? else { return Ok(None) };
        let evicted = link.evicted()?;
        let looked = self.evictions.entry(link.at_address().clone()).or_default();
        self.room |= evicted.is_some_and(|evicted| looked.look(evicted, max));
        let memory = MemoryStatus::of(used, max, settings.memory.alert_threshold);
        record.numbers().evicted = self.evictions.values().map(Evictions::missing).sum();
        Ok(Some(memory))
    }
}

impl Flusher {
    /// Does what is due for the whole store, when this is the flusher that does it.
    pub(super) fn keep_up(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now_us();
        let Flusher { upkeep: Some(upkeep), link, gate, nodes, .. } = self else {
            return Ok(());
        };
        let moves = gate.moves();
        if std::mem::replace(&mut upkeep.moves, moves) != moves {
            upkeep.sweep.restart();
        }
        let Some(link) = link else {
            upkeep.homeless_until = now + HOMELESS;
            return Ok(());
        };
        let mut done = Ok(());
        if (upkeep.claim_at <= now || gate.is_doubted()) && !gate.is_refused() {
            let probe = micros(self.settings.probe_interval);
            gate.look();
            // The claim watches keys of its own, and for its own transaction.
            self.watching = false;
            done = upkeep.claim((link, nodes.as_mut()), gate, &self.job, now, probe);
        }
        let complete = |view| gate.is_complete(view);
        let sweep = upkeep.sweep.due(&complete).is_some_and(|due| due <= now);
        if done.is_ok() && sweep && gate.may_write() && !upkeep.no_sweep {
            done = match nodes {
                None => upkeep.sweep.step((link, 1), &upkeep.cells, now, &complete),
                Some(nodes) => upkeep.sweep_node(nodes, now, &complete),
            };
            self.record.numbers().sweeping = upkeep.sweep.is_running();
        }
        if std::mem::take(&mut upkeep.room) {
            tracing::info!("Redis has room again for what it evicted: all rows are written again");
            upkeep.forget_evictions();
            self.record.numbers().evicted = 0;
            for cell in &*upkeep.cells {
                cell.lock().dirt.lost();
                cell.wake.notify_one();
            }
        }
        if let (Err(_), Some(nodes)) = (&done, nodes) {
            // The claims may be on another server by now.
            nodes.doubt();
        }
        match done {
            // An answer, if not the one that was hoped for: the connection is of use.
            Err(error @ StoreError::Reply { .. }) => Err(error),
            Err(error) => Err(self.drop_link(error)),
            Ok(()) => Ok(()),
        }
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
        let (held, incomplete) = (self.gate.is_held(), &self.gate.incomplete());
        let telling = Telling { held, rewriting, stopped, pending, incomplete };
        let (pulse, now) = (&mut self.pulse, self.clock.now_us());
        let slots = match &self.nodes {
            Some(nodes) => nodes.owners().map(|node| node.first_slot).collect(),
            None => vec![None],
        };
        for first_slot in slots {
            let key = self.settings.beats_key(&self.job, first_slot);
            self.flush.beat(key, |key, buffer| pulse.append(telling, now, key, buffer));
        }
    }

    /// Redis lost what this flusher had written.
    pub(super) fn lost(&mut self) {
        tracing::warn!(
            "Redis lost the heartbeat: it was flushed or evicts; all rows are written again"
        );
        self.cell.lock().dirt.lost();
        if let Some(upkeep) = &mut self.upkeep {
            upkeep.claim_at = 0;
            upkeep.forget_evictions();
            self.record.numbers().evicted = 0;
        }
    }

    /// The last heartbeat: the run has ended in order. Not worth waiting for.
    pub(super) fn farewell(&mut self) {
        let left = self.gate.deadline().saturating_sub(self.clock.now_us());
        let left = Duration::from_micros(left).min(self.settings.response_timeout);
        let unwanted = !self.gate.is_granted() || self.pulse.due().is_none();
        if left.is_zero() || unwanted || !self.wait_at_most(left) || !self.watch().unwrap_or(false)
        {
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
        (link, mut nodes): (&mut Link, Option<&mut Nodes>),
        gate: &Gate,
        job: &str,
        now: u64,
        probe_interval: u64,
    ) -> Result<(), StoreError> {
        self.claim_at = now + probe_interval;
        if let Some(own) = &self.project {
            if let Some(other) = Upkeep::entangled(link, nodes.as_deref_mut(), own)? {
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
                let (left, evicted) = self.inherit(link, nodes, job)?;
                self.compare(left.shown, evicted);
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
                self.compare(Shown::default(), None);
                self.grant(gate, Inherited::default());
            }
        }
        Ok(())
    }

    /// Compares what Redis shows with what rows that are not written again are taken to show.
    /// `evicted`: how many keys Redis has evicted, where it says so.
    fn compare(&mut self, left: Shown, evicted: Option<u64>) {
        let Some(kept) = self.kept.take() else { return };
        // An evicted key reads as zeros, and nobody knows which those are.
        let whole = left.clock >= kept.clock && left.frontier >= kept.frontier;
        if !whole || evicted.is_none_or(|keys| keys > 0) {
            tracing::info!("Redis may lack rows of the run before: all rows are written again");
            self.cells.iter().for_each(|cell| cell.lock().dirt.lost());
        }
    }

    fn grant(&self, gate: &Gate, inherited: Inherited) {
        gate.grant(inherited);
        for cell in &*self.cells {
            // Whoever is about to sleep holds the lock: after this it sleeps, or has seen the gate.
            drop(cell.lock());
            cell.wake.notify_all();
        }
    }
}
