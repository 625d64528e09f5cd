//! Sealed rows come from the batches of the windows, and from nothing beside them.

use super::history::{Arrival, Case, Fact, batch};
use std::rc::Rc;
use tidemark_operators::entity_log::EntityLog;
use tidemark_operators::plan::{Plan, Read, ViewPlan, Window};
use tidemark_operators::sealed::{SealedOutput, SealedRows, SealedWindows};
use tidemark_operators::timeline::names::Names;
use tidemark_operators::window::attach::Attachments;
use tidemark_operators::window::batch::{BatchSpan, WindowBatch};
use timely::progress::Antichain;

const LENGTH: u64 = 20;
const EVENTS: u64 = 60;

/// How many events are inside one window, at each event.
fn plan(window: Window) -> Plan {
    let mut plan = Case { windows: vec![window], extra: window, ..Case::random(0) }.plan();
    let entity = &mut plan.entities[0];
    entity.windows.truncate(1);
    entity.accumulators.truncate(1);
    entity.views = vec![ViewPlan {
        name: "inside".to_owned(),
        index: 0,
        mask: 0,
        ttl: 1,
        reads: vec![Read::Count { accumulator: 0 }],
        derived: Vec::new(),
        features: Vec::new(),
        extents: Vec::new(),
    }];
    plan
}

struct Counts(Vec<i64>);

impl SealedOutput for Counts {
    fn rows(&mut self, rows: &SealedRows<'_>, _: &Names) {
        self.0.extend((0..rows.slots.len()).map(|row| rows.columns[0].int(row).unwrap()));
    }
}

/// The rows of an event a millisecond and a step each, when the batch of step `step` is that of the
/// arrangement with its numbers changed by `change`.
fn rows(delay: u64, step: u64, change: impl Fn(BatchSpan) -> BatchSpan) -> Vec<i64> {
    let window = Window { length: LENGTH, delay };
    let plan = plan(window);
    let entity = &plan.entities[0];
    let mut log = EntityLog::new(entity, 256, 0);
    let mut windows = Attachments::new(&entity.windows);
    let mut sealed = SealedWindows::new(&plan, entity);
    let mut counts = Counts(Vec::new());
    for ts in 0..EVENTS {
        let fact = Fact { ts, id: ts as i64, value: 1, word: 0 };
        log.receive(batch(&[Arrival { entity: 0, fact, note: None, frontier: 0 }], 0));
        let mut origins = Vec::new();
        log.seal(Some(ts + 1), &mut origins);
        windows.seal(&log.log, ts + 1);
        sealed.sealed(&mut origins);
        let mut newest = Rc::clone(windows.newest().next().unwrap());
        if ts == step {
            let span = newest.span().unwrap();
            let chunks = log.log.cover(span.d0, span.a1.max(span.d1)).cloned().collect();
            let bounds = (Antichain::from_elem(ts), Antichain::from_elem(ts + 1));
            newest = Rc::new(WindowBatch::new(window, bounds.0, bounds.1, change(span), chunks));
        }
        sealed.begin([&newest], ts + 1);
        while !sealed.run(&log.log, &mut log.names, 1, &mut counts) {}
        windows.compact();
    }
    counts.0
}

#[test]
fn a_departure_taken_out_of_a_batch_is_missed_by_every_sealed_row_after_it() {
    for delay in [0, 7] {
        let right = |ts: u64| (ts + 1).saturating_sub(delay).min(LENGTH) as i64;
        let whole: Vec<i64> = (0..EVENTS).map(right).collect();
        assert_eq!(rows(delay, 40, |span| span), whole);
        let missing = rows(delay, 40, |span| {
            assert_eq!(span.d1 - span.d0, 1, "one event leaves");
            BatchSpan { d1: span.d0, ..span }
        });
        assert_eq!(missing[..40], whole[..40]);
        assert!(missing[40..].iter().zip(&whole[40..]).all(|(is, was)| *is == was + 1));
    }
}

#[test]
fn an_arrival_taken_out_of_a_batch_is_missed_while_it_would_be_inside() {
    for delay in [0, 7] {
        let whole = rows(delay, 50, |span| span);
        let missing = rows(delay, 50, |span| BatchSpan { a1: span.a0, ..span });
        assert_eq!(missing[..50], whole[..50]);
        assert!(missing[50..].iter().zip(&whole[50..]).all(|(is, was)| *is == was - 1));
    }
}
