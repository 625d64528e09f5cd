//! Whether records say when they arrived, which `--known arrived` goes by.

use super::asked::Asking;
use crate::cli::KnownWhen;
use crate::engine::Observer;
use crate::failure::Failure;
use crate::output;
use crate::text::count_text;
use tidemark_jobs::Job;
use tidemark_operators::plan::{Arrival, Framing};

/// What the accepted records of a source said of their arrivals.
#[derive(Clone, Debug)]
pub(super) struct ArrivalCounts {
    source: String,
    /// What says when they arrived.
    by: String,
    accepted: u64,
    unknown: u64,
    /// Whether all that say it say what time the event is of.
    only_times: bool,
}

/// The sources that feed what is asked for.
fn feeding(job: &Job, asking: &Asking) -> Vec<usize> {
    let feeds = |source: usize| {
        asking.entities.iter().any(|asked| {
            let entity = job.plan.entities.get(asked.entity);
            entity.and_then(|entity| entity.sources.get(source)).is_some_and(Option::is_some)
        })
    };
    (0..job.plan.sources.len()).filter(|source| feeds(*source)).collect()
}

/// Refuses sources whose files cannot say when their records arrived.
///
/// # Errors
/// With exit code 2.
pub(super) fn check(job: &Job, asking: &Asking) -> Result<(), Failure> {
    for source in feeding(job, asking).iter().filter_map(|at| job.plan.sources.get(*at)) {
        let name = &source.name;
        let (why, hint) = match source.arrival {
            Arrival::Field(_) => continue,
            Arrival::Timestamp if source.framing == Framing::Kcat => continue,
            Arrival::Timestamp => (
                format!(
                    "nothing says when the records of source \"{name}\" arrived, and --known arrived goes by \
                     that: its files have no timestamps"
                ),
                format!(
                    "name the field that has it, by arrival_field in [sources.{name}]; or read what \
                     `kcat -J` has written of the topic, with framing = \"kcat\"; or say --known \
                     lag=DURATION with how long records take"
                ),
            ),
            Arrival::Unknown => (
                format!(
                    "source \"{name}\" has arrival = \"none\", and --known arrived goes by when its records \
                     arrived"
                ),
                format!(
                    "take arrival = \"none\" out of [sources.{name}], or say --known lag=DURATION with how \
                     long records take"
                ),
            ),
        };
        return Err(Failure::usage(why).hint(hint));
    }
    Ok(())
}

/// What the records that were accepted said, of each source that feeds what is asked for; nothing unless
/// events count by arrival.
///
/// # Errors
/// When of a source not one said when it arrived; exit code 1.
pub(super) fn of_run(
    (job, known): (&Job, KnownWhen),
    asking: &Asking,
    observer: &Observer,
) -> Result<Vec<ArrivalCounts>, Failure> {
    if known != KnownWhen::Arrived {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for at in feeding(job, asking) {
        let Some(source) = job.plan.sources.get(at) else { continue };
        let workers = || observer.metrics.iter();
        let accepted = workers().filter_map(|m| Some(m.verdicts.get(at)?.accepted.get()));
        let accepted: u64 = accepted.sum();
        let clocks = || workers().filter_map(|m| m.clocks.get(at));
        let arrivals: u64 = clocks().map(|clocks| clocks.arrivals.get()).sum();
        let stamped: u64 = clocks().map(|clocks| clocks.stamped.get()).sum();
        let with_ts: u64 = clocks().map(|clocks| clocks.stamped_with_ts.get()).sum();
        let by = match source.arrival.field() {
            Some(field) => format!("the field {}", field.place.shown(&field.path)),
            None => "the timestamp of the record".to_owned(),
        };
        let by_timestamp = source.arrival == Arrival::Timestamp;
        let counts = ArrivalCounts {
            source: source.name.clone(),
            by,
            accepted,
            unknown: accepted.saturating_sub(arrivals),
            only_times: by_timestamp && stamped > 0 && with_ts == stamped,
        };
        if accepted > 0 && counts.unknown == accepted {
            return Err(counts.none());
        }
        all.push(counts);
    }
    Ok(all)
}

/// How many accepted records did not say when they arrived; `None` unless events count by arrival.
pub(super) fn unknown(known: KnownWhen, counts: &[ArrivalCounts]) -> Option<u64> {
    (known == KnownWhen::Arrived).then(|| counts.iter().map(|counts| counts.unknown).sum())
}

impl ArrivalCounts {
    fn none(&self) -> Failure {
        let (source, by, all) = (&self.source, &self.by, count_text(self.accepted));
        Failure::failed(format!(
            "not one of {all} accepted records of source \"{source}\" says when it arrived, which --known \
             arrived goes by: {by} has no time in any of them that an event could have"
        ))
        .hint(format!(
            "name another arrival_field in [sources.{source}], or say --known lag=DURATION with how long \
             records take"
        ))
    }

    /// Says what people may not expect of what was written.
    pub fn tell(&self) {
        let (source, by) = (&self.source, &self.by);
        let (unknown, all) = (count_text(self.unknown), count_text(self.accepted));
        if self.unknown > 0 {
            output::note(&format!(
                "note: {unknown} of {all} events of source \"{source}\" do not say when they arrived, by {by}: \
                 each counts from its own time on"
            ));
        }
        if self.only_times {
            output::note(&format!(
                "note: of all events of source \"{source}\" {by} is the time of the event itself, and says \
                 nothing of when they arrived: what comes out is --known final"
            ));
        }
    }
}
