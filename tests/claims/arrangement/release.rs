//! Who pins rows, and until when.

use super::history::{Arrival, Case, Fact, batch};
use differential_dataflow::trace::TraceReader;
use std::cell::RefCell;
use std::rc::Rc;
use tidemark_operators::entity_log::EntityLog;
use tidemark_operators::plan::Window;
use tidemark_operators::timeline::chunk::CHUNK_ROWS_MIN;
use tidemark_operators::window::attach::{Attachments, WindowState};
use timely::dataflow::ProbeHandle;
use timely::dataflow::operators::{Inspect, Probe};
use timely::progress::Antichain;

const LONG: Window = Window { length: 1_000_000, delay: 0 };
const SHORT: Window = Window { length: 20, delay: 0 };

/// Rows of the short window, and of the chunk it ends in.
const FEW: u64 = 24 + CHUNK_ROWS_MIN as u64;

struct Timeline {
    log: EntityLog,
    attachments: Attachments,
    next: i64,
}

impl Timeline {
    fn new() -> Timeline {
        let case = Case { windows: vec![SHORT], extra: SHORT, ..Case::random(0) };
        Timeline {
            log: EntityLog::new(&case.plan().entities[0], 256, 0),
            attachments: Attachments::default(),
            next: 0,
        }
    }

    /// An event at every ms of `from..to`, sealed and let go of where nobody needs it.
    fn run(&mut self, from: u64, to: u64) {
        for ts in from..to {
            let fact = Fact { ts, id: self.next, value: 1, word: 0 };
            self.next += 1;
            let entity = (ts % 7) as u32;
            self.log.receive(batch(&[Arrival { entity, fact, note: None, frontier: 0 }], 0));
            self.seal(ts + 1);
        }
    }

    fn seal(&mut self, to: u64) {
        self.log.seal(Some(to), &mut Vec::new());
        self.attachments.seal(&self.log.log, to);
        self.attachments.compact();
        self.log.retire(self.attachments.low_water(&self.log.log), u64::MAX);
    }

    fn rows(&self) -> u64 {
        self.log.log.end() - self.log.log.start()
    }
}

#[test]
fn a_dropped_window_lets_go_of_its_rows() {
    let mut timeline = Timeline::new();
    let agent = timeline.attachments.attach(&timeline.log.log, LONG).unwrap();
    timeline.run(0, 500);
    assert_eq!(timeline.rows(), 500, "all of them are inside");
    drop(agent);
    timeline.run(500, 502);
    assert!(timeline.rows() < 10, "{} rows are kept for nobody", timeline.rows());
    timeline.seal(600);
    assert_eq!(timeline.rows(), 0);
    assert!(timeline.log.names.entities.is_empty());
}

#[test]
fn rows_are_let_go_of_as_a_reader_advances() {
    let mut timeline = Timeline::new();
    let mut agent = timeline.attachments.attach(&timeline.log.log, SHORT).unwrap();
    timeline.run(0, 300);
    assert_eq!(timeline.rows(), 300, "the reader may still ask about the beginning");
    for now in 300..400 {
        timeline.run(now, now + 1);
        let frontier = Antichain::from_elem(now + 1);
        agent.set_logical_compaction(frontier.borrow());
        agent.set_physical_compaction(frontier.borrow());
    }
    assert!(timeline.rows() <= FEW, "{} rows for a window of 20", timeline.rows());
}

#[test]
fn what_a_reader_pins_shows_in_what_its_window_holds_until_it_is_dropped() {
    let mut timeline = Timeline { attachments: Attachments::new(&[SHORT]), ..Timeline::new() };
    timeline.run(0, 100);
    let state = |timeline: &Timeline| timeline.attachments.states().next().unwrap();
    assert_eq!(state(&timeline), WindowState { events: 20, batches: 1, rows: 20 });
    let reader = timeline.attachments.planned().next().cloned();
    timeline.run(100, 150);
    assert_eq!(state(&timeline), WindowState { events: 20, batches: 51, rows: 70 });
    assert!(timeline.rows() >= 70, "the reader may still see them leave");
    drop(reader);
    timeline.run(150, 151);
    assert_eq!(state(&timeline), WindowState { events: 20, batches: 1, rows: 20 });
    assert!(timeline.rows() <= FEW, "{}", timeline.rows());
}

#[test]
fn a_window_is_refused_once_rows_it_would_hold_are_gone() {
    let mut timeline = Timeline::new();
    timeline.run(0, 100);
    assert_eq!(timeline.rows(), 0, "nobody wants them");
    assert!(timeline.attachments.attach(&timeline.log.log, LONG).is_none());
    assert!(timeline.attachments.attach(&timeline.log.log, SHORT).is_none());
    timeline.seal(500);
    assert!(timeline.attachments.attach(&timeline.log.log, SHORT).is_some(), "they have left");
    assert!(timeline.attachments.attach(&timeline.log.log, LONG).is_none());
}

#[test]
fn an_import_goes_on_when_the_agent_it_came_from_is_dropped() {
    timely::execute_directly(|worker| {
        let mut timeline = Timeline::new();
        let mut agent = timeline.attachments.attach(&timeline.log.log, SHORT).unwrap();
        timeline.run(0, 50);
        let probe = ProbeHandle::new();
        let inside: Rc<RefCell<isize>> = Rc::default();
        let count = Rc::clone(&inside);
        worker.dataflow::<u64, _, _>(|scope| {
            // What reads the stream alone keeps no trace.
            let events = agent.import(scope).as_collection(|_, event| event.ts());
            events
                .inner
                .inspect(move |(_, _, diff)| *count.borrow_mut() += diff)
                .probe_with(&probe);
        });
        drop(agent);
        for now in 50..200 {
            timeline.run(now, now + 1);
            while probe.less_than(&(now + 1)) {
                worker.step();
            }
            assert_eq!(*inside.borrow(), 20, "at {now}");
        }
        assert!(timeline.rows() <= FEW, "{}", timeline.rows());
        drop(timeline);
    });
}
