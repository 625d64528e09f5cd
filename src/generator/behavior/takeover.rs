//! Somebody with another's password.

use super::Origin;
use super::line::{Action, Device, Location, WorkEvent};
use super::networks::{self, Class};
use super::person::{Agent, Person, RESOURCES};
use crate::generator::random::{Random, mix};
use crate::generator::sessions::log_normal;
use tidemark_operators::time::{Millis, SECOND};

/// What is done, in this order; each so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    WrongPassword,
    Login,
    LookAround,
    Administer,
    Transfer,
}

/// A take-over of an account.
#[derive(Clone, Debug)]
pub(in crate::generator) struct Takeover {
    origin: Origin,
    /// Passwords are tried from a few addresses.
    addresses: u64,
    /// What is left, the next one last.
    phases: Vec<(Phase, u64)>,
}

impl Takeover {
    /// Of a person's account.
    pub(super) fn of(person: &Person, random: &mut Random) -> Self {
        let mut between = |least: u64, most: u64| least + random.below(most + 1 - least);
        let phases = vec![
            (Phase::Transfer, between(4, 10)),
            (Phase::Administer, between(1, 5)),
            (Phase::LookAround, between(6, 16)),
            (Phase::Login, 1),
            (Phase::WrongPassword, between(10, 24)),
        ];
        let addresses = random.next();
        let origin = Origin {
            user: person.number,
            id: random.next(),
            device: Device::strange(random.next(), Agent::of_program()),
            location: Location(person.elsewhere(random)),
            address: networks::address(Class::Hostile, addresses, addresses),
        };
        Takeover { origin, addresses, phases }
    }

    pub fn step(&mut self, random: &mut Random) -> (WorkEvent, Option<Millis>) {
        let phase = self.phases.last().map_or(Phase::Login, |(phase, _)| *phase);
        let (action, gap) = match phase {
            Phase::WrongPassword => {
                let at = mix(self.addresses, random.below(3));
                self.origin.address = networks::address(Class::Hostile, self.addresses, at);
                (Action::login(false), SECOND)
            }
            Phase::Login => (Action::login(true), 3 * SECOND),
            Phase::LookAround => {
                let resource = u32::try_from(random.below(RESOURCES)).ok();
                let bytes = Some(log_normal(60_000, 1.0, 50_000_000, random));
                let succeeded = Some(!random.chance(0.3));
                let access = Action::of("resource_access", "portal");
                (Action { resource, bytes, succeeded, ..access }, 2 * SECOND)
            }
            Phase::Administer => {
                let succeeded = Some(!random.chance(0.4));
                (Action { succeeded, ..Action::of("admin_action", "admin_console") }, 4 * SECOND)
            }
            Phase::Transfer => {
                let resource = u32::try_from(random.below(RESOURCES)).ok();
                let bytes = Some(log_normal(150_000_000, 0.7, 4_000_000_000, random));
                (
                    Action { resource, bytes, ..Action::of("data_transfer", "file_share") },
                    6 * SECOND,
                )
            }
        };
        let activity = WorkEvent { planted: true, ..self.origin.does(action, random) };
        if let Some((_, left)) = self.phases.last_mut() {
            *left -= 1;
            if *left == 0 {
                self.phases.pop();
            }
        }
        let gap = log_normal(gap, 0.5, 30 * SECOND, random);
        (activity, (!self.phases.is_empty()).then_some(gap))
    }
}
