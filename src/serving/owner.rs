//! Another process of the job, which is asked for the rows of its entities, and the connections to it.
//!
//! It is asked over HTTP at the port at which it answers everybody, inside TLS where the processes of the cluster
//! speak so. A connection is kept for the next question; one that has meanwhile been closed is noticed, and the
//! question asked again over another one: it changes nothing. What is not answered in its time is not
//! waited for, and a process that has not answered [`BREAKER_AFTER`] times in a row is asked by no question any
//! more, until it has answered one that is asked in between.
//!
//! # Bounds
//! [`CONNECTIONS_TO_ALL`] connections to all processes together, one question on each; [`WAITING_MAX`] questions
//! that wait or are on their way to a process; the bytes of both in `hop`.

use crate::http::{RUN_HEADER, SecuredStream};
use crate::online::BreakerState;
use crate::online::redis::Breaker;
use crate::peer_tls::IdentitySource;
use crate::serving::hop::{ANSWER_BYTES_MAX, HopRefusal, PATH};
use crate::serving::source::NotRead;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// Connections to all other processes together: half of those that a process has for everybody, as each is
/// connected to by all others.
const CONNECTIONS_TO_ALL: usize = 128;
/// Connections to one process, at most and at least.
const CONNECTIONS_TO_ONE: (usize, usize) = (16, 2);
/// Questions that wait for a process or are on their way to it.
const WAITING_MAX: usize = 1_024;
/// So often in a row a process does not answer before questions go without it.
const BREAKER_AFTER: u32 = 3;
/// The first pause before it is asked again, in us; it doubles up to the other.
const PAUSE_US: u64 = 50_000;
const PAUSE_MAX_US: u64 = 500_000;

type Conversation = SendRequest<Body>;

/// See the module.
pub(super) struct Owner {
    process: usize,
    /// Host and port.
    address: String,
    run: String,
    identity: Option<Arc<IdentitySource>>,
    within: Duration,
    /// Connections on which nothing is said now.
    kept: Mutex<Vec<Conversation>>,
    places: Semaphore,
    waiting: AtomicUsize,
    begun: Instant,
    state: Mutex<OwnerState>,
}

/// What is known of it.
struct OwnerState {
    breaker: Breaker,
    /// When it last was known to answer or not to: what was asked before says nothing new.
    judged: u64,
    /// Why it did not answer the last time.
    last: String,
}

/// A question that waits or is on its way.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// How all processes are asked.
#[derive(Clone)]
pub(super) struct Manner {
    /// Which run of the job this is.
    pub run: String,
    /// What this process shows the others; `None`: they speak in the clear.
    pub identity: Option<Arc<IdentitySource>>,
    /// How long an answer may take.
    pub within: Duration,
}

impl Owner {
    /// Process `process` of `processes`, which answers at `address`.
    pub fn new((process, processes): (usize, usize), address: String, manner: Manner) -> Self {
        let (most, least) = CONNECTIONS_TO_ONE;
        let connections = CONNECTIONS_TO_ALL / processes.saturating_sub(1).max(1);
        let breaker = Breaker::new(PAUSE_US, PAUSE_MAX_US, BREAKER_AFTER);
        let Manner { run, identity, within } = manner;
        Owner {
            process,
            address,
            run,
            identity,
            within,
            kept: Mutex::default(),
            places: Semaphore::new(connections.clamp(least, most)),
            waiting: AtomicUsize::new(0),
            begun: Instant::now(),
            state: Mutex::new(OwnerState { breaker, judged: 0, last: String::new() }),
        }
    }

    /// Questions that wait for it or are on their way to it.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// What of it did not answer, with why.
    pub fn says(&self, why: &str) -> String {
        format!("process {} at {}, whose entities are asked for: {why}", self.process, self.address)
    }

    /// Why it is not even asked; `None`: it is.
    pub fn known_silent(&self) -> Option<NotRead> {
        let state = self.lock();
        let silent = state.breaker.state() != BreakerState::Closed;
        silent.then(|| NotRead::Down(state.last.clone()))
    }

    /// What it answers to a question.
    pub async fn ask(&self, question: Bytes) -> Result<Bytes, NotRead> {
        if self.waiting.fetch_add(1, Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Relaxed);
            let why = format!("{WAITING_MAX} questions wait for it already; ask again later");
            return Err(NotRead::Busy(self.says(&why)));
        }
        let _waiting = Waiting(&self.waiting);
        let asked = self.now();
        let deadline = tokio::time::Instant::now() + self.within;
        let ms = self.within.as_millis();
        let Ok(place) = timeout_at(deadline, self.places.acquire()).await else {
            let why = format!("none of its connections was free within {ms} ms; ask again later");
            return Err(NotRead::Busy(self.says(&why)));
        };
        let told = timeout_at(deadline, self.converse(question)).await;
        drop(place);
        let why = match told {
            Ok(Ok((StatusCode::OK, body))) => {
                self.answers();
                return Ok(body);
            }
            Ok(Ok((code, body))) => match (code, self.says(&refusal(code, &body))) {
                (StatusCode::TOO_MANY_REQUESTS, why) => return Err(NotRead::Busy(why)),
                (StatusCode::PAYLOAD_TOO_LARGE, why) => return Err(NotRead::Refused(why)),
                (_, why) => why,
            },
            Ok(Err(why)) => self.says(&why),
            Err(_) => {
                // Those that were kept may lead nowhere, too.
                self.kept().clear();
                self.says(&format!("it has not answered within {ms} ms"))
            }
        };
        self.is_silent(why.clone(), asked);
        Err(NotRead::Down(why))
    }

    /// Asks it whether it answers again, where that is due. To be called inside of a runtime.
    pub fn probe(self: &Arc<Self>, question: &Bytes) {
        let now = self.now();
        {
            let mut state = self.lock();
            if state.breaker.state() != BreakerState::Open || state.breaker.ready_at() > now {
                return;
            }
            state.breaker.attempt();
        }
        let (owner, question) = (Arc::clone(self), question.clone());
        tokio::spawn(async move {
            if let Err(NotRead::Busy(why) | NotRead::Refused(why)) = owner.ask(question).await {
                owner.is_silent(why, now);
            }
        });
    }

    /// Code and body of its answer.
    async fn converse(&self, question: Bytes) -> Result<(StatusCode, Bytes), String> {
        loop {
            let kept = self.kept().pop();
            let Some(mut kept) = kept else { break };
            if kept.ready().await.is_ok()
                && let Ok(told) = self.exchange(kept, question.clone()).await
            {
                return Ok(told);
            }
        }
        let connected = self.connect().await;
        let conversation = connected.map_err(|error| format!("it cannot be reached: {error}"))?;
        let told = self.exchange(conversation, question).await;
        told.map_err(|error| format!("it does not answer: {error}"))
    }

    /// Asks over one connection, which is kept then.
    async fn exchange(
        &self,
        mut conversation: Conversation,
        question: Bytes,
    ) -> Result<(StatusCode, Bytes), axum::Error> {
        let request = Request::post(PATH)
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(RUN_HEADER, &self.run)
            .body(Body::from(question))
            .map_err(axum::Error::new)?;
        let answer = conversation.send_request(request).await.map_err(axum::Error::new)?;
        let code = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await?;
        self.kept().push(conversation);
        Ok((code, body))
    }

    async fn connect(&self) -> Result<Conversation, String> {
        let stream = TcpStream::connect(&self.address).await.map_err(|error| error.to_string())?;
        // A question is one write: nothing is gained by waiting for more.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(identity) = &self.identity else { return begin(stream).await };
        let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
        let session = identity.current().connecting(host).map_err(|error| error.to_string())?;
        let stream = SecuredStream::shaken(stream, session).await;
        begin(stream.map_err(|error| error.to_string())?).await
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Conversation>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, OwnerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The clock of the breaker, in us.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn answers(&self) {
        let now = self.now();
        let mut state = self.lock();
        let was_open = state.breaker.state() != BreakerState::Closed;
        state.breaker.success();
        state.judged = now;
        if was_open {
            tracing::info!(process = self.process, "a process answers for its entities again");
        }
    }

    /// `asked`: when. What was asked together fails together, which is one failure.
    fn is_silent(&self, why: String, asked: u64) {
        let now = self.now();
        let mut state = self.lock();
        let was_closed = state.breaker.state() == BreakerState::Closed;
        if asked >= state.judged {
            state.judged = now;
            state.breaker.failure(now, now);
        }
        if was_closed && state.breaker.state() == BreakerState::Open {
            tracing::warn!(%why, "questions for entities of another process go without it");
        }
        state.last = why;
    }
}

/// Begins to speak over a stream.
async fn begin<S>(stream: S) -> Result<Conversation, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = handshake(TokioIo::new(stream)).await;
    let (conversation, connection) = begun.map_err(|error| error.to_string())?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to another process ended early");
        }
    });
    Ok(conversation)
}

/// Why it does not answer, as it says.
fn refusal(code: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice::<HopRefusal>(body) {
        Ok(refusal) => refusal.error,
        Err(_) => format!("it answers with {}", code.as_u16()),
    }
}
