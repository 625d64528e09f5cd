//! What traffic costs in commands, on a clock of its own: the queues, the pacing and the spacing of
//! one shard as its flusher drives them, against a Redis that takes everything.
//!
//! Cards, users, merchants, devices and addresses as busy as in `tidemark generate`, each event
//! changing a row of every view when it comes and when it leaves its window; a twentieth of 20,000
//! events a second, of the cards and of `write_rate`.

use crate::online::dirt::Dirt;
use crate::online::layout::Placing;
use crate::online::redis::flush::{Flush, Outcome};
use crate::online::redis::schedule::Pace;
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::spread::Spread;
use crate::online::redis::take::{Filling, Stage};
use crate::online::redis::wire::ViewWire;
use crate::online::rows::RowWidth;
use crate::online::schema::{Feature, Schema, View};
use crate::online::shard::Shard;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::online::{Cause, EntityIds, RowBatch};
use tidemark_operators::plan::JoinKey;
use tidemark_operators::value::{Column, Type};

/// Events a second, and how much less they and the cards are than in what is claimed.
const SCALE: usize = 20;
const RATE: u64 = 20_000 / SCALE as u64;
const FEW: u32 = 200 / SCALE as u32;
const MANY: u32 = 100_000 / SCALE as u32;
/// How often a shard is looked at, in us.
const TICK: u64 = 5_000;
const SECOND: u64 = 1_000_000;

/// The views: their entity and their shortest window in s.
const FRAUD: [(usize, u64); 7] =
    [(0, 300), (0, 60), (1, 300), (1, 60), (2, 300), (3, 300), (4, 300)];
const CARD: [(usize, u64); 2] = [(0, 300), (0, 60)];

/// Numbers below `count`, the lower the likelier.
struct Zipf(Vec<f64>);

impl Zipf {
    fn new(count: u32, exponent: f64) -> Zipf {
        let mut sum = 0.0;
        let weights = (1..=count).map(|rank| {
            sum += f64::from(rank).powf(-exponent);
            sum
        });
        Zipf(weights.collect())
    }

    fn sample(&self, random: &mut SmallRng) -> u32 {
        let at = random.random_range(0.0..*self.0.last().unwrap());
        u32::try_from(self.0.partition_point(|sum| *sum < at)).unwrap()
    }
}

struct Ids;

impl EntityIds for Ids {
    fn id(&self, _: u32) -> &[u8] {
        b"an entity"
    }
}

struct Traffic {
    shard: Shard,
    wire: Vec<ViewWire>,
    views: &'static [(usize, u64)],
    pace: Pace,
    spread: Spread,
    settings: RedisSettings,
    /// How many.
    count: u32,
    cards: Zipf,
    merchants: Zipf,
    random: SmallRng,
    now: u64,
    value: i64,
    /// What leaves each view's window when: the time in us and the slot.
    leaving: Vec<VecDeque<(u64, u32)>>,
    /// When each row was last sent.
    sent: HashMap<(u32, u32), u64>,
    longest_wait: u64,
    longest_wait_of_quiet: u64,
}

impl Traffic {
    fn new(views: &'static [(usize, u64)], count: u32, settings: RedisSettings) -> Traffic {
        let held = views.iter().enumerate().map(|(at, (entity, _))| View {
            name: format!("v{at}"),
            entity: *entity,
            entity_name: "e".to_owned(),
            key: JoinKey { name: "e_id".to_owned(), ty: Type::Text },
            ttl: 172_800_000,
            features: vec![Feature { name: "f".to_owned(), ty: Type::Int }],
            all_nullable: false,
            width: RowWidth::new(1),
            bytes: vec![0],
        });
        let schema =
            Arc::new(Schema { job: "traffic".to_owned(), views: held.collect(), entities: 5 });
        Traffic {
            wire: ViewWire::all(&schema, &Placing { key_prefix: "features", ..Placing::default() }),
            shard: Shard::new(schema, Dirt::new(views.len(), 100, true)),
            views,
            pace: Pace::new(&settings),
            spread: Spread::new(&settings, 1),
            settings,
            count,
            cards: Zipf::new(count, 0.8),
            merchants: Zipf::new(5_000 / SCALE as u32, 0.9),
            random: SmallRng::seed_from_u64(1),
            now: TICK,
            value: 0,
            leaving: views.iter().map(|_| VecDeque::new()).collect(),
            sent: HashMap::new(),
            longest_wait: 0,
            longest_wait_of_quiet: 0,
        }
    }

    fn change(&mut self, view: usize, slot: u32, cause: Cause) {
        self.value += 1;
        let mut column = Column::default();
        column.push_int(self.value);
        let batch = RowBatch {
            view,
            as_of: self.now,
            slots: vec![slot],
            causes: vec![cause],
            deleted: vec![false],
            features: vec![column],
        };
        self.shard.write(&batch, &Ids, self.now);
    }

    fn event(&mut self) {
        let random = &mut self.random;
        let card = self.cards.sample(random);
        let device = if random.random_bool(0.7) { 0 } else { random.random_range(0..1 + card % 3) };
        let address =
            if random.random_bool(0.6) { 0 } else { random.random_range(0..2 + card % 3) };
        let shared = random.random_bool(0.06);
        let shared = shared.then(|| self.count * 4 + random.random_range(0..2_000 / SCALE as u32));
        let slots = [
            card,
            card - card / 4,
            self.merchants.sample(random),
            card * 3 + device,
            shared.unwrap_or(card * 4 + address),
        ];
        for (at, (entity, window)) in self.views.iter().enumerate() {
            self.change(at, slots[*entity], Cause::Arrival);
            self.leaving[at].push_back((self.now + window * SECOND, slots[*entity]));
        }
    }

    /// Some time passes; the commands that were sent.
    fn run(&mut self, seconds: u64) -> usize {
        let mut commands = 0;
        let end = self.now + seconds * SECOND;
        while self.now < end {
            self.now += TICK;
            for _ in 0..RATE * TICK / SECOND {
                self.event();
            }
            for at in 0..self.views.len() {
                while let Some((_, slot)) = self.leaving[at].pop_front_if(|(at, _)| *at <= self.now)
                {
                    self.change(at, slot, Cause::Decay);
                }
            }
            if self.pace.due(&self.shard.dirt, false).is_some_and(|due| due <= self.now) {
                commands += self.round_trip();
            }
        }
        commands
    }

    fn round_trip(&mut self) -> usize {
        let mut flush = Flush::default();
        let cut = self.pace.cut(&self.shard.dirt, self.now, false);
        let spacing = self.spread.spacing_ms();
        let filling = Filling { wire: &self.wire, now: self.now, cut, spacing };
        for stage in Stage::ALL {
            while self.shard.take(stage, 1_000, &filling, &mut flush) {}
        }
        let longest = self.settings.write_spacing_max.as_micros() as u64;
        for row in &flush.rows {
            assert_eq!(row.outcome, Outcome::Written);
            let entry = row.entry;
            let before = self.sent.insert((entry.view, entry.slot), self.now);
            if entry.cause == Cause::Arrival {
                let wait = self.now - entry.since;
                self.longest_wait = self.longest_wait.max(wait);
                if before.is_none_or(|before| before + longest <= entry.since) {
                    self.longest_wait_of_quiet = self.longest_wait_of_quiet.max(wait);
                }
            }
        }
        self.shard.settle_rows(&flush.rows, self.now);
        self.shard.settle_deletions(&mut flush.deletions);
        self.spread.sent(flush.again, self.now);
        flush.expected.len()
    }
}

fn settings() -> RedisSettings {
    let settings = RedisSettings::default();
    RedisSettings { write_rate: settings.write_rate / SCALE, ..settings }
}

/// Commands an event once windows are full and the wait has settled.
fn cost(traffic: &mut Traffic) -> f64 {
    traffic.run(330);
    traffic.run(60) as f64 / (RATE * 60) as f64
}

/// No row waits longer than it may, and one that was quiet does not wait. A wait counts from the first
/// change, which may have been by decay.
fn waits(traffic: &Traffic) {
    let RedisSettings { write_spacing_max, decay_flush, .. } = traffic.settings;
    let longest = (write_spacing_max + decay_flush).as_micros() as u64;
    // Entries come up by buckets of 64 ms.
    assert!(traffic.longest_wait <= longest + 100_000, "{}", traffic.longest_wait);
    assert!(traffic.longest_wait_of_quiet <= 2 * TICK, "{}", traffic.longest_wait_of_quiet);
}

#[test]
fn seven_views_of_five_entities_cost_at_most_1_6_commands_an_event_and_two_of_cards_below_0_99() {
    for (views, most) in [(FRAUD.as_slice(), 1.6), (CARD.as_slice(), 0.99)] {
        let mut traffic = Traffic::new(views, FEW, settings());
        let commands = cost(&mut traffic);
        assert!(commands < most, "{commands}");
        waits(&traffic);
    }
}

#[test]
fn of_many_cards_as_few_commands_take_a_wait_of_up_to_half_a_minute() {
    let patient = RedisSettings { write_spacing_max: Duration::from_secs(30), ..settings() };
    for (views, most) in [(FRAUD.as_slice(), 1.6), (CARD.as_slice(), 0.99)] {
        let mut traffic = Traffic::new(views, MANY, patient.clone());
        let commands = cost(&mut traffic);
        assert!(commands < most, "{commands}");
        waits(&traffic);
        assert!(traffic.longest_wait > SECOND);
    }
}

#[test]
fn below_write_rate_every_change_by_an_event_is_written_at_once() {
    let settings = RedisSettings { write_rate: 100_000_000, ..RedisSettings::default() };
    let mut traffic = Traffic::new(&CARD, MANY, settings);
    let commands = cost(&mut traffic);
    assert!(commands > 2.0, "{commands}");
    assert!(traffic.longest_wait <= 2 * TICK, "{}", traffic.longest_wait);
}
