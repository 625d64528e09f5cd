//! Clicks.

use super::{Fields, Who, malformed};
use rand::{Rng, rngs::SmallRng};

const USERS: [&str; 5] = [r#""u0""#, r#""u1""#, r#""s1""#, r#""u3""#, r#""u\\ß""#];
const SESSIONS: [&str; 4] = [r#""s0""#, r#""s1""#, r#""s2""#, r#""u0""#];
const TYPES: [&str; 12] = [
    r#""page_view""#,
    r#""page_view""#,
    r#""page_view""#,
    r#""page_view""#,
    r#""page_view""#,
    r#""click""#,
    r#""click""#,
    r#""cart_add""#,
    r#""cart_remove""#,
    r#""purchase""#,
    r#""search""#,
    r#""Page_view""#,
];
const DWELLS: [&str; 8] = ["3.5", "40", "61.25", "0.0000005", "0", "123.456789", "59.9999999", "7"];
const SCROLLS: [&str; 6] = ["0", "0.25", "0.333333", "0.9999999", "1", "1.0"];

/// A click.
pub fn write(rng: &mut SmallRng, ts: u64, who: Who) -> String {
    let mut fields = Fields::new(ts);
    fields.put("event_id", &format!("\"{}\"", rng.random::<u32>()));
    match who {
        Who::Malformed => return malformed(rng, ts),
        Who::Tick => fields.put("user_id", r#""tick""#),
        Who::Entity(user) => fields.put("user_id", USERS[user % USERS.len()]),
    }
    fields.put("event_type", TYPES[rng.random_range(0..TYPES.len())]);
    fields.put("page", r#""/p""#);
    if who != Who::Tick {
        fields.maybe(rng, "session_id", &SESSIONS);
    }
    fields.maybe(rng, "product_id", &[r#""p1""#, r#""p2""#]);
    fields.maybe(rng, "dwell_time_sec", &DWELLS);
    fields.maybe(rng, "scroll_depth", &SCROLLS);
    fields.end()
}
