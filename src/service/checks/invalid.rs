//! Too large a share of a field's values that cannot be read: the field is null in these events, which
//! nothing else shows, and a producer that changed how it writes it is told of by nobody.
//!
//! The share is that of the events of the last `refused_over` once the job has caught up, held against
//! `refused_share` as that of refused records is, and found from [`RECORDS_LEAST`] events on.
//!
//! Bound: the samples of [`Recent`] by field that the job reads.

use crate::http::Part;
use crate::metrics::float;
use crate::service::checks::recent::Recent;
use crate::service::checks::refused::{RECORDS_LEAST, percent};
use crate::service::checks::{Finding, HealthCheck, Moment};
use crate::text::{count_text, printable};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Finds fields whose values cannot be read in too many events.
#[derive(Debug)]
pub(crate) struct InvalidValues {
    share: f64,
    over: Duration,
    /// By source, then by field of its plan.
    fields: Mutex<Vec<Vec<FieldSeries>>>,
}

/// How many events there were until some moment, and in how many a field could not be read.
#[derive(Clone, Copy, Debug, Default)]
struct EventsRead {
    events: u64,
    invalid: u64,
}

impl EventsRead {
    fn share(&self) -> f64 {
        float(self.invalid) / float(self.events.max(1))
    }
}

#[derive(Clone, Debug, Default)]
struct FieldSeries {
    recent: Option<Recent<2>>,
    found: bool,
}

impl FieldSeries {
    /// What was read over `refused_over`, where that is too much.
    fn look(
        &mut self,
        read: EventsRead,
        now: Instant,
        check: &InvalidValues,
    ) -> Option<EventsRead> {
        let counts = [read.events, read.invalid];
        let recent = self.recent.get_or_insert_with(|| Recent::new(counts, now, check.over));
        let [events, invalid] = recent.look(counts, now);
        let window = EventsRead { events, invalid };
        let enough = self.found || window.events >= RECORDS_LEAST;
        self.found = window.share() > check.share && enough;
        self.found.then_some(window)
    }
}

impl InvalidValues {
    pub fn new(share: f64, over: Duration) -> Self {
        InvalidValues { share, over, fields: Mutex::default() }
    }

    fn text(&self, field: &str, window: EventsRead, first: Option<&str>) -> String {
        let first =
            first.map_or_else(String::new, |first| format!("; the first: {}", printable(first)));
        format!(
            "field \"{field}\" could not be read in {} of {} events and is null in them, more than \
             refused_share ({}){first}: ask its producer, or read it as it is written (`tidemark \
             check JOB --sample FILE`)",
            percent(window.share()),
            count_text(window.events),
            percent(self.share)
        )
    }
}

impl HealthCheck for InvalidValues {
    fn look(&self, moment: &Moment<'_>) -> Vec<Finding> {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if !moment.caught_up {
            fields.clear();
            return Vec::new();
        }
        fields.resize(moment.plan.sources.len(), Vec::new());
        let mut findings = Vec::new();
        for ((at, source), series) in moment.plan.sources.iter().enumerate().zip(fields.iter_mut())
        {
            series.resize(source.fields.len(), FieldSeries::default());
            let workers = moment.workers;
            let verdicts = workers.iter().filter_map(|worker| worker.verdicts.get(at));
            let events = verdicts.map(|verdicts| verdicts.accepted.get()).sum();
            for ((index, field), series) in source.fields.iter().enumerate().zip(series) {
                let values = || workers.iter().filter_map(|worker| worker.invalid.get(at));
                let invalid = values().map(|values| values.count(index)).sum();
                let read = EventsRead { events, invalid };
                let Some(window) = series.look(read, moment.now, self) else { continue };
                let first = values().find_map(|values| values.first(index));
                findings.push(Finding {
                    part: Part::Source,
                    component: source.name.clone(),
                    reason: "invalid_field",
                    text: self.text(&field.name, window, first.as_deref()),
                });
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::checks::recent::SAMPLES;
    use crate::service::checks::tests::World;
    use std::sync::Arc;
    use tidemark_operators::ingest::decode::DecodeError;
    use tidemark_operators::metrics::WorkerMetrics;

    /// A world whose source has a field.
    fn world() -> World {
        let mut world = World::new();
        world.plan.sources[0].fields =
            tidemark_operators::in_memory::plan().sources[0].fields.clone();
        world.workers = vec![Arc::new(WorkerMetrics::new(0, &world.plan))];
        world
    }

    #[test]
    fn a_field_that_cannot_be_read_in_too_many_events_is_named_until_it_can() {
        let world = world();
        let check = InvalidValues::new(0.05, Duration::from_secs(300));
        let name = &world.plan.sources[0].fields[0].name;
        let read = |events: u64, invalid: u64| {
            world.workers[0].verdicts[0].accepted.add(events);
            let error = DecodeError::Missing { field: "it".to_owned() };
            (0..invalid).for_each(|_| world.workers[0].invalid[0].add(0, &error));
        };
        let found = |at: u64| check.look(&world.moment(at));
        assert_eq!(found(0), []);
        read(RECORDS_LEAST - 1, RECORDS_LEAST - 1);
        assert_eq!(found(1), [], "too few to say");
        read(1_901, 1);
        assert_eq!(found(2), [], "as much as is allowed");
        read(0, 1);
        let findings = found(3);
        assert_eq!((findings.len(), findings[0].component.as_str()), (1, "source_0"));
        let text = &findings[0].text;
        let begin = format!("field \"{name}\" could not be read in 5.1 % of 2,000 events");
        assert!(text.starts_with(&begin) && text.contains("the first: it: required"), "{text}");
        for at in 4..1_000 {
            read(10, 0);
            found(at);
        }
        assert_eq!(found(1_000), []);
        let samples = check.fields.lock().unwrap()[0][0].recent.as_ref().unwrap().samples();
        assert!(samples <= SAMPLES as usize + 2, "{samples}");
    }

    #[test]
    fn what_was_read_while_catching_up_is_no_news() {
        let mut world = world();
        let check = InvalidValues::new(0.05, Duration::from_secs(300));
        world.caught_up = false;
        world.workers[0].verdicts[0].accepted.add(10_000);
        let error = DecodeError::Missing { field: "it".to_owned() };
        (0..10_000).for_each(|_| world.workers[0].invalid[0].add(0, &error));
        assert_eq!(check.look(&world.moment(0)), []);
        world.caught_up = true;
        assert_eq!(check.look(&world.moment(1)), []);
        assert_eq!(check.look(&world.moment(2)), []);
    }
}
