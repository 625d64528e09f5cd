//! The demo's records.

use crate::cli::DemoArgs;
use crate::failure::Failure;
use crate::generator::live::{History, LiveGenerator, LiveOptions};
use crate::generator::{GenerateError, Profile};
use crate::source::Waker;
use std::time::Instant;
use tidemark_operators::ingest::reader::PartitionId;
use tidemark_operators::plan::Plan;

/// The source that the generated records are for.
const SOURCE: &str = "transactions";
/// Partitions at least. Each has its own busiest cards, so that many are about as busy.
const PARTITIONS: u32 = 64;
/// Cards of a partition.
const CARDS: u32 = 1_500;
/// Records per second at most.
const RATE_MAX: u64 = 10_000_000;
/// Shares of late and of malformed records.
const LATE_AND_MALFORMED: (f64, f64) = (0.002, 0.001);
/// The past before the start: as dense as the present, so that windows are full at once; at most so
/// many records and so many seconds.
const HISTORY: (u64, u64) = (300_000, 360);

/// What is generated.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    options: LiveOptions,
    workers: usize,
}

impl Traffic {
    /// The traffic for `plan`, over `workers`.
    ///
    /// # Errors
    /// When the job reads something else, or so many records cannot be made.
    pub fn new(args: &DemoArgs, plan: &Plan, workers: usize) -> Result<Self, Failure> {
        let sources: Vec<&str> = plan.sources.iter().map(|source| source.name.as_str()).collect();
        if sources != [SOURCE] {
            let names = sources.join(", ");
            let message = format!("the job \"{}\" reads {names}, not {SOURCE} alone", plan.name);
            return Err(Failure::usage(message).hint(format!(
                "the demo makes {SOURCE} as the job fraud reads them; `tidemark replay` runs any \
                 job on files"
            )));
        }
        if args.rate > RATE_MAX {
            let message = format!("cannot make {} records a second", args.rate);
            return Err(Failure::usage(message).hint(format!("--rate may be up to {RATE_MAX}")));
        }
        let partitions = PARTITIONS.max(u32::try_from(workers).unwrap_or(PARTITIONS));
        let (events, seconds) = HISTORY;
        let events = events.min(args.rate.saturating_mul(seconds));
        let options = LiveOptions {
            profile: Profile::Fraud,
            seed: args.seed,
            rate: crate::metrics::float(args.rate),
            partitions,
            cards: CARDS * partitions,
            late: LATE_AND_MALFORMED.0,
            malformed: LATE_AND_MALFORMED.1,
            history: Some(History { span: events * 1_000 / args.rate.max(1), events }),
            events: None,
            origin: Instant::now(),
        };
        Ok(Traffic { options, workers: workers.max(1) })
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
    ) -> Result<LiveGenerator, GenerateError> {
        let options = LiveOptions { origin, ..self.options.clone() };
        let all = (0..options.partitions).map(|partition| PartitionId { source: 0, partition });
        let mine: Vec<_> = all.skip(worker).step_by(self.workers).collect();
        LiveGenerator::start(&options, &mine, waker)
    }
}
