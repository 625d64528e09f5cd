//! A source tried on a few records: what becomes of each, by the operator that reads sources in a
//! running job. There are no windows and no rows.

use crate::cut::Resume;
use crate::in_memory::{Given, InMemory};
use crate::ingest::dead_letter::{DeadLetter, DeadLetterSink};
use crate::ingest::reader::{PartitionReader, Poll, RawBatch};
use crate::ingest::source::{SourceConfig, source};
use crate::metrics::WorkerMetrics;
use crate::origin::PartitionId;
use crate::plan::Plan;
use crate::shared::Limits;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use timely::dataflow::operators::Inspect as _;

/// What became of records.
#[derive(Debug)]
pub struct Trial {
    /// The verdicts.
    pub metrics: Arc<WorkerMetrics>,
    /// Of every reason the first dead letter.
    pub letters: Vec<DeadLetter>,
}

/// Has the source at `number` of `plan` read `batches`, the log of one partition. Nothing but they is
/// held, and the events that they make.
///
/// # Errors
/// When the source cannot go on: why.
pub fn trial(plan: Plan, number: u16, batches: Vec<RawBatch>) -> Result<Trial, String> {
    let records: usize = batches.iter().map(|batch| batch.records.len()).sum();
    let id = PartitionId { source: number, partition: 0 };
    let log = BatchLog { id, batches: batches.into() };
    timely::execute_directly(move |worker| {
        let job = InMemory::new(plan);
        let sink: Box<dyn DeadLetterSink> = Box::new(job.letters.clone());
        let config = SourceConfig {
            plan: Arc::clone(&job.plan),
            partitions: Box::new(Given(vec![Box::new(log)])),
            // Nobody takes the events any further, so nothing becomes free again.
            limits: Limits {
                stash_bytes: u64::MAX,
                in_flight_bytes: u64::MAX,
                ..Limits::default()
            },
            metrics: Arc::clone(&job.metrics),
            shared: Rc::clone(&job.shared),
            coordination: Rc::clone(&job.coordination),
            notices: Rc::clone(&job.notices),
            dead_letters: Rc::new(RefCell::new(sink)),
            schemas: None,
            resume: Resume::default(),
            arrivals: false,
        };
        let firsts: Rc<RefCell<Vec<DeadLetter>>> = Rc::default();
        let kept = Rc::clone(&firsts);
        worker.dataflow(|scope| {
            let streams = source(scope, config);
            streams.dead_letters.inspect(move |letter| {
                let mut kept = kept.borrow_mut();
                if kept.iter().all(|known| known.reason != letter.reason) {
                    kept.push(letter.clone());
                }
            });
        });
        let read = |metrics: &WorkerMetrics| {
            let verdicts = metrics.verdicts.get(usize::from(number));
            verdicts.is_none_or(|verdicts| verdicts.total() >= records as u64)
        };
        // Each step reads some; one that reads none is one too many.
        for _ in 0..=records {
            if read(&job.metrics) || job.shared.failure.borrow().is_some() {
                break;
            }
            job.shared.wake_source();
            worker.step();
        }
        // What was judged last is still on its way.
        worker.step();
        for dataflow in worker.installed_dataflows() {
            worker.drop_dataflow(dataflow);
        }
        match job.shared.failure.borrow().clone() {
            Some(failure) => Err(failure),
            None => Ok(Trial { metrics: Arc::clone(&job.metrics), letters: firsts.take() }),
        }
    })
}

/// Batches, one after the other.
struct BatchLog {
    id: PartitionId,
    batches: VecDeque<RawBatch>,
}

impl PartitionReader for BatchLog {
    fn id(&self) -> PartitionId {
        self.id
    }

    fn poll(&mut self) -> Poll {
        let mut next = std::iter::from_fn(|| self.batches.pop_front());
        let next = next.find(|batch| !batch.records.is_empty());
        next.map_or(Poll::Ended, Poll::Records)
    }

    fn describe(&self) -> String {
        "records that were read already".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::in_memory::plan;
    use crate::verdict::Reason;

    #[test]
    fn every_record_gets_its_verdict_and_of_each_reason_the_first_letter_is_kept() {
        let many = [r#"{"ts": 1000000, "card": "a"}"#; 9_000];
        let batches = vec![
            RawBatch::of_values(0, many),
            RawBatch::default(),
            RawBatch::of_values(
                9_000,
                ["no", r#"{"ts": 1, "card": "a"}"#, "{}", r#"{"ts": 2, "card": "a"}"#],
            ),
        ];
        let Trial { metrics, letters } = trial(plan(), 0, batches).unwrap();
        let verdicts = &metrics.verdicts[0];
        let counts = [&verdicts.accepted, &verdicts.malformed, &verdicts.late];
        assert_eq!(counts.map(|count| count.get()), [9_000, 2, 2]);
        let kept: Vec<_> = letters.iter().map(|letter| (letter.reason, letter.offset)).collect();
        assert_eq!(kept, [(Reason::Malformed, 9_000), (Reason::Late, 9_001)]);
        assert_eq!(trial(plan(), 0, Vec::new()).unwrap().letters, []);
    }
}
