use super::*;
use crate::http::{Component, FeatureRow, Health, Part, Readiness, RowAnswer, State};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use tidemark_operators::value::Value;

/// A job that answers from constants.
#[derive(Default)]
struct Stub {
    stalled: AtomicBool,
    redis_down: AtomicBool,
    ready: AtomicBool,
}

impl Introspect for Stub {
    fn metrics(&self) -> String {
        "# HELP up Up.\n# TYPE up gauge\nup 1\n".to_owned()
    }

    fn health(&self) -> Health {
        let component = |name: &str, kind, bad: bool, state, reason: &str| Component {
            name: name.to_owned(),
            kind,
            state: if bad { state } else { State::Ok },
            reason: if bad { reason.to_owned() } else { String::new() },
        };
        let stalled = self.stalled.load(Ordering::SeqCst);
        let down = self.redis_down.load(Ordering::SeqCst);
        Health {
            job: "fraud".to_owned(),
            uptime_ms: 5,
            components: vec![
                component("0", Part::Worker, stalled, State::Stalled, "has not stepped"),
                component("online (redis)", Part::Sink, down, State::Down, "connection refused"),
            ],
        }
    }

    fn readiness(&self) -> Readiness {
        let ready = self.ready.load(Ordering::SeqCst);
        Readiness { ready, reason: (!ready).then(|| "reading".to_owned()), partitions: Vec::new() }
    }

    fn row(&self, view: &str, id: &str) -> RowAnswer {
        match (view, id) {
            ("transaction_stats_5m", "c/1 ü") => RowAnswer::Row(FeatureRow {
                view: view.to_owned(),
                entity_type: "card".to_owned(),
                entity_id: id.to_owned(),
                as_of: 1_700_000_000_000,
                complete_from: None,
                features: vec![
                    ("txn_count_5m".to_owned(), Value::Int(3)),
                    ("amount_avg_5m".to_owned(), Value::Null),
                    ("amount_sum_5m".to_owned(), Value::Double(0.1)),
                    ("is_weekend".to_owned(), Value::Bool(true)),
                    ("last_mcc".to_owned(), Value::Text("60\"51".to_owned())),
                ],
            }),
            ("transaction_stats_5m", "panic") => panic!("a defect"),
            ("transaction_stats_5m", "later") => RowAnswer::Unavailable("redis is away".to_owned()),
            ("transaction_stats_5m", _) => RowAnswer::NoRow { as_of: 7 },
            _ => RowAnswer::UnknownView { nearest: Some("transaction_stats_5m".to_owned()) },
        }
    }
}

fn start(stub: Arc<Stub>) -> HttpServer {
    HttpServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), stub).unwrap()
}

/// One request; its status and body.
fn request(server: &HttpServer, method: &str, path: &str) -> (u16, String) {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn get(server: &HttpServer, path: &str) -> (u16, String) {
    request(server, "GET", path)
}

#[test]
fn a_row_shows_its_features_in_job_order_with_nulls() {
    let server = start(Arc::default());
    let (code, body) = get(&server, "/features/transaction_stats_5m/c%2F1%20%C3%BC");
    assert_eq!(code, 200);
    assert_eq!(
        body,
        concat!(
            r#"{"view":"transaction_stats_5m","entity_type":"card","entity_id":"c/1 ü","#,
            r#""as_of":1700000000000,"complete_from":null,"features":{"txn_count_5m":3,"#,
            r#""amount_avg_5m":null,"amount_sum_5m":0.1,"is_weekend":true,"last_mcc":"60\"51"}}"#,
            "\n"
        )
    );
}

#[test]
fn a_missing_row_and_an_unknown_view_are_told_apart() {
    let server = start(Arc::default());
    let (code, body) = get(&server, "/features/transaction_stats_5m/nobody");
    assert_eq!(code, 404);
    assert!(body.contains("no row for") && body.contains("empty values"), "{body}");
    let (code, body) = get(&server, "/features/transaction_stat_5m/c1");
    assert_eq!(code, 404);
    assert!(body.contains(r#"did you mean \"transaction_stats_5m\"?"#), "{body}");
    assert_eq!(get(&server, "/features/transaction_stats_5m/later").0, 503);
}

#[test]
fn health_is_503_only_when_a_worker_is_stalled() {
    let stub = Arc::new(Stub::default());
    let server = start(Arc::clone(&stub));
    let (code, body) = get(&server, "/health");
    assert!(code == 200 && body.starts_with(r#"{"status":"ok","job":"fraud""#), "{body}");
    stub.redis_down.store(true, Ordering::SeqCst);
    let (code, body) = get(&server, "/health");
    assert!(code == 200 && body.contains(r#""status":"degraded""#), "{body}");
    assert!(body.contains("connection refused"), "{body}");
    stub.stalled.store(true, Ordering::SeqCst);
    let (code, body) = get(&server, "/health");
    assert!(code == 503 && body.contains(r#""status":"stalled""#), "{body}");
}

#[test]
fn ready_is_503_until_caught_up() {
    let stub = Arc::new(Stub::default());
    let server = start(Arc::clone(&stub));
    assert_eq!(get(&server, "/ready").0, 503);
    stub.ready.store(true, Ordering::SeqCst);
    assert_eq!(get(&server, "/ready").0, 200);
}

#[test]
fn unknown_paths_other_methods_and_defects_get_an_answer() {
    let server = start(Arc::default());
    assert_eq!(get(&server, "/metrics").1, Stub::default().metrics());
    assert!(get(&server, "/").1.contains("/features/{view}/{id}"));
    assert_eq!(get(&server, "/nothing").0, 404);
    assert_eq!(request(&server, "POST", "/health").0, 405);
    assert_eq!(get(&server, "/features/transaction_stats_5m/panic").0, 500);
    assert_eq!(get(&server, "/health").0, 200);
}

#[test]
fn a_port_in_use_is_named_with_the_setting_that_changes_it() {
    let server = start(Arc::default());
    let error = HttpServer::start(server.address(), Arc::new(Stub::default())).unwrap_err();
    let port = server.address().port();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on 127.0.0.1:{port}: port {port} is in use")
    );
    assert!(error.hint().contains("HEALTH_CHECK_PORT"));
}

#[test]
fn dropping_the_server_frees_the_port() {
    let server = start(Arc::default());
    let address = server.address();
    drop(server);
    drop(HttpServer::start(address, Arc::new(Stub::default())).unwrap());
}
