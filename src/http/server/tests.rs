use super::*;
use crate::http::{Component, FeatureRow, Health, Part, Readiness, RowAnswer, RowQuestion, State};
use crate::peer_tls::IdentityFiles;
use crate::peer_tls::authority::{Authority, DAY};
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use tidemark_operators::value::Value;
use ureq::tls::{TlsConfig, TlsProvider};

/// A job that answers from constants.
#[derive(Default)]
struct Stub {
    stalled: AtomicBool,
    redis_down: AtomicBool,
    ready: AtomicBool,
    /// While it is set, `/metrics` has no answer.
    slow: AtomicBool,
    /// How long the text of `/metrics` is at least.
    length: usize,
}

impl Introspect for Stub {
    fn metrics(&self) -> String {
        while self.slow.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let text = "# HELP up Up.\n# TYPE up gauge\nup 1\n".to_owned();
        text + &"#".repeat(self.length)
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

    fn row(&self, asked: &RowQuestion) -> RowAnswer {
        let RowQuestion { view, id, positions, .. } = asked;
        let positions = positions.then(|| {
            let partitions = [(0, 12), (10, 7)].into_iter().collect();
            [("transactions".to_owned(), partitions)].into_iter().collect()
        });
        match (view.as_str(), id.as_str()) {
            ("transaction_stats_5m", "c/1 ü") => RowAnswer::Row(FeatureRow {
                view: view.to_owned(),
                entity_type: "card".to_owned(),
                entity_id: id.to_owned(),
                as_of: 1_700_000_000_000,
                complete_from: None,
                positions,
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
            ("transaction_stats_5m", _) => RowAnswer::NoRow { as_of: 7, positions },
            _ => RowAnswer::UnknownView { nearest: Some("transaction_stats_5m".to_owned()) },
        }
    }
}

fn start(stub: Arc<Stub>) -> HttpServer {
    HttpServer::start(SocketAddr::from(([127, 0, 0, 1], 0)), HostNames::default(), stub).unwrap()
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
fn an_id_may_stand_behind_the_path_whatever_is_in_it() {
    let server = start(Arc::default());
    let (code, body) = get(&server, "/features/transaction_stats_5m?id=c%2F1%20%C3%BC");
    assert!(code == 200 && body.contains(r#""entity_id":"c/1 ü""#), "{body}");
    let (code, body) = get(&server, "/features/transaction_stats_5m?id=");
    assert!(code == 404 && body.contains(r#"no row for \"\" in view"#), "{body}");
    for path in ["", "?", "?x=1", "?id=a&id=b", "?id=a&x=1"] {
        let (code, body) = get(&server, &format!("/features/transaction_stats_5m{path}"));
        assert!(code == 400 && body.contains("?id=ID"), "{path}: {code} {body}");
    }
}

#[test]
fn which_events_a_row_shows_is_told_where_it_is_asked() {
    let server = start(Arc::default());
    let (row, positions) =
        ("/features/transaction_stats_5m", r#""positions":{"transactions":{"0":12,"10":7}}"#);
    for path in [
        "/c%2F1%20%C3%BC?positions=true",
        "?id=c%2F1%20%C3%BC&positions=true",
        "?positions=true&id=x",
    ] {
        let (_, body) = get(&server, &format!("{row}{path}"));
        assert!(body.contains(positions), "{path}: {body}");
    }
    for path in ["/x", "/x?positions=false", "?id=x"] {
        let (_, body) = get(&server, &format!("{row}{path}"));
        assert!(!body.contains("positions"), "{path}: {body}");
    }
    for path in
        ["/x?positions=1", "/x?id=y", "?positions=true", "?id=x&positions=true&positions=true"]
    {
        assert_eq!(get(&server, &format!("{row}{path}")).0, 400, "{path}");
    }
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
    for path in ["/features/v/%ff", "/features/%ff?id=a", "/explain/%ff?id=a&feature=b"] {
        let (code, body) = get(&server, path);
        assert!(code == 400 && body.contains("\"a name in the path is no text\""), "{code} {body}");
    }
    assert_eq!(get(&server, "/features/transaction_stats_5m/panic").0, 500);
    assert_eq!(get(&server, "/health").0, 200);
}

#[test]
fn a_port_in_use_is_named_with_the_setting_that_changes_it() {
    let server = start(Arc::default());
    let error =
        HttpServer::start(server.address(), HostNames::default(), Arc::new(Stub::default()))
            .unwrap_err();
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
    drop(HttpServer::start(address, HostNames::default(), Arc::new(Stub::default())).unwrap());
}

const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs out of patience quickly.
fn start_small(stub: Arc<Stub>, connections_max: usize) -> HttpServer {
    let bounds = Bounds {
        connections_max,
        head_timeout: Duration::from_millis(300),
        write_timeout: Duration::from_millis(300),
        give_way_after: Duration::from_millis(20),
    };
    HttpServer::start_within(
        (bounds, None),
        (SocketAddr::from(([127, 0, 0, 1], 0)), HostNames::default()),
        (stub, None),
    )
    .unwrap()
}

fn open(server: &HttpServer, sent: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(sent.as_bytes()).unwrap();
    stream
}

/// The server has ended the connection; what it had sent is read before.
fn is_closed(stream: &mut std::net::TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn connections_that_do_nothing_do_not_keep_health_away() {
    let server = start(Arc::default());
    let kinds = ["", "GET /health HT", "GET / HTTP/1.1\r\nhost: x\r\n\r\n"];
    let idle: Vec<_> = (0..CONNECTIONS_MAX + 50).map(|at| open(&server, kinds[at % 3])).collect();
    for _ in 0..5 {
        assert_eq!(get(&server, "/health").0, 200);
    }
    assert!(idle.iter().all(|stream| stream.peer_addr().is_ok()));
}

#[test]
fn the_connection_whose_last_request_is_longest_ago_gives_way() {
    let stub = Arc::new(Stub::default());
    let bounds = Bounds { connections_max: 2, ..BOUNDS };
    let server = HttpServer::start_within(
        (bounds, None),
        (SocketAddr::from(([127, 0, 0, 1], 0)), HostNames::default()),
        (stub, None),
    )
    .unwrap();
    let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let (mut first, mut second) = (open(&server, request), open(&server, ""));
    first.read_exact(&mut [0; 64]).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    first.write_all(request.as_bytes()).unwrap();
    first.read_exact(&mut [0; 64]).unwrap();
    assert_eq!(get(&server, "/health").0, 200);
    assert!(is_closed(&mut second));
    first.write_all(request.as_bytes()).unwrap();
    first.read_exact(&mut [0; 64]).unwrap();
}

#[test]
fn idle_and_half_sent_connections_are_closed_after_their_time() {
    let server = start_small(Arc::default(), 100);
    let whole = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for sent in ["", "GET /health HTTP/1.1\r\nhos", whole] {
        assert!(is_closed(&mut open(&server, sent)), "{sent:?}");
    }
}

#[test]
fn an_answer_that_nobody_reads_is_given_up() {
    let stub = Stub { length: 64 << 20, ..Stub::default() };
    let server = start_small(Arc::new(stub), 100);
    let mut stream = open(&server, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n");
    // Far more than the kernel's buffers take, and far less than all of it.
    std::thread::sleep(Duration::from_secs(2));
    let mut buffer = vec![0; 1 << 20];
    let mut taken = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        taken += read;
    }
    assert!(taken < 64 << 20, "{taken}");
}

#[test]
fn metrics_that_take_long_do_not_keep_health_away() {
    let stub = Arc::new(Stub::default());
    let server = start(Arc::clone(&stub));
    stub.slow.store(true, Ordering::SeqCst);
    let waiting: Vec<_> =
        (0..20).map(|_| open(&server, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")).collect();
    assert_eq!(get(&server, "/health").0, 200);
    assert_eq!(get(&server, "/ready").0, 503);
    stub.slow.store(false, Ordering::SeqCst);
    for mut stream in waiting {
        stream.read_exact(&mut [0; 64]).unwrap();
    }
}

#[test]
fn processes_are_answered_over_tls_people_in_the_clear_and_who_has_no_certificate_not_over_tls() {
    let folder = std::env::temp_dir().join(format!("tidemark-http-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let made = Authority::new("http").issue((&folder, "own"), &["127.0.0.1"], DAY);
    let files = IdentityFiles { ca: made.ca, certificate: made.certificate, key: made.key };
    let identity = Arc::new(IdentitySource::read(files, "127.0.0.1").unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    let at = (SocketAddr::from(([127, 0, 0, 1], 0)), HostNames::default());
    let stub = Arc::new(Stub::default());
    let server = HttpServer::start_among(at, (stub, None), Some(&identity)).unwrap();
    let asks = |tls: TlsConfig| {
        let agent = ureq::Agent::config_builder().proxy(None).tls_config(tls).build().new_agent();
        let asked = agent.get(format!("https://{}/health", server.address())).call();
        asked.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    let with = identity.current().of_requests().unwrap();
    let roots = with.root_certs().clone();
    let provider = TlsProvider::NativeTls;
    let without = TlsConfig::builder().provider(provider).root_certs(roots).build();
    assert_eq!(asks(with), Ok(200));
    assert!(asks(without).is_err());
    // What only begins as TLS does keeps nobody away.
    let _stranger = open(&server, "\u{16}\u{3}\u{1}");
    assert_eq!(get(&server, "/health").0, 200);
}
