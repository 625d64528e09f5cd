//! Employees at work, and somebody else with their account.
//!
//! Everybody has a place with its time zone, hours, a role, one to three devices with a browser
//! each, addresses at work and at home: all functions of the user's number (`person`). A session
//! goes from a login over what the role asks for to a logout, most of the time. A few sessions are
//! from another place, on a strange network, or begin with a wrong password.
//!
//! One session in 250 is a take-over (`takeover`): at night where the user lives, from a device, a
//! place and addresses that were never theirs, a rush of failed logins, a login, a look around,
//! administration and large transfers, within minutes.

mod line;
mod networks;
mod person;
mod takeover;

pub(super) use line::WorkEvent;

use super::random::{Random, Zipf};
use super::sessions::{RestState, Rests, World, exponential, log_normal};
use super::{Cast, Members};
use line::{Action, Device, Location};
use networks::Class;
use person::{Person, Role};
use std::net::IpAddr;
use takeover::Takeover;
use tidemark_operators::time::{EventTime, HOUR, MINUTE, Millis, SECOND};

/// How many sessions are take-overs.
const TAKEOVERS: f64 = 1.0 / 250.0;
/// How many are in a story, where a screen has to hold them.
const STORY_TAKEOVERS: f64 = 1.0 / 600.0;
/// How many users are looked at for one who sleeps.
const SLEEPER_TRIES: usize = 24;
/// The longest gap in a session.
const GAP_MAX: Millis = 15 * MINUTE;

/// How long the regular of a story stays away.
const REGULAR_REST: Millis = 16 * HOUR;

/// The company and its employees.
#[derive(Clone, Debug)]
pub(super) struct Company {
    members: Members,
    users: Zipf,
    cast: Cast,
}

/// Where a session comes from: what all of its events say.
#[derive(Clone, Copy, Debug)]
struct Origin {
    user: u32,
    id: u64,
    device: Device,
    location: Location,
    address: IpAddr,
}

/// A session.
#[derive(Clone, Debug)]
pub(super) enum Session {
    /// By the user.
    Own(Work),
    /// By somebody else.
    Stolen(Takeover),
}

/// A session of the user.
#[derive(Clone, Debug)]
pub(super) struct Work {
    origin: Origin,
    role: Role,
    doing: Doing,
    left: u64,
    /// Resources the user works with begin here.
    shelf: u32,
}

#[derive(Clone, Copy, Debug)]
enum Doing {
    /// So many wrong passwords, then the right one.
    Login(u64),
    Work,
    Logout,
}

impl Company {
    pub fn new(members: Members, cast: Cast) -> Self {
        Self { members, users: Zipf::new(members.count, 0.8), cast }
    }

    fn person(&self, number: u32) -> Person {
        Person::of(self.members.seed, number)
    }

    /// Somebody at whose place it is night, who works in daylight and is not here.
    fn sleeper(&self, now: EventTime, rests: &Rests, random: &mut Random) -> Option<u32> {
        (0..SLEEPER_TRIES)
            .map(|_| u32::try_from(random.below(u64::from(self.members.count))).unwrap_or(0))
            .find(|user| {
                rests.of(*user, now) != RestState::Busy
                    && self.person(self.members.number(*user)).is_asleep(now)
            })
    }

    fn work(&self, number: u32, now: EventTime, random: &mut Random) -> Work {
        let person = self.person(number);
        let device = person.device(random);
        let away = random.chance(0.03);
        let place = if away { person.elsewhere(random) } else { person.place };
        let network = match random.below(100) {
            0..2 => Class::Unlisted,
            _ if away || !person.is_in_office(now) => Class::Home,
            2..70 => Class::Office,
            _ => Class::Home,
        };
        let origin = Origin {
            user: number,
            id: random.next(),
            device: Device::own(number, device, person.agent(device, now)),
            location: Location(place),
            address: person.address(network, place, device, now),
        };
        let failures = if random.chance(0.06) { 1 + random.below(2) } else { 0 };
        let left = (2 + exponential(8, random)).min(60);
        Work { origin, role: person.role, doing: Doing::Login(failures), left, shelf: person.shelf }
    }
}

impl World for Company {
    type Session = Session;
    type Event = WorkEvent;

    fn begin(&self, now: EventTime, rests: &Rests, random: &mut Random) -> Option<(u32, Session)> {
        let takeovers = match self.cast {
            Cast::Plain => TAKEOVERS,
            Cast::Story => STORY_TAKEOVERS,
        };
        if random.chance(takeovers)
            && let Some(user) = self.sleeper(now, rests, random)
        {
            let person = self.person(self.members.number(user));
            return Some((user, Session::Stolen(Takeover::of(&person, random))));
        }
        let percent = |number| self.person(number).percent_at(now);
        let user = rests.choose(now, random, |random| self.users.sample(random), percent)?;
        Some((user, Session::Own(self.work(self.members.number(user), now, random))))
    }

    fn step(
        &self,
        session: &mut Session,
        _: EventTime,
        random: &mut Random,
    ) -> (WorkEvent, Option<Millis>) {
        match session {
            Session::Own(work) => work.step(random),
            Session::Stolen(takeover) => takeover.step(random),
        }
    }

    fn regular(&self, now: EventTime, random: &mut Random) -> Option<Session> {
        let is_story = self.cast == Cast::Story;
        is_story.then(|| Session::Own(self.work(self.members.number(0), now, random)))
    }

    fn rest(&self, user: u32, random: &mut Random) -> Millis {
        if self.cast == Cast::Story && user == 0 {
            return REGULAR_REST;
        }
        35 * MINUTE + exponential(90 * MINUTE, random)
    }
}

impl Work {
    fn step(&mut self, random: &mut Random) -> (WorkEvent, Option<Millis>) {
        let gap = log_normal(10 * SECOND, 1.2, GAP_MAX, random);
        let (action, next, gap) = match self.doing {
            Doing::Login(0) => (Action::login(true), Some(Doing::Work), gap),
            Doing::Login(wrong) => {
                let again = 2 * SECOND + random.below(7 * SECOND);
                (Action::login(false), Some(Doing::Login(wrong - 1)), again)
            }
            Doing::Work => {
                self.left = self.left.saturating_sub(1);
                let logs_out = random.chance(0.85);
                let next = match self.left {
                    0 => logs_out.then_some(Doing::Logout),
                    _ => Some(Doing::Work),
                };
                (self.role.action(self.shelf, random), next, gap)
            }
            Doing::Logout => (Action::logout(), None, gap),
        };
        self.doing = next.unwrap_or(self.doing);
        (self.origin.does(action, random), next.map(|_| gap))
    }
}

impl Origin {
    /// The event; now and then a part of it is not known.
    fn does(&self, action: Action, random: &mut Random) -> WorkEvent {
        WorkEvent {
            user: self.user,
            session: (!random.chance(0.03)).then_some(self.id),
            action,
            address: self.address,
            agent: self.device.agent,
            device: (!random.chance(0.02)).then_some(self.device),
            location: (!random.chance(0.04)).then_some(self.location),
            planted: false,
        }
    }
}
