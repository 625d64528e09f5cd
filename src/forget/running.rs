//! Asking a running process to forget.

use crate::ask::{self, PATIENCE, segment};
use crate::failure::Failure;
use crate::http::ForgetTold;
use serde::Deserialize;
use std::time::{Duration, Instant};

/// Entities that are asked for before it is waited until they are forgotten for good.
const TOGETHER: usize = 256;
/// How often it is asked whether they are, and how often what is refused for the moment.
const EVERY: Duration = Duration::from_millis(100);
const UNAVAILABLE: u16 = 503;

/// Whether a restart knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForgottenFor {
    Good,
    /// The job has no state.
    TheRun,
}

/// Why there is no answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ForgetRefused {
    error: Option<String>,
    hint: Option<String>,
}

/// Has the process at `url` forget `ids` of type `entity`, and waits at most `within` until they are
/// forgotten for good; `tell` is told of some as they are.
///
/// # Errors
/// When nobody answers, one is refused, or it takes longer.
pub(super) fn forget(
    url: &str,
    (entity, ids): (&str, &[String]),
    within: Duration,
    tell: impl Fn(&[ForgetTold]) -> Result<(), Failure>,
) -> Result<ForgottenFor, Failure> {
    let (until, mut lasting) = (Instant::now() + within, ForgottenFor::Good);
    for some in ids.chunks(TOGETHER) {
        let mut all = Vec::new();
        for id in some {
            let path = path(url, entity, id);
            all.push((path.clone(), insisted(&path, until)?));
        }
        for (path, told) in &mut all {
            if told.durable.is_none() {
                lasting = ForgottenFor::TheRun;
            }
            while told.durable == Some(false) {
                if Instant::now() >= until {
                    return Err(late(within, told));
                }
                std::thread::sleep(EVERY);
                told.durable =
                    answer(&ask::get(path, PATIENCE).map_err(|e| silent(url, &e))?, path)?.durable;
            }
        }
        let told: Vec<_> = all.into_iter().map(|(_, told)| told).collect();
        tell(&told)?;
    }
    Ok(lasting)
}

fn path(url: &str, entity: &str, id: &str) -> String {
    format!("{url}/forget/{}?id={}", segment(entity), segment(id))
}

/// Has it forgotten, asking again while the process cannot do it for the moment.
fn insisted(path: &str, until: Instant) -> Result<ForgetTold, Failure> {
    loop {
        let answered = ask::post(path, PATIENCE).map_err(|error| silent(path, &error))?;
        if answered.0 != UNAVAILABLE || Instant::now() >= until {
            return answer(&answered, path);
        }
        std::thread::sleep(EVERY);
    }
}

fn answer((code, body): &(u16, String), path: &str) -> Result<ForgetTold, Failure> {
    if *code == 200
        && let Ok(told) = serde_json::from_str(body)
    {
        return Ok(told);
    }
    let refused: ForgetRefused = serde_json::from_str(body).unwrap_or_default();
    let why = refused.error.unwrap_or_else(|| "what answers is no tidemark process".to_owned());
    let failure = format!("cannot forget by {path}: {why} (status {code})");
    let hint = refused
        .hint
        .unwrap_or_else(|| "name the address that `tidemark run` shows, by --http".to_owned());
    Err(match code {
        404 => Failure::usage(failure),
        _ => Failure::failed(failure),
    }
    .hint(hint))
}

fn silent(path: &str, error: &ureq::Error) -> Failure {
    Failure::failed(format!("cannot ask the job at {path} to forget: {error}")).hint(
        "look whether it runs; another address is named by --http URL, HEALTH_CHECK_PORT, or \"port\" in \
         [http] of cluster.toml; the state of a job that does not run is changed with --stopped",
    )
}

fn late(within: Duration, told: &ForgetTold) -> Failure {
    let ForgetTold { entity, id, .. } = told;
    Failure::failed(format!(
        "{entity} \"{id}\" is forgotten by the process and its online store, and no checkpoint has said so \
         within {within:?}: a restart may bring it back"
    ))
    .hint(
        "look at tidemark_checkpoint_age_seconds and /health, which say why no checkpoint is made, and ask \
         again; a job of which nothing is sealed yet makes none",
    )
}
