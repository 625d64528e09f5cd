//! Which run of a job may write to Redis: the newest one that has taken the job's state over.
//!
//! The string `tidemark:{job}:generation` names that run. A run enters itself together with its claim
//! to the views, and from then on every round trip is one transaction that the key is watched for:
//!
//! ```text
//! WATCH key   GET key is ours | MULTI  rows, deletions, heartbeat  EXEC   WATCH key   GET key is ours | MULTI ..
//!                             └─ nil when the key was touched since WATCH
//! ```
//!
//! So a process that was stopped, however long and wherever in a round trip, writes nothing once
//! another one has entered itself: not even what already lay in its socket.
//!
//! A Redis that has lost its data has lost this key with it. So a run enters itself only after asking the
//! store of its state whether it still leads: one that stood still while another took over, and finds Redis
//! empty, would else fill it with what it knew then.
//!
//! # Why this way
//!
//! - The watch for the next transaction is set by the tail of the last: a fence costs four commands a
//!   round trip, none a row, and no round trip of its own.
//! - A token for each row (a script that compares) costs Redis twice the time a row. Ending the
//!   connections of the run before by their numbers costs less than this, but needs a right that many
//!   do not give, and a list of numbers that somebody else could write into.
//! - Redis takes nothing into a transaction while its memory is full, not even deletions, which would
//!   make room. They are made one by one then, by a script that looks at the key first.

use crate::checkpoint::{Leading, NotLeading};
use redis::Value;
use std::fmt;

/// The version that is written, and the only one that is read.
const VERSION: &str = "1";

/// Removes a key, or the fields of it that are named, while the generation is ours; -1: it is not.
pub(crate) const DELETE_SCRIPT: &str = "if redis.call('GET',KEYS[1])~=ARGV[1] then return -1 end \
     if #ARGV==1 then return redis.call('DEL',KEYS[2]) end \
     return redis.call('HDEL',KEYS[2],unpack(ARGV,2))";

/// A run of a job that keeps its state: which of the processes it is that have taken it over. As text
/// `v=1 number=7 store=.. writer=..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// How many processes have taken the state over, with this one.
    pub number: u64,
    /// Whose state: a text that no other store of states has.
    pub store: String,
    /// A text that no other start of a process has.
    pub writer: String,
}

impl Generation {
    fn parse(text: &str) -> Option<Self> {
        let find = |name: &str| {
            let mut pairs = text.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(held, _)| *held == name).map(|(_, value)| value)
        };
        find("v").filter(|version| *version == VERSION)?;
        let number = find("number")?.parse().ok()?;
        Some(Generation { number, store: find("store")?.into(), writer: find("writer")?.into() })
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Generation { number, store, writer } = self;
        write!(f, "v={VERSION} number={number} store={store} writer={writer}")
    }
}

/// Who is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// This run.
    Own,
    /// Nobody, or a run that this one comes after.
    Earlier,
    /// A run that comes after this one.
    Later(Generation),
}

/// See the module.
pub(crate) struct Fence {
    key: String,
    own: Generation,
    text: String,
    /// Whether this run still leads, where somebody can say.
    leads: Option<Leading>,
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("key", &self.key)
            .field("own", &self.own)
            .finish_non_exhaustive()
    }
}

impl Fence {
    /// Of the run `own` of `job`, as long as it `leads`.
    pub(crate) fn new(
        bookkeeping: &str,
        job: &str,
        own: Generation,
        leads: Option<Leading>,
    ) -> Self {
        Fence { key: format!("{bookkeeping}{job}:generation"), text: own.to_string(), own, leads }
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Which run it is.
    pub(crate) fn number(&self) -> u64 {
        self.own.number
    }

    /// What the key is set to.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Who is entered, from the reply to GET. `was_own`: this run has been before. What nobody of us
    /// has written keeps nobody out.
    pub(crate) fn judge(&self, reply: &Value, was_own: bool) -> Entered {
        let found = match reply {
            Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        let Some(found) = found.and_then(Generation::parse) else { return Entered::Earlier };
        if found == self.own {
            return Entered::Own;
        }
        let later = found.store == self.own.store && found.number > self.own.number;
        // Runs of other states, and of copies of one, cannot be compared: who comes last has it.
        let level = found.store != self.own.store || found.number == self.own.number;
        if later || was_own && level { Entered::Later(found) } else { Entered::Earlier }
    }

    /// Whether another run has taken the state over, whatever Redis knows of it; to be asked before this one
    /// is entered. Where the store of the state does not answer, rows are not held back for it: a run that
    /// comes after is entered by its own start, and then has the fence.
    pub(crate) fn is_superseded(&self) -> bool {
        match self.leads.as_ref().map_or(Ok(()), |leads| leads()) {
            Ok(()) => false,
            Err(NotLeading::TakenOver) => true,
            Err(NotLeading::Unknown(why)) => {
                tracing::warn!(
                    why,
                    "the state's store does not say whether another process has taken over; rows are \
                     written to Redis all the same"
                );
                false
            }
        }
    }

    /// What a run says that is not entered, since its state is another's.
    pub(crate) fn superseded(&self, job: &str) -> String {
        let own = self.own.number;
        format!(
            "cannot write rows of job '{job}' to Redis as its generation {own}: another process has taken \
             the job's state over, though Redis does not know of it; let that one run"
        )
    }

    /// What a run says that has to stop for `later`.
    pub(crate) fn refusal(&self, job: &str, later: &Generation) -> String {
        let own = self.own.number;
        let who = match (later.store == self.own.store, later.number) {
            (true, number) if number > own => format!("generation {number}"),
            (true, _) => "another process, with a copy of its state".to_owned(),
            (false, _) => "another process, with another state".to_owned(),
        };
        format!(
            "cannot write rows of job '{job}' to Redis as its generation {own}: {who} has taken over; \
             let that one run. When there is none, because this state is an older copy put back, \
             delete the key '{}' in Redis and start again",
            self.key
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: u64, store: &str, writer: &str) -> Generation {
        Generation { number, store: store.to_owned(), writer: writer.to_owned() }
    }

    fn fence() -> Fence {
        Fence::new("tidemark:", "fraud", generation(7, "s", "w"), None)
    }

    fn entered(found: &Generation, was_own: bool) -> Entered {
        fence().judge(&Value::BulkString(found.to_string().into_bytes()), was_own)
    }

    #[test]
    fn a_later_generation_of_the_same_state_keeps_out_and_an_earlier_one_does_not() {
        let (own, earlier, later) =
            (generation(7, "s", "w"), generation(6, "s", "v"), generation(8, "s", "x"));
        for was_own in [false, true] {
            assert_eq!(entered(&own, was_own), Entered::Own);
            assert_eq!(entered(&earlier, was_own), Entered::Earlier);
            assert_eq!(entered(&later, was_own), Entered::Later(later.clone()));
        }
    }

    #[test]
    fn of_runs_that_cannot_be_compared_the_one_that_came_last_has_it() {
        for other in [generation(7, "s", "x"), generation(3, "t", "x"), generation(9, "t", "x")] {
            assert_eq!(entered(&other, false), Entered::Earlier, "{other}: at the start");
            assert_eq!(entered(&other, true), Entered::Later(other.clone()), "{other}: afterwards");
        }
    }

    #[test]
    fn a_run_is_superseded_when_the_store_of_its_state_says_so_and_not_when_it_says_nothing() {
        let asked = |answer: Result<(), NotLeading>| {
            let leads: Leading = Box::new(move || answer.clone());
            Fence::new("tidemark:", "fraud", generation(7, "s", "w"), Some(leads)).is_superseded()
        };
        assert!(asked(Err(NotLeading::TakenOver)));
        assert!(!asked(Ok(())));
        assert!(!asked(Err(NotLeading::Unknown("it is away".to_owned()))));
        assert!(!fence().is_superseded());
    }

    #[test]
    fn what_is_no_generation_keeps_nobody_out() {
        let odd = ["", "v=2 number=9 store=s writer=x", "v=1 number=x store=s writer=x", "v=1"];
        let texts = odd.map(|text| Value::BulkString(text.as_bytes().to_vec()));
        for reply in texts.into_iter().chain([Value::Nil, Value::Int(9)]) {
            assert_eq!(fence().judge(&reply, true), Entered::Earlier, "{reply:?}");
        }
        assert_eq!(fence().key(), "tidemark:fraud:generation");
    }
}
