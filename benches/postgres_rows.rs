//! What a sealed row costs on its way into PostgreSQL: CPU of this process and of the server.
//!
//! `cargo bench --bench postgres_rows` starts a server of its own, makes the sealed rows of `fraud` over generated
//! transactions (`-- EVENTS`, default 143,000: a million rows), and writes them as a running job does: read, encoded
//! and copied 4 MiB of lines at a time, each in one transaction with how far that is. The bar is the project's own.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench prints and may fail"
)]

#[expect(dead_code, reason = "serve uses all of it")]
#[path = "serve/cpu.rs"]
mod cpu;
#[path = "measure/machine.rs"]
mod machine;
#[expect(dead_code, reason = "others use all of it")]
#[path = "measure/servers.rs"]
mod servers;

use servers::Server;
use std::process::Command;
use std::time::Instant;
use tidemark::config::Secret;
use tidemark::job_file;
use tidemark::offline::row_view::RowView;
use tidemark::offline::table_rows::TableRows;
use tidemark::online::redis::Generation;
use tidemark::postgres::{PostgresAddress, PostgresServer, RowTables, TablesOf, make};
use tidemark::sealed_outbox::READ_BYTES;

/// CPU of a row in both processes together, in microseconds.
const BAR: f64 = 5.0;
/// Bytes of lines that are written together, as a running job does.
const BATCH_BYTES: u64 = READ_BYTES as u64;
const SCHEMA: &str = "tidemark";

fn main() {
    println!("machine: {}", machine::machine());
    let events = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let lines = sealed_rows(events.unwrap_or(143_000));
    let server = Server::start("postgres");
    let job = job_file::load("fraud").unwrap();
    let address = PostgresAddress {
        url: Secret::new(server.value("URL")),
        ca_file: None,
        application: "bench".to_owned(),
    };
    let postgres = PostgresServer::new(&address).unwrap();
    let views = RowView::all(&job.plan).unwrap();
    make(&postgres, SCHEMA, &job.plan.name, &views).unwrap();
    let of = TablesOf {
        job: job.plan.name.clone(),
        views,
        schema: SCHEMA.to_owned(),
        run: Generation { number: 1, store: "s".to_owned(), writer: "w".to_owned() },
        leads: Box::new(|| Ok(())),
    };
    let mut tables = RowTables::new(postgres, of);
    tables.take_over(&|| true).unwrap();
    let mut rows = TableRows::new(&job.plan).unwrap();
    let own = || cpu::of_tree(std::process::id());
    let its = || cpu::of_tree(server.value("PID").parse().unwrap());
    let (began, before) = (Instant::now(), (own(), its()));
    let (mut place, mut written, mut count) = (0, 0, 0);
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        rows.take(line, place).unwrap();
        place += line.len() as u64;
        if place - written >= BATCH_BYTES {
            let batch = rows.all(place);
            tables.publish(&batch, &|| true).unwrap();
            (written, count) = (place, count + batch.rows);
        }
    }
    let batch = rows.all(place);
    tables.publish(&batch, &|| true).unwrap();
    count += batch.rows;
    let seconds = began.elapsed().as_secs_f64();
    let of_rows = u32::try_from(count).map(f64::from).unwrap();
    let (own, its) = ((own() - before.0) / of_rows, (its() - before.1) / of_rows);
    println!(
        "{count} rows in {seconds:.1} s; CPU a row: {own:.2} us here, {its:.2} us in PostgreSQL, {:.2} us together \
         (at most {BAR})",
        own + its
    );
}

/// The sealed rows of `fraud` over so many generated events, as lines.
fn sealed_rows(events: u64) -> Vec<u8> {
    let folder =
        std::env::temp_dir().join(format!("tidemark-postgres-rows-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let run = |line: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemark"));
        let status = command.args(line.split(' ')).current_dir(&folder).status();
        assert!(status.unwrap().success(), "{line}");
    };
    run(&format!("generate --profile fraud --events {events} --seed 7 --out tx.jsonl"));
    run("replay fraud --source transactions=tx.jsonl --sealed rows.jsonl");
    let lines = std::fs::read(folder.join("rows.jsonl")).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    lines
}
