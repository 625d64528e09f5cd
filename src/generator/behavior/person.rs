//! Employees as functions of their number, so that they take no memory.

use super::line::Action;
use super::networks::{self, Class};
use crate::generator::random::{Random, mix, reduce};
use crate::generator::schedule;
use crate::generator::sessions::log_normal;
use std::io::Write;
use std::net::IpAddr;
use tidemark_operators::time::{DAY, EventTime, MINUTE};

/// Where employees live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Residence {
    pub country: &'static str,
    pub city: &'static str,
    /// How far standard time is ahead of UTC, in minutes, and a day, so that it is not below 0.
    ahead: u64,
    /// Of a hundred employees.
    share: u64,
}

const fn place(country: &'static str, city: &'static str, minutes: i64, share: u64) -> Residence {
    Residence { country, city, ahead: (1_440 + minutes).unsigned_abs(), share }
}

/// All places. Office networks are numbered as they are.
pub(super) const PLACES: [Residence; 12] = [
    place("US", "New York", -300, 16),
    place("US", "Chicago", -360, 8),
    place("US", "San Francisco", -480, 10),
    place("BR", "Sao Paulo", -180, 6),
    place("GB", "London", 0, 14),
    place("DE", "Berlin", 60, 12),
    place("ES", "Madrid", 60, 6),
    place("ZA", "Johannesburg", 120, 4),
    place("IN", "Mumbai", 330, 8),
    place("SG", "Singapore", 480, 6),
    place("JP", "Tokyo", 540, 6),
    place("AU", "Sydney", 600, 4),
];

/// Calls of the company's interfaces.
const ENDPOINTS: [&str; 16] = [
    "/v1/orders",
    "/v1/orders/search",
    "/v1/invoices",
    "/v1/customers",
    "/v1/customers/search",
    "/v1/products",
    "/v1/prices",
    "/v1/stock",
    "/v1/shipments",
    "/v1/returns",
    "/v1/reports",
    "/v1/reports/export",
    "/v1/users",
    "/v1/tickets",
    "/v1/builds",
    "/v1/deployments",
];

/// How many resources there are.
pub(super) const RESOURCES: u64 = 20_000;
/// Resources that somebody works with.
const SHELF: u64 = 40;

/// What a browser calls itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::generator) struct Agent {
    /// Before and after the version.
    name: (&'static str, &'static str),
    version: u64,
}

const AGENTS: [(&str, &str); 6] = [
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/", ".0.0.0 Safari/537.36"),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Chrome/", ".0.0.0 Safari/537.36"),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Firefox/", ".0"),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/", ".0 Mobile Safari/604.1"),
    ("Mozilla/5.0 (Linux; Android 15) Chrome/", ".0.0.0 Mobile Safari/537.36"),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Edg/", ".0.0.0"),
];

impl Agent {
    /// A program rather than a browser.
    pub fn of_program() -> Self {
        Self { name: ("python-requests/2.", ".1"), version: 32 }
    }

    pub fn write(&self, into: &mut Vec<u8>) {
        let (before, after) = self.name;
        let _ = write!(into, "{before}{}{after}", self.version);
    }
}

/// When somebody works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hours {
    /// Monday to Friday, from this hour on.
    Office(u64),
    /// From ten in the evening to six, five days in seven; the number says which.
    Night(u64),
    /// As they like.
    Flexible,
}

/// What somebody is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Clerk,
    Developer,
    Administrator,
}

/// An employee.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    seed: u64,
    pub number: u32,
    /// An index into [`PLACES`].
    pub place: usize,
    pub role: Role,
    pub shelf: u32,
    hours: Hours,
    devices: u64,
}

impl Person {
    pub fn of(seed: u64, number: u32) -> Self {
        let own = mix(seed ^ 0x7065_7273, u64::from(number));
        let draw = |what: u64, n: u64| reduce(mix(own, what), n);
        let hours = match draw(2, 100) {
            0..80 => Hours::Office(7 + draw(3, 3)),
            80..92 => Hours::Night(draw(3, 7)),
            _ => Hours::Flexible,
        };
        let role = match draw(4, 100) {
            0..65 => Role::Clerk,
            65..93 => Role::Developer,
            _ => Role::Administrator,
        };
        let shelf = u32::try_from(draw(5, RESOURCES - SHELF)).unwrap_or(0);
        Self {
            seed: own,
            number,
            place: place_of(draw(1, 100)),
            role,
            shelf,
            hours,
            devices: 1 + draw(6, 3),
        }
    }

    fn local(&self, now: EventTime) -> EventTime {
        let ahead = PLACES.get(self.place).map_or(1_440, |place| place.ahead);
        now + ahead * MINUTE - DAY
    }

    /// The hour of the day and the day of the week where the person is.
    fn hour_and_day(&self, now: EventTime) -> (u64, u64) {
        let local = self.local(now);
        (schedule::hour_of_day(local), schedule::day_of_week(local))
    }

    /// How likely the person starts working now, in hundredths of when they are busiest; above 0.
    pub fn percent_at(&self, now: EventTime) -> u64 {
        let (hour, day) = self.hour_and_day(now);
        match self.hours {
            Hours::Office(_) if day >= 5 => 2,
            Hours::Office(from) => match hour.checked_sub(from) {
                Some(4) => 50,
                Some(0..9) => 100,
                Some(9..11) => 20,
                _ => 1,
            },
            Hours::Night(_) if (6..22).contains(&hour) => 1,
            Hours::Night(free) if (day + free) % 7 < 2 => 2,
            Hours::Night(_) => 100,
            Hours::Flexible if (8..23).contains(&hour) => 45,
            Hours::Flexible => 6,
        }
    }

    /// Whether somebody who works in daylight is likely to be asleep.
    pub fn is_asleep(&self, now: EventTime) -> bool {
        matches!(self.hours, Hours::Office(_)) && self.hour_and_day(now).0 < 5
    }

    /// Whether the person could be sitting in an office.
    pub fn is_in_office(&self, now: EventTime) -> bool {
        match self.hours {
            Hours::Flexible => false,
            Hours::Office(_) | Hours::Night(_) => self.percent_at(now) >= 50,
        }
    }

    /// One of the person's devices; the first one most of the time.
    pub fn device(&self, random: &mut Random) -> u64 {
        if random.chance(0.75) { 0 } else { random.below(self.devices) }
    }

    /// The browser of a device: a new version every four weeks.
    pub fn agent(&self, device: u64, now: EventTime) -> Agent {
        let name = reduce(mix(self.seed, 16 + device), AGENTS.len() as u64);
        let name = usize::try_from(name).ok().and_then(|at| AGENTS.get(at)).copied();
        let phase = reduce(mix(self.seed, 32 + device), 28);
        let version = 100 + (now / DAY + phase) / 28 % 100;
        Agent { name: name.unwrap_or(("Mozilla/5.0 Chrome/", ".0.0.0")), version }
    }

    /// Another place than the person's own.
    pub fn elsewhere(&self, random: &mut Random) -> usize {
        let other = usize::try_from(random.below(PLACES.len() as u64 - 1)).unwrap_or(0);
        if other >= self.place { other + 1 } else { other }
    }

    /// The address of a device: at an office always the same, elsewhere another one every week.
    pub fn address(&self, class: Class, place: usize, device: u64, now: EventTime) -> IpAddr {
        match class {
            Class::Office => networks::office(place, mix(self.seed, 48 + device)),
            _ => {
                let at = mix(place as u64, now / (7 * DAY));
                networks::address(class, mix(self.seed, 64), mix(self.seed, at))
            }
        }
    }
}

fn place_of(mut at: u64) -> usize {
    for (place, of) in PLACES.iter().enumerate() {
        if at < of.share {
            return place;
        }
        at -= of.share;
    }
    0
}

impl Role {
    /// What is done next, with the resources from `shelf` on.
    pub fn action(self, shelf: u32, random: &mut Random) -> Action {
        let (reads, calls, transfers) = match self {
            Role::Clerk => (70, 88, 99),
            Role::Developer => (28, 90, 99),
            Role::Administrator => (34, 62, 70),
        };
        let dice = random.below(100);
        // Most often the same few.
        let book = random.below(SHELF).min(random.below(SHELF));
        let resource = Some(shelf + u32::try_from(book).unwrap_or(0));
        let mut action = if dice < reads {
            let bytes = Some(log_normal(20_000, 1.0, 50_000_000, random));
            Action { resource, bytes, ..Action::of("resource_access", "portal") }
        } else if dice < calls {
            let endpoint = random.below(ENDPOINTS.len() as u64).min(random.below(24));
            let endpoint = usize::try_from(endpoint).ok().and_then(|at| ENDPOINTS.get(at)).copied();
            let bytes = Some(log_normal(2_000, 1.0, 50_000_000, random));
            Action { endpoint, bytes, ..Action::of("api_call", "api_gateway") }
        } else if dice < transfers {
            let bytes = Some(log_normal(800_000, 1.4, 80_000_000, random));
            Action { resource, bytes, ..Action::of("data_transfer", "file_share") }
        } else if self == Role::Administrator {
            Action { resource, ..Action::of("admin_action", "admin_console") }
        } else {
            Action::of("password_change", "identity")
        };
        action.succeeded = Some(!random.chance(0.02));
        action
    }
}
