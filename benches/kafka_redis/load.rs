//! The records: W1 at once, and W1 as it would arrive.

use crate::servers::Server;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemark::generator::live::{History, LiveGenerator, LiveOptions};
use tidemark::generator::{Cast, Generator, Options, Profile};
use tidemark::kafka::{KafkaConfig, create_topic, produce};
use tidemark_operators::ingest::reader::{PartitionReader, Partitions as _, Poll, RawBatch};
use tidemark_operators::origin::PartitionId;

pub const PARTITIONS: u32 = 4;
pub const CARDS: u32 = 100_000;
const SEED: u64 = 7;

/// A partition, a key and a value.
type Record = (u32, Option<Vec<u8>>, Option<Vec<u8>>);

fn config(kafka: &Server) -> KafkaConfig {
    let bootstrap_servers = kafka.value("BOOTSTRAP").to_owned();
    KafkaConfig { bootstrap_servers, ..KafkaConfig::default() }
}

pub fn topic(kafka: &Server, topic: &str) {
    assert!(create_topic(&config(kafka), topic, PARTITIONS, &[]).unwrap());
}

/// 48 hours of W1.
pub fn all_at_once(kafka: &Server, topic: &str, events: u64) {
    let (profile, partitions, cards) = (Profile::W1, PARTITIONS, CARDS);
    let options =
        Options { profile, events, seed: SEED, partitions, cards, hours: 48, ..Options::default() };
    let mut generator = Generator::new(options).unwrap();
    let records = std::iter::from_fn(move || {
        let record = generator.next()?;
        Some((record.partition, Some(record.key.to_vec()), Some(record.line.to_vec())))
    });
    assert_eq!(produce(&config(kafka), topic, records).unwrap(), events);
}

/// Card transactions as they would arrive.
#[derive(Clone, Copy)]
pub struct Traffic {
    pub profile: Profile,
    pub cards: u32,
    /// Records a second.
    pub rate: u64,
    pub history: History,
}

/// Traffic with the wall clock as event time, on an open-loop schedule after its history, until
/// `stop`.
pub fn paced(kafka: &Server, topic: &str, traffic: Traffic, stop: &AtomicBool) -> u64 {
    let Traffic { profile, cards, rate, history } = traffic;
    let options = LiveOptions {
        profile,
        seed: SEED,
        rate: rate as f64,
        partitions: PARTITIONS,
        cards,
        late: 0.0,
        malformed: 0.0,
        history: Some(history),
        events: None,
        origin: Instant::now(),
        cast: Cast::Plain,
        present: None,
    };
    let ids: Vec<_> =
        (0..PARTITIONS).map(|partition| PartitionId { source: 0, partition }).collect();
    let thread = std::thread::current();
    let waker: tidemark::source::Waker = Arc::new(move || thread.unpark());
    let readers = LiveGenerator::start(&options, &ids, &waker).unwrap().appeared();
    produce(&config(kafka), topic, Paced { readers, stop, batch: None, turn: 0 }).unwrap()
}

/// What the readers give, as they give it.
struct Paced<'a> {
    readers: Vec<Box<dyn PartitionReader>>,
    stop: &'a AtomicBool,
    batch: Option<(u32, RawBatch, usize)>,
    turn: usize,
}

impl Iterator for Paced<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            if let Some((partition, batch, at)) = &mut self.batch
                && let Some(record) = batch.records.get(*at)
            {
                *at += 1;
                let key = batch.key(record).map(<[u8]>::to_vec);
                return Some((*partition, key, Some(batch.value(record).to_vec())));
            }
            if self.stop.load(Relaxed) {
                return None;
            }
            self.batch = self.another();
            if self.batch.is_none() {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }
}

impl Paced<'_> {
    /// The next batch there is, from the readers in turn.
    fn another(&mut self) -> Option<(u32, RawBatch, usize)> {
        for _ in 0..self.readers.len() {
            self.turn = (self.turn + 1) % self.readers.len();
            let reader = &mut self.readers[self.turn];
            match reader.poll() {
                Poll::Records(batch) => return Some((reader.id().partition, batch, 0)),
                Poll::Pending { .. } => {}
                Poll::Ended => panic!("the generator has ended"),
                Poll::Failed(failure) => panic!("{failure}"),
            }
        }
        None
    }
}
