//! Who pays, where, and how much: attributes of cards and merchants as functions of their number,
//! so that millions of them take no memory.

use crate::generator::random::{Random, mix, reduce};

/// How many merchants there are.
pub(super) const MERCHANTS: u32 = 5_000;
/// Addresses that many cards share: offices, mobile gateways.
const SHARED_ADDRESSES: u64 = 2_000;

/// Country, currency, and how many cards per hundred are from there.
const COUNTRIES: [(&str, &str, u64); 10] = [
    ("US", "USD", 40),
    ("GB", "GBP", 15),
    ("DE", "EUR", 12),
    ("FR", "EUR", 10),
    ("ES", "EUR", 6),
    ("IT", "EUR", 5),
    ("BR", "BRL", 5),
    ("IN", "INR", 4),
    ("JP", "JPY", 2),
    ("NG", "NGN", 1),
];

/// Merchant category, merchants per hundred, and the amounts' logarithm: mean and deviation.
const CATEGORIES: [(&str, u64, f64, f64); 16] = [
    ("5411", 20, 3.4, 0.8), // groceries
    ("5812", 16, 3.2, 0.7), // restaurants
    ("5814", 12, 2.3, 0.5), // fast food
    ("5541", 10, 3.6, 0.5), // fuel
    ("5912", 7, 2.9, 0.8),  // pharmacies
    ("5999", 7, 3.5, 1.0),  // retail
    ("5311", 6, 3.9, 0.8),  // department stores
    ("4121", 5, 2.7, 0.6),  // taxis
    ("5732", 4, 5.0, 1.0),  // electronics
    ("7011", 4, 5.2, 0.7),  // hotels
    ("4511", 3, 5.7, 0.7),  // airlines
    ("4829", 2, 5.0, 1.2),  // money transfer
    ("7995", 1, 4.2, 1.3),  // betting
    ("6051", 1, 5.3, 1.2),  // crypto and quasi-cash
    ("5993", 1, 2.8, 0.6),  // tobacco
    ("7273", 1, 3.5, 0.8),  // dating
];

/// A merchant's category.
#[derive(Clone, Copy, Debug)]
pub(super) struct Category {
    pub mcc: &'static str,
    mean: f64,
    deviation: f64,
}

impl Category {
    pub fn of_merchant(seed: u64, merchant: u32) -> Self {
        let mut at = reduce(mix(seed ^ 0x6d63, u64::from(merchant)), 100);
        for (mcc, share, mean, deviation) in CATEGORIES {
            if at < share {
                return Self { mcc, mean, deviation };
            }
            at -= share;
        }
        Self { mcc: "5411", mean: 3.4, deviation: 0.8 }
    }

    /// An amount in cents, log-normal, from 0.50 to 25,000.
    pub fn amount(self, random: &mut Random) -> u64 {
        let amount = libm::exp(self.mean + self.deviation * random.normal());
        (amount.clamp(0.5, 25_000.0) * 100.0) as u64
    }
}

/// A country and its currency.
pub(super) fn country(random: u64) -> (&'static str, &'static str) {
    let mut at = reduce(random, 100);
    for (country, currency, share) in COUNTRIES {
        if at < share {
            return (country, currency);
        }
        at -= share;
    }
    ("US", "USD")
}

/// Where a card is from.
pub(super) fn home(seed: u64, card: u32) -> (&'static str, &'static str) {
    country(mix(seed ^ 0x686f, u64::from(card)))
}

/// One of the card's one to three devices.
pub(super) fn device(seed: u64, card: u32, random: &mut Random) -> u64 {
    let devices = 1 + reduce(mix(seed ^ 0x6465, u64::from(card)), 3);
    // The first one is used most.
    if random.chance(0.7) { 0 } else { random.below(devices) }
}

/// One of the card's two to four addresses, or one that many cards share.
pub(super) fn address(seed: u64, card: u32, random: &mut Random) -> [u8; 4] {
    if random.chance(0.06) {
        return octets(mix(seed ^ 0x7368, random.below(SHARED_ADDRESSES)));
    }
    let addresses = 2 + reduce(mix(seed ^ 0x6164, u64::from(card)), 3);
    let which = if random.chance(0.6) { 0 } else { random.below(addresses) };
    octets(mix(seed ^ 0x6970, u64::from(card) * 4 + which))
}

/// A public address.
pub(super) fn octets(random: u64) -> [u8; 4] {
    let [a, b, c, d, ..] = random.to_le_bytes();
    // 11 to 99: neither private nor reserved.
    [11 + a % 89, b, c, d]
}

/// The user a card belongs to: three users have four cards.
pub(super) fn user(card: u32) -> u32 {
    card - card / 4
}

/// How many hours the card's day is ahead of the average one.
pub(super) fn day_shift(seed: u64, card: u32) -> u64 {
    (24 + reduce(mix(seed ^ 0x7368_6966, u64::from(card)), 7) - 3) % 24
}
