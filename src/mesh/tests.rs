use super::greeting::{greet, greeted};
use super::hello::{Hello, Welcome, hear, say};
use super::wire::WireError;
use super::*;
use crate::peer_tls::authority::{Authority, DAY, PemFiles};
use crate::peer_tls::{IdentityFiles, IdentitySource};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// One after the other, so that a port that is free stays so until it is used.
static PORTS: Mutex<()> = Mutex::new(());

/// An authority for a test, with a folder for certificates.
struct Issuer {
    authority: Authority,
    folder: PathBuf,
}

impl Issuer {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidemark-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Issuer { authority: Authority::new(name), folder }
    }

    fn identity(&self, host: &str, ends_in: i64) -> Arc<IdentitySource> {
        let made = self.authority.issue((&self.folder, host), &[host], ends_in);
        let PemFiles { ca, certificate, key } = made;
        let files = IdentityFiles { ca, certificate, key };
        Arc::new(IdentitySource::read(files, host).unwrap())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn soon() -> Instant {
    Instant::now() + HELLO_WITHIN
}

fn places(processes: usize) -> Vec<MeshPlace> {
    let listeners: Vec<_> =
        (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> =
        listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    let place = |process| MeshPlace {
        process,
        addresses: addresses.clone(),
        bind: None,
        workers: 1,
        version: "1".to_owned(),
        fingerprint: "job".to_owned(),
        timeout: Duration::from_secs(60),
        identity: None,
    };
    (0..processes).map(place).collect()
}

fn forming(place: MeshPlace) -> thread::JoinHandle<Result<Mesh, MeshError>> {
    thread::spawn(move || {
        let run = (place.process == 0).then_some("7 a");
        form(&place, run, &|| true).map(|mesh| mesh.unwrap())
    })
}

#[test]
fn processes_find_each_other_and_learn_the_run_whatever_strangers_say() {
    let issuer = Issuer::new("found");
    for identity in [None, Some(issuer.identity("127.0.0.1", DAY))] {
        found_among_strangers(identity.as_ref());
    }
}

fn found_among_strangers(identity: Option<&Arc<IdentitySource>>) {
    let _one = PORTS.lock().unwrap_or_else(|broken| broken.into_inner());
    let mut places = places(3);
    places.iter_mut().for_each(|place| place.identity = identity.cloned());
    let addresses = places[0].addresses.clone();
    let mut places = places.into_iter();
    let first = forming(places.next().unwrap());
    let mut strangers = Vec::new();
    let tls = b"\x16\x03\x01\xff\xff";
    for said in
        [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"tdmkmesh\xff\xff\xff\xff", tls, &[7; 1 << 20]]
    {
        let stranger = loop {
            match TcpStream::connect(&addresses[0]) {
                Ok(stranger) => break stranger,
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        };
        // It is cut off on the way, or says nothing and keeps the connection.
        let _ = (&stranger).write_all(said);
        strangers.push(stranger);
    }
    let others: Vec<_> = places.map(forming).collect();
    // One that goes ends those that still wait.
    let formed = [first].into_iter().chain(others).map(|forming| forming.join().unwrap());
    let formed: Vec<_> = formed.collect();
    for mesh in formed {
        let mesh = mesh.unwrap();
        assert_eq!(mesh.run(), "7 a");
        assert_eq!(mesh.into_links().iter().flatten().count(), 2);
    }
}

#[test]
fn whoever_is_of_another_version_job_shape_or_run_is_refused_by_name() {
    let _one = PORTS.lock().unwrap_or_else(|broken| broken.into_inner());
    let places = places(2);
    let first = forming(places[0].clone());
    let refused = |change: &dyn Fn(&mut MeshPlace)| {
        let mut place = places[1].clone();
        change(&mut place);
        form(&place, None, &|| true).err().unwrap().to_string()
    };
    let version = refused(&|place| place.version = "2".to_owned());
    assert!(version.contains("it is Tidemark 2, and process 0 is 1"), "{version}");
    let job = refused(&|place| place.fingerprint = "other".to_owned());
    assert!(job.contains("another job"), "{job}");
    let shape = refused(&|place| place.workers = 2);
    assert!(
        shape.contains("2 processes of 2 workers, and process 0 of 2 processes of 1"),
        "{shape}"
    );
    let mut socket = Wire::plain(TcpStream::connect(&places[0].addresses[0]).unwrap());
    let stale = Hello {
        version: "1".to_owned(),
        fingerprint: "job".to_owned(),
        shape: (2, 1),
        process: 1,
        run: Some("6 b".to_owned()),
    };
    say(&mut socket, &stale).unwrap();
    assert!(
        matches!(hear(&mut socket, soon()).unwrap(), Welcome::Later(why) if why.contains("another run"))
    );
    let second = forming(places[1].clone());
    let formed = [first, second].map(|forming| forming.join().unwrap());
    assert!(formed.iter().all(Result::is_ok));
}

#[test]
fn one_that_goes_before_all_are_there_may_come_again() {
    let _one = PORTS.lock().unwrap_or_else(|broken| broken.into_inner());
    let places = places(3);
    let first = forming(places[0].clone());
    let hello = Hello {
        version: "1".to_owned(),
        fingerprint: "job".to_owned(),
        shape: (3, 1),
        process: 2,
        run: None,
    };
    let gone = loop {
        if let Ok(socket) = TcpStream::connect(&places[0].addresses[0]) {
            let mut wire = Wire::plain(socket);
            say(&mut wire, &hello).unwrap();
            break hear::<Welcome>(&mut wire, soon()).unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(gone, Welcome::Run("7 a".to_owned()));
    let others = places[1..].iter().cloned().map(forming);
    let all: Vec<_> = [first].into_iter().chain(others).collect();
    let formed: Vec<_> = all.into_iter().map(|forming| forming.join().unwrap()).collect();
    assert!(formed.iter().all(Result::is_ok));
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, there)
}

#[test]
fn what_is_written_arrives_between_signs_of_life_and_ends_by_agreement() {
    let (here, there) = connected();
    exchange(Wire::plain(here), Wire::plain(there));
}

#[test]
fn over_tls_both_write_at_the_same_time_and_it_ends_by_agreement() {
    let issuer = Issuer::new("exchange");
    let identity = issuer.identity("127.0.0.1", DAY);
    let (here, there) = connected();
    let session = identity.current().accepting().unwrap();
    let accepted = thread::spawn(move || Wire::secured(here, session, soon()).unwrap());
    let session = identity.current().connecting("127.0.0.1").unwrap();
    let there = Wire::secured(there, session, soon()).unwrap();
    exchange(accepted.join().unwrap(), there);
}

/// Each writes 9 MiB, with pauses in which only signs of life go.
fn exchange(here: Wire, there: Wire) {
    let timeout = Duration::from_millis(300);
    let link = |(peer, wire)| {
        let end = Arc::<MeshEnd>::default();
        (PeerLink::new((peer, "there".to_owned()), wire, timeout, &end).unwrap(), end)
    };
    let sides = [(1, here), (0, there)].map(link);
    let talk = |(mut link, end): (PeerLink, Arc<MeshEnd>)| {
        let mut reader = link.again().unwrap();
        let writing = thread::spawn(move || {
            for part in 0..3_u8 {
                link.write_all(&vec![part; 3 << 20]).unwrap();
                // Longer than the time after which a silent process is lost.
                thread::sleep(timeout * 2);
            }
            end.agree();
            link.shut(std::net::Shutdown::Write);
            link
        });
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            read
        });
        (writing, reading)
    };
    for (writing, reading) in sides.map(talk) {
        let read = reading.join().unwrap();
        drop(writing.join().unwrap());
        assert_eq!(read.len(), 9 << 20);
        let mut parts = read.chunks(3 << 20).enumerate();
        let is_of = |(part, bytes): (usize, &[u8])| bytes.iter().all(|b| usize::from(*b) == part);
        assert!(parts.all(is_of));
    }
}

/// What one who connects is told, and what the one hears who is connected to.
fn both_sides(
    (address, connects): (&str, Option<&IdentitySource>),
    accepts: Option<Arc<IdentitySource>>,
) -> (Result<Welcome, WireError>, Result<Hello, WireError>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hello = Hello {
        version: "1".to_owned(),
        fingerprint: "job".to_owned(),
        shape: (2, 1),
        process: 1,
        run: None,
    };
    let listening = thread::spawn(move || {
        let heard = greeted(listener.accept().unwrap().0, accepts.as_deref());
        heard.map(|(hello, mut wire)| {
            say(&mut wire, &Welcome::Run("7 a".to_owned())).unwrap();
            hello
        })
    });
    let told = greet(&format!("{address}:{port}"), &hello, connects);
    (told.map(|(_, welcome)| welcome), listening.join().unwrap())
}

#[test]
fn whoever_has_no_certificate_that_fits_is_refused_by_name_on_both_sides() {
    let (issuer, other) = (Issuer::new("own"), Issuer::new("another"));
    let own = issuer.identity("127.0.0.1", DAY);
    let foreign = other.identity("127.0.0.1", DAY);
    let elsewhere = issuer.identity("localhost", DAY);
    let ends = issuer.identity("127.0.0.2", 1);
    let says = |sides: &(Result<Welcome, WireError>, Result<Hello, WireError>), told, heard| {
        let (of_told, of_heard) =
            (sides.0.as_ref().unwrap_err().to_string(), sides.1.as_ref().unwrap_err().to_string());
        assert!(of_told.contains(told) && of_heard.contains(heard), "{of_told}\n{of_heard}");
        assert!(of_told.contains("cluster") && of_heard.contains("cluster"), "what to do");
    };
    let at = "127.0.0.1";
    let good = both_sides((at, Some(&own)), Some(Arc::clone(&own)));
    assert_eq!(good.0.unwrap(), Welcome::Run("7 a".to_owned()));
    let wrong = both_sides((at, Some(&foreign)), Some(Arc::clone(&own)));
    says(&wrong, "its certificate is not taken", "not take the certificate of this process");
    let wrong = both_sides((at, Some(&own)), Some(Arc::clone(&elsewhere)));
    says(&wrong, "IP address mismatch", "not take the certificate of this process");
    let wrong = both_sides((at, Some(&own)), None);
    says(&wrong, "it speaks without TLS, and this process with it", "it speaks TLS, and this");
    let (told, heard) = both_sides((at, None), Some(Arc::clone(&own)));
    assert!(matches!(told.unwrap(), Welcome::Never(why) if why.contains("it speaks TLS only")));
    assert!(matches!(heard, Err(WireError::Plain)));
    thread::sleep(Duration::from_secs(2));
    let wrong = both_sides((at, Some(&ends)), Some(own));
    says(&wrong, "not take the certificate of this process: certificate expired", "has expired");
}

#[test]
fn a_process_with_the_certificate_of_another_host_is_refused_by_name() {
    let _one = PORTS.lock().unwrap_or_else(|broken| broken.into_inner());
    let issuer = Issuer::new("host");
    let own = issuer.identity("127.0.0.1", DAY);
    let mut places = places(2);
    places[0].identity = Some(Arc::clone(&own));
    let first = forming(places[0].clone());
    places[1].identity = Some(issuer.identity("localhost", DAY));
    let error = form(&places[1], None, &|| true).err().unwrap().to_string();
    assert!(error.contains("refuses this process") && error.contains("process 1 at"), "{error}");
    assert!(error.contains("IP address mismatch"), "{error}");
    places[1].identity = Some(own);
    let formed = [first, forming(places[1].clone())].map(|forming| forming.join().unwrap());
    assert!(formed.iter().all(Result::is_ok));
}
