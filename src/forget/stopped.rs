//! Forgetting in the state of a job that does not run.
//!
//! The state is taken over as by a run, and so no run that has it can write any more: one that is going on
//! ends. The next start drops what is forgotten, tells the online store, and writes segments anew.

use crate::ask;
use crate::checkpoint::{ForgottenEntity, ForgottenRead, Manifest, Manifests};
use crate::config::{RunSettings, Settings};
use crate::failure::Failure;
use crate::http::ForgetTold;
use crate::objects::{self, Absent, Objects, unique_text};
use crate::wall_clock::wall_ms;
use std::time::Duration;
use tidemark_jobs::document::nearest;
use tidemark_operators::cut::FORGOTTEN_MAX;

/// How long it is looked whether a process of the job answers.
const LOOK: Duration = Duration::from_secs(2);

/// Has the state that `settings` name forget `ids` of type `entity`.
///
/// # Errors
/// When there is none, a process answers at `url`, the type is none of the state's, or it cannot be
/// written.
pub(super) fn forget(
    settings: &Settings,
    url: &str,
    (entity, ids): (&str, &[String]),
) -> Result<Vec<ForgetTold>, Failure> {
    let Some(state) = &settings.state.url else {
        return Err(Failure::usage(
            "the settings name no state: there is nothing to be forgotten in",
        )
        .hint("name the file that has \"url\" in [state] by --cluster"));
    };
    if ask::get(&format!("{url}/settings"), LOOK).is_ok() {
        let running = format!("a process answers at {url}: its state is not changed beside it");
        return Err(Failure::usage(running).hint("leave out --stopped, or stop it first"));
    }
    let objects = objects::open(state, Absent::Refused).map_err(Failure::usage)?;
    let manifests = Manifests::new(&*objects);
    let newest = manifests.newest().map_err(Failure::failed)?.map(|newest| newest.manifest);
    let newest = newest.filter(|newest| newest.cut > 0).ok_or_else(|| {
        Failure::failed(format!("nothing is held in {}: no checkpoint has a row", objects.url()))
            .hint("a start reads the job's topics from their beginning")
    })?;
    refuse(&newest, (entity, ids))?;
    write(&*objects, (entity, ids))?;
    let sources = newest.partitions.iter().map(|mark| format!("the records of {}", mark.source));
    let mut out_of_reach: Vec<_> = sources.collect();
    out_of_reach.dedup();
    let of = RunSettings { settings: settings.told(), ..RunSettings::default() };
    out_of_reach.extend(of.written());
    let told = ids.iter().map(|id| ForgetTold {
        entity: entity.to_owned(),
        id: id.clone(),
        held: None,
        before: Some(newest.cut),
        durable: Some(true),
        out_of_reach: out_of_reach.clone(),
    });
    Ok(told.collect())
}

/// What cannot be.
fn refuse(newest: &Manifest, (entity, ids): (&str, &[String])) -> Result<(), Failure> {
    let known = || newest.fingerprint.keys().map(String::as_str);
    if !known().any(|name| name == entity) {
        let near = nearest(entity, known()).map(str::to_owned);
        let all = || format!("it keeps {}", known().collect::<Vec<_>>().join(", "));
        let hint = near.map_or_else(all, |near| format!("did you mean \"{near}\"?"));
        let wrong = format!("the state of {} has no entity type \"{entity}\"", newest.job);
        return Err(Failure::usage(wrong).hint(hint));
    }
    if newest.tombstones.len().saturating_add(ids.len()) > FORGOTTEN_MAX {
        let many = format!(
            "{} entities are forgotten of which there may still be rows on disk, and {} more would be more \
             than {FORGOTTEN_MAX}",
            newest.tombstones.len(),
            ids.len()
        );
        return Err(
            Failure::failed(many).hint("run the job for some checkpoints: they go by and by")
        );
    }
    Ok(())
}

/// Takes the state over, and appends a manifest that says so.
fn write(objects: &dyn Objects, (entity, ids): (&str, &[String])) -> Result<(), Failure> {
    let writer = unique_text().map_err(|why| {
        Failure::failed(format!("cannot take the state in {} over: {why}", objects.url()))
    })?;
    let now = wall_ms().unwrap_or(0);
    let leader = Manifests::new(objects).take_over(&Manifest::default(), &writer, now);
    let mut leader = leader.map_err(Failure::failed)?;
    let mut next = leader.manifest().clone();
    let read = next.partitions.iter().map(|mark| ForgottenRead {
        source: mark.source.clone(),
        partition: mark.partition,
        next: mark.read,
    });
    let (read, before): (Vec<_>, _) = (read.collect(), next.cut);
    for id in ids {
        next.forget(ForgottenEntity {
            entity: entity.to_owned(),
            id: id.clone(),
            before,
            since: next.sequence.saturating_add(1),
            read: read.clone(),
        });
    }
    leader.append(next).map_err(Failure::failed)
}
