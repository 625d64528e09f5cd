//! The tables of a job as they are.

use super::server::PostgresTrouble;
use crate::offline::row_view::RowView;
use crate::offline::table_schema::{FoundTable, names_fit};
use std::collections::{BTreeMap, HashSet};
use tokio_postgres::GenericClient;

/// The columns of tables of a schema, those of its parts aside.
const COLUMNS: &str = "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) \
     from pg_class c join pg_namespace n on n.oid = c.relnamespace \
     left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
     where n.nspname = $1 and c.relname::text = any($2) order by c.relname, a.attnum";
/// Which of them we have made.
const MADE: &str = "tidemark_columns where table_name = any($1) order by table_name, column_name";
/// The tables of months.
const MONTHS: &str = "select part.relname::text from pg_inherits \
     join pg_class part on part.oid = inhrelid join pg_class whole on whole.oid = inhparent \
     join pg_namespace n on n.oid = whole.relnamespace where n.nspname = $1";

/// Whether our own tables are in `schema`.
pub(super) async fn is_begun(
    client: &impl GenericClient,
    schema: &str,
) -> Result<bool, PostgresTrouble> {
    let own = "select count(*) from pg_tables where schemaname = $1 and tablename in \
               ('tidemark_columns', 'tidemark_progress')";
    let found: i64 = client.query_one(own, &[&schema]).await?.get(0);
    Ok(found == 2)
}

/// The tables of `views`, in their order.
pub(super) async fn tables(
    client: &impl GenericClient,
    schema: &str,
    views: &[RowView],
) -> Result<Vec<Option<FoundTable>>, PostgresTrouble> {
    let names: Vec<&str> = views.iter().map(|view| view.name.as_str()).collect();
    let mut found: BTreeMap<String, FoundTable> = BTreeMap::new();
    for row in client.query(COLUMNS, &[&schema, &names]).await? {
        let table = found.entry(row.get(0)).or_default();
        if let (Some(name), Some(kind)) = (row.get(1), row.get(2)) {
            table.columns.push((name, kind));
        }
    }
    let made = format!(
        "select table_name, column_name, job from {}.{MADE}",
        crate::offline::table_schema::quoted(schema)
    );
    for row in client.query(&made, &[&names]).await? {
        // A table that was dropped is made again.
        if let Some(table) = found.get_mut(row.get::<_, &str>(0)) {
            table.made.push(row.get(1));
            table.job = Some(row.get(2));
        }
    }
    Ok(names.into_iter().map(|name| found.remove(name)).collect())
}

/// The names of all tables of months.
pub(super) async fn months(
    client: &impl GenericClient,
    schema: &str,
) -> Result<HashSet<String>, PostgresTrouble> {
    let rows = client.query(MONTHS, &[&schema]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Sees that rows of `views` can be written to what is there.
pub(super) async fn fits(
    client: &impl GenericClient,
    schema: &str,
    job: &str,
    views: &[RowView],
) -> Result<(), PostgresTrouble> {
    names_fit(views).map_err(PostgresTrouble::Unfit)?;
    let run = format!("run `tidemark offline init` with the job {job}");
    if !is_begun(client, schema).await? {
        return Err(PostgresTrouble::Unfit(format!(
            "the schema {schema} has no tables of rows: {run}"
        )));
    }
    for (view, found) in views.iter().zip(tables(client, schema, views).await?) {
        let Some(found) = found else {
            let why = format!("the schema {schema} has no table {}: {run}", view.name);
            return Err(PostgresTrouble::Unfit(why));
        };
        let lacks = found.lacks(job, view).map_err(PostgresTrouble::Unfit)?;
        let named = lacks.iter().filter_map(|at| view.columns.get(*at));
        let named: Vec<_> = named.map(|(name, _)| name.as_str()).collect();
        if !named.is_empty() {
            let (table, columns) = (&view.name, named.join(", "));
            let why = format!("the table {table} of the schema {schema} lacks {columns}: {run}");
            return Err(PostgresTrouble::Unfit(why));
        }
    }
    Ok(())
}
