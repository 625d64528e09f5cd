//! How the processes of a cluster find each other.

use super::Mesh;
use super::greeting::{greet, greeted, is_another};
use super::hello::{Hello, Welcome, say};
use super::wire::Wire;
use crate::peer_tls::IdentitySource;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// The first and the longest pause between two attempts to reach a process.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How often it is looked whether somebody has connected.
const LOOK: Duration = Duration::from_millis(5);
/// How often it is said who is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Greetings that are waited for at the same time; whoever comes beyond is cut off.
const GREETINGS_MAX: usize = 64;

/// A process among all, and by what it knows the others.
#[derive(Clone, Debug)]
pub struct MeshPlace {
    /// Which process this is.
    pub process: usize,
    /// Host and port of every process.
    pub addresses: Vec<String>,
    /// Where this one listens, when not at its own address.
    pub bind: Option<String>,
    /// Workers in each.
    pub workers: usize,
    /// The program's version.
    pub version: String,
    /// What is computed, and how.
    pub fingerprint: String,
    /// After what silence a process is lost.
    pub timeout: Duration,
    /// What it shows the others, over TLS; `None`: it speaks without.
    pub identity: Option<Arc<IdentitySource>>,
}

/// Why a process cannot take part.
#[derive(Debug, Error)]
pub enum MeshError {
    /// Nobody can connect to it.
    #[error(
        "cannot listen at {address} for the other processes: {why}; choose another address for \
         process {process} in [cluster], or end what listens there"
    )]
    Listen {
        /// Which process.
        process: usize,
        /// Where.
        address: String,
        /// Why not.
        why: io::Error,
    },
    /// Another process does not take it.
    #[error("process {process} at {address} refuses this process: {why}")]
    Refused {
        /// Which process.
        process: usize,
        /// Where it is.
        address: String,
        /// Why, and what to do.
        why: String,
    },
    /// A process that had connected has gone before all were there.
    #[error(
        "process {process} at {address} has gone before all were there; all processes are to be \
         started again, as `tidemark up` does"
    )]
    Gone {
        /// Which process.
        process: usize,
        /// Where it was.
        address: String,
    },
    /// A connection cannot be used.
    #[error("cannot use a connection between processes: {0}")]
    Connection(#[from] io::Error),
}

impl MeshError {
    /// Whether it may be otherwise once all have been started again.
    pub fn is_loss(&self) -> bool {
        matches!(self, MeshError::Gone { .. })
    }
}

/// Connects this process with all others, however long that takes, while `keep_trying` says so; `None`
/// when it said no. `run`: which run of the job this is; only process 0 knows.
///
/// # Errors
/// When another process refuses this one, one of those before it goes, or nobody can listen here.
pub fn form(
    place: &MeshPlace,
    run: Option<&str>,
    keep_trying: &dyn Fn() -> bool,
) -> Result<Option<Mesh>, MeshError> {
    let own = place.addresses.get(place.process).cloned().unwrap_or_default();
    let bind = place.bind.clone().unwrap_or(own);
    let failed = |why| MeshError::Listen { process: place.process, address: bind.clone(), why };
    let listener = TcpListener::bind(&bind).map_err(failed)?;
    listener.set_nonblocking(true)?;
    let wires = place.addresses.iter().map(|_| None).collect();
    let (greeted, greetings) = channel();
    let (mut forming, greeting) = (
        Forming { place, wires, run: run.map(str::to_owned), greeted, greetings },
        Arc::<AtomicUsize>::default(),
    );
    for process in 0..place.process {
        if !forming.reach(process, keep_trying)? {
            return Ok(None);
        }
    }
    let mut said = Instant::now();
    while let Some(missing) = forming.missing() {
        if !keep_trying() {
            return Ok(None);
        }
        forming.accept(&listener, &greeting);
        forming.answer()?;
        forming.look()?;
        if said.elapsed() >= SAY_EVERY {
            said = Instant::now();
            let address = place.addresses.get(missing).map_or("", String::as_str);
            tracing::info!("waiting for process {missing} of the cluster, at {address}");
        }
        std::thread::sleep(LOOK);
    }
    let Forming { wires, run, .. } = forming;
    let run = run.unwrap_or_default();
    let mesh = Mesh::new((place.process, run), wires, &place.addresses, place.timeout)?;
    Ok(Some(mesh))
}

type Greeting = (Hello, Wire);

struct Forming<'a> {
    place: &'a MeshPlace,
    wires: Vec<Option<Wire>>,
    run: Option<String>,
    greeted: Sender<Greeting>,
    greetings: Receiver<Greeting>,
}

impl Forming<'_> {
    fn hello(&self) -> Hello {
        let MeshPlace { process, addresses, workers, version, fingerprint, .. } = self.place;
        Hello {
            version: version.clone(),
            fingerprint: fingerprint.clone(),
            shape: (addresses.len(), *workers),
            process: *process,
            run: self.run.clone(),
        }
    }

    /// Connects to a process before this one; false when nobody wants it any more.
    fn reach(&mut self, process: usize, keep_trying: &dyn Fn() -> bool) -> Result<bool, MeshError> {
        let address = self.place.addresses.get(process).cloned().unwrap_or_default();
        let (mut pause, mut said, mut told) = (PAUSES.0, Instant::now(), String::new());
        loop {
            let why = match greet(&address, &self.hello(), self.place.identity.as_deref()) {
                Ok((wire, Welcome::Run(run))) => {
                    self.run = Some(run);
                    if let Some(held) = self.wires.get_mut(process) {
                        *held = Some(wire);
                    }
                    return Ok(true);
                }
                Ok((_, Welcome::Never(why))) => {
                    return Err(MeshError::Refused { process, address, why });
                }
                Ok((_, Welcome::Later(why))) => why,
                Err(error) => {
                    let why = error.to_string();
                    // At once: nothing that goes on by itself would mend it.
                    if error.is_disagreement() && told != why {
                        tracing::warn!("cannot connect to process {process} at {address}: {why}");
                        told.clone_from(&why);
                    }
                    why
                }
            };
            self.look()?;
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                tracing::info!("waiting for process {process} of the cluster, at {address}: {why}");
            }
            let until = Instant::now() + pause;
            while Instant::now() < until {
                if !keep_trying() {
                    return Ok(false);
                }
                std::thread::sleep(LOOK);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// The first process that is not there.
    fn missing(&self) -> Option<usize> {
        let mut all = self.wires.iter().enumerate();
        all.find(|(at, wire)| *at != self.place.process && wire.is_none()).map(|(at, _)| at)
    }

    /// Takes whoever connects; each is listened to on a thread of its own, so that none delays another.
    fn accept(&self, listener: &TcpListener, greeting: &Arc<AtomicUsize>) {
        while let Ok((socket, from)) = listener.accept() {
            if greeting.load(Ordering::Acquire) >= GREETINGS_MAX {
                tracing::warn!(%from, "too many connect at once: this one is cut off");
                continue;
            }
            greeting.fetch_add(1, Ordering::AcqRel);
            let (heard, over) = (self.greeted.clone(), Arc::clone(greeting));
            let identity = self.place.identity.clone();
            let listen = move || {
                match greeted(socket, identity.as_deref()) {
                    // An error means that nobody is waited for any more.
                    Ok(greeting) => drop(heard.send(greeting)),
                    Err(error) => tracing::warn!(%from, "a stranger is cut off: {error}"),
                }
                over.fetch_sub(1, Ordering::AcqRel);
            };
            let thread = std::thread::Builder::new().name("mesh-greeting".to_owned());
            if thread.spawn(listen).is_err() {
                greeting.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Answers those who have said who they are.
    fn answer(&mut self) -> Result<(), MeshError> {
        while let Ok((hello, mut wire)) = self.greetings.try_recv() {
            let address = self.place.addresses.get(hello.process).map_or("", String::as_str);
            let identity = self.place.identity.as_deref();
            let welcome = match is_another(&wire, (&hello, address), identity) {
                Some(why) => Welcome::Never(why),
                None => self.judge(&hello),
            };
            if let Welcome::Never(why) | Welcome::Later(why) = &welcome {
                tracing::warn!(process = hello.process, why, "a process is refused");
            }
            if say(&mut wire, &welcome).is_ok()
                && matches!(welcome, Welcome::Run(_))
                && let Some(held) = self.wires.get_mut(hello.process)
            {
                *held = Some(wire);
            }
        }
        Ok(())
    }

    /// Whether a process takes part.
    fn judge(&self, hello: &Hello) -> Welcome {
        let own = self.hello();
        if hello.version != own.version {
            return Welcome::Never(format!(
                "it is Tidemark {}, and process {} is {}; run one version everywhere",
                hello.version, own.process, own.version
            ));
        }
        if hello.shape != own.shape {
            let text = |(processes, workers)| format!("{processes} processes of {workers} workers");
            return Welcome::Never(format!(
                "it is of {}, and process {} of {}; give all the same cluster.toml",
                text(hello.shape),
                own.process,
                text(own.shape)
            ));
        }
        if hello.fingerprint != own.fingerprint {
            return Welcome::Never(format!(
                "it runs another job, or with other settings, than process {}; give all the same job \
                 and the same cluster.toml",
                own.process
            ));
        }
        let Some(run) = own.run else {
            return Welcome::Later("it has not heard of process 0 yet".to_owned());
        };
        let expects = hello.process > own.process && hello.process < own.shape.0;
        let held = self.wires.get(hello.process).and_then(Option::as_ref);
        match (expects, held, &hello.run) {
            (false, ..) => Welcome::Never(format!("it is process {}", hello.process)),
            (_, Some(held), _) if !is_gone(held) => {
                Welcome::Later(format!("process {} is there already", hello.process))
            }
            (_, _, Some(other)) if *other != run => {
                Welcome::Later("it is of another run of the job".to_owned())
            }
            (_, _, None) if own.process > 0 => {
                Welcome::Later("it has not heard of process 0".to_owned())
            }
            _ => Welcome::Run(run),
        }
    }

    /// Whether those who are there still are. One after this process may come again.
    fn look(&mut self) -> Result<(), MeshError> {
        for (process, held) in self.wires.iter_mut().enumerate() {
            if !held.as_ref().is_some_and(is_gone) {
                continue;
            }
            if process < self.place.process {
                let address = self.place.addresses.get(process).cloned().unwrap_or_default();
                return Err(MeshError::Gone { process, address });
            }
            *held = None;
        }
        Ok(())
    }
}

/// Whether the other side has closed a connection on which it says nothing yet.
fn is_gone(wire: &Wire) -> bool {
    let (socket, mut byte): (&TcpStream, _) = (wire.socket(), [0]);
    let nonblocking = socket.set_nonblocking(true);
    let peeked = socket.peek(&mut byte);
    let blocking = socket.set_nonblocking(false);
    match peeked {
        Ok(read) => read == 0,
        Err(error) => {
            error.kind() != io::ErrorKind::WouldBlock || nonblocking.is_err() || blocking.is_err()
        }
    }
}
