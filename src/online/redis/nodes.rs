//! The servers of a cluster: a connection to each, and which of them a command goes to.
//!
//! What goes out together is shared out by slot, one pipeline a server, and its replies are put back in
//! order. A server that says `MOVED` or `ASK` is followed at once when there is a connection to the one
//! it names. What reaches no server has an error of ours in the place of its reply, so that one server
//! that is down holds up nothing on the others.
//!
//! Bound: one connection to each server that has slots or was named by another one.

mod exchange;

use crate::online::redis::breaker::Breaker;
use crate::online::redis::link::{self, Link, Server};
use crate::online::redis::schedule::micros;
use crate::online::redis::servers::{RedisServers, ServerAddress};
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::slots::{SlotMap, slot_of};
use crate::online::{MemoryStatus, StoreError};
use redis::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The code of the error that stands for a reply that did not come.
pub(crate) const UNREACHED: &str = "UNREACHED";

/// A server.
pub(crate) struct Node {
    pub(crate) address: ServerAddress,
    /// The first of its slots; `None`: it has none.
    pub(crate) first_slot: Option<u16>,
    pub(crate) link: Option<Link>,
    /// What it said of itself at the last connection.
    pub(crate) server: Option<Server>,
    /// What it called the last connection, where it says so.
    pub(crate) client_id: Option<i64>,
    /// Nobody of before writes there any more.
    pub(crate) cleared: bool,
    pub(crate) breaker: Breaker,
    /// Why the last attempt failed.
    pub(crate) error: Option<String>,
    /// Its memory, as last asked.
    pub(crate) memory: Option<MemoryStatus>,
}

/// A command among those that go out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Routed {
    /// Where its bytes end.
    pub(crate) end: usize,
    /// The slot of its key.
    pub(crate) slot: u16,
    /// It is of one transaction with the one before.
    pub(crate) joined: bool,
}

/// The servers.
pub(crate) struct Nodes {
    settings: Arc<RedisSettings>,
    map: SlotMap,
    pub(crate) all: Vec<Node>,
    /// A server has said that the map is an old one.
    stale: bool,
    /// Which server is asked for the map first.
    turn: usize,
}

impl Node {
    fn new(address: ServerAddress, settings: &RedisSettings) -> Node {
        let (first, max) = (micros(settings.backoff_first), micros(settings.backoff_max));
        Node {
            address,
            first_slot: None,
            link: None,
            server: None,
            client_id: None,
            cleared: false,
            breaker: Breaker::new(first, max, settings.breaker_after),
            error: None,
            memory: None,
        }
    }

    /// An attempt failed at `now`; the connection is of no more use.
    pub(crate) fn fail(&mut self, error: &StoreError, now: u64) {
        (self.link, self.cleared) = (None, false);
        self.refuse(error.to_string(), now);
    }

    /// It answered, with an error.
    pub(crate) fn refuse(&mut self, why: String, now: u64) {
        self.error = Some(why);
        self.breaker.failure(now, now);
    }

    /// Whether commands may be sent to it.
    pub(crate) fn is_ready(&self) -> bool {
        self.link.is_some() && self.cleared
    }
}

impl Nodes {
    /// None is connected to yet.
    pub(crate) fn new(settings: Arc<RedisSettings>) -> Nodes {
        Nodes { settings, map: SlotMap::default(), all: Vec::new(), stale: true, turn: 0 }
    }

    /// Which server has what, as far as is known.
    pub(crate) fn map(&self) -> &SlotMap {
        &self.map
    }

    /// When something is to be tried again.
    pub(crate) fn next_attempt(&self) -> Option<u64> {
        let waits = |node: &&Node| node.link.is_none() || node.error.is_some();
        let waits = self.all.iter().filter(waits).map(|node| node.breaker.ready_at());
        let now = self.stale && self.all.iter().all(|node| node.link.is_some());
        let now = (now || self.all.is_empty()).then_some(0);
        now.into_iter().chain(waits).min()
    }

    /// Whether the map is to be asked for.
    pub(crate) fn is_stale(&self) -> bool {
        self.stale
    }

    /// The map is to be asked for again.
    pub(crate) fn doubt(&mut self) {
        self.stale = true;
    }

    /// The server that has a slot.
    pub(crate) fn owner(&self, slot: u16) -> Option<usize> {
        let address = self.map.owner(slot)?;
        self.all.iter().position(|node| node.address == *address)
    }

    /// Servers that have slots.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &Node> {
        self.all.iter().filter(|node| node.first_slot.is_some())
    }

    /// Asks for the map; whether slots were taken over meanwhile from servers that have none any more.
    pub(crate) fn refresh(&mut self) -> Result<bool, StoreError> {
        let map = self.ask_for_map()?;
        if map.owners().is_empty() {
            return Err(StoreError::NoCluster { reason: "no server has any slot yet".to_owned() });
        }
        let taken_over = self.map.was_taken_over(&map);
        let mut kept = std::mem::take(&mut self.all);
        let owners = map.owners();
        for (address, first) in owners {
            let known = kept.iter().position(|node| node.address == *address);
            let node = known.map(|at| kept.swap_remove(at));
            let mut node = node.unwrap_or_else(|| Node::new(address.clone(), &self.settings));
            node.first_slot = Some(first);
            self.all.push(node);
        }
        (self.map, self.stale) = (map, false);
        Ok(taken_over)
    }

    /// The first answer of those that are connected to, and then of those that the settings name.
    fn ask_for_map(&mut self) -> Result<SlotMap, StoreError> {
        let seeds = match &self.settings.servers {
            RedisServers::Cluster(seeds) => seeds.clone(),
            RedisServers::Single(address) => return Ok(SlotMap::of_one(address.clone())),
            RedisServers::Sentinel(_) => {
                let address = Link::open(&self.settings)?.at_address().clone();
                return Ok(SlotMap::of_one(address));
            }
        };
        self.turn = self.turn.wrapping_add(1);
        let (count, turn) = (self.all.len().max(1), self.turn);
        for at in 0..self.all.len() {
            let Some(node) = self.all.get_mut(at.wrapping_add(turn) % count) else { continue };
            let Some(link) = &mut node.link else { continue };
            match link.ask("CLUSTER", &[b"SLOTS"]) {
                Ok(reply) => {
                    if let Some(map) = SlotMap::read(&reply, &node.address) {
                        return Ok(map);
                    }
                }
                Err(StoreError::Reply { .. }) => {}
                // It is found out again, and waited for, where rows go.
                Err(_) => (node.link, node.cleared) = (None, false),
            }
        }
        let mut failed = None;
        for at in 0..seeds.len() {
            let Some(seed) = seeds.get(at.wrapping_add(turn) % seeds.len()) else { continue };
            let asked = Link::at(&self.settings, seed);
            let asked = asked.and_then(|mut link| link.ask("CLUSTER", &[b"SLOTS"]));
            match asked.map(|reply| SlotMap::read(&reply, seed)) {
                Ok(Some(map)) => return Ok(map),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
        }
        let reason = failed.map_or_else(String::new, |error| error.to_string());
        Err(StoreError::NoCluster { reason })
    }

    /// Connects to every server that has slots, for who only reads; the error is of the first that
    /// cannot be reached.
    pub(crate) fn connect(&mut self) -> Result<(), StoreError> {
        if self.stale {
            self.refresh()?;
        }
        for node in &mut self.all {
            if node.link.is_none() {
                node.link = Some(Link::at(&self.settings, &node.address)?);
                node.cleared = true;
            }
        }
        Ok(())
    }

    /// Connects to the server that has a key.
    pub(crate) fn connect_for(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.refresh()?;
        let owner = self.owner(slot_of(key));
        if let Some(node) = owner.and_then(|at| self.all.get_mut(at)) {
            (node.link, node.cleared) = (Some(Link::at(&self.settings, &node.address)?), true);
        }
        Ok(())
    }

    /// The same as far as it goes at `now`: one that cannot be reached is left alone for a while.
    pub(crate) fn connect_some(&mut self, now: u64) -> Result<(), StoreError> {
        if self.stale {
            self.refresh()?;
        }
        for node in &mut self.all {
            if node.link.is_none() && node.breaker.ready_at() <= now {
                node.breaker.attempt();
                match Link::at(&self.settings, &node.address) {
                    Ok(link) => {
                        node.breaker.success();
                        (node.link, node.cleared) = (Some(link), true);
                    }
                    Err(error) => node.fail(&error, now),
                }
            }
        }
        Ok(())
    }

    /// The connections that there are.
    pub(crate) fn links(&mut self) -> impl Iterator<Item = &mut Link> {
        self.all.iter_mut().filter_map(|node| node.link.as_mut())
    }

    /// Asks one thing of the server that has the key.
    pub(crate) fn ask(
        &mut self,
        command: &'static str,
        key: &[u8],
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let mut packed = redis::cmd(command);
        packed.arg(key);
        arguments.iter().for_each(|argument| {
            packed.arg(*argument);
        });
        let bytes = packed.get_packed_command();
        let slot = slot_of(key);
        let routed = [Routed { end: bytes.len(), slot, joined: false }];
        let mut replies = Vec::with_capacity(1);
        self.exchange(&bytes, &routed, 0, &mut replies);
        match replies.pop() {
            Some(Value::ServerError(error)) => {
                let (address, reason) = (self.settings.address(), link::reason(&error));
                Err(match error.code() {
                    "NOAUTH" | "WRONGPASS" => StoreError::Credentials { address, reason },
                    UNREACHED => {
                        let reason = error.details().unwrap_or_default().to_owned();
                        StoreError::Lost { address, reason }
                    }
                    _ => StoreError::Reply { address, command, reason },
                })
            }
            reply => Ok(reply.unwrap_or_default()),
        }
    }

    /// Indices of servers by whose slots the commands lie.
    pub(crate) fn of_slots(&self, slots: impl Iterator<Item = u16>) -> BTreeSet<usize> {
        slots.filter_map(|slot| self.owner(slot)).collect()
    }
}
