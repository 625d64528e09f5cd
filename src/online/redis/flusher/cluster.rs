//! A flusher's connections to the servers of a cluster.
//!
//! Each is opened, given up and tried again by itself, and rows for one that is not there are put aside
//! until it is: they hold up the others no longer than a server that does not answer is waited for. The claims stand on one server, on whose connection of
//! their own they are looked at.
//!
//! # Why this way
//! - Slots that go from a server to another one take their keys along: nothing is lost. When a server has
//!   none any more, another one has taken over, without what was acknowledged last: all rows are written
//!   again.
//! - The heartbeat is written to every server, under a key of the first of its slots, so that each tells
//!   of itself what a single one would: how current it is, and by the reply that it was flushed.

use super::Flusher;
use super::connection::{end_connection, limit_memory};
use super::replies::names_full;
use super::upkeep::Upkeep;
use crate::online::StoreError;
use crate::online::redis::fence::{Entered, Fence};
use crate::online::redis::gate::Inherited;
use crate::online::redis::link::Link;
use crate::online::redis::nodes::{Node, Nodes, UNREACHED};
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::slots::slot_of;
use crate::online::redis::{claim, clear, projects};
use crate::online::status::{BreakerState, NodeStatus};
use std::collections::BTreeMap;
use std::time::Duration;

impl Flusher {
    /// Learns which server has what, connects to those that are not connected to, and puts back what
    /// waited for one that may be there again.
    pub(super) fn mend(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now_us();
        let Some(nodes) = &mut self.nodes else { return Ok(()) };
        let (mut lost, mut progress, mut failed) = (false, false, false);
        if nodes.is_stale() {
            let before = nodes.map().clone();
            lost = nodes.refresh()?;
            if before != *nodes.map() {
                progress = true;
                self.upkeep.iter_mut().for_each(Upkeep::slots_moved);
            }
        }
        for node in &mut nodes.all {
            if node.breaker.ready_at() > now {
                continue;
            }
            if node.link.is_some() {
                // What it refused may be tried again.
                progress |= node.error.take().is_some();
                continue;
            }
            node.breaker.attempt();
            match open(node, &self.settings, self.fence.as_deref(), self.upkeep.is_some()) {
                Ok((link, changed)) => {
                    (node.link, node.error) = (Some(link), None);
                    node.cleared = self.fence.is_none() || self.gate.is_open();
                    (lost, progress) = (lost | changed, true);
                }
                Err(error) => {
                    node.fail(&error, now);
                    failed = true;
                }
            }
        }
        if failed {
            // Another one may have its slots by the time of the next attempt.
            nodes.doubt();
        }
        self.connect_home(now);
        if lost {
            tracing::info!("a server of the cluster was replaced: all rows are written again");
            self.write_all_again();
        }
        if progress {
            self.cell.lock().release_parked();
        }
        self.tell_nodes();
        Ok(())
    }

    /// Sees to the connection to the server that has the claims.
    fn connect_home(&mut self, now: u64) {
        let Some(nodes) = &mut self.nodes else { return };
        if self.upkeep.is_none() && self.fence.is_none() {
            return;
        }
        // What is no row lies in one slot.
        let home = nodes.owner(slot_of(self.settings.bookkeeping().as_bytes()));
        if let Some(upkeep) = &mut self.upkeep {
            upkeep.claim.first_slot = home.and_then(|at| nodes.all.get(at)?.first_slot);
        }
        open_home(&mut self.link, home, nodes, &self.settings, now);
    }

    /// Sees to it that those of before write no more on servers that were connected to meanwhile; false:
    /// this run is not the one that is entered, and whether it may be is looked at.
    pub(super) fn clear_nodes(&mut self) -> Result<bool, StoreError> {
        let fence = self.fence();
        let Some(nodes) = &mut self.nodes else { return Ok(true) };
        let waits = |node: &&mut Node| node.link.is_some() && !node.cleared;
        let Some(fence) = fence else {
            nodes.all.iter_mut().filter(waits).for_each(|node| node.cleared = true);
            return Ok(true);
        };
        if !nodes.all.iter_mut().any(|node| waits(&node)) {
            return Ok(true);
        }
        let Some(home) = &mut self.link else { return Ok(true) };
        let entered = match home.ask("GET", &[fence.key().as_bytes()]) {
            Ok(entered) => entered,
            Err(error) => {
                nodes.doubt();
                return Err(self.drop_link(error));
            }
        };
        if fence.judge(&entered, true) != Entered::Own {
            self.gate.doubt();
            return Ok(false);
        }
        let now = self.clock.now_us();
        for node in nodes.all.iter_mut().filter(waits) {
            let Some(link) = &mut node.link else { continue };
            match clear::end_others(link, &fence) {
                Ok(()) => node.cleared = true,
                Err(StoreError::Reply { reason, .. }) => {
                    tracing::warn!(
                        reason,
                        "Redis does not let this job end the connections of its earlier runs: one \
                         that stood still may write old rows once; allow its user +client|list and \
                         +client|kill"
                    );
                    node.cleared = true;
                }
                Err(error) => node.fail(&error, now),
            }
        }
        self.cell.lock().release_parked();
        Ok(true)
    }

    /// Asks each server for its memory, and all of them, before the next round trip, what they have.
    pub(super) fn probe_nodes(&mut self) {
        let now = self.clock.now_us();
        let Some(nodes) = &mut self.nodes else { return };
        nodes.doubt();
        let Some(upkeep) = &mut self.upkeep else { return };
        let mut worst = None;
        for node in &mut nodes.all {
            let Some(link) = &mut node.link else { continue };
            match upkeep.ask(link, &self.record, &self.settings) {
                Ok(memory) => {
                    node.memory = memory;
                    let both = [worst, memory].into_iter().flatten();
                    worst = both.max_by_key(|memory| (memory.alert, memory.used));
                }
                Err(StoreError::Reply { .. }) => {}
                Err(error) => node.fail(&error, now),
            }
        }
        self.record.numbers().memory = worst;
    }

    /// The round trip to all servers, and its end.
    pub(super) fn write_to_nodes(&mut self) -> Result<(), StoreError> {
        let Some(nodes) = &mut self.nodes else { return Ok(()) };
        let (now, routed) = (self.clock.now_us(), self.flush.routed());
        nodes.exchange(&self.flush.buffer, &routed, now, &mut self.replies);
        let judged = self.judge();
        self.settle();
        judged
    }

    /// What the replies of a round trip say of the servers; `refused`: slots, and what was said of them.
    pub(super) fn judge_nodes(&mut self, refused: Vec<(u16, String)>) {
        let now = self.clock.now_us();
        let Some(nodes) = &mut self.nodes else { return };
        let sent = nodes.of_slots(self.flush.expected.iter().map(|expected| expected.slot));
        let mut failed: BTreeMap<usize, String> = BTreeMap::new();
        for (slot, reason) in refused {
            if let Some(at) = nodes.owner(slot) {
                failed.entry(at).or_insert(reason);
            }
        }
        for at in sent {
            let Some(node) = nodes.all.get_mut(at) else { continue };
            match failed.remove(&at) {
                // Its error stays for `mend`, which comes next: there what it refused is taken up again.
                None => {
                    node.breaker.success();
                }
                // It was not sent, or the connection has failed with it.
                Some(reason) if reason.starts_with(UNREACHED) && !node.is_ready() => {}
                Some(reason) => {
                    // The server that had the slot has it no more, or is a replica now.
                    let moved = ["MOVED", "READONLY", "CLUSTERDOWN"];
                    let moved = moved.iter().any(|code| reason.starts_with(code));
                    node.refuse(reason, now);
                    if moved {
                        nodes.doubt();
                    }
                }
            }
        }
        self.tell_nodes();
    }

    /// Notes how the servers are, for whoever asks.
    pub(super) fn tell_nodes(&mut self) {
        let Some(nodes) = &self.nodes else { return };
        let told = nodes.owners().map(|node| NodeStatus {
            address: node.address.to_string(),
            connected: node.link.is_some(),
            breaker: node.breaker.state(),
            memory: node.memory,
            evicted: self.upkeep.as_ref().map_or(0, |upkeep| upkeep.evicted_by(&node.address)),
            last_error: node.error.clone().map(|text| self.settings.redact(text)),
        });
        let told: Vec<NodeStatus> = told.collect();
        let mut numbers = self.record.numbers();
        let failing = told.iter().filter_map(|node| {
            let why = node.last_error.as_ref()?;
            Some(format!("Redis at '{}' takes no rows: {why}", node.address))
        });
        let failing: Vec<String> = failing.collect();
        let error = (!failing.is_empty()).then(|| failing.join("; "));
        let reasons = told.iter().filter_map(|node| node.last_error.as_deref());
        let full = reasons.into_iter().any(names_full);
        numbers.connected = !told.is_empty() && told.iter().all(|node| node.connected);
        numbers.retries += u64::from(error.is_some() && error != numbers.last_error);
        if error.is_some() && error != numbers.last_error {
            tracing::warn!(error, "rows for a server of the cluster are kept");
        }
        (numbers.last_error, numbers.full) = (error, full);
        let worst = told.iter().map(|node| node.breaker).max();
        numbers.breaker = worst.unwrap_or(BreakerState::Closed);
        numbers.nodes = told;
    }

    /// Waits no longer than this for replies; whether there is anybody to wait for.
    pub(super) fn wait_at_most(&mut self, within: Duration) -> bool {
        let nodes = self.nodes.iter_mut().flat_map(Nodes::links);
        let links = self.link.iter_mut().chain(nodes);
        links.map(|link| link.wait_at_most(within)).fold(false, |any, set| any | set.is_ok())
    }
}

/// Opens a connection to a server that has slots; whether it is another one than before.
fn open(
    node: &mut Node,
    settings: &RedisSettings,
    fence: Option<&Fence>,
    limits_memory: bool,
) -> Result<(Link, bool), StoreError> {
    let mut link = Link::at(settings, &node.address)?;
    let server = link.server()?;
    if server.replica {
        return Err(StoreError::Replica { address: node.address.to_string() });
    }
    if node.server.as_ref().is_some_and(|known| known.is_same_start(&server)) {
        end_connection(&mut link, node.client_id)?;
    }
    let client_id = link.client_id()?;
    if let Some(fence) = fence {
        clear::name(&mut link, fence)?;
    }
    if limits_memory {
        limit_memory(settings, &mut link)?;
    }
    node.client_id = client_id;
    let known = node.server.replace(server.clone());
    Ok((link, known.is_some_and(|known| server.may_lack_writes_since(&known))))
}

/// Opens the connection to the server of the claims, where that one is reached at all.
fn open_home(
    held: &mut Option<Link>,
    home: Option<usize>,
    nodes: &mut Nodes,
    settings: &RedisSettings,
    now: u64,
) {
    let node = home.and_then(|at| nodes.all.get_mut(at)).filter(|node| node.link.is_some());
    let Some(node) = node else {
        *held = None;
        return;
    };
    if held.as_ref().is_some_and(|link| *link.at_address() == node.address) {
        return;
    }
    *held = match Link::at(settings, &node.address) {
        Ok(link) => Some(link),
        Err(error) => {
            node.fail(&error, now);
            None
        }
    };
}

impl Upkeep {
    /// Looks for keys of earlier runs on the server that is next.
    pub(super) fn sweep_node(
        &mut self,
        nodes: &mut Nodes,
        now: u64,
        complete: &dyn Fn(usize) -> bool,
    ) -> Result<(), StoreError> {
        let places = nodes.owners().count();
        let owners = nodes.all.iter_mut().filter(|node| node.first_slot.is_some());
        let Some(node) = owners.into_iter().nth(self.sweep.place()) else {
            self.sweep.wait(now);
            return Ok(());
        };
        let Some(link) = &mut node.link else {
            self.sweep.wait(now);
            return Ok(());
        };
        if let Err(error) = self.sweep.step((link, places), &self.cells, now, complete) {
            node.fail(&error, now);
        }
        Ok(())
    }

    /// A project of Feast that is entangled with `own`, on any server.
    pub(super) fn entangled(
        link: &mut Link,
        nodes: Option<&mut Nodes>,
        own: &str,
    ) -> Result<Option<String>, StoreError> {
        let Some(nodes) = nodes else { return projects::entangled(link, own) };
        for link in nodes.links() {
            if let Some(other) = projects::entangled(link, own)? {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }

    /// What the rows are worth that the run before has left, and how many keys were evicted since, where that is known.
    pub(super) fn inherit(
        &mut self,
        link: &mut Link,
        nodes: Option<&mut Nodes>,
        job: &str,
    ) -> Result<(Inherited, Option<u64>), StoreError> {
        let (workers, definition) = (self.workers, self.definition);
        let Some(nodes) = nodes else {
            let key = self.settings.beats_key(job, None);
            let left = claim::inherit(link, &key, workers, definition)?;
            return Ok((left, evicted(link)?));
        };
        let (mut least, mut keys) = (None::<Inherited>, Some(0));
        for node in &mut nodes.all {
            let key = self.settings.beats_key(job, node.first_slot);
            let Some(link) = &mut node.link else { return Ok((Inherited::default(), None)) };
            if let Some(fence) = &self.fence {
                // What it does not allow was told of where rows are written.
                match clear::end_others(link, fence) {
                    Ok(()) | Err(StoreError::Reply { .. }) => {}
                    Err(_) => return Ok((Inherited::default(), None)),
                }
            }
            let left = claim::inherit(link, &key, workers, definition)?;
            least = Some(match least {
                Some(least) => least.and(&left),
                None => left,
            });
            keys = keys.zip(evicted(link)?).map(|(sum, more)| sum + more);
        }
        Ok((least.unwrap_or_default(), keys))
    }
}

/// Keys that a server has evicted, where it says so.
fn evicted(link: &mut Link) -> Result<Option<u64>, StoreError> {
    match link.evicted() {
        Err(StoreError::Reply { .. }) => Ok(None),
        other => other,
    }
}
