//! Which process of which cluster a run is.

use crate::config::Settings;
use crate::connect;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::life_signs::LifeSigns;
use crate::mesh::{Mesh, MeshError, MeshPlace, form};
use crate::peer_tls::IdentitySource;
use crate::service::Peers;
use crate::serving::Owners;
use crate::signals::Stop;
use crate::version::VERSION;
use std::io::BufRead as _;
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::interner::stable_hash;
use tidemark_operators::plan::Plan;
use tidemark_operators::shape::Shape;

/// What the supervisor of a process writes to it when it is to end in order.
pub(crate) const STOP: &str = "stop";

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct ClusterPlace {
    process: usize,
    shape: Shape,
    /// Where each process answers over HTTP.
    urls: Vec<String>,
    /// What this process shows the others; `None`: they speak without TLS, or there is one.
    identity: Option<Arc<IdentitySource>>,
    /// Whether `tidemark up` holds the other end of standard input.
    supervised: bool,
}

/// Why a process of a cluster of `count` cannot be number `process`.
pub(crate) fn no_process(process: usize, count: usize) -> Failure {
    Failure::usage(format!("there is no process {process}: [cluster] has {count} processes"))
        .hint("they are numbered from 0")
}

impl ClusterPlace {
    /// The place of process `process`; `settings` become those of that process.
    ///
    /// # Errors
    /// When the cluster has several processes and none is named, or has none of that number, or the
    /// certificate of this one cannot be used.
    pub fn of(process: Option<usize>, settings: &mut Settings) -> Result<Self, Failure> {
        let count = settings.cluster.count();
        let process = match process {
            Some(process) if process >= count => return Err(no_process(process, count)),
            None if count > 1 => {
                let failure =
                    format!("[cluster] has {count} processes, and this would be one of them");
                return Err(Failure::usage(failure)
                    .hint("`tidemark up` starts all of this host; or say which, by --process N"));
            }
            process => process.unwrap_or(0),
        };
        let cluster = &settings.cluster;
        let (base, serve) = (settings.http.port, settings.serve.port);
        let port = |base: u16, process: usize| match base {
            0 => 0,
            base => base.saturating_add(u16::try_from(cluster.place(process)).unwrap_or(0)),
        };
        let url = |process: usize| {
            let host = cluster.host(process)?;
            Some(format!("http://{host}:{}", port(base, process)))
        };
        let urls = (0..count).filter_map(url).collect();
        let identity = match (connect::identity(settings), cluster.host(process)) {
            (Some(files), Some(host)) if count > 1 => {
                Some(Arc::new(IdentitySource::read(files, &host).map_err(Failure::usage)?))
            }
            _ => None,
        };
        (settings.http.port, settings.serve.port) = (port(base, process), port(serve, process));
        Ok(ClusterPlace {
            process,
            shape: Shape::of_process(process, count, settings.workers),
            urls,
            identity,
            supervised: false,
        })
    }

    /// Sets whether a supervisor listens.
    pub fn supervised(self, supervised: bool) -> Self {
        ClusterPlace { supervised, ..self }
    }

    /// Who hears that the process lives: its supervisor, or what started it as a service.
    pub fn life_signs(&self) -> LifeSigns {
        if self.supervised { LifeSigns::to_supervisor() } else { LifeSigns::to_service() }
    }

    /// The workers of this process among all.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Whether this process is the first, which makes checkpoints and writes sealed rows.
    pub fn is_first(&self) -> bool {
        self.process == 0
    }

    /// The hosts of the processes, each with the port at which it answers over HTTP.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.urls.iter().map(|url| url.trim_start_matches("http://"))
    }

    /// The processes, for rows of entities that are another one's; `None`: there is one.
    pub fn peers(&self, run: Option<&str>) -> Option<Peers> {
        run.map(|run| {
            Peers::new((self.shape, run.to_owned()), self.urls.clone(), self.identity.clone())
        })
    }

    /// The same for rows of many entities at once, each process of which may take so long.
    pub fn owners(&self, run: Option<&str>, within: Duration) -> Option<Owners> {
        let addresses = self.hosts().map(str::to_owned).collect();
        run.map(|run| {
            Owners::new((self.shape, run.to_owned()), addresses, self.identity.clone(), within)
        })
    }

    /// What this process shows the others, where they speak over TLS.
    pub fn identity(&self) -> Option<&Arc<IdentitySource>> {
        self.identity.as_ref()
    }

    /// Connects the processes; `None` when there is one, or somebody asked to stop. `run`: which run of
    /// the job this is, on the first.
    ///
    /// # Errors
    /// When another process does not take this one, or one is lost meanwhile.
    pub fn form(
        &self,
        plan: &Plan,
        settings: &Settings,
        run: Option<&str>,
        stop: &Stop,
    ) -> Result<Option<Mesh>, Failure> {
        if self.shape.processes() == 1 {
            return Ok(None);
        }
        let place = MeshPlace {
            process: self.process,
            addresses: settings.cluster.addresses(),
            bind: settings.cluster.listens(self.process),
            workers: self.shape.local(),
            version: VERSION.to_owned(),
            fingerprint: fingerprint(plan, settings),
            timeout: settings.cluster.timeout,
            identity: self.identity.clone(),
        };
        let processes = self.shape.processes();
        tracing::info!(process = self.process, processes, "waiting for the other processes");
        form(&place, run, &|| !stop.asked()).map_err(|error| failure(&error))
    }
}

fn failure(error: &MeshError) -> Failure {
    let failure = Failure::failed(error);
    if error.is_loss() { failure.peer_lost() } else { failure }
}

/// What all processes have to have in common.
fn fingerprint(plan: &Plan, settings: &Settings) -> String {
    let sealed = settings.sealed.path.is_some();
    let common =
        (&settings.state.url, settings.online.kind, sealed, settings.limits.record_bytes_max);
    format!("{:016x}", stable_hash(format!("{plan:?} {common:?}").as_bytes()))
}

/// From now on this process ends with its supervisor, who holds the other end of standard input, and in
/// order when that one says so.
///
/// # Errors
/// When there is no thread to be had.
pub(super) fn end_with_supervisor(stop: &Stop) -> Result<(), Failure> {
    let stop = stop.clone();
    let thread = std::thread::Builder::new().name("supervised".to_owned());
    let listen = move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if line == STOP {
                stop.ask();
            }
        }
        tracing::error!("the supervisor of this process has gone, and it ends with it");
        Exit::PeerLost.now()
    };
    thread.spawn(listen).map(drop).map_err(|error| {
        Failure::failed(format!("cannot start the thread that listens to the supervisor: {error}"))
    })
}
