//! The online store of a run.

use crate::config::{OnlineKind, Publish, Settings};
use crate::connect;
use crate::engine::{Observer, StateBound};
use crate::failure::Failure;
use crate::online::redis::{RedisSettings, StoreStart, clock_left_in_redis, left_in_redis};
use crate::online::{Embedded, OnlineStore, Redis};
use crate::process;
use crate::recovery::{LeftOnline, Recovery};
use std::sync::Arc;
use std::time::Duration;
use tidemark_operators::online::Shown;
use tidemark_operators::plan::Plan;
use tidemark_operators::time::{EventTime, Millis};

/// The share of the memory there is, in hundredths, that the state may take unless something is set.
const STATE_PERCENT: u64 = 80;

/// Opens the store of the job that `observer` watches, and bounds what its state takes with the rows in
/// the process. Where the job keeps its state, no earlier run writes beside this one. Redis need not be
/// there yet.
///
/// # Errors
/// When a thread cannot be had.
pub(super) fn open(
    plan: &Plan,
    settings: &Settings,
    observer: &Observer,
    recovery: Option<&Arc<Recovery>>,
) -> Result<Arc<dyn OnlineStore>, Failure> {
    let store: Arc<dyn OnlineStore> = match settings.online.kind {
        OnlineKind::Embedded => Arc::new(Embedded::in_process(plan, observer.shape())),
        OnlineKind::Redis => {
            let hold = settings.online.publish == Publish::WhenCaughtUp;
            let redis = connect::redis(settings);
            let generation = recovery.map(|recovery| recovery.generation());
            let shown = recovery.and_then(|recovery| shown(plan, &redis, recovery));
            // Unless they are held back, rows are written before they are what an earlier run has left.
            let shown = shown.filter(|_| hold);
            let leads = recovery.map(|recovery| recovery.leading());
            let shape = Some(observer.shape());
            let start = StoreStart { hold, generation, leads, shown, shape };
            let store = Redis::start_for(plan, &observer.metrics, redis, start);
            Arc::new(store.map_err(Failure::failed)?)
        }
    };
    // Where nothing says how much memory there is, nothing is bounded unless it is set.
    let memory = process::memory_limit() / 100 * STATE_PERCENT;
    if let Some(limit) = settings.limits.state_bytes.or(Some(memory).filter(|bytes| *bytes > 0)) {
        let rows = Arc::clone(&store);
        observer.bound_state(StateBound::new(limit, move || rows.memory()));
    }
    Ok(store)
}

/// What Redis shows of the run before, as far as the rows of this one can be compared with it.
fn shown(plan: &Plan, redis: &RedisSettings, recovery: &Recovery) -> Option<(Shown, Millis)> {
    if !recovery.goes_on() {
        return None;
    }
    let left = match left_in_redis(plan, redis, &recovery.generation()) {
        Ok(Some(left)) => LeftOnline::Rows(left),
        Ok(None) => LeftOnline::Nothing,
        Err(error) => {
            let error = redis.redact(error.to_string());
            tracing::info!(error, "Redis does not say what an earlier run has left there");
            LeftOnline::Unknown
        }
    };
    recovery.left_online(left);
    recovery.online_shows()
}

/// Where the live clock of the run before stood when it wrote last, and how many ms ago that is, of a job
/// that keeps no state, whose checkpoints would say it; (0, 0) where there was none, or nobody says. What
/// had left a window by then does not come back.
pub(super) fn live_left(plan: &Plan, settings: &Settings) -> (EventTime, Millis) {
    if settings.online.kind != OnlineKind::Redis || settings.state.url.is_some() {
        return (0, 0);
    }
    let redis = connect::redis(settings);
    clock_left_in_redis(plan, &redis).unwrap_or_else(|error| {
        let error = redis.redact(error.to_string());
        tracing::info!(error, "Redis does not say where the clock of an earlier run stood");
        (0, 0)
    })
}

/// Writes what is left, for at most `within`. `stopped`: the job did not come to its end.
///
/// What a stopped job could not write is no failure: rows are derived, and the next run writes them
/// again.
///
/// # Errors
/// When a job that came to its end could not write all of its rows.
pub(super) fn close(
    store: &dyn OnlineStore,
    stopped: bool,
    within: Duration,
) -> Result<(), Failure> {
    let held = store.status().redis.is_some_and(|redis| redis.held);
    if held && !stopped {
        // The end of all sources is the most caught up a job can be.
        store.release();
    }
    match store.close(within) {
        Ok(()) => Ok(()),
        Err(_) if held && stopped => {
            tracing::info!(
                "the job had not caught up: its rows were held back and are not written"
            );
            Ok(())
        }
        Err(error) if stopped => {
            tracing::warn!(%error, "not all rows are written");
            Ok(())
        }
        Err(error) => Err(Failure::failed(error).hint(
            "check that Redis is up and reachable, or raise \"shutdown\" in [limits] of \
             cluster.toml; then run the job again",
        )),
    }
}
