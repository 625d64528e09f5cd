//! What a command reads that runs a job over files.

use crate::cli::{SourceFiles, TableFile};
use crate::failure::Failure;
use crate::file_roles::FileRoles;
use crate::file_source::found;
use crate::job_file;
use crate::tables::{OpenTables, TablesConfig};
use std::path::PathBuf;
use tidemark_jobs::Job;

/// What is read: the job, the files of its sources, and its tables.
pub(crate) fn roles(
    job: &Job,
    name: &str,
    files: &[(u16, Vec<PathBuf>)],
    tables: &[TableFile],
) -> FileRoles {
    let mut roles = FileRoles::default();
    job_file::is_read(name, &mut roles);
    for (source, files) in files {
        let source = job.plan.sources.get(usize::from(*source));
        let name = source.map_or("", |source| source.name.as_str());
        files.iter().for_each(|file| roles.reads(format!("source \"{name}\""), file));
    }
    let given = |name: &str| tables.iter().any(|table| table.name == name);
    job_file::tables_are_read(&job.plan, |name| !given(name), &mut roles);
    for table in tables {
        roles.reads(format!("table \"{}\"", table.name), &table.file);
    }
    roles
}

/// The files of each source of the job.
///
/// # Errors
/// When one is not a source of the job, one of the job has no files, or a folder or a pattern stands for
/// nothing: exit code 2.
pub(crate) fn sources(
    job: &Job,
    given: &[SourceFiles],
) -> Result<Vec<(u16, Vec<PathBuf>)>, Failure> {
    found_of(job, named_of_all(job, given)?)
}

/// The same as they were named: for who looks later what they stand for.
///
/// # Errors
/// When one is not a source of the job, or one of the job has no files: exit code 2.
pub(crate) fn named_of_all(
    job: &Job,
    given: &[SourceFiles],
) -> Result<Vec<(u16, Vec<PathBuf>)>, Failure> {
    let files = named(job, given)?;
    let mut sources = job.plan.sources.iter().enumerate();
    match sources.find(|(at, _)| files.iter().all(|of| usize::from(of.0) != *at)) {
        Some((_, missing)) => {
            let message = format!("source \"{}\" of the job has no files", missing.name);
            Err(Failure::usage(message).hint(format!("add --source {}=FILE", missing.name)))
        }
        None => Ok(files),
    }
}

/// The files of the sources that are named, each source once, with what folders and patterns stand for.
///
/// # Errors
/// When one is not a source of the job, or a folder or a pattern stands for nothing: exit code 2.
pub(crate) fn given_files(
    job: &Job,
    given: &[SourceFiles],
) -> Result<Vec<(u16, Vec<PathBuf>)>, Failure> {
    found_of(job, named(job, given)?)
}

fn found_of(
    job: &Job,
    named: Vec<(u16, Vec<PathBuf>)>,
) -> Result<Vec<(u16, Vec<PathBuf>)>, Failure> {
    let name = |at: u16| job.plan.sources.get(usize::from(at)).map_or("", |it| it.name.as_str());
    let found = named.into_iter().map(|(at, names)| Ok((at, found_files(name(at), &names)?)));
    found.collect()
}

fn named(job: &Job, given: &[SourceFiles]) -> Result<Vec<(u16, Vec<PathBuf>)>, Failure> {
    let names: Vec<_> = job.plan.sources.iter().map(|s| s.name.as_str()).collect();
    let mut files: Vec<(u16, Vec<PathBuf>)> = Vec::new();
    for given in given {
        let Some(at) = names.iter().position(|name| *name == given.name) else {
            let unknown = format!("job \"{}\" has no source \"{}\"", job.plan.name, given.name);
            return Err(Failure::usage(unknown).hint(format!("its sources: {}", names.join(", "))));
        };
        let source = u16::try_from(at).map_err(Failure::usage)?;
        match files.iter_mut().find(|(known, _)| *known == source) {
            Some((_, known)) => known.extend(given.files.iter().cloned()),
            None => files.push((source, given.files.clone())),
        }
    }
    files.sort_by_key(|(source, _)| *source);
    Ok(files)
}

/// What the names of files of a source stand for.
///
/// # Errors
/// When a folder or a pattern stands for nothing, or cannot be listed: exit code 2.
pub(crate) fn found_files(source: &str, names: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    found(names).map_err(|error| Failure::usage(format!("source \"{source}\": {error}")))
}

/// The job's tables, as they are now.
///
/// # Errors
/// When one is not a table of the job, or cannot be read.
pub(crate) fn tables(job: &Job, given: &[TableFile]) -> Result<OpenTables, Failure> {
    let names: Vec<_> = job.plan.tables.iter().map(|table| table.name.as_str()).collect();
    let mut instead = Vec::new();
    for given in given {
        let Some(at) = names.iter().position(|name| *name == given.name) else {
            let unknown = format!("job \"{}\" has no table \"{}\"", job.plan.name, given.name);
            let hint = match names.is_empty() {
                true => "leave out --table: the job has none".to_owned(),
                false => format!("its tables: {}", names.join(", ")),
            };
            return Err(Failure::usage(unknown).hint(hint));
        };
        instead.push((at, given.file.clone()));
    }
    let config = TablesConfig { instead: &instead, ..TablesConfig::default() };
    Ok(OpenTables::open(&job.plan, &config, &|| true)?.unwrap_or_default())
}
