//! The events that a value is said to be made of are those that make it, and the value is that of
//! training.

use crate::files::tidemark;
use crate::folder::Folder;
use crate::historical::{Told, names_of_views};
use crate::run::{command, kafka};
use crate::twin::events::EventPlace;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use tidemark::kafka::{create_topic, produce};

const SEEDS: u64 = 80;

/// What is said; values to the last digit as they are written.
#[derive(Deserialize)]
struct Explained {
    at: u64,
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    name: String,
    value: Box<RawValue>,
    changes: Vec<Change>,
    inputs: Vec<Input>,
}

#[derive(Deserialize)]
struct Change {
    at: u64,
    value: Box<RawValue>,
}

#[derive(Deserialize)]
struct Input {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    source: String,
    partition: usize,
    offset: usize,
    leaves: Option<u64>,
    then: Option<Box<RawValue>>,
}

fn said(folder: &Folder, line: &str) -> String {
    let ended = tidemark(folder.path(), &format!("explain {line} --format json"), b"");
    assert_eq!(ended.code, 0, "{line}: {}{}", ended.out, ended.errors);
    ended.out
}

fn explain(folder: &Folder, line: &str) -> Explained {
    serde_json::from_str(&said(folder, line)).unwrap()
}

/// The events of an input, as the twin names them.
fn places(input: &Input) -> Vec<EventPlace> {
    let place = |event: &Event| {
        let source = ["t", "u"].iter().position(|name| event.source == *name).unwrap();
        (source, event.partition, event.offset)
    };
    input.events.iter().map(place).collect()
}

#[test]
fn the_events_of_a_value_are_those_that_brute_force_finds() {
    let (mut compared, mut events) = (0, 0);
    for seed in 0..SEEDS {
        let (told, mut rng) = (Told::new(seed), SmallRng::seed_from_u64(seed));
        let time = |at: u64| jiff::Timestamp::from_millisecond(at as i64).unwrap();
        for (at, view) in told.world.views.iter().enumerate() {
            let of = if view.entity == "card" { ("c", 5) } else { ("u", 7) };
            let id = format!("{}{}", of.0, rng.random_range(0..of.1));
            // Half of them at the time of an event, where there is more to tell.
            let t = match told.accepted.get(rng.random_range(0..2 * told.accepted.len().max(1))) {
                Some(event) => event.ts,
                None => told.world.telling_time(&told.accepted, &mut rng),
            };
            let expected = told.world.values_at(at, &told.accepted, &id, (t, false));
            let found = explain(
                &told.folder,
                &format!(
                    "job.toml v{at} {id} --at {} --limit 1000{} --workers {}",
                    time(t),
                    told.sources,
                    1 + seed % 3
                ),
            );
            assert_eq!(found.at, t);
            for (n, feature) in found.features.iter().enumerate() {
                let why = format!("seed {seed}: v{at}.f{n} of {id} at {t}");
                assert_eq!(feature.value.get(), expected[n], "{why}");
                if !told.world.knows_events((at, n)) {
                    continue;
                }
                let brute = told.world.events_of((at, n), &told.accepted, &id, t);
                let own: Vec<Vec<EventPlace>> = feature.inputs.iter().map(places).collect();
                assert_eq!(own, brute, "{why}");
                compared += 1;
                events += own.concat().len();
            }
        }
    }
    assert!(compared > 300 && events > 150, "{compared} {events}");
}

#[test]
fn what_is_said_to_follow_is_what_brute_force_finds_then() {
    let mut compared = 0;
    for seed in 0..SEEDS {
        let (told, mut rng) = (Told::new(seed), SmallRng::seed_from_u64(seed ^ 0x9e37));
        let id = format!("c{}", rng.random_range(0..4));
        let last = told.accepted.last().map_or(0, |event| event.ts);
        let found = explain(&told.folder, &format!("job.toml v0 {id} --limit 4{}", told.sources));
        assert_eq!(found.at, last, "by default it is the time of the newest event");
        for (n, feature) in found.features.iter().enumerate() {
            let events = feature.inputs.iter().flat_map(|input| &input.events);
            let then = events.filter_map(|event| Some((event.leaves?, event.then.as_ref()?)));
            let changes = feature.changes.iter().map(|change| (change.at, &change.value));
            for (t, value) in then.chain(changes) {
                let expected = told.world.values_at(0, &told.accepted, &id, (t, false));
                let why = format!("seed {seed}: f{n} of {id} from {last} at {t}");
                assert_eq!(value.get(), expected[n], "{why}");
                compared += 1;
            }
        }
    }
    assert!(compared > 150, "{compared}");
}

/// Random entities of a shipped job have at random times the values of `historical`.
fn equals_training(job: &str, source: &str, key: &str, entity: &str) {
    let folder = Folder::new("explain");
    let run = |line: &str| {
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
    };
    run(&format!("generate --profile {job} --events 4000 --seed 11 --out in.jsonl"));
    let events = std::fs::read_to_string(folder.path().join("in.jsonl")).unwrap();
    let events: Vec<Value> =
        events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut rng = SmallRng::seed_from_u64(3);
    let views = names_of_views(job, entity);
    let mut spine = String::new();
    let mut asked = Vec::new();
    for _ in 0..12 {
        let event = &events[rng.random_range(0..events.len())];
        let other = &events[rng.random_range(0..events.len())];
        let at = match other["timestamp"].as_str() {
            Some(text) => text.parse::<jiff::Timestamp>().unwrap().as_millisecond(),
            None => other["timestamp"].as_i64().unwrap(),
        };
        let id = event[key].as_str().unwrap().to_owned();
        let at = at + rng.random_range(0..600_000);
        spine.push_str(&format!("{{\"{key}\":\"{id}\",\"event_timestamp\":{at}}}\n"));
        asked.push((id, jiff::Timestamp::from_millisecond(at).unwrap()));
    }
    folder.write("spine.jsonl", spine);
    run(&format!(
        "historical {job} --source {source}=in.jsonl --entities spine.jsonl --time-unit ms \
         --features {} --out out.jsonl --full-feature-names",
        views.join(",")
    ));
    let out = std::fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let mut compared = 0;
    for (line, (id, at)) in out.lines().zip(&asked) {
        let row: BTreeMap<String, &RawValue> = serde_json::from_str(line).unwrap();
        for view in &views {
            let line = format!("{job} {view} {id} --at {at} --source {source}=in.jsonl");
            for feature in explain(&folder, &line).features {
                let name = format!("{view}__{}", feature.name);
                assert_eq!(feature.value.get(), row[&name].get(), "{line}: {name}");
                compared += usize::from(!feature.inputs.is_empty());
            }
        }
    }
    assert!(compared > 80, "{compared}");
}

#[test]
fn cards_have_the_values_of_training() {
    equals_training("fraud", "transactions", "card_id", "card");
}

#[test]
fn shoppers_have_the_values_of_training() {
    equals_training("personalization", "clicks", "user_id", "user");
}

#[test]
fn users_have_the_values_of_training() {
    equals_training("behavior", "behavior_events", "user_id", "user");
}

#[test]
fn a_topic_is_read_to_the_end_that_it_has_and_says_what_a_file_says() {
    let folder = Folder::new("explain");
    let made = tidemark(
        folder.path(),
        "generate --profile fraud --events 3000 --seed 2 --cards 30 --out in.jsonl",
        b"",
    );
    assert_eq!(made.code, 0, "{}", made.errors);
    let lines = std::fs::read(folder.path().join("in.jsonl")).unwrap();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let (config, topic) = (kafka(), "explained");
    assert!(create_topic(&config, topic, 3, &[]).unwrap());
    // One partition has them all, the others nothing: an empty one holds nobody up.
    produce(&config, topic, lines.map(|line| (1, Some("k"), Some(line)))).unwrap();
    let line = "fraud transaction_stats_5m card_0000007";
    let of_file = said(&folder, &format!("{line} --source transactions=in.jsonl"));
    let mut of_topic = command();
    of_topic.args(format!("explain {line} --format json").split(' ')).current_dir(folder.path());
    of_topic.env("KAFKA_BOOTSTRAP_SERVERS", &config.bootstrap_servers).env("KAFKA_TOPIC", topic);
    let of_topic = of_topic.output().unwrap();
    assert!(of_topic.status.success(), "{}", String::from_utf8_lossy(&of_topic.stdout));
    let text = String::from_utf8(of_topic.stdout).unwrap();
    assert!(text.contains("\"place\":\"explained[1] offset "), "{text}");
    let mut of_topic: Value = serde_json::from_str(&text).unwrap();
    let mut of_file: Value = serde_json::from_str(&of_file).unwrap();
    for document in [&mut of_topic, &mut of_file] {
        forget(document, &["place", "partition"]);
    }
    assert_eq!(of_topic, of_file);
}

/// Takes out what is under `keys`.
pub fn forget(value: &mut Value, keys: &[&str]) {
    match value {
        Value::Object(members) => {
            keys.iter().for_each(|key| drop(members.remove(*key)));
            members.values_mut().for_each(|value| forget(value, keys));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| forget(value, keys)),
        _ => {}
    }
}

#[test]
fn a_session_is_told_by_its_events_and_with_its_end() {
    let folder = Folder::new("explain");
    folder.write(
        "job.toml",
        "[job]\nname = \"visits\"\n[sources.t]\nfiles = [\"in.jsonl\"]\ntime = \"ts\"\n\
         out_of_orderness = \"1s\"\nevent_time_min = \"1970-01-01T00:00:00Z\"\n\
         [sources.t.fields]\nuser = \"string\"\namount = \"decimal?\"\n[entities.user]\n\
         key = \"user\"\n[views.v]\nentity = \"user\"\n[views.v.features]\n\
         n = { aggregate = \"count\", session = \"10s\" }\n\
         total = { aggregate = \"sum\", of = \"amount\", session = \"10s\" }\n\
         first = { aggregate = \"first\", of = \"amount\", session = \"10s\" }\n\
         length = { aggregate = \"duration\", session = \"10s\", unit = \"s\" }\n",
    );
    folder.write(
        "in.jsonl",
        "{\"ts\":1000,\"user\":\"a\",\"amount\":100.0}\n{\"ts\":20000,\"user\":\"a\",\"amount\":2.5}\n\
         {\"ts\":25000,\"user\":\"a\"}\n{\"ts\":30000,\"user\":\"a\",\"amount\":3.25}\n",
    );
    let found = explain(&folder, "job.toml v a");
    let told = found.features.iter().map(|feature| {
        let offsets = |input: &Input| input.events.iter().map(|it| it.offset).collect::<Vec<_>>();
        let changes = feature.changes.iter().map(|it| (it.at, it.value.get()));
        let inputs: Vec<_> = feature.inputs.iter().map(offsets).collect();
        (feature.name.as_str(), feature.value.get(), inputs, changes.collect::<Vec<_>>())
    });
    let expected = [
        ("n", "3", vec![vec![1, 2, 3]], vec![(40_001, "0")]),
        ("total", "5.75", vec![vec![1, 3]], vec![(40_001, "0.0")]),
        ("first", "2.5", vec![vec![1]], vec![(40_001, "null")]),
        ("length", "10.0", vec![vec![3], vec![1]], vec![(40_001, "0.0")]),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_asked_of_nobody_or_of_a_wrong_name_is_said() {
    let folder = Folder::new("explain");
    folder.write("none.jsonl", "");
    let ask = |line: &str| tidemark(folder.path(), &format!("explain fraud {line}"), b"");
    let ended = ask("transaction_stats_5n x --source transactions=none.jsonl");
    assert_eq!(ended.code, 2);
    assert!(ended.errors.contains("did you mean \"transaction_stats_5m\"?"), "{}", ended.errors);
    let ended = ask("transaction_stats_5m x --features n --source transactions=none.jsonl");
    assert!(ended.errors.contains("has no feature \"n\""), "{}", ended.errors);
    let ended = ask("transaction_stats_5m x --source tx=none.jsonl");
    assert!(ended.errors.contains("its sources: transactions"), "{}", ended.errors);
    let ended = ask("transaction_stats_5m x --source transactions=none.jsonl");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert!(ended.out.contains("0 events up to then\n\ntxn_count_5m = 0"), "{}", ended.out);
}
