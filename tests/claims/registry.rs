//! The schema registry's client, against a registry that is not ours, and the folder instead of one.

mod folder;
mod front;
mod topic;

use crate::folder::Folder;
use crate::redis_server::free_port;
use crate::servers::Server;
use front::{Front, Mode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tidemark::config::Secret;
use tidemark::registry::{
    Credential, Credentials, Registry, RegistryConfig, RegistryLimits, RegistrySchemas,
    RegistryStatus, RequestOutcome, TlsFiles,
};
use tidemark_operators::ingest::schemas::{Schema, Schemas};

/// Far more than anything here takes; only a hang reaches it.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3_600);

pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Quick pauses, and no verdict in this test's lifetime.
fn config(url: &str) -> RegistryConfig {
    let limits = RegistryLimits {
        backoff_first: Duration::from_millis(5),
        backoff_max: Duration::from_millis(50),
        unknown_again: Duration::from_millis(50),
        ..RegistryLimits::default()
    };
    let urls = vec![url.to_owned()];
    RegistryConfig { urls, schema_wait: NEVER, limits, ..RegistryConfig::default() }
}

/// Registers a schema as its producers would; returns its id.
pub fn register(url: &str, subject: &str, body: &Value) -> u32 {
    let answer = ureq::post(format!("{url}/subjects/{subject}/versions"))
        .header("Content-Type", "application/vnd.schemaregistry.v1+json")
        .send(body.to_string());
    let text = answer.unwrap().body_mut().read_to_string().unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    u32::try_from(answer["id"].as_u64().unwrap()).unwrap()
}

fn register_avro(url: &str, subject: &str, schema: &Value) -> u32 {
    register(url, subject, &json!({ "schema": schema.to_string() }))
}

fn record(name: &str) -> Value {
    json!({"type": "record", "name": name, "fields": [{"name": "id", "type": "string"}]})
}

/// A worker's handle, and how often it was woken.
struct Worker {
    schemas: RegistrySchemas,
    woken: Arc<AtomicU64>,
}

impl Worker {
    fn new(registry: &Registry) -> Worker {
        let woken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&woken);
        let schemas = registry.schemas(Arc::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        }));
        Worker { schemas, woken }
    }

    fn asks(&mut self, id: u32) -> Schema {
        self.schemas.schema(id)
    }

    /// What is known of `id` once it is settled.
    fn settled(&mut self, id: u32) -> Schema {
        until("a schema", || self.asks(id) != Schema::Pending);
        self.asks(id)
    }

    fn text(&mut self, id: u32) -> Value {
        match self.settled(id) {
            Schema::Known(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn reason(&mut self, id: u32) -> String {
        match self.settled(id) {
            Schema::Unknown(reason) => reason.to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn count(status: &RegistryStatus, outcome: RequestOutcome) -> u64 {
    let counts: BTreeMap<_, _> = status.requests.iter().copied().collect();
    counts[&outcome]
}

/// Waits until the registry was asked `times` more with this outcome.
fn after(registry: &Registry, outcome: RequestOutcome, times: u64) -> RegistryStatus {
    let before = count(&registry.status(), outcome);
    until("requests", || count(&registry.status(), outcome) >= before + times);
    registry.status()
}

#[test]
fn a_schema_is_asked_for_once_for_all_workers_and_all_are_woken() {
    let server = Server::start("registry", &[]);
    let front = Front::start(server.value("PORT"));
    let one = register_avro(server.value("URL"), "a-value", &record("A"));
    let two = register_avro(server.value("URL"), "b-value", &record("B"));
    let registry = Registry::start(&config(&front.url())).unwrap();
    assert!(front.requests().is_empty(), "nobody has asked yet");

    let mut workers: Vec<_> = (0..3).map(|_| Worker::new(&registry)).collect();
    for worker in &mut workers {
        for id in [one, two] {
            assert_eq!(worker.asks(id), Schema::Pending);
        }
    }
    for worker in &mut workers {
        until("the wakers", || worker.woken.load(Ordering::Relaxed) >= 2);
        assert_eq!(worker.text(one), record("A"));
        assert_eq!(worker.text(two), record("B"));
    }
    let mut late = Worker::new(&registry);
    assert!(matches!(late.asks(one), Schema::Known(_)), "it is there already");
    let mut asked = front.requests();
    asked.sort();
    assert_eq!(asked, [format!("/schemas/ids/{one}"), format!("/schemas/ids/{two}")]);
    let status = registry.status();
    assert_eq!((status.known, status.pending, status.unknown), (2, 0, 0));
    assert_eq!(count(&status, RequestOutcome::Ok), 2);
    assert_eq!((status.error, status.last_error_age), (None, None));
}

#[test]
fn an_id_that_the_registry_gets_within_schema_wait_is_known() {
    let server = Server::start("registry", &[]);
    let registry = Registry::start(&config(server.value("URL"))).unwrap();
    let mut worker = Worker::new(&registry);
    assert_eq!(worker.asks(1), Schema::Pending);
    let status = after(&registry, RequestOutcome::Missing, 3);
    assert_eq!((status.pending, status.denied, status.error), (1, Some(1), None));
    assert_eq!(worker.asks(1), Schema::Pending);
    assert_eq!(register_avro(server.value("URL"), "a-value", &record("A")), 1);
    assert_eq!(worker.text(1), record("A"));
}

#[test]
fn an_id_that_stays_away_for_schema_wait_is_unknown_until_the_registry_has_it() {
    let server = Server::start("registry", &[]);
    let wait = Duration::from_millis(200);
    let patient = RegistryConfig { schema_wait: wait, ..config(server.value("URL")) };
    let registry = Registry::start(&patient).unwrap();
    let mut worker = Worker::new(&registry);
    let start = Instant::now();
    let reason = worker.reason(1);
    assert!(start.elapsed() >= wait);
    let expected = format!(
        "the schema registry {} has no schema 1 (asked again for 200ms)",
        server.value("URL")
    );
    assert_eq!(reason, expected);
    assert!(worker.woken.load(Ordering::Relaxed) >= 1);
    // Records that come now are not held up, and once it is there they are decoded.
    assert!(count(&registry.status(), RequestOutcome::Missing) >= 2);
    register_avro(server.value("URL"), "a-value", &record("A"));
    until("the schema", || match worker.asks(1) {
        Schema::Known(_) => true,
        Schema::Unknown(again) => {
            assert_eq!(*again, *reason);
            false
        }
        Schema::Pending => panic!("it has been judged"),
    });
}

#[test]
fn a_registry_that_is_not_there_is_waited_for() {
    let port = free_port().to_string();
    let url = format!("http://127.0.0.1:{port}");
    let impatient = RegistryConfig { schema_wait: Duration::ZERO, ..config(&url) };
    let registry = Registry::start(&impatient).unwrap();
    let mut worker = Worker::new(&registry);
    assert_eq!(worker.asks(1), Schema::Pending);
    let status = after(&registry, RequestOutcome::Unreachable, 5);
    let error = status.error.unwrap();
    assert!(error.starts_with(&format!("could not ask {url}/schemas/ids/1: ")), "{error}");
    assert!(status.last_error_age.is_some());
    assert_eq!(worker.asks(1), Schema::Pending);

    let server = Server::start("registry", &["--port", &port]);
    // With no schema in it yet, it denies the id, which is no trouble.
    assert!(worker.reason(1).contains("has no schema 1"));
    assert_eq!(registry.status().error, None);
    let id = register_avro(server.value("URL"), "a-value", &record("A"));
    until("the schema", || matches!(worker.asks(id), Schema::Known(_)));

    // What is known needs no registry.
    server.stop(true);
    assert_eq!(worker.text(id), record("A"));
    assert_eq!(worker.asks(9), Schema::Pending);
    after(&registry, RequestOutcome::Unreachable, 3);
    assert_eq!(worker.asks(9), Schema::Pending);
}

#[test]
fn an_answer_that_says_nothing_about_the_schema_leaves_its_records_waiting() {
    let server = Server::start("registry", &[]);
    let front = Front::start(server.value("PORT"));
    let url = front.url();
    let impatient = RegistryConfig {
        schema_wait: Duration::ZERO,
        timeout: Duration::from_millis(200),
        ..config(&url)
    };
    let registry = Registry::start(&impatient).unwrap();
    let mut worker = Worker::new(&registry);
    let answers = [
        (
            Mode::Answer(401, "{\"error_code\":40101,\"message\":\"who?\"}"),
            RequestOutcome::Unauthorized,
        ),
        (Mode::Answer(403, "no"), RequestOutcome::Forbidden),
        (Mode::Answer(429, ""), RequestOutcome::Throttled),
        (
            Mode::Answer(500, "{\"error_code\":50001,\"message\":\"oh\"}"),
            RequestOutcome::ServerError,
        ),
        (Mode::Answer(503, "<html>"), RequestOutcome::ServerError),
        (Mode::Answer(404, "<html>not here</html>"), RequestOutcome::Unexpected),
        (Mode::Answer(302, ""), RequestOutcome::Unexpected),
        (Mode::Hang, RequestOutcome::Timeout),
        (Mode::Trickle, RequestOutcome::Timeout),
        // Compressed, which nobody has asked for.
        (Mode::Bytes(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0]), RequestOutcome::Unexpected),
        (Mode::Close, RequestOutcome::Unreachable),
    ];
    for (number, (mode, outcome)) in (1..).zip(answers) {
        let shown = format!("{mode:?}");
        let status = match &mode {
            Mode::Answer(status, _) => format!("answered {status}"),
            _ => "could not ask".to_owned(),
        };
        front.set(mode);
        let id = register_avro(server.value("URL"), "a", &record(&format!("R{number}")));
        assert_eq!(worker.asks(id), Schema::Pending);
        let error = after(&registry, outcome, 3).error.unwrap();
        assert!(error.contains(&url) && error.contains(&status), "{shown}: {error}");
        assert_eq!(worker.asks(id), Schema::Pending, "{shown}");
        front.set(Mode::Pass);
        assert_eq!(worker.text(id), record(&format!("R{number}")), "{shown}");
        assert_eq!(registry.status().error, None);
    }
    // A 200 of somebody else.
    for body in [&b"<html>welcome</html>"[..], b"{\"schema\":7}", b"{\"schema\":", b"[]", b""] {
        front.set(Mode::Bytes(body));
        assert_eq!(worker.asks(77), Schema::Pending);
        until("an error", || {
            let error = registry.status().error.unwrap_or_default();
            error.contains("not one of a schema registry")
        });
        assert_eq!(worker.asks(77), Schema::Pending);
        // It is asked for again, with the same end.
        let asked = front.requests().len();
        until("another request", || front.requests().len() > asked + 1);
        assert_eq!(worker.asks(77), Schema::Pending);
        front.set(Mode::Answer(404, "{\"error_code\":404}"));
        until("another error", || {
            registry.status().error.is_some_and(|error| error.contains("answered 404"))
        });
    }
}

#[test]
fn a_server_that_does_not_answer_is_made_up_for_by_the_next() {
    let server = Server::start("registry", &[]);
    let front = Front::start(server.value("PORT"));
    front.set(Mode::Answer(500, ""));
    let id = register_avro(server.value("URL"), "a", &record("A"));
    let dead = format!("http://127.0.0.1:{}", free_port());
    let urls = vec![dead, front.url(), format!("{}/", server.value("URL"))];
    let registry = Registry::start(&RegistryConfig { urls, ..config("") }).unwrap();
    let mut worker = Worker::new(&registry);
    assert_eq!(worker.text(id), record("A"));
    let other = register_avro(server.value("URL"), "b", &record("B"));
    assert_eq!(worker.text(other), record("B"));
    let status = registry.status();
    let counts = [RequestOutcome::Unreachable, RequestOutcome::ServerError, RequestOutcome::Ok];
    assert_eq!(counts.map(|outcome| count(&status, outcome)), [1, 1, 2], "it stays with the last");
}

fn basic(password: Credential) -> Credentials {
    Credentials::Basic { user: "ann".to_owned(), password: Some(password) }
}

fn text(secret: &str) -> Credential {
    Credential::Text(Secret::new(secret))
}

#[test]
fn wrong_credentials_wait_and_are_never_shown_and_a_new_file_is_enough() {
    let server = Server::start("registry", &["--basic", "ann:right-hunter2"]);
    let url = server.value("URL");
    // Nothing is in it, so who is let in is told that there is no such schema.
    let with = |credentials| RegistryConfig { credentials, ..config(url) };
    let right = Registry::start(&with(basic(text("right-hunter2")))).unwrap();
    assert_eq!(Worker::new(&right).asks(1), Schema::Pending);
    assert_eq!(after(&right, RequestOutcome::Missing, 1).error, None);

    let nobody = Registry::start(&with(Credentials::None)).unwrap();
    assert_eq!(Worker::new(&nobody).asks(1), Schema::Pending);
    let error = after(&nobody, RequestOutcome::Unauthorized, 2).error.unwrap();
    assert!(error.contains("answered 401"), "{error}");

    let folder = Folder::new("registry");
    let file = folder.path().join("password");
    std::fs::write(&file, "wrong-hunter2\n").unwrap();
    let wrong = with(basic(Credential::File(file.clone())));
    let registry = Registry::start(&wrong).unwrap();
    assert_eq!(Worker::new(&registry).asks(1), Schema::Pending);
    let error = after(&registry, RequestOutcome::Forbidden, 2).error.unwrap();
    assert!(error.contains("answered 403") && !error.contains("hunter2"), "{error}");
    assert!(!format!("{:?}", with(basic(text("hunter2")))).contains("hunter2"));
    std::fs::write(&file, "right-hunter2\n").unwrap();
    assert_eq!(after(&registry, RequestOutcome::Missing, 1).error, None);

    std::fs::remove_file(&file).unwrap();
    until("an error", || registry.status().error.is_some());
    let error = registry.status().error.unwrap();
    assert!(error.contains(&file.display().to_string()), "{error}");
    let error = Registry::start(&wrong).err().unwrap().to_string();
    assert!(error.contains("the file with the password"), "{error}");
}

#[test]
fn a_token_signs_in() {
    let server = Server::start("registry", &["--bearer", "t0ken"]);
    let credentials = Credentials::Bearer(text("t0ken"));
    let registry = Registry::start(&RegistryConfig { credentials, ..config(server.value("URL")) });
    let registry = registry.unwrap();
    assert_eq!(Worker::new(&registry).asks(1), Schema::Pending);
    assert_eq!(after(&registry, RequestOutcome::Missing, 1).error, None);
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("cannot run openssl ({e}); run scripts/setup"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn tls_needs_the_authority_and_shows_a_certificate_when_one_is_asked_for() {
    let folder = Folder::new("registry");
    let path = |name: &str| folder.path().join(name);
    let shown = |name: &str| path(name).display().to_string();
    let (key, certificate) = (shown("key.pem"), shown("cert.pem"));
    let made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=me"];
    openssl(&[made.as_slice(), &["-keyout", &key, "-out", &certificate]].concat());
    let server = Server::start("registry", &["--tls", "--client-ca", &certificate]);
    let with = |tls| RegistryConfig { tls, ..config(server.value("URL")) };
    let ca = || Some(server.value("CA").into());
    let client = Some((path("cert.pem"), path("key.pem")));

    let registry = Registry::start(&with(TlsFiles { ca: ca(), client: client.clone() })).unwrap();
    assert_eq!(Worker::new(&registry).asks(1), Schema::Pending);
    assert_eq!(after(&registry, RequestOutcome::Missing, 1).error, None);
    for tls in [TlsFiles { ca: None, client }, TlsFiles { ca: ca(), client: None }] {
        let registry = Registry::start(&with(tls)).unwrap();
        assert_eq!(Worker::new(&registry).asks(1), Schema::Pending);
        let error = after(&registry, RequestOutcome::Unreachable, 2).error.unwrap();
        assert!(error.contains("could not ask https://"), "{error}");
    }
    let wrong = TlsFiles { ca: Some(path("key.pem")), client: None };
    let error = Registry::start(&with(wrong)).err().unwrap().to_string();
    assert!(error.contains("key.pem") && error.contains("no certificate"), "{error}");
    let wrong = TlsFiles { ca: None, client: Some((path("cert.pem"), path("cert.pem"))) };
    let error = Registry::start(&with(wrong)).err().unwrap().to_string();
    assert!(error.contains("cert.pem") && error.contains("no key"), "{error}");
}

#[test]
fn a_schema_that_refers_to_others_becomes_one_that_stands_for_itself() {
    let server = Server::start("registry", &[]);
    let url = server.value("URL");
    let currency =
        json!({"type": "enum", "name": "Currency", "namespace": "pay", "symbols": ["EUR"]});
    register_avro(url, "pay%2Fcurrency", &currency);
    let money = json!({"type": "record", "name": "pay.Money", "fields": [
        {"name": "currency", "type": "pay.Currency"}, {"name": "minor", "type": "long"},
    ]});
    let to = |name: &str, subject: &str| json!([{"name": name, "subject": subject, "version": 1}]);
    let references = to("pay.Currency", "pay/currency");
    let schema = money.to_string();
    register(url, "money", &json!({"schema": schema, "references": references}));
    let event = json!({"type": "record", "name": "shop.Order", "fields": [
        {"name": "price", "type": "pay.Money"},
        {"name": "fee", "type": ["null", "pay.Money"]},
    ]});
    let schema = event.to_string();
    let references = to("pay.Money", "money");
    let id = register(url, "orders", &json!({"schema": schema, "references": references}));

    let registry = Registry::start(&config(url)).unwrap();
    let mut worker = Worker::new(&registry);
    let money = json!({"type": "record", "name": "Money", "namespace": "pay", "fields": [
        {"name": "currency", "type": currency}, {"name": "minor", "type": "long"},
    ]});
    let whole = json!({"type": "record", "name": "shop.Order", "fields": [
        {"name": "price", "type": money},
        {"name": "fee", "type": ["null", "pay.Money"]},
    ]});
    assert_eq!(worker.text(id), whole);
    assert_eq!(count(&registry.status(), RequestOutcome::Ok), 3);
}

#[test]
fn what_is_not_avro_is_unknown_at_once_and_not_asked_for_again() {
    let server = Server::start("registry", &[]);
    let url = server.value("URL");
    let schema = json!({"schema": "{\"type\":\"object\"}", "schemaType": "JSON"});
    let id = register(url, "json", &schema);
    let registry = Registry::start(&config(url)).unwrap();
    let mut worker = Worker::new(&registry);
    let reason = worker.reason(id);
    assert_eq!(reason, "schema 1 cannot be used: schema 1 is \"JSON\", not \"AVRO\"");
    std::thread::sleep(Duration::from_millis(120));
    assert!(matches!(worker.asks(id), Schema::Unknown(_)));
    assert_eq!(count(&registry.status(), RequestOutcome::Ok), 1);

    let limits = RegistryLimits { schema_bytes_max: 10, ..config(url).limits };
    let registry = Registry::start(&RegistryConfig { limits, ..config(url) }).unwrap();
    let reason = Worker::new(&registry).reason(id);
    assert_eq!(reason, "schema 1 cannot be used: it is longer than 10 bytes");
}

#[test]
fn a_body_without_an_end_and_references_in_a_circle_come_to_an_end() {
    let front = Front::start("1");
    let registry = Registry::start(&config(&front.url())).unwrap();
    let mut worker = Worker::new(&registry);
    front.set(Mode::Endless);
    let reason = worker.reason(1);
    assert!(reason.contains("it is longer than 4194304 bytes"), "{reason}");
    // Every schema there is, is this one, and refers to itself.
    front.set(Mode::Bytes(
        br#"{"schema":"{\"type\":\"record\",\"name\":\"L\",\"fields\":[{\"name\":\"l\",\"type\":[\"null\",\"L\"]}]}",
            "references":[{"name":"L","subject":"loop","version":1}]}"#,
    ));
    let fields = json!([{"name": "l", "type": ["null", "L"]}]);
    assert_eq!(worker.text(2), json!({"type": "record", "name": "L", "fields": fields}));
    let paths = ["/schemas/ids/1", "/schemas/ids/2", "/subjects/loop/versions/1?deleted=true"];
    let mut requests = front.requests();
    // One that is answered late is asked for once more.
    requests.dedup();
    assert_eq!(requests, paths);
}
