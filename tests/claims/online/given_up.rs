//! A connection that was given up while the network still held some of its bytes: they arrive after
//! what is newer.

use super::*;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Condvar, Mutex};
use std::thread::JoinHandle;

/// The network between a store and its server.
pub(super) struct Network {
    pub port: u16,
    ways: Arc<Ways>,
}

#[derive(Default)]
struct Ways {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What connections of an earlier time than this send is kept back.
    held_before: usize,
    connections: usize,
    ends: Vec<Option<JoinHandle<u64>>>,
}

impl Network {
    pub fn to(server: u16) -> Network {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Network { port: listener.local_addr().unwrap().port(), ways: Arc::default() };
        let ways = Arc::clone(&network.ways);
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                let server = TcpStream::connect(("127.0.0.1", server)).unwrap();
                let (mut from, mut back) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut back);
                    let _ = back.shutdown(Shutdown::Both);
                });
                let mut state = ways.state.lock().unwrap();
                let at = state.connections;
                state.connections += 1;
                let ways = Arc::clone(&ways);
                state.ends.push(Some(std::thread::spawn(move || ways.forward(at, client, server))));
            }
        });
        network
    }

    /// From now on nothing arrives of what the connections that there are send.
    pub fn hold(&self) {
        let mut state = self.ways.state.lock().unwrap();
        state.held_before = state.connections;
    }

    /// Lets it arrive, and waits until the server has read all of it or refused it: how many bytes
    /// were held back.
    pub fn release(&self) -> u64 {
        let mut state = self.ways.state.lock().unwrap();
        let before = state.held_before;
        let held = state.ends.iter_mut().take(before).filter_map(Option::take);
        let held: Vec<_> = held.collect();
        state.held_before = 0;
        drop(state);
        self.ways.changed.notify_all();
        held.into_iter().map(|end| end.join().unwrap()).sum()
    }
}

impl Ways {
    /// Until the client ends; how many bytes were held back.
    fn forward(&self, at: usize, mut client: TcpStream, mut server: TcpStream) -> u64 {
        let (mut kept, mut held) = (Vec::new(), 0);
        let mut chunk = vec![0; 1 << 16];
        loop {
            let read = client.read(&mut chunk).unwrap_or(0);
            let mut state = self.state.lock().unwrap();
            if at < state.held_before {
                held += read as u64;
                kept.extend_from_slice(&chunk[..read]);
                if read > 0 {
                    continue;
                }
                while at < state.held_before {
                    state = self.changed.wait(state).unwrap();
                }
            } else {
                kept.extend_from_slice(&chunk[..read]);
            }
            drop(state);
            let sent = server.write_all(&kept);
            kept.clear();
            if read == 0 || sent.is_err() {
                let _ = server.shutdown(Shutdown::Write);
                // Nothing more comes once the server has executed everything.
                let _ = std::io::copy(&mut server, &mut std::io::sink());
                return held;
            }
        }
    }
}

#[test]
fn what_a_given_up_connection_had_still_to_say_does_not_replace_what_is_newer() {
    let server = servers::Redis::start(&[]);
    let network = Network::to(server.port);
    let settings = RedisSettings {
        servers: RedisServers::on_loopback(network.port),
        response_timeout: Duration::from_millis(300),
        ..settings(&server)
    };
    let store = Redis::start(&plan(DAY), WORKERS, settings, false).unwrap();
    let mut world = World::new(plan(DAY), &store, 23);
    let rows = |value: i64| -> Vec<_> {
        (0..100 * WORKERS).map(|n| (format!("{n}").into_bytes(), int_row(value))).collect()
    };
    let mut held_back = 0;
    for round in 0..100 {
        if held_back == 3 {
            return;
        }
        world.write(0, Cause::Arrival, &rows(round * 10));
        settle(&store);
        let retries = redis_status(&store).retries;
        network.hold();
        world.write(0, Cause::Arrival, &rows(round * 10 + 1));
        // On a busy machine a connection may have been given up just before, and a new one is not held.
        wait_until(&store, "the connections to be given up", |s| {
            s.retries > retries + 1 || s.dirty == 0
        });
        world.write(0, Cause::Arrival, &rows(round * 10 + 2));
        settle(&store);
        held_back += usize::from(network.release() > 1_000);
        world.check_redis(&store, &mut server.client());
    }
    panic!("rows were held back {held_back} times only");
}
