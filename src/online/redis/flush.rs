//! One round trip: the commands, what their replies must be, and what each row's write came to.

mod fenced;
mod row;

use crate::online::deletions::Deletion;
use crate::online::dirt::Entry;
use crate::online::redis::nodes::Routed;
use crate::online::redis::slots::slot_of;
use crate::online::redis::wire::{self, FormWire, ViewWire};
use crate::online::rows::Row;
use crate::online::texts::Texts;
pub(crate) use fenced::RoundTrip;
use redis::Value;
use tidemark_operators::online::Cause;

/// How a row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The features that changed. The counts of new and removed fields in the replies tell whether
    /// the key still is what we believe.
    Delta,
    /// Every feature, into a key that we have not written yet. An earlier run may have: then the
    /// reply calls fewer fields new, and what is null is removed afterwards.
    First,
    /// Every feature, and what is null is removed: what Redis holds is in doubt.
    Upsert,
    /// The whole key, at once, whatever it is: Redis holds something else. Of a key that other views
    /// share only the fields of this one, unless it is no hash.
    Replace,
}

/// A row to write, and what its bytes are made of.
pub(crate) struct Source<'a> {
    pub(crate) id: &'a [u8],
    pub(crate) row: &'a Row<'a>,
    pub(crate) texts: &'a Texts,
    pub(crate) wire: &'a ViewWire,
}

/// What a write came to; the worst of its replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Acknowledged.
    Written,
    /// Acknowledged, and the key was there before: it may hold features that are null now.
    Found,
    /// The key is not what we believed: evicted, expired, deleted or replaced.
    Lost,
    /// It is no hash.
    Foreign,
    /// Refused, or no reply.
    Failed,
    /// The same by one server of a cluster: it is made again when that one may be there.
    Parked,
}

/// A row in this round trip.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentRow {
    pub(crate) entry: Entry,
    /// Whether its TTL goes along.
    pub(crate) expire: bool,
    /// Its TTL in ms.
    pub(crate) ttl: u64,
    pub(crate) outcome: Outcome,
}

/// A command's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Hset,
    Hdel,
    Del,
    Hlen,
    Pexpire,
    Multi,
    Exec,
    /// HSET of the heartbeat.
    Beat,
    /// EVAL of a deletion.
    Eval,
}

impl Command {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Command::Hset | Command::Beat => "HSET",
            Command::Hdel => "HDEL",
            Command::Del => "DEL",
            Command::Hlen => "HLEN",
            Command::Pexpire => "PEXPIRE",
            Command::Multi => "MULTI",
            Command::Exec => "EXEC",
            Command::Eval => "EVAL",
        }
    }
}

/// Whose command it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Index into [`Flush::rows`].
    Row(usize),
    /// Index into [`Flush::deletions`].
    Deletion(usize),
    /// The worker's: its heartbeat.
    Worker,
}

/// One reply to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) command: Command,
    pub(crate) of: Of,
    /// The number it must be; `None`: anything but an error.
    number: Option<i64>,
    /// What another number means.
    otherwise: Outcome,
    /// The slot of its key in a cluster, and where its bytes end.
    pub(crate) slot: u16,
    end: usize,
}

impl Expected {
    /// What `reply` means; an error along with it.
    pub(crate) fn judge<'a>(&self, reply: &'a Value) -> (Outcome, Option<&'a redis::ServerError>) {
        match (reply, self.number) {
            // What is no hash has no fields of ours.
            (Value::ServerError(error), _) if error.code() == "WRONGTYPE" => match self.of {
                Of::Deletion(_) => (Outcome::Written, None),
                Of::Row(_) | Of::Worker => (Outcome::Foreign, None),
            },
            // It only checks, and not everybody may read.
            (Value::ServerError(_), _) if self.command == Command::Hlen => (Outcome::Written, None),
            (Value::ServerError(error), _) => (Outcome::Failed, Some(error)),
            (Value::Int(-1), _) if self.command == Command::Eval => (Outcome::Failed, None),
            // A key that the connection watched has changed: nothing of the transaction was done.
            (Value::Nil, _) if self.command == Command::Exec => (Outcome::Lost, None),
            (Value::Array(replies), _) => {
                let error = replies.iter().find_map(|reply| match reply {
                    Value::ServerError(error) => Some(error),
                    _ => None,
                });
                (if error.is_some() { Outcome::Failed } else { Outcome::Written }, error)
            }
            (Value::Int(number), Some(expected)) if *number != expected => (self.otherwise, None),
            _ => (Outcome::Written, None),
        }
    }
}

/// The round trip. Bound: `flush_rows` and `flush_bytes`.
#[derive(Debug, Default)]
pub(crate) struct Flush {
    pub(crate) buffer: Vec<u8>,
    pub(crate) expected: Vec<Expected>,
    pub(crate) rows: Vec<SentRow>,
    pub(crate) deletions: Vec<(Deletion, Outcome)>,
    /// Commands for rows that were written before and have changed again.
    pub(crate) again: usize,
    kind: RoundTrip,
    /// HLEN is not asked: this user may not.
    pub(crate) no_hlen: bool,
    /// Keys are on several servers, by their slots.
    clustered: bool,
    /// The slot of what is added.
    slot: u16,
    /// Keys of the heartbeats in it, in order.
    pub(crate) beats: Vec<String>,
    scratch: Vec<u8>,
    set: Vec<u64>,
    gone: Vec<u64>,
}

impl Flush {
    /// Begins anew.
    pub(crate) fn begin(&mut self, kind: RoundTrip) {
        self.buffer.clear();
        self.expected.clear();
        self.rows.clear();
        self.deletions.clear();
        self.beats.clear();
        (self.again, self.kind) = (0, kind);
        if self.is_fenced() {
            wire::multi(&mut self.buffer);
        }
    }

    /// For a cluster, where each command goes to the server of its slot.
    pub(crate) fn for_cluster(clustered: bool) -> Flush {
        Flush { clustered, ..Flush::default() }
    }

    /// Where each command goes, in a cluster.
    pub(crate) fn routed(&self) -> Vec<Routed> {
        let mut inside = false;
        let of = |expected: &Expected| {
            let joined = inside;
            inside = match expected.command {
                Command::Multi => true,
                Command::Exec => false,
                _ => inside,
            };
            Routed { end: expected.end, slot: expected.slot, joined }
        };
        self.expected.iter().map(of).collect()
    }

    /// What is added next is of this key.
    fn place(&mut self, form: &FormWire, id: &[u8]) {
        if self.clustered {
            self.slot = slot_of(&form.key_of(id));
        }
    }

    /// Whether it is one transaction.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(self.kind, RoundTrip::Fenced)
    }

    /// Whether it takes nothing but deletions.
    pub(crate) fn only_deletes(&self) -> bool {
        matches!(self.kind, RoundTrip::Deletions(_))
    }

    /// Rows and deletions.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() + self.deletions.len()
    }

    /// Why the row of a command changed.
    pub(crate) fn cause(&self, of: Of) -> Cause {
        let cause = match of {
            Of::Row(row) => self.rows.get(row).map(|row| row.entry.cause),
            Of::Deletion(_) | Of::Worker => None,
        };
        cause.unwrap_or(Cause::Decay)
    }

    /// The worst of what happened to each, from the replies' verdicts.
    pub(crate) fn worsen(&mut self, of: Of, outcome: Outcome) {
        let held = match of {
            Of::Row(at) => self.rows.get_mut(at).map(|row| &mut row.outcome),
            Of::Deletion(at) => self.deletions.get_mut(at).map(|(_, held)| held),
            Of::Worker => None,
        };
        if let Some(held) = held {
            *held = outcome.max(*held);
        }
    }

    /// Nothing is known of any of it.
    pub(crate) fn failed(&mut self) {
        self.rows.iter_mut().for_each(|row| row.outcome = Outcome::Failed);
        self.deletions.iter_mut().for_each(|(_, held)| *held = Outcome::Failed);
    }

    fn expect(&mut self, command: Command, of: Of, number: Option<usize>) {
        let number = number.and_then(|number| i64::try_from(number).ok());
        let (otherwise, slot, end) = (Outcome::Lost, self.slot, self.buffer.len());
        self.expected.push(Expected { command, of, number, otherwise, slot, end });
    }

    /// Adds a deletion.
    pub(crate) fn delete(&mut self, deletion: Deletion, wire: &ViewWire) {
        let of = Of::Deletion(self.deletions.len());
        for form in &wire.forms {
            self.place(form, &deletion.id);
            let key = form.key_of(&deletion.id);
            match &self.kind {
                RoundTrip::Deletions(fence) => {
                    let own = (fence.key().as_bytes(), fence.text().as_bytes());
                    fenced::delete(own, &key, form, &mut self.buffer);
                    self.expect(Command::Eval, of, None);
                }
                RoundTrip::Plain | RoundTrip::Fenced if form.is_shared() => {
                    wire::hdel(&key, form.every_field(), &mut self.buffer);
                    self.expect(Command::Hdel, of, None);
                }
                RoundTrip::Plain | RoundTrip::Fenced => {
                    wire::command(&[b"DEL", &key], &mut self.buffer);
                    self.expect(Command::Del, of, None);
                }
            }
        }
        self.deletions.push((deletion, Outcome::Written));
    }

    /// Adds a heartbeat, which `append` appends to `key`.
    pub(crate) fn beat(&mut self, key: String, append: impl FnOnce(&str, &mut Vec<u8>)) {
        if self.clustered {
            self.slot = slot_of(key.as_bytes());
        }
        append(&key, &mut self.buffer);
        self.beats.push(key);
        self.expect(Command::Beat, Of::Worker, None);
    }
}
