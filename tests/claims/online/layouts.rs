//! Rows as Feast's own stores have them: one hash an entity, which its views share.

use super::*;
use redis::Connection;
use tidemark::online::Layout;

fn feast(server: &servers::Redis, layout: Layout) -> RedisSettings {
    RedisSettings { layout, ..settings(server) }
}

/// The key of a card.
fn key_of(id: &str, project: &str) -> Vec<u8> {
    let mut key = [1_u32, 2, 4].map(u32::to_le_bytes).concat();
    key.extend_from_slice(b"card");
    key.extend_from_slice(&2_u32.to_le_bytes());
    key.extend_from_slice(&u32::try_from(id.len()).unwrap().to_le_bytes());
    key.extend_from_slice(id.as_bytes());
    key.extend_from_slice(project.as_bytes());
    key
}

fn fields(client: &mut Connection, key: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    redis::cmd("HGETALL").arg(key).query(client).unwrap()
}

/// Everything that is read of what the twin has is what the twin has, and there is nothing else.
fn check(world: &World, settings: &RedisSettings, client: &mut Connection) {
    let mut expected_fields = 0;
    let mut keys = std::collections::BTreeSet::new();
    for ((view, id), row) in &world.twin {
        let texts: Vec<_> = row.values.iter().map(text::text).collect();
        let there = texts.iter().flatten().count();
        let read = read_redis(settings, &world.plan, *view, id).unwrap();
        let read = read.map(|row| row.into_iter().map(|(_, value)| value).collect::<Vec<_>>());
        assert_eq!(read, Some(texts).filter(|_| there > 0), "{view} {id:?}");
        if there > 0 {
            expected_fields += there + 1;
            keys.insert((world.plan.views[*view].entity, id.clone()));
        }
    }
    let all: Vec<Vec<u8>> = redis::cmd("KEYS").arg("\u{1}*test").query(client).unwrap();
    assert_eq!(all.len(), keys.len());
    let count = all.iter().map(|key| fields(client, key).len()).sum::<usize>();
    assert_eq!(count, expected_fields);
}

#[test]
fn the_hash_of_an_entity_holds_the_last_row_of_each_of_its_views_after_any_history() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    for (seed, layout) in [(1, Layout::Feast), (2, Layout::Feast), (3, Layout::Both)] {
        redis::cmd("FLUSHALL").exec(&mut client).unwrap();
        let small = RedisSettings {
            flush_rows: 7,
            flush_interval: Duration::from_micros(200),
            decay_flush: Duration::from_millis(2),
            ..feast(&server, layout)
        };
        let store = Redis::start(&plan(DAY), WORKERS, small, false).unwrap();
        let mut world = World::new(plan(DAY), &store, seed);
        for round in 0..6 {
            for _ in 0..60 {
                world.random_batch(50);
            }
            settle(&store);
            check(&world, &feast(&server, Layout::Feast), &mut client);
            if layout == Layout::Both {
                assert_eq!(dump(&mut client), world.expected());
            }
            if round == 2 {
                redis::cmd("FLUSHALL").exec(&mut client).unwrap();
                wait_until(&store, "the loss to be seen", |s| {
                    s.reasserting || s.healed + s.rewritten > 0
                });
            }
        }
        store.close(HANG).unwrap();
    }
}

#[test]
fn a_row_that_goes_leaves_the_rows_of_other_views_and_what_is_none_of_ours() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let mut plan = plan(DAY);
    plan.entities[0].views[1].ttl = 3 * DAY;
    let settings = feast(&server, Layout::Feast);
    let store = Redis::start(&plan, WORKERS, settings.clone(), false).unwrap();
    let mut world = World::new(plan, &store, 1);
    let last = || Some(vec![Value::Text("DE".to_owned()), Value::Null]);
    world.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(3))]);
    world.write(1, Cause::Arrival, &[(b"c".to_vec(), last())]);
    settle(&store);
    check(&world, &settings, &mut client);
    let key = key_of("c", "test");
    let ttl: u64 = redis::cmd("PTTL").arg(&key).query(&mut client).unwrap();
    assert!(ttl > 2 * DAY && ttl <= 3 * DAY, "that of the view that keeps longest: {ttl}");
    redis::cmd("HSET").arg(&key).arg("mine").arg("1").exec(&mut client).unwrap();
    world.write(0, Cause::Arrival, &[(b"c".to_vec(), None)]);
    settle(&store);
    let left = fields(&mut client, &key);
    let names: Vec<_> =
        left.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    assert_eq!(left.len(), 3, "{names:?}");
    assert!(names.contains(&"mine".to_owned()) && names.contains(&"_ts:last".to_owned()));
    world.write(1, Cause::Arrival, &[(b"c".to_vec(), None)]);
    settle(&store);
    assert_eq!(fields(&mut client, &key).into_keys().collect::<Vec<_>>(), [b"mine".to_vec()]);
}

#[test]
fn a_key_that_was_lost_or_is_no_hash_is_written_with_all_of_its_views() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let settings = feast(&server, Layout::Feast);
    let store = Redis::start(&plan(DAY), WORKERS, settings.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 1);
    let key = key_of("c", "test");
    world.write(1, Cause::Arrival, &[(b"c".to_vec(), Some(vec![Value::Null, Value::Double(0.5)]))]);
    for (value, kind) in [(1, "none"), (2, "string"), (3, "list"), (4, "none")] {
        world.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(value))]);
        settle(&store);
        check(&world, &settings, &mut client);
        redis::cmd("DEL").arg(&key).exec(&mut client).unwrap();
        match kind {
            "string" => redis::cmd("SET").arg(&key).arg("x").exec(&mut client).unwrap(),
            "list" => redis::cmd("RPUSH").arg(&key).arg("x").exec(&mut client).unwrap(),
            _ => {}
        }
        // One view's row changes; the other's is missing with it.
        world.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(value + 10))]);
        settle(&store);
        check(&world, &settings, &mut client);
    }
}

#[test]
fn rows_are_not_written_for_a_project_that_is_named_as_another_one_ends() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let other = key_of("c", "other_test");
    redis::cmd("HSET").arg(&other).arg("f").arg("1").exec(&mut client).unwrap();
    let store = Redis::start(&plan(DAY), WORKERS, feast(&server, Layout::Feast), false).unwrap();
    let status = wait_until(&store, "the refusal", |status| status.refused.is_some());
    let why = format!("{:?}", status.refused);
    assert!(why.contains("'other_test'") && why.contains("another project"), "{why}");
    drop(store);
    let own = RedisSettings { project: Some("mine".to_owned()), ..feast(&server, Layout::Feast) };
    let store = Redis::start(&plan(DAY), WORKERS, own.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 1);
    world.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(1))]);
    settle(&store);
    assert_eq!(fields(&mut client, &key_of("c", "mine")).len(), 2);
    assert_eq!(fields(&mut client, &other).len(), 1);
}

#[test]
fn jobs_of_one_project_share_its_hashes_but_no_view_whatever_their_prefixes_are() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let of = |key_prefix: &str| RedisSettings {
        key_prefix: key_prefix.to_owned(),
        project: Some("shop".to_owned()),
        takeover_after: HANG,
        ..feast(&server, Layout::Feast)
    };
    let named = |job: &str, ttl| Plan { name: job.to_owned(), ..plan(ttl) };
    let start = |plan: &Plan, settings| Redis::start(plan, WORKERS, settings, false).unwrap();
    let first = start(&named("first", DAY), of("a"));
    let mut world = World::new(named("first", DAY), &first, 1);
    world.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(3)), (b"d".to_vec(), int_row(4))]);
    settle(&first);
    let (key, only_first) = (key_of("c", "shop"), key_of("d", "shop"));
    let whole = fields(&mut client, &key);

    // The same views under another prefix: another job, and one of the same name.
    for job in ["second", "first"] {
        let refused = start(&named(job, DAY), of("b"));
        let mut theirs = World::new(named(job, DAY), &refused, 2);
        theirs.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(9))]);
        let status = wait_until(&refused, "the refusal", |s| s.refused.is_some());
        let why = status.refused.unwrap().why;
        for part in ["job 'first' (key_prefix 'a')", "project 'shop'", "view 'last'", "alive"] {
            assert!(why.contains(part), "{part}: {why}");
        }
        assert_eq!((status.pipelines, status.beats), (0, 0));
        assert_eq!(fields(&mut client, &key), whole);
    }

    // Other views of the same entities are nobody's but the third job's.
    let others = |job: &str, ttl| {
        let mut plan = named(job, ttl);
        let views = plan.entities.iter_mut().flat_map(|entity| &mut entity.views);
        views.for_each(|view| view.name = format!("more_{}", view.name));
        plan
    };
    let refused = start(&others("second", 2 * DAY), of("b"));
    let status = wait_until(&refused, "the refusal", |s| s.refused.is_some());
    let why = status.refused.unwrap().why;
    assert!(
        why.contains("for 2 d,") && why.contains("for 1 d and") && why.contains("\"ttl\""),
        "{why}"
    );
    drop(refused);
    let third = start(&others("third", DAY), of("b"));
    let mut theirs = World::new(others("third", DAY), &third, 3);
    theirs.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(5))]);
    settle(&third);
    assert_eq!(fields(&mut client, &key).len(), 2 * whole.len());
    for store in [&first, &third] {
        (0..3).for_each(|view| store.complete(view));
        wait_until(store, "keys of earlier runs to be looked for", |status| {
            !status.sweeping && status.sweep_waiting == 0 && status.dirty == 0
        });
    }
    world.write(0, Cause::Arrival, &[(b"c".to_vec(), None)]);
    settle(&first);
    let left = fields(&mut client, &key);
    assert_eq!(left.len(), whole.len());
    assert!(left.keys().all(|field| !whole.contains_key(field)), "the third job's");
    assert_eq!(fields(&mut client, &only_first).len(), whole.len());
    theirs.write(0, Cause::Arrival, &[(b"c".to_vec(), None)]);
    settle(&third);
    assert_eq!(fields(&mut client, &key).len(), 0);

    // Once the first one has ended its views are free.
    first.close(HANG).unwrap();
    let second = start(&named("second", DAY), of("c"));
    wait_until(&second, "the views", |status| status.beats > 0);
}

#[test]
fn keys_that_an_earlier_run_has_left_are_removed_view_by_view() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let settings = feast(&server, Layout::Feast);
    let row = |value| (b"c".to_vec(), int_row(value));
    let last = |id: &[u8]| (id.to_vec(), Some(vec![Value::Text("DE".to_owned()), Value::Null]));
    let store = Redis::start(&plan(DAY), WORKERS, settings.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 1);
    world.write(0, Cause::Arrival, &[row(1), (b"gone".to_vec(), int_row(2))]);
    world.write(1, Cause::Arrival, &[last(b"c"), last(b"gone")]);
    settle(&store);
    store.close(HANG).unwrap();
    let other = key_of("c", "other");
    redis::cmd("HSET").arg(&other).arg("f").arg("1").exec(&mut client).unwrap();
    let store = Redis::start(&plan(DAY), WORKERS, settings.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 1);
    world.write(0, Cause::Arrival, &[row(5)]);
    (0..3).for_each(|view| store.complete(view));
    wait_until(&store, "what was left to be removed", |status| {
        status.swept >= 3 && status.sweep_waiting == 0 && status.dirty == 0
    });
    check(&world, &settings, &mut client);
    assert_eq!(fields(&mut client, &other).len(), 1, "another project's");
}

#[test]
fn what_is_in_every_write_stands_first_in_a_hash_that_redis_looks_through_from_its_beginning() {
    let server = servers::Redis::start(&[]);
    let mut client = server.client();
    let store = Redis::start(&plan(DAY), WORKERS, feast(&server, Layout::Feast), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 4);
    for value in [1, 2] {
        world.write(0, Cause::Arrival, &[(b"c".to_vec(), int_row(value))]);
        settle(&store);
        let key = key_of("c", "test");
        let all: Vec<Vec<u8>> = redis::cmd("HGETALL").arg(&key).query(&mut client).unwrap();
        assert_eq!((all.len(), all[0].as_slice()), (4, &b"_ts:stats"[..]), "{all:?}");
    }
}
