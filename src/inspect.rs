//! `tidemark checkpoint`: a look into the state that a job keeps. Nothing is changed.

mod export;
mod ls;
mod show;
mod verify;

use crate::checkpoint::{CheckpointError, Manifest, Manifests, StateKeys};
use crate::cli::{CheckpointArgs, CheckpointCommand};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::objects::{self, Absent, Objects};
use crate::text::columns;
use std::path::Path;

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the store or the file of keys cannot be opened, 1 when something in the store cannot
/// be read, is damaged or missing.
pub fn run(args: &CheckpointArgs) -> Result<Exit, Failure> {
    match &args.command {
        CheckpointCommand::Ls(args) => ls::run(args),
        CheckpointCommand::Show(args) => show::run(args),
        CheckpointCommand::Verify(args) => verify::run(args),
        CheckpointCommand::Export(args) => export::run(args),
    }
}

fn opened(state: &str) -> Result<Box<dyn Objects>, Failure> {
    objects::open(state, Absent::Refused).map_err(Failure::usage)
}

fn keys(path: Option<&Path>) -> Result<Option<StateKeys>, Failure> {
    path.map(StateKeys::read).transpose().map_err(Failure::usage)
}

fn failed(error: CheckpointError) -> Failure {
    Failure::failed(error)
}

/// The manifest that is asked for, or the newest.
fn manifest(objects: &dyn Objects, sequence: Option<u64>) -> Result<Manifest, Failure> {
    let manifests = Manifests::new(objects);
    let Some(sequence) = sequence else {
        let newest = manifests.newest().map_err(failed)?.ok_or_else(|| nothing(objects))?;
        return Ok(newest.manifest);
    };
    let read = manifests.read(sequence).map_err(failed)?;
    read.ok_or_else(|| {
        Failure::failed(format!("there is no checkpoint {sequence} in {}", objects.url()))
            .hint("`tidemark checkpoint ls` shows which there are; the last 3 are kept")
    })
}

fn nothing(objects: &dyn Objects) -> Failure {
    Failure::failed(format!("there is no checkpoint in {}", objects.url()))
        .hint("name what `url` of [state] in cluster.toml names")
}

/// The bytes of all objects that a manifest lists.
fn listed_bytes(manifest: &Manifest) -> u64 {
    let indexes = manifest.indexes.iter().map(|one| one.bytes);
    let segments = manifest.segments.iter().map(|one| one.bytes);
    let states = manifest.snapshot.iter().flat_map(|snapshot| &snapshot.states);
    let ids = manifest.ids.iter().map(|one| one.bytes);
    indexes.chain(segments).chain(states.map(|one| one.bytes)).chain(ids).sum()
}

/// Columns of text; the first line is the head.
fn table(lines: &[Vec<String>]) -> String {
    columns(lines, &[]).into_iter().map(|line| line + "\n").collect()
}
