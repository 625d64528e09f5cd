//! Redis Cluster: rows are on the server of their slot, whatever becomes of servers and slots.

use super::*;
use crate::redis_server::free_port;
use redis::Connection;
use std::process::{Command, Stdio};
use tidemark::online::redis::{Generation, ServerAddress, StoreStart, survey};
use tidemark_operators::metrics::WorkerMetrics;

/// Primaries, and as many replicas.
const PRIMARIES: usize = 3;

/// The servers, primaries first, and what each was started with.
pub struct Servers(Vec<servers::Redis>, Vec<Vec<String>>);

impl Servers {
    pub fn start() -> Servers {
        Servers::with_replicas(1)
    }

    /// With so many replicas of each; without any, the slots of those that are there are served.
    pub fn with_replicas(replicas: usize) -> Servers {
        let whole = if replicas == 0 { "no" } else { "yes" };
        let start = |_| {
            let bus = free_port().to_string();
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--cluster-port",
                &bus,
                "--repl-diskless-sync-delay",
                "0",
                "--cluster-require-full-coverage",
                whole,
            ];
            (servers::Redis::start(&arguments), arguments.map(str::to_owned).to_vec())
        };
        let (servers, arguments) = (0..(1 + replicas) * PRIMARIES).map(start).unzip();
        let all = Servers(servers, arguments);
        let addresses = all.0.iter().map(|server| format!("127.0.0.1:{}", server.port));
        let create = ["create".to_owned()].into_iter().chain(addresses);
        let replicas = ["--cluster-replicas".to_owned(), replicas.to_string()];
        cli(&create.chain(replicas).collect::<Vec<_>>());
        let started = Instant::now();
        while all.0.iter().any(|server| !is_well(server)) || all.primaries().len() != PRIMARIES {
            assert!(started.elapsed() < HANG, "the cluster is not there");
            std::thread::sleep(Duration::from_millis(50));
        }
        all
    }

    /// One of them, which is enough to hear of the others.
    pub fn seed(&self) -> ServerAddress {
        let seed = self.0.get(PRIMARIES).unwrap_or(&self.0[0]);
        ServerAddress { host: "127.0.0.1".to_owned(), port: seed.port }
    }

    /// The addresses of the servers, as they are shown.
    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect()
    }

    /// Ends the server at this place, as a power cut would.
    pub fn kill(&mut self, at: usize) {
        self.0[at].kill();
    }

    /// Starts it again, as it was.
    pub fn start_again(&mut self, at: usize) {
        let arguments: Vec<&str> = self.1[at].iter().map(String::as_str).collect();
        self.0[at].start_again(&arguments);
    }

    fn settings(&self) -> RedisSettings {
        let seed = self.seed();
        RedisSettings {
            servers: RedisServers::Cluster(vec![seed]),
            flush_interval: Duration::from_micros(200),
            flush_rows: 20,
            sweep_rate: 1_000_000,
            ..settings(&self.0[0])
        }
    }

    /// Connections to servers that call themselves primaries.
    fn primaries(&self) -> Vec<(usize, Connection)> {
        let open = |(at, server): (usize, &servers::Redis)| {
            let client = redis::Client::open(format!("redis://127.0.0.1:{}", server.port)).unwrap();
            let mut client = client.get_connection().ok()?;
            let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut client).ok()?;
            let is_primary = role.first() == Some(&redis::Value::BulkString(b"master".to_vec()));
            is_primary.then_some((at, client))
        };
        self.0.iter().enumerate().filter_map(open).collect()
    }

    /// The rows of all of them.
    pub fn dump(&self) -> BTreeMap<Vec<u8>, BTreeMap<String, String>> {
        self.primaries().iter_mut().flat_map(|(_, client)| dump(client)).collect()
    }

    /// Waits until the rows are what the twin says.
    fn until_stored(&self, store: &Redis, world: &World) {
        let started = Instant::now();
        loop {
            settle(store);
            let (held, expected) = (self.dump(), world.expected());
            if held == expected {
                return;
            }
            let wrong = expected.iter().filter(|(key, row)| held.get(*key) != Some(row)).count();
            let more = held.keys().filter(|key| !expected.contains_key(*key)).count();
            let status = redis_status(store);
            assert!(started.elapsed() < HANG, "{wrong} are wrong, {more} too many: {status:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn is_well(server: &servers::Redis) -> bool {
    let info: String =
        redis::cmd("CLUSTER").arg("INFO").query(&mut server.client()).unwrap_or_default();
    info.contains("cluster_state:ok") && info.contains("cluster_slots_ok:16384")
}

fn cli(arguments: &[String]) {
    let done = Command::new("redis-cli")
        .arg("--cluster")
        .args(arguments)
        .arg("--cluster-yes")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("cannot start redis-cli ({e}); run scripts/setup first"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

fn my_id(server: &servers::Redis) -> String {
    redis::cmd("CLUSTER").arg("MYID").query(&mut server.client()).unwrap()
}

fn complete(store: &Redis) {
    (0..3).for_each(|view| store.complete(view));
}

#[test]
fn a_cluster_holds_the_last_row_of_every_entity_each_on_the_server_of_its_slot() {
    let servers = Servers::start();
    let store = Redis::start(&plan(DAY), WORKERS, servers.settings(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 51);
    for _ in 0..6 {
        for _ in 0..60 {
            world.random_batch(200);
        }
        settle(&store);
        assert_eq!(servers.dump(), world.expected());
    }
    let status = redis_status(&store);
    assert_eq!((status.healed, status.retries), (0, 0), "{status:?}");
    assert!(status.connected && status.nodes.len() == PRIMARIES, "{status:?}");
    assert!(servers.primaries().iter_mut().all(|(_, client)| !dump(client).is_empty()));
    for ((view, id), row) in world.twin.iter().take(50) {
        let texts = row.values.iter().map(text::text).collect::<Vec<_>>();
        let read = read_redis(&servers.settings(), &world.plan, *view, id).unwrap();
        let read = read.map(|row| row.into_iter().map(|(_, text)| text).collect::<Vec<_>>());
        let expected = Some(texts).filter(|texts| texts.iter().any(Option::is_some));
        assert_eq!(read, expected);
    }
    let found = survey(&servers.settings(), &world.plan, None).unwrap();
    assert_eq!(found.servers.len(), PRIMARIES);
    assert!(found.rows.iter().all(|ids| !ids.is_empty()));
    assert_eq!(found.beats.1.workers().len(), PRIMARIES * WORKERS, "{:?}", found.beats.1.unknown());
    // One of them is flushed: it is noticed there.
    let (_, mut client) = servers.primaries().pop().unwrap();
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    let started = Instant::now();
    while servers.dump() != world.expected() {
        assert!(started.elapsed() < HANG, "{:?}", redis_status(&store));
        std::thread::sleep(Duration::from_millis(20));
    }
    store.close(HANG).unwrap();
}

#[test]
fn slots_that_move_in_the_middle_of_flushes_take_their_rows_along() {
    let servers = Servers::start();
    let store = Redis::start(&plan(DAY), WORKERS, servers.settings(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 52);
    for _ in 0..100 {
        world.random_batch(400);
    }
    settle(&store);
    let [from, to] = [&servers.0[0], &servers.0[1]].map(my_id);
    let at = format!("127.0.0.1:{}", servers.0[0].port);
    let arguments =
        ["reshard", &at, "--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "1500"];
    let arguments = arguments.map(str::to_owned);
    let moving = std::thread::spawn(move || cli(&arguments));
    let before = redis_status(&store).pipelines;
    while !moving.is_finished() {
        world.random_batch(400);
        std::thread::sleep(Duration::from_micros(300));
    }
    moving.join().unwrap();
    for _ in 0..50 {
        world.random_batch(400);
    }
    servers.until_stored(&store, &world);
    let status = redis_status(&store);
    assert!(status.pipelines > before + 100, "{status:?}");
    assert_eq!(status.rewritten, 0, "nothing was lost: {status:?}");
}

#[test]
fn a_failover_during_ten_thousand_flushes_loses_nothing_and_holds_up_nothing_elsewhere() {
    let mut servers = Servers::start();
    let store = Redis::start(&plan(DAY), WORKERS, servers.settings(), false).unwrap();
    complete(&store);
    let mut world = World::new(plan(DAY), &store, 53);
    let mut killed = false;
    let started = Instant::now();
    while redis_status(&store).pipelines < 10_000 {
        world.random_batch(400);
        std::thread::sleep(Duration::from_micros(100));
        if !killed && redis_status(&store).pipelines > 2_000 {
            servers.0[0].kill();
            killed = true;
            let without = wait_until(&store, "the loss", |s| !s.connected);
            // The others go on.
            let written = without.rows_written;
            for _ in 0..100 {
                world.random_batch(400);
            }
            wait_until(&store, "rows elsewhere", |s| {
                s.rows_written.arrival > written.arrival + 100
            });
            let down: Vec<_> = without.nodes.iter().filter(|node| !node.connected).collect();
            assert_eq!(down.len(), 1, "{without:?}");
        }
        assert!(started.elapsed() < HANG * 3, "{:?}", redis_status(&store));
    }
    servers.until_stored(&store, &world);
    let status = redis_status(&store);
    assert!(status.connected && status.last_error.is_none(), "{status:?}");
    world.check_table(&store);
}

fn start_numbered(servers: &Servers, number: u64) -> Redis {
    let plan = plan(DAY);
    let metrics: Vec<_> =
        (0..WORKERS).map(|worker| Arc::new(WorkerMetrics::new(worker, &plan))).collect();
    let writer = format!("process-{number}");
    let generation = Some(Generation { number, store: "store".to_owned(), writer });
    let start = StoreStart { generation, ..StoreStart::default() };
    Redis::start_for(&plan, &metrics, servers.settings(), start).unwrap()
}

#[test]
fn a_run_that_was_taken_over_from_writes_to_no_server_of_the_cluster() {
    let servers = Servers::start();
    let before = start_numbered(&servers, 1);
    let mut world = World::new(plan(DAY), &before, 54);
    for _ in 0..50 {
        world.random_batch(200);
    }
    servers.until_stored(&before, &world);
    let after = start_numbered(&servers, 2);
    let mut newer = World::new(plan(DAY), &after, 55);
    complete(&after);
    let value = |number: i64| -> Vec<_> {
        (0..300).map(|n| (format!("e{n}").into_bytes(), int_row(number))).collect()
    };
    newer.write(0, Cause::Arrival, &value(2));
    servers.until_stored(&after, &newer);
    // It has not looked since, and has newer rows to write on every server.
    for number in 3..50 {
        world.write(0, Cause::Arrival, &value(number));
    }
    let refused = wait_until(&before, "to be refused", |s| s.refused.is_some()).refused.unwrap();
    assert!(refused.taken_over && refused.why.contains("generation 2"), "{refused:?}");
    servers.until_stored(&after, &newer);
}
