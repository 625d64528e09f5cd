//! Our server answers what Feast's own server answers from the same Redis.

use super::materialized::materialize_changes_nothing;
use super::*;
use crate::redis_server::free_port;
use crate::serving::{FromRedis, request};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::process::{Child, Stdio};

/// Questions at random.
const QUESTIONS: usize = 1_000;

const ASK: &str = "POST /get-online-features";

/// `feast serve`. Killed with the test.
struct FeastServer {
    child: Child,
    port: u16,
}

impl FeastServer {
    fn start(feast: &Feast<'_>) -> FeastServer {
        let port = free_port();
        let port_text = port.to_string();
        let words = ["serve", "--port", &port_text, "--no-access-log", "--max-requests", "0"];
        let mut command = feast.command(&words);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = FeastServer { child, port };
        until("Feast's server", || request(port, "GET /health", "").is_some());
        server
    }
}

impl Drop for FeastServer {
    fn drop(&mut self) {
        // Its workers end when it is asked to; killed, it would leave them.
        let pid = self.child.id().to_string();
        let _ = std::process::Command::new("kill").args(["-s", "TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

/// The columns of an answer by name, without what only ours says.
fn columns(answer: &Value) -> BTreeMap<String, Value> {
    let names = answer["metadata"]["feature_names"].as_array().unwrap();
    let columns = answer["results"].as_array().unwrap();
    assert_eq!(names.len(), columns.len(), "{answer}");
    let named = names.iter().zip(columns);
    named.map(|(name, column)| (name.as_str().unwrap().to_owned(), column.clone())).collect()
}

/// A question at random about entities that there are, and some that there are not.
struct Asker {
    random: SmallRng,
    /// By join key.
    ids: BTreeMap<String, Vec<String>>,
    /// Join key and features as `view:feature`.
    features: Vec<(String, String)>,
    services: Vec<(String, BTreeSet<String>)>,
}

impl Asker {
    fn new(world: &World, rows: &BTreeMap<(String, String), Value>) -> Asker {
        let plan = &world.plan;
        let (mut ids, mut features) = (BTreeMap::new(), Vec::new());
        for (at, entity) in plan.entities.iter().enumerate() {
            let (key, _) = world.join_key(at);
            for view in &entity.views {
                let of = rows.keys().filter(|(name, _)| *name == view.name).take(100);
                let known: &mut Vec<String> = ids.entry(key.clone()).or_default();
                known.extend(of.map(|(_, id)| id.clone()));
                let named = |name: &String| (key.clone(), format!("{}:{name}", view.name));
                features.extend(view.features.iter().map(|feature| named(&feature.name)));
            }
        }
        ids.values_mut().for_each(|ids| ids.extend(["nobody".to_owned(), String::new()]));
        let job = tidemark::job_file::load(&world.job).unwrap();
        let keys = |features: &[(usize, usize)]| {
            features.iter().map(|(view, _)| world.join_key(plan.views[*view].entity).0).collect()
        };
        let services = job.services.iter().map(|it| (it.name.clone(), keys(&it.features)));
        let random = SmallRng::seed_from_u64(7);
        Asker { random, ids, features, services: services.collect() }
    }

    fn ask(&mut self) -> Value {
        let random = &mut self.random;
        let mut question = json!({ "full_feature_names": random.random_bool(0.5) });
        let mut keys: BTreeSet<String>;
        if !self.services.is_empty() && random.random_bool(0.2) {
            let (name, needed) = self.services.choose(random).unwrap();
            question["feature_service"] = json!(name);
            // Two views of a service may have features of one name.
            question["full_feature_names"] = json!(true);
            keys = needed.clone();
        } else {
            let count = random.random_range(1..15);
            let features: Vec<_> = self.features.choose_multiple(random, count).collect();
            let mut names = BTreeSet::new();
            let twice = |name: &str| name.split_once(':').unwrap().1.to_owned();
            if !features.iter().all(|(_, name)| names.insert(twice(name))) {
                question["full_feature_names"] = json!(true);
            }
            question["features"] = features.iter().map(|(_, name)| json!(name)).collect();
            keys = features.iter().map(|(key, _)| key.clone()).collect();
        }
        // One that no view needs.
        let needless = self.ids.keys().collect::<Vec<_>>().choose(random).map(ToString::to_string);
        let needless = needless.filter(|key| random.random_bool(0.1) && keys.insert(key.clone()));
        if random.random_bool(0.1) {
            question["include_feature_view_version_metadata"] = json!(true);
        }
        let count = random.random_range(1..12);
        let mut entities = serde_json::Map::new();
        for key in keys {
            // Of such a column Feast wants one type.
            let texts = needless.as_ref() == Some(&key);
            let ids = (0..count).map(|_| match random.random_range(0..20) {
                _ if texts => json!(self.ids[&key].choose(random).unwrap()),
                0 => json!(random.random_range(-5..5)),
                1 => json!(1.5),
                2 => json!(true),
                _ => json!(self.ids[&key].choose(random).unwrap()),
            });
            let ids: Value = ids.collect();
            entities.insert(key, ids);
        }
        question["entities"] = entities.into();
        question
    }
}

fn bodies() -> Vec<(&'static str, String)> {
    let card = r#""entities":{"card_id":["c"]}"#;
    let one = r#""features":["transaction_stats_5m:txn_count_5m"]"#;
    let with = |features: &str, rest: &str| format!("{{\"features\":{features},{rest}}}");
    vec![
        ("an unknown feature", with(r#"["transaction_stats_5m:nope"]"#, card)),
        ("an unknown view", with(r#"["nope:x"]"#, card)),
        ("an unknown service", format!(r#"{{"feature_service":"nope",{card}}}"#)),
        ("a reference without a view", with(r#"["txn_count_5m"]"#, card)),
        ("no features", with("[]", card)),
        ("nothing asked", format!("{{{card}}}")),
        ("only unknown entities", format!(r#"{{{one},"entities":{{"x":["c"]}}}}"#)),
        ("another entity", format!(r#"{{{one},"entities":{{"user_id":["u"]}}}}"#)),
        ("no ids", format!(r#"{{{one},"entities":{{"card_id":[]}}}}"#)),
        ("no entities", format!(r#"{{{one},"entities":{{}}}}"#)),
        (
            "columns of two lengths",
            format!(r#"{{{one},"entities":{{"card_id":["c"],"user_id":["u","v"]}}}}"#),
        ),
        (
            "an entity type's name as the join key",
            format!(r#"{{{one},"entities":{{"card":["c"]}}}}"#),
        ),
        ("a view alone", with(r#"["transaction_stats_5m"]"#, card)),
        ("an id that is null", format!(r#"{{{one},"entities":{{"card_id":[null]}}}}"#)),
        (
            "one feature twice",
            with(
                r#"["transaction_stats_5m:txn_count_5m","transaction_stats_5m:txn_count_5m"]"#,
                card,
            ),
        ),
        ("no JSON", "{".to_owned()),
        ("no JSON value", "{\"a\":x}".to_owned()),
        ("no body", String::new()),
        ("a list", "[]".to_owned()),
        ("entities missing", format!("{{{one}}}")),
        ("ids that are no list", format!(r#"{{{one},"entities":{{"card_id":"c"}}}}"#)),
        ("entities that are a list", format!(r#"{{{one},"entities":["c"]}}"#)),
        ("features that are no list", with("\"x\"", card)),
    ]
}

/// What of an answer is the same: of values the columns; what FastAPI says of a body is compared by its kinds
/// and places.
fn told((code, body): (u16, Value)) -> (u16, Value) {
    if code == 200 {
        return (code, json!(columns(&body)));
    }
    let Some(details) = body["detail"].as_array() else { return (code, body) };
    let kinds = details.iter().map(|detail| json!([detail["type"], detail["loc"]]));
    (code, kinds.collect())
}

/// Which of these bodies the two servers answer differently.
fn unlike(ports: [u16; 2], bodies: &[(&str, String)]) -> Vec<String> {
    let unlike = bodies.iter().filter_map(|(what, body)| {
        let [stock, ours] = ports.map(|port| told(request(port, ASK, body).unwrap()));
        (stock != ours).then(|| format!("{what}: {body}\n{stock:?}\n{ours:?}"))
    });
    unlike.collect()
}

#[test]
fn our_server_and_stock_feast_s_answer_alike_from_one_redis() {
    let records = traffic(Profile::Fraud, 4_000);
    let world = World::new(
        "fraud",
        &records,
        "[serve]\nstatuses = \"stock\"\nmissing = \"null\"\nstale_after = \"1h\"\n\
         behind_max = \"36500d\"\n",
    );
    let rows = rows(&world.plan, &records);
    let repo = world.repo();
    let feast = Feast::new(&repo);
    feast.run(&["apply"]);
    let mut reader = Reader::start(&repo);
    reader.told(&json!({}));
    let process = world.start(&[]);
    until_read(&world, &mut reader, &rows, false);
    let url = format!("redis://127.0.0.1:{}", world.port());
    let ours = FromRedis::start(world.folder.path(), &url);
    until("our server", || request(ours.port, "GET /ready", "").is_some_and(|it| it.0 == 200));
    // What is compared stands still from here on, known to be current.
    process.signal("STOP");
    let stock = FeastServer::start(&feast);
    let mut asker = Asker::new(&world, &rows);
    let mut differences = Vec::new();
    for _ in 0..QUESTIONS {
        let question = asker.ask();
        let body = question.to_string();
        let (stock, ours) =
            (request(stock.port, ASK, &body).unwrap(), request(ours.port, ASK, &body).unwrap());
        if (stock.0, ours.0) != (200, 200) {
            differences.push(format!("{question}\n{stock:?}\n{ours:?}"));
            continue;
        }
        let (stock_columns, own_columns) = (columns(&stock.1), columns(&ours.1));
        if stock_columns != own_columns {
            differences.push(format!("{question}\n{stock_columns:?}\n{own_columns:?}"));
        }
        let listed = |answer: &Value| -> BTreeSet<String> {
            let views = answer["metadata"]["feature_view_metadata"].as_array();
            views.into_iter().flatten().map(ToString::to_string).collect()
        };
        assert_eq!(listed(&stock.1), listed(&ours.1), "{question}");
    }
    differences.extend(unlike([stock.port, ours.port], &bodies()));
    for head in ["GET /get-online-features", "POST /nowhere", "GET /nowhere"] {
        let (stock, ours) = (request(stock.port, head, ""), request(ours.port, head, ""));
        assert_eq!(stock, ours, "{head}");
    }
    let count = differences.len();
    differences.truncate(12);
    assert!(differences.is_empty(), "{count} differ:\n{}", differences.join("\n\n"));
    materialize_changes_nothing(&world, &rows, &feast, &mut reader);
    drop(ours);
    other_stores_read_our_server(&world, &rows, &url);
}

/// Feast's own clients of a server of features and of Chronon's fetcher, as the online store of a
/// repository, with our statuses.
fn other_stores_read_our_server(
    world: &World,
    rows: &BTreeMap<(String, String), Value>,
    url: &str,
) {
    let settings = world.folder.path().join("cluster.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    assert!(text.contains("statuses = \"stock\""));
    std::fs::write(&settings, text.replace("statuses = \"stock\"", "statuses = \"own\"")).unwrap();
    let server = FromRedis::start(world.folder.path(), url);
    until("our server", || request(server.port, "GET /ready", "").is_some_and(|it| it.0 == 200));
    let port = server.port;
    let repo = world.folder.path().join("repo");
    let file = repo.join("feature_store.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, after) = text.split_once("online_store:\n").unwrap();
    let rest = after.split_once("offline_store:").unwrap().1;
    for kind in ["remote", "chronon"] {
        let store = format!("online_store:\n  type: {kind}\n  path: http://127.0.0.1:{port}\n");
        std::fs::write(&file, format!("{before}{store}offline_store:{rest}")).unwrap();
        let mut reader = Reader::start(&repo);
        if kind == "chronon" {
            reader.ask(&json!({ "chronon": true }));
        }
        let compared = until_read(world, &mut reader, rows, false);
        assert!(compared > 1_000, "{kind}: {compared}");
    }
}

/// Questions about the job of payments, one of whose entity types has numbers for ids, and two views of another
/// a feature of one name.
fn bodies_of_payments() -> Vec<(&'static str, String)> {
    let shop =
        |ids: &str| format!(r#"{{"features":["shop_5m:shop_n"],"entities":{{"shop":[{ids}]}}}}"#);
    let card = r#""entities":{"card_id":["c1","nobody"]}"#;
    let both = format!(r#"{{"features":["card_5m:n","card_1h:n"],{card}}}"#);
    let full =
        format!(r#"{{"features":["card_5m:n","card_1h:n"],"full_feature_names":true,{card}}}"#);
    vec![
        ("numbers", shop("17, -77")),
        ("a number in a text", shop(r#""17", "18""#)),
        ("a fraction", shop("17.5, 18.9")),
        ("a truth", shop("true, false")),
        ("a text that is no number", shop(r#""x""#)),
        ("a text of a fraction", shop(r#""17.5""#)),
        ("null", shop("null")),
        ("one name of two views", both),
        ("one name of two views, with their names", full),
    ]
}

#[test]
fn ids_that_are_numbers_and_names_that_collide_are_answered_as_stock_feast_does() {
    let record = |at: u64| {
        let (card, shop) = (at % 3, 17 + at % 2);
        let ts = 1_767_225_600_000 + at * 1_000;
        let value = json!({
            "ts": ts, "card_id": format!("c{card}"), "shop": shop, "amount": 2.5, "country": "AT", "ip": "10.0.0.1",
        });
        (format!("c{card}").into_bytes(), value.to_string().into_bytes())
    };
    let records: Records = vec![(0..40).map(record).collect(), Vec::new()];
    let job = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serving/tests/payments.toml");
    let world = World::new(
        job,
        &records,
        "[serve]\nstatuses = \"stock\"\nmissing = \"null\"\nstale_after = \"1h\"\n\
         behind_max = \"36500d\"\n",
    );
    let rows = rows(&world.plan, &records);
    let repo = world.repo();
    let feast = Feast::new(&repo);
    feast.run(&["apply"]);
    let mut reader = Reader::start(&repo);
    reader.told(&json!({}));
    let process = world.start(&[]);
    assert!(until_read(&world, &mut reader, &rows, false) > 10);
    let url = format!("redis://127.0.0.1:{}", world.port());
    let settings = world.folder.path().join("cluster.toml");
    let ours = FromRedis::of(std::path::Path::new(job), &settings, &url);
    until("our server", || request(ours.port, "GET /ready", "").is_some_and(|it| it.0 == 200));
    process.signal("STOP");
    let stock = FeastServer::start(&feast);
    let unlike = unlike([stock.port, ours.port], &bodies_of_payments());
    assert!(unlike.is_empty(), "{}", unlike.join("\n\n"));
}
