//! Rows as they are read for whoever serves them: what `read_redis` finds one by one.

use super::*;
use tidemark::online::redis::{ReadError, RedisReader, RowsAsked, RowsRead};
use tidemark::online::{Layout, StoredText};
use tokio::runtime::{Builder, Runtime};

/// A reader in a runtime of its own.
pub struct Served {
    runtime: Runtime,
    reader: RedisReader,
}

/// Texts of a row's values.
type Texts = Vec<Option<String>>;

impl Served {
    pub fn start(plan: &Plan, settings: RedisSettings) -> Served {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Served { runtime, reader: RedisReader::start(plan, settings, 2, 1_024).unwrap() }
    }

    /// Each of these requests for rows by view and id, all at once.
    pub fn ask(
        &self,
        plan: &Plan,
        requests: &[Vec<(usize, Vec<u8>)>],
    ) -> Vec<Result<RowsRead, ReadError>> {
        let asked = requests.iter().map(|rows| {
            let mut asked = RowsAsked::default();
            for (view, id) in rows {
                let features: Vec<usize> = (0..plan.view(*view).unwrap().features.len()).collect();
                self.reader.add(&mut asked, &self.reader.fields(*view, &features), id);
            }
            asked
        });
        self.runtime.block_on(async {
            let answers: Vec<_> = asked.map(|asked| self.reader.ask(asked).unwrap()).collect();
            let mut read = Vec::new();
            for answer in answers {
                read.push(answer.await.unwrap());
            }
            read
        })
    }
}

pub fn texts(read: &RowsRead) -> Vec<Texts> {
    let text = |value| match value {
        StoredText::Text(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
        StoredText::Null => None,
        StoredText::Unreadable => panic!("somebody else's"),
    };
    read.rows.iter().map(|row| row.values().map(text).collect()).collect()
}

fn one_by_one(world: &World, settings: &RedisSettings, (view, id): &(usize, Vec<u8>)) -> Texts {
    let features = world.plan.view(*view).unwrap().features.len();
    let row = read_redis(settings, &world.plan, *view, id).unwrap();
    row.map_or(vec![None; features], |row| row.into_iter().map(|(_, value)| value).collect())
}

#[test]
fn many_rows_at_once_are_those_that_are_read_one_by_one_in_each_layout() {
    let server = servers::Redis::start(&[]);
    for (seed, layout) in [(71, Layout::Hash), (72, Layout::Feast)] {
        redis::cmd("FLUSHALL").exec(&mut server.client()).unwrap();
        let settings = RedisSettings { layout, ..settings(&server) };
        let store = Redis::start(&plan(DAY), WORKERS, settings.clone(), false).unwrap();
        let mut world = World::new(plan(DAY), &store, seed);
        for _ in 0..200 {
            world.random_batch(80);
        }
        settle(&store);
        let mut random = SmallRng::seed_from_u64(seed);
        let mut asked: Vec<(usize, Vec<u8>)> = world.twin.keys().cloned().collect();
        asked.extend((0..3).map(|view| (view, b"nobody".to_vec())));
        asked.sort_by_cached_key(|_| random.random::<u64>());
        let expected: Vec<_> = asked.iter().map(|row| one_by_one(&world, &settings, row)).collect();
        assert!(expected.len() > 100 && expected.iter().flatten().flatten().count() > 1_000);
        let served = Served::start(&world.plan, settings);
        for size in [1, 7, asked.len()] {
            let requests: Vec<_> = asked.chunks(size).map(<[_]>::to_vec).collect();
            let read: Vec<_> = served.ask(&world.plan, &requests);
            let read: Vec<_> = read.into_iter().map(Result::unwrap).collect();
            assert!(read.iter().all(|read| read.before.workers().len() == WORKERS));
            assert!(read.iter().all(|read| read.after.workers().len() == WORKERS));
            assert_eq!(read.iter().flat_map(texts).collect::<Vec<_>>(), expected, "{size}");
        }
        store.close(HANG).unwrap();
    }
}

#[test]
fn rows_are_read_from_the_database_and_as_the_user_that_are_named_and_a_wrong_password_is_told() {
    let server = servers::Redis::start(&["--requirepass", "correct-horse"]);
    let url = format!("redis://:correct-horse@127.0.0.1:{}", server.port);
    let mut client = server.client_at(&url);
    let acl = ["SETUSER", "reader", "on", ">battery", "~*", "+@read", "+select"];
    redis::cmd("ACL").arg(&acl).exec(&mut client).unwrap();
    let writer = settings(&server).with_url(&format!("{url}/3")).unwrap();
    let store = Redis::start(&plan(DAY), WORKERS, writer.clone(), false).unwrap();
    let mut world = World::new(plan(DAY), &store, 73);
    world.write(0, Cause::Arrival, &[(b"a".to_vec(), int_row(1))]);
    settle(&store);
    let row = vec![vec![(0, b"a".to_vec())]];
    let first = |settings: RedisSettings| {
        let read = Served::start(&world.plan, settings).ask(&world.plan, &row).remove(0);
        read.map(|read| texts(&read)[0][0].clone())
    };
    let named = |user: Option<&str>, password: &str, db| RedisSettings {
        username: user.map(str::to_owned),
        password: Some(Secret::new(password)),
        db,
        ..writer.clone()
    };
    let one = Ok(Some("1".to_owned()));
    assert_eq!(first(named(None, "correct-horse", 3)), one);
    assert_eq!(first(named(Some("reader"), "battery", 3)), one);
    assert_eq!(first(named(None, "correct-horse", 0)), Ok(None));
    for wrong in [named(None, "hunter2", 3), named(Some("nobody"), "hunter2", 3)] {
        let Err(ReadError::Down(why)) = first(wrong) else { panic!("let in") };
        assert!(why.contains("refused the credentials") && !why.contains("hunter2"), "{why}");
    }
    let none = RedisSettings { password: None, ..writer.clone() };
    assert!(first(none).is_err_and(|error| error.to_string().contains("NOAUTH")));
    let beyond = first(named(None, "correct-horse", 99)).unwrap_err().to_string();
    assert!(beyond.contains("cannot connect to Redis") && beyond.contains("DB index"), "{beyond}");
}
