//! The thread that asks the registry, and the handles through which workers read what it learned.

mod fetch;
mod log;

use crate::registry::cache::{Cache, Change, Fetched, Next};
use crate::registry::client::{Client, RequestTrouble};
use crate::registry::error::RegistryError;
use crate::registry::settings::RegistryConfig;
use crate::registry::status::{RegistryStatus, RequestOutcome};
use crate::source::Waker;
use fetch::Fetcher;
use log::Log;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tidemark_operators::ingest::schemas::{Schema, Schemas};

/// A client of the schema registry, shared by all workers. Dropping it ends its thread.
pub struct Registry {
    shared: Arc<Requests>,
}

/// What the thread, the handles and the HTTP side share.
struct Requests {
    state: Mutex<RequestState>,
    /// There is something new to ask for, or the thread is to end.
    news: Condvar,
}

struct RequestState {
    cache: Cache,
    wakers: Vec<Waker>,
    requests: BTreeMap<RequestOutcome, u64>,
    /// Why the registry cannot be used now.
    error: Option<String>,
    failed_at: Option<Instant>,
    ending: bool,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, RequestState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    /// Starts the thread. Nothing is asked before a worker asks, so the registry need not be there.
    ///
    /// # Errors
    /// When there is no address, a file of `config` cannot be used, or the thread cannot be had.
    pub fn start(config: &RegistryConfig) -> Result<Registry, RegistryError> {
        let client = Client::new(config)?;
        let state = RequestState {
            cache: Cache::new(config.limits.clone(), config.schema_wait),
            wakers: Vec::new(),
            requests: BTreeMap::new(),
            error: None,
            failed_at: None,
            ending: false,
        };
        let shared = Arc::new(Requests { state: Mutex::new(state), news: Condvar::new() });
        let work = FetchWork {
            shared: Arc::clone(&shared),
            log: Log::new(client.shown(), config.schema_wait, config.limits.log_every),
            fetcher: Fetcher::new(client, &config.limits),
        };
        let thread = std::thread::Builder::new().name("schema-registry".to_owned());
        thread.spawn(move || work.run()).map_err(RegistryError::Thread)?;
        Ok(Registry { shared })
    }

    /// A worker's handle. `waker` is called whenever something has become known or unknown.
    pub fn schemas(&self, waker: Waker) -> RegistrySchemas {
        self.shared.lock().wakers.push(waker);
        RegistrySchemas { shared: Arc::clone(&self.shared) }
    }

    /// Where it stands.
    pub fn status(&self) -> RegistryStatus {
        let state = self.shared.lock();
        let (known, pending, unknown, denied) = state.cache.counts();
        let count = |outcome: &RequestOutcome| state.requests.get(outcome).copied().unwrap_or(0);
        RegistryStatus {
            requests: RequestOutcome::ALL
                .iter()
                .map(|outcome| (*outcome, count(outcome)))
                .collect(),
            known,
            pending,
            denied,
            unknown,
            bytes: state.cache.bytes(),
            error: state.error.clone(),
            last_error_age: state.failed_at.map(|at| at.elapsed()),
        }
    }
}

impl Drop for Registry {
    /// Does not wait for the thread, which may be in the middle of a request.
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.news.notify_all();
    }
}

/// What a worker asks. See [`Registry::schemas`].
pub struct RegistrySchemas {
    shared: Arc<Requests>,
}

impl Schemas for RegistrySchemas {
    fn schema(&mut self, id: u32) -> Schema {
        let (schema, news) = self.shared.lock().cache.ask(id, Instant::now());
        if news {
            self.shared.news.notify_one();
        }
        schema
    }
}

/// What the thread works with.
struct FetchWork {
    shared: Arc<Requests>,
    fetcher: Fetcher,
    log: Log,
}

impl FetchWork {
    fn run(mut self) {
        while let Some(id) = self.wait() {
            let shared = &self.shared;
            let mut count = |outcome| *shared.lock().requests.entry(outcome).or_default() += 1;
            let fetched = self.fetcher.fetch(id, &mut count);
            self.learn(id, fetched);
        }
    }

    /// The next id to ask for; `None` when it is time to end.
    fn wait(&self) -> Option<u32> {
        let mut state = self.shared.lock();
        loop {
            if state.ending {
                return None;
            }
            let news = &self.shared.news;
            state = match state.cache.next(Instant::now()) {
                Next::Ask(id) => return Some(id),
                Next::Wait(None) => news.wait(state).unwrap_or_else(PoisonError::into_inner),
                Next::Wait(Some(left)) => {
                    let woken = news.wait_timeout(state, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn learn(&mut self, id: u32, fetched: Result<Fetched, RequestTrouble>) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let (fetched, trouble) = match fetched {
            Ok(fetched) => (fetched, None),
            Err(trouble) => {
                let (all, pause) = (trouble.concerns_all(), trouble.pause);
                (Fetched::Trouble { all, pause }, Some(trouble))
            }
        };
        let change = state.cache.answered(id, fetched, now);
        state.error = trouble.as_ref().map(|trouble| trouble.text.clone());
        if trouble.is_some() {
            state.failed_at = Some(now);
        }
        let wakers = match change {
            Change::Known | Change::Unknown(_) => state.wakers.clone(),
            Change::None | Change::Denied => Vec::new(),
        };
        drop(state);
        match &trouble {
            Some(trouble) => self.log.trouble(id, trouble, now),
            None => self.log.answer(id, &change),
        }
        wakers.iter().for_each(|wake| wake());
    }
}
