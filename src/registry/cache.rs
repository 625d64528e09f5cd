//! What is known of each id, and which is to be asked for next. No clock and no I/O: both come in.

use crate::registry::settings::RegistryLimits;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark_operators::ingest::schemas::Schema;

/// What asking for an id gave.
#[derive(Debug)]
pub(super) enum Fetched {
    /// Its text.
    Found(Arc<str>),
    /// The registry denies it for now.
    Denied(String),
    /// It can never be used: why.
    Refused(String),
    /// No answer. `all`: nor would there be one for any other id; `pause`: the registry's own wish.
    Trouble { all: bool, pause: Option<Duration> },
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing that a worker would see.
    None,
    /// The registry denies the id for the first time.
    Denied,
    /// The id is known from now on.
    Known,
    /// The id is unknown from now on, for this reason.
    Unknown(Arc<str>),
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for this id.
    Ask(u32),
    /// Wait, for so long if anything is due then.
    Wait(Option<Duration>),
}

#[derive(Debug)]
struct CachedSchema {
    knowledge: Knowledge,
    /// When it was last asked for, in calls of [`Cache::ask`].
    used: u64,
}

#[derive(Debug)]
enum Knowledge {
    Wanted { due: Instant, backoff: Duration, denials: Denials },
    Known(Arc<str>),
    Unknown { reason: Arc<str>, again: Again },
}

/// How long the registry has denied an id.
#[derive(Clone, Copy, Debug, Default)]
struct Denials {
    /// The last one, when nothing else came after it.
    last: Option<Instant>,
    lasted: Duration,
    any: bool,
}

#[derive(Clone, Copy, Debug)]
enum Again {
    Never,
    /// From then on, when a record comes with it.
    From(Instant),
    /// A record came with it.
    Now,
}

/// All ids.
#[derive(Debug)]
pub(super) struct Cache {
    limits: RegistryLimits,
    schema_wait: Duration,
    entries: BTreeMap<u32, CachedSchema>,
    bytes: usize,
    calls: u64,
    /// Nothing is asked before, when the last request was in vain for all ids.
    paused: Option<(Instant, Duration)>,
}

impl Cache {
    pub fn new(limits: RegistryLimits, schema_wait: Duration) -> Cache {
        Cache { limits, schema_wait, entries: BTreeMap::new(), bytes: 0, calls: 0, paused: None }
    }

    /// What is known of `id`, and whether there is something new to ask for.
    pub fn ask(&mut self, id: u32, now: Instant) -> (Schema, bool) {
        self.calls += 1;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.used = self.calls;
            return match &mut entry.knowledge {
                Knowledge::Known(text) => (Schema::Known(Arc::clone(text)), false),
                Knowledge::Wanted { .. } => (Schema::Pending, false),
                Knowledge::Unknown { reason, again } => {
                    let due = matches!(again, Again::From(at) if now >= *at);
                    if due {
                        *again = Again::Now;
                    }
                    (Schema::Unknown(Arc::clone(reason)), due)
                }
            };
        }
        if self.entries.len() >= self.limits.ids_max && !self.evict(id) {
            // All of them are waited for. Whoever asks, asks again.
            return (Schema::Pending, false);
        }
        let backoff = self.limits.backoff_first;
        let wanted = Knowledge::Wanted { due: now, backoff, denials: Denials::default() };
        self.entries.insert(id, CachedSchema { knowledge: wanted, used: self.calls });
        (Schema::Pending, true)
    }

    /// What to do next: the id that has been due the longest goes first.
    pub fn next(&self, now: Instant) -> Next {
        let due = |entry: &CachedSchema| match entry.knowledge {
            Knowledge::Wanted { due, .. } => Some(due),
            Knowledge::Unknown { again: Again::Now, .. } => Some(now),
            _ => None,
        };
        let all = self.entries.iter().filter_map(|(id, entry)| Some((due(entry)?, *id)));
        let Some((at, id)) = all.min() else { return Next::Wait(None) };
        let at = self.paused.map_or(at, |(until, _)| at.max(until));
        match at.saturating_duration_since(now) {
            Duration::ZERO => Next::Ask(id),
            left => Next::Wait(Some(left)),
        }
    }

    /// Takes note of what asking for `id` gave.
    pub fn answered(&mut self, id: u32, fetched: Fetched, now: Instant) -> Change {
        match fetched {
            Fetched::Trouble { all, pause } => {
                if all {
                    self.pause(pause, now);
                }
                self.postpone(id, !all, now);
                Change::None
            }
            Fetched::Found(text) => {
                self.paused = None;
                self.bytes += text.len();
                self.settle(id, Knowledge::Known(text));
                while self.bytes > self.limits.bytes_max && self.evict(id) {}
                Change::Known
            }
            Fetched::Refused(why) => {
                self.paused = None;
                let reason: Arc<str> = why.into();
                let again = Again::Never;
                self.settle(id, Knowledge::Unknown { reason: Arc::clone(&reason), again });
                Change::Unknown(reason)
            }
            Fetched::Denied(why) => {
                self.paused = None;
                self.denied(id, &why, now)
            }
        }
    }

    fn pause(&mut self, wish: Option<Duration>, now: Instant) {
        let longest = self.limits.backoff_max;
        let pause = match self.paused {
            Some((_, last)) => last.saturating_mul(2).min(longest),
            None => self.limits.backoff_first,
        };
        self.paused = Some((now + pause.max(wish.unwrap_or_default()), pause));
    }

    /// There was no answer: a denial before it does not reach to the next. `own`: the trouble is
    /// this id's.
    fn postpone(&mut self, id: u32, own: bool, now: Instant) {
        let (longest, again) = (self.limits.backoff_max, self.limits.unknown_again);
        match self.entries.get_mut(&id).map(|entry| &mut entry.knowledge) {
            Some(Knowledge::Wanted { due, backoff, denials }) => {
                denials.last = None;
                *due = now;
                if own {
                    *due += *backoff;
                    *backoff = backoff.saturating_mul(2).min(longest);
                }
            }
            Some(Knowledge::Unknown { again: next, .. }) => *next = Again::From(now + again),
            _ => {}
        }
    }

    fn denied(&mut self, id: u32, why: &str, now: Instant) -> Change {
        let (longest, wait) = (self.limits.backoff_max, self.schema_wait);
        let again = Again::From(now + self.limits.unknown_again);
        match self.entries.get_mut(&id).map(|entry| &mut entry.knowledge) {
            Some(Knowledge::Wanted { due, backoff, denials }) => {
                if let Some(last) = denials.last {
                    denials.lasted += now.saturating_duration_since(last);
                }
                denials.last = Some(now);
                if denials.lasted < wait {
                    let left = wait - denials.lasted;
                    *due = now + (*backoff).min(left);
                    *backoff = backoff.saturating_mul(2).min(longest);
                    let first = !std::mem::replace(&mut denials.any, true);
                    return if first { Change::Denied } else { Change::None };
                }
                let reason: Arc<str> = format!("{why} (asked again for {wait:?})").into();
                self.settle(id, Knowledge::Unknown { reason: Arc::clone(&reason), again });
                Change::Unknown(reason)
            }
            Some(Knowledge::Unknown { again: next, .. }) => {
                *next = again;
                Change::None
            }
            _ => Change::None,
        }
    }

    fn settle(&mut self, id: u32, knowledge: Knowledge) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.knowledge = knowledge;
        } else {
            self.entries.insert(id, CachedSchema { knowledge, used: self.calls });
        }
    }

    /// Forgets the id that was not asked for the longest, other than `keep` and those that are
    /// waited for; false when there is none.
    fn evict(&mut self, keep: u32) -> bool {
        let settled = self.entries.iter().filter(|(id, entry)| {
            **id != keep && !matches!(entry.knowledge, Knowledge::Wanted { .. })
        });
        let Some((_, oldest)) = settled.map(|(id, entry)| (entry.used, *id)).min() else {
            return false;
        };
        if let Some(CachedSchema { knowledge: Knowledge::Known(text), .. }) =
            self.entries.remove(&oldest)
        {
            self.bytes -= text.len();
        }
        true
    }

    /// How many ids are known, waited for and unknown, and the first of those waited for that the
    /// registry has denied.
    pub fn counts(&self) -> (usize, usize, usize, Option<u32>) {
        let (mut known, mut wanted, mut unknown, mut denied) = (0, 0, 0, None);
        for (id, entry) in &self.entries {
            match &entry.knowledge {
                Knowledge::Known(_) => known += 1,
                Knowledge::Unknown { .. } => unknown += 1,
                Knowledge::Wanted { denials, .. } => {
                    wanted += 1;
                    if denials.any && denied.is_none() {
                        denied = Some(*id);
                    }
                }
            }
        }
        (known, wanted, unknown, denied)
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
