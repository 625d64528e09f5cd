//! The online stores, against a real Redis and a map of the last rows.

pub mod cluster;
mod fenced;
mod given_up;
mod layouts;
mod nodes;
mod operation;
mod reader;
mod sentinel;

use crate::redis_server as servers;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemark::online::redis::{MemorySettings, RedisServers, Secret, TlsSettings, read_redis};
use tidemark::online::{
    BreakerState, Embedded, OnlineStore, Redis, RedisSettings, RedisStatus, Row, StoreError, text,
};
use tidemark_operators::interner::stable_hash;
use tidemark_operators::online::{Cause, EntityIds, OnlineSink, RowBatch};
use tidemark_operators::plan::{EntityPlan, FeaturePlan, Plan, ViewIndex, ViewPlan};
use tidemark_operators::value::{Column, Type, Value};
use tidemark_operators::zone::Zone;

const WORKERS: usize = 2;

/// A test that waits longer than this hangs.
const HANG: Duration = Duration::from_secs(60);

/// A feature: its type, and whether it can be null.
type Shape = (Type, bool);

fn view(name: &str, index: usize, ttl: u64, features: &[Shape]) -> ViewPlan {
    let features = features.iter().enumerate().map(|(at, (ty, nullable))| FeaturePlan {
        name: format!("{ty}_{at}"),
        ty: *ty,
        nullable: *nullable,
        column: at,
    });
    ViewPlan {
        name: name.to_owned(),
        index,
        mask: 0,
        ttl,
        reads: Vec::new(),
        derived: Vec::new(),
        features: features.collect(),
        extents: Vec::new(),
    }
}

/// Entity card with two views (the second can be all null), entity user with one of 70 features.
fn plan(ttl: u64) -> Plan {
    let wide = [(Type::Int, false); 1].into_iter().chain([(Type::Double, true); 69]);
    let wide: Vec<Shape> = wide.collect();
    let stats = [
        (Type::Int, false),
        (Type::Double, true),
        (Type::Bool, true),
        (Type::Text, true),
        (Type::Ip, true),
        (Type::Timestamp, true),
    ];
    let last = [(Type::Text, true), (Type::Double, true)];
    let entity = |name: &str, views: Vec<ViewPlan>| EntityPlan {
        name: name.to_owned(),
        sources: Vec::new(),
        attributes: Vec::new(),
        lookups: Vec::new(),
        late: Vec::new(),
        sequences: Vec::new(),
        sessions: Vec::new(),
        filters: 0,
        windows: Vec::new(),
        accumulators: Vec::new(),
        lasts: Vec::new(),
        views,
    };
    let card = vec![view("stats", 0, ttl, &stats), view("last", 1, ttl, &last)];
    Plan {
        name: "test".to_owned(),
        sources: Vec::new(),
        tables: Vec::new(),
        entities: vec![entity("card", card), entity("user", vec![view("wide", 2, ttl, &wide)])],
        views: vec![
            ViewIndex { entity: 0, view: 0 },
            ViewIndex { entity: 0, view: 1 },
            ViewIndex { entity: 1, view: 0 },
        ],
        zone: Arc::new(Zone::utc()),
        distinct_max: None,
    }
}

/// What a worker of the dataflow would know: slots, reused as soon as they may be.
#[derive(Default)]
struct Slots {
    ids: Vec<Vec<u8>>,
    free: Vec<u32>,
    by_id: HashMap<Vec<u8>, u32>,
}

impl EntityIds for Slots {
    fn id(&self, slot: u32) -> &[u8] {
        &self.ids[slot as usize]
    }
}

impl Slots {
    fn slot(&mut self, id: &[u8]) -> u32 {
        if let Some(slot) = self.by_id.get(id) {
            return *slot;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.ids.push(Vec::new());
            u32::try_from(self.ids.len() - 1).unwrap()
        });
        self.ids[slot as usize] = id.to_vec();
        self.by_id.insert(id.to_vec(), slot);
        slot
    }

    fn forget(&mut self, id: &[u8]) {
        let slot = self.by_id.remove(id).unwrap();
        self.ids[slot as usize].clear();
        self.free.push(slot);
    }
}

/// A job at work: the store under test and its naive twin.
struct World {
    plan: Plan,
    sinks: Vec<Box<dyn OnlineSink>>,
    slots: Vec<Vec<Slots>>,
    /// The newest row by view and id.
    twin: BTreeMap<(usize, Vec<u8>), Row>,
    random: SmallRng,
    clock: u64,
}

fn worker_of(id: &[u8], workers: usize) -> usize {
    usize::try_from(stable_hash(id) % workers as u64).unwrap()
}

impl World {
    fn new(plan: Plan, store: &dyn OnlineStore, seed: u64) -> World {
        World::of(WORKERS, plan, store, seed)
    }

    fn of(workers: usize, plan: Plan, store: &dyn OnlineStore, seed: u64) -> World {
        let slots = || plan.entities.iter().map(|_| Slots::default()).collect();
        World {
            sinks: (0..workers).map(|worker| store.writer(worker)).collect(),
            slots: (0..workers).map(|_| slots()).collect(),
            plan,
            twin: BTreeMap::new(),
            random: SmallRng::seed_from_u64(seed),
            clock: 1_000,
        }
    }

    /// Writes rows of a view (`None`: the row is gone) through the workers they belong to.
    fn write(&mut self, view: usize, cause: Cause, rows: &[(Vec<u8>, Option<Vec<Value>>)]) {
        self.clock += 1;
        let at = self.plan.views[view];
        let workers = self.sinks.len();
        for worker in 0..workers {
            let features = self.plan.view(view).unwrap().features.len();
            let mut batch = RowBatch {
                view,
                as_of: self.clock,
                features: vec![Column::default(); features],
                ..RowBatch::default()
            };
            let slots = &mut self.slots[worker][at.entity];
            for (id, row) in rows.iter().filter(|(id, _)| worker_of(id, workers) == worker) {
                batch.slots.push(slots.slot(id));
                batch.causes.push(cause);
                batch.deleted.push(row.is_none());
                for (at, column) in batch.features.iter_mut().enumerate() {
                    push(column, row.as_ref().map_or(&Value::Null, |row| &row[at]));
                }
                match row {
                    Some(values) => {
                        let row = Row { as_of: self.clock, values: values.clone() };
                        self.twin.insert((view, id.clone()), row)
                    }
                    None => self.twin.remove(&(view, id.clone())),
                };
            }
            self.sinks[worker].write(&batch, slots);
            for (id, _) in rows.iter().filter(|(id, _)| worker_of(id, workers) == worker) {
                let held = |(v, held): &(usize, Vec<u8>)| {
                    self.plan.views[*v].entity == at.entity && held == id
                };
                if !self.twin.keys().any(held) {
                    slots.forget(id);
                }
            }
        }
    }

    /// One row of everything, at random: appear, change a little, change much, nothing, go.
    fn random_batch(&mut self, ids: usize) {
        let view = self.random.random_range(0..self.plan.views.len());
        let cause = if self.random.random_bool(0.5) { Cause::Arrival } else { Cause::Decay };
        let mut rows: Vec<(Vec<u8>, Option<Vec<Value>>)> = Vec::new();
        for _ in 0..self.random.random_range(1..40) {
            // Any bytes may be in an id: separators and line ends of the protocol among them.
            let id = format!("e:{}\r\n", self.random.random_range(0..ids)).into_bytes();
            if rows.iter().any(|(held, _)| *held == id) {
                continue;
            }
            let held = self.twin.get(&(view, id.clone())).cloned();
            let row = match (held, self.random.random_range(0..10)) {
                (Some(_), 0..2) => None,
                (Some(row), 2..4) => Some(row.values),
                (Some(row), 4..8) => {
                    let mut values = row.values;
                    let at = self.random.random_range(0..values.len());
                    values[at] = self.random_value(view, at);
                    Some(values)
                }
                (None, 0) => continue,
                _ => {
                    let count = self.plan.view(view).unwrap().features.len();
                    Some((0..count).map(|at| self.random_value(view, at)).collect())
                }
            };
            rows.push((id, row));
        }
        self.write(view, cause, &rows);
    }

    fn random_value(&mut self, view: usize, at: usize) -> Value {
        let feature = &self.plan.view(view).unwrap().features[at];
        let random = &mut self.random;
        if feature.nullable && random.random_bool(0.3) {
            return Value::Null;
        }
        match feature.ty {
            Type::Int => Value::Int(random.random_range(-3..3)),
            Type::Timestamp => Value::Timestamp(random.random_range(0..3)),
            Type::Double => Value::Double([0.0, 1.0, 33.33, 1e16][random.random_range(0..4)]),
            Type::Bool => Value::Bool(random.random_bool(0.5)),
            Type::Text => {
                let texts = ["", "a", "DE", "sieben7", "a long text\r\n", "äöüäöüäöü"];
                Value::Text(texts[random.random_range(0..texts.len())].to_owned())
            }
            Type::Ip => {
                let ips = ["10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2"];
                Value::Ip(ips[random.random_range(0..ips.len())].parse().unwrap())
            }
            Type::Decimal(_) => unreachable!("decimals are shown as doubles"),
        }
    }

    /// What the last run held is what `store` holds from now on.
    fn hand_over(&mut self, store: &Redis) {
        self.sinks = (0..self.sinks.len()).map(|worker| store.writer(worker)).collect();
        for ((view, id), row) in self.twin.clone() {
            self.write(view, Cause::Decay, &[(id, Some(row.values))]);
        }
    }

    /// What must be in Redis: every key with its fields.
    fn expected(&self) -> BTreeMap<Vec<u8>, BTreeMap<String, String>> {
        let mut keys = BTreeMap::new();
        for ((view, id), row) in &self.twin {
            let entity = &self.plan.entities[self.plan.views[*view].entity];
            let view = self.plan.view(*view).unwrap();
            let fields: BTreeMap<String, String> = view
                .features
                .iter()
                .zip(&row.values)
                .filter_map(|(f, value)| Some((f.name.clone(), text::text(value)?)))
                .collect();
            let mut key = format!("features:{}:", entity.name).into_bytes();
            key.extend_from_slice(id);
            key.extend_from_slice(format!(":{}", view.name).as_bytes());
            if !fields.is_empty() {
                keys.insert(key, fields);
            }
        }
        keys
    }

    /// The table is the twin.
    fn check_table(&self, store: &dyn OnlineStore) {
        assert_eq!(store.status().rows, self.twin.len() as u64);
        for view in 0..self.plan.views.len() {
            let held = self.twin.iter().filter(|((v, _), _)| *v == view);
            let held: Vec<_> = held.map(|((_, id), row)| (id.clone(), row.clone())).collect();
            assert_eq!(store.rows(view), held, "view {view}");
        }
        for ((view, id), row) in &self.twin {
            assert_eq!(store.get(*view, id).as_ref(), Some(row));
        }
        assert_eq!(store.get(0, b"nobody"), None);
    }

    /// Waits until Redis has everything, and compares all keys.
    fn check_redis(&self, store: &Redis, client: &mut redis::Connection) {
        settle(store);
        assert_eq!(dump(client), self.expected());
    }
}

fn push(column: &mut Column, value: &Value) {
    match value {
        Value::Null => column.push_null(),
        Value::Int(v) | Value::Timestamp(v) | Value::Decimal(v, _) => column.push_int(*v),
        Value::Double(v) => column.push_double(*v),
        Value::Bool(v) => column.push_bool(*v),
        Value::Text(v) => column.push_bytes(v.as_bytes()),
        Value::Ip(IpAddr::V4(v)) => column.push_bytes(&v.octets()),
        Value::Ip(IpAddr::V6(v)) => column.push_bytes(&v.octets()),
    }
}

fn dump(client: &mut redis::Connection) -> BTreeMap<Vec<u8>, BTreeMap<String, String>> {
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(client).unwrap();
    // Heartbeats and claims are no rows, and what Feast reads is looked at elsewhere.
    let others = |key: &Vec<u8>| key.starts_with(b"tidemark:") || [1, b'{'].contains(&key[0]);
    let keys = keys.into_iter().filter(|key| !others(key));
    let hash = |key: Vec<u8>| {
        let fields = redis::cmd("HGETALL").arg(&key).query(client).unwrap();
        (key, fields)
    };
    keys.map(hash).collect()
}

fn redis_status(store: &Redis) -> RedisStatus {
    store.status().redis.unwrap()
}

fn wait_until(store: &Redis, what: &str, done: impl Fn(&RedisStatus) -> bool) -> RedisStatus {
    let started = Instant::now();
    loop {
        let status = redis_status(store);
        if done(&status) {
            return status;
        }
        assert!(started.elapsed() < HANG, "waiting for {what}: {status:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn settle(store: &Redis) {
    wait_until(store, "Redis to have everything", |s| s.dirty == 0 && !s.reasserting);
}

/// Fast pauses, so that tests are.
fn settings(server: &servers::Redis) -> RedisSettings {
    RedisSettings {
        servers: RedisServers::on_loopback(server.port),
        decay_flush: Duration::from_millis(30),
        probe_interval: Duration::from_millis(20),
        backoff_first: Duration::from_millis(5),
        backoff_max: Duration::from_millis(40),
        ..RedisSettings::default()
    }
}

const DAY: u64 = 86_400_000;

fn int_row(value: i64) -> Option<Vec<Value>> {
    let mut values = vec![Value::Null; 6];
    values[0] = Value::Int(value);
    Some(values)
}

fn set(client: &mut redis::Connection, name: &str, value: &str) {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(client).unwrap();
}

#[test]
fn the_embedded_table_is_the_last_row_of_every_entity() {
    for seed in 0..20 {
        let store = Embedded::new(&plan(DAY), WORKERS);
        let mut world = World::new(plan(DAY), &store, seed);
        for _ in 0..150 {
            world.random_batch(60);
        }
        world.check_table(&store);
    }
}

#[test]
fn redis_holds_the_last_row_of_every_entity_after_any_history() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    for seed in 0..4 {
        redis::cmd("FLUSHALL").exec(&mut client).unwrap();
        // Small flushes, so that rows change, go and come back while they are in flight.
        let settings = RedisSettings {
            flush_rows: 7,
            flush_interval: Duration::from_micros(200),
            decay_flush: Duration::from_millis(2),
            ..settings(&server)
        };
        let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
        let mut world = World::new(plan(DAY), &store, seed);
        for _ in 0..8 {
            for _ in 0..60 {
                world.random_batch(50);
            }
            world.check_redis(&store, &mut client);
        }
        world.check_table(&store);
        let status = redis_status(&store);
        // Views that can be all null are always replaced when they appear; nothing else heals.
        assert_eq!((status.healed, status.retries), (0, 0), "{status:?}");
        assert!(status.connected);
        store.close(HANG).unwrap();
    }
}

#[test]
fn only_changed_fields_are_written_and_an_unchanged_row_costs_nothing() {
    let server = servers::Redis::start(&[]);
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 1);
    let id = b"a".to_vec();
    world.write(0, Cause::Arrival, &[(id.clone(), int_row(1))]);
    settle(&store);
    let before = redis_status(&store).arrival;
    assert_eq!((before.hset, before.hdel, before.pexpire), (1, 0, 1));
    for _ in 0..100 {
        world.write(0, Cause::Arrival, &[(id.clone(), int_row(1))]);
    }
    settle(&store);
    assert_eq!(redis_status(&store).arrival, before);
    assert_eq!(store.status().unchanged, 100);
    let mut row = int_row(1).unwrap();
    row[1] = Value::Double(2.5);
    world.write(0, Cause::Arrival, &[(id.clone(), Some(row))]);
    settle(&store);
    world.write(0, Cause::Arrival, &[(id, int_row(1))]);
    settle(&store);
    let after = redis_status(&store).arrival;
    assert_eq!((after.hset, after.hdel, after.pexpire), (2, 1, 1));
    world.check_redis(&store, &mut server.client());
}

#[test]
fn an_outage_that_loses_all_data_loses_no_newest_value() {
    let mut server = servers::Redis::start(&[]);
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 5);
    for _ in 0..100 {
        world.random_batch(80);
    }
    settle(&store);
    server.kill();
    for _ in 0..100 {
        world.random_batch(80);
    }
    // Reads never depend on Redis.
    world.check_table(&store);
    let status = wait_until(&store, "the breaker to open", |s| s.breaker == BreakerState::Open);
    assert!(!status.connected && status.dirty > 0, "{status:?}");
    assert!(status.last_error.is_some_and(|e| e.contains("cannot connect")));
    server.start_again(&[]);
    world.check_redis(&store, &mut server.client());
    let status = redis_status(&store);
    assert_eq!((status.breaker, status.last_error), (BreakerState::Closed, None));
    // And once more, without a change meanwhile: nothing but a probe finds out.
    server.kill();
    server.start_again(&[]);
    let mut client = server.client();
    let started = Instant::now();
    while dump(&mut client) != world.expected() {
        assert!(started.elapsed() < HANG);
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_restart_that_keeps_the_data_converges() {
    let mut server = servers::Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 6);
    for round in 0..3 {
        for _ in 0..50 {
            world.random_batch(60);
        }
        if round == 1 {
            settle(&store);
        }
        server.kill();
        for _ in 0..50 {
            world.random_batch(60);
        }
        server.start_again(&["--appendonly", "yes", "--appendfsync", "always"]);
        world.check_redis(&store, &mut server.client());
    }
}

#[test]
fn a_server_that_hangs_is_given_up_and_nothing_is_lost() {
    let server = servers::Redis::start(&[]);
    let quick = Duration::from_millis(100);
    let settings =
        RedisSettings { response_timeout: quick, connect_timeout: quick, ..settings(&server) };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 7);
    for _ in 0..50 {
        world.random_batch(60);
    }
    server.signal("STOP");
    for _ in 0..50 {
        world.random_batch(60);
    }
    wait_until(&store, "the breaker to open", |s| s.breaker == BreakerState::Open);
    server.signal("CONT");
    world.check_redis(&store, &mut server.client());
}

#[test]
fn rows_refused_for_want_of_memory_are_kept_until_there_is_some() {
    let server = servers::Redis::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 8);
    for _ in 0..100 {
        world.random_batch(60);
    }
    let status = wait_until(&store, "the breaker to open", |s| s.breaker == BreakerState::Open);
    assert!(status.last_error.clone().is_some_and(|e| e.contains("OOM")), "{status:?}");
    assert!(status.connected && status.dirty > 0);
    let mut client = server.client();
    set(&mut client, "maxmemory", "0");
    world.check_redis(&store, &mut client);
    // And in the middle of a history, where rows are changed, not new.
    set(&mut client, "maxmemory", "1");
    for _ in 0..100 {
        world.random_batch(60);
    }
    wait_until(&store, "the breaker to open", |s| s.breaker == BreakerState::Open);
    set(&mut client, "maxmemory", "0");
    world.check_redis(&store, &mut client);
}

#[test]
fn a_wrong_password_opens_the_breaker_and_is_not_shown() {
    let server = servers::Redis::start(&["--requirepass", "correct-horse"]);
    let mut client = server.client_at(&format!("redis://:correct-horse@127.0.0.1:{}", server.port));
    let wrong =
        RedisSettings { password: Some(Secret::new("battery-staple")), ..settings(&server) };
    assert!(!format!("{wrong:?}").contains("battery-staple"));
    let store = Redis::start(&plan(DAY), WORKERS, wrong, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 9);
    for _ in 0..50 {
        world.random_batch(60);
    }
    let status = wait_until(&store, "the breaker to open", |s| s.breaker == BreakerState::Open);
    let error = status.last_error.clone().unwrap();
    assert!(
        error.contains("refused the credentials") && error.contains("REDIS_PASSWORD"),
        "{error}"
    );
    assert!(!format!("{status:?}").contains("battery-staple"));
    set(&mut client, "requirepass", "battery-staple");
    world.check_redis(&store, &mut client);
    // None at all is refused as clearly.
    let none = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let status = wait_until(&none, "the breaker to open", |s| s.breaker == BreakerState::Open);
    assert!(status.last_error.is_some_and(|e| e.contains("refused the credentials")));
}

#[test]
fn a_primary_that_becomes_a_replica_is_named_and_nothing_is_lost() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 18);
    for _ in 0..50 {
        world.random_batch(60);
    }
    settle(&store);
    let nowhere = servers::free_port().to_string();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(nowhere).exec(&mut client).unwrap();
    for _ in 0..50 {
        world.random_batch(60);
    }
    let replica = |s: &RedisStatus| {
        s.breaker == BreakerState::Open
            && s.last_error
                .as_ref()
                .is_some_and(|e| e.contains("is a replica, which takes no rows"))
    };
    wait_until(&store, "the replica to be named", replica);
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut client).unwrap();
    world.check_redis(&store, &mut client);
}

#[test]
fn a_key_lost_behind_our_back_is_healed_at_its_next_write() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 10);
    for _ in 0..200 {
        world.random_batch(60);
    }
    settle(&store);
    // Deleted, replaced by another type, robbed of a field that changes next.
    for (at, (key, fields)) in dump(&mut client).into_iter().enumerate() {
        match at % 3 {
            0 => redis::cmd("DEL").arg(&key).exec(&mut client).unwrap(),
            1 => redis::cmd("SET").arg(&key).arg("x").exec(&mut client).unwrap(),
            _ => {
                let changes = ["int", "double", "string"];
                let field = fields.keys().find(|f| changes.iter().any(|c| f.starts_with(c)));
                redis::cmd("HDEL").arg(&key).arg(field.unwrap()).exec(&mut client).unwrap();
            }
        }
    }
    // The next write: every number and text changes.
    for view in 0..3 {
        let rows = world.twin.iter().filter(|((v, _), _)| *v == view);
        let rows: Vec<_> = rows
            .map(|((_, id), row)| {
                let changed = |value: &Value| match value {
                    Value::Int(v) => Value::Int(v + 10),
                    Value::Double(v) => Value::Double(v + 10.5),
                    Value::Text(v) => Value::Text(format!("{v}, changed")),
                    other => other.clone(),
                };
                (id.clone(), Some(row.values.iter().map(changed).collect()))
            })
            .collect();
        world.write(view, Cause::Arrival, &rows);
    }
    settle(&store);
    let healed = redis_status(&store).healed;
    assert!(healed > 50, "{healed}");
    assert_eq!(dump(&mut client), world.expected());
}

#[test]
fn a_lost_key_is_noticed_even_when_only_new_fields_are_written() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 11);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    settle(&store);
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    let mut row = int_row(1).unwrap();
    row[1] = Value::Double(2.5);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), Some(row))]);
    world.check_redis(&store, &mut client);
    assert_eq!(redis_status(&store).healed, 1);
    let ttl: i64 = redis::cmd("PTTL").arg("features:card:a:stats").query(&mut client).unwrap();
    assert!(ttl > 0);
}

#[test]
fn a_ttl_is_refreshed_before_half_of_it_has_passed_and_heals_a_lost_key() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let settings = RedisSettings { ttl: Some(3_000), ..settings(&server) };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 12);
    let rows: Vec<_> = (0..50).map(|n| (format!("{n}").into_bytes(), int_row(n))).collect();
    world.write(0, Cause::Arrival, &rows);
    settle(&store);
    let expires: i64 =
        redis::cmd("PEXPIRETIME").arg("features:card:7:stats").query(&mut client).unwrap();
    // Silent rows live on, longer than their TTL.
    wait_until(&store, "every TTL to be refreshed four times", |s| s.decay.pexpire >= 200);
    assert_eq!(dump(&mut client), world.expected());
    let later: i64 =
        redis::cmd("PEXPIRETIME").arg("features:card:7:stats").query(&mut client).unwrap();
    assert!(later >= expires + 3_000, "{expires} {later}");
    assert_eq!(redis_status(&store).healed, 0);
    let hset = redis_status(&store).arrival.hset;
    assert_eq!(hset, 50);
    redis::cmd("DEL").arg("features:card:7:stats").exec(&mut client).unwrap();
    wait_until(&store, "the lost key to be healed", |s| s.healed == 1);
    settle(&store);
    assert_eq!(dump(&mut client), world.expected());
    // A store that is gone lets its keys die.
    drop(store);
    let started = Instant::now();
    while !dump(&mut client).is_empty() {
        assert!(started.elapsed() < HANG);
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn decayed_rows_wait_and_coalesce_while_arrivals_do_not() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let settings = RedisSettings { decay_flush: Duration::from_secs(86_400), ..settings(&server) };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 13);
    for value in 0..10 {
        world.write(0, Cause::Decay, &[(b"silent".to_vec(), int_row(value))]);
        world.write(0, Cause::Decay, &[(b"busy".to_vec(), int_row(value))]);
    }
    world.write(0, Cause::Arrival, &[(b"busy".to_vec(), int_row(11))]);
    let status = wait_until(&store, "the arrival", |s| s.rows_written.arrival == 1);
    // 9 + 9 decays and the arrival hit rows that were dirty already.
    assert_eq!((status.rows_written.decay, status.dirty, status.coalesced), (0, 1, 19));
    let keys: Vec<_> = dump(&mut client).into_keys().collect();
    assert_eq!(keys, [b"features:card:busy:stats"]);
    // The end does not wait.
    store.close(HANG).unwrap();
    let status = redis_status(&store);
    assert_eq!((status.rows_written.decay, status.decay.hset, status.dirty), (1, 1, 0));
    assert_eq!(dump(&mut client), world.expected());
}

#[test]
fn while_held_nothing_is_written_and_keys_of_an_earlier_run_are_put_right() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let earlier = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &earlier, 14);
    for _ in 0..200 {
        world.random_batch(60);
    }
    settle(&earlier);
    earlier.close(HANG).unwrap();
    let left = world.expected();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), true).unwrap();
    world.sinks = (0..WORKERS).map(|worker| store.writer(worker)).collect();
    // Catching up tells of everything that was held, and then goes on.
    for view in 0..3 {
        let rows = world.twin.iter().filter(|((v, _), _)| *v == view);
        let rows: Vec<_> =
            rows.map(|((_, id), row)| (id.clone(), Some(row.values.clone()))).collect();
        world.write(view, Cause::Arrival, &rows);
    }
    for _ in 0..100 {
        world.random_batch(60);
    }
    let status = wait_until(&store, "a connection", |s| s.connected);
    assert!(status.held && status.pipelines == 0 && status.dirty > 0);
    assert_eq!(dump(&mut client), left);
    world.check_table(&store);
    store.release();
    world.check_redis(&store, &mut client);
}

/// HSET, PEXPIRE, HDEL and DEL that a store sent for rows: heartbeats are not among them.
fn row_commands(store: &Redis) -> [u64; 4] {
    let RedisStatus { arrival, decay, .. } = redis_status(store);
    [
        arrival.hset + decay.hset,
        arrival.pexpire + decay.pexpire,
        arrival.hdel + decay.hdel,
        arrival.del + decay.del,
    ]
}

#[test]
fn a_restart_costs_a_key_one_hset_and_one_pexpire_and_a_hdel_where_something_is_null() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let earlier = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &earlier, 19);
    for _ in 0..200 {
        world.random_batch(60);
    }
    settle(&earlier);
    earlier.close(HANG).unwrap();
    // Other values, other nulls.
    let rows: Vec<_> = world.twin.keys().cloned().collect();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), true).unwrap();
    world.sinks = (0..WORKERS).map(|worker| store.writer(worker)).collect();
    world.twin.clear();
    for (view, id) in rows {
        let count = world.plan.view(view).unwrap().features.len();
        let row = (0..count).map(|at| world.random_value(view, at)).collect();
        world.write(view, Cause::Arrival, &[(id, Some(row))]);
    }
    let old: usize = dump(&mut client).len();
    store.release();
    world.check_redis(&store, &mut client);
    let grown = row_commands(&store);
    let keys = world.expected().len() as u64;
    let with_nulls = world.twin.values().filter(|row| row.values.contains(&Value::Null)).count();
    assert!(old > 100 && with_nulls > 50, "{old} {with_nulls}");
    assert_eq!([grown[0], grown[1], grown[3]], [keys, keys, 0]);
    assert!(grown[2] <= with_nulls as u64, "{} {with_nulls}", grown[2]);
    assert_eq!(redis_status(&store).healed, 0);
    // With nothing there before, nothing has to be removed but from keys that tell nothing.
    store.close(HANG).unwrap();
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    let fresh = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    world.sinks = (0..WORKERS).map(|worker| fresh.writer(worker)).collect();
    let rows: Vec<_> = world.twin.iter().filter(|((view, _), _)| *view != 1).collect();
    let rows: Vec<_> = rows.into_iter().map(|(key, row)| (key.clone(), row.clone())).collect();
    for ((view, id), row) in &rows {
        world.write(*view, Cause::Arrival, &[(id.clone(), Some(row.values.clone()))]);
    }
    settle(&fresh);
    assert_eq!(row_commands(&fresh), [rows.len() as u64, rows.len() as u64, 0, 0]);
}

#[test]
fn a_field_that_no_feature_has_is_gone_once_the_ttl_was_refreshed() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    redis::cmd("HSET").arg("features:card:a:stats").arg("gone").arg("1").exec(&mut client).unwrap();
    let settings = RedisSettings { ttl: Some(1_000), ..settings(&server) };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 20);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    wait_until(&store, "the key to be replaced", |s| s.healed == 1);
    world.check_redis(&store, &mut client);
}

#[test]
fn a_row_that_changes_all_the_time_waits_above_write_rate_and_others_do_not() {
    let server = servers::Redis::start(&[]);
    let wait = Duration::from_secs(86_400);
    let settings = RedisSettings { write_rate: 1, write_spacing_max: wait, ..settings(&server) };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 21);
    let mut value = 0;
    let started = Instant::now();
    while redis_status(&store).spacing_ms < 20_000 {
        value += 1;
        world.write(0, Cause::Arrival, &[(b"busy".to_vec(), int_row(value))]);
        assert!(started.elapsed() < HANG, "{:?}", redis_status(&store));
        std::thread::sleep(Duration::from_millis(1));
        if started.elapsed() > Duration::from_millis(500) {
            // One row waits by now: others keep the commands coming.
            let id = format!("b{}", value % 50).into_bytes();
            world.write(0, Cause::Arrival, &[(id, int_row(value))]);
        }
    }
    world.write(0, Cause::Arrival, &[(b"busy".to_vec(), int_row(-1))]);
    world.write(0, Cause::Arrival, &[(b"quiet".to_vec(), int_row(1))]);
    let mut client = server.client();
    let quiet = || -> Option<i64> {
        let mut client = server.client();
        redis::cmd("HGET").arg("features:card:quiet:stats").arg("int_0").query(&mut client).unwrap()
    };
    while quiet() != Some(1) {
        assert!(started.elapsed() < HANG);
    }
    let held: i64 =
        redis::cmd("HGET").arg("features:card:busy:stats").arg("int_0").query(&mut client).unwrap();
    assert!(held > 0);
    let status = redis_status(&store);
    assert!(status.dirty > 0 && status.behind_ms >= status.oldest_dirty_ms, "{status:?}");
    // The end does not wait.
    store.close(HANG).unwrap();
    assert_eq!(dump(&mut client), world.expected());
}

#[test]
fn closing_reports_what_could_not_be_written() {
    let server = servers::Redis::planned();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 15);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1)), (b"b".to_vec(), int_row(2))]);
    match store.close(Duration::from_millis(50)) {
        Err(StoreError::Unwritten { rows: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
    world.check_table(&store);
}

#[test]
fn a_row_reads_from_redis_as_from_the_table() {
    let server = servers::Redis::start(&[]);
    let settings = settings(&server).with_url(&format!("redis://127.0.0.1:{}/3", server.port));
    let settings = settings.unwrap();
    let store = Redis::start(&plan(DAY), WORKERS, settings.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 16);
    for _ in 0..100 {
        world.random_batch(60);
    }
    settle(&store);
    for ((view, id), row) in &world.twin {
        let features = &world.plan.view(*view).unwrap().features;
        let texts = row.values.iter().map(text::text);
        let expected: Vec<_> = features.iter().map(|f| f.name.clone()).zip(texts).collect();
        let expected = Some(expected).filter(|row| row.iter().any(|(_, text)| text.is_some()));
        assert_eq!(read_redis(&settings, &world.plan, *view, id).unwrap(), expected);
    }
    assert_eq!(read_redis(&settings, &world.plan, 0, b"nobody").unwrap(), None);
}

#[test]
fn memory_is_limited_when_asked_and_the_alert_rises_at_its_threshold() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let memory = MemorySettings { limit_bytes: Some(64 << 20), ..MemorySettings::default() };
    let settings = RedisSettings { memory, ..settings(&server) };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let status = wait_until(&store, "the memory", |s| s.memory.is_some());
    let memory = status.memory.unwrap();
    assert_eq!((memory.limit, memory.alert), (Some(64 << 20), false));
    let policy: Vec<String> =
        redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").query(&mut client).unwrap();
    assert_eq!(policy, ["maxmemory-policy", "noeviction"]);
    set(&mut client, "maxmemory", &(memory.used + memory.used / 10).to_string());
    wait_until(&store, "the alert", |s| s.memory.is_some_and(|m| m.alert));
}

#[test]
fn tls_with_a_private_authority_works_and_an_unknown_one_is_refused() {
    let folder = crate::folder::Folder::new("tls");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj"])
        .args(["/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &cert])
        .stderr(std::process::Stdio::null())
        .status()
        .expect("openssl is missing; run scripts/setup first");
    assert!(made.success());
    let mut server = servers::Redis::planned();
    let port = server.port.to_string();
    server.start_again(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "pass",
    ]);
    let url = format!("rediss://:pass@localhost:{port}");
    let unknown = settings(&server).with_url(&url).unwrap();
    let trusting = RedisSettings {
        tls: Some(TlsSettings { ca_file: Some(cert.into()), ..TlsSettings::default() }),
        ..unknown.clone()
    };
    let store = Redis::start(&plan(DAY), WORKERS, trusting.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 17);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    settle(&store);
    let row = read_redis(&trusting, &world.plan, 0, b"a").unwrap().unwrap();
    assert_eq!(row[0], ("int_0".to_owned(), Some("1".to_owned())));
    let error = read_redis(&unknown, &world.plan, 0, b"a").unwrap_err().to_string();
    assert!(error.contains("cannot connect") && !error.contains("pass@"), "{error}");
    let insecure = unknown.with_url(&format!("{url}/#insecure")).unwrap();
    assert!(read_redis(&insecure, &world.plan, 0, b"a").unwrap().is_some());
}
