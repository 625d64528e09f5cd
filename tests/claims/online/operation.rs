//! What a job and others do to one Redis: heartbeats, flushes, evictions, keys of earlier runs, jobs
//! beside each other.

use super::*;
use redis::Connection;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use tidemark::online::redis::StoreStart;
use tidemark::online::{Heartbeat, Life};
use tidemark_operators::metrics::WorkerMetrics;

/// The workers of a job: they step, and their clocks stand where the test puts them.
struct Workers {
    metrics: Vec<Arc<WorkerMetrics>>,
    over: Arc<AtomicBool>,
}

impl Workers {
    fn start(count: usize, plan: &Plan) -> Workers {
        let metrics = (0..count).map(|worker| Arc::new(WorkerMetrics::new(worker, plan)));
        let metrics: Vec<_> = metrics.collect();
        let over = Arc::new(AtomicBool::new(false));
        let (stepping, until) = (metrics.clone(), Arc::clone(&over));
        std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                stepping.iter().for_each(|worker| worker.steps.add(1));
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Workers { metrics, over }
    }

    fn set_clock(&self, clock: u64) {
        self.metrics.iter().for_each(|worker| worker.live_clock.set(clock));
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn named(job: &str) -> Plan {
    Plan { name: job.to_owned(), ..plan(DAY) }
}

fn hash(client: &mut Connection, key: &str) -> BTreeMap<String, String> {
    redis::cmd("HGETALL").arg(key).query(client).unwrap()
}

fn beat(client: &mut Connection, job: &str, worker: usize) -> Heartbeat {
    let key = tidemark::online::heartbeat_key("features", job);
    hash(client, &key)[&format!("w{worker}")].parse().unwrap()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < HANG, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn rows(ids: std::ops::Range<i64>) -> Vec<(Vec<u8>, Option<Vec<Value>>)> {
    ids.map(|n| (format!("{n}").into_bytes(), int_row(n))).collect()
}

#[test]
fn a_heartbeat_tells_whose_rows_are_how_new_from_the_start_to_the_end_of_a_run() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let earlier = "v=1 state=live clock=70 frontier=60 written=1 started=1 pending=0";
    for (worker, clock) in [("w0", 80), ("w1", 70), ("w2", 75)] {
        let beat = earlier.replace("clock=70", &format!("clock={clock}"));
        redis::cmd("HSET").arg("tidemark:test").arg(worker).arg(beat).exec(&mut client).unwrap();
    }
    let plan = plan(DAY);
    let workers = Workers::start(WORKERS, &plan);
    workers.set_clock(5_000);
    workers.metrics[1].frontier.set(4_000);
    let settings = RedisSettings { decay_flush: Duration::from_secs(86_400), ..settings(&server) };
    let store = Redis::start_for(
        &plan,
        &workers.metrics,
        settings,
        StoreStart { hold: true, ..StoreStart::default() },
    )
    .unwrap();
    let mut world = World::new(plan, &store, 1);
    wait_until(&store, "heartbeats", |s| s.beats >= 4);
    let beats = hash(&mut client, "tidemark:test");
    assert_eq!(beats.keys().collect::<Vec<_>>(), ["w0", "w1", "workers"], "no worker too many");
    assert_eq!(beats["workers"], "2");
    let held = beat(&mut client, "test", 1);
    assert_eq!((held.life, held.clock), (Life::CatchingUp, 70), "what the run before has left");
    assert_eq!((held.frontier, held.generation), (60, None), "of the moment of the clock");
    assert!(held.started > 1 && held.written >= held.started);
    let ttl: i64 = redis::cmd("PTTL").arg("tidemark:test").query(&mut client).unwrap();
    assert_eq!(ttl, -1);

    store.release();
    world.write(0, Cause::Arrival, &rows(0..20));
    for worker in 0..WORKERS {
        until("the rows' clock", || beat(&mut client, "test", worker).clock == 5_000);
        assert_eq!(beat(&mut client, "test", worker).life, Life::Live);
    }
    // It is renewed although nothing is to be written.
    let written = beat(&mut client, "test", 0).written;
    until("another heartbeat", || beat(&mut client, "test", 0).written > written);

    // A row that waits holds its worker's clock back, and says so.
    let waiting = worker_of(b"3", WORKERS);
    world.write(0, Cause::Decay, &[(b"3".to_vec(), int_row(-3))]);
    workers.set_clock(6_000);
    until("the other's clock", || beat(&mut client, "test", 1 - waiting).clock == 6_000);
    let renewed = beat(&mut client, "test", waiting).written;
    until("two heartbeats", || beat(&mut client, "test", waiting).written > renewed + 1_000);
    let beaten = beat(&mut client, "test", waiting);
    assert_eq!((beaten.clock, beaten.pending), (5_000, 1));

    workers.set_clock(7_000);
    store.close(HANG).unwrap();
    for worker in 0..WORKERS {
        let last = beat(&mut client, "test", worker);
        assert_eq!((last.life, last.clock, last.pending), (Life::Stopped, 7_000, 0));
    }
    assert_eq!(dump(&mut client), world.expected());
}

#[test]
fn a_flush_brings_every_row_back_the_quiet_ones_too() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let plan = plan(DAY);
    let workers = Workers::start(WORKERS, &plan);
    let store = Redis::start_for(&plan, &workers.metrics, settings(&server), StoreStart::default())
        .unwrap();
    let mut world = World::new(plan, &store, 2);
    workers.set_clock(5_000);
    world.write(0, Cause::Arrival, &rows(0..20_000));
    for _ in 0..200 {
        world.random_batch(60);
    }
    settle(&store);
    assert_eq!(redis_status(&store).rewritten, 0);
    let views = hash(&mut client, "tidemark:views");
    assert_eq!(views.len(), 3);
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    // Nothing changes, and no connection is lost: only the heartbeat tells.
    let all = world.twin.len() as u64;
    wait_until(&store, "all rows to be written again", |s| s.rewritten >= all && !s.reasserting);
    settle(&store);
    assert_eq!(dump(&mut client), world.expected());
    until("the claim to the views", || hash(&mut client, "tidemark:views") == views);
    until("heartbeats", || {
        let beats = hash(&mut client, "tidemark:test");
        beats.values().filter(|beat| beat.contains("state=live")).count() == WORKERS
    });
    // And again, in the middle of it.
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    wait_until(&store, "the rewrite", |s| s.reasserting);
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    until("all rows", || dump(&mut client) == world.expected());
}

#[test]
fn a_heartbeat_deleted_along_with_rows_brings_them_back() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let plan = plan(DAY);
    let workers = Workers::start(WORKERS, &plan);
    let store = Redis::start_for(&plan, &workers.metrics, settings(&server), StoreStart::default())
        .unwrap();
    let mut world = World::new(plan, &store, 3);
    world.write(0, Cause::Arrival, &rows(0..500));
    settle(&store);
    wait_until(&store, "heartbeats", |s| s.beats >= 4);
    for key in dump(&mut client).keys().take(100) {
        redis::cmd("DEL").arg(key).exec(&mut client).unwrap();
    }
    redis::cmd("DEL").arg("tidemark:test").exec(&mut client).unwrap();
    until("the rows", || dump(&mut client) == world.expected());
}

#[test]
fn evicted_keys_are_counted_and_come_back_once_there_is_room() {
    let server = servers::Redis::start(&["--maxmemory-policy", "volatile-lfu"]);
    let mut client = server.client();
    let plan = plan(DAY);
    let workers = Workers::start(WORKERS, &plan);
    let store = Redis::start_for(&plan, &workers.metrics, settings(&server), StoreStart::default())
        .unwrap();
    let mut world = World::new(plan, &store, 4);
    world.write(0, Cause::Arrival, &rows(0..5_000));
    settle(&store);
    let status = wait_until(&store, "the memory", |s| s.memory.is_some());
    assert_eq!((status.evicted, status.memory.unwrap().limit), (0, None), "no limit of ours");
    let info: String = redis::cmd("INFO").arg("memory").query(&mut client).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let used: u64 = used.trim().parse().unwrap();
    set(&mut client, "maxmemory", &(used - 150_000).to_string());
    let evicted = wait_until(&store, "evictions", |s| s.evicted > 0);
    assert_eq!(evicted.rewritten, 0, "without room it would only evict others: {evicted:?}");
    assert!(dump(&mut client).len() < 5_000);
    set(&mut client, "maxmemory", "0");
    wait_until(&store, "the rows to come back", |s| s.evicted == 0 && s.rewritten >= 5_000);
    settle(&store);
    assert_eq!(dump(&mut client), world.expected());
}

/// Keys beside those of the views, in the same Redis.
fn foreign(client: &mut Connection) -> Vec<&'static str> {
    let hashes = [
        "feature:card:1:stats",
        "features:card:1:other",
        "features:card:1:my_stats",
        "features:cards:1:stats",
        "features:user:1:stats",
        "features:card:stats",
        "features2:card:1:stats",
        "staging:features:card:1:stats",
        "session:1",
    ];
    for key in hashes {
        redis::cmd("HSET").arg(key).arg("int_0").arg("1").exec(client).unwrap();
    }
    // Not what we write, although it is called so.
    redis::cmd("SET").arg("features:card:text:stats").arg("x").exec(client).unwrap();
    hashes.into_iter().chain(["features:card:text:stats"]).collect()
}

fn there(client: &mut Connection, keys: &[&str]) -> bool {
    let count: usize = redis::cmd("EXISTS").arg(keys).query(client).unwrap();
    count == keys.len()
}

#[test]
fn keys_of_an_earlier_run_go_once_their_view_lacks_nothing_and_nothing_else_goes() {
    for workers in [1, 3] {
        let server = servers::Redis::start(&[]);
        let mut client = server.client();
        // Another job lives beside it, under the default prefix: another entity type's view.
        let mut other = named("other");
        other.entities[1].name = "device".to_owned();
        other.entities.remove(0);
        other.views = vec![ViewIndex { entity: 0, view: 0 }];
        let beside = Redis::start(&other, 1, settings(&server), false).unwrap();
        let mut others = World::of(1, other, &beside, 5);
        for _ in 0..100 {
            others.random_batch(100);
        }
        let earlier = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
        let mut world = World::new(plan(DAY), &earlier, 6);
        world.write(0, Cause::Arrival, &rows(0..3_000));
        for _ in 0..200 {
            world.random_batch(100);
        }
        settle(&earlier);
        earlier.close(HANG).unwrap();
        let left = world.expected();
        let foreign = foreign(&mut client);

        let settings = RedisSettings { sweep_rate: 100_000, ..settings(&server) };
        let store = Redis::start(&plan(DAY), workers, settings, false).unwrap();
        let mut world = World::of(workers, plan(DAY), &store, 7);
        // A part of the ids again, with a view fewer each.
        for _ in 0..50 {
            world.random_batch(100);
        }
        settle(&store);
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("features:*").query(&mut client).unwrap();
        let gone = left.keys().filter(|key| !keys.contains(key)).count();
        assert!(gone < 100, "nothing but what went away in this run: {gone}");
        let of = |keys: &BTreeMap<Vec<u8>, BTreeMap<String, String>>, view: &str| {
            let view = format!(":{view}").into_bytes();
            let own = |key: &&Vec<u8>| {
                let key = key.as_slice();
                key.ends_with(&view)
                    && !foreign.iter().any(|f| f.as_bytes() == key)
                    && !key.starts_with(b"features:device:")
            };
            keys.keys().filter(own).cloned().collect::<Vec<_>>()
        };
        store.complete(0);
        // While rows come and go: what is in the table decides at the moment of the deletion.
        let swept = wait_until(&store, "the first keys to go", |s| s.swept > 100);
        assert_eq!(swept.retries, 0);
        for _ in 0..100 {
            world.random_batch(100);
        }
        let done = |s: &RedisStatus| !s.sweeping && s.sweep_waiting == 0 && s.dirty == 0;
        let mut status = wait_until(&store, "the sweep", done);
        until("the view to be swept", || {
            status = wait_until(&store, "the sweep", done);
            let expected = world.expected();
            let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*:stats").query(&mut client).unwrap();
            let keys = keys.into_iter().map(|key| (key, BTreeMap::new())).collect();
            of(&keys, "stats") == of(&expected, "stats")
        });
        let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("features:*").query(&mut client).unwrap();
        let kept = of(&left, "wide").into_iter().filter(|key| keys.contains(key)).count();
        assert!(kept > of(&world.expected(), "wide").len() / 2, "the others may lack something");
        store.complete(1);
        store.complete(2);
        let expected = {
            let mut rows = world.expected();
            rows.append(&mut others.expected());
            rows
        };
        until("the others to be swept", || {
            let keys: Vec<Vec<u8>> =
                redis::cmd("KEYS").arg("features:*").query(&mut client).unwrap();
            let own = |key: &Vec<u8>| !foreign.iter().any(|f| f.as_bytes() == key.as_slice());
            keys.into_iter().filter(own).collect::<BTreeSet<_>>()
                == expected.keys().cloned().collect()
        });
        assert!(there(&mut client, &foreign), "{workers} workers");
        redis::cmd("DEL").arg(&foreign).exec(&mut client).unwrap();
        assert_eq!(dump(&mut client), expected);
        assert!(redis_status(&store).swept > 2_000);
        beside.close(HANG).unwrap();
        store.close(HANG).unwrap();
    }
}

#[test]
fn a_view_of_another_living_job_is_refused_with_both_names_and_nothing_is_written() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let first = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    let mut world = World::new(plan(DAY), &first, 8);
    for _ in 0..50 {
        world.random_batch(60);
    }
    settle(&first);
    let quick = || RedisSettings { takeover_after: HANG, ..settings(&server) };
    let second = Redis::start(&named("second"), WORKERS, quick(), false).unwrap();
    let mut theirs = World::new(named("second"), &second, 9);
    for _ in 0..50 {
        theirs.random_batch(60);
    }
    let status = wait_until(&second, "the refusal", |s| s.refused.is_some());
    let why = status.refused.unwrap().why;
    assert!(
        why.contains("for job 'second'") && why.contains("job 'test', which is alive"),
        "{why}"
    );
    assert!(why.contains("of entity type 'card'") && why.contains("key_prefix"), "{why}");
    assert_eq!((status.pipelines, status.beats), (0, 0));
    assert_eq!(dump(&mut client), world.expected());
    assert!(second.close(HANG).is_err());
    // Under another prefix, or in another database, nothing is shared.
    let apart = RedisSettings { key_prefix: "staging".to_owned(), ..quick() };
    let apart = Redis::start(&named("second"), WORKERS, apart, false).unwrap();
    wait_until(&apart, "heartbeats", |s| s.beats > 0);
    assert_eq!(hash(&mut client, "staging:tidemark:views").len(), 3);
    let beats = hash(&mut client, "staging:tidemark:second");
    assert!(beats.contains_key("workers"));

    // It has ended in order: nobody waits for it. One that was killed is waited for.
    first.close(HANG).unwrap();
    let second = Redis::start(&named("second"), WORKERS, quick(), false).unwrap();
    wait_until(&second, "the views", |s| s.beats > 0);
    drop(second);
    let third = RedisSettings { takeover_after: Duration::from_millis(300), ..settings(&server) };
    let third = Redis::start(&named("third"), WORKERS, third, false).unwrap();
    wait_until(&third, "the views", |s| s.beats > 0);
    let views = hash(&mut client, "tidemark:views");
    assert!(views.len() == 3 && views.values().all(|job| job == "third"), "{views:?}");
}

#[test]
fn a_restart_is_not_refused_by_its_own_heartbeat_and_gives_back_views_it_dropped() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let settings = RedisSettings { takeover_after: HANG * 10, ..settings(&server) };
    let killed = Redis::start(&plan(DAY), WORKERS, settings.clone(), false).unwrap();
    wait_until(&killed, "heartbeats", |s| s.beats > 0);
    drop(killed);
    let mut fewer = plan(DAY);
    fewer.entities.truncate(1);
    fewer.views.truncate(2);
    let again = Redis::start(&fewer, 1, settings.clone(), false).unwrap();
    wait_until(&again, "heartbeats", |s| s.beats > 0);
    let views = hash(&mut client, "tidemark:views");
    assert_eq!(views.keys().collect::<Vec<_>>(), ["card:last", "card:stats"]);
    // The view it no longer has is free.
    let mut other = named("views");
    other.entities.remove(0);
    other.views = vec![ViewIndex { entity: 0, view: 0 }];
    let other = Redis::start(&other, 1, settings, false).unwrap();
    wait_until(&other, "heartbeats", |s| s.beats > 0);
    // A job may be called as the hash is: their fields do not meet.
    let both = hash(&mut client, "tidemark:views");
    assert_eq!((both["user:wide"].as_str(), both["workers"].as_str()), ("views", "1"));
    assert_eq!(both["card:stats"], "test");
}

#[test]
fn a_job_that_lost_its_views_while_it_was_silent_stops_writing() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let store = Redis::start(&plan(DAY), WORKERS, settings(&server), false).unwrap();
    wait_until(&store, "heartbeats", |s| s.beats > 0);
    redis::cmd("HSET")
        .arg("tidemark:views")
        .arg(&["card:stats", "heir"])
        .exec(&mut client)
        .unwrap();
    let status = wait_until(&store, "the loss to be seen", |s| s.refused.is_some());
    let why = status.refused.unwrap().why;
    assert!(why.contains("was taken over by job 'heir'"), "{why}");
}

#[test]
fn a_user_that_may_not_see_the_bookkeeping_still_gets_its_rows_and_removes_nothing() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    redis::cmd("ACL")
        .arg(&["SETUSER", "narrow", "on", ">pass", "+@all", "~features:*"])
        .exec(&mut client)
        .unwrap();
    redis::cmd("HSET").arg(&["features:card:left:stats", "int_0", "1"]).exec(&mut client).unwrap();
    let settings = RedisSettings {
        username: Some("narrow".to_owned()),
        password: Some(Secret::new("pass")),
        sweep_rate: 1_000_000,
        ..settings(&server)
    };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 10);
    for view in 0..3 {
        store.complete(view);
    }
    for _ in 0..50 {
        world.random_batch(60);
    }
    settle(&store);
    let status = redis_status(&store);
    assert_eq!((status.last_error, status.refused, status.swept), (None, None, 0));
    assert!(there(&mut client, &["features:card:left:stats"]));
    redis::cmd("DEL").arg("features:card:left:stats").exec(&mut client).unwrap();
    assert_eq!(dump(&mut client), world.expected());
    assert!(hash(&mut client, "tidemark:test").is_empty());
}

#[test]
fn a_key_that_the_job_has_looked_at_in_vain_ends_no_transaction_of_its_rows() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    // What others have entered may be watched and not read.
    redis::cmd("ACL")
        .arg(&["SETUSER", "narrow", "on", ">pass", "+@all", "-hgetall", "~*"])
        .exec(&mut client)
        .unwrap();
    let settings = RedisSettings {
        username: Some("narrow".to_owned()),
        password: Some(Secret::new("pass")),
        decay_flush: Duration::from_secs(1),
        ..settings(&server)
    };
    let store = Redis::start(&plan(DAY), 1, settings, false).unwrap();
    let mut world = World::of(1, plan(DAY), &store, 11);
    let id = b"a".to_vec();
    for round in 0..5 {
        world.write(0, Cause::Arrival, &[(id.clone(), int_row(round))]);
        settle(&store);
        let other = round.to_string();
        redis::cmd("HSET").arg(&["tidemark:views", "x:y", &other]).exec(&mut client).unwrap();
        // Back before its key was removed: that is replaced in a transaction.
        world.write(0, Cause::Arrival, &[(id.clone(), None)]);
        world.write(0, Cause::Arrival, &[(id.clone(), int_row(round + 100))]);
        settle(&store);
        let n: i64 =
            redis::cmd("HGET").arg(&["features:card:a:stats", "int_0"]).query(&mut client).unwrap();
        assert_eq!(n, round + 100);
    }
}
