//! Asking processes for their overviews.

use crate::ask;
use crate::failure::Failure;
use crate::http::overview::Overview;
use std::collections::BTreeSet;
use std::time::Duration;

/// How long one may take: what is drawn is not to wait longer.
const WITHIN: Duration = Duration::from_secs(2);
/// Processes that are asked at most.
const PROCESSES_MAX: usize = 64;

/// One process, and what it said.
#[derive(Debug)]
pub(super) struct ProcessAsked {
    pub url: String,
    pub told: Result<Overview, String>,
}

impl ProcessAsked {
    /// Why it did not say anything.
    pub fn failure(&self) -> Option<Failure> {
        let why = self.told.as_ref().err()?;
        let failure = Failure::failed(format!("cannot ask the process at {}: {why}", self.url));
        Some(
            failure.hint(
                "start `tidemark demo` or `tidemark run JOB`, or name the address that it shows",
            ),
        )
    }
}

/// Asks the processes at `urls` and those that they name, all at the same time.
pub(super) fn all(urls: &[String]) -> Vec<ProcessAsked> {
    let mut asked = each(urls.iter().cloned());
    let known: BTreeSet<_> = urls.iter().map(|url| address(url)).collect();
    let named = |asked: &ProcessAsked| match &asked.told {
        Ok(overview) => overview.processes.clone(),
        Err(_) => Vec::new(),
    };
    let own: BTreeSet<_> =
        asked.iter().flat_map(named).filter(|it| it.own).map(|it| it.url).collect();
    let others: BTreeSet<_> = asked.iter().flat_map(named).map(|process| process.url).collect();
    let others =
        others.into_iter().filter(|url| !own.contains(url) && !known.contains(address(url)));
    asked.extend(each(others.take(PROCESSES_MAX)));
    asked.sort_by_key(|asked| match &asked.told {
        Ok(overview) => overview.processes.iter().position(|process| process.own),
        Err(_) => Some(usize::MAX),
    });
    asked
}

/// What is behind the scheme.
fn address(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

fn each(urls: impl Iterator<Item = String>) -> Vec<ProcessAsked> {
    std::thread::scope(|scope| {
        let one = |url: String| {
            let asking = url.clone();
            (url, scope.spawn(move || one(&asking)))
        };
        let asking: Vec<_> = urls.map(one).collect();
        let answered = asking.into_iter().map(|(url, asking)| {
            let told = asking.join().unwrap_or_else(|_| Err("asking it failed".to_owned()));
            ProcessAsked { url, told }
        });
        answered.collect()
    })
}

fn one(url: &str) -> Result<Overview, String> {
    let (code, body) =
        ask::get(&format!("{url}/overview"), WITHIN).map_err(|error| error.to_string())?;
    match code {
        200 => serde_json::from_str::<Overview>(&body)
            .map(|overview| overview.in_short())
            .map_err(|_| "what answers is no process of this version of tidemark".to_owned()),
        404 => Err("what answers is no tidemark process, or an older one".to_owned()),
        code => Err(format!("it answers with {code}")),
    }
}
