//! What arrives, in order, for a job.

use crate::twin::World;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use std::sync::Arc;
use tidemark_operators::plan::Plan;

/// An accepted record.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub source: usize,
    pub partition: u32,
    pub offset: u64,
    pub ts: u64,
    pub clock: u64,
    pub record: Vec<u8>,
}

/// A job, and what arrives.
pub struct Story {
    pub plan: Arc<Plan>,
    /// The job that goes on after the first stop.
    pub changed: Arc<Plan>,
    pub arrivals: Vec<Arrival>,
    /// By arrival, the least time of it and of those after it.
    least: Vec<u64>,
}

impl Story {
    fn new(plan: Arc<Plan>, arrivals: Vec<Arrival>) -> Self {
        let mut least: Vec<u64> = arrivals.iter().map(|arrival| arrival.ts).collect();
        for at in (1..least.len()).rev() {
            least[at - 1] = least[at - 1].min(least[at]);
        }
        Story { changed: Arc::clone(&plan), plan, arrivals, least }
    }

    /// A random job over a random history.
    pub fn of_world(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0x570);
        let world = World::of_sources(seed, 1 + seed as usize % 2);
        let plan = tidemark_jobs::load("twin.toml", &world.job()).unwrap().plan;
        let (accepted, _) = world.judge();
        let mut partitions = vec![Vec::new(); world.log.len()];
        for event in accepted {
            partitions[event.partition].push(Arrival {
                source: event.source,
                partition: (event.partition / world.sources) as u32,
                offset: event.offset as u64,
                ts: event.ts,
                clock: event.clock,
                record: world.log[event.partition][event.offset].clone(),
            });
        }
        partitions.iter_mut().for_each(|partition| partition.sort_by_key(|a| a.offset));
        // Partitions are at about the same time, as a reader that keeps them together has them.
        let mut arrivals = Vec::new();
        let mut next = vec![0; partitions.len()];
        loop {
            let open: Vec<usize> =
                (0..partitions.len()).filter(|p| next[*p] < partitions[*p].len()).collect();
            let Some(slowest) = open.iter().min_by_key(|p| partitions[**p][next[**p]].clock) else {
                break;
            };
            for _ in 0..rng.random_range(1..10) {
                if let Some(arrival) = partitions[*slowest].get(next[*slowest]) {
                    arrivals.push(arrival.clone());
                    next[*slowest] += 1;
                }
            }
        }
        Story::new(plan, arrivals)
    }

    /// A job with every kind of state, and events of few and of many values.
    pub fn of_all_kinds(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed ^ 0xa11);
        let plan = tidemark_jobs::load("kinds.toml", ALL_KINDS).unwrap().plan;
        let (mut now, mut arrivals) = (1_700_000_000_000, Vec::new());
        for offset in 0..700 {
            now += match rng.random_range(0..40) {
                0 => rng.random_range(0..2 * 3_600_000),
                1..8 => 0,
                _ => rng.random_range(0..4_000),
            };
            let ts = now - rng.random_range(0..3) * rng.random_range(0..5_000);
            // A few entities have most of the events.
            let card = rng.random_range(0..12) * rng.random_range(0..2);
            let place = if rng.random_bool(0.3) { 3 } else { 300 };
            let mut fields = vec![format!("\"ts\":{ts}")];
            let shop = rng.random_bool(0.9).then(|| rng.random_range(0..place));
            if shop.is_none() || rng.random_bool(0.95) {
                fields.push(format!("\"card\":\"card-{card}-with-a-long-name-of-its-own\""));
            }
            if rng.random_bool(0.9) {
                fields.push(format!("\"amount\":{}.{}", rng.random_range(-90..900), card % 10));
            }
            if rng.random_bool(0.9) {
                let ip = rng.random_range(0..place);
                fields.push(match rng.random_bool(0.7) {
                    true => format!("\"ip\":\"10.0.{}.{}\"", ip / 200, ip % 200),
                    false => format!("\"ip\":\"2001:db8::{ip:x}\""),
                });
            }
            if let Some(shop) = shop {
                fields.push(format!("\"shop\":\"{}{shop}\"", if shop < 20 { "" } else { "shop-" }));
            }
            if rng.random_bool(0.8) {
                fields.push(format!("\"country\":\"c{}\"", rng.random_range(0..4)));
            }
            fields.push(format!("\"ok\":{}", rng.random_bool(0.7)));
            arrivals.push(Arrival {
                source: 0,
                partition: 0,
                offset,
                ts,
                clock: now,
                record: format!("{{{}}}", fields.join(",")).into_bytes(),
            });
        }
        Story::new(plan, arrivals)
    }

    /// The same for a job that is changed: views are added, and features trade places.
    pub fn of_changed_job(seed: u64) -> Self {
        let (front, features) = ALL_KINDS.split_once("[views.card.features]\n").unwrap();
        let (features, back) = features.split_once("\n\n").unwrap();
        let features: Vec<&str> = features.lines().rev().collect();
        let features = features.join("\n");
        let text = format!("{front}[views.card.features]\n{features}\n\n{back}{ADDED}");
        let changed = tidemark_jobs::load("changed.toml", &text).unwrap().plan;
        Story { changed, ..Story::of_all_kinds(seed) }
    }

    /// The least time that is to come once `told` arrivals have been told.
    pub fn least_to_come(&self, told: usize) -> u64 {
        self.least.get(told).copied().unwrap_or(u64::MAX)
    }

    /// The greatest time of all.
    pub fn newest(&self) -> u64 {
        self.arrivals.iter().map(|arrival| arrival.ts).max().unwrap_or(0)
    }
}

/// What the timeline's rows say.
const ADDED: &str = r#"
[views.more]
entity = "card"

[views.more.features]
sum_20m = { aggregate = "sum", of = "amount", window = "20m", where = "ok" }
ips_5m = { aggregate = "distinct", of = "ip", window = "5m", delay = "1m" }
max_30m = { aggregate = "max", of = "amount", window = "30m" }
amounts = { aggregate = "entropy", of = "amount", window = "1h" }
hours_12h = { aggregate = "hour_share", window = "12h" }
last_ip = { aggregate = "latest", of = "ip", horizon = "40m", where = "not ok" }
"#;

const ALL_KINDS: &str = r#"
[job]
name = "kinds"
timezone = "Europe/Stockholm"

[sources.t]
files = ["memory"]
time = { field = "ts", unit = "ms" }
out_of_orderness = "10s"

[sources.t.fields]
card = "string?"
amount = "decimal?"
ip = "ip?"
shop = "string?"
country = "string?"
ok = "bool?"

[entities.card]
key = "card"

[entities.shop]
key = "shop"

[views.card]
entity = "card"

[views.card.features]
count_1m = { aggregate = "count", window = "1m" }
count_1h = { aggregate = "count", window = "1h", where = "ok" }
sum_10m = { aggregate = "sum", of = "amount", window = "10m" }
deviation_1h = { aggregate = "stddev", of = "amount", window = "1h" }
max_10m = { aggregate = "max", of = "amount", window = "10m" }
min_1h = { aggregate = "min", of = "amount", window = "1h", delay = "5m" }
ips_1h = { aggregate = "distinct", of = "ip", window = "1h" }
shops_10m = { aggregate = "distinct", of = "shop", window = "10m", delay = "30s" }
places_2h = { aggregate = "entropy", of = ["ip", "country"], window = "2h" }
hours_1d = { aggregate = "hour_share", window = "1d" }
changes_1h = { aggregate = "changes", of = "country", window = "1h", horizon = "20m" }
new_shop = { aggregate = "is_new", of = "shop", horizon = "3h" }
previous_shop = { aggregate = "previous", of = "shop", horizon = "1h" }
last_shop = { aggregate = "latest", of = "shop", horizon = "2h" }
last_amount = { aggregate = "latest", of = "amount", horizon = "30m", where = "ok" }
gap = { aggregate = "previous_gap", horizon = "1h", unit = "ms" }
in_session = { aggregate = "count", session = "2m", where = "ok" }
session_sum = { aggregate = "sum", of = "amount", session = "2m" }
session_first = { aggregate = "first", of = "shop", session = "2m" }
session_length = { aggregate = "duration", session = "2m", unit = "ms" }

[views.refused]
entity = "card"
where = "not ok"

[views.refused.features]
count_10m = { aggregate = "count", window = "10m" }
amount_max_3h = { aggregate = "max", of = "amount", window = "3h" }

[views.shop]
entity = "shop"

[views.shop.features]
cards_1h = { aggregate = "distinct", of = "card", window = "1h" }
share_1h = { aggregate = "ratio", where = "ok", window = "1h" }
"#;
