//! Transactions.

use super::{Fields, Who, malformed};
use rand::{Rng, rngs::SmallRng};

/// Names that mean something else in another entity, and one that has to be quoted.
const CARDS: [&str; 5] = [r#""c0""#, r#""c1""#, r#""x""#, r#""u1""#, r#""k\"5ä""#];
const USERS: [&str; 3] = [r#""u0""#, r#""u1""#, r#""x""#];
const MERCHANTS: [&str; 4] = [r#""m0""#, r#""m1""#, r#""x""#, r#""c0""#];
const DEVICES: [&str; 3] = [r#""d0""#, r#""d1""#, r#""x""#];
const ADDRESSES: [&str; 4] =
    [r#""10.0.0.1""#, r#""10.0.0.2""#, r#""192.168.7.7""#, r#""2001:db8::7""#];
const AMOUNTS: [&str; 16] = [
    "12.5",
    "33.33",
    "99.990001",
    "1e2",
    "1000",
    "999.9999995",
    "999.9999994",
    "999.999999",
    "0.0000005",
    "0.0000015",
    "250",
    "75.1",
    "0",
    "-20.000001",
    "9999999999.999999",
    "0.1",
];
const COUNTRIES: [&str; 7] =
    [r#""se""#, r#""se""#, r#""se""#, r#""no""#, r#""dk""#, r#""fi""#, r#""is""#];
const MCCS: [&str; 6] = [r#""5411""#, r#""4829""#, r#""7995""#, r#""6051 ""#, r#""5812""#, r#""""#];
const STATUSES: [&str; 4] = [r#""approved""#, r#""approved""#, r#""declined""#, r#""Declined""#];

/// A transaction.
pub fn write(rng: &mut SmallRng, ts: u64, who: Who) -> String {
    let mut fields = Fields::new(ts);
    match who {
        Who::Malformed if rng.random() => return malformed(rng, ts),
        Who::Malformed => {
            // No amount, or none that can be.
            fields.put("card_id", CARDS[0]);
            fields.put("user_id", USERS[0]);
            fields.maybe(rng, "amount", &["null", "1000000000000.1", "\"12,5\""]);
            return fields.end();
        }
        Who::Tick => {
            fields.put("card_id", r#""tick""#);
            fields.put("amount", "1");
            return fields.end();
        }
        Who::Entity(card) => fields.put("card_id", CARDS[card % CARDS.len()]),
    }
    let most = if rng.random_range(0..8) == 0 { AMOUNTS.len() } else { 8 };
    fields.put("amount", AMOUNTS[rng.random_range(0..most)]);
    fields.maybe(rng, "user_id", &USERS);
    fields.maybe(rng, "merchant_id", &MERCHANTS);
    fields.maybe(rng, "device_id", &DEVICES);
    fields.maybe(rng, "ip_address", &ADDRESSES);
    fields.maybe(rng, "country", &COUNTRIES);
    fields.maybe(rng, "mcc", &MCCS);
    fields.maybe(rng, "status", &STATUSES);
    fields.maybe(rng, "currency", &[r#""EUR""#]);
    fields.maybe(rng, "unknown", &["[1,{}]", r#"{"card_id":"c1"}"#]);
    fields.end()
}
