//! Why a value of a running job is what it is: what the job says by the events that it holds is what
//! `tidemark explain` says by the log, for all features of the shipped jobs; and it says when it cannot.

use crate::explain::forget;
use crate::files::tidemark;
use crate::folder::Folder;
use crate::historical::names_of_views;
use crate::run::{Process, kafka, settings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tidemark::kafka::{create_topic, produce};

/// A job whose rows are in its memory, on a topic of its own that holds these, and that has read them.
fn job(folder: &Path, name: &str, topic: &str, records: &[&str]) -> Process {
    assert!(create_topic(&kafka(), topic, 1, &[]).unwrap());
    // One partition, so that their order is that of the file.
    produce(&kafka(), topic, records.iter().map(|line| (0, Some("k"), Some(line)))).unwrap();
    settings(folder, "[online]\nkind = \"embedded\"\n");
    let brokers = kafka().bootstrap_servers;
    let variables = [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", topic)];
    let mut job = Process::start_with(folder, name, &variables, &["--workers", "2"]);
    job.until_ready();
    job
}

/// What only the log knows: where events are.
const PLACES: [&str; 4] = ["place", "source", "partition", "offset"];

/// What is said of a value by a shipped job that runs, and by `tidemark explain` of the same moment.
fn says_what_the_log_says(name: &str, source: &str, (key, entity): (&str, &str)) {
    let folder = Folder::new("why");
    let profile = format!(
        "generate --profile {name} --events 3000 --seed 5 --cards 60 --hours 3 --out in.jsonl"
    );
    assert_eq!(tidemark(folder.path(), &profile, b"").code, 0);
    let text = std::fs::read_to_string(folder.path().join("in.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let job = job(folder.path(), name, &format!("why-{name}"), &lines);
    let mut rng = SmallRng::seed_from_u64(7);
    let mut ids = BTreeSet::new();
    while ids.len() < 4 {
        // The last ones have most inside of their windows.
        let line = lines[rng.random_range(lines.len() - 200..lines.len())];
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        ids.extend(event[key].as_str().map(str::to_owned));
    }
    let (mut kinds, mut compared, mut events) = (BTreeMap::new(), 0, 0);
    for view in names_of_views(name, entity) {
        for id in &ids {
            let (code, row) = job.json(&format!("/features/{view}?id={id}"));
            let Some(features) = row["features"].as_object().filter(|_| code == 200) else {
                continue;
            };
            let mut by_log: Option<Value> = None;
            for (feature, value) in features {
                let asked = format!("/explain/{view}?id={id}&feature={feature}");
                let (code, said) = job.json(&asked);
                assert_eq!(code, 200, "{asked}: {said}");
                assert_eq!(&said["row"]["value"], value, "{asked}");
                assert!(said["agrees"] == true || said["lacks"] == true, "{said}");
                let by_log = by_log.get_or_insert_with(|| {
                    let time = jiff::Timestamp::from_millisecond(said["at"].as_i64().unwrap());
                    let line = format!(
                        "explain {name} {view} {id} --at {} --limit 20 --format json --source \
                         {source}=in.jsonl",
                        time.unwrap()
                    );
                    let ended = tidemark(folder.path(), &line, b"");
                    assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
                    serde_json::from_str(&ended.out).unwrap()
                });
                assert_eq!(said["at"], by_log["at"], "the clock stands still");
                if said["lacks"] == true {
                    continue;
                }
                let of_log = by_log["features"].as_array().unwrap();
                let of_log = of_log.iter().find(|known| known["name"] == feature.as_str());
                let (mut own, mut log) =
                    (said["features"][0].clone(), of_log.cloned().unwrap_or_default());
                forget(&mut own, &PLACES);
                forget(&mut log, &PLACES);
                assert_eq!(own, log, "{asked}");
                for input in own["inputs"].as_array().unwrap() {
                    *kinds.entry(input["what"].as_str().unwrap().to_owned()).or_insert(0) += 1;
                    events += input["events"].as_array().unwrap().len();
                }
                compared += 1;
            }
        }
    }
    // Of sessions, which may be longer than its timeline reaches, a job lacks most.
    let least = if name == "personalization" { (8, 15, 2) } else { (30, 30, 3) };
    assert!(
        compared > least.0 && events > least.1 && kinds.len() > least.2,
        "{compared} {events} {kinds:?}"
    );
}

#[test]
fn a_running_job_says_of_cards_what_their_log_says() {
    says_what_the_log_says("fraud", "transactions", ("card_id", "card"));
}

#[test]
fn a_running_job_says_of_shoppers_what_their_log_says() {
    says_what_the_log_says("personalization", "clicks", ("user_id", "user"));
}

#[test]
fn a_running_job_says_of_users_what_their_log_says() {
    says_what_the_log_says("behavior", "behavior_events", ("user_id", "user"));
}

/// A job with a short window, and one event that is remembered for long.
const REMEMBERS: &str = r#"
[job]
name = "remembers"
[sources.payments]
topic = "payments"
time = { field = "at", unit = "ms" }
out_of_orderness = "1s"
[sources.payments.fields]
card = "string"
amount = "decimal"
[entities.card]
key = "card"
[views.spent]
entity = "card"
source = "payments"
[views.spent.features]
payments_1m = { aggregate = "count", window = "1m" }
last_amount = { aggregate = "latest", of = "amount", horizon = "7d" }
"#;

#[test]
fn what_rests_on_events_that_are_not_held_any_more_is_said_to() {
    let folder = Folder::new("why");
    folder.write("job.toml", REMEMBERS);
    // One card paid; then others for two hours, so that nothing in a window is of that one.
    let first = r#"{"at":1700000000000,"card":"early","amount":7.5}"#.to_owned();
    let later = (0..2_400).map(|n| {
        format!(
            r#"{{"at":{},"card":"card_{}","amount":1}}"#,
            1_700_000_003_000_u64 + n * 3_000,
            n % 7
        )
    });
    let records: Vec<String> = std::iter::once(first).chain(later).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let job = job(folder.path(), &folder.file("job.toml"), "why-remembers", &records);
    let why =
        |id: &str, feature: &str| job.json(&format!("/explain/spent?id={id}&feature={feature}"));
    let (code, said) = why("early", "last_amount");
    assert_eq!(code, 200, "{said}");
    assert_eq!((&said["row"]["value"], &said["lacks"]), (&json!(7.5), &json!(true)), "{said}");
    assert!(said["let_go"].as_u64() > Some(1_700_000_000_000), "{said}");
    let (_, said) = why("card_1", "last_amount");
    assert_eq!((&said["lacks"], &said["agrees"]), (&json!(false), &json!(true)), "{said}");
    let (_, said) = why("card_5", "payments_1m");
    let events = said["features"][0]["inputs"][0]["events"].as_array().unwrap();
    assert_eq!(said["features"][0]["value"], json!(events.len()), "{said}");
    assert!(!events.is_empty() && said["moved"].as_array().unwrap().len() == 60, "{said}");
    // Before that the window reaches back to what is not held.
    assert!(said["moved"][59]["value"].is_number(), "{said}");

    let (code, said) = why("nobody", "payments_1m");
    assert_eq!((code, &said["features"][0]["value"], &said["row"]), (200, &json!(0), &Value::Null));
    let (code, said) = why("card_1", "payment_1m");
    assert!(code == 404 && said["hint"] == "did you mean \"payments_1m\"?", "{said}");
    let (code, said) = job.json("/explain/spend?id=card_1&feature=payments_1m");
    assert!(code == 404 && said["hint"] == "did you mean \"spent\"?", "{said}");
    for path in ["", "?id=a", "?feature=a", "?id=a&feature=b&id=c", "?id=a&feature=b&x=1"] {
        let (code, said) = job.json(&format!("/explain/spent{path}"));
        assert!(code == 400 && said.to_string().contains("feature=NAME"), "{path}: {said}");
    }
}

#[test]
fn an_entity_with_too_many_events_is_explained_by_the_log_alone() {
    let folder = Folder::new("why");
    folder.write("job.toml", REMEMBERS);
    let record =
        |n: u64| format!(r#"{{"at":{},"card":"one","amount":1}}"#, 1_700_000_000_000 + n / 2);
    let records: Vec<String> = (0..50_001).map(record).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let job = job(folder.path(), &folder.file("job.toml"), "why-many", &records);
    let (code, said) = job.json("/explain/spent?id=one&feature=payments_1m");
    assert_eq!(code, 422, "{said}");
    assert!(said["error"].as_str().unwrap().contains("more than 50000 events"), "{said}");
    assert!(said["hint"].as_str().unwrap().contains("`tidemark explain`"), "{said}");
    // Nobody else is kept from being answered, and the job goes on.
    assert_eq!(job.json("/explain/spent?id=two&feature=payments_1m").0, 200);
    assert_eq!(job.json("/health").1["status"], json!("ok"));
}
