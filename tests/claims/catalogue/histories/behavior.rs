//! Behaviour events.

use super::{Fields, Who, malformed};
use rand::{Rng, rngs::SmallRng};

const USERS: [&str; 5] = [r#""u0""#, r#""u1""#, r#""web""#, r#""u3""#, r#""ù\t4""#];
const TYPES: [&str; 8] = [
    r#""login""#,
    r#""resource_access""#,
    r#""resource_access""#,
    r#""api_call""#,
    r#""api_call""#,
    r#""data_transfer""#,
    r#""admin_action""#,
    r#""logout""#,
];
const SOURCES: [&str; 3] = [r#""web""#, r#""app""#, r#""d0""#];
/// Common ones first; the last ones come once in a month or two.
const DEVICES: [&str; 5] = [r#""d0""#, r#""d1""#, r#""web""#, r#""d3""#, r#""d4""#];
const AGENTS: [&str; 3] = [r#""curl/8""#, r#""Mozilla/5.0""#, r#""d0""#];
const COUNTRIES: [&str; 4] = [r#""se""#, r#""no""#, r#""dk""#, r#""is""#];
const CITIES: [&str; 4] = [r#""Malmö""#, r#""Oslo""#, r#""se""#, r#""Roskilde""#];
const RESULTS: [&str; 3] = [r#""success""#, r#""success""#, r#""failure""#];
const RESOURCES: [&str; 5] = [r#""/a""#, r#""/b""#, r#""/c""#, r#""/d""#, r#""success""#];
const ENDPOINTS: [&str; 4] = [r#""/v1/x""#, r#""/v1/y""#, r#""/a""#, r#""/v2""#];
const BYTES: [&str; 6] = ["0", "1", "1048576", "123456789", "9007199254740993", "333333"];
/// In networks of the table, one inside another, and in none.
const ADDRESSES: [&str; 12] = [
    r#""10.0.0.1""#,
    r#""10.10.200.9""#,
    r#""198.19.66.7""#,
    r#""198.19.66.8""#,
    r#""198.51.100.7""#,
    r#""198.51.100.127""#,
    r#""203.0.113.128""#,
    r#""203.0.114.0""#,
    r#""192.168.1.1""#,
    r#""2001:db8::1""#,
    r#""2001:db8:e00d::66""#,
    r#""2001:db9::""#,
];

/// Mostly the first ones.
fn favourite<'a>(rng: &mut SmallRng, values: &[&'a str]) -> &'a str {
    let most = match rng.random_range(0..40) {
        0..20 => 1,
        20..38 => 2,
        _ => values.len(),
    };
    values[rng.random_range(0..most.min(values.len()))]
}

/// A behaviour event.
pub fn write(rng: &mut SmallRng, ts: u64, who: Who) -> String {
    let mut fields = Fields::new(ts);
    fields.put("event_id", &format!("\"{}\"", rng.random::<u32>()));
    match who {
        Who::Malformed => return malformed(rng, ts),
        Who::Tick => fields.put("user_id", r#""tick""#),
        Who::Entity(user) => fields.put("user_id", USERS[user % USERS.len()]),
    }
    fields.put("event_type", TYPES[rng.random_range(0..TYPES.len())]);
    fields.put("source", SOURCES[rng.random_range(0..SOURCES.len())]);
    fields.maybe(rng, "session_id", &[r#""s1""#]);
    if who == Who::Tick {
        return fields.end();
    }
    let device = favourite(rng, &DEVICES);
    let (country, city) = (favourite(rng, &COUNTRIES), favourite(rng, &CITIES));
    match rng.random_range(0..12) {
        0 => {}
        1 => fields.put("data", "null"),
        _ => fields.object("data", |data| {
            data.maybe(rng, "source_ip", &ADDRESSES);
            data.maybe(rng, "user_agent", &AGENTS);
            data.maybe(rng, "result", &RESULTS);
            data.maybe(rng, "resource", &RESOURCES);
            data.maybe(rng, "endpoint", &ENDPOINTS);
            data.maybe(rng, "bytes", &BYTES);
        }),
    }
    match rng.random_range(0..10) {
        0 => {}
        1 => fields.put("device_info", "null"),
        _ => fields.object("device_info", |info| info.maybe(rng, "device_id", &[device])),
    }
    match rng.random_range(0..10) {
        0 => {}
        1 => fields.put("location_info", "null"),
        _ => fields.object("location_info", |info| {
            info.maybe(rng, "country", &[country]);
            info.maybe(rng, "city", &[city]);
        }),
    }
    fields.end()
}
