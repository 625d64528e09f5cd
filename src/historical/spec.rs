//! What a training set is, for the metadata of a model: what was asked, of which bytes, and what came.

use super::asked::Asking;
use super::outcome::Outcome;
use crate::cli::HistoricalArgs;
use crate::failure::Failure;
use crate::named_file::is_standard;
use crate::offline::spine::Spine;
use crate::replay::summary::Summary;
use crate::text::{hex, time_text};
use crate::version::VERSION;
use crate::whole_file::WholeFile;
use openssl::sha::Sha256;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use tidemark_jobs::Job;
use tidemark_operators::plan::TableFrom;

/// What is read of a file at once, in bytes.
const READ_BYTES: usize = 1 << 16;

/// A training set.
#[derive(Serialize)]
struct SpecDocument<'a> {
    tidemark: &'static str,
    job: &'a str,
    service: Option<&'a str>,
    known: String,
    before: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival_unknown: Option<u64>,
    examples: SpecExamples<'a>,
    sources: Vec<SpecSource<'a>>,
    tables: Vec<SpecSource<'a>>,
    run: &'a Summary,
    features: Vec<SpecFeature<'a>>,
    out: SpecFile,
}

#[derive(Serialize)]
struct SpecExamples<'a> {
    file: SpecFile,
    rows: u64,
    time: &'a str,
    from: Option<String>,
    to: Option<String>,
    keys: Vec<SpecKey<'a>>,
}

#[derive(Serialize)]
struct SpecKey<'a> {
    entity: &'a str,
    column: &'a str,
    rows_without: u64,
}

#[derive(Serialize)]
struct SpecSource<'a> {
    name: &'a str,
    files: Vec<SpecFile>,
}

/// A file; of standard input and pipes nothing but the name is known.
#[derive(Serialize)]
struct SpecFile {
    file: String,
    bytes: Option<u64>,
    sha256: Option<String>,
}

#[derive(Serialize)]
struct SpecFeature<'a> {
    name: &'a str,
    view: &'a str,
    feature: &'a str,
    #[serde(rename = "type")]
    ty: &'static str,
    over: &'a str,
    definition: &'a str,
    sha256: String,
    nulls: u64,
}

/// Writes what the training set in `args.out` is to where `args` says, if it does; `read` are the files
/// of each source.
///
/// # Errors
/// When a file that was read cannot be read again, or it cannot be written.
pub(super) fn write(
    (job, args, read): (&Job, &HistoricalArgs, &[(u16, Vec<PathBuf>)]),
    (asking, spine): (&Asking, &Spine),
    (outcome, run, arrival_unknown): (&Outcome, &Summary, Option<u64>),
) -> Result<(), Failure> {
    let Some(path) = &args.spec else { return Ok(()) };
    let sources = read.iter().filter_map(|(at, files)| {
        let plan = job.plan.sources.get(usize::from(*at))?;
        Some(source(&plan.name, files))
    });
    let tables = job.plan.tables.iter().filter_map(|table| {
        let given = args.tables.iter().find(|given| given.name == table.name);
        let path = match (&table.from, given) {
            (_, Some(given)) => given.file.clone(),
            (TableFrom::File { path, .. }, None) => PathBuf::from(path),
            _ => return None,
        };
        Some(source(&table.name, &[path]))
    });
    let keys = asking.entities.iter().zip(&spine.keyless).map(|(asked, keyless)| SpecKey {
        entity: &asked.key.other_name,
        column: &asked.key.name,
        rows_without: *keyless,
    });
    let document = SpecDocument {
        tidemark: VERSION,
        job: &job.plan.name,
        service: args.service.as_deref(),
        known: args.known.to_string(),
        before: args.before,
        arrival_unknown,
        examples: SpecExamples {
            file: file(&args.entities)?,
            rows: spine.rows,
            time: &args.time,
            from: spine.span.map(|(from, _)| time_text(from)),
            to: spine.span.map(|(_, to)| time_text(to)),
            keys: keys.collect(),
        },
        sources: sources.collect::<Result<_, _>>()?,
        tables: tables.collect::<Result<_, _>>()?,
        run,
        features: features(job, asking, outcome),
        out: file(&args.out)?,
    };
    let text = serde_json::to_string_pretty(&document).map_err(Failure::failed)?;
    WholeFile::write(path, &format!("{text}\n")).map_err(Failure::failed)
}

fn features<'a>(job: &'a Job, asking: &'a Asking, outcome: &Outcome) -> Vec<SpecFeature<'a>> {
    let feature = |(asked, nulls): (&'a super::asked::AskedFeature, &u64)| {
        let (view, feature) = asked.place;
        let (plan, text) = (job.plan.view(view)?, job.views.get(view)?.features.get(feature)?);
        Some(SpecFeature {
            name: &asked.column.name,
            view: &plan.name,
            feature: &plan.features.get(feature)?.name,
            ty: asked.column.ty.name(),
            over: &text.over,
            definition: &text.definition,
            sha256: definition_hash(job, view, feature),
            nulls: *nulls,
        })
    };
    asking.features.iter().zip(&outcome.nulls).filter_map(feature).collect()
}

/// A hash of all that decides what a feature is: how its records are read, its window and what is counted
/// in it. What an expression names may be in any view, so all of them are in its hash. Features of equal
/// hashes are the same, as one version of the program has it.
fn definition_hash(job: &Job, view: usize, feature: usize) -> String {
    let tables = job.plan.tables.iter();
    let tables: Vec<_> =
        tables.map(|table| (&table.name, &table.key, table.matching, &table.columns)).collect();
    let mut text = format!("{:?} {:?} {tables:?}\n", job.plan.zone, job.plan.distinct_max);
    for (source, told) in job.plan.sources.iter().zip(&job.sources) {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} {:?} {:?} {:?} {:?} {:?}",
            source.name,
            source.time,
            source.time_bounds(),
            told.declared,
            told.definitions,
            told.lookups
        );
        let name = |at: &usize| source.fields.get(*at).map(|field| &field.name);
        let unique = source.unique.as_ref().map(|unique| {
            (unique.id.iter().map(name).collect::<Vec<_>>(), unique.within, unique.ids_max)
        });
        let ops = source.envelope.as_ref().map(|envelope| &envelope.ops);
        let _ = writeln!(
            text,
            "{:?} {:?} {unique:?} {ops:?} {:?} {}",
            source.arrival,
            (source.earliest, source.latest),
            source.keyless,
            source.strict_json
        );
    }
    let of_view = |text: &mut String, at: usize, only: Option<usize>| {
        let Some(told) = job.views.get(at) else { return };
        let entity = job.plan.views.get(at).and_then(|at| job.plan.entities.get(at.entity));
        let entity = entity.map(|entity| {
            // By name: which fields are kept depends on what else the job asks for.
            let keys = job.plan.sources.iter().zip(&entity.sources).map(|(source, feed)| {
                let key = source.fields.get(feed.as_ref()?.key)?;
                Some(&key.name)
            });
            (&entity.name, keys.collect::<Vec<_>>())
        });
        let _ = writeln!(text, "{entity:?} {:?} {:?}", told.filter, told.sources);
        for (at, feature) in told.features.iter().enumerate() {
            if only.is_none_or(|only| only == at) {
                let _ = writeln!(text, "{:?} {:?}", feature.over, feature.definition);
            }
        }
        for (name, hidden) in told.hidden.iter().filter(|_| only.is_none()) {
            let _ = writeln!(text, "{name:?} {:?} {:?}", hidden.over, hidden.definition);
        }
    };
    of_view(&mut text, view, Some(feature));
    let told = job.views.get(view).and_then(|view| view.features.get(feature));
    if told.is_some_and(|told| told.definition.starts_with('=')) {
        (0..job.views.len()).for_each(|at| of_view(&mut text, at, None));
    }
    hex(&openssl::sha::sha256(text.as_bytes()))
}

fn source<'a>(name: &'a str, files: &[PathBuf]) -> Result<SpecSource<'a>, Failure> {
    let files = files.iter().map(|path| file(path)).collect::<Result<_, _>>()?;
    Ok(SpecSource { name, files })
}

fn file(path: &Path) -> Result<SpecFile, Failure> {
    let name = path.display().to_string();
    if is_standard(path) || !path.is_file() {
        return Ok(SpecFile { file: name, bytes: None, sha256: None });
    }
    let (bytes, sha256) = checksum(path).map_err(|error| {
        Failure::failed(format!("cannot read {name} for its checksum in --spec: {error}"))
    })?;
    Ok(SpecFile { file: name, bytes: Some(bytes), sha256: Some(sha256) })
}

fn checksum(path: &Path) -> io::Result<(u64, String)> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let (mut block, mut bytes) = (vec![0; READ_BYTES], 0);
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finish())));
        }
        hash.update(block.get(..read).unwrap_or_default());
        bytes += read as u64;
    }
}
