//! Card payments.
//!
//! Cards follow a Zipf law (exponent 0.8) and have a home country, one to three devices and a few
//! addresses; some 5,000 merchants are skewed too, and amounts are log-normal by the merchant's
//! category. In the fraud profile cards have hours of their own, and some are being tested. In a story
//! all cards pay about as often, a few times a day, and those that are tested are so for minutes.

mod burst;
mod line;
mod population;
mod testing;

pub(super) use line::Transaction;

use super::random::{Random, Zipf};
use super::schedule::{self, OUT_OF_ORDER_MAX};
use super::{Cast, Members, Options, Profile};
use burst::Bursts;
use population::Category;
use testing::Testing;
use tidemark_operators::time::EventTime;

/// All cards and what they do.
#[derive(Clone, Debug)]
pub(super) struct Cards {
    members: Members,
    /// Whether cards have hours of their own and are being tested.
    lively: bool,
    cards: Zipf,
    merchants: Zipf,
    bursts: Bursts,
    /// Only in a story.
    testing: Option<Testing>,
}

impl Cards {
    pub fn new(options: &Options, members: Members, cast: Cast) -> Self {
        Self {
            members,
            lively: options.profile == Profile::Fraud && cast == Cast::Plain,
            cards: Zipf::new(options.cards, 0.8),
            merchants: Zipf::new(population::MERCHANTS, 0.9),
            bursts: Bursts::default(),
            testing: (cast == Cast::Story).then(|| Testing::new(members)),
        }
    }

    /// What happens next, and when: at the clock `now` or a little before.
    /// `sparse`: there are fewer records than in the present.
    pub fn next(
        &mut self,
        now: EventTime,
        sparse: bool,
        random: &mut Random,
    ) -> (EventTime, Transaction) {
        let seed = self.members.seed;
        if let Some(testing) = &mut self.testing {
            if let Some(attempt) = testing.next(now, sparse, random) {
                return attempt;
            }
            let card = testing.anybody(sparse, random);
            let merchant = self.merchants.sample(random);
            return self.payment(card, merchant, now, random);
        }
        // In other profiles none ever starts.
        if let Some(attempt) = self.bursts.next(seed, now, random) {
            return attempt;
        }
        let card = self.card(now, random);
        let merchant = self.merchants.sample(random);
        if self.lively {
            self.bursts.maybe_start(card, merchant, now, random);
        }
        self.payment(card, merchant, now, random)
    }

    /// A payment by the card's owner, a little before `now`.
    fn payment(
        &self,
        card: u32,
        merchant: u32,
        now: EventTime,
        random: &mut Random,
    ) -> (EventTime, Transaction) {
        let seed = self.members.seed;
        let category = Category::of_merchant(seed, merchant);
        let home = population::home(seed, card);
        let (country, currency) =
            if random.chance(0.97) { home } else { population::country(random.next()) };
        // Most records are a little out of order, few by seconds.
        let (u, jitter_max) = (random.unit(), OUT_OF_ORDER_MAX as f64);
        let transaction = Transaction {
            card,
            user: population::user(card),
            amount: category.amount(random),
            currency,
            merchant,
            mcc: category.mcc,
            country,
            device: (card, population::device(seed, card, random)),
            address: population::address(seed, card, random),
            declined: random.chance(0.08),
            planted: false,
        };
        (now - (u * u * u * jitter_max) as u64, transaction)
    }

    /// Who pays: by the Zipf law, and in the fraud profile rather a card that is up at this hour.
    fn card(&self, now: EventTime, random: &mut Random) -> u32 {
        let mut card = 0;
        for _ in 0..3 {
            card = self.members.number(self.members.at_rank(self.cards.sample(random)));
            if !self.lively {
                break;
            }
            let shift = population::day_shift(self.members.seed, card);
            if random.below(100) < schedule::busy(schedule::hour_of_day(now) + shift) {
                break;
            }
        }
        card
    }
}
