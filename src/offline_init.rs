//! `tidemark offline init`: the tables of a job's rows in PostgreSQL.

use crate::cli::{OfflineArgs, OfflineCommand, OfflineInitArgs};
use crate::config::{ClusterFile, Flags, Settings};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{job_file, output};
use tidemark_operators::plan::Plan;

/// Carries the command out.
///
/// # Errors
/// Exit code 2 when the job or the settings are wrong; 1 when the server refuses, or what is there is another
/// thing.
pub fn run(args: &OfflineArgs) -> Result<Exit, Failure> {
    let OfflineCommand::Init(args) = &args.command;
    let OfflineInitArgs { job, cluster } = args;
    let settings = Settings::load(&ClusterFile::from(cluster.as_ref()), Flags::default())?;
    let job = job_file::load(job)?;
    output::print(&made(&job.plan, &settings)?)
}

#[cfg(feature = "postgres")]
fn made(plan: &Plan, settings: &Settings) -> Result<String, Failure> {
    use crate::connect;
    use crate::offline::row_view::RowView;
    use crate::postgres::{PostgresServer, TableMade, make};
    use std::fmt::Write as _;
    let Some(address) = connect::postgres(settings, &plan.name) else {
        let why = "there is no \"url\" in [offline.postgres] of cluster.toml";
        return Err(Failure::usage(why).hint("name one there, or set POSTGRES_URL"));
    };
    let server = PostgresServer::new(&address).map_err(Failure::usage)?;
    let views = RowView::all(plan).map_err(Failure::usage)?;
    let schema = &settings.offline.postgres.schema;
    let made = make(&server, schema, &plan.name, &views).map_err(Failure::failed)?;
    let mut text = String::new();
    for made in &made {
        let _ = match made {
            TableMade::Table(name) => writeln!(text, "made the table {schema}.{name}"),
            TableMade::Columns(table, columns) => {
                writeln!(text, "added to the table {schema}.{table}: {}", columns.join(", "))
            }
        };
    }
    if made.is_empty() {
        let _ =
            writeln!(text, "nothing to do: the {} tables are what they have to be", views.len());
    }
    Ok(text)
}

#[cfg(not(feature = "postgres"))]
fn made(_: &Plan, _: &Settings) -> Result<String, Failure> {
    Err(Failure::usage("this program is built without its feature \"postgres\""))
}
