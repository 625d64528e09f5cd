//! Rows of a job in several processes: they are told as if it were one.

use super::*;
use crate::http::HttpServer;
use axum::middleware::{Next, from_fn};
use axum::routing::post;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemark_operators::origin::PartitionId;
use tidemark_operators::shape::Shape;

/// Cards with rows; of as many there is none.
const CARDS: usize = 40;
/// Questions that are made up; one seed.
const QUESTIONS: usize = 300;
/// How long an owner may take where it is not waited for that long.
const LONG: Duration = Duration::from_secs(30);
const RUN: &str = "a-run";

fn job() -> Job {
    tidemark_jobs::load("payments.toml", JOB).unwrap()
}

/// The table of one process: the rows of its entities, and what its worker says.
struct Held {
    rows: EngineRows,
    metrics: Vec<Arc<WorkerMetrics>>,
}

impl Held {
    fn new(shape: Shape, caught_up: bool) -> Held {
        let job = job();
        let store = Embedded::in_process(&job.plan, shape);
        for number in 0..CARDS {
            let id: &'static str = Box::leak(format!("c{number}").into_boxed_str());
            let worker = shape.owner(id.as_bytes());
            if shape.place(worker).is_none() {
                continue;
            }
            let place = Value::Text(format!("\"{number}\\"));
            let number = i64::try_from(number).unwrap();
            let quiet = if number % 3 == 0 { Value::Null } else { Value::Bool(true) };
            let mut writer = store.writer(worker);
            let mut write = |view, values: &[Value]| {
                let column = |value: &Value| {
                    let mut column = Column::default();
                    column.push_value(value);
                    column
                };
                let batch = RowBatch {
                    view,
                    as_of: 1_767_484_800_000 + number.unsigned_abs(),
                    slots: vec![u32::try_from(number).unwrap()],
                    causes: vec![Cause::Arrival],
                    deleted: vec![false],
                    features: values.iter().map(column).collect(),
                };
                writer.write(&batch, &One(id));
            };
            write(0, &[Value::Int(number), Value::Double(0.5), place, quiet]);
            if number % 2 == 0 {
                write(1, &[Value::Int(-number)]);
            }
        }
        for worker in shape.workers() {
            for entity in 0..3 {
                let partition = PartitionId { source: 0, partition: 7 };
                let offsets = vec![(partition, worker as u64 + 10)];
                let clock = 1_767_484_800_250 + worker as u64;
                store.writer(worker).applied(&AppliedEvents { entity, clock, offsets });
            }
        }
        let workers = shape.workers();
        let metrics: Vec<_> =
            workers.map(|at| Arc::new(WorkerMetrics::new(at, &job.plan))).collect();
        let rows = EngineRows::new(Arc::new(store), metrics.clone(), move || caught_up);
        Held { rows, metrics }
    }

    fn with_owners(self, owners: Owners) -> Held {
        Held { rows: self.rows.with_owners(Some(owners)), ..self }
    }

    /// Its workers come so far.
    fn live(self, clock: u64) -> Arc<EngineRows> {
        for _ in 0..2 {
            step(&self.metrics, clock);
            self.rows.look();
        }
        Arc::new(self.rows)
    }
}

fn owners(process: usize, run: &str, addresses: [String; 2], within: Duration) -> Owners {
    Owners::new(
        (Shape::of_process(process, 2, 1), run.to_owned()),
        addresses.to_vec(),
        None,
        within,
    )
}

fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Process 1, which answers process 0 only; how often it was asked.
struct Second {
    http: HttpServer,
    asked: Arc<AtomicUsize>,
}

impl Second {
    fn start(run: &str, caught_up: bool, clock: u64, at: &str) -> Second {
        let held = Held::new(Shape::of_process(1, 2, 1), caught_up);
        let held = held.with_owners(owners(1, run, [nowhere(), nowhere()], LONG));
        let rows = held.live(clock);
        let asked = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&asked);
        let make = move |_| {
            let router = row_hops(&rows, 4_000_000).unwrap()();
            router.layer(from_fn(move |request: axum::extract::Request, next: Next| {
                counted.fetch_add(1, Relaxed);
                next.run(request)
            }))
        };
        let at = (at.parse().unwrap(), HostNames::default());
        let http = HttpServer::with_router("second", 64, at, make).unwrap();
        Second { http, asked }
    }

    fn address(&self) -> String {
        self.http.address().to_string()
    }
}

/// The server of process 0, which asks at `second`; `whole`: one that has all rows comes behind it.
fn first(second: String, clock: u64, whole: bool, within: Duration) -> Server {
    let held = Held::new(Shape::of_process(0, 2, 1), true);
    let held = held.with_owners(owners(0, RUN, [nowhere(), second], within));
    let rows = held.live(clock);
    let all = whole.then(|| Held::new(Shape::one_process(1), true).live(clock));
    let sources = std::iter::once(rows).chain(all).map(RowSource::engine).collect();
    Server::of(patient(), |_, _| sources)
}

/// However long a test takes.
fn patient() -> ServeSettings {
    ServeSettings { stale_after: Duration::from_secs(86_400), ..ServeSettings::default() }
}

fn now() -> u64 {
    wall_ms().unwrap()
}

fn cards() -> Vec<String> {
    (0..2 * CARDS).map(|number| format!("c{number}")).collect()
}

fn question(ids: &[String]) -> Json {
    json!({"features": ["card_5m:n", "card_1h:n"], "full_feature_names": true, "entities": {"card_id": ids}})
}

/// Cards of a process.
fn of_process(process: usize) -> Vec<String> {
    let shape = Shape::of_process(process, 2, 1);
    cards().into_iter().filter(|id| shape.place(shape.owner(id.as_bytes())).is_some()).collect()
}

/// The whole answer but for when it was given.
fn told(server: &Server, question: &Json) -> (u16, Json) {
    let (code, mut answer) = server.ask(question);
    if let Some(metadata) = answer.get_mut("metadata").and_then(Json::as_object_mut) {
        metadata.remove("freshness_ms");
    }
    (code, answer)
}

#[test]
fn any_question_is_answered_by_two_processes_as_by_one() {
    let clock = now();
    let second = Second::start(RUN, true, clock, "127.0.0.1:0");
    let server = first(second.address(), clock, false, LONG);
    let whole = Held::new(Shape::one_process(1), true).live(clock);
    let whole = Server::of(patient(), |_, _| vec![RowSource::engine(whole)]);
    let all = ["card_5m:n", "card_5m:avg", "card_5m:place", "card_5m:quiet", "card_1h:n"];
    let mut random = SmallRng::seed_from_u64(34);
    for _ in 0..QUESTIONS {
        let rows = random.random_range(1..30);
        let ids: Vec<_> =
            (0..rows).map(|_| format!("c{}", random.random_range(0..2 * CARDS))).collect();
        let shops: Vec<_> = (0..rows).map(|_| random.random_range(0..100)).collect();
        let count = random.random_range(1..=all.len());
        let features: Vec<_> = (0..count)
            .map(|_| all[random.random_range(0..all.len())])
            .collect::<BTreeSet<_>>()
            .into_iter()
            .chain(random.random_bool(0.5).then_some("shop_5m:shop_n"))
            .collect();
        let asked = json!({
            "features": features, "full_feature_names": true,
            "entities": {"card_id": ids, "shop": shops},
        });
        assert_eq!(told(&server, &asked), told(&whole, &asked), "{asked}");
    }
    assert!(second.asked.load(Relaxed) > QUESTIONS / 2);
}

#[test]
fn many_entities_are_one_request_to_their_process_and_its_own_are_none() {
    let clock = now();
    let second = Second::start(RUN, true, clock - 700, "127.0.0.1:0");
    let server = first(second.address(), clock, false, LONG);
    let (code, answer) = server.ask(&question(&cards()));
    assert_eq!((code, second.asked.load(Relaxed)), (200, 1));
    assert_eq!(answer["metadata"]["as_of"], json!(clock - 700), "the older of both");
    let (code, answer) = server.ask(&question(&of_process(0)));
    assert_eq!((code, second.asked.load(Relaxed)), (200, 1));
    assert_eq!(answer["metadata"]["as_of"], json!(clock));
    // What is said of all entities is said by all processes.
    let (code, ready) = server.request("GET", "/ready", "", "");
    assert_eq!((code, &ready["as_of"]), (200, &json!(clock - 700)), "{ready}");
    assert_eq!(second.asked.load(Relaxed), 2);
}

#[test]
fn positions_are_those_of_the_workers_of_each_entity() {
    let clock = now();
    let second = Second::start(RUN, true, clock, "127.0.0.1:0");
    let server = first(second.address(), clock, false, LONG);
    let mut asked = question(&cards());
    asked["positions"] = json!(true);
    let (code, answer) = server.ask(&asked);
    assert_eq!(code, 200, "{answer}");
    let told = answer["metadata"]["positions"]["card"].as_array().unwrap();
    let own: BTreeSet<_> = of_process(0).into_iter().collect();
    for (card, told) in cards().iter().zip(told) {
        let worker = u64::from(!own.contains(card));
        let wanted = json!({
            "as_of": 1_767_484_800_250 + worker, "positions": {"t": {"7": 10 + worker}},
        });
        assert_eq!(told, &wanted, "{card}");
    }
    drop(second);
    let (code, why) = server.ask(&asked);
    assert!(code == 503 && why.to_string().contains("process 1 at"), "{code} {why}");
}

/// An address at which connections are taken and nothing is said.
struct Mute(TcpListener);

impl Mute {
    fn new() -> Mute {
        Mute(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// How many have connected since the last time.
    fn connected(&self) -> usize {
        self.0.set_nonblocking(true).unwrap();
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }
}

#[test]
fn an_owner_that_is_down_mute_of_another_run_or_behind_is_503_or_passed_over_and_never_missing() {
    let clock = now();
    let (mute, short) = (Mute::new(), Duration::from_millis(100));
    let other = Second::start("another-run", true, clock, "127.0.0.1:0");
    let behind = Second::start(RUN, false, clock, "127.0.0.1:0");
    for (address, within, why) in [
        (nowhere(), LONG, "refused"),
        (mute.address(), short, "has not answered within 100 ms"),
        (other.address(), LONG, "another run of the job asks"),
        (behind.address(), LONG, "the job has not caught up"),
    ] {
        let alone = first(address.clone(), clock, false, within);
        let (code, refused) = alone.ask(&question(&cards()));
        assert_eq!(code, 503, "{refused}");
        let refused = refused.to_string();
        assert!(refused.contains(why) && refused.contains("process 1 at"), "{why}: {refused}");
        let (code, own) = alone.ask(&question(&of_process(0)));
        assert_eq!((code, &own["metadata"]["source"]), (200, &json!("engine")), "{own}");
        let (code, ready) = alone.request("GET", "/ready", "", "");
        assert!(code == 503 && ready["reason"].to_string().contains(why), "{ready}");

        let hybrid = first(address, clock, true, within);
        let (code, answer) = hybrid.ask(&question(&cards()));
        assert_eq!(code, 200, "{answer}");
        let passed_over = answer["metadata"]["passed_over"]["engine"].to_string();
        assert!(passed_over.contains(why), "{answer}");
        let statuses = answer["results"][1]["statuses"].as_array().unwrap();
        let present = statuses.iter().filter(|status| **status == json!("PRESENT")).count();
        assert_eq!(present, CARDS, "{answer}");
    }
}

#[test]
fn an_owner_that_does_not_answer_is_waited_for_three_times_and_asked_again_until_it_does() {
    let (clock, within) = (now(), Duration::from_millis(500));
    let mute = Mute::new();
    let address = mute.address();
    let server = first(address.clone(), clock, false, within);
    let foreign = of_process(1);
    for _ in 0..3 {
        assert_eq!(server.ask(&question(&foreign)).0, 503);
    }
    assert_eq!(mute.connected(), 3);
    for _ in 0..100 {
        assert_eq!(server.ask(&question(&foreign)).0, 503);
    }
    assert_eq!(mute.connected(), 0, "it was asked again");
    drop(mute);
    let second = Second::start(RUN, true, clock, &address);
    let begun = Instant::now();
    while server.ask(&question(&foreign)).0 != 200 {
        assert!(begun.elapsed() < LONG, "it is asked no more");
        server.look();
        // What is asked in between goes on only while the runtime does.
        server.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
    assert!(second.asked.load(Relaxed) > 0);
}

/// A process that answers with `body`, whatever it is asked.
fn liar(code: u16, body: Vec<u8>) -> HttpServer {
    let code = axum::http::StatusCode::from_u16(code).unwrap();
    let answer = move || {
        let body = body.clone();
        async move { (code, body) }
    };
    let make = move |_| axum::Router::new().route("/rows", post(answer));
    let at = (([127, 0, 0, 1], 0).into(), HostNames::default());
    HttpServer::with_router("liar", 16, at, make).unwrap()
}

#[test]
fn an_answer_that_is_none_to_what_was_asked_is_503_and_tells_no_row() {
    let foreign = of_process(1)[..1].to_vec();
    let whole = r#"{"as_of":9,"stale":null,"incomplete":null,"groups":[[[8,[4]],[8,[5]]]]}"#;
    let answered = |code: u16, body: &str| {
        let liar = liar(code, body.as_bytes().to_vec());
        let server = first(liar.address().to_string(), now(), false, LONG);
        server.ask(&question(&foreign))
    };
    let (code, answer) = answered(200, whole);
    assert_eq!((code, &answer["results"][1]["values"]), (200, &json!([4])), "{answer}");
    let cut = (0..whole.len()).step_by(7).map(|end| whole[..end].to_owned());
    let others = [
        whole.replace("9", "null"),
        whole.replace("[8,[5]]", "[8,[5]],null"),
        whole.replace(",[8,[5]]", ""),
        whole.replace("[5]", "[]"),
        whole.replace("[[[8", "[[],[[8"),
        whole.replace("\"incomplete\":null", "\"incomplete\":\"?\""),
        "[]".to_owned(),
    ];
    for body in cut.chain(others) {
        let (code, why) = answered(200, &body);
        assert!(code == 503 && why.to_string().contains("process 1 at"), "{body}: {code} {why}");
    }
    for code in [404, 421, 500] {
        let (told, why) = answered(code, whole);
        assert!(told == 503 && why.to_string().contains(&code.to_string()), "{told} {why}");
    }
    let (code, why) = answered(429, r#"{"error":"too many"}"#);
    assert!(code == 503 && why.to_string().contains("too many"), "{code} {why}");
}

#[test]
fn garbage_to_the_path_of_processes_is_refused_and_they_are_answered_all_the_same() {
    let second = Second::start(RUN, true, now(), "127.0.0.1:0");
    let url = format!("http://{}/rows", second.address());
    let agent: ureq::Agent =
        ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().new_agent();
    let post = |run: Option<&str>, body: &[u8]| {
        let request = agent.post(&url);
        let request = match run {
            Some(run) => request.header(crate::http::RUN_HEADER, run),
            None => request,
        };
        let mut answer = request.send(body).ok()?;
        Some((answer.status().as_u16(), answer.body_mut().read_to_string().unwrap()))
    };
    let long = vec![b' '; 12_000_000];
    // Who goes on sending may be cut off before the answer is read.
    assert!(post(Some(RUN), &long).is_none_or(|(code, _)| code == 413));
    let post = |run, body: &[u8]| post(run, body).unwrap();
    let id = of_process(1).swap_remove(0);
    let own = of_process(0).swap_remove(0);
    let asked = json!({
        "groups": [{"entity": 0, "views": [0, 1], "features": [[0, 2], []], "ids": [id]}],
        "positions": false, "stale_after": 86_400_000, "behind_max": 60_000,
    });
    let right = asked.to_string();
    let (code, told) = post(Some(RUN), right.as_bytes());
    assert!(code == 200 && told.contains("\"groups\":[[[17"), "{code} {told}");
    for run in [None, Some(""), Some("another")] {
        assert_eq!(post(run, right.as_bytes()).0, 409, "{run:?}");
    }
    assert_eq!(post(Some(RUN), right.replace(&id, &own).as_bytes()).0, 409);
    let with = |key: &str, value: Json| {
        let mut asked = asked.clone();
        asked["groups"][0][key] = value;
        post(Some(RUN), asked.to_string().as_bytes())
    };
    // Places that the job does not have are rows that are not there.
    assert_eq!(with("entity", json!(usize::MAX)).0, 200);
    assert_eq!(with("views", json!([usize::MAX, 9])).0, 200);
    assert_eq!(with("features", json!([[usize::MAX], [3]])).0, 200);
    assert_eq!(with("features", json!([[0]])).0, 400);
    let features = json!([vec![0; 3_000], Vec::<usize>::new()]);
    let mut many = asked.clone();
    many["groups"][0]["features"] = features;
    many["groups"][0]["ids"] = json!(vec![&id; 1_001]);
    assert_eq!(post(Some(RUN), many.to_string().as_bytes()).0, 400);
    let mut random = SmallRng::seed_from_u64(35);
    for _ in 0..FUZZED_BODIES / 10 {
        let mut body = right.clone().into_bytes();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..body.len());
            match random.random_range(0..3) {
                0 => body[at] = random.random(),
                1 => body.truncate(at.max(1)),
                _ => body.insert(at, random.random()),
            }
        }
        let (code, told) = post(Some(RUN), &body);
        assert!(matches!(code, 200 | 400 | 409), "{code} {told}");
    }
    assert_eq!(post(Some(RUN), right.as_bytes()), (200, told));
}
