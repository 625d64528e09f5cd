//! A partition found while the job runs, on a worker whose frontier has moved on.

use crate::memory::{Letters, Lines};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tidemark::engine::{self, Observer, Online, Parts, Settings};
use tidemark_operators::entity_windows::Sealing;
use tidemark_operators::ingest::reader::{PartitionReader, Partitions, Poll, RawBatch, Standing};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::shape::Shape;
use tidemark_operators::shared::Limits;

const T: u64 = 1_700_000_000_000;

struct Reader(u32, VecDeque<RawBatch>, Observer);

fn moved_on(observer: &Observer) -> bool {
    observer.metrics[0].frontier.get() >= T + 1_000
}

impl PartitionReader for Reader {
    fn id(&self) -> PartitionId {
        PartitionId { source: 0, partition: self.0 }
    }

    fn poll(&mut self) -> Poll {
        match self.1.pop_front() {
            Some(batch) => Poll::Records(batch),
            None if moved_on(&self.2) => Poll::Ended,
            None => Poll::Pending(Standing::AtEnd),
        }
    }

    fn found_later(&self) -> Option<u64> {
        (self.0 > 0).then_some(4)
    }

    fn describe(&self) -> String {
        format!("memory[{}]", self.0)
    }
}

/// The second partition is there once the frontier stands at the first one's last event.
struct Growing(VecDeque<Reader>, Observer);

impl Partitions for Growing {
    fn appeared(&mut self) -> Vec<Box<dyn PartitionReader>> {
        let first = self.0.len() == 2;
        let mut found = Vec::new();
        if first || moved_on(&self.1) {
            found.extend(self.0.pop_front().map(|r| Box::new(r) as Box<dyn PartitionReader>));
        }
        found
    }

    fn may_grow(&self) -> bool {
        !self.0.is_empty()
    }
}

fn batch(times: &[u64]) -> RawBatch {
    let record = |ts: &u64| format!("{{\"ts\":{},\"card\":\"c\"}}", T + ts);
    match crate::scripted::records(0, &times.iter().map(record).collect::<Vec<_>>()) {
        crate::scripted::Step::Records(batch) => batch,
        _ => unreachable!(),
    }
}

#[test]
fn a_partition_found_later_starts_at_the_frontier_and_its_letters_say_so() {
    crate::memory::fail_fast();
    let text = "[job]\nname = \"later\"\n[sources.t]\nfiles = [\"memory\"]\n\
         out_of_orderness = \"0ms\"\ntime = { field = \"ts\", unit = \"ms\" }\n\
         [sources.t.fields]\ncard = \"string\"\n[entities.card]\nkey = \"card\"\n\
         [views.cards]\nentity = \"card\"\nsource = \"t\"\n[views.cards.features]\n\
         n = { aggregate = \"count\", window = \"1h\" }\n";
    let plan = tidemark_jobs::load("later.toml", text).unwrap_or_else(|e| panic!("{e}")).plan;
    let settings = Settings {
        plan,
        shape: Shape::default(),
        limits: Limits::default(),
        live_idle: None,
        live_left: (0, 0),
        machine_clock: None,
        sealing: Sealing::Lines,
        online: Online::Off,
    };
    let observer = Observer::new(&settings);
    let (dead, sealed): (Arc<Mutex<Vec<_>>>, Arc<Mutex<Vec<u8>>>) = Default::default();
    let (letters, lines, watched) = (Arc::clone(&dead), Arc::clone(&sealed), observer.clone());
    let make: engine::MakeParts = Arc::new(move |_, _| {
        let first = Reader(0, VecDeque::from([batch(&[0, 500, 1_000])]), watched.clone());
        let second = Reader(1, VecDeque::from([batch(&[1, 999, 1_000, 2_000])]), watched.clone());
        Ok(Parts {
            partitions: Box::new(Growing(VecDeque::from([first, second]), watched.clone())),
            tables: Vec::new(),
            schemas: None,
            dead_letters: Box::new(Letters(Arc::clone(&letters))),
            online: None,
            lines: Some(Box::new(Lines(Arc::clone(&lines)))),
            probes: Vec::new(),
            checkpoints: None,
        })
    });
    assert_eq!(engine::run(&settings, &observer, &make).unwrap(), Some(T + 2_000));
    let letters = dead.lock().unwrap();
    let late: Vec<_> = letters.iter().map(|l| (l.offset, l.late_by, l.idle_floor)).collect();
    assert_eq!(late, [(0, Some(999), true), (1, Some(1), true)]);
    let sealed = String::from_utf8(sealed.lock().unwrap().clone()).unwrap();
    let counts: Vec<_> = sealed.lines().filter_map(|l| l.rsplit("\"n\":").next()).collect();
    assert_eq!(counts, ["1}}", "2}}", "4}}", "4}}", "5}}"]);
}
