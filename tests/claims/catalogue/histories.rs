//! Random histories with fixed seeds: ties on one partition and across partitions, disorder, silence
//! longer than anything lasts, bursts, and times that lie exactly at the edges of what came before.

pub mod behavior;
pub mod clicks;
pub mod fraud;

use super::oracle::{DAY, HOUR, MINUTE, MONTH, SECOND};
use crate::memory::Log;
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Writes a record: its time, and whose it is.
pub type Write = fn(&mut SmallRng, u64, Who) -> String;

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// One of a few.
    Entity(usize),
    /// Nobody of interest: the record is there for its time.
    Tick,
    /// A record that is no event.
    Malformed,
}

/// Records `from..to` of a partition, which arrive together.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub partition: usize,
    pub from: usize,
    pub to: usize,
}

/// A history, and an order in which it may arrive.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub log: Log,
    pub steps: Vec<Step>,
}

/// What a history is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub seed: u64,
    pub start: u64,
    pub events: usize,
    pub out_of_orderness: u64,
    /// The clock is also moved from one ms before an edge to the edge, all along and at the end
    /// until nothing is left.
    pub ticks: bool,
}

/// Windows and horizons of the catalogue, the frequent ones first, and the ends of sessions.
const EDGES: [u64; 8] =
    [30 * MINUTE, 30 * MINUTE + 1, 5 * MINUTE, 60 * SECOND, HOUR, 5 * MINUTE, DAY, MONTH];

struct Walk {
    rng: SmallRng,
    shape: Shape,
    write: Write,
    history: History,
    now: u64,
    /// How far behind the clock each partition is.
    lags: Vec<u64>,
    /// The last time of each entity.
    last: Vec<u64>,
    /// All times so far, and whose.
    all: Vec<(u64, usize)>,
}

/// A history of `shape`.
pub fn random(shape: Shape, write: Write) -> History {
    let mut rng = SmallRng::seed_from_u64(shape.seed);
    let partitions = rng.random_range(2..5);
    let mut lag = || [0, 0, 3 * SECOND, 7 * MINUTE, 47 * MINUTE][rng.random_range(0..5)];
    let lags = (0..partitions).map(|_| lag()).collect();
    let entities = rng.random_range(2..6);
    let mut walk = Walk {
        history: History { log: vec![Vec::new(); partitions + 1], steps: Vec::new() },
        now: shape.start,
        lags,
        last: vec![shape.start; entities],
        all: Vec::new(),
        rng,
        shape,
        write,
    };
    while walk.history.log.iter().map(Vec::len).sum::<usize>() < shape.events {
        walk.arrive();
        if shape.ticks && walk.rng.random_range(0..3) == 0 {
            walk.tick_around_an_edge();
        }
    }
    if shape.ticks {
        walk.run_down();
    }
    walk.history
}

impl Walk {
    /// The time and the owner of the next event.
    fn next(&mut self) -> (u64, usize) {
        let who = self.rng.random_range(0..self.last.len());
        let kind = self.rng.random_range(0..1_000);
        let rng = &mut self.rng;
        let by = match kind {
            0..200 => 0,
            200..500 => rng.random_range(1..2 * SECOND),
            500..750 => rng.random_range(0..MINUTE),
            750..850 => rng.random_range(0..10 * MINUTE),
            850..980 => {
                let edge = self.edge(who);
                (edge + self.rng.random_range(0..3)).saturating_sub(1 + self.now)
            }
            980..995 => rng.random_range(0..8 * HOUR),
            995..999 => rng.random_range(0..3 * DAY),
            _ => MONTH + rng.random_range(0..2 * DAY),
        };
        self.now += by;
        (self.now, who)
    }

    /// A time at which something that `who` did leaves, or their session ends.
    fn edge(&mut self, who: usize) -> u64 {
        let rng = &mut self.rng;
        // In some histories days and months pass between events, in others now and then.
        if self.shape.seed % 4 == 3 && rng.random() {
            let from = self.all.len().saturating_sub(40);
            let mine: Vec<_> = self.all[from..].iter().filter(|(_, of)| *of == who).collect();
            if !mine.is_empty() {
                let edge = [DAY, MONTH, MONTH][rng.random_range(0..3)];
                return mine[rng.random_range(0..mine.len())].0 + edge;
            }
        }
        let most = if rng.random_range(0..4) > 0 { 5 } else { EDGES.len() };
        self.last[who] + EDGES[rng.random_range(0..most)]
    }

    /// A few records come to one partition.
    fn arrive(&mut self) {
        let partition = self.rng.random_range(0..self.lags.len());
        let from = self.history.log[partition].len();
        let most = if self.rng.random_range(0..4) == 0 { 12 } else { 3 };
        for _ in 0..self.rng.random_range(1..=most) {
            let (now, who) = self.next();
            let back = match self.rng.random_range(0..10) {
                0..6 => 0,
                // Once in a while too late.
                _ => self.rng.random_range(0..=self.shape.out_of_orderness * 21 / 20),
            };
            let ts = now - self.lags[partition] - back;
            let of = match self.rng.random_range(0..100) {
                0 => Who::Malformed,
                _ => Who::Entity(who),
            };
            self.last[who] = self.last[who].max(ts);
            self.all.push((ts, who));
            let record = (self.write)(&mut self.rng, ts, of);
            self.history.log[partition].push(record.into_bytes());
        }
        self.step(partition, from);
    }

    fn step(&mut self, partition: usize, from: usize) {
        let to = self.history.log[partition].len();
        self.history.steps.push(Step { partition, from, to });
    }

    /// Moves the clock to `ts`, by a record on the last partition.
    fn tick(&mut self, ts: u64) {
        if ts < self.now {
            return;
        }
        self.now = ts;
        let partition = self.lags.len();
        let from = self.history.log[partition].len();
        let record = (self.write)(&mut self.rng, ts, Who::Tick);
        self.history.log[partition].push(record.into_bytes());
        self.step(partition, from);
    }

    fn tick_around_an_edge(&mut self) {
        let who = self.rng.random_range(0..self.last.len());
        let most = if self.rng.random_range(0..4) > 0 { 4 } else { EDGES.len() - 1 };
        let edge = self.last[who] + EDGES[self.rng.random_range(0..most)];
        self.tick(edge - 1);
        self.tick(edge);
    }

    /// Past every edge of every entity's last event, and of the last ones of all.
    fn run_down(&mut self) {
        let newest = self.all[self.all.len() - 6..].iter().map(|(ts, _)| ts);
        let edges = self.last.iter().chain(newest).flat_map(|ts| EDGES.map(|edge| ts + edge));
        let mut edges: Vec<u64> = edges.collect();
        edges.sort_unstable();
        edges.dedup();
        for edge in edges {
            self.tick(edge - 1);
            self.tick(edge);
        }
    }
}

/// Many events, one every `pace` ms or so, on three partitions, with a last word of every entity at
/// the returned time. Entities come and go by weeks.
pub fn steady(shape: Shape, pace: u64, entities: usize, write: Write) -> (History, u64) {
    let mut rng = SmallRng::seed_from_u64(shape.seed);
    let mut log: Log = vec![Vec::new(); 3];
    let mut now = shape.start;
    for _ in 0..shape.events {
        now += if rng.random_range(0..5) == 0 { 0 } else { rng.random_range(0..5 * pace / 2) };
        let week = (now / (7 * DAY)) as usize;
        let who = rng.random_range(0..entities);
        // One of them pauses each week.
        let who = if who == week % entities { (who + 1) % entities } else { who };
        let ts = now - rng.random_range(0..=shape.out_of_orderness);
        let record = write(&mut rng, ts, Who::Entity(who));
        log[rng.random_range(0..3)].push(record.into_bytes());
    }
    for who in 0..entities {
        let record = write(&mut rng, now, Who::Entity(who));
        log[who % 3].push(record.into_bytes());
    }
    (History { log, steps: Vec::new() }, now)
}

/// An object's fields, some of them missing.
struct Fields {
    json: String,
}

impl Fields {
    fn new(ts: u64) -> Fields {
        Fields { json: format!("{{\"timestamp\":{ts}") }
    }

    /// A field by its JSON.
    fn put(&mut self, name: &str, json: &str) {
        let comma = if self.json.ends_with('{') { "" } else { "," };
        self.json += &format!("{comma}\"{name}\":{json}");
    }

    /// One of `values` (JSON), or null, or nothing.
    fn maybe(&mut self, rng: &mut SmallRng, name: &str, values: &[&str]) {
        match rng.random_range(0..16) {
            0 => self.put(name, "null"),
            1 => {}
            _ => self.put(name, values[rng.random_range(0..values.len())]),
        }
    }

    fn object(&mut self, name: &str, inside: impl FnOnce(&mut Fields)) {
        self.put(name, "{");
        inside(self);
        self.json.push('}');
    }

    fn end(mut self) -> String {
        self.json.push('}');
        self.json
    }
}

/// A record that cannot be an event.
fn malformed(rng: &mut SmallRng, ts: u64) -> String {
    match rng.random_range(0..4) {
        0 => "not an object".to_owned(),
        1 => format!("{{\"timestamp\":{ts}"),
        2 => "{\"card_id\":\"c0\",\"user_id\":\"u0\",\"amount\":1}".to_owned(),
        _ => format!("{{\"timestamp\":{ts},\"somebody\":\"c0\"}}"),
    }
}
