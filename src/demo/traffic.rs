//! The demo's records.

use super::recent::RecentRecords;
use crate::cli::DemoArgs;
use crate::failure::Failure;
use crate::generator::live::{History, LiveGenerator, LiveOptions, Retelling};
use crate::generator::{CARDS_MAX, Cast, GenerateError, Profile};
use crate::source::PolledPartitions;
use crate::source::Waker;
use crate::wall_clock::wall_ms;
use std::time::Instant;
use tidemark_operators::origin::PartitionId;
use tidemark_operators::plan::Plan;
#[cfg(test)]
use tidemark_operators::time::EventTime;
use tidemark_operators::time::{DAY, HOUR};

/// What can be generated.
const PROFILES: [Profile; 3] = [Profile::Fraud, Profile::Personalization, Profile::Behavior];
/// Partitions at least.
const PARTITIONS: u32 = 64;
/// Cards for each record a second: one pays some times a day, and hardly twice in five minutes.
const CARDS_PER_RATE: u64 = 600;
/// Records per second at most.
const RATE_MAX: u64 = 10_000_000;
/// Shares of late and of malformed records.
const LATE_AND_MALFORMED: (f64, f64) = (0.002, 0.001);
/// The past before the start: as dense as the present, so that short windows are full at once and
/// sessions under way; at most so many records and so many seconds.
const HISTORY: (u64, u64) = (300_000, 600);
/// Cards are looked at over a day: so much before the start, and so many records besides those that
/// are as dense as the present.
const DAY_BEFORE: (u64, u64) = (26 * HOUR, 120_000);
/// Behaviour is compared with weeks: the same for these.
const WEEKS_BEFORE: (u64, u64) = (35 * DAY, 300_000);

/// What is generated.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    options: LiveOptions,
    workers: usize,
    recent: RecentRecords,
}

impl Traffic {
    /// The traffic for `plan`, over `workers`; `recent` is told who is in it.
    ///
    /// # Errors
    /// When the job reads something else, or so many records cannot be made.
    pub fn new(
        args: &DemoArgs,
        plan: &Plan,
        workers: usize,
        recent: RecentRecords,
    ) -> Result<Self, Failure> {
        let profile = profile(plan)?;
        let rate = args.rate.unwrap_or(match profile {
            // As few as it takes for anybody to be seen at a glance.
            Profile::Behavior | Profile::Personalization => 100,
            Profile::Fraud | Profile::W1 => 200,
        });
        if rate > RATE_MAX {
            let message = format!("cannot make {rate} records a second");
            return Err(Failure::usage(message).hint(format!("--rate may be up to {RATE_MAX}")));
        }
        let partitions = PARTITIONS.max(u32::try_from(workers).unwrap_or(PARTITIONS));
        let options = LiveOptions {
            profile,
            seed: args.seed,
            rate: crate::metrics::float(rate),
            partitions,
            cards: members(profile, rate, partitions),
            late: LATE_AND_MALFORMED.0,
            malformed: LATE_AND_MALFORMED.1,
            history: Some(history(profile, rate)),
            events: None,
            origin: Instant::now(),
            cast: Cast::Story,
            present: wall_ms(),
        };
        Ok(Traffic { options, workers: workers.max(1), recent })
    }

    /// What is generated.
    pub fn profile(&self) -> Profile {
        self.options.profile
    }

    /// The traffic as it would be around another present, and without an end or with the past alone.
    #[cfg(test)]
    pub fn at(mut self, present: EventTime, events: Option<u64>) -> Self {
        self.options.present = Some(present);
        self.options.events = events;
        self
    }

    /// Whose records came lately.
    pub fn recent(&self) -> RecentRecords {
        self.recent.clone()
    }

    /// All records of the past, partition by partition.
    #[cfg(test)]
    pub fn each(&self, mut of: impl FnMut(&crate::generator::Record<'_>)) {
        let partitions = 0..self.options.partitions;
        partitions.for_each(|partition| Retelling::each(&self.options, partition, &mut of));
    }

    /// The records of the past before the start, the only ones that come at full speed.
    pub fn past(&self) -> u64 {
        self.options.history.map_or(0, |history| history.events)
    }

    /// The records of one card or user, once more.
    pub fn retell(&self, id: &str) -> Option<Retelling> {
        Retelling::of(&self.options, id)
    }

    /// Starts a worker's share. `origin` is the zero of due times.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        &self,
        worker: usize,
        waker: &Waker,
        origin: Instant,
    ) -> Result<PolledPartitions, GenerateError> {
        let options = LiveOptions { origin, ..self.options.clone() };
        let all = (0..options.partitions).map(|partition| PartitionId { source: 0, partition });
        let mine: Vec<_> = all.skip(worker).step_by(self.workers).collect();
        let generator = LiveGenerator::start(&options, &mine, waker)?;
        Ok(self.recent.watch(generator))
    }
}

/// What the job reads.
fn profile(plan: &Plan) -> Result<Profile, Failure> {
    let sources: Vec<&str> = plan.sources.iter().map(|source| source.name.as_str()).collect();
    let wanted = PROFILES.into_iter().find(|profile| sources == [profile.source()]);
    wanted.ok_or_else(|| {
        let made = PROFILES.map(Profile::source).join(", ");
        let message = format!("the job \"{}\" reads {}", plan.name, sources.join(" and "));
        Failure::usage(message).hint(format!(
            "the demo makes records for jobs with one source of these: {made}; `tidemark replay` \
             runs any job on files"
        ))
    })
}

/// How many cards or users act at this rate, over all partitions.
fn members(profile: Profile, rate: u64, partitions: u32) -> u32 {
    let most = CARDS_MAX / partitions;
    let each = |members: u64| u32::try_from(members).unwrap_or(most).clamp(1, most) * partitions;
    let rate_of_partition = rate.div_ceil(u64::from(partitions));
    match profile {
        Profile::Fraud | Profile::W1 => each(CARDS_PER_RATE * rate_of_partition),
        // A visit has some ten clicks, and hours later the next one begins.
        Profile::Personalization => each((1_000 * rate_of_partition).max(1_000)),
        // Few enough for everybody to have a past; about a third of them is at work.
        Profile::Behavior => each((64 * rate_of_partition).max(128)),
    }
}

fn history(profile: Profile, rate: u64) -> History {
    let (events, seconds) = HISTORY;
    let dense = events.min(rate.saturating_mul(seconds));
    let (span, long_ago) = match profile {
        Profile::Fraud | Profile::W1 => DAY_BEFORE,
        Profile::Behavior => WEEKS_BEFORE,
        Profile::Personalization => (dense * 1_000 / rate.max(1), 0),
    };
    History { span, events: long_ago + dense }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_within_what_can_be_numbered_at_any_rate() {
        for profile in PROFILES {
            for (rate, partitions) in [(1, 64), (100, 64), (2_000, 64), (RATE_MAX, 64), (1, 256)] {
                let members = members(profile, rate, partitions);
                assert!(members >= partitions && members <= CARDS_MAX, "{profile:?} {rate}");
                assert!(history(profile, rate).events <= 600_000);
            }
        }
        assert_eq!(members(Profile::Fraud, 200, 64), 153_600);
        assert_eq!(members(Profile::Personalization, 500, 64), 512_000);
        assert_eq!(members(Profile::Behavior, 100, 64), 8_192);
    }
}
