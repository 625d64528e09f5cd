use super::hello::{Hello, Welcome, hear, say};
use super::*;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Mutex;
use std::thread;

/// One after the other, so that a port that is free stays so until it is used.
static PORTS: Mutex<()> = Mutex::new(());

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
    let _one = PORTS.lock().unwrap_or_else(|broken| broken.into_inner());
    let places = places(3);
    let addresses = places[0].addresses.clone();
    let mut places = places.into_iter();
    let first = forming(places.next().unwrap());
    let mut strangers = Vec::new();
    for said in [&b""[..], b"GET / HTTP/1.1\r\n\r\n", b"tdmkmesh\xff\xff\xff\xff", &[7; 1 << 20]] {
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
    let mut socket = TcpStream::connect(&places[0].addresses[0]).unwrap();
    let stale = Hello {
        version: "1".to_owned(),
        fingerprint: "job".to_owned(),
        shape: (2, 1),
        process: 1,
        run: Some("6 b".to_owned()),
    };
    say(&mut socket, &stale).unwrap();
    assert!(
        matches!(hear(&mut socket).unwrap(), Welcome::Later(why) if why.contains("another run"))
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
        if let Ok(mut socket) = TcpStream::connect(&places[0].addresses[0]) {
            say(&mut socket, &hello).unwrap();
            break hear::<Welcome>(&mut socket).unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(gone, Welcome::Run("7 a".to_owned()));
    let others = places[1..].iter().cloned().map(forming);
    let all: Vec<_> = [first].into_iter().chain(others).collect();
    let formed: Vec<_> = all.into_iter().map(|forming| forming.join().unwrap()).collect();
    assert!(formed.iter().all(Result::is_ok));
}

#[test]
fn what_is_written_arrives_between_signs_of_life_and_ends_by_agreement() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let here = listener.accept().unwrap().0;
    let timeout = Duration::from_millis(200);
    let (end, other_end) = (Arc::<MeshEnd>::default(), Arc::<MeshEnd>::default());
    let mut from = PeerLink::new((1, "there".to_owned()), here, timeout, &end).unwrap();
    let mut to = PeerLink::new((0, "here".to_owned()), there, timeout, &other_end).unwrap();
    let writer = thread::spawn(move || {
        for part in 0..3_u8 {
            from.write_all(&vec![part; 3 << 20]).unwrap();
            // Longer than the time after which a silent process is lost.
            thread::sleep(timeout * 3);
        }
        end.agree();
        from.shut(std::net::Shutdown::Write);
        from
    });
    let mut read = Vec::new();
    to.read_to_end(&mut read).unwrap();
    drop(writer.join().unwrap());
    assert_eq!(read.len(), 9 << 20);
    assert!(
        read.chunks(3 << 20)
            .enumerate()
            .all(|(part, bytes)| bytes.iter().all(|b| usize::from(*b) == part))
    );
}
