//! Users who come, do one thing after the other, and go.
//!
//! A [`World`] says who comes when and what they do; this says whose turn it is. At each call the
//! earliest event that is due by the clock happens; when nothing is due somebody comes. So there are
//! as many sessions at once as the rate of the schedule needs. A user has one session at a time and
//! then rests; when nobody else can come, the session that is due next goes on at once. When more is
//! due than the rate allows, events wait for their turn: they keep their time when files are made, and
//! get a later one, so that they are at most a slack old, when that is the wall clock's.
//!
//! One event in four is delivered late, by less than [`OUT_OF_ORDER_MAX`], and so perhaps after its
//! successors: events leave here in the order of when they are delivered, which is never before they
//! happen, and therefore none is further behind the newest than that.

use super::Members;
use super::random::Random;
use super::schedule::OUT_OF_ORDER_MAX;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt::Debug;
use std::io::Write;
use tidemark_operators::time::{EventTime, Millis, SECOND};

/// Sessions at once at most.
const SESSIONS_MAX: usize = 1 << 16;
/// Events that are on their way at most; when there are more, none is delayed.
const DELAYED_MAX: usize = 1 << 14;
/// How many events are delayed.
const DELAYED: f64 = 0.25;
/// How many users are considered for the next session.
const TRIES: usize = 12;

/// Who comes, and what they do.
pub(super) trait World: Clone + Debug {
    /// Somebody's way through.
    type Session: Clone + Debug;
    /// One thing done.
    type Event: Copy + Debug;

    /// Who comes now, as chosen from those who may, and what they are up to.
    fn begin(
        &self,
        now: EventTime,
        rests: &Rests,
        random: &mut Random,
    ) -> Option<(u32, Self::Session)>;

    /// What is done at `at`, and after what time the next thing; `None`: that was all.
    fn step(
        &self,
        session: &mut Self::Session,
        at: EventTime,
        random: &mut Random,
    ) -> (Self::Event, Option<Millis>);

    /// The session of user 0, where that one is to come whenever nothing else keeps them away.
    fn regular(&self, _now: EventTime, _random: &mut Random) -> Option<Self::Session> {
        None
    }

    /// How long a user stays away after a session.
    fn rest(&self, user: u32, random: &mut Random) -> Millis;
}

/// Something at a time. The greatest is the one that is first.
#[derive(Clone, Debug)]
struct Due<T> {
    at: EventTime,
    /// Decides between equal times.
    order: u64,
    what: T,
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Due<T> {}

impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// Whether a user may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestState {
    /// Yes.
    Over,
    /// Was here a short time ago.
    Resting,
    /// Is here.
    Busy,
}

/// How long each user stays away.
#[derive(Clone, Debug)]
pub(super) struct Rests {
    members: Members,
    /// The zero of `until`: the first clock.
    zero: EventTime,
    /// In seconds; [`BUSY`] in a session.
    until: Vec<u32>,
}

const BUSY: u32 = u32::MAX;

impl Rests {
    /// Whether a user may come.
    pub fn of(&self, user: u32, now: EventTime) -> RestState {
        match self.until.get(user as usize) {
            Some(&BUSY) => RestState::Busy,
            Some(until) if u64::from(*until) > self.seconds(now) => RestState::Resting,
            _ => RestState::Over,
        }
    }

    /// Somebody whom `rank` gives and who comes, with a chance of `percent` (above 0) of the user's
    /// number. One who should be resting if all the others are, too; nobody when those who were
    /// considered are here already or do not come.
    pub fn choose(
        &self,
        now: EventTime,
        random: &mut Random,
        rank: impl Fn(&mut Random) -> u32,
        percent: impl Fn(u32) -> u64,
    ) -> Option<u32> {
        let mut tired = None;
        for _ in 0..TRIES {
            let user = self.members.at_rank(rank(random));
            let rest = self.of(user, now);
            if rest == RestState::Busy || random.below(100) >= percent(self.members.number(user)) {
                continue;
            }
            if rest == RestState::Over {
                return Some(user);
            }
            tired = tired.or(Some(user));
        }
        tired
    }

    fn seconds(&self, now: EventTime) -> u64 {
        now.saturating_sub(self.zero) / SECOND
    }

    fn set(&mut self, user: u32, until: u32) {
        if let Some(place) = self.until.get_mut(user as usize) {
            *place = until;
        }
    }

    fn end(&mut self, user: u32, until: EventTime) {
        self.set(user, u32::try_from(self.seconds(until)).unwrap_or(BUSY).min(BUSY - 1));
    }
}

/// The sessions of a world.
#[derive(Clone, Debug)]
pub(super) struct Sessions<W: World> {
    world: W,
    running: BinaryHeap<Due<(u32, W::Session)>>,
    /// Events that have happened and are not delivered: when they happened.
    delayed: BinaryHeap<Due<(EventTime, W::Event)>>,
    rests: Rests,
    order: u64,
}

impl<W: World> Sessions<W> {
    /// Nobody is here yet.
    pub fn new(world: W, members: Members) -> Self {
        let until = vec![0; members.count as usize];
        Self {
            world,
            running: BinaryHeap::new(),
            delayed: BinaryHeap::new(),
            rests: Rests { members, zero: 0, until },
            order: 0,
        }
    }

    /// What is delivered next by the clock `now`, and when it happened: what has waited for longer
    /// than `slack` happens later than it was to.
    pub fn next(
        &mut self,
        now: EventTime,
        slack: Millis,
        random: &mut Random,
    ) -> (EventTime, W::Event) {
        if self.rests.zero == 0 {
            self.rests.zero = now;
        }
        loop {
            let session = self.running.peek().map_or(EventTime::MAX, |due| due.at);
            let delayed = self.delayed.peek().map_or(EventTime::MAX, |due| due.at);
            let at = session.max(now.saturating_sub(slack)).min(now);
            if delayed <= at
                && let Some(due) = self.delayed.pop()
            {
                return due.what;
            }
            if session > now && self.begin(now, random) {
                continue;
            }
            // A session that is not due goes on early. When there is none somebody comes in the end.
            let Some(Due { what: (user, mut session), .. }) = self.running.pop() else {
                continue;
            };
            let (event, gap) = self.world.step(&mut session, at, random);
            match gap {
                Some(gap) => self.run(at + gap, user, session),
                None => self.rests.end(user, at + self.world.rest(user, random)),
            }
            if self.delayed.len() < DELAYED_MAX && random.chance(DELAYED) {
                let u = random.unit();
                let delay = 1 + (u * u * (OUT_OF_ORDER_MAX - 1) as f64) as u64;
                self.order += 1;
                let order = self.order;
                self.delayed.push(Due { at: at + delay, order, what: (at, event) });
                continue;
            }
            return (at, event);
        }
    }

    /// Lets somebody come, if anybody can.
    fn begin(&mut self, now: EventTime, random: &mut Random) -> bool {
        if self.running.len() >= SESSIONS_MAX {
            return false;
        }
        let may_come = self.rests.of(0, now) == RestState::Over;
        let regular = may_come.then(|| self.world.regular(now, random)).flatten();
        let begun = match regular {
            Some(session) => Some((0, session)),
            None => self.world.begin(now, &self.rests, random),
        };
        let Some((user, session)) = begun else { return false };
        self.rests.set(user, BUSY);
        self.run(now, user, session);
        true
    }

    fn run(&mut self, at: EventTime, user: u32, session: W::Session) {
        self.order += 1;
        self.running.push(Due { at, order: self.order, what: (user, session) });
    }
}

/// A user's id.
pub(super) fn write_user(user: u32, into: &mut Vec<u8>) {
    let _ = write!(into, "user_{user:07}");
}

/// Milliseconds around `median`, log-normal, at most `max`.
pub(super) fn log_normal(
    median: Millis,
    deviation: f64,
    max: Millis,
    random: &mut Random,
) -> Millis {
    let ms = libm::exp(libm::log(median as f64) + deviation * random.normal());
    (ms.min(max as f64) as u64).max(1)
}

/// Milliseconds, exponentially distributed.
pub(super) fn exponential(mean: Millis, random: &mut Random) -> Millis {
    (-libm::log(1.0 - random.unit()) * mean as f64) as u64
}
