//! `tidemark check --running`: the job and the settings against those of the process that runs.

use crate::ask::{self, PATIENCE};
use crate::cli::{CheckArgs, OutputFormat};
use crate::config::{ClusterFile, Flags, RunSettings, Settings};
use crate::connect::with_topic;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use tidemark_jobs::Job;

/// Keys that say where a process is asked, which in a cluster depends on its place.
const PLACE: [&str; 1] = ["http.port"];

/// What is compared, as JSON.
#[derive(Serialize)]
struct Comparison {
    running: String,
    differs: Vec<Difference>,
}

/// A key whose values differ; `None`: it has none.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    key: String,
    runs: Option<String>,
    here: Option<String>,
}

/// Compares, and says what differs.
///
/// # Errors
/// Exit code 3 when something differs; 1 when nobody answers, or what answers is no such process; 2 when
/// the settings are wrong.
pub(super) fn run(args: &CheckArgs, job: &Job, address: Option<&str>) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let plan = with_topic(Arc::clone(&job.plan), settings.topic.as_deref())?;
    let url =
        address.map_or_else(|| ask::url(settings.http.address()), |at| format!("http://{at}"));
    let runs = ask(&url)?;
    let differs = differences(&runs, &RunSettings::of(&plan, &settings));
    let (count, said) = (differs.len(), text(&differs));
    if args.format == OutputFormat::Json {
        output::print_json(&Comparison { running: url, differs })?;
        return Ok(if count == 0 { Exit::Done } else { Exit::No });
    }
    if count == 0 {
        return output::print(&format!("the process at {url} runs just that\n"));
    }
    output::print(&said)?;
    Err(Failure::no(format!("the process at {url} runs with {count} other values"))
        .hint("start it again, with this job, file and environment, for them to hold"))
}

fn ask(url: &str) -> Result<RunSettings, Failure> {
    let (code, body) = ask::get(&format!("{url}/settings"), PATIENCE).map_err(|error| {
        Failure::failed(format!("cannot ask the job at {url} what it runs with: {error}")).hint(
            "look whether it runs; another address is named by --running HOST:PORT, \
             HEALTH_CHECK_PORT, or \"port\" in [http] of cluster.toml",
        )
    })?;
    let runs: Option<RunSettings> = serde_json::from_str(&body).ok();
    runs.filter(|runs| code == 200 && !runs.settings.is_empty()).ok_or_else(|| {
        let what = "does not say what it runs with";
        Failure::failed(format!("what answers at {url} {what} (status {code})"))
            .hint("name the address that `tidemark run` shows, by --running HOST:PORT")
    })
}

fn differences(runs: &RunSettings, here: &RunSettings) -> Vec<Difference> {
    let of_job = [
        ("job.name", &runs.job, &here.job),
        ("job.definition", &runs.definition, &here.definition),
    ];
    let of_job = of_job.map(|(key, runs, here)| (key, Some(runs), Some(here)));
    let keys: BTreeSet<&String> = runs.settings.keys().chain(here.settings.keys()).collect();
    let of_settings =
        keys.into_iter().map(|key| (key.as_str(), runs.settings.get(key), here.settings.get(key)));
    let differs = of_job
        .into_iter()
        .chain(of_settings)
        .filter(|(key, runs, here)| runs != here && !PLACE.contains(key));
    let difference = |(key, runs, here): (&str, Option<&String>, Option<&String>)| Difference {
        key: key.to_owned(),
        runs: runs.cloned(),
        here: here.cloned(),
    };
    differs.map(difference).collect()
}

fn text(differs: &[Difference]) -> String {
    let mut out = String::new();
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
    for Difference { key, runs, here } in differs {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{key}: runs with {}, here it is {}", value(runs), value(here));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_said_by_key_and_ports_of_places_are_not() {
        let of = |pairs: &[(&str, &str)]| RunSettings {
            job: "fraud".to_owned(),
            definition: "1".to_owned(),
            settings: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        };
        let runs = of(&[("workers", "2"), ("http.port", "8089"), ("state.url", "state")]);
        let here = of(&[("workers", "4"), ("http.port", "8088"), ("sealed.path", "rows")]);
        let here = RunSettings { definition: "2".to_owned(), ..here };
        assert_eq!(
            text(&differences(&runs, &here)),
            "job.definition: runs with 1, here it is 2\n\
             sealed.path: runs with nothing, here it is rows\n\
             state.url: runs with state, here it is nothing\n\
             workers: runs with 2, here it is 4\n"
        );
        assert_eq!(differences(&runs, &runs), []);
    }
}
