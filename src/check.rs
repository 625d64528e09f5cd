//! `tidemark check`: a job as it was understood, and what it makes of a sample, for people or as JSON.

mod document;
pub mod memory;
mod running;
mod sample;
mod sample_document;
mod sample_text;
mod unread_keys;

use crate::cli::{CheckArgs, OutputFormat};
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::online::feast_collision;
use crate::peer_tls::PeerIdentity;
use crate::{connect, job_file, output};
use memory::LOAD_DEFAULT;
use std::fmt::Write as _;
use tidemark_jobs::Job;
use tidemark_operators::footprint::Load;

/// Checks a job and prints its report, what is to be noted about it, and what it makes of samples.
///
/// # Errors
/// When the job or a sample cannot be read, or anything is wrong with the job: all of it, with exit
/// code 2. With `--running`, exit code 3 when something else runs, 1 when nobody answers.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    let job = job_file::load(&args.job)?;
    if let Some(address) = &args.running {
        return running::run(args, &job, address.as_deref());
    }
    if let Some(cluster) = &args.cluster {
        let settings = Settings::load(&ClusterFile::Named(cluster.clone()), Flags::default())?;
        // What a process of the job would not start with.
        settings.offline.check(&settings)?;
        connect::kafka(&settings.kafka).check().map_err(Failure::usage)?;
        check_certificate(&settings)?;
    }
    check_fields(&job)?;
    let file = job_file::file_name(&args.job);
    let load = load(args);
    let samples = sample::samples(&job, &args.samples)?;
    match args.format {
        OutputFormat::Json => output::print_json(&document::document(
            &job,
            file,
            memory::estimate(&job, &load),
            sample_document::documents(&samples),
        )),
        OutputFormat::Text => {
            let memory = memory::estimate(&job, &load).text();
            let samples = sample_text::text(&samples);
            output::print(&(job.report() + &memory + &notes(&job, file) + &samples))
        }
    }
}

/// The files of TLS between processes, where there is some: the certificate is for one host of the cluster at
/// least, and each process makes sure that it is for its own.
fn check_certificate(settings: &Settings) -> Result<(), Failure> {
    let Some(files) = connect::identity(settings) else { return Ok(()) };
    let identity = PeerIdentity::read(&files).map_err(Failure::usage)?;
    let hosts = (0..settings.cluster.count()).filter_map(|process| settings.cluster.host(process));
    let hosts: Vec<_> = hosts.collect();
    if hosts.is_empty() || hosts.iter().any(|host| identity.is_for(host).is_ok()) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the certificate in {} is for {}, and for no host of \"processes\" in [cluster]: {}",
        files.certificate.display(),
        identity.names(),
        hosts.join(", ")
    ))
    .hint("have one made with the host of its process as a subject alternative name"))
}

/// Two features that Feast could not tell apart are found before they are in production.
fn check_fields(job: &Job) -> Result<(), Failure> {
    let Some((first, second)) = feast_collision(&job.plan) else { return Ok(()) };
    Err(Failure::usage(format!(
        "the features \"{first}\" and \"{second}\" have the same field in Feast's layout of Redis: 32 \
         bits of a hash of these names"
    ))
    .hint("rename one of them, or its view"))
}

/// The load that memory is said for.
fn load(args: &CheckArgs) -> Load {
    let entities = args.entities.unwrap_or(LOAD_DEFAULT.entities);
    Load {
        entities,
        events: args.events.unwrap_or(LOAD_DEFAULT.events),
        values: args.values.unwrap_or(LOAD_DEFAULT.values),
        texts: args.texts.unwrap_or(entities),
        text_bytes: args.text_bytes.unwrap_or(LOAD_DEFAULT.text_bytes),
    }
}

/// What is to be noted, each with its place.
fn notes(job: &Job, file: &str) -> String {
    let mut out = String::new();
    for note in &job.notes {
        // Writing to a string cannot fail.
        let _ = write!(out, "\nnote {file}:{}:{}: {}\n", note.line, note.column, note.message);
        if let Some(hint) = &note.hint {
            let _ = writeln!(out, "  {hint}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_features_of_one_entity_that_feast_could_not_tell_apart_are_refused() {
        let job = |entity: &str| {
            let text = format!(
                r#"
[job]
name = "collision"
[sources.t]
topic = "t"
time = "ts"
out_of_orderness = "5s"
[sources.t.fields]
card_id = "string"
user_id = "string"
[entities.card]
key = "card_id"
[entities.user]
key = "user_id"
[views.counts]
entity = "card"
[views.counts.features]
n_3626 = {{ aggregate = "count", window = "5m" }}
[views.sums]
entity = "{entity}"
[views.sums.features]
n_55341 = {{ aggregate = "count", window = "5m" }}
[views.of_user]
entity = "user"
[views.of_user.features]
n = {{ aggregate = "count", window = "5m" }}
"#
            );
            tidemark_jobs::load("collision.toml", &text).unwrap()
        };
        let error = check_fields(&job("card")).unwrap_err().to_string();
        assert!(error.contains("counts:n_3626") && error.contains("sums:n_55341"), "{error}");
        assert!(check_fields(&job("user")).is_ok(), "rows of other entities have other keys");
    }
}
