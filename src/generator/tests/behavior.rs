//! Claims about employees and those who take their accounts.

use super::{each, options};
use crate::generator::{Options, Profile};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use tidemark_operators::time::{DAY, HOUR, MINUTE};

/// A behaviour event as it is described, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    event_id: String,
    user_id: String,
    session_id: Option<String>,
    timestamp: u64,
    event_type: String,
    source: String,
    data: Data,
    device_info: Option<Device>,
    location_info: Option<Location>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    source_ip: IpAddr,
    user_agent: String,
    result: Option<String>,
    resource: Option<String>,
    endpoint: Option<String>,
    bytes: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Device {
    device_id: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq, Hash)]
#[serde(deny_unknown_fields)]
struct Location {
    country: String,
    city: String,
}

impl Event {
    fn failed(&self) -> bool {
        self.data.result.as_deref() == Some("failure")
    }

    fn device(&self) -> Option<&str> {
        self.device_info.as_ref().map(|device| device.device_id.as_str())
    }
}

/// All events, by user in the order of time.
fn events(events: u64) -> Vec<Vec<Event>> {
    let mut users: HashMap<String, Vec<Event>> = HashMap::new();
    let options = Options { events, cards: 400, hours: 60 * 24, ..options(Profile::Behavior) };
    each(&options, |record| {
        let event: Event = serde_json::from_slice(record.line).expect("a behaviour event");
        assert_eq!(record.key, event.user_id.as_bytes());
        users.entry(event.user_id.clone()).or_default().push(event);
    });
    let mut users: Vec<_> = users.into_values().collect();
    users.sort_by(|a, b| a[0].user_id.cmp(&b[0].user_id));
    users.iter_mut().for_each(|events| events.sort_by_key(|e| e.timestamp));
    users
}

fn share(part: usize, of: usize) -> f64 {
    f64::from(u32::try_from(part).unwrap()) / f64::from(u32::try_from(of).unwrap())
}

#[test]
fn behaviour_spans_sixty_days_by_default_and_has_the_fields_that_its_type_has() {
    assert_eq!(Options::of(Profile::Behavior).hours, 60 * 24);
    let all: Vec<Event> = events(30_000).into_iter().flatten().collect();
    let oldest = all.iter().map(|e| e.timestamp).min().unwrap();
    let newest = all.iter().map(|e| e.timestamp).max().unwrap();
    assert!((59 * DAY..=60 * DAY).contains(&(newest - oldest)));
    for event in &all {
        assert!(event.event_id.starts_with("evt_") && !event.data.user_agent.is_empty());
        assert!(event.data.result.as_deref().is_none_or(|r| ["success", "failure"].contains(&r)));
        assert!(event.data.bytes.is_none_or(|bytes| (1..=4_000_000_000).contains(&bytes)));
        assert_eq!(event.data.endpoint.is_some(), event.event_type == "api_call");
        assert_eq!(event.data.result.is_none(), event.event_type == "logout");
        if ["resource_access", "data_transfer"].contains(&event.event_type.as_str()) {
            assert!(event.data.resource.is_some() && event.data.bytes.is_some(), "{event:?}");
        }
    }
    let of =
        |event_type| share(all.iter().filter(|e| e.event_type == event_type).count(), all.len());
    for (event_type, least, most) in [
        ("login", 0.06, 0.15),
        ("resource_access", 0.35, 0.6),
        ("api_call", 0.15, 0.4),
        ("data_transfer", 0.03, 0.15),
        ("admin_action", 0.005, 0.05),
        ("logout", 0.05, 0.12),
    ] {
        assert!((least..most).contains(&of(event_type)), "{event_type}: {}", of(event_type));
    }
    let sources: HashSet<&str> = all.iter().map(|e| e.source.as_str()).collect();
    assert!(sources.len() >= 5, "{sources:?}");
    let absent = |f: fn(&Event) -> bool| share(all.iter().filter(|e| f(e)).count(), all.len());
    for share in [
        absent(|e| e.session_id.is_none()),
        absent(|e| e.device_info.is_none()),
        absent(|e| e.location_info.is_none()),
    ] {
        assert!((0.005..0.1).contains(&share), "{share}");
    }
    assert!(all.iter().any(|e| e.data.source_ip.is_ipv6()));
}

#[test]
fn a_session_begins_with_a_login_and_most_end_with_a_logout() {
    let (mut sessions, mut logouts) = (0, 0);
    for user in &events(30_000) {
        let mut by_id: HashMap<&str, Vec<&Event>> = HashMap::new();
        for event in user {
            if let Some(id) = &event.session_id {
                by_id.entry(id).or_default().push(event);
            }
        }
        for session in by_id.values().filter(|session| session.len() >= 6) {
            sessions += 1;
            let first =
                |is: &dyn Fn(&Event) -> bool| session.iter().find(|e| is(e)).map(|e| e.timestamp);
            // The login itself may be one of those without the id.
            let login = first(&|e| e.event_type == "login" && !e.failed());
            let work = first(&|e| e.event_type != "login");
            assert!(login.is_none_or(|login| work.is_none_or(|work| login <= work)));
            let logout = first(&|e| e.event_type == "logout");
            assert!(logout.is_none_or(|logout| logout == session.last().unwrap().timestamp));
            logouts += usize::from(logout.is_some());
        }
    }
    assert!(sessions > 1_000);
    assert!((0.6..0.95).contains(&share(logouts, sessions)), "{logouts} of {sessions}");
}

#[test]
fn employees_have_few_devices_a_home_and_hours_of_their_own() {
    let users = events(60_000);
    let (mut regular, mut considered) = (0, 0);
    let (mut at_home, mut placed) = (0, 0);
    for user in users.iter().filter(|user| user.len() >= 100) {
        let prefix = user[0].user_id.replace("user_", "dev_");
        let own = |e: &&Event| e.device().is_some_and(|device| device.starts_with(&prefix));
        let own: Vec<&Event> = user.iter().filter(own).collect();
        let devices: HashSet<_> = own.iter().filter_map(|e| e.device()).collect();
        assert!((1..=3).contains(&devices.len()), "{devices:?}");
        let mut places: HashMap<&Location, usize> = HashMap::new();
        let mut hours = [0_usize; 24];
        for event in &own {
            if let Some(place) = &event.location_info {
                *places.entry(place).or_default() += 1;
            }
            hours[usize::try_from(event.timestamp / HOUR % 24).unwrap()] += 1;
        }
        at_home += places.values().max().unwrap();
        placed += places.values().sum::<usize>();
        // Most of what somebody does lies in some eleven hours of the day.
        let most = (0..24).map(|from| (from..from + 11).map(|h| hours[h % 24]).sum::<usize>());
        considered += 1;
        regular += usize::from(share(most.max().unwrap(), own.len()) > 0.8);
    }
    assert!(considered > 100 && share(regular, considered) > 0.8, "{regular} of {considered}");
    assert!((0.9..0.995).contains(&share(at_home, placed)), "{at_home} of {placed}");
}

#[test]
fn take_overs_are_found_by_their_failures_device_place_and_transfers() {
    let (mut found, mut false_alarms) = (0, 0);
    for user in &events(60_000) {
        for (at, login) in user.iter().enumerate() {
            if login.event_type != "login" || login.failed() {
                continue;
            }
            let device = login.device();
            let before = user[..at].iter().rev();
            let before = before.take_while(|e| e.timestamp + 10 * MINUTE > login.timestamp);
            let failures = before.filter(|e| e.event_type == "login" && e.failed()).count();
            let after = user[at..].iter();
            let after = after.take_while(|e| e.timestamp < login.timestamp + 15 * MINUTE);
            let bytes = after.clone().filter(|e| e.event_type == "data_transfer");
            let bytes: i64 = bytes.filter_map(|e| e.data.bytes).sum();
            let administered = after.filter(|e| e.event_type == "admin_action").count();
            let known = user.iter().filter(|e| e.device() == device);
            let known = known.filter(|e| e.timestamp + HOUR < login.timestamp).count();
            if failures >= 5 && bytes > 100_000_000 {
                found += 1;
                assert!(device.is_none() || known == 0, "a device seen before: {login:?}");
                assert!(administered >= 1);
            } else if failures >= 5 {
                false_alarms += 1;
            }
        }
    }
    assert!((8..60).contains(&found), "{found}");
    assert!(false_alarms <= 2, "{false_alarms}");
}
