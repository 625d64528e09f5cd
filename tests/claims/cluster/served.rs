//! Features for models from a job in several processes: whichever of them is asked tells the rows of all, and none
//! of them tells anything of rows whose process does not answer.

use super::{Up, World};
use crate::memory::Output;
use crate::redis_server::free_ports;
use crate::run::{expected, hashes, until, until_stored};
use crate::serving::{FromRedis, ask, is_ready, request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The fields that entities are asked for by.
const KEYS: [(&str, &str); 5] = [
    ("card", "card_id"),
    ("user", "user_id"),
    ("merchant", "merchant_id"),
    ("device", "device_id"),
    ("ip", "ip_address"),
];
/// What a question may take that is waited for in none of these tests.
const LONG: Duration = Duration::from_secs(30);

impl World {
    /// Has every process serve, the first at the port that is given; `more` of `[serve]`.
    pub fn serving(&self, more: &str) -> u16 {
        let (first, file) = (free_ports(4), self.folder.file("cluster.toml"));
        let text = std::fs::read_to_string(&file).unwrap();
        let serve = format!(
            "{text}[serve]\nenabled = true\nport = {first}\nbehind_max = \"36500d\"\n{more}"
        );
        std::fs::write(&file, serve).unwrap();
        first
    }

    /// Starts two processes whose rows are all there and told.
    fn served(&self, expected: &Output, port: u16) -> Up {
        let mut up = self.start();
        self.until_ready(&mut up, 2);
        until_stored(&self.redis, &hashes(expected));
        until("rows to be current", || is_ready(port) && is_ready(port + 1));
        up
    }
}

/// A question for all features of many entities of a view, and what is to be told by feature.
struct Whole {
    question: Value,
    ids: Vec<Value>,
    values: Vec<Vec<Value>>,
}

/// One for each view of the job.
fn questions(output: &Output) -> Vec<Whole> {
    let mut rows: BTreeMap<&str, BTreeMap<&str, Value>> = BTreeMap::new();
    for (name, features) in &output.live {
        let (view, id) = name.split_once('/').unwrap();
        rows.entry(view).or_default().insert(id, serde_json::from_str(features).unwrap());
    }
    let plan = tidemark::job_file::load("fraud").unwrap().plan;
    let whole = |(at, index): (usize, &tidemark_operators::plan::ViewIndex)| {
        let (view, entity) = (plan.view(at).unwrap(), &plan.entities[index.entity].name);
        let key = KEYS.iter().find(|(name, _)| name == entity).unwrap().1;
        let held: Vec<_> = rows[view.name.as_str()].iter().take(999).collect();
        let ids: Vec<Value> = held.iter().map(|(id, _)| json!(id)).collect();
        let refs: Vec<_> =
            view.features.iter().map(|it| format!("{}:{}", view.name, it.name)).collect();
        let values = view.features.iter().map(|feature| {
            held.iter().map(|(_, row)| row[feature.name.as_str()].clone()).collect()
        });
        let question = json!({"features": refs, "entities": {key: ids}});
        Whole { question, values: values.collect(), ids }
    };
    plan.views.iter().enumerate().map(whole).collect()
}

impl Whole {
    /// Sees that the server at `port` tells this.
    fn is_told(&self, port: u16) -> usize {
        let (code, answer) = ask(port, &self.question);
        assert_eq!(code, 200, "{answer}");
        assert_eq!(answer["results"][0]["values"], json!(self.ids));
        for (column, values) in self.values.iter().enumerate() {
            let told = &answer["results"][column + 1];
            assert_eq!(told["values"], json!(values), "{}", self.question["features"][column]);
            let other = ["NOT_FOUND", "OUTSIDE_MAX_AGE", "INVALID"].map(|status| json!(status));
            let statuses = told["statuses"].as_array().unwrap();
            assert!(statuses.iter().all(|status| !other.contains(status)), "{statuses:?}");
        }
        self.values.iter().map(Vec::len).sum()
    }
}

/// The cards that have a row, for one feature.
fn cards(output: &Output) -> Vec<String> {
    let names = output.live.keys().filter_map(|name| name.strip_prefix("transaction_stats_5m/"));
    names.take(200).map(str::to_owned).collect()
}

fn question(cards: &[String]) -> Value {
    json!({"features": ["transaction_stats_5m:txn_count_24h"], "entities": {"card_id": cards}})
}

#[test]
fn every_entity_is_served_by_each_of_two_processes_as_by_one_and_as_redis_has_it() {
    let world = World::new(61, 8_000, 1);
    let output = expected(&world.log);
    world.settings(2, 1, "");
    let port = world.serving("");
    let mut up = world.served(&output, port);
    let questions = questions(&output);
    let redis =
        FromRedis::start(world.folder.path(), &format!("redis://127.0.0.1:{}", world.redis.port));
    until("rows to be current", || is_ready(redis.port));
    let told = |port| questions.iter().map(|whole| whole.is_told(port)).sum::<usize>();
    for port in [port, port + 1, redis.port] {
        assert!(told(port) > 10_000, "{port}");
    }
    let cards: Vec<_> = cards(&output).into_iter().chain(["nobody".to_owned()]).collect();
    let mut asked = question(&cards);
    asked["positions"] = json!(true);
    for port in [port, port + 1] {
        let (code, answer) = ask(port, &asked);
        assert_eq!(code, 200, "{answer}");
        assert_eq!(answer["metadata"]["source"], json!("engine"));
        let shown = answer["metadata"]["positions"]["card"].as_array().unwrap();
        for (card, shown) in cards.iter().zip(shown).step_by(7) {
            let path = format!("/features/transaction_stats_5m?id={card}&positions=true");
            let (_, row) = world.get(0, &path).unwrap();
            let row: Value = serde_json::from_str(&row).unwrap();
            assert_eq!(shown["positions"], row["positions"], "{card}");
        }
        let statuses = answer["results"][1]["statuses"].as_array().unwrap();
        assert_eq!(statuses.last(), Some(&json!("NOT_FOUND")));
    }
    // Nobody else is told rows at the port of processes, nor breaks anything there.
    for body in ["", "{}", "{\"groups\":[", "\u{0}\u{1}"] {
        let (code, why) = request(world.http + 1, "POST /rows", body).unwrap();
        assert!(code == 409 && why.to_string().contains("another run"), "{code} {why}");
    }
    up.stop();
    // One process, from the same state.
    world.settings(1, 1, "");
    let port = world.serving("");
    let mut one = world.start();
    world.until_ready(&mut one, 1);
    until("rows to be current", || is_ready(port));
    assert!(told(port) > 10_000);
    one.stop();
}

/// What a server at `port` says of cards that all have a row: whether it tells them, where nothing else may be said
/// than that it cannot.
fn tells(port: u16, question: &Value, rows: usize) -> Option<bool> {
    let (code, answer) = request(port, "POST /get-online-features", &question.to_string())?;
    if code != 200 {
        assert_eq!(code, 503, "{answer}");
        return Some(false);
    }
    // A process that is killed may break off.
    let statuses = answer["results"][1]["statuses"].as_array()?;
    let all = |wanted: &str| statuses.iter().all(|status| *status == json!(wanted));
    assert!(statuses.len() == rows && (all("PRESENT") || all("OUTSIDE_MAX_AGE")), "{answer}");
    Some(all("PRESENT"))
}

#[test]
fn rows_of_a_process_that_stands_still_or_is_killed_are_503_or_those_of_redis_and_never_missing() {
    for sources in ["engine", "engine, redis 30s"] {
        let world = World::new(62, 4_000, 1);
        let output = expected(&world.log);
        // Nothing is done about a process that stands still.
        world.settings(2, 1, "failures_max = 100\n");
        let file = world.folder.file("cluster.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("timeout = \"2s\"", "timeout = \"5m\"")).unwrap();
        let port = world.serving(&format!(
            "sources = {sources:?}\nstale_after = \"10m\"\nanswer_timeout = \"2s\"\n"
        ));
        let mut up = world.served(&output, port);
        let (cards, has_redis) = (cards(&output), sources.contains("redis"));
        let asked = question(&cards);
        let by_engine = |port| {
            let (code, answer) = ask(port, &asked);
            code == 200 && answer["metadata"]["source"] == json!("engine")
        };
        until("the memory of both to be told", || by_engine(port) && by_engine(port + 1));
        // What a process said of its rows last is what Redis goes on having of it.
        if has_redis {
            let url = format!("redis://127.0.0.1:{}", world.redis.port);
            let redis = FromRedis::start(world.folder.path(), &url);
            until("rows of Redis to be current", || is_ready(redis.port));
        }
        up.signal(1, "STOP");
        let begun = Instant::now();
        let (code, answer) = ask(port, &asked);
        assert!(begun.elapsed() < LONG, "it was waited for");
        match has_redis {
            false => {
                let why = answer.to_string();
                let says = why.contains("process 1 at") && why.contains("within 2000 ms");
                assert!(code == 503 && says, "{code} {why}");
            }
            true => {
                assert_eq!((code, &answer["metadata"]["source"]), (200, &json!("redis")));
                let why = answer["metadata"]["passed_over"]["engine"].to_string();
                assert!(why.contains("process 1 at"), "{answer}");
                assert_eq!(tells(port, &asked, cards.len()), Some(true));
            }
        }
        assert_eq!(is_ready(port), has_redis);
        let by_itself: BTreeSet<_> = cards
            .iter()
            .map(|card| tells(port, &question(std::slice::from_ref(card)), 1).unwrap())
            .collect();
        let some = if has_redis { vec![true] } else { vec![false, true] };
        assert_eq!(by_itself.into_iter().collect::<Vec<_>>(), some, "some are of process 0");
        up.signal(1, "CONT");
        until("the process to be asked again", || by_engine(port));

        let before = up.pids(0).len();
        up.signal(1, "KILL");
        until("the processes to start again", || {
            up.is_running();
            for port in [port, port + 1] {
                tells(port, &asked, cards.len());
            }
            up.pids(0).len() > before && is_ready(port) && is_ready(port + 1)
        });
        until("the memory of both to be told", || by_engine(port) && by_engine(port + 1));
        for port in [port, port + 1] {
            questions(&output).iter().for_each(|whole| {
                whole.is_told(port);
            });
        }
        up.stop();
    }
}
