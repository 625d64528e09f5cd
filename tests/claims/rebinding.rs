//! No page of another site reads or changes anything of a running job, whatever its name is made to mean;
//! and nobody else is kept away.

use crate::browser::Browser;
use crate::folder::Folder;
use crate::redis_server::free_port;
use crate::run::{Process, get, settings, until};
use crate::serving::FromRedis;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;

/// A job that waits for its brokers and answers all the same, with this in `[http]`.
fn job(folder: &Folder, http: &str) -> Process {
    settings(folder.path(), &format!("[http]\n{http}\n"));
    let nobody = format!("127.0.0.1:{}", free_port());
    let job = Process::start(folder.path(), "fraud", &[("KAFKA_BOOTSTRAP_SERVERS", &nobody)]);
    until("the job to answer", || get(job.port(), "/health").is_some());
    job
}

/// Code and body of a request with these lines in its head.
fn ask(port: u16, line: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\n{head}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

const PATHS: [&str; 9] = [
    "/",
    "/page/page.js",
    "/overview",
    "/metrics",
    "/health",
    "/ready",
    "/settings",
    "/nothing",
    "/features/transaction_stats_5m/card_1",
];

#[test]
fn under_a_name_that_somebody_may_own_nothing_is_answered_and_the_setting_is_named() {
    let folder = Folder::new("rebinding");
    let job = job(&folder, "");
    for path in PATHS {
        for host in ["evil.example", "127.0.0.1.evil.example:8088", "tidemark.evil.example"] {
            let (code, body) =
                ask(job.port(), &format!("GET {path}"), &format!("Host: {host}\r\n"), "");
            assert_eq!(code, 421, "{host} {path}: {body}");
            assert!(body.contains(host) && body.contains("\\\"names\\\" in [http]"), "{body}");
        }
    }
    let port = job.port();
    for (line, head) in [
        ("GET /health", "Host: evil.example\r\nHost: localhost\r\n"),
        ("GET http://evil.example/health", "Host: localhost\r\n"),
        ("GET /health", "Host: \u{e9}vil\r\n"),
        ("POST /log", "Host: evil.example\r\n"),
    ] {
        let (code, body) = ask(port, line, head, "");
        assert!([400, 421].contains(&code), "{line} {head:?}: {code} {body}");
    }
    let long = format!("Host: {}.example\r\n", "x".repeat(5_000));
    let (code, body) = ask(port, "GET /health", &long, "");
    assert!(code == 421 && body.len() < 600, "{code} {body}");
    assert_eq!(job.json("/log").1, json!({"level": "info"}));
}

#[test]
fn probes_scrapers_and_services_are_answered_by_address_and_by_name() {
    let folder = Folder::new("rebinding");
    let job = job(&folder, "names = \"metrics.example.com, *.prod.example.com\"");
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for host in [
        "10.244.1.7:8088",
        "[::1]:8088",
        "localhost:8088",
        "tidemark:8088",
        own.trim(),
        "tidemark-0.tidemark.jobs.svc.cluster.local:8088",
        "tidemark.jobs.svc",
        "metrics.example.com",
        "a.prod.example.com:443",
    ] {
        let (code, body) = ask(job.port(), "GET /health", &format!("Host: {host}\r\n"), "");
        assert_eq!(code, 200, "{host}: {body}");
    }
    let (code, _) = ask(job.port(), "GET /health", "Host: prod.example.com\r\n", "");
    assert_eq!(code, 421);
    // One that is of no browser: it names nobody.
    let mut stream = TcpStream::connect(("127.0.0.1", job.port())).unwrap();
    stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.0 200") && text.contains("nosniff"), "{text}");
}

#[test]
fn a_page_changes_nothing_whichever_it_is() {
    let folder = Folder::new("rebinding");
    let job = job(&folder, "");
    let own = format!("http://127.0.0.1:{}", job.port());
    for origin in ["https://elsewhere.example", "null", own.as_str()] {
        let head = format!("Host: 127.0.0.1\r\nOrigin: {origin}\r\n");
        let (code, body) = ask(job.port(), "POST /log", &head, "trace");
        assert!(code == 403 && body.contains("no page of a browser"), "{origin}: {code} {body}");
    }
    assert_eq!(job.json("/log").1, json!({"level": "info"}));
    assert_eq!(ask(job.port(), "POST /log", "Host: 127.0.0.1\r\n", "debug").0, 200);
    assert_eq!(job.json("/log").1, json!({"level": "debug"}));
}

/// Paths of the feature server.
const FEATURES: [&str; 6] =
    ["/health", "/ready", "/metrics", "/openapi.json", "/docs/", "/get-online-features"];

#[test]
fn the_feature_server_of_a_job_and_one_of_its_own_are_asked_by_the_same_names() {
    let folder = Folder::new("rebinding");
    let port = free_port();
    let serve = format!("names = \"*.prod.example.com\"\n[serve]\nenabled = true\nport = {port}");
    let _job = job(&folder, &serve);
    let nobody = format!("redis://127.0.0.1:{}", free_port());
    let own = FromRedis::start(folder.path(), &nobody);
    for port in [port, own.port] {
        until("the server to answer", || get(port, "/health").is_some());
        for path in FEATURES {
            for host in ["evil.example", "127.0.0.1.evil.example:6566", "prod.example.com"] {
                for method in ["GET", "POST"] {
                    let line = format!("{method} {path}");
                    let (code, body) = ask(port, &line, &format!("Host: {host}\r\n"), "{}");
                    assert_eq!(code, 421, "{host} {line}: {body}");
                    assert!(body.contains("\\\"names\\\" in [http]"), "{body}");
                }
            }
        }
        let question = r#"{"features": ["nothing:n"], "entities": {"card_id": ["a"]}}"#;
        let json = "Content-Type: application/json\r\n";
        for host in ["127.0.0.1:6566", "[::1]", "localhost", "features", "a.prod.example.com"] {
            let head = format!("Host: {host}\r\n{json}");
            assert_eq!(ask(port, "GET /health", &head, "").0, 200, "{host}");
            let (code, body) = ask(port, "POST /get-online-features", &head, question);
            assert!(code == 404 && body.contains("does not exist"), "{host}: {code} {body}");
        }
        let head = format!("Host: 127.0.0.1\r\nOrigin: http://127.0.0.1:{port}\r\n{json}");
        let (code, body) = ask(port, "POST /get-online-features", &head, question);
        assert!(code == 403 && body.contains("no page of a browser"), "{code} {body}");
    }
}

#[test]
fn a_real_browser_reads_nothing_for_a_name_that_was_made_to_mean_the_job_and_changes_nothing() {
    let folder = Folder::new("rebinding");
    let features = free_port();
    let serve = format!("[serve]\nenabled = true\nport = {features}");
    let job = job(&folder, &format!("names = \"good.example\"\n{serve}"));
    let port = job.port();
    // Both names mean this machine, as the browser is told.
    let mut browser = Browser::open(&format!("http://good.example:{port}/"));
    browser.until(
        "the page under a name that is allowed",
        "!!document.getElementById('sentence')?.textContent",
    );
    browser.go(&format!("http://evil.example:{port}/"));
    browser.until("the refusal", "document.body.innerText.includes('none of the names')");
    let read = "Promise.all(['/metrics', '/overview', '/settings', '/features/transaction_stats_5m/a']\
                .map((path) => fetch(path).then((answer) => answer.status)))";
    assert_eq!(browser.value(read), json!([421, 421, 421, 421]));
    browser.go(&format!("http://good.example:{features}/docs/"));
    browser.until("the features", "document.body.innerText.includes('transaction_stats_5m')");
    browser.go(&format!("http://evil.example:{features}/docs/"));
    browser.until("the refusal", "document.body.innerText.includes('none of the names')");
    let read = "Promise.all(['/metrics', '/openapi.json', '/get-online-features'].map((path) =>\
                fetch(path, { method: path === '/get-online-features' ? 'POST' : 'GET' })\
                .then((answer) => answer.status)))";
    assert_eq!(browser.value(read), json!([421, 421, 421]));
    // From there to the address itself: it is another site, which reads nothing and sets nothing.
    let at = format!("http://127.0.0.1:{port}");
    let read = format!("fetch('{at}/metrics').then((a) => a.text(), () => 'not read')");
    assert_eq!(browser.value(&read), Value::from("not read"));
    let set = format!(
        "fetch('{at}/log', {{ method: 'POST', mode: 'no-cors', body: 'trace' }}).then(() => 'sent', () => 'not sent')"
    );
    assert_eq!(browser.value(&set), Value::from("sent"));
    assert_eq!(job.json("/log").1, json!({"level": "info"}));
}
