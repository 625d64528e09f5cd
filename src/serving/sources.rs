//! The sources of rows in their order, and which of them answers.
//!
//! A question goes to the first source. Where that is down, does not answer within its time or has only
//! what may be too old, it goes to the next one, and the answer says who was passed over and why. A source
//! that was passed over [`BREAKER_AFTER`] times in a row, one after the other, is asked no more by questions,
//! which would wait for it each time: its breaker is open, and it is probed in between until it can answer
//! again. What is refused for the rows that are asked for, and what one server of a Redis Cluster or one process of
//! a job in several does, opens none: one question keeps nobody from the rows of others.
//!
//! When no source is current, the answer is of the first one of which it is known as of when it is, and
//! all of its values are too old to be told. When none has even that, there is no answer.
//!
//! # Why this way
//! A source is not waited for together with the next one: questions that go out twice would double what a
//! Redis has to do just when it is slow. The memory of the process has no deadline: it is read by the
//! thread that would have to keep it. That of the job's other processes has one (`owner`).

use crate::config::{ServedFrom, Settings};
use crate::connect;
use crate::failure::Failure;
use crate::metrics::snapshot::ServedSource;
use crate::online::BreakerState;
use crate::online::redis::{Breaker, RedisServers, RedisSettings};
use crate::serving::Serving;
use crate::serving::ask::AskedFeatures;
use crate::serving::catalogue::Catalogue;
use crate::serving::engine::{EngineRows, LOOK_EVERY};
use crate::serving::feast_error::FeastError;
use crate::serving::freshness::{AgeBounds, Freshness};
use crate::serving::redis::RedisRows;
use crate::serving::source::{AskedIds, NotRead, RowSource, SourceQuestion, ToldRows};
use crate::serving::values::AnsweredValues;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tidemark_operators::plan::Plan;

/// So often in a row a source is passed over before questions go by it.
const BREAKER_AFTER: u32 = 3;
/// Of a cluster one server or process may be down, which says nothing of the others: there every question is
/// asked.
const BREAKER_NEVER: u32 = u32::MAX;
/// The first pause before it is asked again, in us; it doubles up to the other.
const PAUSE_US: u64 = 50_000;
const PAUSE_MAX_US: u64 = 500_000;

/// Why a source was passed over: in the order of [`PassedFor::NAMES`].
#[derive(Clone, Copy, Debug)]
enum PassedFor {
    Down,
    Busy,
    Stale,
    /// It was so before: it was not asked.
    Open,
}

impl PassedFor {
    const NAMES: [&'static str; 4] = ["down", "busy", "stale", "open"];
}

/// A source that has told nothing.
#[derive(Clone, Debug)]
struct Silence {
    reason: PassedFor,
    why: String,
    /// As of when its rows are, where it has said so.
    freshness: Option<Freshness>,
}

/// What is known of a source.
struct SourceState {
    breaker: Breaker,
    /// When it last was known to answer or not to: what was asked before says nothing new.
    judged: u64,
    /// Why it was passed over the last time.
    last: Option<Silence>,
}

struct RankedSource {
    rows: RowSource,
    begun: Instant,
    state: Mutex<SourceState>,
    answers: AtomicU64,
    passed_over: [AtomicU64; PassedFor::NAMES.len()],
}

/// The sources of rows, best first.
pub struct RankedSources {
    ranked: Vec<RankedSource>,
}

impl RankedSources {
    /// These, best first.
    pub fn new(sources: Vec<RowSource>) -> RankedSources {
        let ranked = sources.into_iter().map(|rows| {
            let after = if rows.is_clustered() { BREAKER_NEVER } else { BREAKER_AFTER };
            let breaker = Breaker::new(PAUSE_US, PAUSE_MAX_US, after);
            RankedSource {
                rows,
                begun: Instant::now(),
                state: Mutex::new(SourceState { breaker, judged: 0, last: None }),
                answers: AtomicU64::new(0),
                passed_over: Default::default(),
            }
        });
        RankedSources { ranked: ranked.collect() }
    }

    /// Those that the settings name, or else `engine` alone, or Redis where there is none. Redis and
    /// replicas need not be there yet.
    ///
    /// # Errors
    /// When only the engine is named and there is none, or a thread cannot be started.
    pub fn open(
        plan: &Plan,
        settings: &Settings,
        engine: Option<Arc<EngineRows>>,
    ) -> Result<RankedSources, Failure> {
        let serve = &settings.serve;
        let default = if engine.is_some() { ServedFrom::Engine } else { ServedFrom::Redis(None) };
        let (mut engine, mut sources) = (engine, Vec::new());
        for named in serve.ranked().unwrap_or_else(|| vec![default]) {
            let redis = connect::redis(settings);
            let (name, redis, within) = match named {
                ServedFrom::Engine => {
                    sources.extend(engine.take().map(RowSource::Engine));
                    continue;
                }
                ServedFrom::Redis(within) => ("redis".to_owned(), redis, within),
                ServedFrom::Replica(at, within) => (
                    at.to_string(),
                    RedisSettings { servers: RedisServers::Single(at), ..redis },
                    within,
                ),
            };
            let within = within.unwrap_or(serve.answer_timeout);
            let rows = RedisRows::start(name, plan, redis, serve.redis_connections, within);
            sources.push(RowSource::Redis(rows.map_err(Failure::failed)?));
        }
        match sources.is_empty() {
            false => Ok(RankedSources::new(sources)),
            true => Err(Failure::usage(
                "\"sources\" in [serve] name only the engine, which is another process'",
            )
            .hint("add \"redis\" behind it, or let `tidemark run` serve by \"enabled\"")),
        }
    }

    /// What answers and metrics call a source.
    pub(super) fn name(&self, at: usize) -> &str {
        self.ranked.get(at).map_or("", |source| source.rows.name())
    }

    /// The values that are asked for, of the first source that is current.
    pub(super) async fn read(&self, asking: SourceQuestion<'_>) -> Result<ToldRows, FeastError> {
        let mut silent = Vec::new();
        let SourceQuestion { ask, ids, .. } = asking;
        let counts = u64::from(ids.rows > 0);
        for (at, source) in self.ranked.iter().enumerate() {
            let silence = match source.known_silent() {
                Some(known) => known,
                None => match source.ask(asking).await {
                    Ok((cells, freshness)) => {
                        source.answers.fetch_add(counts, Relaxed);
                        let passed_over = whys(silent);
                        let shown = None;
                        return Ok(ToldRows { cells, freshness, source: at, passed_over, shown });
                    }
                    Err(silence) => silence,
                },
            };
            if let Some(count) = source.passed_over.get(silence.reason as usize) {
                count.fetch_add(counts, Relaxed);
            }
            silent.push((at, silence));
        }
        self.too_old(silent, AnsweredValues::new(ask.columns.len(), ids.rows))
    }

    /// The values that are asked for with which events they show: only the memory of the job knows that.
    pub(super) async fn read_positioned(
        &self,
        asking: SourceQuestion<'_>,
    ) -> Result<ToldRows, FeastError> {
        let engines = self.ranked.iter().enumerate().find_map(|(at, source)| match &source.rows {
            RowSource::Engine(rows) => Some((at, source, rows)),
            RowSource::Redis(_) => None,
        });
        let Some((source, ranked, rows)) = engines else {
            let why = "positions are known to the process that runs the job only: ask its server, of which \
                       \"engine\" is one of the sources, or leave them out";
            return Err(FeastError::body("value_error", &["positions"], why));
        };
        let told = rows.read_positioned(asking).await;
        let told = told.map_err(|why| FeastError::unavailable(why.why()))?;
        ranked.answers.fetch_add(1, Relaxed);
        let (cells, freshness, shown) = told;
        Ok(ToldRows { cells, freshness, source, passed_over: Vec::new(), shown: Some(shown) })
    }

    /// The answer when no source is current: of the one that says most of itself.
    fn too_old(
        &self,
        mut silent: Vec<(usize, Silence)>,
        cells: AnsweredValues,
    ) -> Result<ToldRows, FeastError> {
        let says = |silence: &Silence| {
            let freshness = silence.freshness.as_ref();
            freshness.map(|freshness| freshness.as_of.is_none())
        };
        let found = silent.iter().enumerate().filter_map(|(place, (at, silence))| {
            Some((says(silence)?, place, *at, silence.freshness.clone()?))
        });
        match found.min_by_key(|(unknown, place, ..)| (*unknown, *place)) {
            Some((_, place, source, freshness)) => {
                silent.remove(place);
                let (passed_over, shown) = (whys(silent), None);
                Ok(ToldRows { cells, freshness, source, passed_over, shown })
            }
            None => {
                let of_each = silent.iter().map(|(at, silence)| match self.ranked.len() {
                    1 => silence.why.clone(),
                    _ => format!("{}: {}", self.name(*at), silence.why),
                });
                Err(FeastError::unavailable(of_each.collect::<Vec<_>>().join("; ")))
            }
        }
    }

    /// As of when values would be, and whose.
    pub(super) async fn freshness(
        &self,
        catalogue: &Catalogue,
        bounds: AgeBounds,
    ) -> (Freshness, Option<usize>) {
        let (ask, ids) = (&AskedFeatures::default(), &AskedIds::default());
        match self.read(SourceQuestion { catalogue, ask, ids, bounds }).await {
            Ok(found) => (found.freshness, Some(found.source)),
            Err(refusal) => (Freshness::unknown(refusal.why()), None),
        }
    }

    /// Each source: its name, its breaker's state, and why it was passed over the last time since it has
    /// answered.
    pub(super) fn states(&self) -> Vec<(&str, BreakerState, Option<String>)> {
        let state = |source: &RankedSource| {
            let state = source.lock();
            (state.breaker.state(), state.last.as_ref().map(|silence| silence.why.clone()))
        };
        let all = self.ranked.iter().map(|source| (source.rows.name(), state(source)));
        all.map(|(name, (state, why))| (name, state, why)).collect()
    }

    pub(super) fn snapshots(&self) -> Vec<ServedSource> {
        let snapshot = |source: &RankedSource| ServedSource {
            name: source.rows.name().to_owned(),
            answers: source.answers.load(Relaxed),
            passed_over: (PassedFor::NAMES.iter().zip(&source.passed_over))
                .map(|(name, count)| (*name, count.load(Relaxed)))
                .collect(),
            breaker: source.lock().breaker.state().into(),
            waiting: source.rows.waiting().map(|waiting| waiting as u64),
        };
        self.ranked.iter().map(snapshot).collect()
    }

    /// Looks at the source at `at`: how its workers go on, and whether one that was passed over is current
    /// again.
    pub(super) async fn look(&self, at: usize, catalogue: &Catalogue, bounds: AgeBounds) {
        let Some(source) = self.ranked.get(at) else { return };
        if let RowSource::Engine(rows) = &source.rows {
            rows.look();
            rows.probe(bounds);
        }
        if source.is_to_be_probed() {
            let (ask, ids) = (&AskedFeatures::default(), &AskedIds::default());
            // What comes of it stands in the source's state.
            let _ = source.ask(SourceQuestion { catalogue, ask, ids, bounds }).await;
        }
    }
}

fn whys(silent: Vec<(usize, Silence)>) -> Vec<(usize, String)> {
    silent.into_iter().map(|(at, silence)| (at, silence.why)).collect()
}

impl RankedSource {
    fn lock(&self) -> MutexGuard<'_, SourceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it is not even asked; `None`: it is.
    fn known_silent(&self) -> Option<Silence> {
        let state = self.lock();
        if state.breaker.state() == BreakerState::Closed {
            return None;
        }
        state.last.clone().map(|last| Silence { reason: PassedFor::Open, ..last })
    }

    /// Whether the pause since it was passed over the last time has gone by; it then begins anew.
    fn is_to_be_probed(&self) -> bool {
        let (mut state, now) = (self.lock(), self.now());
        let due = state.last.is_some() && state.breaker.ready_at() <= now;
        if due {
            state.breaker.attempt();
        }
        due
    }

    async fn ask(
        &self,
        asking: SourceQuestion<'_>,
    ) -> Result<(AnsweredValues, Freshness), Silence> {
        let asked = self.now();
        let silence = match self.rows.read(asking).await {
            Ok((cells, freshness)) => match &freshness.stale {
                None => {
                    self.is_current();
                    return Ok((cells, freshness));
                }
                Some(why) => {
                    let (reason, why) = (PassedFor::Stale, why.clone());
                    Silence { reason, why, freshness: Some(freshness) }
                }
            },
            // It is up: who asks next may find room.
            Err(NotRead::Busy(why)) => {
                return Err(Silence { reason: PassedFor::Busy, why, freshness: None });
            }
            // What keeps it from telling these rows keeps nobody from the others.
            Err(NotRead::Refused(why)) => {
                return Err(Silence { reason: PassedFor::Down, why, freshness: None });
            }
            Err(NotRead::Down(why)) => Silence { reason: PassedFor::Down, why, freshness: None },
        };
        self.is_silent(silence.clone(), asked);
        Err(silence)
    }

    /// The clock of the breaker, in us.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn is_current(&self) {
        let mut state = self.lock();
        let was_open = state.breaker.state() != BreakerState::Closed;
        state.breaker.success();
        (state.last, state.judged) = (None, self.now());
        if was_open {
            tracing::info!(source = self.rows.name(), "a source of features answers again");
        }
    }

    /// `asked`: when. What was asked together fails together, which is one failure.
    fn is_silent(&self, silence: Silence, asked: u64) {
        let mut state = self.lock();
        let was_closed = state.breaker.state() == BreakerState::Closed;
        if asked >= state.judged {
            let now = self.now();
            state.judged = now;
            state.breaker.failure(now, now);
        }
        if was_closed && state.breaker.state() == BreakerState::Open {
            let why = &silence.why;
            tracing::warn!(source = self.rows.name(), %why, "a source of features is passed over");
        }
        state.last = Some(silence);
    }
}

/// Looks at the sources for as long as the server runs, at each by itself: one that does not answer holds
/// up no other.
pub(super) fn watch(serving: &Arc<Serving>) {
    for at in 0..serving.sources.ranked.len() {
        let serving = Arc::clone(serving);
        tokio::spawn(async move {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                looks.tick().await;
                serving.sources.look(at, &serving.catalogue, serving.bounds()).await;
            }
        });
    }
}
