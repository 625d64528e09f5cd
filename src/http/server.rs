//! The server's thread: accepting, limits, shutting down.

use crate::http::connections::{Bounds, Connections, Observed, Seat};
use crate::http::secured::{SecuredStream, begins_with_tls};
use crate::http::{HostNames, Introspect, hosts, routes};
use crate::peer_tls::IdentitySource;
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::Service as _;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// Connections that are open at the same time. The next one takes the place of the one whose last
/// request is longest ago, at least [`GIVE_WAY_AFTER`].
pub const CONNECTIONS_MAX: usize = 256;

/// A connection that has made no request for so long is closed when there is no room for another.
pub const GIVE_WAY_AFTER: Duration = Duration::from_secs(1);

/// How long the head of a request may take to arrive, and a connection may stay idle.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that takes nothing of its answer for so long is closed.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a question may take the job.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Threads that ask the job for metrics and rows.
pub(super) const ASKING_THREADS: usize = 4;

/// Threads for `/health`, `/ready` and what the job does each second: whatever metrics and rows
/// take, these have not to wait for them.
const RESERVED_THREADS: usize = 2;

/// A thread that makes pages of documentation.
const DOCS_THREADS: usize = 1;

/// What holds when nothing else is asked for.
const BOUNDS: Bounds = Bounds {
    connections_max: CONNECTIONS_MAX,
    head_timeout: HEAD_TIMEOUT,
    write_timeout: WRITE_TIMEOUT,
    give_way_after: GIVE_WAY_AFTER,
};

/// How often it is looked for answers that nobody reads.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long to wait after the machine refused a new connection (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What makes paths that are answered beside those of a job, inside of the runtime that answers.
pub type MoreRoutes = Box<dyn FnOnce() -> Router + Send>;

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum HttpError {
    /// Another program listens there.
    #[error("cannot listen on {address}: port {} is in use", address.port())]
    InUse {
        /// The address that was tried.
        address: SocketAddr,
    },
    /// Ports below 1024 and some addresses are not for everyone.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread or no event queue could be had.
    #[error("cannot start the HTTP server's thread: {0}")]
    Thread(io::Error),
}

impl HttpError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            HttpError::InUse { .. } => {
                "end the other program, or choose another port by --port, HEALTH_CHECK_PORT or \
                 \"port\" in [http] of cluster.toml; 0 takes any free one"
            }
            HttpError::Listen { .. } => {
                "choose \"bind\" and \"port\" in [http] of cluster.toml, or --port"
            }
            HttpError::Thread(_) => "raise the limits on threads and open files",
        }
    }
}

/// A running server. Dropping it ends it: open requests are cut off.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    /// Listens on `address` (port 0: any free port) and answers who asks by one of `names` from `job`, on
    /// a thread of its own.
    ///
    /// # Errors
    /// When the address cannot be listened on, or no thread can be had.
    pub fn start(
        address: SocketAddr,
        names: HostNames,
        job: Arc<dyn Introspect>,
    ) -> Result<Self, HttpError> {
        Self::start_within((BOUNDS, None), (address, names), (job, None))
    }

    /// The same; the other processes of the cluster are answered over TLS at the same address, where this one
    /// has an `identity` to show them, and `more` paths.
    ///
    /// # Errors
    /// As [`HttpServer::start`].
    pub fn start_among(
        at: (SocketAddr, HostNames),
        (job, more): (Arc<dyn Introspect>, Option<MoreRoutes>),
        identity: Option<&Arc<IdentitySource>>,
    ) -> Result<Self, HttpError> {
        Self::start_within((BOUNDS, identity.cloned()), at, (job, more))
    }

    fn start_within(
        bounds: (Bounds, Option<Arc<IdentitySource>>),
        (address, names): (SocketAddr, HostNames),
        (job, more): (Arc<dyn Introspect>, Option<MoreRoutes>),
    ) -> Result<Self, HttpError> {
        let threads_max = ASKING_THREADS + RESERVED_THREADS + DOCS_THREADS;
        Self::answer("http", threads_max, bounds, address, move |_| {
            tokio::spawn(tick(Arc::clone(&job)));
            let more = more.map_or_else(Router::new, |more| more());
            routes::router(job, names, more)
        })
    }

    /// Listens on `address` with at most `connections_max` connections, and answers who asks by one of
    /// `names`, by the router that `make` gives of where that is, on a thread called `name` in whose
    /// runtime `make` is called.
    /// Answers are given on that thread alone; pages of documentation are made on another one.
    ///
    /// # Errors
    /// As [`HttpServer::start`].
    pub(crate) fn with_router(
        name: &'static str,
        connections_max: usize,
        (address, names): (SocketAddr, HostNames),
        make: impl FnOnce(SocketAddr) -> Router + Send + 'static,
    ) -> Result<Self, HttpError> {
        let make = move |address| hosts::guard(make(address), names);
        let bounds = (Bounds { connections_max, ..BOUNDS }, None);
        Self::answer(name, DOCS_THREADS, bounds, address, make)
    }

    fn answer(
        name: &'static str,
        threads_max: usize,
        bounds: (Bounds, Option<Arc<IdentitySource>>),
        address: SocketAddr,
        make: impl FnOnce(SocketAddr) -> Router + Send + 'static,
    ) -> Result<Self, HttpError> {
        let listen = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => HttpError::InUse { address },
            _ => HttpError::Listen { address, source },
        };
        let listener = TcpListener::bind(address).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(threads_max)
            .thread_name("http-ask")
            .build()
            .map_err(HttpError::Thread)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            let serving = async {
                tokio::select! {
                    () = serve(listener, || make(address), bounds) => {}
                    _ = stopped => {}
                }
            };
            runtime.block_on(serving);
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(HttpError::Thread)?;
        Ok(HttpServer { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the HTTP server's thread had panicked");
        }
    }
}

/// Accepts for ever.
async fn serve(
    listener: TcpListener,
    make: impl FnOnce() -> Router,
    (bounds, identity): (Bounds, Option<Arc<IdentitySource>>),
) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the HTTP server cannot accept connections");
            return;
        }
    };
    let router = make();
    let connections = Connections::new(bounds);
    tokio::spawn(close_held_up(Arc::clone(&connections)));
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // An answer is one write: nothing is gained by waiting for more.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection that waits for more before it sends");
                }
                let seat = connections.seat().await;
                let identity = identity.clone();
                tokio::spawn(connection(
                    (stream, identity),
                    router.clone(),
                    seat,
                    bounds.head_timeout,
                ));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end; what goes wrong on it is the other side's to notice.
async fn connection(
    (stream, identity): (TcpStream, Option<Arc<IdentitySource>>),
    router: Router,
    seat: Seat,
    head_timeout: Duration,
) {
    let activity = Arc::clone(&seat.activity);
    let observed = |stream| Observed { stream, activity: Arc::clone(&activity) };
    let Some(identity) = identity else {
        return conversation(observed(stream), router, seat, head_timeout).await;
    };
    let secured = tokio::select! {
        secured = tokio::time::timeout(head_timeout, begins_with_tls(&stream)) => secured,
        () = activity.closed() => return,
    };
    match (secured, identity.current().accepting()) {
        (Ok(true), Ok(session)) => {
            let stream = SecuredStream::new(observed(stream), session);
            conversation(stream, router, seat, head_timeout).await;
        }
        (Ok(false), _) => conversation(observed(stream), router, seat, head_timeout).await,
        (Ok(true), Err(error)) => tracing::warn!(%error, "TLS cannot be spoken"),
        (Err(_), _) => {}
    }
}

async fn conversation<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    router: Router,
    seat: Seat,
    head_timeout: Duration,
) {
    let activity = Arc::clone(&seat.activity);
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(|request| {
        activity.asked();
        service.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::debug!(%error, "an HTTP connection ended early");
            }
        }
        () = seat.activity.closed() => {
            tracing::debug!("an HTTP connection was closed: it stood still");
        }
    }
}

/// Closes connections whose answers nobody reads.
async fn close_held_up(connections: Arc<Connections>) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        connections.close_held_up();
    }
}

/// Lets the job observe itself once a second.
async fn tick(job: Arc<dyn Introspect>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        let job = Arc::clone(&job);
        if tokio::task::spawn_blocking(move || job.tick()).await.is_err() {
            tracing::error!("observing the job failed");
        }
    }
}

#[cfg(test)]
mod tests;
