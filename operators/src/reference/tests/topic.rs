//! Tables that are topics.

use super::{Drive, TEXT, plan_from};
use crate::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch, RawRecord, Standing};
use crate::origin::PartitionId;
use crate::plan::TimeUnit;
use crate::plan::{FieldPlan, Place, Plan, RecordPart, SourcePlan, TableFrom, TimeField};
use crate::reference::input::{TableInput, TopicFeed};
use crate::time::EventTime;
use crate::value::Type;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use timely::worker::Worker;

pub(super) fn plan(out_of_orderness: u64) -> Arc<Plan> {
    let field = FieldPlan::new("value", Type::Int);
    let source = SourcePlan {
        topic: Some("t".to_owned()),
        earliest: 0,
        latest: EventTime::MAX,
        out_of_orderness,
        idle_after: 1_000,
        hold_max: 2_000,
        ..SourcePlan::new("t", TimeField::new(vec!["ts".to_owned()], TimeUnit::Ms), vec![field])
    };
    plan_from(TEXT, TableFrom::Topic { key_path: Vec::new(), source: Box::new(source) })
}

type Log = Rc<RefCell<VecDeque<RawBatch>>>;

struct Reader(Log);

impl PartitionReader for Reader {
    fn id(&self) -> PartitionId {
        PartitionId { source: 0, partition: 0 }
    }

    fn poll(&mut self) -> Poll {
        let next = self.0.borrow_mut().pop_front();
        next.map_or(Poll::Pending(Standing::AtEnd), Poll::Records)
    }

    fn describe(&self) -> String {
        "t[0]".to_owned()
    }
}

/// A topic of one partition.
pub(super) struct One<R>(pub Option<R>);

impl<R: PartitionReader + 'static> Partitions for One<R> {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let reader = self.0.take().into_iter();
        reader.map(|reader| Box::new(reader) as Box<dyn PartitionReader>).collect()
    }

    fn may_grow(&self) -> bool {
        false
    }
}

struct Topic {
    drive: Drive,
    log: Log,
    refused: Rc<RefCell<Vec<String>>>,
}

impl Topic {
    /// A topic with these records at the start.
    fn new(worker: &mut Worker, out_of_orderness: u64, records: &[(&str, &str)]) -> Self {
        Self::of(worker, &plan(out_of_orderness), |log| push(log, records))
    }

    /// A topic of `plan` that `fill` has filled at the start.
    fn of(worker: &mut Worker, plan: &Arc<Plan>, fill: impl FnOnce(&Log)) -> Self {
        let (log, refused) = (Log::default(), Rc::<RefCell<Vec<String>>>::default());
        let told = Rc::clone(&refused);
        let feed = TopicFeed {
            partitions: Box::new(One(Some(Reader(Rc::clone(&log))))),
            refused: Box::new(move |why| told.borrow_mut().push(why.to_owned())),
            kept: None,
        };
        fill(&log);
        let drive = Drive::of(worker, plan, TableInput::Topic(feed));
        drive.settle(worker);
        Topic { drive, log, refused }
    }

    fn send(&self, worker: &mut Worker, records: &[(&str, &str)]) {
        push(&self.log, records);
        self.drive.settle(worker);
    }

    fn values(&self, key: &str, times: &[EventTime]) -> Vec<Option<i64>> {
        times.iter().map(|ts| self.drive.lookup(key.as_bytes(), *ts)).collect()
    }
}

/// Records as keys and values; an empty value deletes.
fn push(log: &Log, records: &[(&str, &str)]) {
    push_at(log, None, records);
}

fn push_at(log: &Log, timestamp: Option<EventTime>, records: &[(&str, &str)]) {
    let mut batch = RawBatch::default();
    for (key, value) in records {
        let key = batch.keep(key.as_bytes());
        let value = Some(batch.keep(value.as_bytes())).filter(|value| !value.is_empty());
        batch.records.push(RawRecord { key: Some(key), value, timestamp, ..RawRecord::default() });
    }
    log.borrow_mut().push_back(batch);
}

pub(super) fn row(ts: EventTime, value: i64) -> String {
    format!("{{\"ts\":{ts},\"value\":{value}}}")
}

#[test]
fn a_row_is_seen_from_its_time_on_and_the_newest_by_time_counts() {
    timely::execute_directly(|worker| {
        let (a1, a2, a3) = (row(5_000, 1), row(7_000, 2), row(6_000, 3));
        let topic = Topic::new(worker, 2_000, &[("a", &a1), ("a", &a2), ("a", &a3)]);
        let times = [4_999, 5_000, 5_999, 6_000, 6_999, 7_000, 90_000];
        let expected = [None, Some(1), Some(1), Some(3), Some(3), Some(2), Some(2)];
        assert_eq!(topic.values("a", &times), expected);
        assert_eq!(topic.values("b", &[90_000]), [None]);
    });
}

#[test]
fn sealing_waits_for_the_topic_until_it_is_idle_and_its_rows_take_effect_at_its_capability() {
    timely::execute_directly(|worker| {
        let first = row(5_000, 1);
        let mut topic = Topic::new(worker, 2_000, &[("a", &first)]);
        topic.drive.advance(worker, 60_000);
        assert_eq!(topic.drive.frontier(), Some(3_000), "it may still say what was then");
        topic.drive.shared.now.set(1_000);
        topic.drive.settle(worker);
        assert_eq!(topic.drive.frontier(), Some(61_000), "idle, it follows the sources");
        // Its time is long settled.
        topic.send(worker, &[("a", &row(20_000, 2))]);
        assert_eq!(topic.values("a", &[60_999, 61_000]), [Some(1), Some(2)]);
    });
}

#[test]
fn by_the_records_timestamps_a_row_begins_and_ends_at_those_of_its_records() {
    let mut plan = Plan::clone(&plan(0));
    let TableFrom::Topic { source, .. } = &mut plan.tables[0].from else { panic!("a topic") };
    (source.time.place, source.time.path) = (Place::Record(RecordPart::Timestamp), Vec::new());
    let plan = Arc::new(plan);
    timely::execute_directly(move |worker| {
        let topic = Topic::of(worker, &plan, |log| {
            push_at(log, Some(5_000), &[("a", "{\"value\":1}")]);
            push_at(log, Some(7_000), &[("a", "")]);
            push_at(log, None, &[("b", "{\"value\":2}")]);
        });
        assert_eq!(
            topic.values("a", &[4_999, 5_000, 6_999, 7_000]),
            [None, Some(1), Some(1), None]
        );
        assert_eq!(topic.values("b", &[90_000]), [None]);
        assert!(topic.refused.borrow()[0].contains("event time (the record's timestamp)"));
    });
}

#[test]
fn an_empty_record_deletes_a_row_and_one_that_cannot_be_read_is_left_out() {
    timely::execute_directly(|worker| {
        let (a, b) = (row(5_000, 1), row(5_000, 2));
        let mut topic = Topic::new(worker, 0, &[("a", &a), ("b", &b), ("a", "")]);
        assert_eq!(topic.values("a", &[5_000, 90_000]), [None, None], "gone before anybody asked");
        assert_eq!(topic.values("b", &[5_000]), [Some(2)]);
        topic.drive.shared.now.set(5_000);
        topic.drive.advance(worker, 10_500);
        topic.send(worker, &[("b", ""), ("c", "{\"ts\":11000,\"value\":\"x\"}")]);
        assert_eq!(topic.values("b", &[10_999, 11_000]), [Some(2), None]);
        let refused = topic.refused.borrow();
        assert_eq!(refused.len(), 1);
        assert!(refused[0].starts_with("t[0] at offset 0: "), "{refused:?}");
        let metrics = &topic.drive.metrics.tables[0];
        assert_eq!((metrics.failures.get(), metrics.rows.get()), (1, 0));
    });
}

#[test]
fn a_row_for_a_day_to_come_does_not_bring_that_day_for_the_topics_other_rows() {
    timely::execute_directly(|worker| {
        let first = row(5_000, 1);
        let mut topic = Topic::new(worker, 2_000, &[("a", &first)]);
        topic.drive.advance(worker, 60_000);
        assert_eq!(topic.drive.frontier(), Some(3_000));
        push_at(&topic.log, Some(6_000), &[("b", &row(1_000_000, 2))]);
        topic.drive.settle(worker);
        assert_eq!(topic.drive.frontier(), Some(4_000), "events still wait for the topic");
        push_at(&topic.log, Some(9_000), &[("a", &row(8_000, 3))]);
        topic.drive.settle(worker);
        assert_eq!(topic.values("a", &[7_999, 8_000]), [Some(1), Some(3)]);
        assert_eq!(topic.values("b", &[60_000, 999_999, 1_000_000]), [None, None, Some(2)]);
    });
}

#[test]
fn a_stream_of_deletions_does_not_hold_sealing() {
    timely::execute_directly(|worker| {
        let first = row(5_000, 1);
        let mut topic = Topic::new(worker, 2_000, &[("a", &first)]);
        topic.drive.advance(worker, 60_000);
        for half_second in 1..=4 {
            topic.drive.shared.now.set(half_second * 500);
            topic.send(worker, &[("b", "")]);
        }
        assert_eq!(topic.drive.frontier(), Some(61_000));
        assert_eq!(topic.values("a", &[60_999, 61_000]), [Some(1), Some(1)]);
    });
}

#[test]
fn a_topic_far_ahead_of_the_events_waits_for_them() {
    const RECORDS: u64 = 100_000;
    timely::execute_directly(|worker| {
        let first = row(5_000, 0);
        let mut topic = Topic::new(worker, 0, &[("a", &first)]);
        topic.drive.advance(worker, 5_000);
        for record in (0..RECORDS).step_by(1_000) {
            let rows: Vec<String> = (record..record + 1_000)
                .map(|record| row(10_000 + record, i64::try_from(record).unwrap()))
                .collect();
            let records: Vec<(&str, &str)> = rows.iter().map(|row| ("a", row.as_str())).collect();
            topic.send(worker, &records);
        }
        let taken = |topic: &Topic| topic.drive.metrics.tables[0].versions.get();
        assert!((65_000..72_000).contains(&taken(&topic)), "{} records", taken(&topic));
        assert_eq!(topic.drive.frontier(), Some(6_000), "it does not hold the events");
        for second in (6..=90).chain([112]) {
            topic.drive.advance(worker, second * 1_000);
            topic.drive.seal(second * 1_000);
        }
        assert_eq!(taken(&topic), RECORDS + 1, "all are read as the events come to them");
        let last = i64::try_from(RECORDS - 1).unwrap();
        assert_eq!(topic.values("a", &[112_000]), [Some(last)]);
    });
}
