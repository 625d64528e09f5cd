use super::*;
use crate::config::{Missing, Statuses};
use crate::online::{Embedded, OnlineStore};
use crate::wall_clock::wall_ms;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use hyper::service::Service as _;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};
use tidemark_operators::metrics::WorkerMetrics;
use tidemark_operators::online::{AppliedEvents, Cause, EntityIds, RowBatch};
use tidemark_operators::plan::Plan;
use tidemark_operators::value::{Column, Type, Value};

mod incomplete;
mod owners;
mod positions;
mod sources;

const JOB: &str = include_str!("tests/payments.toml");
/// How many bodies are made up; one seed.
const FUZZED_BODIES: usize = 3_000;

struct One(&'static str);

impl EntityIds for One {
    fn id(&self, _: u32) -> &[u8] {
        self.0.as_bytes()
    }
}

/// A server whose table has four rows.
struct Server {
    runtime: tokio::runtime::Runtime,
    serving: Arc<Serving>,
    metrics: Vec<Arc<WorkerMetrics>>,
}

fn write(store: &dyn OnlineStore, workers: u64, view: usize, id: &'static str, values: &[Value]) {
    let column = |value: &Value| {
        let mut column = Column::default();
        column.push_value(value);
        column
    };
    let batch = RowBatch {
        view,
        as_of: 1_767_484_800_250,
        slots: vec![0],
        causes: vec![Cause::Arrival],
        deleted: vec![false],
        features: values.iter().map(column).collect(),
    };
    let worker = tidemark_operators::interner::stable_hash(id.as_bytes()) % workers;
    store.writer(usize::try_from(worker).unwrap()).write(&batch, &One(id));
}

/// The table of a job, which has four rows, and what its workers say of themselves.
fn table(job: &Job) -> (EngineRows, Vec<Arc<WorkerMetrics>>) {
    let workers = 3;
    let store = Embedded::new(&job.plan, workers);
    let text = |text: &str| Value::Text(text.to_owned());
    let first = [Value::Int(2), Value::Double(1.5), text("AT \"x\""), Value::Bool(true)];
    write(&store, 3, 0, "c1", &first);
    let second = [Value::Int(9), Value::Null, Value::Null, Value::Bool(false)];
    write(&store, 3, 0, "c2", &second);
    write(&store, 3, 2, "17", &[Value::Int(4)]);
    write(&store, 3, 3, "192.0.2.7", &[Value::Int(5)]);
    for (worker, entity) in (0..workers).flat_map(|worker| (0..3).map(move |at| (worker, at))) {
        store.writer(worker).applied(&AppliedEvents { entity, ..AppliedEvents::default() });
    }
    let metrics: Vec<_> =
        (0..workers).map(|at| Arc::new(WorkerMetrics::new(at, &job.plan))).collect();
    (EngineRows::new(Arc::new(store), metrics.clone(), || true), metrics)
}

/// The workers step, and their live clocks are these.
fn step(workers: &[Arc<WorkerMetrics>], clock: u64) {
    for metrics in workers {
        metrics.live_clock.set(clock);
        metrics.steps.add(3);
    }
}

impl Server {
    fn with(settings: ServeSettings) -> Server {
        Server::of(settings, |_, engine| vec![RowSource::engine(engine)])
    }

    /// With the sources that are made of the table's rows.
    fn of(
        settings: ServeSettings,
        sources: impl FnOnce(&Plan, EngineRows) -> Vec<RowSource>,
    ) -> Server {
        let job = tidemark_jobs::load("payments.toml", JOB).unwrap();
        let (rows, metrics) = table(&job);
        let catalogue = Catalogue::new(&job, "feast_payments".to_owned());
        let serving = Serving {
            counts: ServingCounts::new(catalogue.views.len()),
            catalogue,
            compiled: Mutex::default(),
            sources: RankedSources::new(sources(&job.plan, rows)),
            settings,
            values: Arc::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = Server { runtime, serving: Arc::new(serving), metrics };
        server.live(wall_ms().unwrap());
        server
    }

    fn new() -> Server {
        Server::with(ServeSettings::default())
    }

    /// The workers come so far.
    fn live(&self, clock: u64) {
        for _ in 0..2 {
            step(&self.metrics, clock);
            self.look();
        }
    }

    /// As each look of the server does.
    fn look(&self) {
        let serving = &self.serving;
        for (at, _) in serving.sources.states().iter().enumerate() {
            let look = serving.sources.look(at, &serving.catalogue, serving.bounds());
            self.runtime.block_on(look);
        }
    }

    fn request(&self, method: &str, path: &str, kind: &str, body: impl Into<Body>) -> (u16, Json) {
        let router = routes::router(Arc::clone(&self.serving), axum::Router::new());
        let request =
            Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
        let request = request.body(body.into()).unwrap();
        self.runtime.block_on(async {
            let service = hyper_util::service::TowerToHyperService::new(router);
            let response = service.call(request).await.unwrap();
            let code = response.status().as_u16();
            let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let body = serde_json::from_str(&text).unwrap_or(Json::String(text));
            (code, body)
        })
    }

    fn post(&self, path: &str, body: impl Into<Body>) -> (u16, Json) {
        self.request("POST", path, "application/json", body)
    }

    fn ask(&self, body: &Json) -> (u16, Json) {
        self.post("/get-online-features", body.to_string())
    }

    /// Values and statuses by name.
    fn told(&self, body: &Json) -> Json {
        let (code, answer) = self.ask(body);
        assert_eq!(code, 200, "{answer}");
        let names = answer["metadata"]["feature_names"].as_array().unwrap();
        let results = answer["results"].as_array().unwrap();
        assert_eq!(names.len(), results.len(), "{answer}");
        let told = names.iter().zip(results).map(|(name, result)| {
            (name.as_str().unwrap().to_owned(), json!([result["values"], result["statuses"]]))
        });
        Json::Object(told.collect())
    }
}

#[test]
fn features_are_told_in_the_order_asked_with_the_status_of_each_value() {
    let server = Server::new();
    let (code, answer) = server.ask(&json!({
        "features": ["card_5m:place", "card_5m:n", "card_5m:quiet", "card_5m:avg"],
        "entities": {"card_id": ["c1", "c2", "nobody", "c1"]},
    }));
    assert_eq!(code, 200, "{answer}");
    let names = json!(["card_id", "place", "n", "quiet", "avg"]);
    assert_eq!(answer["metadata"]["feature_names"], names);
    assert_eq!(answer["metadata"]["source"], "engine");
    assert!(answer["metadata"]["as_of"].as_u64().unwrap() > 1_767_484_800_000);
    assert!(answer["metadata"]["freshness_ms"].as_u64().is_some());
    let values: Vec<_> =
        answer["results"].as_array().unwrap().iter().map(|it| &it["values"]).collect();
    assert_eq!(
        json!(values),
        json!([
            ["c1", "c2", "nobody", "c1"],
            ["AT \"x\"", null, null, "AT \"x\""],
            [2, 9, 0, 2],
            [true, false, true, true],
            [1.5, null, null, 1.5],
        ])
    );
    let of = |at: usize, what: &str| answer["results"][at][what].clone();
    assert_eq!(of(1, "statuses"), json!(["PRESENT", "NULL_VALUE", "NOT_FOUND", "PRESENT"]));
    let (epoch, changed) = ("1970-01-01T00:00:00Z", "2026-01-04T00:00:00.250Z");
    assert_eq!(of(2, "event_timestamps"), json!([changed, changed, epoch, changed]));
    assert_eq!(of(0, "event_timestamps"), json!([epoch, epoch, epoch, epoch]));
}

#[test]
fn one_question_is_about_several_entities_whose_ids_are_of_their_types() {
    let server = Server::new();
    let told = server.told(&json!({
        "feature_service": "scoring",
        "features": ["card_1h:n"],
        "entities": {"shop": ["17", 17], "card": ["c1", "c2"], "unknown": [1, 2]},
    }));
    assert_eq!(
        told,
        json!({
            "shop": [[17, 17], ["PRESENT", "PRESENT"]],
            "card_id": [["c1", "c2"], ["PRESENT", "PRESENT"]],
            "n": [[2, 9], ["PRESENT", "PRESENT"]],
            "place": [["AT \"x\"", null], ["PRESENT", "NULL_VALUE"]],
            "shop_n": [[4, 4], ["PRESENT", "PRESENT"]],
        })
    );
    let told = server.told(&json!({
        "features": ["address_5m:address_n"], "full_feature_names": true,
        "entities": {"ip": ["192.0.2.7", "::ffff:192.0.2.7", "here"]},
    }));
    let expected = json!([[5, 5, 0], ["PRESENT", "PRESENT", "NOT_FOUND"]]);
    assert_eq!(told["address_5m__address_n"], expected);
    assert_eq!(told["ip"][0], json!(["192.0.2.7", "::ffff:192.0.2.7", "here"]));
}

#[test]
fn an_id_is_read_as_that_of_an_event_is_unless_answers_are_stock_feasts() {
    let own = [
        (Type::Text, "7.0", "7"),
        (Type::Text, "-0", "0"),
        (Type::Text, "true", "true"),
        (Type::Text, "12345678901234567890", "12345678901234567890"),
        (Type::Text, r#"" a ""#, " a "),
        (Type::Int, r#"" 7 ""#, "7"),
        (Type::Int, "7.0", "7"),
        (Type::Ip, r#"" 192.0.2.7""#, "192.0.2.7"),
        (Type::Ip, r#""fe80::1%eth0""#, "fe80::1"),
        (Type::Ip, r#""192.0.2.7:80""#, "192.0.2.7"),
        (Type::Ip, r#""no address""#, "no address"),
    ];
    let stock = [
        (Type::Text, "7.0", "7.0"),
        (Type::Text, "true", "True"),
        (Type::Int, "true", "1"),
        (Type::Int, "7.9", "7"),
        (Type::Ip, r#""::ffff:192.0.2.7""#, "192.0.2.7"),
    ];
    let all = own.map(|one| (Statuses::Own, one)).into_iter();
    for (statuses, (ty, asked, known)) in all.chain(stock.map(|one| (Statuses::Stock, one))) {
        let asked: &RawValue = serde_json::from_str(asked).unwrap();
        assert_eq!(question::id(ty, asked, statuses).unwrap(), known, "{ty} {asked}");
    }
    for asked in ["7.9", "true", r#""x""#, "null", "[1]"] {
        let asked: &RawValue = serde_json::from_str(asked).unwrap();
        assert!(question::id(Type::Int, asked, Statuses::Own).is_err(), "{asked}");
    }
}

#[test]
fn a_column_that_is_there_twice_is_refused() {
    let body = r#"{"features": ["card_1h:n"], "entities": {"card": ["c1"], "card": ["c2"]}}"#;
    let (code, why) = Server::new().post("/get-online-features", body);
    assert_eq!(code, 422, "{why}");
    assert!(why.to_string().contains("each column once"), "{why}");
}

#[test]
fn settings_make_the_answer_that_of_stock_feast() {
    let settings = ServeSettings {
        statuses: Statuses::Stock,
        missing: Missing::Null,
        ..ServeSettings::default()
    };
    let told = Server::with(settings)
        .told(&json!({"features": ["card_5m:n"], "entities": {"card_id": ["c1", "nobody"]}}));
    assert_eq!(told["n"], json!([[2, null], ["PRESENT", "PRESENT"]]));
}

#[test]
fn a_value_that_may_not_have_decayed_is_never_told() {
    let server = Server::new();
    let question = json!({"features": ["card_5m:n"], "entities": {"card_id": ["c1", "nobody"]}});
    let outside = json!([[null, null], ["OUTSIDE_MAX_AGE", "OUTSIDE_MAX_AGE"]]);
    assert_eq!(server.request("GET", "/ready", "", "").0, 200);
    server.live(wall_ms().unwrap() - 70_000);
    assert_eq!(server.told(&question)["n"], outside);
    assert_eq!(server.request("GET", "/ready", "", "").0, 503);
    let (_, answer) = server.ask(&question);
    assert!(answer["metadata"]["stale"].as_str().unwrap().contains("behind"), "{answer}");
    // Neither by Chronon's way, nor as stock Feast would have it.
    let (code, answer) = server.post("/v1/features/groupby/card_1h", r#"[{"card_id": "c1"}]"#);
    assert_eq!((code, &answer["results"][0]["features"]["n"]), (200, &Json::Null));
    let settings = ServeSettings { statuses: Statuses::Stock, ..ServeSettings::default() };
    let server = Server::with(settings);
    server.live(wall_ms().unwrap() - 70_000);
    assert_eq!(server.told(&question)["n"], json!([[null, null], ["PRESENT", "PRESENT"]]));
}

#[test]
fn questions_that_cannot_be_answered_are_refused_in_the_words_of_feast() {
    let server = Server::new();
    let card = json!({"card_id": ["c1"]});
    let feast = |class: &str, message: &str| {
        format!(r#"{{"module": "feast.errors", "class": "{class}", "message": "{message}"}}"#)
    };
    let all = "['card_id', 'ip', 'shop']";
    let missing_of = |keys: &str, given: &str| {
        format!(
            "\"Missing join key values for keys: {keys}. No values provided for keys: {all}. \
             Provided join_key_values: [{given}]\""
        )
    };
    let missing = |given: &str| missing_of(all, given);
    for (question, code, body) in [
        (
            json!({"features": ["card_5m:nope"], "entities": card}),
            500,
            "'Feature nope not found in projection card_5m'".to_owned(),
        ),
        (
            json!({"features": ["nope:n"], "entities": card}),
            404,
            feast(
                "FeatureViewNotFoundException",
                "Feature view nope does not exist in project feast_payments",
            ),
        ),
        (
            json!({"feature_service": "nope", "entities": card}),
            404,
            feast(
                "FeatureServiceNotFoundException",
                "Feature service nope does not exist in project feast_payments",
            ),
        ),
        (
            json!({"features": ["n"], "entities": card}),
            500,
            "Invalid feature reference 'n'. Expected format: '<feature_view>:<feature>' or \
             '<feature_view>@<version>:<feature>'"
                .to_owned(),
        ),
        (json!({"entities": card}), 500, "No features specified for retrieval".to_owned()),
        (json!({"features": ["card_5m:n"], "entities": {"x": ["c1"]}}), 500, missing("")),
        (json!({"features": ["card_5m:n"], "entities": {"shop": [1]}}), 500, missing("'shop'")),
        (
            json!({"features": ["card_5m:n"], "entities": {"card_id": []}}),
            500,
            missing_of("['ip', 'shop']", "'card_id'"),
        ),
        (
            json!({"features": ["card_5m:n"], "entities": {}}),
            500,
            "'pop from an empty set'".to_owned(),
        ),
        (
            json!({"features": ["card_5m:n"], "entities": {"card_id": ["a"], "x": []}}),
            500,
            "All entity rows must have the same columns.".to_owned(),
        ),
        (
            json!({"features": ["card_5m:n"], "entities": {"card_id": [null]}}),
            500,
            "attribute name must be string, not 'NoneType'".to_owned(),
        ),
        (
            json!({"features": ["shop_5m:shop_n"], "entities": {"shop": ["x"]}}),
            500,
            "invalid literal for int() with base 10: 'x'".to_owned(),
        ),
    ] {
        assert_eq!(server.ask(&question), (code, Json::String(body)), "{question}");
    }
    let twice = json!({"features": ["card_5m:n", "card_1h:n"], "entities": card});
    let (code, body) = server.ask(&twice);
    assert!(code == 500 && body.as_str().unwrap().contains("FeatureNameCollisionError"), "{body}");
}

#[test]
fn bodies_that_are_no_questions_are_refused_whatever_they_are() {
    let server = Server::new();
    let long = format!("[{}]", vec!["\"c\""; 1_001].join(","));
    let refs = format!("[{}]", vec!["\"card_5m:n\""; 1_001].join(","));
    let big = " ".repeat((1 << 20) + 1);
    let deep = format!("{{\"entities\":{}", "[".repeat(100_000));
    for body in [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{}",
        "{\"entities\":null}",
        "{\"entities\":[]}",
        "{\"entities\":{\"card_id\":\"c1\"},\"features\":[\"card_5m:n\"]}",
        "{\"entities\":{\"card_id\":[\"c1\"]},\"features\":\"card_5m:n\"}",
        "{\"entities\":{\"card_id\":[\"c1\"]},\"features\":[7]}",
        "{\"entities\":{\"card_id\":[\"\\ud800\"]},\"feature_service\":7}",
        &format!("{{\"entities\":{{\"card_id\":{long}}},\"features\":[\"card_5m:n\"]}}"),
        &format!("{{\"entities\":{{\"card_id\":[\"c\"]}},\"features\":{refs}}}"),
        &big,
        &deep,
    ] {
        let (code, answer) = server.post("/get-online-features", body.to_owned());
        let shown: String = body.chars().take(80).collect();
        assert_eq!(code, 422, "{shown}: {answer}");
        assert!(answer["detail"][0]["type"].is_string(), "{shown}: {answer}");
        let (code, _) = server.post("/v1/features/groupby/card_5m", body.to_owned());
        assert!(code == 422 || body == "[]", "{shown}");
    }
    let (code, answer) = server.request("POST", "/get-online-features", "text/plain", "{}");
    assert_eq!(code, 422, "{answer}");
    assert_eq!(server.ask(&json!({"features": [], "entities": {"card_id": [[1]]}})).0, 500);
}

#[test]
fn other_paths_say_what_they_are_for() {
    let server = Server::new();
    for path in ["/materialize", "/materialize-incremental"] {
        assert_eq!(server.post(path, "{}"), (200, Json::Null));
    }
    for path in ["/push", "/write-to-online-store"] {
        let (code, body) = server.post(path, "{}");
        assert!(code == 405 && body["detail"].as_str().unwrap().ends_with("topic paid"), "{body}");
    }
    let none = (404, json!({"detail": "Not Found"}));
    assert_eq!(server.request("GET", "/nope", "", ""), none);
    assert_eq!(server.post("/v1/features/nope/card_5m", "[]"), none);
    let not_allowed = (405, json!({"detail": "Method Not Allowed"}));
    assert_eq!(server.request("GET", "/get-online-features", "", ""), not_allowed);
    let (code, health) = server.request("GET", "/health", "", "");
    assert_eq!((code, &health["job"], &health["status"]), (200, &json!("payments"), &json!("ok")));
    let (code, openapi) = server.request("GET", "/openapi.json", "", "");
    assert!(code == 200 && openapi["paths"]["/get-online-features"].is_object());
}

#[test]
fn what_is_as_large_as_it_may_be_is_answered() {
    let server = Server::new();
    let ids = vec!["c1"; 1_000];
    let question = json!({"features": ["card_5m:n"], "entities": {"card_id": ids}}).to_string();
    let (code, answer) = server.post("/get-online-features", question.clone());
    let told = answer["results"][1]["values"].as_array();
    assert_eq!((code, told.map(Vec::len)), (200, Some(1_000)));
    let room = (1 << 20) - question.len();
    let longest = question + &" ".repeat(room);
    assert_eq!(server.post("/get-online-features", longest.clone()).0, 200);
    assert_eq!(server.post("/get-online-features", longest + " ").0, 422);
}

#[test]
fn chronons_fetcher_is_answered_key_by_key() {
    let server = Server::new();
    let (code, answer) = server.post(
        "/v1/features/groupby/card_5m",
        r#"[{"card_id": "c1"}, {"shop": 1}, {"card": "nobody"}]"#,
    );
    let success = |features: Json| json!({"status": "Success", "features": features});
    let found = json!({"n": 2, "avg": 1.5, "place": "AT \"x\"", "quiet": true});
    let missing = json!({"n": 0, "avg": null, "place": null, "quiet": true});
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["results"][0], success(found));
    let failure = json!({"status": "Failure", "error": "the key card_id is missing"});
    assert_eq!(answer["results"][1], failure);
    assert_eq!(answer["results"][2], success(missing));
    assert!(answer["as_of"].is_u64() && answer["freshness_ms"].is_u64(), "{answer}");
    assert_eq!((&answer["source"], &answer["stale"]), (&json!("engine"), &Json::Null));
    let (code, answer) =
        server.post("/v1/features/join/scoring", r#"[{"card_id": "c2", "shop": "17"}]"#);
    assert_eq!(code, 200, "{answer}");
    let expected = json!({"n": 9, "place": null, "shop_n": 4});
    assert_eq!(answer["results"][0]["features"], expected);
    // Those are compiled once, too.
    server.post("/v1/features/join/scoring", "[]");
    let compiled = server.serving.compiled.lock().unwrap();
    assert_eq!((compiled.hits, compiled.misses), (1, 2));
}

#[test]
fn what_chronon_is_told_of_old_values_says_so() {
    let server = Server::new();
    server.live(wall_ms().unwrap() - 3_600_000);
    let (code, answer) = server.post("/v1/features/groupby/card_5m", r#"[{"card_id": "c1"}]"#);
    assert_eq!((code, &answer["results"][0]["features"]["n"]), (200, &Json::Null), "{answer}");
    assert!(answer["stale"].as_str().unwrap().contains("behind"), "{answer}");
}

#[test]
fn values_on_their_way_are_bounded_and_counted_until_they_are_sent() {
    let settings = ServeSettings { values_in_flight: 4, ..ServeSettings::default() };
    let server = Server::with(settings);
    let question = |ids: &[&str]| json!({"features": ["card_5m:n", "card_5m:avg"], "entities": {"card_id": ids}});
    for _ in 0..3 {
        assert_eq!(server.ask(&question(&["c1", "c2"])).0, 200, "those before are sent");
        let (code, body) = server.ask(&question(&["c1", "c2", "c3"]));
        assert!(code == 503 && body.as_str().unwrap().contains("values_in_flight"), "{body}");
    }
}

#[test]
fn what_is_asked_and_told_is_counted() {
    let server = Server::new();
    let question = json!({"features": ["card_5m:n"], "entities": {"card_id": ["c1", "nobody"]}});
    server.ask(&question);
    server.ask(&question);
    server.ask(&json!({"features": ["nope:n"], "entities": {"card_id": ["c1"]}}));
    let (_, metrics) = server.request("GET", "/metrics", "", "");
    let metrics = metrics.as_str().unwrap().to_owned();
    for line in [
        "feast_feature_server_request_total{endpoint=\"/get-online-features\",status=\"success\"} 2",
        "feast_feature_server_request_total{endpoint=\"/get-online-features\",status=\"error\"} 1",
        "feast_feature_server_request_latency_seconds_count{endpoint=\"/get-online-features\"} 3",
        "feast_feature_server_online_store_read_duration_seconds_count 2",
        "feast_online_features_request_total 2",
        "feast_online_features_entity_count_bucket{le=\"1\"} 0",
        "feast_online_features_entity_count_bucket{le=\"5\"} 2",
        "feast_online_features_entity_count_sum 4",
        "feast_online_features_entity_count_count 2",
        "feast_online_features_status_total{feature_view=\"card_5m\",status=\"present\"} 2",
        "feast_online_features_status_total{feature_view=\"card_5m\",status=\"not_found\"} 2",
        "tidemark_serving_questions_total{compiled=\"hit\"} 1",
        "tidemark_serving_questions_total{compiled=\"miss\"} 2",
        "tidemark_serving_compiled_questions 1",
        "tidemark_serving_values_in_flight 0",
        "tidemark_serving_fresh 1",
    ] {
        assert!(metrics.lines().any(|it| it == line), "no {line} in\n{metrics}");
    }
}

/// Bodies that are questions, or nearly.
fn bodies() -> [Vec<u8>; 3] {
    let feasts = json!({
        "features": ["card_5m:n", "shop_5m:shop_n"], "full_feature_names": true,
        "entities": {"card_id": ["c1", "é\u{1f980}\"", 7], "shop": [17, "18", 1e3]},
    });
    let service = json!({
        "feature_service": "scoring", "include_feature_view_version_metadata": true,
        "entities": {"card": ["c1"], "shop": [true], "ip": [null]}, "positions": true,
    });
    let chronons = json!([{"card_id": "c1", "shop": 17}, {"ip": "192.0.2.7"}, {}, {"card": 1.5}]);
    [feasts, service, chronons].map(|body| body.to_string().into_bytes())
}

/// Makes something else of a body.
fn mutate(body: &mut Vec<u8>, random: &mut SmallRng) {
    const PIECES: [&[u8]; 20] = [
        b"[",
        b"]",
        b"{",
        b"}",
        b"\"",
        b",",
        b":",
        b"\\",
        b"\\u0000",
        b"\\ud83e",
        b"\\udd80",
        b"0",
        b"-1e999",
        b"18446744073709551616",
        b"null",
        b"true",
        b"\xff",
        b"\x00",
        b"\"positions\":",
        b"\"::ffff:192.0.2.7\"",
    ];
    let at = random.random_range(0..=body.len());
    let to = random.random_range(at..=body.len().min(at + 40));
    match random.random_range(0..6) {
        0 => {
            body.drain(at..to);
        }
        1 => {
            let again = body[at..to].to_vec();
            body.splice(at..at, again);
        }
        2 if at < body.len() => body[at] ^= 1 << random.random_range(0..8),
        3 => body.truncate(at),
        _ => {
            let piece = PIECES[random.random_range(0..PIECES.len())];
            body.splice(at..random.random_range(at..=to), piece.iter().copied());
        }
    }
}

#[test]
fn no_body_whatever_it_is_makes_the_server_panic_or_answer_anything_but_json() {
    const PATHS: [&str; 4] = [
        "/get-online-features",
        "/v1/features/groupby/card_5m",
        "/v1/features/groupby/address_5m",
        "/v1/features/join/scoring",
    ];
    let server = Server::new();
    let mut random = SmallRng::seed_from_u64(7);
    let mut answered = 0;
    for round in 0..FUZZED_BODIES {
        let mut body = bodies()[round % 3].clone();
        for _ in 0..random.random_range(0..5) {
            mutate(&mut body, &mut random);
        }
        for path in PATHS {
            let (code, answer) = server.post(path, body.clone());
            let body = String::from_utf8_lossy(&body);
            assert!([200, 404, 422, 500].contains(&code), "{code} {path} {body}");
            assert!(!answer.is_null() && !answer.is_boolean(), "{path} {body}");
            if code == 200 {
                assert!(answer["results"].is_array(), "{path} {body}: {answer}");
            }
            answered += usize::from(code == 200);
        }
    }
    let share = answered * 100 / (FUZZED_BODIES * PATHS.len());
    assert!((5..60).contains(&share), "{share} in a hundred");
}
