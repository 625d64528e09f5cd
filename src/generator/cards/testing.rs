//! Card testing as a story: a card that pays a few times a day is tried, first carefully, then many
//! times a minute at one merchant after the other.

use super::line::Transaction;
use super::population::{Category, MERCHANTS, country, octets, user};
use crate::generator::Members;
use crate::generator::random::{Random, mix};
use crate::generator::sessions::exponential;
use tidemark_operators::time::{EventTime, Millis, SECOND};

/// How often a card begins to be tested, over all partitions.
const EVERY: Millis = 20 * SECOND;
/// Cards of a partition that are tested at once at most.
const TESTED_MAX: usize = 4;
/// One card in so many is somebody's who pays every day; these are tested.
const REGULARS: u64 = 4;
/// How far behind the clock an attempt may be.
const SLACK: Millis = SECOND;

/// A card that is being tested.
#[derive(Clone, Debug)]
struct Tested {
    card: u32,
    /// When the next attempt is due.
    due: EventTime,
    /// Careful attempts that are left, minutes apart.
    careful: u64,
    /// Attempts that are left after those, seconds apart.
    rush: u64,
    device: (u32, u64),
    /// Decides country and addresses.
    origin: u64,
}

/// All cards of a partition, and those that are being tested.
#[derive(Clone, Debug)]
pub(super) struct Testing {
    members: Members,
    /// Whether member 0 has paid.
    begun: bool,
    /// When the next card begins to be tested; `None` before that is drawn.
    next: Option<EventTime>,
    tested: Vec<Tested>,
}

impl Testing {
    pub fn new(members: Members) -> Self {
        Self { members, begun: false, next: None, tested: Vec::new() }
    }

    /// Who pays: member 0 first, in a sparse past only those who pay every day, else anybody.
    pub fn anybody(&mut self, sparse: bool, random: &mut Random) -> u32 {
        let count = u64::from(self.members.count);
        let among = match (std::mem::replace(&mut self.begun, true), sparse) {
            (false, _) => 1,
            (true, true) => count / REGULARS,
            (true, false) => count,
        };
        self.member(random.below(among.max(1)))
    }

    fn member(&self, at: u64) -> u32 {
        self.members.number(u32::try_from(at).unwrap_or(0))
    }

    /// The next attempt due by `now`, and when it happens. None begins in a sparse past: there are
    /// too few records to tell of it.
    pub fn next(
        &mut self,
        now: EventTime,
        sparse: bool,
        random: &mut Random,
    ) -> Option<(EventTime, Transaction)> {
        if !sparse {
            self.maybe_start(now, random);
        }
        let first = self.tested.iter().enumerate().min_by_key(|(_, tested)| tested.due);
        let (which, due) = first.map(|(at, tested)| (at, tested.due))?;
        if due > now {
            return None;
        }
        let at = due.max(now.saturating_sub(SLACK));
        let tested = self.tested.get_mut(which)?;
        let transaction = tested.attempt(self.members.seed, random);
        match tested.gap(random) {
            Some(gap) => tested.due = at + gap,
            None => drop(self.tested.swap_remove(which)),
        }
        Some((at, transaction))
    }

    fn maybe_start(&mut self, now: EventTime, random: &mut Random) {
        let mean = EVERY * u64::from(self.members.lane.1);
        let next = *self.next.get_or_insert_with(|| now + exponential(mean, random));
        if now < next {
            return;
        }
        self.next = Some(now + exponential(mean, random));
        let regulars = (u64::from(self.members.count) / REGULARS).max(1);
        let card = self.member(random.below(regulars));
        if self.tested.len() >= TESTED_MAX || self.tested.iter().any(|other| other.card == card) {
            return;
        }
        self.tested.push(Tested {
            card,
            due: now,
            careful: 2 + random.below(4),
            rush: 24 + random.below(30),
            device: (u32::try_from(9_000_000 + random.below(900_000)).unwrap_or(0), 9),
            origin: random.next(),
        });
    }
}

impl Tested {
    fn attempt(&self, seed: u64, random: &mut Random) -> Transaction {
        let merchant = u32::try_from(random.below(u64::from(MERCHANTS))).unwrap_or(0);
        let (country, currency) = country(mix(self.origin, 1));
        let refused = if self.careful > 0 { 0.4 } else { 0.85 };
        Transaction {
            card: self.card,
            user: user(self.card),
            amount: 50 + random.below(450),
            currency,
            merchant,
            mcc: Category::of_merchant(seed, merchant).mcc,
            country,
            device: self.device,
            address: octets(mix(self.origin, 2 + random.below(6))),
            declined: random.chance(refused),
            planted: true,
        }
    }

    /// The time to the next attempt; `None` after the last.
    fn gap(&mut self, random: &mut Random) -> Option<Millis> {
        if let Some(left) = self.careful.checked_sub(1) {
            self.careful = left;
            return Some(50 * SECOND + random.below(60 * SECOND));
        }
        self.rush = self.rush.saturating_sub(1);
        (self.rush > 0).then(|| 3 * SECOND + random.below(5 * SECOND))
    }
}
