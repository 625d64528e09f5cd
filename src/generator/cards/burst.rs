//! Card testing: someone with a stolen number tries it with small amounts, many times a minute.

use super::line::Transaction;
use super::population::{Category, country, octets, user};
use crate::generator::random::{Random, mix};
use tidemark_operators::time::{EventTime, Millis};

/// How many bursts run at once at most.
const BURSTS_MAX: usize = 8;
/// How likely a record starts a burst.
const START_CHANCE: f64 = 1.0 / 1_500.0;
/// A burst's attempts lie within this.
const BURST_SPAN: Millis = 55_000;

#[derive(Clone, Debug)]
struct Burst {
    card: u32,
    merchant: u32,
    /// When the next attempt is due.
    due: EventTime,
    every: Millis,
    left: u64,
    device: (u32, u64),
    addresses: u64,
}

/// The bursts that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Bursts {
    running: Vec<Burst>,
}

impl Bursts {
    /// Perhaps starts one on `card` at `merchant`.
    pub fn maybe_start(&mut self, card: u32, merchant: u32, now: EventTime, random: &mut Random) {
        if self.running.len() >= BURSTS_MAX || !random.chance(START_CHANCE) {
            return;
        }
        let left = 15 + random.below(40);
        let device = (u32::try_from(9_000_000 + random.below(900_000)).unwrap_or(0), 9);
        let (due, every, addresses) = (now, BURST_SPAN / left, random.next());
        self.running.push(Burst { card, merchant, due, every, left, device, addresses });
    }

    /// The next attempt due by `now`, at the time it is due.
    pub fn next(
        &mut self,
        seed: u64,
        now: EventTime,
        random: &mut Random,
    ) -> Option<(EventTime, Transaction)> {
        let first = self.running.iter().enumerate().min_by_key(|(_, b)| b.due);
        let (which, due) = first.map(|(i, b)| (i, b.due)).filter(|(_, due)| *due <= now)?;
        let burst = self.running.get_mut(which)?;
        let (country, currency) = country(mix(burst.addresses, 1));
        let transaction = Transaction {
            card: burst.card,
            user: user(burst.card),
            amount: 50 + random.below(450),
            currency,
            merchant: burst.merchant,
            mcc: Category::of_merchant(seed, burst.merchant).mcc,
            country,
            device: burst.device,
            address: octets(mix(burst.addresses, 2 + random.below(6))),
            declined: random.chance(0.85),
            planted: true,
        };
        burst.left -= 1;
        burst.due += burst.every;
        if burst.left == 0 {
            self.running.swap_remove(which);
        }
        Some((due, transaction))
    }
}
