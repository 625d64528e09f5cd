//! `tidemark get`: the newest row of one entity, from wherever the job's rows are.
//!
//! Where a job is named and its online store is Redis the row is read there, as any client would.
//! Otherwise the running process is asked over HTTP: it knows its views, and rows that are only in
//! its memory.

mod ask;
mod document;

pub(crate) use ask::{PositionedRow, positioned_row};

use crate::cli::{GetArgs, OutputFormat};
use crate::config::{ClusterFile, Flags, OnlineKind, Settings};
use crate::entity_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::online::redis::read_redis;
use crate::{connect, job_file, output};
pub(crate) use document::JsonRow as OnlineRow;
use document::JsonRow;
use tidemark_jobs::Job;
use tidemark_jobs::document::nearest;
use tidemark_operators::plan::{Plan, ViewPlan};

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the job, the view or the settings are wrong; 1 when the store or the process cannot
/// be asked; 3 when there is no such row.
pub fn run(args: &GetArgs) -> Result<Exit, Failure> {
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let job = args.job().map(job_file::load).transpose()?;
    let Some(row) = row(args, job.as_ref(), &settings)? else {
        let (id, name) = (args.id(), args.view());
        return Err(Failure::no(format!("no row for \"{id}\" in view \"{name}\"")).hint(
            "a missing row reads as the empty values: counts, sums and ratios 0, everything else \
             null; `tidemark run` writes rows once it has caught up",
        ));
    };
    if args.format == OutputFormat::Json {
        let job = job.as_ref().map(|job| job.plan.name.as_str());
        return output::print_json(&document::document(job, args.view(), args.id(), row));
    }
    output::print(&table(&row))
}

/// The row, from wherever it is asked for.
fn row(args: &GetArgs, job: Option<&Job>, settings: &Settings) -> Result<Option<JsonRow>, Failure> {
    let (view, id) = (args.view(), args.id());
    let url = args.http.clone().unwrap_or_else(|| crate::ask::url(settings.http.address()));
    let Some(job) = job else {
        return ask::row(&url, view, id);
    };
    let (index, planned) = find(&job.plan, view)?;
    if args.http.is_some() || settings.online.kind == OnlineKind::Embedded {
        return ask::row(&url, view, id);
    }
    let id = entity_id::known_as(&job.plan, index, id);
    redis_row(settings, (&job.plan, index, planned), id.as_bytes()).map_err(|error| {
        error.hint(format!(
            "name Redis by REDIS_URL or in [online.redis] of cluster.toml; the rows of a demo are not \
             in Redis: `tidemark get {view} {}` asks the process at {url}",
            args.id()
        ))
    })
}

/// The row of the entity `id` in a view, its place in the job and itself, as Redis has it.
///
/// # Errors
/// When Redis cannot be asked.
pub(crate) fn redis_row(
    settings: &Settings,
    (plan, index, view): (&Plan, usize, &ViewPlan),
    id: &[u8],
) -> Result<Option<JsonRow>, Failure> {
    let row = read_redis(&connect::redis(settings), plan, index, id).map_err(Failure::failed)?;
    Ok(row.map(|row| document::typed(view, &row)))
}

fn find<'p>(plan: &'p Plan, name: &str) -> Result<(usize, &'p ViewPlan), Failure> {
    let mut views = (0..plan.views.len()).filter_map(|at| Some((at, plan.view(at)?)));
    if let Some(found) = views.clone().find(|(_, view)| view.name == name) {
        return Ok(found);
    }
    let failure = Failure::usage(format!("the job \"{}\" has no view \"{name}\"", plan.name));
    let names = views.clone().map(|(_, view)| view.name.as_str());
    Err(match nearest(name, names) {
        Some(near) => failure.hint(format!("did you mean \"{near}\"?")),
        None => {
            let names: Vec<_> = views.by_ref().map(|(_, view)| view.name.as_str()).collect();
            failure.hint(format!("its views are {}", names.join(", ")))
        }
    })
}

/// A line a feature: its name, and its value or `null`, in two columns.
fn table(row: &JsonRow) -> String {
    let width = row.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in row {
        let value = document::text(value.as_deref());
        out.push_str(&format!("{name:width$}  {value}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn values_stand_in_a_column_and_nulls_are_named() {
        let row = vec![("n".to_owned(), RawValue::from_string("3".to_owned()).ok())];
        let row = [row, vec![("country".to_owned(), None)]].concat();
        assert_eq!(table(&row), "n        3\ncountry  null\n");
    }

    #[test]
    fn a_near_view_is_suggested() {
        let plan = crate::job_file::load("fraud").unwrap().plan;
        let error = find(&plan, "transaction_stats_6m").err().unwrap().to_string();
        assert!(error.contains("did you mean \"transaction_stats_5m\"?"), "{error}");
        assert!(find(&plan, "zzz").err().unwrap().to_string().contains("its views are"));
    }
}
