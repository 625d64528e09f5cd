//! Objects in a bucket of a service that is not ours.

use crate::folder::Folder;
use crate::servers::Server;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tidemark::objects::{
    Creation, ListedObject, NAME_BYTES_MAX, Objects, S3Objects, S3Settings, SecretKey,
};

/// The claims that every kind of store keeps.
#[path = "../../src/objects/tests/suite.rs"]
mod suite;

/// A service with an empty bucket of this name.
pub fn service_with(bucket: &str) -> Server {
    let server = Server::start("s3", &[]);
    let made = Command::new("curl")
        .args(["-sf", "-X", "PUT", &format!("{}/{bucket}", server.value("URL"))])
        .status();
    assert!(made.unwrap().success());
    server
}

/// A service with an empty bucket `state`.
fn service() -> Server {
    service_with("state")
}

pub fn settings(endpoint: &str) -> S3Settings {
    S3Settings {
        endpoint: Some(endpoint.to_owned()),
        path_style: true,
        access_key: Some("AKIDEXAMPLE".to_owned()),
        secret_key: Some(SecretKey::new("hunter2")),
        timeout: Duration::from_secs(20),
        pause: Duration::from_millis(1),
        ..S3Settings::default()
    }
}

/// What becomes of a request on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnTheWay {
    /// The service does not get it, and answers with trouble of its own.
    Unavailable,
    /// The service carries it out, and its answer is lost.
    Unanswered,
    /// The service carries it out, and says that it failed.
    FailedAfter,
    /// Nobody answers.
    Silence,
    /// The service does not see that it is for absent objects only.
    Unconditional,
}

/// Between a client and the service; the first requests meet what is in the list.
struct Way {
    url: String,
    ahead: Arc<Mutex<Vec<OnTheWay>>>,
}

impl Way {
    fn to(server: &Server) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ahead = Arc::new(Mutex::new(Vec::new()));
        let (list, port) = (Arc::clone(&ahead), server.value("PORT").parse().unwrap());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let list = Arc::clone(&list);
                std::thread::spawn(move || pass(client.unwrap(), port, &list));
            }
        });
        Way { url, ahead }
    }

    fn meet(&self, ahead: &[OnTheWay]) {
        *self.ahead.lock().unwrap() = ahead.iter().rev().copied().collect();
    }
}

/// A request and its answer; every connection is for one.
fn pass(mut client: TcpStream, port: u16, ahead: &Mutex<Vec<OnTheWay>>) {
    let Some((head, body)) = request(&mut client) else { return };
    let met = ahead.lock().unwrap().pop();
    let failed = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    match met {
        Some(OnTheWay::Unavailable) => return client.write_all(failed).unwrap(),
        Some(OnTheWay::Silence) => return std::thread::sleep(Duration::from_secs(5)),
        _ => {}
    }
    let mut lines: Vec<_> = head.lines().filter(|line| !line.is_empty()).collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    if met == Some(OnTheWay::Unconditional) {
        lines.retain(|line| !line.to_ascii_lowercase().starts_with("if-none-match"));
    }
    lines.push("Connection: close");
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    server.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).unwrap();
    server.write_all(&body).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    match met {
        Some(OnTheWay::Unanswered) => {}
        Some(OnTheWay::FailedAfter) => client.write_all(failed).unwrap(),
        _ => client.write_all(&answer).unwrap(),
    }
}

fn request(client: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let mut bytes = [0; 65_536];
    loop {
        let head = read.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = head {
            let head = String::from_utf8(read[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            if read.len() >= end + 4 + length.unwrap_or(0) {
                return Some((head, read[end + 4..].to_vec()));
            }
        }
        match client.read(&mut bytes) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend_from_slice(&bytes[..count]),
        }
    }
}

#[test]
fn a_bucket_keeps_what_every_store_keeps() {
    let server = service();
    for url in ["s3://state", "s3://state/some/prefix/"] {
        suite::keeps_what_every_store_keeps(
            &S3Objects::open(url, &settings(server.value("URL"))).unwrap(),
        );
    }
    // Nothing of one prefix is seen under another.
    let other = S3Objects::open("s3://state/some/pre", &settings(server.value("URL"))).unwrap();
    assert_eq!(other.list("").unwrap(), []);
    assert_eq!(other.url(), "s3://state/some/pre");
}

#[test]
fn a_listing_of_several_pages_is_whole() {
    let server = service();
    let store = S3Objects::open("s3://state/many", &settings(server.value("URL"))).unwrap();
    // A page holds 1,000.
    let names: Vec<_> = (0..1_003).map(|at| format!("a/{at:04}")).collect();
    names.iter().for_each(|name| store.put(name, b"x").unwrap());
    let listed: Vec<_> = store.list("a/").unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(listed, names);
}

#[test]
fn trouble_that_passes_is_outlasted_and_a_lost_answer_is_no_failure() {
    let server = service();
    let way = Way::to(&server);
    let quick = S3Settings { timeout: Duration::from_millis(1_500), ..settings(&way.url) };
    let store = S3Objects::open("s3://state", &quick).unwrap();
    assert_eq!(store.put_new("first", b"x").unwrap(), Creation::Created);
    use OnTheWay::{FailedAfter, Silence, Unanswered, Unavailable};
    for (at, met) in [
        &[Unavailable, Unavailable][..],
        &[Unanswered],
        &[FailedAfter],
        &[Silence],
        &[Unavailable, Unanswered, FailedAfter, Unavailable],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("created/{at}");
        way.meet(met);
        assert_eq!(store.put_new(&name, b"mine").unwrap(), Creation::Created, "{met:?}");
        way.meet(met);
        assert_eq!(store.put_new(&name, b"another's").unwrap(), Creation::Exists, "{met:?}");
        way.meet(met);
        assert_eq!(store.get(&name).unwrap().unwrap(), b"mine", "{met:?}");
        way.meet(met);
        assert_eq!(store.get_range(&name, 1, 3).unwrap().unwrap(), b"in", "{met:?}");
        way.meet(met);
        assert_eq!(store.list("created/").unwrap().len(), at + 1, "{met:?}");
        way.meet(met);
        store.put("replaced", b"x").unwrap();
        way.meet(met);
        store.delete("replaced").unwrap();
    }
    way.meet(&[]);
    // Not after a lost answer: somebody else created it with the same bytes.
    assert_eq!(store.put_new("created/0", b"mine").unwrap(), Creation::Exists);
}

#[test]
fn trouble_that_stays_is_told_without_secrets() {
    let server = service();
    let way = Way::to(&server);
    let mut twice = S3Settings { tries: 2, ..settings(&way.url) };
    twice.session_token = Some(SecretKey::new("hunter3"));
    let store = S3Objects::open("s3://state", &twice).unwrap();
    assert_eq!(store.put_new("first", b"x").unwrap(), Creation::Created);
    way.meet(&[OnTheWay::Unavailable; 2]);
    let error = store.put_new("a", b"x").unwrap_err().to_string();
    let expected = "could not create object a in s3://state: it answered 503; look at the state of \
                    the service, and try again";
    assert_eq!(error, expected);
    way.meet(&[OnTheWay::Unanswered; 2]);
    let error = store.get("a").unwrap_err().to_string();
    assert!(error.starts_with("could not read object a in s3://state: "), "{error}");
    assert!(error.ends_with("; see that the service runs and can be reached from here"), "{error}");

    let absent = S3Objects::open("s3://no-such-bucket", &settings(server.value("URL"))).unwrap();
    for error in [absent.get("a").unwrap_err(), absent.list("").unwrap_err()] {
        let error = error.to_string();
        assert!(
            error.ends_with("it answered 404 (NoSuchBucket); make the bucket, or name another one"),
            "{error}"
        );
    }
    let nobody = settings("http://127.0.0.1:1");
    let error = S3Objects::open("s3://state", &nobody).unwrap().get("a").unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:1: "), "{error}");
    let shown = format!("{twice:?} {error}");
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn a_service_that_overwrites_in_spite_of_the_condition_is_refused_before_it_does() {
    let server = service();
    let way = Way::to(&server);
    let store = S3Objects::open("s3://state", &settings(&way.url)).unwrap();
    way.meet(&[OnTheWay::Unconditional; 9]);
    let error = store.put_new("a", b"x").unwrap_err().to_string();
    assert!(error.contains("it overwrites objects in spite of If-None-Match"), "{error}");
    way.meet(&[]);
    assert_eq!(store.list("").unwrap(), []);
}

#[test]
fn checkpoint_looks_into_a_bucket_that_the_environment_says_how_to_reach() {
    let server = service();
    let secret = Folder::new("s3-secret");
    let file = secret.write("key", "hunter2\n");
    let run = |url: &str| {
        Command::new(env!("CARGO_BIN_EXE_tidemark"))
            .args(["checkpoint", "ls", url])
            .env("AWS_ENDPOINT_URL", server.value("URL"))
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_SECRET_ACCESS_KEY_FILE", &file)
            .output()
            .unwrap()
    };
    let output = run("s3://state/job");
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err.starts_with("error: there is no checkpoint in s3://state/job\n"), "{err}");
    let store = S3Objects::open("s3://state/job", &settings(server.value("URL"))).unwrap();
    let leader = tidemark::checkpoint::Manifests::new(&store)
        .take_over(&tidemark::checkpoint::Manifest::default(), "w", 1)
        .unwrap();
    assert_eq!(leader.manifest().sequence, 1);
    let output = run("s3://state/job");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    let output = run("s3://UPPER");
    assert_eq!(output.status.code(), Some(2));
}
