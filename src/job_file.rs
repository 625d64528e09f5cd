//! Reading the job that a command names.

use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::named_file::{self, is_standard};
use std::path::Path;
use std::sync::Arc;
use tidemark_jobs::document::{FILE_BYTES_MAX, nearest};
use tidemark_jobs::{Job, SHIPPED, shipped};
use tidemark_operators::plan::{Plan, TableFrom};
use tidemark_operators::time::Millis;

/// Says that the file of the job `name` is read, where it has one: a shipped job has none.
pub(crate) fn is_read(name: &str, roles: &mut FileRoles) {
    if shipped(name).is_none() {
        roles.reads("the job", name);
    }
}

/// Says that the files of those reference tables of `plan` are read whose names are `wanted`.
pub(crate) fn tables_are_read(plan: &Plan, wanted: impl Fn(&str) -> bool, roles: &mut FileRoles) {
    for table in plan.tables.iter().filter(|table| wanted(&table.name)) {
        if let TableFrom::File { path, .. } = &table.from {
            roles.reads(format!("table \"{}\"", table.name), path);
        }
    }
}

/// Reads and checks a job: the shipped one of that name, else the file of that path, or standard input
/// for `-`. A file that has the name of a shipped job is read as `./name`.
///
/// # Errors
/// When there is no such job, it cannot be read, or anything in it is wrong: all of it, with line,
/// column and the nearest valid name. The exit code is 2.
pub fn load(name: &str) -> Result<Job, Failure> {
    if let Some((file, text)) = shipped(name) {
        return checked(file, text).map(with_shipped_tables);
    }
    let path = Path::new(name);
    let is_path = name.contains('/') || path.extension().is_some() || is_standard(path);
    if !is_path && !path.exists() {
        return Err(unknown(name));
    }
    let text = read(path).map_err(|error| {
        Failure::usage(format!("cannot read the job file \"{name}\": {error}"))
            .hint(format!("name a file, or a shipped job: {}", SHIPPED.join(", ")))
    })?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    checked(name, &text).map(|job| {
        placed(job, |file, valid_from, reload| {
            // Standard input lies in no folder.
            let inside = folder.join(file);
            let path = if is_standard(Path::new(file)) { Path::new(file) } else { &inside };
            let path = path.to_string_lossy().into_owned();
            Some(TableFrom::File { path, valid_from, reload })
        })
    })
}

/// The name of the file that a job named `name` is read from.
pub fn file_name(name: &str) -> &str {
    shipped(name).map_or(name, |(file, _)| file)
}

/// The job with its tables where they are: paths are relative to the job.
fn placed(mut job: Job, place: impl Fn(&str, Option<String>, Millis) -> Option<TableFrom>) -> Job {
    if job.plan.tables.is_empty() {
        return job;
    }
    for table in &mut Arc::make_mut(&mut job.plan).tables {
        if let TableFrom::File { path, valid_from, reload } = &table.from
            && let Some(from) = place(path, valid_from.clone(), *reload)
        {
            table.from = from;
        }
    }
    job
}

/// The job with the tables that come with the program where it names their files.
pub fn with_shipped_tables(job: Job) -> Job {
    placed(job, shipped_table)
}

/// A table of a shipped job.
fn shipped_table(file: &str, valid_from: Option<String>, _: Millis) -> Option<TableFrom> {
    let text = tidemark_jobs::shipped_table(file)?;
    Some(TableFrom::Shipped { name: file.to_owned(), text, valid_from })
}

fn checked(file: &str, text: &str) -> Result<Job, Failure> {
    tidemark_jobs::load(file, text)
        .map_err(|errors| Failure::usage(format!("the job is wrong\n{errors}")).at(&errors))
}

/// The text of a file, which must not be longer than [`FILE_BYTES_MAX`].
pub(crate) fn read(path: &Path) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind, Read};
    let most = FILE_BYTES_MAX as u64;
    let mut text = String::new();
    named_file::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    Ok(text)
}

fn unknown(name: &str) -> Failure {
    let failure = Failure::usage(format!("unknown job \"{name}\""));
    match nearest(name, SHIPPED) {
        Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
        None => failure.hint(format!(
            "name a file such as my_job.toml, or a shipped job: {}",
            SHIPPED.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shipped_job_is_found_by_its_name_and_a_near_name_is_suggested() {
        assert_eq!(load("fraud").unwrap().plan.name, "fraud");
        let failure = load("frad").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "error: unknown job \"frad\"\nhint: did you mean \"fraud\"?"
        );
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let missing = load("no/such.toml").unwrap_err().to_string();
        assert!(missing.contains("cannot read the job file \"no/such.toml\""), "{missing}");
        let path = std::env::temp_dir().join(format!("tidemark-job-{}.toml", std::process::id()));
        std::fs::write(&path, "[jbo]\nname = \"x\"\n").unwrap();
        let wrong = load(path.to_str().unwrap()).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(wrong.contains(".toml:1:"), "{wrong}");
        assert!(wrong.contains("did you mean \"job\"?"), "{wrong}");
    }
}
