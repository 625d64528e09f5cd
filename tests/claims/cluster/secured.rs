//! The same over TLS: what goes between processes is for them alone, and whoever has no certificate that fits is
//! refused by name.

use super::{Up, World};
use crate::authority::{Authority, DAY, PemFiles};
use crate::run::{self, command, hashes, until, until_stored};
use crate::serving::{ask, is_ready};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

/// Where processes look for each other, and where they listen: a relay is between the two.
const NAMED: &str = "127.0.0.2";
const LISTENS: &str = "127.0.0.3";

/// The keys of `[cluster]` that name `files`.
fn keys(files: &PemFiles) -> String {
    format!(
        "tls_ca_file = {:?}\ntls_cert_file = {:?}\ntls_key_file = {:?}\n",
        files.ca, files.certificate, files.key
    )
}

/// Passes on what comes to `NAMED`, and keeps it.
struct Relay {
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Relay {
    fn new(routes: &[(u16, &'static str)]) -> Relay {
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        for (port, to) in routes.iter().copied() {
            let (listener, seen) = (TcpListener::bind((NAMED, port)).unwrap(), Arc::clone(&seen));
            thread::spawn(move || {
                for from in listener.incoming() {
                    let (Ok(from), Ok(to)) = (from, TcpStream::connect((to, port))) else {
                        continue;
                    };
                    let again = [&to, &from].map(|stream| stream.try_clone().unwrap());
                    let [back_from, back_to] = again;
                    for (from, to) in [(from, to), (back_from, back_to)] {
                        let seen = Arc::clone(&seen);
                        thread::spawn(move || pass_on(from, to, &seen));
                    }
                }
            });
        }
        Relay { seen }
    }

    /// How often `text` was in what was passed on since the last time.
    fn times(&self, text: &str) -> (usize, usize) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let found = seen.windows(text.len()).filter(|bytes| *bytes == text.as_bytes());
        (found.count(), seen.len())
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, seen: &Mutex<Vec<u8>>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        seen.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

impl World {
    /// Has the processes look for each other where a relay is.
    fn settings_over_relay(&self, processes: u16, more: &str) {
        self.settings(processes, 1, &format!("bind = {LISTENS:?}\n{more}"));
        let file = self.folder.file("cluster.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("127.0.0.1:", &format!("{NAMED}:"))).unwrap();
    }

    fn relay(&self) -> Relay {
        let http = (0..2).map(|at| (self.http + at, "127.0.0.1"));
        Relay::new(&http.chain([(self.mesh, LISTENS)]).collect::<Vec<_>>())
    }

    /// Asks process 0 for entities of both; how many there are.
    fn asks(&self, expected: &crate::memory::Output) -> usize {
        let view = "transaction_stats_5m/";
        let ids = expected.live.keys().filter_map(|name| name.strip_prefix(view));
        let answered = |id: &&str| {
            let (code, body) = self.get(0, &format!("/features/{view}{id}")).unwrap();
            assert_eq!(code, 200, "{body}");
        };
        ids.take(40).map(|id| answered(&id)).count()
    }

    /// `tidemark up` for one process, with settings of its own.
    fn start_one(&self, process: u16, more: &str) -> Up {
        self.settings(2, 1, more);
        let own = self.folder.path().join(format!("cluster-{process}.toml"));
        std::fs::rename(self.folder.path().join("cluster.toml"), &own).unwrap();
        let log = self.folder.path().join(format!("up-{process}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = command()
            .args(["up", "fraud", "--process", &process.to_string(), "--cluster"])
            .arg(own)
            .env("KAFKA_TOPIC", &self.topic)
            .envs(self.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Up { child, log }
    }
}

#[test]
fn a_relay_between_two_processes_sees_ids_and_values_in_the_clear_and_neither_over_tls() {
    let authority = Authority::new("relay");
    for is_seen in [true, false] {
        let world = World::new(51, 12_000, 1);
        let expected = run::expected(&world.log);
        let relay = world.relay();
        let files = authority.issue((world.folder.path(), "own"), &[NAMED], 30 * DAY);
        let keys = if is_seen { String::new() } else { keys(&files) };
        world.settings_over_relay(2, &keys);
        let serve = world.serving("");
        let mut up = world.start();
        world.until_ready(&mut up, 2);
        until_stored(&world.redis, &hashes(&expected));
        let (ids, bytes) = relay.times("card_00");
        assert_eq!(ids > 100, is_seen, "{ids} ids between workers, in {bytes} bytes");
        assert!(bytes > 100_000, "{bytes} bytes");
        assert_eq!(world.asks(&expected), 40);
        let (names, bytes) = relay.times("txn_count");
        assert_eq!(names > 10, is_seen, "{names} names of features in {bytes} bytes");
        assert!(bytes > 5_000, "{bytes} bytes");
        until("rows to be current", || is_ready(serve));
        let cards: Vec<_> = (0..200).map(|card| format!("card_{card:07}")).collect();
        let features = ["transaction_stats_5m:txn_count_24h"];
        let (code, answer) =
            ask(serve, &json!({"features": features, "entities": {"card_id": cards}}));
        assert_eq!((code, &answer["metadata"]["source"]), (200, &json!("engine")), "{answer}");
        let (ids, bytes) = relay.times("card_00");
        assert_eq!(ids > 50, is_seen, "{ids} ids that models ask for in {bytes} bytes");
        assert!(bytes > 1_000, "{bytes} bytes");
        up.stop();
        world.holds(&expected, &up);
    }
}

#[test]
fn over_tls_a_process_that_is_killed_or_stands_still_is_found_and_nothing_is_lost_or_counted_twice()
{
    let (parts, authority) = (3, Authority::new("killed"));
    let world = World::new(52, 12_000, parts);
    let expected = run::expected(&world.log);
    let files = authority.issue((world.folder.path(), "own"), &["127.0.0.1"], 30 * DAY);
    world.settings(2, 1, &format!("failures_max = 100\n{}", keys(&files)));
    let mut up = world.start();
    world.until_ready(&mut up, 2);
    let before = up.pids(1).len();
    world.write(1, parts);
    up.signal(1, "KILL");
    up.until_again(1, before);
    world.until_ready(&mut up, 2);
    let before = up.pids(0).len();
    world.write(2, parts);
    up.signal(1, "STOP");
    up.until_again(0, before);
    world.until_ready(&mut up, 2);
    assert!(up.text().contains("nothing was heard of it for 2s"), "{}", up.text());
    until_stored(&world.redis, &hashes(&expected));
    // A signal to any of them ends all in order.
    up.signal(1, "TERM");
    assert_eq!(up.wait().code(), Some(0), "{}", up.text());
    world.holds(&expected, &up);
}

#[test]
fn a_process_without_a_certificate_that_fits_is_refused_by_name_and_taken_once_it_has_one() {
    let world = World::new(53, 400, 1);
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = world.folder.path();
    let of =
        |authority: &Authority, name| authority.issue((folder, name), &["127.0.0.1"], 30 * DAY);
    let mut first = world.start_one(0, &keys(&of(&authority, "zero")));
    // One that speaks in the clear has other settings: it ends.
    let mut plain = world.start_one(1, "failures_max = 1\n");
    assert_eq!(plain.wait().code(), Some(1), "{}", plain.text());
    assert!(plain.text().contains("it speaks TLS only"), "{}", plain.text());
    assert!(first.text().contains("it speaks without TLS"), "{}", first.text());
    // One whose authority is another waits, and both say why.
    let mut second = world.start_one(1, &keys(&of(&other, "one")));
    until("both to say why", || {
        first.is_running();
        second.is_running();
        first.text().contains("does not take the certificate of this process")
            && second.text().contains("its certificate is not taken")
    });
    // With its own files renewed it is taken, without a start.
    let starts = second.pids(1).len();
    of(&authority, "one");
    world.until_ready(&mut first, 2);
    assert_eq!(second.pids(1).len(), starts, "{}", second.text());
    second.signal(1, "TERM");
    assert_eq!((first.wait().code(), second.wait().code()), (Some(0), Some(0)));
    // And it is not started without.
    for (files, what) in [
        (authority.issue((folder, "late"), &["127.0.0.1"], -DAY), "certificate has expired"),
        (authority.issue((folder, "host"), &["a.test"], DAY), "it is for a.test, and not for"),
    ] {
        let mut wrong = world.start_one(1, &keys(&files));
        assert_eq!(wrong.wait().code(), Some(2), "{}", wrong.text());
        assert!(wrong.text().contains(what), "{}", wrong.text());
    }
}

#[test]
fn check_says_what_is_wrong_with_certificates_and_opens_no_connection() {
    let world = World::new(54, 1, 1);
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = world.folder.path();
    let of = |name, hosts: &[&str], ends| authority.issue((folder, name), hosts, ends);
    let good = of("good", &["127.0.0.1"], DAY);
    let check = |files: &PemFiles| {
        world.settings(2, 1, &keys(files));
        let check = ["check", "fraud", "--cluster", "cluster.toml"];
        let output = command().current_dir(folder).args(check).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = check(&good);
    assert_eq!(code, Some(0), "{said}");
    let second = of("second", &["127.0.0.1"], DAY);
    let foreign = other.issue((folder, "foreign"), &["127.0.0.1"], DAY);
    let none = || Path::new("none.pem").to_owned();
    for (files, what) in [
        (PemFiles { ca: none(), ..good.clone() }, "tls_ca_file) in none.pem: No such file"),
        (PemFiles { key: none(), ..good.clone() }, "tls_key_file) in none.pem: No such file"),
        (PemFiles { key: second.key, ..good.clone() }, "is not the key of the certificate in"),
        (PemFiles { ca: foreign.ca, ..good }, "unable to get local issuer certificate"),
        (of("late", &["127.0.0.1"], -DAY), "certificate has expired"),
        (of("host", &["a.test", "b.test"], DAY), "is for a.test, b.test, and for no host of"),
    ] {
        let (code, said) = check(&files);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(what) && !said.contains("PRIVATE"), "{said}");
    }
}
