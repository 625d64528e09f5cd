//! The tables of a job's rows, made and migrated.

use super::look::{is_begun, tables};
use super::server::{PostgresServer, PostgresSession, PostgresTrouble};
use crate::offline::row_view::RowView;
use crate::offline::table_schema::{add_columns, create, create_own, names_fit, quoted};

/// A number that stands for the tables of Tidemark, so that two who make them do so one after the other.
const LOCK: i64 = 0x7469_6465_6d61_726b;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableMade {
    /// A table.
    Table(String),
    /// Columns of a table that was there.
    Columns(String, Vec<String>),
}

/// Makes in `schema` what is not there yet of the tables of `views`, of the job of this name; all of it or nothing.
///
/// # Errors
/// When the server cannot be reached or refuses, or what is there is another thing; says what to do.
pub fn make(
    server: &PostgresServer,
    schema: &str,
    job: &str,
    views: &[RowView],
) -> Result<Vec<TableMade>, String> {
    let made = server.wait(&|| true, async {
        names_fit(views).map_err(PostgresTrouble::Unfit)?;
        let mut session = server.connect().await?;
        make_in(&mut session, schema, job, views).await
    });
    made.map_err(|trouble| server.tell("cannot make the tables of rows in", &trouble))
}

async fn make_in(
    session: &mut PostgresSession,
    schema: &str,
    job: &str,
    views: &[RowView],
) -> Result<Vec<TableMade>, PostgresTrouble> {
    let transaction = session.client.transaction().await?;
    transaction.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let client = transaction.client();
    let there = "select count(*) from pg_namespace where nspname = $1";
    let there: i64 = client.query_one(there, &[&schema]).await?.get(0);
    if there == 0 {
        client.batch_execute(&format!("create schema {}", quoted(schema))).await?;
    }
    if !is_begun(client, schema).await? {
        client.batch_execute(&create_own(schema)).await?;
    }
    let mut made = Vec::new();
    for (view, found) in views.iter().zip(tables(client, schema, views).await?) {
        let columns: Vec<usize> = match found {
            None => {
                client.batch_execute(&create(schema, view)).await?;
                made.push(TableMade::Table(view.name.clone()));
                (0..view.columns.len()).collect()
            }
            Some(found) => {
                let lacks = found.lacks(job, view).map_err(PostgresTrouble::Unfit)?;
                if !lacks.is_empty() {
                    client.batch_execute(&add_columns(schema, view, &lacks)).await?;
                    let named = lacks.iter().filter_map(|at| view.columns.get(*at));
                    let named = named.map(|(name, _)| name.clone()).collect();
                    made.push(TableMade::Columns(view.name.clone(), named));
                }
                lacks
            }
        };
        let names: Vec<&str> =
            columns.iter().filter_map(|at| Some(view.columns.get(*at)?.0.as_str())).collect();
        let record = format!(
            "insert into {}.tidemark_columns select $1, name, $2 from unnest($3::text[]) name \
             on conflict (table_name, column_name) do update set job = excluded.job",
            quoted(schema)
        );
        client.execute(&record, &[&view.name, &job, &names]).await?;
    }
    transaction.commit().await?;
    Ok(made)
}
