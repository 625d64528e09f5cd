//! Seeded traffic: for the demo, the benches, and for trying a job without data of one's own.
//!
//! - `cards`: card transactions, with card testing (the profiles `fraud` and `w1`);
//! - `clicks`: visits to a shop (`personalization`);
//! - `behavior`: employees at work, and somebody else with their account (`behavior`);
//! - `sessions`: what the last two have in common.
//!
//! Who acts follows a Zipf law (exponent 0.8). Each partition's records are up to 5 s out of order
//! and, but for those asked for by [`Options::late`] and [`Options::malformed`], never late and
//! always valid for the shipped jobs. The same options give the same bytes, on every machine.
//! Memory: a few bytes for each user, and the sessions under way, at most 65,536.
//!
//! - [`Generator`]: records one by one;
//! - [`write_files`]: JSON-lines files, plain or zstd;
//! - [`RecordTally`]: what was generated, in numbers;
//! - [`live`]: an endless source on an open-loop schedule.

mod behavior;
mod cards;
mod clicks;
mod damage;
mod files;
pub mod live;
mod options;
mod random;
mod schedule;
mod sessions;
mod tally;
#[cfg(test)]
mod tests;

pub use files::{GenerateError, WrittenFiles, partition_path, write_files};
pub use options::{CARDS_MAX, Options, PARTITIONS_MAX, Profile};
pub use tally::RecordTally;

use behavior::{Company, WorkEvent};
use cards::{Cards, Transaction};
use clicks::{Click, Shop};
use damage::Damage;
pub(crate) use random::mix;
use random::{Random, reduce};
use schedule::{OUT_OF_ORDER_MAX, Schedule};
use sessions::Sessions;
use tidemark_operators::time::{EventTime, HOUR, Millis};

/// The longest lateness of a late record, beyond what makes it late, in ms.
const LATE_MAX: f64 = 2.0 * 3_600_000.0;

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
    /// Its key: the id of the card or user.
    pub key: &'a [u8],
    /// Its value: a JSON object, without a line end.
    pub line: &'a [u8],
    /// Its event time, or what that would have been.
    pub time: EventTime,
    /// What it is.
    pub kind: Kind,
    /// Whether it is what a demo is about: an attempt at a card that is being tested, something done
    /// with another's account, a step of a visit with something in the cart.
    pub planted: bool,
}

/// What the traffic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// As the profile says.
    Plain,
    /// As [`Cast::Plain`], cast so that a screen can tell what happens: cards pay a few times a day
    /// but for those that are being tested, for minutes and at many merchants; and member 0 of each
    /// partition (`card_0000017` in that of 17) is there from the start and comes again and again.
    Story,
}

/// The cards or users of a generator, and how they are numbered.
#[derive(Clone, Copy, Debug)]
struct Members {
    seed: u64,
    count: u32,
    /// Numbers of members and records are multiplied by the second and the first added: several
    /// generators side by side then share none.
    lane: (u32, u32),
}

impl Members {
    /// The member at a rank: the busiest ones are not the lowest numbers.
    fn at_rank(&self, rank: u32) -> u32 {
        // A prime above CARDS_MAX has no factor in common with any number of members.
        const PRIME: u64 = 2_147_483_647;
        let member = (u64::from(rank) * PRIME + 12_345) % u64::from(self.count.max(1));
        u32::try_from(member).unwrap_or(0)
    }

    /// The number that a member's id has.
    fn number(&self, member: u32) -> u32 {
        member * self.lane.1 + self.lane.0
    }
}

/// What happens.
#[derive(Clone, Debug)]
enum Population {
    Cards(Cards),
    Clicks(Sessions<Shop>),
    Behavior(Sessions<Company>),
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
enum Occurrence {
    Transaction(Transaction),
    Click(Click),
    Activity(WorkEvent),
}

impl Population {
    fn new(options: &Options, members: Members, cast: Cast) -> Self {
        match options.profile {
            Profile::Fraud | Profile::W1 => Population::Cards(Cards::new(options, members, cast)),
            Profile::Personalization => {
                Population::Clicks(Sessions::new(Shop::new(members, cast), members))
            }
            Profile::Behavior => {
                Population::Behavior(Sessions::new(Company::new(members, cast), members))
            }
        }
    }

    /// What happens next, and when: at the clock `now` or a little before, by at most `slack` and the
    /// time that records are out of order. `sparse`: records are fewer than in the present.
    fn next(
        &mut self,
        now: EventTime,
        slack: Millis,
        sparse: bool,
        random: &mut Random,
    ) -> (EventTime, Occurrence) {
        match self {
            Population::Cards(cards) => {
                let (at, event) = cards.next(now, sparse, random);
                (at, Occurrence::Transaction(event))
            }
            Population::Clicks(clicks) => {
                let (at, event) = clicks.next(now, slack, random);
                (at, Occurrence::Click(event))
            }
            Population::Behavior(behavior) => {
                let (at, event) = behavior.next(now, slack, random);
                (at, Occurrence::Activity(event))
            }
        }
    }
}

impl Occurrence {
    /// The number of the card or user.
    fn member(&self) -> u32 {
        match self {
            Occurrence::Transaction(transaction) => transaction.card,
            Occurrence::Click(click) => click.user,
            Occurrence::Activity(activity) => activity.user,
        }
    }

    /// See [`Record::planted`].
    fn planted(&self) -> bool {
        match self {
            Occurrence::Transaction(transaction) => transaction.planted,
            Occurrence::Click(click) => click.planted,
            Occurrence::Activity(activity) => activity.planted,
        }
    }

    fn write_key(&self, into: &mut Vec<u8>) {
        match self {
            Occurrence::Transaction(transaction) => transaction.write_key(into),
            Occurrence::Click(Click { user, .. })
            | Occurrence::Activity(WorkEvent { user, .. }) => {
                sessions::write_user(*user, into);
            }
        }
    }

    fn write(&self, number: u64, at: EventTime, damage: Option<Damage>, into: &mut Vec<u8>) {
        match self {
            Occurrence::Transaction(transaction) => transaction.write(number, at, damage, into),
            Occurrence::Click(click) => click.write(number, at, damage, into),
            Occurrence::Activity(activity) => activity.write(number, at, damage, into),
        }
    }
}

/// Generates records one after the other.
#[derive(Clone, Debug)]
pub struct Generator {
    options: Options,
    schedule: Schedule,
    members: Members,
    traffic: Population,
    random: Random,
    /// The newest event time of each partition; 0 before the first.
    newest: Vec<EventTime>,
    next: u64,
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
            Profile::Fraud | Profile::Personalization => {
                Schedule::daily(schedule::START, options.hours, events)
            }
            Profile::Behavior => Schedule::weekly(schedule::START, options.hours, events),
        };
        Self::scheduled(options, schedule, (0, 1), Cast::Plain)
    }

    /// A generator of records that happen from `start` on, one every `every_ns`, over all partitions;
    /// each has an event time of up to 5 s before it is due. The hours of `options` do not matter.
    ///
    /// # Errors
    /// When an option is out of its bounds.
    pub fn paced(options: Options, start: EventTime, every_ns: u64) -> Result<Self, GenerateError> {
        let schedule = Schedule::Live { start, past: 0, history: 0, every_ns };
        Self::scheduled(options, schedule, (0, 1), Cast::Plain)
    }

    fn scheduled(
        options: Options,
        schedule: Schedule,
        lane: (u32, u32),
        cast: Cast,
    ) -> Result<Self, GenerateError> {
        options.check()?;
        let members = Members { seed: options.seed, count: options.cards, lane };
        Ok(Self {
            traffic: Population::new(&options, members, cast),
            random: Random::new(mix(options.seed, u64::from(lane.0))),
            newest: (0..options.partitions).map(|_| 0).collect(),
            next: 0,
            key: Vec::new(),
            line: Vec::new(),
            schedule,
            members,
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
        let slack = self.schedule.slack(self.next);
        let sparse = self.schedule.is_sparse(self.next);
        let (mut time, event) = self.traffic.next(now, slack, sparse, &mut self.random);
        let (lane, lanes) = self.members.lane;
        let number = self.next * u64::from(lanes) + u64::from(lane);
        self.next += 1;
        let partition = self.partition(event.member());
        let kind = self.kind(partition);
        let newest = self.newest.get_mut(usize::try_from(partition).unwrap_or(0))?;
        if kind == Kind::Late {
            let behind = libm::exp(self.random.unit() * libm::log(LATE_MAX));
            time = *newest - OUT_OF_ORDER_MAX - 1 - behind as u64;
        }
        self.key.clear();
        event.write_key(&mut self.key);
        self.line.clear();
        if kind == Kind::Malformed {
            let damage = Damage::any(&mut self.random);
            event.write(number, time, damage, &mut self.line);
            if let Some(damage) = damage {
                damage.spoil(&mut self.line, &mut self.random);
            }
        } else {
            event.write(number, time, None, &mut self.line);
            *newest = (*newest).max(time);
        }
        let planted = event.planted();
        Some(Record { partition, key: &self.key, line: &self.line, time, kind, planted })
    }

    /// The clock of the next record.
    fn clock(&self) -> EventTime {
        self.schedule.at(self.next)
    }

    fn partition(&self, member: u32) -> u32 {
        let partitions = u64::from(self.options.partitions);
        u32::try_from(reduce(mix(0, u64::from(member)), partitions)).unwrap_or(0)
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
