//! Stock Feast reads what a job writes, without any code of a user's.

mod cluster;
mod history;
mod log;
mod materialized;
mod offline;
mod sentinel;
mod servers_alike;
pub mod stock;

use crate::folder::Folder;
use crate::memory::{self, Record, Run};
use crate::redis_server::Redis;
use crate::run::{Process, generated, kafka, settings, until, write};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use stock::{Feast, Reader};
use tidemark::generator::{Options, Profile};
use tidemark::kafka::create_topic;
use tidemark_operators::plan::Plan;
use tidemark_operators::value::Type;

const PARTITIONS: u32 = 2;

/// For Feast to read what the job has written.
const PATIENCE: Duration = Duration::from_secs(50);

type Records = Vec<Vec<(Record, Record)>>;

/// A job on a topic and a Redis in Feast's layout, and its Feast repository.
struct World {
    job: String,
    plan: Arc<Plan>,
    topic: String,
    /// Where the settings do not say it.
    redis: Option<Redis>,
    folder: Folder,
}

impl World {
    /// `job`: the name of a shipped one or a file. `more`: settings.
    fn new(job: &str, records: &Records, more: &str) -> World {
        World { redis: Some(Redis::start(&[])), ..World::of(job, records, "", more) }
    }

    /// The same with the Redis that these settings name.
    fn of(job: &str, records: &Records, redis: &str, more: &str) -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("feast-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        assert!(create_topic(&kafka(), &topic, PARTITIONS, &[]).unwrap());
        write(&topic, records);
        let folder = Folder::new("feast");
        let file = settings(folder.path(), more);
        let text = std::fs::read_to_string(&file).unwrap();
        let redis_part = "[online.redis]\n";
        assert!(text.contains(redis_part));
        let text = text.replace(redis_part, &format!("{redis_part}layout = \"feast\"\n{redis}"));
        std::fs::write(&file, text).unwrap();
        let plan = tidemark::job_file::load(job).unwrap().plan;
        World { job: job.to_owned(), plan, topic, redis: None, folder }
    }

    fn client(&self) -> redis::Connection {
        self.redis.as_ref().unwrap().client()
    }

    fn port(&self) -> u16 {
        self.redis.as_ref().unwrap().port
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("KAFKA_BOOTSTRAP_SERVERS", kafka().bootstrap_servers),
            ("KAFKA_TOPIC", self.topic.clone()),
            ("PARALLELISM", "2".to_owned()),
        ];
        if let Some(redis) = &self.redis {
            let (host, port) = ("127.0.0.1".to_owned(), redis.port.to_string());
            variables.extend([("REDIS_HOST", host), ("REDIS_PORT", port)]);
        }
        variables
    }

    fn start(&self, more: &[(&str, &str)]) -> Process {
        let variables = self.variables();
        let variables = variables.iter().map(|(name, value)| (*name, value.as_str()));
        let variables: Vec<_> = variables.chain(more.iter().copied()).collect();
        let mut job = Process::start(self.folder.path(), &self.job, &variables);
        job.until_ready();
        job
    }

    /// Writes the repository and applies it.
    fn repo(&self) -> PathBuf {
        let repo = self.folder.path().join("repo");
        let written = crate::run::command()
            .args(["feast", &self.job])
            .arg(&repo)
            .arg("--cluster")
            .arg(self.folder.path().join("cluster.toml"))
            .envs(self.variables())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&written.stderr);
        assert!(written.status.success() && said.is_empty(), "{said}");
        repo
    }

    /// What the ids of an entity type are called, and whether they are numbers.
    fn join_key(&self, entity: usize) -> (String, bool) {
        let entity = &self.plan.entities[entity];
        let feeds = self.plan.sources.iter().zip(&entity.sources);
        let mut keys = feeds.filter_map(|(source, feed)| Some(&source.fields[feed.as_ref()?.key]));
        let key = keys.next().unwrap();
        (key.name.clone(), key.ty == Type::Int)
    }
}

/// Traffic of a profile, by partition.
fn traffic(profile: Profile, events: u64) -> Records {
    let options = Options {
        profile,
        events,
        seed: 51,
        partitions: PARTITIONS,
        hours: 6,
        late: 0.02,
        malformed: 0.01,
        ..Options::default()
    };
    generated(options)
}

/// The rows that a job computes, by view and id.
fn rows(plan: &Arc<Plan>, records: &Records) -> BTreeMap<(String, String), Value> {
    let values = |records: &Vec<(Record, Record)>| records.iter().map(|r| r.1.clone()).collect();
    let output = memory::replay(plan, &records.iter().map(values).collect(), &Run::default());
    let parsed = output.live.iter().map(|(name, json)| {
        let (view, id) = name.split_once('/').unwrap();
        ((view.to_owned(), id.to_owned()), serde_json::from_str(json).unwrap())
    });
    parsed.collect()
}

/// What of `rows` stock Feast reads otherwise, of up to `most` entities a type and one that nobody has
/// seen; how many values were compared.
fn differences(
    world: &World,
    reader: &mut Reader,
    rows: &BTreeMap<(String, String), Value>,
    most: usize,
    asynchronous: bool,
) -> (Vec<String>, usize) {
    let (mut differences, mut compared) = (Vec::new(), 0);
    for (entity, planned) in world.plan.entities.iter().enumerate() {
        let (key, numbers) = world.join_key(entity);
        let of = |name: &str| planned.views.iter().any(|view| view.name == name);
        let ids: BTreeSet<&str> =
            rows.keys().filter(|(view, _)| of(view)).map(|(_, id)| id.as_str()).collect();
        let nobody = if numbers { "-77" } else { "nobody" };
        let ids: Vec<&str> = ids.into_iter().take(most).chain([nobody]).collect();
        let features = planned.views.iter().flat_map(|view| {
            view.features.iter().map(move |feature| format!("{}:{}", view.name, feature.name))
        });
        let features: Vec<_> = features.collect();
        if features.is_empty() {
            continue;
        }
        let asked = |id: &&str| match numbers {
            true => json!({ key.as_str(): id.parse::<i64>().unwrap() }),
            false => json!({ key.as_str(): id }),
        };
        let entities: Vec<_> = ids.iter().map(asked).collect();
        let told = reader.ask(&json!({
            "features": features, "entities": entities, "full": true, "async": asynchronous,
        }));
        for (id, told) in ids.iter().zip(told.as_array().unwrap()) {
            for view in &planned.views {
                let row = rows.get(&(view.name.clone(), (*id).to_owned()));
                for feature in &view.features {
                    let name = format!("{}__{}", view.name, feature.name);
                    let (is, should) = (
                        &told[&name]["value"],
                        row.map_or(&Value::Null, |row| &row[&feature.name]),
                    );
                    compared += 1;
                    if is != should {
                        differences.push(format!("{name} of {id} is {is} and not {should}"));
                    }
                }
            }
        }
    }
    (differences, compared)
}

/// Waits until stock Feast reads these rows; how many values it compared.
fn until_read(
    world: &World,
    reader: &mut Reader,
    rows: &BTreeMap<(String, String), Value>,
    asynchronous: bool,
) -> usize {
    let start = Instant::now();
    loop {
        let (mut differences, compared) = differences(world, reader, rows, 400, asynchronous);
        if differences.is_empty() {
            return compared;
        }
        let count = differences.len();
        differences.truncate(5);
        // Before values begin to decay.
        assert!(start.elapsed() < PATIENCE, "{count} of {compared}:\n{}", differences.join("\n"));
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn reads_what_the_job_computes(job: &str, profile: Profile) {
    let records = traffic(profile, 6_000);
    // Each part has values go on before they decay in silence.
    let part = |at: usize| -> Records {
        let of = |all: &Vec<(Record, Record)>| {
            all[all.len() * at / 4..all.len() * (at + 1) / 4].to_vec()
        };
        records.iter().map(of).collect()
    };
    let mut all = part(0);
    let world = World::new(job, &all, "");
    let repo = world.repo();
    let feast = Feast::new(&repo);
    feast.run(&["apply"]);
    assert!(feast.run(&["plan"]).contains("No changes to registry"));
    let mut reader = Reader::start(&repo);
    reader.told(&json!({}));
    let mut process = world.start(&[]);
    let mut go_on = |at: usize| {
        write(&world.topic, &part(at));
        all.iter_mut().zip(part(at)).for_each(|(all, more)| all.extend(more));
        rows(&world.plan, &all)
    };
    let test = repo.join("test_online.py");
    let told =
        std::process::Command::new(stock::environment().join("bin/python")).arg(test).output();
    let told = told.unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let rows = go_on(1);
    let compared = until_read(&world, &mut reader, &rows, false);
    assert!(compared > 1_000, "{compared}");
    assert_eq!(until_read(&world, &mut reader, &rows, true), compared);
    let rows = go_on(2);
    until_read(&world, &mut reader, &rows, false);
    // What is none of ours stays, and disturbs nobody.
    let mut client = world.client();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("\u{1}*").query(&mut client).unwrap();
    assert!(keys.len() > 20, "{}", keys.len());
    for key in &keys {
        redis::cmd("HSET").arg(key).arg(b"\x01\x02\x03\x04").arg("x").exec(&mut client).unwrap();
    }
    let rows = go_on(3);
    until_read(&world, &mut reader, &rows, false);
    redis::cmd("FLUSHALL").exec(&mut client).unwrap();
    until_read(&world, &mut reader, &rows, false);
    process.stop("TERM");
}

#[test]
fn stock_feast_reads_what_fraud_computes() {
    reads_what_the_job_computes("fraud", Profile::Fraud);
}

#[test]
fn stock_feast_reads_what_personalization_computes() {
    reads_what_the_job_computes("personalization", Profile::Personalization);
}

#[test]
fn stock_feast_reads_what_behavior_computes() {
    reads_what_the_job_computes("behavior", Profile::Behavior);
}

#[test]
fn stock_feast_takes_a_repository_twice_without_a_change() {
    let folder = Folder::new("feast-repo");
    let repo = folder.path().join("repo");
    let written = || {
        let written = crate::run::command().args(["feast", "fraud"]).arg(&repo).output().unwrap();
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    };
    written();
    let feast = Feast::new(&repo);
    assert!(feast.run(&["plan"]).contains("Created feature service"));
    feast.run(&["apply"]);
    written();
    for command in ["plan", "apply"] {
        let told = feast.run(&[command]);
        assert!(!told.contains("Created") && !told.contains("Updated"), "{command}: {told}");
    }
    for command in [["feature-views", "list"], ["entities", "list"], ["feature-services", "list"]] {
        assert!(feast.run(&command).lines().count() > 1, "{command:?}");
    }
    assert!(feast.run(&["registry-dump"]).contains("fraud_detection"));
    // What another hand has written is not written over.
    std::fs::write(repo.join("entities.py"), "mine = 1\n").unwrap();
    let refused = crate::run::command().args(["feast", "fraud"]).arg(&repo).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("will not overwrite"), "{said}");
    assert_eq!(std::fs::read_to_string(repo.join("entities.py")).unwrap(), "mine = 1\n");
}
