//! The heartbeat of a worker: what a reader of Redis has to know of the job that writes there.
//!
//! The hash `tidemark:{job}` has a field `w{worker}` for each worker, and a field `workers` that
//! says how many there are. A field's value is pairs `name=value` with one space between them, `v`
//! first:
//!
//! ```text
//! v=1 state=live clock=1767484800000 frontier=1767484795001 written=1767484801500 started=1767484700000 pending=0
//! ```
//!
//! | name | means |
//! |---|---|
//! | `v` | the version of this format: 1. Another one is not to be read by this table |
//! | `state` | `catching_up`, `live`, `rewriting` or `stopped`, see [`Life`] |
//! | `clock` | every change of this worker's rows up to this live clock is in Redis; in `catching_up` what the run before left there, 0 when nothing is known |
//! | `frontier` | the worker's frontier when its live clock was that: events that came later are not before it |
//! | `written` | when the value was written, by the clock of the job's machine |
//! | `started` | when the run began, by the same clock |
//! | `generation` | the run's number, where runs are numbered; else left out |
//! | `definition` | 16 hexadecimal digits: what the rows are made by, where runs are numbered; else left out |
//! | `incomplete` | views whose rows may lack something at `clock`, and from which live clock on they do not, as `view:1767484800000,other:?` (`?`: nobody knows yet); left out when there are none, and by releases that did not say |
//! | `pending` | rows and keys of this worker that Redis does not have yet |
//!
//! All times are ms since 1970. Names that are not known are to be skipped. The hash has no TTL: a
//! reader judges by `written`, which is renewed every second and with every flush. A row may be
//! newer than `clock`, never older; only what Redis or somebody else has removed since (eviction, a
//! DEL by hand) is not seen by it.

use crate::online::incomplete::Incomplete;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use tidemark_operators::time::{EventTime, Millis};

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;

/// What the rows of a worker in Redis are worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// The run has not caught up: Redis holds what the run before it wrote.
    #[default]
    CatchingUp,
    /// Every row is in Redis, but for what is pending.
    Live,
    /// Redis lost rows, which are being written again: a missing row means nothing.
    Rewriting,
    /// The run has ended in order: nothing is written any more.
    Stopped,
}

impl Life {
    const ALL: [(&'static str, Life); 4] = [
        ("catching_up", Life::CatchingUp),
        ("live", Life::Live),
        ("rewriting", Life::Rewriting),
        ("stopped", Life::Stopped),
    ];

    fn name(self) -> &'static str {
        Life::ALL.iter().find(|(_, life)| *life == self).map_or("", |(name, _)| name)
    }
}

/// A worker's heartbeat. Its text form is that of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// What the worker's rows in Redis are worth.
    pub life: Life,
    /// Every change up to this live clock is in Redis.
    pub clock: EventTime,
    /// The worker's frontier when its live clock was `clock`.
    pub frontier: EventTime,
    /// When it was written, in ms since 1970.
    pub written: Millis,
    /// When the run began, in ms since 1970.
    pub started: Millis,
    /// The run's number, where runs are numbered.
    pub generation: Option<u64>,
    /// What the rows are made by, where runs are numbered: a hash of the job's definition.
    pub definition: Option<u64>,
    /// Views whose rows may lack something at `clock`.
    pub incomplete: Incomplete,
    /// Rows and keys that Redis does not have yet.
    pub pending: u64,
}

/// A text that is no heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeartbeatError {
    /// Written by another version.
    #[error(
        "cannot read a heartbeat of version '{0}': only version 1 is known; use a newer release"
    )]
    Version(String),
    /// A pair is missing or has no such value.
    #[error("cannot read the heartbeat: '{0}' is missing or not what it must be")]
    Pair(&'static str),
}

impl fmt::Display for Heartbeat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Heartbeat { life, clock, frontier, written, started, pending, .. } = self;
        let life = life.name();
        write!(f, "v={VERSION} state={life} clock={clock} frontier={frontier}")?;
        write!(f, " written={written} started={started}")?;
        if let Some(generation) = self.generation {
            write!(f, " generation={generation}")?;
        }
        if let Some(definition) = self.definition {
            write!(f, " definition={definition:016x}")?;
        }
        if !self.incomplete.is_empty() {
            write!(f, " incomplete={}", self.incomplete)?;
        }
        write!(f, " pending={pending}")
    }
}

impl FromStr for Heartbeat {
    type Err = HeartbeatError;

    fn from_str(text: &str) -> Result<Self, HeartbeatError> {
        let find = |name: &'static str| {
            let mut pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(held, _)| *held == name).map(|(_, value)| value)
        };
        let number = |name: &'static str| {
            let value = find(name).and_then(|value| value.parse::<u64>().ok());
            value.ok_or(HeartbeatError::Pair(name))
        };
        match find("v") {
            None => return Err(HeartbeatError::Pair("v")),
            Some("1") => {}
            Some(other) => return Err(HeartbeatError::Version(other.to_owned())),
        }
        let life = find("state").and_then(|state| {
            Life::ALL.iter().find(|(name, _)| *name == state).map(|(_, life)| *life)
        });
        Ok(Heartbeat {
            life: life.ok_or(HeartbeatError::Pair("state"))?,
            clock: number("clock")?,
            frontier: number("frontier")?,
            written: number("written")?,
            started: number("started")?,
            generation: find("generation").map(|_| number("generation")).transpose()?,
            definition: find("definition")
                .map(|text| u64::from_str_radix(text, 16))
                .transpose()
                .map_err(|_| HeartbeatError::Pair("definition"))?,
            incomplete: find("incomplete")
                .map_or_else(|| Ok(Incomplete::default()), str::parse)
                .map_err(|_| HeartbeatError::Pair("incomplete"))?,
            pending: number("pending")?,
        })
    }
}

/// The heartbeats of all workers of a job, as one look at Redis found them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beats {
    /// One a worker; empty when there is no job.
    workers: Vec<Heartbeat>,
    /// Why they cannot be judged.
    unknown: Option<String>,
}

impl Beats {
    /// From the fields of the hash. What belongs to workers beyond their number is left over from a
    /// run with more of them.
    pub(crate) fn of(fields: BTreeMap<String, String>) -> Beats {
        let unknown = |why: String| Beats { workers: Vec::new(), unknown: Some(why) };
        let count = fields.get("workers").and_then(|count| count.parse::<usize>().ok());
        let Some(count) = count.filter(|count| (1..=fields.len()).contains(count)) else {
            return unknown("no job has written here, or not all of its workers yet".to_owned());
        };
        let mut workers = Vec::with_capacity(count);
        for worker in 0..count {
            let Some(text) = fields.get(&worker_field(worker)) else {
                return unknown(format!("worker {worker} of {count} has not written yet"));
            };
            match text.parse() {
                Ok(beat) => workers.push(beat),
                Err(error) => return unknown(format!("worker {worker}: {error}")),
            }
        }
        Beats { workers, unknown: None }
    }

    /// Of the same job, on each of several servers.
    pub(crate) fn of_all(each: Vec<Beats>) -> Beats {
        let mut all = Beats::default();
        for beats in each {
            all.unknown = all.unknown.or(beats.unknown);
            all.workers.extend(beats.workers);
        }
        if all.unknown.is_some() {
            all.workers.clear();
        }
        all
    }

    /// Every worker's; none when something about them is unknown.
    pub fn workers(&self) -> &[Heartbeat] {
        &self.workers
    }

    /// Why nothing is known.
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }
}

/// The key of a job's heartbeats. They stand beside the rows: `tidemark:{job}` for rows under the
/// default prefix `features`, `{key_prefix}:tidemark:{job}` for rows under another one, so that
/// installations which share a Redis by their prefixes do not share this.
pub fn heartbeat_key(key_prefix: &str, job: &str) -> String {
    format!("{}{job}", bookkeeping(key_prefix))
}

/// What the keys that are no rows begin with.
pub(crate) fn bookkeeping(key_prefix: &str) -> String {
    match key_prefix {
        "features" => "tidemark:".to_owned(),
        other => format!("{other}:tidemark:"),
    }
}

/// The field of a worker.
pub(crate) fn worker_field(worker: usize) -> String {
    format!("w{worker}")
}

/// The worker whose field this is, if it is one.
pub(crate) fn worker_of(field: &str) -> Option<usize> {
    field.strip_prefix('w')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION_1: &str = "v=1 state=live clock=1767484800000 frontier=1767484795001 \
                             written=1767484801500 started=1767484700000 pending=3";

    fn version_1() -> Heartbeat {
        Heartbeat {
            life: Life::Live,
            clock: 1_767_484_800_000,
            frontier: 1_767_484_795_001,
            written: 1_767_484_801_500,
            started: 1_767_484_700_000,
            generation: None,
            definition: None,
            incomplete: Incomplete::default(),
            pending: 3,
        }
    }

    #[test]
    fn version_1_is_written_and_read_as_it_was_released() {
        assert_eq!(version_1().to_string(), VERSION_1);
        assert_eq!(VERSION_1.parse(), Ok(version_1()));
        let numbered = Heartbeat { generation: Some(7), life: Life::Stopped, ..version_1() };
        let numbered = Heartbeat { definition: Some(0xab), ..numbered };
        let text = numbered.to_string();
        assert!(text.contains(" generation=7 definition=00000000000000ab pending="), "{text}");
        assert_eq!(text.parse(), Ok(numbered));
        let mut incomplete = Incomplete::default();
        incomplete.add("card_1h", Some(1_767_484_900_000));
        incomplete.add("card_24h", None);
        let begun = Heartbeat { incomplete, ..version_1() };
        let text = begun.to_string();
        assert!(text.contains(" incomplete=card_1h:1767484900000,card_24h:? pending="), "{text}");
        assert_eq!(text.parse(), Ok(begun));
        for (_, life) in Life::ALL {
            let beat = Heartbeat { life, ..version_1() };
            assert_eq!(beat.to_string().parse(), Ok(beat));
        }
    }

    #[test]
    fn what_is_not_known_is_skipped_and_what_is_missing_or_of_another_version_is_named() {
        assert_eq!(format!("{VERSION_1} later=x y").parse(), Ok(version_1()));
        for name in ["v", "state", "clock", "frontier", "written", "started", "pending"] {
            let rest = VERSION_1.split(' ').filter(|pair| !pair.starts_with(&format!("{name}=")));
            let text = rest.collect::<Vec<_>>().join(" ");
            assert_eq!(text.parse::<Heartbeat>(), Err(HeartbeatError::Pair(name)));
        }
        let newer = VERSION_1.replace("v=1", "v=2");
        assert_eq!(newer.parse::<Heartbeat>(), Err(HeartbeatError::Version("2".to_owned())));
        let odd = format!("{VERSION_1} incomplete=card");
        assert_eq!(odd.parse::<Heartbeat>(), Err(HeartbeatError::Pair("incomplete")));
        let damaged = VERSION_1.replace("clock=1", "clock=-1");
        assert_eq!(damaged.parse::<Heartbeat>(), Err(HeartbeatError::Pair("clock")));
        assert!("".parse::<Heartbeat>().is_err());
    }

    #[test]
    fn keys_stand_beside_the_rows_and_fields_name_their_workers() {
        assert_eq!(heartbeat_key("features", "fraud"), "tidemark:fraud");
        assert_eq!(heartbeat_key("staging", "fraud"), "staging:tidemark:fraud");
        assert_eq!(worker_of(&worker_field(12)), Some(12));
        assert_eq!(
            (worker_of("workers"), worker_of("card:stats"), worker_of("w")),
            (None, None, None)
        );
    }
}
