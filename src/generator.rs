//! Seeded card traffic: for the demo, the benches, and for trying a job without data of one's own.
//!
//! Cards follow a Zipf law (exponent 0.8) and have a home country, one to three devices and a few
//! addresses; some 5,000 merchants are skewed too, and amounts are log-normal by the merchant's
//! category. Each partition's records are up to 5 s out of order and, but for those asked for by
//! [`Options::late`] and [`Options::malformed`], never late and always valid for the shipped jobs.
//! The same options give the same bytes, on every machine.
//!
//! - [`Generator`]: records one by one;
//! - [`write_files`]: JSON-lines files, plain or zstd;
//! - [`live`]: an endless source on an open-loop schedule.

mod burst;
mod files;
mod line;
pub mod live;
mod population;
mod random;
mod schedule;
#[cfg(test)]
mod tests;

pub use files::{GenerateError, Summary, partition_path, write_files};

use burst::Bursts;
use line::Transaction;
use population::Category;
use random::{Random, Zipf, mix, reduce};
use schedule::{OUT_OF_ORDER_MAX, Schedule};
use tidemark_operators::time::{EventTime, HOUR};

/// The most partitions that can be asked for.
pub const PARTITIONS_MAX: u32 = 1_024;
/// The most cards that can be asked for: their numbers have seven digits.
pub const CARDS_MAX: u32 = 8_000_000;
/// The longest lateness of a late record, beyond what makes it late, in ms.
const LATE_MAX: f64 = 2.0 * 3_600_000.0;

/// What the traffic looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Busy days and quiet nights, each card with hours of its own, and bursts of card testing.
    Fraud,
    /// The benches' workload: the same transactions, evenly over time and without bursts.
    W1,
}

/// What to generate.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What the traffic looks like.
    pub profile: Profile,
    /// How many records.
    pub events: u64,
    /// Decides everything that the other options leave open.
    pub seed: u64,
    /// How many partitions; a card's records are all in one. At most [`PARTITIONS_MAX`].
    pub partitions: u32,
    /// How many cards. At most [`CARDS_MAX`].
    pub cards: u32,
    /// How many hours of event time the records cover.
    pub hours: u32,
    /// The fraction of records that are late: further behind their partition's newest than 5 s.
    pub late: f64,
    /// The fraction of records that are malformed, in ten ways.
    pub malformed: f64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: Profile::Fraud,
            events: 1_000_000,
            seed: 1,
            partitions: 1,
            cards: 100_000,
            hours: 48,
            late: 0.0,
            malformed: 0.0,
        }
    }
}

impl Options {
    /// Whether the options can be met.
    ///
    /// # Errors
    /// Names the option that is out of its bounds, and these.
    pub fn check(&self) -> Result<(), GenerateError> {
        let wrong = |option, bounds: String| Err(GenerateError::Option { option, bounds });
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            return wrong("partitions", format!("from 1 to {PARTITIONS_MAX}"));
        }
        if !(1..=CARDS_MAX).contains(&self.cards) {
            return wrong("cards", format!("from 1 to {CARDS_MAX}"));
        }
        if !(1..=24 * 366).contains(&self.hours) {
            return wrong("hours", format!("from 1 to {}", 24 * 366));
        }
        for (option, fraction) in [("late", self.late), ("malformed", self.malformed)] {
            if !(0.0..=1.0).contains(&fraction) {
                return wrong(option, "a fraction from 0 to 1".to_owned());
            }
        }
        if self.late + self.malformed > 1.0 {
            return wrong("late + malformed", "a fraction from 0 to 1 together".to_owned());
        }
        Ok(())
    }
}

/// What kind of record was generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Valid and on time.
    OnTime,
    /// Valid, but behind its partition's watermark.
    Late,
    /// Not decodable, or not complete.
    Malformed,
}

/// One generated record.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its partition, from 0.
    pub partition: u32,
    /// Its key: the card's id.
    pub key: &'a [u8],
    /// Its value: a JSON object, without a line end.
    pub line: &'a [u8],
    /// Its event time, or what that would have been.
    pub time: EventTime,
    /// What it is.
    pub kind: Kind,
}

/// Generates records one after the other.
#[derive(Clone, Debug)]
pub struct Generator {
    options: Options,
    schedule: Schedule,
    cards: Zipf,
    merchants: Zipf,
    random: Random,
    bursts: Bursts,
    /// The newest event time of each partition; 0 before the first.
    newest: Vec<EventTime>,
    next: u64,
    /// Card and transaction numbers are multiplied by the second and the first added: several
    /// generators side by side then share none.
    lane: (u32, u32),
    key: Vec<u8>,
    line: Vec<u8>,
}

impl Generator {
    /// A generator of the records `options` ask for.
    ///
    /// # Errors
    /// When an option is out of its bounds.
    pub fn new(options: Options) -> Result<Self, GenerateError> {
        let (events, span) = (options.events, u64::from(options.hours) * HOUR);
        let schedule = match options.profile {
            Profile::W1 => Schedule::Even { start: schedule::START, span, events },
            Profile::Fraud => Schedule::daily(schedule::START, options.hours, events),
        };
        Self::scheduled(options, schedule, (0, 1))
    }

    fn scheduled(
        options: Options,
        schedule: Schedule,
        lane: (u32, u32),
    ) -> Result<Self, GenerateError> {
        options.check()?;
        Ok(Self {
            cards: Zipf::new(options.cards, 0.8),
            merchants: Zipf::new(population::MERCHANTS, 0.9),
            random: Random::new(mix(options.seed, u64::from(lane.0))),
            bursts: Bursts::default(),
            newest: (0..options.partitions).map(|_| 0).collect(),
            next: 0,
            key: Vec::new(),
            line: Vec::new(),
            schedule,
            lane,
            options,
        })
    }

    /// The next record, or `None` after the last. It is valid until the next call.
    #[expect(clippy::should_implement_trait, reason = "an iterator's items cannot borrow from it")]
    pub fn next(&mut self) -> Option<Record<'_>> {
        if self.next >= self.options.events {
            return None;
        }
        let now = self.schedule.at(self.next);
        let mut transaction = self.transaction(now);
        transaction.number = self.next * u64::from(self.lane.1) + u64::from(self.lane.0);
        self.next += 1;
        let partition = self.partition(transaction.card);
        let kind = self.kind(partition);
        let newest = self.newest.get_mut(usize::try_from(partition).unwrap_or(0))?;
        if kind == Kind::Late {
            let behind = libm::exp(self.random.unit() * libm::log(LATE_MAX));
            transaction.at = *newest - OUT_OF_ORDER_MAX - 1 - behind as u64;
        }
        self.key.clear();
        line::card_id(transaction.card, &mut self.key);
        self.line.clear();
        if kind == Kind::Malformed {
            line::write_damaged(&transaction, &mut self.random, &mut self.line);
        } else {
            line::write(&transaction, &mut self.line);
            *newest = (*newest).max(transaction.at);
        }
        let time = transaction.at;
        Some(Record { partition, key: &self.key, line: &self.line, time, kind })
    }

    /// What happens next, at the clock `now` or, in a burst, a little before.
    fn transaction(&mut self, now: EventTime) -> Transaction {
        let seed = self.options.seed;
        // In other profiles none ever starts.
        if let Some(attempt) = self.bursts.next(seed, now, &mut self.random) {
            return attempt;
        }
        let card = self.card(now);
        let random = &mut self.random;
        let merchant = self.merchants.sample(random);
        if self.options.profile == Profile::Fraud {
            self.bursts.maybe_start(card, merchant, now, random);
        }
        let category = Category::of_merchant(seed, merchant);
        let home = population::home(seed, card);
        let (country, currency) =
            if random.chance(0.97) { home } else { population::country(random.next()) };
        // Most records are a little out of order, few by seconds.
        let (u, jitter_max) = (random.unit(), OUT_OF_ORDER_MAX as f64);
        Transaction {
            number: 0,
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
            at: now - (u * u * u * jitter_max) as u64,
        }
    }

    /// Who pays: by the Zipf law, and in the fraud profile rather a card that is up at this hour.
    fn card(&mut self, now: EventTime) -> u32 {
        let mut card = 0;
        for _ in 0..3 {
            let rank = self.cards.sample(&mut self.random);
            card = scatter(rank, self.options.cards) * self.lane.1 + self.lane.0;
            if self.options.profile == Profile::W1 {
                break;
            }
            let shift = population::day_shift(self.options.seed, card);
            let hour = (schedule::hour_of_day(now) + shift) % 24;
            let busy = usize::try_from(hour).ok().and_then(|h| schedule::HOURLY.get(h));
            if self.random.below(100) < busy.copied().unwrap_or(100) {
                break;
            }
        }
        card
    }

    fn partition(&self, card: u32) -> u32 {
        let partitions = u64::from(self.options.partitions);
        u32::try_from(reduce(mix(0, u64::from(card)), partitions)).unwrap_or(0)
    }

    fn kind(&mut self, partition: u32) -> Kind {
        let newest = self.newest.get(usize::try_from(partition).unwrap_or(0)).copied();
        let u = self.random.unit();
        if u < self.options.malformed {
            Kind::Malformed
        } else if u < self.options.malformed + self.options.late && newest.is_some_and(|n| n > 0) {
            Kind::Late
        } else {
            Kind::OnTime
        }
    }
}

/// The card at a rank: the busiest ones are not the lowest numbers.
fn scatter(rank: u32, cards: u32) -> u32 {
    // A prime above CARDS_MAX has no factor in common with any number of cards.
    const PRIME: u64 = 2_147_483_647;
    let card = (u64::from(rank) * PRIME + 12_345) % u64::from(cards.max(1));
    u32::try_from(card).unwrap_or(0)
}
