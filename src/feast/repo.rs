//! The files of a Feast repository.
//!
//! # Why this way
//!
//! - Every view has its whole schema and every entity its type, so that `feast apply` asks for no file.
//! - Views have no ttl: Feast drops a row whose last change is older, and ours stay right without one.
//! - No password is written: where the job has one, Feast takes it from the environment.

use super::WRITTEN;
use super::history::FeastHistory;
use super::log_of_events::{MODULE, MODULE_NAME};
use crate::online::RedisSettings;
use crate::online::redis::{RedisServers, ServerAddress};
use std::fmt::Write as _;
use tidemark_jobs::Job;
use tidemark_operators::json::quoted;
use tidemark_operators::plan::JoinKey;
use tidemark_operators::plan::{FeaturePlan, Plan};
use tidemark_operators::value::Type;

/// The version of Feast that reads the repository in our tests.
const FEAST_VERSION: &str = "0.67.0";
/// A test of the repository. Feast loads every file of it: this one does nothing then.
const TEST: &str = include_str!("test_online.py");

/// Names and texts of all files; `history`: whom Feast asks what features were.
///
/// # Errors
/// When Feast cannot have the job's views, since two names differ only in case, or cannot reach its Redis.
pub(super) fn files(
    job: &Job,
    redis: &RedisSettings,
    history: &FeastHistory,
) -> Result<Vec<(&'static str, String)>, String> {
    check_sentinels(redis)?;
    let plan = &job.plan;
    let mut names: Vec<String> =
        (0..plan.views.len()).filter_map(|at| Some(plan.view(at)?.name.to_lowercase())).collect();
    names.sort();
    let twice = names.windows(2).find(|pair| pair.first() == pair.last());
    if let Some([first, _]) = twice {
        return Err(format!(
            "two views are named \"{first}\" but for upper and lower case, which Feast does not tell \
             apart; rename one of them"
        ));
    }
    let head = format!("{WRITTEN} {}`; written anew with the next one.\n", plan.name);
    let requirements = format!("feast[redis{}]=={FEAST_VERSION}\n", history.extras());
    let mut files = vec![
        ("feature_store.yaml", head.clone() + &store(plan, redis, history)),
        ("entities.py", head.clone() + &entities(plan)),
        ("feature_views.py", head.clone() + &views(plan, history)),
        ("services.py", head.clone() + &services(job)),
        ("requirements.txt", head.clone() + &requirements),
        ("test_online.py", head.clone() + TEST),
    ];
    if let FeastHistory::Log(_) = history {
        files.push((MODULE_NAME, head + MODULE));
    }
    Ok(files)
}

/// What keeps Feast from asking the Sentinels: its client gives them nothing but a password.
fn check_sentinels(redis: &RedisSettings) -> Result<(), String> {
    let RedisServers::Sentinel(watched) = &redis.servers else { return Ok(()) };
    let lacks = match (&redis.tls, &watched.username) {
        (Some(_), _) => "cannot be told to ask Sentinels over TLS ([online.redis] sets TLS)",
        (None, Some(_)) => "cannot be told of a user at Sentinels (\"sentinel_username\")",
        (None, None) => return Ok(()),
    };
    Err(format!(
        "Feast's Redis store {lacks}; have Feast read `tidemark serve` instead: online_store: {{type: \
         remote, path: \"http://HOST:6566\"}}"
    ))
}

/// Which kind of Redis Feast is told of, and where it is.
fn servers(servers: &RedisServers) -> (String, String) {
    let listed = |addresses: &[ServerAddress]| {
        addresses.iter().map(ServerAddress::to_string).collect::<Vec<_>>().join(",")
    };
    match servers {
        RedisServers::Single(address) => (String::new(), address.to_string()),
        RedisServers::Sentinel(watched) => (
            format!("  redis_type: redis_sentinel\n  sentinel_master: {}\n", quoted(&watched.name)),
            // Without this they would be asked with no password. What is between commas is read as JSON.
            match watched.password {
                None => listed(&watched.addresses),
                Some(_) => format!(
                    "{},sentinel_kwargs={{\"password\":\"${{REDIS_SENTINEL_PASSWORD}}\"}}",
                    listed(&watched.addresses)
                ),
            },
        ),
        RedisServers::Cluster(seeds) => ("  redis_type: redis_cluster\n".to_owned(), listed(seeds)),
    }
}

fn store(plan: &Plan, redis: &RedisSettings, history: &FeastHistory) -> String {
    let project = redis.placing().project(&plan.name);
    let (kind, mut connection) = servers(&redis.servers);
    if redis.db != 0 {
        connection += &format!(",db={}", redis.db);
    }
    if let Some(tls) = &redis.tls {
        connection += ",ssl=true";
        let client = tls.client.as_ref().map(|(cert, key)| (Some(cert), Some(key)));
        let (cert, key) = client.unwrap_or_default();
        let files =
            [("ssl_ca_certs", tls.ca_file.as_ref()), ("ssl_certfile", cert), ("ssl_keyfile", key)];
        for (name, file) in files {
            if let Some(file) = file {
                connection += &format!(",{name}={}", file.display());
            }
        }
    }
    if let Some(user) = &redis.username {
        connection += &format!(",username={user}");
    }
    if redis.password.is_some() {
        // Feast puts variables in.
        connection += ",password=${REDIS_PASSWORD}";
    }
    format!(
        "project: {project}\n\
         registry: data/registry.db\n\
         provider: local\n\
         online_store:\n  type: redis\n{kind}  connection_string: {}\n\
         offline_store:\n{}\
         entity_key_serialization_version: 3\n",
        quoted(&connection),
        history.store()
    )
}

fn entities(plan: &Plan) -> String {
    let mut out = "from feast import Entity, ValueType\n\n".to_owned();
    for entity in &plan.entities {
        let key = JoinKey::of(plan, entity);
        let ty = if key.ty == Type::Int { "INT64" } else { "STRING" };
        let (name, join_key) = (quoted(&entity.name), quoted(&key.name));
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}_entity = Entity(name={name}, join_keys=[{join_key}], value_type=ValueType.{ty})",
            entity.name
        );
    }
    out
}

fn views(plan: &Plan, history: &FeastHistory) -> String {
    let mut out = "from datetime import timedelta\n\n\
                   from entities import *\n\
                   from feast import FeatureView, Field\n"
        .to_owned();
    out += history.import();
    out += "from feast.types import Bool, Float64, Int64, String\n\n";
    out += &history.comment();
    for at in 0..plan.views.len() {
        let Some((index, view)) = plan.views.get(at).zip(plan.view(at)) else { continue };
        let Some(entity) = plan.entities.get(index.entity) else { continue };
        let name = &view.name;
        let _ = writeln!(
            out,
            "\n{name}_view = FeatureView(\n    name={quoted},\n    entities=[{}_entity],\n    \
             ttl=timedelta(0),\n    online=True,\n    schema=[",
            entity.name,
            quoted = quoted(name)
        );
        for feature in &view.features {
            let (feature, ty) = (quoted(&feature.name), dtype(feature));
            let _ = writeln!(out, "        Field(name={feature}, dtype={ty}),");
        }
        let _ = writeln!(out, "    ],\n    source={},\n)", history.source(name));
    }
    out
}

/// What a feature is in Feast; the module `online::feast` writes it so.
fn dtype(feature: &FeaturePlan) -> &'static str {
    match feature.ty {
        Type::Int | Type::Timestamp => "Int64",
        Type::Decimal(_) | Type::Double => "Float64",
        Type::Bool => "Bool",
        Type::Text | Type::Ip => "String",
    }
}

fn services(job: &Job) -> String {
    let mut out = "from feast import FeatureService\nfrom feature_views import *\n".to_owned();
    for service in &job.services {
        let name = &service.name;
        let _ = writeln!(
            out,
            "\n{name}_service = FeatureService(\n    name={},\n    description={},\n    features=[",
            quoted(name),
            quoted(&service.description)
        );
        let mut views: Vec<usize> = Vec::new();
        for (view, _) in &service.features {
            if !views.contains(view) {
                views.push(*view);
            }
        }
        for at in views {
            let Some(view) = job.plan.view(at) else { continue };
            let of = service.features.iter().filter(|(of, _)| *of == at);
            let names = of.filter_map(|(_, feature)| view.features.get(*feature));
            let names: Vec<_> = names.map(|feature| quoted(&feature.name)).collect();
            let _ = writeln!(out, "        {}_view[[{}]],", view.name, names.join(", "));
        }
        out.push_str("    ],\n)\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::config::Settings;
    use crate::online::redis::Secret;
    use clap::Parser as _;

    /// Of a job that has no rows anywhere.
    fn history(job: &Job) -> FeastHistory {
        let name = job.plan.name.as_str();
        let Command::Feast(args) = Cli::parse_from(["tidemark", "feast", name, "repo"]).command
        else {
            unreachable!("it is this command")
        };
        FeastHistory::of(&args, &Settings::default(), job).unwrap()
    }

    #[test]
    fn every_view_feature_and_service_of_a_job_is_in_its_repository() {
        for name in ["fraud", "personalization", "behavior"] {
            let job = crate::job_file::load(name).unwrap();
            let files = files(&job, &RedisSettings::default(), &history(&job)).unwrap();
            let text = |name: &str| &files.iter().find(|(file, _)| *file == name).unwrap().1;
            for at in 0..job.plan.views.len() {
                let view = job.plan.view(at).unwrap();
                assert!(text("feature_views.py").contains(&format!("name=\"{}\",", view.name)));
                for feature in &view.features {
                    let field = format!("Field(name=\"{}\", dtype=", feature.name);
                    assert!(text("feature_views.py").contains(&field), "{field}");
                }
            }
            for service in &job.services {
                assert!(text("services.py").contains(&format!("name=\"{}\",", service.name)));
            }
            assert!(files.iter().all(|(_, text)| text.starts_with(WRITTEN)));
        }
    }

    #[test]
    fn a_password_is_never_written_and_the_rest_of_the_address_is() {
        let job = crate::job_file::load("fraud").unwrap();
        let redis = RedisSettings {
            db: 3,
            username: Some("me".to_owned()),
            password: Some(Secret::new("hunter2")),
            tls: Some(crate::online::redis::TlsSettings::default()),
            ..RedisSettings::default()
        };
        let files = files(&job, &redis, &history(&job)).unwrap();
        assert!(files.iter().all(|(_, text)| !text.contains("hunter2")));
        let store = &files[0].1;
        let expected = "\"127.0.0.1:6379,db=3,ssl=true,username=me,password=${REDIS_PASSWORD}\"";
        assert!(store.contains(expected), "{store}");
        assert!(store.contains("\nproject: fraud\n"), "{store}");
    }

    #[test]
    fn sentinels_are_given_their_password_and_what_feast_cannot_give_them_is_refused_by_name() {
        let job = crate::job_file::load("fraud").unwrap();
        let secret = || Some(Secret::new("hunter2"));
        let watched = |username: Option<&str>| {
            RedisServers::Sentinel(crate::online::redis::SentinelSettings {
                addresses: vec!["s:1".parse().unwrap()],
                name: "m".to_owned(),
                username: username.map(str::to_owned),
                password: secret(),
            })
        };
        let settings = |servers, tls| {
            let tls = Some(crate::online::redis::TlsSettings::default()).filter(|_| tls);
            RedisSettings { servers, tls, ..RedisSettings::default() }
        };
        let written = files(&job, &settings(watched(None), false), &history(&job)).unwrap();
        let kwargs = r#"s:1,sentinel_kwargs={\"password\":\"${REDIS_SENTINEL_PASSWORD}\"}"#;
        assert!(written[0].1.contains(kwargs), "{}", written[0].1);
        assert!(written.iter().all(|(_, text)| !text.contains("hunter2")));
        let refused =
            |servers, tls| files(&job, &settings(servers, tls), &history(&job)).unwrap_err();
        assert!(refused(watched(Some("me")), false).contains("\"sentinel_username\""));
        assert!(refused(watched(None), true).contains("over TLS"));
    }
}
