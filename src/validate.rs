//! `tidemark validate`: whether everything that a running job needs is there, and its rows are current.

mod findings;

use crate::cli::{OutputFormat, ValidateArgs};
use crate::config::{ClusterFile, Flags, OnlineKind, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::kafka::topic_size;
use crate::online::MemoryStatus;
use crate::online::redis::{RedisSurvey, SurveyedServer, survey};
use crate::registry::FolderSchemas;
use crate::serving::judged;
use crate::{connect, entity_id, job_file, output};
use findings::ValidationFinding;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tidemark_jobs::Job;
use tidemark_jobs::document::nearest;
use tidemark_operators::plan::{Format, Plan};

/// How long connecting to a registry may take.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Looks at Redis, topics and schemas, and prints what was found.
///
/// # Errors
/// Exit code 2 when the job, the settings or the words are wrong; 3 when anything is not as it must be.
pub fn run(args: &ValidateArgs) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let job = job_file::load(&args.job)?;
    let plan = connect::with_topic(Arc::clone(&job.plan), settings.topic.as_deref())?;
    let job = Job { plan, ..job };
    let only = only(args, &job.plan)?;
    let mut findings = Vec::new();
    let only = only.as_ref().map(|(entity, id)| (*entity, id.as_str()));
    redis(&job, &settings, only, args.freshness, &mut findings);
    if only.is_none() && !args.freshness {
        topics(&job.plan, &settings, &mut findings);
        schemas(&job.plan, &settings, &mut findings);
    }
    let document = findings::document(&job.plan.name, &findings);
    let all_well = document.ok;
    match args.format {
        OutputFormat::Json => output::print_json(&document)?,
        OutputFormat::Text => output::print(&findings::text(&findings))?,
    };
    Ok(if all_well { Exit::Done } else { Exit::No })
}

/// The entity whose rows alone are looked at: its type and its id.
fn only(args: &ValidateArgs, plan: &Plan) -> Result<Option<(usize, String)>, Failure> {
    let (Some(name), Some(id)) = (&args.entity_type, &args.entity_id) else { return Ok(None) };
    entity_named(plan, name, id).map(Some)
}

/// The entity type of this name, by its place in the job, and `id` as rows know it.
///
/// # Errors
/// When there is no such type; exit code 2.
pub(crate) fn entity_named(plan: &Plan, name: &str, id: &str) -> Result<(usize, String), Failure> {
    let mut entities = plan.entities.iter();
    let Some(entity) = entities.position(|entity| entity.name == name) else {
        let failure = format!("the job \"{}\" has no entity type \"{name}\"", plan.name);
        let near = nearest(name, plan.entities.iter().map(|entity| entity.name.as_str()));
        let hint = near.map_or_else(
            || {
                let all = plan.entities.iter().map(|entity| format!("\"{}\"", entity.name));
                format!("name one of: {}", all.collect::<Vec<_>>().join(", "))
            },
            |near| format!("did you mean \"{near}\"?"),
        );
        return Err(Failure::usage(failure).hint(hint));
    };
    let view = plan.views.iter().position(|view| view.entity == entity);
    let known = |view| entity_id::known_as(plan, view, id).into_owned();
    Ok((entity, view.map_or_else(|| id.to_owned(), known)))
}

fn redis(
    job: &Job,
    settings: &Settings,
    only: Option<(usize, &str)>,
    freshness: bool,
    findings: &mut Vec<ValidationFinding>,
) {
    if settings.online.kind == OnlineKind::Embedded {
        findings.push(ValidationFinding::skipped("redis", "rows are only in the job's memory"));
        return;
    }
    let reached = connect::redis(settings);
    let found = match survey(&reached, &job.plan, only) {
        Ok(found) => found,
        Err(error) => {
            let name = format!("redis {}", reached.address());
            return findings.push(ValidationFinding::failed(name, error));
        }
    };
    if !freshness && only.is_none() {
        findings.extend(found.servers.iter().map(server));
    }
    let fresh = judged(&found.beats, &settings.serve);
    let current = fresh.is_ok();
    findings.push(match &fresh {
        Ok(told) => ValidationFinding::ok("heartbeat", told),
        Err(why) => ValidationFinding::failed("heartbeat", why),
    });
    rows(&job.plan, &found, only, (freshness, current), findings);
}

/// The server's role and memory.
fn server(found: &SurveyedServer) -> ValidationFinding {
    let name = format!("redis {}", found.address);
    if found.replica {
        return ValidationFinding::failed(
            name,
            "it is a replica, which takes no rows; name the primary",
        );
    }
    let evicted = found.evicted.unwrap_or(0);
    if evicted > 0 {
        let why = format!(
            "it has evicted {evicted} keys since its start, which read as zeros until they are written \
             again; raise its maxmemory, and have it count anew by CONFIG RESETSTAT"
        );
        return ValidationFinding::failed(name, why);
    }
    match found.memory {
        Some(MemoryStatus { used, limit: Some(limit), alert: true }) => {
            ValidationFinding::failed(name, format!("{used} of {limit} bytes of memory are in use"))
        }
        Some(MemoryStatus { used, limit: Some(limit), .. }) => {
            ValidationFinding::ok(name, format!("primary, {used} of {limit} bytes in use"))
        }
        Some(MemoryStatus { used, limit: None, .. }) => {
            ValidationFinding::ok(name, format!("primary, {used} bytes in use, no limit"))
        }
        None => ValidationFinding::ok(name, "primary; it does not say how much memory is in use"),
    }
}

/// Whether every view has rows, or what there is of one entity; with `freshness` the share of rows that
/// are current: all, or none, as the heartbeats say.
fn rows(
    plan: &Plan,
    found: &RedisSurvey,
    only: Option<(usize, &str)>,
    (freshness, current): (bool, bool),
    findings: &mut Vec<ValidationFinding>,
) {
    let views = plan.views.iter().enumerate().zip(&found.rows);
    let mut seen = 0;
    for ((at, index), ids) in views {
        let Some(view) = plan.view(at) else { continue };
        if only.is_some_and(|(entity, _)| index.entity != entity) {
            continue;
        }
        seen += ids.len();
        let name = format!("view {}", view.name);
        match (only, ids.first()) {
            (None, _) if freshness => {}
            (None, None) if !found.whole => {
                let why = "no row was found among the keys that were looked at, which were not all";
                findings.push(ValidationFinding::skipped(name, why));
            }
            (None, None) => {
                let why = "no row was found: has the job caught up, and did events arrive?";
                findings.push(ValidationFinding::failed(name, why));
            }
            (None, Some(id)) => {
                findings.push(ValidationFinding::ok(
                    name,
                    format!("has rows, of \"{id}\" for example"),
                ));
            }
            (Some((_, id)), None) => {
                findings.push(ValidationFinding::ok(
                    name,
                    format!("no row of \"{id}\": the empty values"),
                ));
            }
            (Some((_, id)), Some(_)) => {
                findings.push(ValidationFinding::ok(name, format!("has a row of \"{id}\"")));
            }
        }
    }
    if freshness {
        let young = if current { seen } else { 0 };
        let told = format!("{young} of {seen} rows that were looked at are younger than the bound");
        findings.push(match current && (seen > 0 || only.is_some()) {
            true => ValidationFinding::ok("freshness", told),
            false => ValidationFinding::failed("freshness", told),
        });
    }
}

fn topics(plan: &Plan, settings: &Settings, findings: &mut Vec<ValidationFinding>) {
    let config = connect::kafka(&settings.kafka);
    for source in plan.sources.iter().filter(|source| source.files.is_empty()) {
        let Some(topic) = &source.topic else { continue };
        let name = format!("topic {topic}");
        findings.push(match topic_size(&config, topic) {
            Ok((partitions, records)) => ValidationFinding::ok(
                name,
                format!("{partitions} partitions with {records} records"),
            ),
            Err(error) => ValidationFinding::failed(name, error),
        });
    }
}

/// Where the schemas of Avro records in topics are.
fn schemas(plan: &Plan, settings: &Settings, findings: &mut Vec<ValidationFinding>) {
    let avro = |format: Format| format == Format::Avro;
    if !plan.sources.iter().any(|source| avro(source.format) && source.files.is_empty()) {
        return;
    }
    let named = &settings.registry;
    if let Some(folder) = &named.schemas {
        findings.push(match FolderSchemas::open(Path::new(folder)) {
            Ok(held) => ValidationFinding::ok("schemas", format!("{} in '{folder}'", held.len())),
            Err(error) => ValidationFinding::failed("schemas", error),
        });
        return;
    }
    let urls = connect::registry(named, Duration::ZERO).urls;
    if urls.is_empty() {
        let why = "a topic has Avro records and nothing says where their schemas are: set \"url\" or \
                   \"schemas\" in [registry]";
        return findings.push(ValidationFinding::failed("schemas", why));
    }
    for url in urls {
        findings.push(match reached(&url) {
            Ok(()) => ValidationFinding::ok("schemas", format!("the registry at {url} listens")),
            Err(why) => ValidationFinding::failed(
                "schemas",
                format!("the registry at {url} cannot be reached: {why}"),
            ),
        });
    }
}

/// Whether somebody listens at the address of a URL.
fn reached(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let host = rest.split('/').next().unwrap_or(rest);
    let port = if scheme == "https" { ":443" } else { ":80" };
    let address = if host.contains(':') { host.to_owned() } else { format!("{host}{port}") };
    let mut found = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let at = found.next().ok_or("its name has no address")?;
    TcpStream::connect_timeout(&at, CONNECT_MAX).map(|_| ()).map_err(|error| error.to_string())
}
