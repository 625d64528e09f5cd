//! What an employee did, as a line of JSON, right or damaged.

use super::person::{Agent, PLACES};
use crate::generator::damage::{Damage, write_number, write_time_and_end};
use crate::generator::sessions::write_user;
use std::io::Write;
use std::net::IpAddr;
use tidemark_operators::time::EventTime;

/// Something done to a system of the company.
#[derive(Clone, Copy, Debug)]
pub(in crate::generator) struct WorkEvent {
    pub user: u32,
    pub session: Option<u64>,
    pub action: Action,
    pub address: IpAddr,
    pub agent: Agent,
    pub device: Option<Device>,
    pub location: Option<Location>,
    /// Whether somebody else does it.
    pub planted: bool,
}

/// What was done, and how it went.
#[derive(Clone, Copy, Debug)]
pub(in crate::generator) struct Action {
    pub event_type: &'static str,
    /// The system that tells of it.
    pub source: &'static str,
    pub succeeded: Option<bool>,
    pub resource: Option<u32>,
    pub endpoint: Option<&'static str>,
    pub bytes: Option<u64>,
}

impl Action {
    /// Something that went well, with nothing more to tell.
    pub fn of(event_type: &'static str, source: &'static str) -> Self {
        let succeeded = Some(true);
        Self { event_type, source, succeeded, resource: None, endpoint: None, bytes: None }
    }

    pub fn login(succeeded: bool) -> Self {
        Self { succeeded: Some(succeeded), ..Self::of("login", "identity") }
    }

    /// It has no result.
    pub fn logout() -> Self {
        Self { succeeded: None, ..Self::of("logout", "identity") }
    }
}

/// A device and its browser.
#[derive(Clone, Copy, Debug)]
pub(in crate::generator) struct Device {
    /// Whose it is; `None`: not an employee's.
    owner: Option<u32>,
    number: u64,
    pub agent: Agent,
}

impl Device {
    /// A device of an employee.
    pub(super) fn own(owner: u32, number: u64, agent: Agent) -> Self {
        Self { owner: Some(owner), number, agent }
    }

    /// One that nobody has seen before.
    pub(super) fn strange(number: u64, agent: Agent) -> Self {
        Self { owner: None, number, agent }
    }
}

/// An index into [`PLACES`].
#[derive(Clone, Copy, Debug)]
pub(in crate::generator) struct Location(pub usize);

impl WorkEvent {
    /// Appends the event with this number, without a line end. What is not known is left out.
    pub fn write(&self, number: u64, at: EventTime, damage: Option<Damage>, into: &mut Vec<u8>) {
        // Writing to a vector cannot fail.
        let _ = write!(into, "{{\"event_id\":\"evt_{number:011}\"");
        if damage != Some(Damage::NoKey) {
            into.extend_from_slice(b",\"user_id\":\"");
            write_user(self.user, into);
            into.push(b'"');
        }
        if let Some(session) = self.session {
            let _ = write!(into, ",\"session_id\":\"work_{session:016x}\"");
        }
        let Action { event_type, source, .. } = self.action;
        let _ = write!(into, ",\"event_type\":\"{event_type}\",\"source\":\"{source}\"");
        self.write_data(damage, into);
        if let Some(device) = self.device {
            let number = device.number;
            let _ = match device.owner {
                Some(user) => {
                    write!(into, ",\"device_info\":{{\"device_id\":\"dev_{user:07}_{number}\"}}")
                }
                None => write!(into, ",\"device_info\":{{\"device_id\":\"dev_{number:016x}\"}}"),
            };
        }
        if let Some(place) = self.location.and_then(|location| PLACES.get(location.0)) {
            let (country, city) = (place.country, place.city);
            let _ = write!(
                into,
                ",\"location_info\":{{\"country\":\"{country}\",\"city\":\"{city}\"}}"
            );
        }
        write_time_and_end(at, damage, into);
    }

    fn write_data(&self, damage: Option<Damage>, into: &mut Vec<u8>) {
        let _ = write!(into, ",\"data\":{{\"source_ip\":\"{}\",\"user_agent\":\"", self.address);
        self.agent.write(into);
        into.push(b'"');
        let Action { succeeded, resource, endpoint, bytes, .. } = self.action;
        if let Some(succeeded) = succeeded {
            let result = if succeeded { "success" } else { "failure" };
            let _ = write!(into, ",\"result\":\"{result}\"");
        }
        if let Some(resource) = resource {
            let _ = write!(into, ",\"resource\":\"res_{resource:05}\"");
        }
        if let Some(endpoint) = endpoint {
            let _ = write!(into, ",\"endpoint\":\"{endpoint}\"");
        }
        let bytes = bytes.or_else(|| damage.filter(|d| d.is_of_number()).map(|_| 4_096));
        if let Some(bytes) = bytes {
            into.extend_from_slice(b",\"bytes\":");
            write_number(format_args!("{bytes}"), damage, into);
        }
        into.push(b'}');
    }
}
