//! `tidemark get`: the newest row of one entity, from wherever the job's rows are.
//!
//! With Redis as the online store the row is read there, as any client would. The embedded store
//! lives in the running process, which is asked over HTTP.

mod ask;
mod document;

use crate::cli::{GetArgs, OutputFormat};
use crate::config::{ClusterFile, Flags, OnlineKind, Settings};
use crate::entity_id;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::online::redis::{TextRow, read_redis};
use crate::{connect, job_file, output};
use std::io::{self, Write};
use tidemark_jobs::document::nearest;
use tidemark_operators::plan::{Plan, ViewPlan};

/// Carries out the command.
///
/// # Errors
/// Exit code 2 when the job, the view or the settings are wrong; 1 when the store cannot be read or
/// has no such row.
pub fn run(args: &GetArgs) -> Result<Exit, Failure> {
    let job = job_file::load(&args.job)?;
    let settings = Settings::load(&ClusterFile::from(args.cluster.as_ref()), Flags::default())?;
    let (index, view) = find(&job.plan, &args.view)?;
    let row = match settings.online.kind {
        OnlineKind::Redis => {
            let redis = connect::redis(&settings);
            let id = entity_id::known_as(&job.plan, index, &args.id);
            read_redis(&redis, &job.plan, index, id.as_bytes()).map_err(Failure::failed)?
        }
        OnlineKind::Embedded => ask::row(settings.http.address(), view, &args.id)?,
    };
    let Some(row) = row else {
        let (id, name) = (&args.id, &args.view);
        return Err(Failure::failed(format!("no row for \"{id}\" in view \"{name}\"")).hint(
            "a missing row reads as the empty values: counts, sums and ratios 0, everything else \
             null; `tidemark run` writes rows once it has caught up",
        ));
    };
    if args.format == OutputFormat::Json {
        return output::print_json(&document::document(&job.plan.name, view, &args.id, &row));
    }
    match io::stdout().lock().write_all(table(&row).as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write to stdout: {error}")))
        }
        _ => Ok(Exit::Done),
    }
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
fn table(row: &TextRow) -> String {
    let width = row.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in row {
        let value = value.as_deref().unwrap_or("null");
        out.push_str(&format!("{name:width$}  {value}\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_in_a_column_and_nulls_are_named() {
        let row = vec![("n".to_owned(), Some("3".to_owned())), ("country".to_owned(), None)];
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
