//! What is asked of a generator.

use super::GenerateError;
use super::schedule::START;
use tidemark_operators::time::{EventTime, HOUR};

/// The most partitions that can be asked for.
pub const PARTITIONS_MAX: u32 = 1_024;
/// The most cards or users that can be asked for: their numbers have seven digits.
pub const CARDS_MAX: u32 = 8_000_000;

/// What the traffic looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Card transactions: busy days and quiet nights, each card with hours of its own, and bursts
    /// of card testing.
    Fraud,
    /// The benches' workload: the same transactions, evenly over time and without bursts.
    W1,
    /// Clicks in a shop: visits that search, look, fill carts and sometimes buy.
    Personalization,
    /// What employees do with the systems of a company: sessions from their devices and places in
    /// their working hours, and now and then somebody else with their account.
    Behavior,
}

impl Profile {
    /// The source of the shipped jobs that reads such records, such as `transactions`.
    pub fn source(self) -> &'static str {
        match self {
            Profile::Fraud | Profile::W1 => "transactions",
            Profile::Personalization => "clicks",
            Profile::Behavior => "behavior_events",
        }
    }
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
    /// How many partitions; a card's or user's records are all in one. At most [`PARTITIONS_MAX`].
    pub partitions: u32,
    /// How many cards; how many users where the profile has no cards. At most [`CARDS_MAX`].
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
    /// The defaults of a profile: 48 hours of 100,000 cards or of 20,000 shoppers, 60 days of 5,000
    /// employees.
    pub fn of(profile: Profile) -> Self {
        let (cards, hours) = match profile {
            Profile::Fraud | Profile::W1 => (100_000, 48),
            Profile::Personalization => (20_000, 48),
            Profile::Behavior => (5_000, 60 * 24),
        };
        Self { profile, cards, hours, ..Self::default() }
    }

    /// The event time before which the records of [`Generator::new`](super::Generator::new) end.
    pub fn end(&self) -> EventTime {
        START + u64::from(self.hours) * HOUR
    }

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
