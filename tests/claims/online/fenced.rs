//! Runs of a job that are numbered: an earlier one never writes beside one that came after it.

use super::given_up::Network;
use super::*;
use redis::Connection;
use tidemark::online::redis::{Generation, Refusal, StoreStart};
use tidemark_operators::metrics::WorkerMetrics;

const KEY: &str = "tidemark:test:generation";

fn generation(number: u64) -> Generation {
    Generation { number, store: "store".to_owned(), writer: format!("process-{number}") }
}

fn start_in(settings: RedisSettings, number: u64) -> Redis {
    let plan = plan(DAY);
    let metrics: Vec<_> =
        (0..WORKERS).map(|worker| Arc::new(WorkerMetrics::new(worker, &plan))).collect();
    let generation = Some(generation(number));
    Redis::start_for(&plan, &metrics, settings, StoreStart { generation, ..StoreStart::default() })
        .unwrap()
}

fn start(server: &servers::Redis, number: u64) -> Redis {
    start_in(settings(server), number)
}

fn entered(client: &mut Connection) -> Option<String> {
    redis::cmd("GET").arg(KEY).query(client).unwrap()
}

fn refusal(store: &Redis) -> Refusal {
    wait_until(store, "to be refused", |s| s.refused.is_some()).refused.unwrap()
}

#[test]
fn a_numbered_run_leaves_in_redis_what_one_without_a_number_does() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    for seed in 0..4 {
        redis::cmd("FLUSHALL").exec(&mut client).unwrap();
        let settings = RedisSettings {
            flush_rows: 7,
            flush_interval: Duration::from_micros(200),
            decay_flush: Duration::from_millis(2),
            ..settings(&server)
        };
        let store = start_in(settings, 1);
        let mut world = World::new(plan(DAY), &store, seed);
        for _ in 0..8 {
            for _ in 0..60 {
                world.random_batch(50);
            }
            world.check_redis(&store, &mut client);
        }
        world.check_table(&store);
        let status = redis_status(&store);
        assert_eq!((status.healed, status.retries), (0, 0), "{status:?}");
        store.close(HANG).unwrap();
    }
}

#[test]
fn what_the_network_still_holds_of_an_earlier_run_is_not_carried_out() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let network = Network::to(server.port);
    let mut stale = 0;
    for round in 0..100 {
        if stale == 3 {
            return;
        }
        let before = start_in(
            RedisSettings { servers: RedisServers::on_loopback(network.port), ..settings(&server) },
            2 * round + 1,
        );
        let mut world = World::new(plan(DAY), &before, round);
        let rows = |value: i64| -> Vec<_> {
            (0..100 * WORKERS).map(|n| (format!("{n}").into_bytes(), int_row(value))).collect()
        };
        world.write(0, Cause::Arrival, &rows(1));
        settle(&before);
        network.hold();
        world.write(0, Cause::Arrival, &rows(2));
        // Sent: whoever waits for the replies holds what was taken.
        wait_until(&before, "the rows to be on their way", |s| s.dirty > 0);
        std::thread::sleep(Duration::from_millis(50));
        let after = start(&server, 2 * round + 2);
        world.hand_over(&after);
        world.write(0, Cause::Arrival, &rows(3));
        world.check_redis(&after, &mut client);
        stale += usize::from(network.release() > 1_000);
        let refusal = refusal(&before);
        assert!(refusal.taken_over, "{}", refusal.why);
        let later = format!("generation {} has taken over", 2 * round + 2);
        assert!(refusal.why.contains(&later), "{}", refusal.why);
        world.check_redis(&after, &mut client);
        after.close(HANG).unwrap();
    }
    panic!("rows were held back {stale} times only");
}

#[test]
fn a_run_that_comes_before_the_one_that_is_entered_writes_nothing_at_all() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    redis::cmd("SET").arg(KEY).arg(generation(7).to_string()).exec(&mut client).unwrap();
    let store = start(&server, 6);
    let mut world = World::new(plan(DAY), &store, 3);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    let refusal = refusal(&store);
    assert!(refusal.taken_over && refusal.why.contains(KEY), "{}", refusal.why);
    assert_eq!(dump(&mut client), BTreeMap::new());
    assert!(store.close(Duration::from_millis(50)).is_err());
    assert_eq!(dump(&mut client), BTreeMap::new());
    assert_eq!(entered(&mut client), Some(generation(7).to_string()));
}

#[test]
fn a_generation_that_is_gone_is_entered_again_and_every_row_written_again() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let store = start(&server, 5);
    let mut world = World::new(plan(DAY), &store, 4);
    for _ in 0..40 {
        world.random_batch(60);
    }
    world.check_redis(&store, &mut client);
    // Everything is lost; or an earlier run, or nobody who is known, was there for a moment.
    let earlier = generation(4).to_string();
    for by in [None, Some(earlier.as_str()), Some("whatever")] {
        redis::cmd("FLUSHALL").exec(&mut client).unwrap();
        if let Some(by) = by {
            redis::cmd("SET").arg(KEY).arg(by).exec(&mut client).unwrap();
            redis::cmd("HSET")
                .arg("features:card:x:stats")
                .arg("int_0")
                .arg("9")
                .exec(&mut client)
                .unwrap();
            redis::cmd("DEL").arg("features:card:x:stats").exec(&mut client).unwrap();
        }
        wait_until(&store, "the loss to be noticed", |s| s.reasserting || s.rewritten > 0);
        let started = Instant::now();
        while dump(&mut client) != world.expected() {
            assert!(started.elapsed() < HANG, "{:?}", redis_status(&store));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(entered(&mut client), Some(generation(5).to_string()));
        for _ in 0..10 {
            world.random_batch(60);
        }
        world.check_redis(&store, &mut client);
    }
}

#[test]
fn a_numbered_run_removes_keys_from_a_redis_that_has_no_memory_for_more() {
    let server = servers::Redis::start(&["--maxmemory-policy", "noeviction"]);
    let mut client = server.client();
    let store = start(&server, 1);
    let mut world = World::new(plan(DAY), &store, 5);
    let ids = (0..200).map(|n| format!("{n}").into_bytes());
    let rows: Vec<_> = ids.map(|id| (id, int_row(1))).collect();
    world.write(0, Cause::Arrival, &rows);
    world.check_redis(&store, &mut client);
    set(&mut client, "maxmemory", "1");
    world.write(0, Cause::Arrival, &[(b"new".to_vec(), int_row(1))]);
    wait_until(&store, "rows to be refused", |s| s.retries > 5);
    let gone: Vec<_> = rows.iter().map(|(id, _)| (id.clone(), None)).collect();
    world.write(0, Cause::Decay, &gone);
    let started = Instant::now();
    while !dump(&mut client).is_empty() {
        assert!(started.elapsed() < HANG, "{:?}", redis_status(&store));
        std::thread::sleep(Duration::from_millis(5));
    }
    let full = |s: &RedisStatus| s.last_error.as_ref().is_some_and(|e| e.contains("OOM"));
    wait_until(&store, "the new row to be refused", |s| full(s) && s.dirty > 0);
    set(&mut client, "maxmemory", "0");
    world.check_redis(&store, &mut client);
}

#[test]
fn a_user_that_may_not_ask_how_many_fields_a_key_has_writes_all_the_same() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    redis::cmd("ACL")
        .arg(&["SETUSER", "narrow", "on", ">pass", "+@all", "-hlen", "~*"])
        .exec(&mut client)
        .unwrap();
    let settings = RedisSettings {
        username: Some("narrow".to_owned()),
        password: Some(Secret::new("pass")),
        // Refreshed often, which is when it is asked.
        ttl: Some(1_000),
        ..settings(&server)
    };
    let store = start_in(settings, 1);
    let mut world = World::new(plan(DAY), &store, 6);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    wait_until(&store, "TTLs to be refreshed", |s| s.decay.pexpire > 2);
    world.check_redis(&store, &mut client);
}
