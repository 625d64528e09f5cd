//! Sending commands to the servers of their slots, and putting their replies in order.

use super::{Node, Nodes, Routed, UNREACHED};
use crate::online::StoreError;
use crate::online::redis::servers::ServerAddress;
use redis::Value;
use std::ops::Range;

/// How often a command is sent on, at most.
const REDIRECTS_MAX: usize = 4;

/// Commands that go to one server, one behind the other.
#[derive(Clone, Debug)]
struct Unit {
    commands: Range<usize>,
    bytes: Range<usize>,
    to: Option<usize>,
    /// The server is still taking the slot in.
    asking: bool,
}

impl Nodes {
    /// Sends commands to the servers of their slots and gives a reply for each, in order. Whether a
    /// server sent any of them on.
    pub(crate) fn exchange(
        &mut self,
        bytes: &[u8],
        commands: &[Routed],
        now: u64,
        replies: &mut Vec<Value>,
    ) -> bool {
        replies.clear();
        replies.resize(commands.len(), Value::Nil);
        let mut units = self.units(commands);
        let mut redirected = false;
        for _ in 0..REDIRECTS_MAX {
            for at in 0..self.all.len() {
                let of_node = units.iter().filter(|unit| unit.to == Some(at));
                self.send(at, bytes, &of_node.collect::<Vec<_>>(), now);
            }
            for at in 0..self.all.len() {
                let of_node = units.iter().filter(|unit| unit.to == Some(at));
                self.receive(at, &of_node.collect::<Vec<_>>(), now, replies);
            }
            for unit in units.iter().filter(|unit| unit.to.is_none()) {
                fill(unit, replies, "no server of the cluster has the slot now");
            }
            units = self.sent_on(units, replies);
            if units.is_empty() {
                break;
            }
            redirected = true;
        }
        redirected
    }

    fn units(&self, commands: &[Routed]) -> Vec<Unit> {
        let mut units: Vec<Unit> = Vec::with_capacity(commands.len());
        let mut begin = 0;
        for (at, Routed { end, slot, joined }) in commands.iter().enumerate() {
            match units.last_mut().filter(|_| *joined) {
                Some(unit) => (unit.commands.end, unit.bytes.end) = (at + 1, *end),
                None => units.push(Unit {
                    commands: at..at + 1,
                    bytes: begin..*end,
                    to: self.owner(*slot),
                    asking: false,
                }),
            }
            begin = *end;
        }
        units
    }

    fn send(&mut self, at: usize, bytes: &[u8], units: &[&Unit], now: u64) {
        let Some(node) = self.all.get_mut(at).filter(|node| node.is_ready()) else { return };
        let Some(link) = node.link.as_mut().filter(|_| !units.is_empty()) else { return };
        let mut out = Vec::with_capacity(units.iter().map(|unit| unit.bytes.len()).sum());
        for unit in units {
            if unit.asking {
                out.extend_from_slice(b"*1\r\n$6\r\nASKING\r\n");
            }
            out.extend_from_slice(bytes.get(unit.bytes.clone()).unwrap_or_default());
        }
        if let Err(error) = link.send(&out) {
            node.fail(&error, now);
            self.stale = true;
        }
    }

    fn receive(&mut self, at: usize, units: &[&Unit], now: u64, replies: &mut [Value]) {
        let Some(node) = self.all.get_mut(at).filter(|_| !units.is_empty()) else { return };
        for unit in units {
            let Some(link) = node.link.as_mut().filter(|_| node.cleared) else {
                let why = node.error.as_deref().unwrap_or("it is not connected to");
                fill(unit, replies, &format!("{}: {why}", node.address));
                continue;
            };
            let mut read = || -> Result<(), StoreError> {
                if unit.asking {
                    link.receive()?;
                }
                for reply in replies.get_mut(unit.commands.clone()).unwrap_or_default() {
                    *reply = link.receive()?;
                }
                Ok(())
            };
            if let Err(error) = read() {
                node.fail(&error, now);
                self.stale = true;
                fill(unit, replies, &error.to_string());
            }
        }
    }

    /// The units that a server has sent on, to where they go next.
    fn sent_on(&mut self, units: Vec<Unit>, replies: &[Value]) -> Vec<Unit> {
        let mut next = Vec::new();
        for unit in units {
            let answers = replies.get(unit.commands.clone()).unwrap_or_default();
            let Some((asking, told)) = answers.iter().find_map(redirect) else { continue };
            self.stale |= !asking;
            let from = unit.to.and_then(|at| self.all.get(at)).map(|node| node.address.clone());
            let address = match told.strip_prefix(':') {
                // The same host, at another port.
                Some(port) => {
                    from.map(|from| ServerAddress { port: port.parse().unwrap_or(0), ..from })
                }
                None => told.parse().ok(),
            };
            let Some(address) = address else { continue };
            let known = self.all.iter().position(|node| node.address == address);
            let to = known.unwrap_or_else(|| {
                self.all.push(Node::new(address, &self.settings));
                self.all.len() - 1
            });
            next.push(Unit { to: Some(to), asking, ..unit });
        }
        next
    }
}

/// Where a server sends a command on to, and whether only this once.
fn redirect(reply: &Value) -> Option<(bool, &str)> {
    let Value::ServerError(error) = reply else { return None };
    let asking = match error.code() {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    Some((asking, error.details()?.split_whitespace().nth(1)?))
}

/// Puts an error of ours in the place of a unit's replies.
fn fill(unit: &Unit, replies: &mut [Value], why: &str) {
    let why = why.replace(['\r', '\n'], " ");
    let line = format!("-{UNREACHED} {why}\r\n");
    let error = redis::parse_redis_value(line.as_bytes()).unwrap_or_default();
    for reply in replies.get_mut(unit.commands.clone()).unwrap_or_default() {
        *reply = error.clone();
    }
}
