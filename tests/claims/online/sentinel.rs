//! A primary, its replicas and Sentinels: what is written goes to whoever is the primary, and what a
//! failover has lost is written again.

use super::*;
use crate::folder::Folder;
use crate::redis_server::free_port;
use std::process::{Child, Command, Stdio};
use tidemark::online::redis::{SentinelSettings, ServerAddress};

/// What the Sentinels call the primary.
const NAME: &str = "features";

/// Two servers, the second a replica of the first, and three Sentinels that watch them.
struct Watched {
    servers: Vec<servers::Redis>,
    sentinels: Vec<(u16, Child)>,
    _folder: Folder,
}

impl Watched {
    fn start() -> Watched {
        let first = servers::Redis::start(&["--repl-diskless-sync-delay", "0"]);
        let of = format!("127.0.0.1 {}", first.port);
        let second =
            servers::Redis::start(&["--replicaof", &of, "--repl-diskless-sync-delay", "0"]);
        let folder = Folder::new("sentinel");
        let sentinels = (0..3).map(|_| sentinel(&folder, first.port)).collect();
        let watched = Watched { servers: vec![first, second], sentinels, _folder: folder };
        watched.until_told(|told| told.get("num-slaves").is_some_and(|count| count == "1"));
        watched
            .until_told(|told| told.get("num-other-sentinels").is_some_and(|count| count == "2"));
        watched
    }

    fn addresses(&self) -> Vec<ServerAddress> {
        let at = |port: &u16| ServerAddress { host: "127.0.0.1".to_owned(), port: *port };
        self.sentinels.iter().map(|(port, _)| at(port)).collect()
    }

    fn settings(&self) -> RedisSettings {
        let watched = SentinelSettings {
            addresses: self.addresses(),
            name: NAME.to_owned(),
            ..SentinelSettings::default()
        };
        RedisSettings { servers: RedisServers::Sentinel(watched), ..settings(&self.servers[0]) }
    }

    /// Waits until every Sentinel says so of the primary.
    fn until_told(&self, done: impl Fn(&HashMap<String, String>) -> bool) {
        let started = Instant::now();
        for (port, _) in &self.sentinels {
            loop {
                let told = told(*port);
                if told.as_ref().is_some_and(&done) {
                    break;
                }
                assert!(started.elapsed() < HANG, "{told:?}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
    }

    /// Waits until every Sentinel names the server at `port` as the primary.
    fn until_primary(&self, port: u16) {
        self.until_told(|told| told.get("port") == Some(&port.to_string()));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        for (_, child) in &mut self.sentinels {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn sentinel(folder: &Folder, primary: u16) -> (u16, Child) {
    let port = free_port();
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 3000\n",
        folder.path().display()
    );
    let file = folder.path().join(format!("{port}.conf"));
    std::fs::write(&file, text).unwrap();
    let child = Command::new("redis-server")
        .arg(&file)
        .arg("--sentinel")
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start redis-server ({e}); run scripts/setup first"));
    (port, child)
}

fn told(port: u16) -> Option<HashMap<String, String>> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut client = client.get_connection().ok()?;
    redis::cmd("SENTINEL").arg("MASTER").arg(NAME).query(&mut client).ok()
}

/// The replica reads nothing of its primary any more, and gets no further with it either.
fn part(primary: &servers::Redis, replica: &servers::Redis) {
    set(&mut replica.client(), "masterauth", "none that is known");
    redis::cmd("CLIENT")
        .arg("KILL")
        .arg("TYPE")
        .arg("replica")
        .exec(&mut primary.client())
        .unwrap();
}

#[test]
fn what_a_failover_lost_is_written_again_to_the_new_primary() {
    let mut watched = Watched::start();
    let store = Redis::start(&plan(DAY), WORKERS, watched.settings(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 41);
    for _ in 0..100 {
        world.random_batch(80);
    }
    world.check_redis(&store, &mut watched.servers[0].client());
    let mut replica = watched.servers[1].client();
    let started = Instant::now();
    while dump(&mut replica) != world.expected() {
        assert!(started.elapsed() < HANG, "the replica follows");
    }
    // From here on the primary alone has what it acknowledges, deletions among it.
    part(&watched.servers[0], &watched.servers[1]);
    for _ in 0..100 {
        world.random_batch(80);
    }
    settle(&store);
    assert_ne!(dump(&mut replica), world.expected(), "something is to be lost");
    watched.servers[0].kill();
    for _ in 0..20 {
        world.random_batch(80);
    }
    world.check_table(&store);
    watched.until_primary(watched.servers[1].port);
    // Its clients were sent away when it became the primary.
    let mut primary = watched.servers[1].client();
    settle(&store);
    let extra = |stored: &BTreeMap<Vec<u8>, _>| stored.len() > world.expected().len();
    assert!(extra(&dump(&mut primary)), "it has not heard of what was removed");
    (0..3).for_each(|view| store.complete(view));
    let started = Instant::now();
    while dump(&mut primary) != world.expected() {
        assert!(started.elapsed() < HANG, "{:?}", redis_status(&store));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(redis_status(&store).rewritten > 0);
    // Who reads finds the new primary too.
    let ((view, id), _) = world.twin.iter().next().unwrap();
    let read = |settings: &RedisSettings| read_redis(settings, &world.plan, *view, id).unwrap();
    let at_server = RedisSettings {
        servers: RedisServers::on_loopback(watched.servers[1].port),
        ..watched.settings()
    };
    assert_eq!(read(&watched.settings()), read(&at_server));
}

#[test]
fn a_primary_that_has_not_heard_of_its_successor_is_left_and_a_replica_is_never_written() {
    let watched = Watched::start();
    let mut old = watched.servers[0].client();
    let store = Redis::start(&plan(DAY), WORKERS, watched.settings(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 42);
    for _ in 0..50 {
        world.random_batch(60);
    }
    world.check_redis(&store, &mut old);
    // Nobody can tell it, as when it is cut off from them.
    let acl = ["SETUSER", "default", "-replicaof", "-slaveof", "-client|kill", "-multi"];
    redis::cmd("ACL").arg(&acl).exec(&mut old).unwrap();
    let (port, _) = watched.sentinels[0];
    let mut sentinel = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    redis::cmd("SENTINEL").arg("FAILOVER").arg(NAME).exec(&mut sentinel).unwrap();
    watched.until_primary(watched.servers[1].port);
    for _ in 0..50 {
        world.random_batch(60);
    }
    world.check_redis(&store, &mut watched.servers[1].client());
    let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut old).unwrap();
    let primary = redis::Value::BulkString(b"master".to_vec());
    assert_eq!(role.first(), Some(&primary), "it still takes itself for one");
    let before = dump(&mut old);
    for _ in 0..20 {
        world.random_batch(60);
    }
    world.check_redis(&store, &mut watched.servers[1].client());
    assert_eq!(dump(&mut old), before, "nothing more was written there");
}

#[test]
fn rows_for_serving_are_read_from_the_new_primary_after_a_failover() {
    let mut watched = Watched::start();
    let settings =
        RedisSettings { probe_interval: Duration::from_millis(50), ..watched.settings() };
    let store = Redis::start(&plan(DAY), WORKERS, watched.settings(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 43);
    let served = reader::Served::start(&world.plan, settings);
    let row = vec![vec![(0, b"a".to_vec())]];
    let first = || {
        let read = served.ask(&plan(DAY), &row).remove(0).ok()?;
        reader::texts(&read)[0][0].clone()
    };
    let until_read = |value: &str| {
        let started = Instant::now();
        while first().as_deref() != Some(value) {
            assert!(started.elapsed() < HANG, "{value} is never read");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    until_read("1");
    // The one of before goes on, and takes itself for the primary until it is told.
    let (port, _) = watched.sentinels[0];
    let mut sentinel = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    redis::cmd("SENTINEL").arg("FAILOVER").arg(NAME).exec(&mut sentinel).unwrap();
    watched.until_primary(watched.servers[1].port);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(2))]);
    until_read("2");
    watched.servers[0].kill();
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(3))]);
    until_read("3");
}

#[test]
fn without_a_sentinel_that_answers_the_error_says_what_to_look_at() {
    let watched = SentinelSettings {
        addresses: vec![ServerAddress { host: "127.0.0.1".to_owned(), port: free_port() }],
        name: NAME.to_owned(),
        ..SentinelSettings::default()
    };
    let settings = RedisSettings {
        servers: RedisServers::Sentinel(watched),
        backoff_max: Duration::from_millis(40),
        ..RedisSettings::default()
    };
    let error = read_redis(&settings, &plan(DAY), 0, b"a").unwrap_err().to_string();
    for part in ["primary 'features'", "cannot connect to Redis at '127.0.0.1:", "sentinel_name"] {
        assert!(error.contains(part), "{error}");
    }
}
