//! Rows into their tables, together with how far that is.
//!
//! ```text
//! begin
//!   select writer from tidemark_progress .. for update     another run has taken over: nothing is written
//!   copy .. from stdin                                     the rows of a batch, a view after the other
//!   insert .. on conflict do nothing                       what features were before the first of them
//!   update tidemark_progress set place = ..                up to where that is in the file of rows
//! commit
//! ```
//!
//! # Why this way
//!
//! - What is written and how far that is cannot part: a process or a server that dies at any point leaves both
//!   or neither, and whoever comes next asks. So also where the answer to `commit` is lost.
//! - Rows are copied into their table at once, which costs the server half of what a table in between does.
//!   Only where one is there already, by another hand or an older state, do they take that way, and what is
//!   there stays.

use super::look::{fits, months};
use super::server::{PostgresServer, PostgresSession, PostgresTrouble};
use crate::checkpoint::Leading;
use crate::fault;
use crate::offline::row_view::RowView;
use crate::offline::table_rows::{BornEntities, RowBatch, ViewRows};
use crate::offline::table_schema::{
    birth, copy, create_month, merge, month_name, quoted, stage, table,
};
use crate::online::redis::Generation;
use crate::publishing::Unpublished;
use futures_util::SinkExt as _;
use std::collections::HashSet;
use std::io::Cursor;
use std::pin::pin;
use std::time::{Duration, Instant};
use tidemark_operators::time::EventTime;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

/// What is done, as errors say it.
const WHAT: &str = "writing sealed rows to";
/// How long a job that starts waits to see its tables; then it goes on without.
const FIRST_LOOK: Duration = Duration::from_secs(10);

/// Whose rows are written, and where.
pub struct TablesOf {
    /// The job's name.
    pub job: String,
    /// Its views.
    pub views: Vec<RowView>,
    /// The schema of the tables.
    pub schema: String,
    /// Which run of it this is.
    pub run: Generation,
    /// Fails where another process leads.
    pub leads: Leading,
}

/// How far rows are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableProgress {
    /// The id of the state whose rows they are.
    pub state: String,
    /// Up to which place of the file of rows.
    pub place: u64,
    /// The time of the last row: of all states that have written there.
    pub last: EventTime,
}

/// See the module.
pub struct RowTables {
    server: PostgresServer,
    of: TablesOf,
    session: Option<PostgresSession>,
    /// The tables of months that are there.
    months: HashSet<String>,
    /// Whether this run has taken over.
    leads: bool,
}

/// Which way rows take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CopyWay {
    /// Into their table.
    Straight,
    /// Through a table of the connection, and only what is not there.
    Merged,
}

impl RowTables {
    /// Rows `of` a job into the tables on `server`.
    pub fn new(server: PostgresServer, of: TablesOf) -> Self {
        RowTables { server, of, session: None, months: HashSet::new(), leads: false }
    }

    /// Sees that the tables are what they have to be, where the server answers within 10 s.
    ///
    /// # Errors
    /// When it answers, and they are not; says what to do.
    pub fn check(&self) -> Result<(), String> {
        let until = Instant::now() + FIRST_LOOK;
        let fits = self.server.wait(&|| Instant::now() < until, async {
            let session = self.server.connect().await?;
            fits(&session.client, &self.of.schema, &self.of.job, &self.of.views).await
        });
        match fits {
            Err(trouble @ PostgresTrouble::Unfit(_)) => {
                Err(self.server.tell("cannot write sealed rows to", &trouble))
            }
            // The rest is told while the job runs.
            _ => Ok(()),
        }
    }

    /// Takes over from the run before: it writes nothing any more. Says how far rows are; `None`: there are none.
    ///
    /// # Errors
    /// When the server does not, or a newer run has.
    pub fn take_over(
        &mut self,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<TableProgress>, Unpublished> {
        (self.of.leads)()?;
        let begun = self.server.wait(go_on, async {
            let mut session = self.server.connect().await?;
            let of = &self.of;
            fits(&session.client, &of.schema, &of.job, &of.views).await?;
            let months = months(&session.client, &of.schema).await?;
            let progress = of.take_over(&mut session, self.leads).await?;
            Ok((session, months, progress))
        });
        let (session, months, progress) = begun.map_err(|trouble| self.unpublished(&trouble))?;
        (self.session, self.months, self.leads) = (Some(session), months, true);
        Ok(progress)
    }

    /// Writes the rows of a batch, and that they are.
    ///
    /// # Errors
    /// When the server does not, or another run has taken over.
    pub fn publish(
        &mut self,
        batch: &RowBatch,
        go_on: &dyn Fn() -> bool,
    ) -> Result<(), Unpublished> {
        if self.session.is_none() {
            // The answer to the last `commit` may have been lost.
            let progress = self.take_over(go_on)?;
            let state = &self.of.run.store;
            if progress.is_some_and(|held| held.state == *state && held.place >= batch.to) {
                return Ok(());
            }
        }
        let Some(mut session) = self.session.take() else { return Ok(()) };
        let (of, months) = (&self.of, &mut self.months);
        let written = self.server.wait(go_on, async {
            make_months(&session, of, months, batch).await?;
            let written = of.write(&mut session, batch, CopyWay::Straight).await;
            match written {
                Err(PostgresTrouble::Server(why)) if why.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    tracing::warn!(
                        until = batch.to,
                        "some of these sealed rows are in their tables already, by another hand or an older \
                         state: those stay as they are"
                    );
                    of.write(&mut session, batch, CopyWay::Merged).await
                }
                written => written,
            }
        });
        written.map_err(|trouble| self.unpublished(&trouble))?;
        // After anything else it is not known what the connection waits for.
        self.session = Some(session);
        Ok(())
    }

    fn unpublished(&self, trouble: &PostgresTrouble) -> Unpublished {
        match trouble {
            PostgresTrouble::TakenOver => Unpublished::TakenOver,
            trouble => Unpublished::Failed(self.server.tell(WHAT, trouble)),
        }
    }
}

/// Makes the tables of months that rows of a batch need.
async fn make_months(
    session: &PostgresSession,
    of: &TablesOf,
    there: &mut HashSet<String>,
    batch: &RowBatch,
) -> Result<(), PostgresTrouble> {
    for rows in &batch.views {
        let Some(view) = of.views.get(rows.view) else { continue };
        let births = rows.born.first_month();
        for month in births.into_iter().chain(rows.months.iter().copied()) {
            let name = month_name(view, month);
            if !there.contains(&name) {
                session.client.batch_execute(&create_month(&of.schema, view, month)).await?;
                there.insert(name);
            }
        }
    }
    Ok(())
}

impl TablesOf {
    fn progress(&self) -> String {
        format!("{}.tidemark_progress", quoted(&self.schema))
    }

    /// `again`: this run has taken over already, and may not from one that did after it.
    async fn take_over(
        &self,
        session: &mut PostgresSession,
        again: bool,
    ) -> Result<Option<TableProgress>, PostgresTrouble> {
        let progress = self.progress();
        let Generation { number, store, writer } = &self.run;
        let number = place_of(*number)?;
        let transaction = session.client.transaction().await?;
        let begin = format!(
            "insert into {progress} values ($1, '', 0, 0, '', '', 0, now()) on conflict do nothing"
        );
        transaction.execute(&begin, &[&self.job]).await?;
        let held = format!(
            "select state, place, last_as_of, writer, writer_state, writer_run from {progress} \
             where job = $1 for update"
        );
        let row = transaction.query_one(&held, &[&self.job]).await?;
        let (of_writer, state, run): (&str, &str, i64) = (row.get(3), row.get(4), row.get(5));
        let is_newer = state == store && run > number;
        if is_newer || again && of_writer != writer {
            return Err(PostgresTrouble::TakenOver);
        }
        let take = format!(
            "update {progress} set writer = $2, writer_state = $3, writer_run = $4 where job = $1"
        );
        transaction.execute(&take, &[&self.job, writer, store, &number]).await?;
        let (state, place, last): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
        transaction.commit().await?;
        let told = |number: i64| u64::try_from(number).unwrap_or_default();
        let progress = TableProgress { state, place: told(place), last: told(last) };
        Ok((!progress.state.is_empty()).then_some(progress))
    }

    async fn write(
        &self,
        session: &mut PostgresSession,
        batch: &RowBatch,
        way: CopyWay,
    ) -> Result<(), PostgresTrouble> {
        let progress = self.progress();
        let transaction = session.client.transaction().await?;
        let held = format!("select writer from {progress} where job = $1 for update");
        let row = transaction.query_opt(&held, &[&self.job]).await?;
        let writer: Option<&str> = row.as_ref().map(|row| row.get(0));
        if writer != Some(&self.run.writer) {
            return Err(PostgresTrouble::TakenOver);
        }
        for rows in &batch.views {
            let Some(view) = self.views.get(rows.view) else { continue };
            self.write_view(&transaction, view, rows, way).await?;
        }
        // Values are copied as bytes, which a column of another type of their length takes for its own. Nobody
        // changes a table from here on until all of this is there.
        fits(&transaction, &self.schema, &self.job, &self.views).await?;
        fault::point("publish.tables.copied");
        let last = batch.last.map(place_of).transpose()?;
        let done = format!(
            "update {progress} set state = $2, place = $3, last_as_of = greatest($4, last_as_of), \
             written_at = now() where job = $1"
        );
        let to = place_of(batch.to)?;
        transaction.execute(&done, &[&self.job, &self.run.store, &to, &last]).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn write_view(
        &self,
        transaction: &Transaction<'_>,
        view: &RowView,
        rows: &ViewRows,
        way: CopyWay,
    ) -> Result<(), PostgresTrouble> {
        let staging = quoted("tidemark_staging");
        let into = match way {
            CopyWay::Straight => table(&self.schema, view),
            CopyWay::Merged => {
                let drop = format!("drop table if exists pg_temp.{staging}");
                transaction.batch_execute(&drop).await?;
                transaction.batch_execute(&stage(&self.schema, &staging, view)).await?;
                staging.clone()
            }
        };
        let sink = transaction.copy_in(copy(&into, view).as_str()).await?;
        let mut sink = pin!(sink);
        sink.send(Cursor::new(rows.copy.clone())).await?;
        sink.finish().await?;
        if way == CopyWay::Merged {
            transaction.batch_execute(&merge(&self.schema, &staging, view)).await?;
        }
        let birth = birth(&self.schema, view);
        match &rows.born {
            BornEntities::Ints(ids) if !ids.is_empty() => {
                transaction.execute(&birth, &[ids]).await?
            }
            BornEntities::Texts(ids) if !ids.is_empty() => {
                transaction.execute(&birth, &[ids]).await?
            }
            _ => 0,
        };
        Ok(())
    }
}

/// A place, a time or a number of a run as PostgreSQL has it.
fn place_of(number: u64) -> Result<i64, PostgresTrouble> {
    i64::try_from(number)
        .map_err(|_| PostgresTrouble::Unfit(format!("{number} is more than PostgreSQL can count")))
}
