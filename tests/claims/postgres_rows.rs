//! Sealed rows of a running job in tables of PostgreSQL, on real servers: each once, whatever the process and
//! the server do.

use crate::files::{job_over, tidemark};
use crate::folder::Folder;
use crate::half_log::HalfLog;
use crate::memory::Output;
use crate::postgres_server::{Postgres, URL};
use crate::row_files::{COMPARE, python};
use crate::row_sink::SAME;
use crate::run::{self, Process, command, refuses, settings, until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A job whose rows go to PostgreSQL.
struct World {
    half: HalfLog,
    postgres: Postgres,
    folder: Folder,
}

impl World {
    /// With half of the log in the topic, and the tables made.
    fn new(seed: u64, more: &str) -> World {
        World::with(seed, "keep = false", more)
    }

    /// The same whose file of sealed rows is as `file` says, in its settings.
    fn with(seed: u64, file: &str, more: &str) -> World {
        let folder = Folder::new("postgres-rows");
        let [path, state] = ["sealed.jsonl", "state"].map(|name| folder.file(name));
        let more = format!(
            "[sealed]\npath = {path:?}\n{file}\n{more}[state]\nurl = {state:?}\n\
             checkpoint_interval = \"100ms\"\n"
        );
        settings(folder.path(), &more);
        let (half, postgres) = (HalfLog::new(seed), Postgres::start(&[]));
        let world = World { half, postgres, folder };
        let made = world.postgres.init(&world.folder, "fraud");
        assert_eq!((made.code, made.errors.as_str()), (0, ""), "{}", made.out);
        world
    }

    fn start(&self, fault: &str) -> Process {
        let more = [(URL, self.postgres.url()), ("TIDEMARK_FAULT", fault)];
        self.half.start(self.folder.path(), &more)
    }

    /// Waits until the tables have all rows of the newest checkpoint.
    fn until_written(&self, process: &Process) {
        until("all rows to be in tables", || {
            let pending = "tidemark_sink_pending_bytes{sink=\"offline_postgres\"} 0\n";
            process.get("/metrics").is_some_and(|(_, metrics)| metrics.contains(pending))
        });
    }

    /// Compares the tables with the rows that a replay has up to their last one: each is there once. Says how many.
    fn compare(&self, expected: &Output) -> usize {
        let there = up_to_last(&self.postgres, &expected.sealed);
        same_rows(&self.postgres, there.into_iter())
    }
}

/// The time of the last row that the tables have.
fn last_of(postgres: &Postgres) -> u64 {
    postgres.ask("select last_as_of from tidemark.tidemark_progress").parse().unwrap()
}

/// Sealed rows up to the time of the last one that the tables have.
fn up_to_last<'r>(postgres: &Postgres, sealed: &'r str) -> Vec<&'r str> {
    let last = last_of(postgres);
    let is_there = |line: &&str| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["as_of"].as_u64().unwrap() <= last
    };
    sealed.lines().filter(is_there).collect()
}

/// Where a row comes from: its columns, and the members of a line.
const ORIGIN: [(&str, &str); 3] =
    [("source", "source"), ("source_partition", "partition"), ("source_offset", "offset")];

/// Compares what the tables have of events with sealed rows, and what they have of 1970 with the entities of these.
/// Says how many rows there are.
fn same_rows<'r>(postgres: &Postgres, expected: impl Iterator<Item = &'r str>) -> usize {
    let mut views: BTreeMap<String, BTreeMap<(String, i64), Value>> = BTreeMap::new();
    let mut born: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut count, mut same) = (0, BTreeMap::new());
    for line in expected {
        let row: Value = serde_json::from_str(line).unwrap();
        let view = row["view"].as_str().unwrap().to_owned();
        let id = row["entity_id"].as_str().unwrap().to_owned();
        if row["first"] == json!(true) {
            born.entry(view.clone()).or_default().insert(id.clone());
        }
        let as_of = row["as_of"].as_i64().unwrap();
        let nth: &mut i64 = same.entry((view.clone(), id.clone(), as_of)).or_default();
        let created = as_of * 1_000 + *nth;
        *nth += 1;
        assert!(views.entry(view).or_default().insert((id, created), row).is_none());
        count += 1;
    }
    for (view, mut rows) in views {
        let all = format!(
            "select json_build_array((extract(epoch from event_timestamp) * 1000000)::bigint, \
             (extract(epoch from created) * 1000000)::bigint, row_to_json(own)) from tidemark.\"{view}\" own"
        );
        let key = postgres.ask(&format!(
            "select column_name from information_schema.columns where table_schema = 'tidemark' \
             and table_name = '{view}' and ordinal_position = 1"
        ));
        let mut keys = BTreeSet::new();
        let mut births = BTreeSet::new();
        for own in postgres.ask(&all).lines() {
            let own: Value = serde_json::from_str(own).unwrap();
            let ([time, created], own) =
                ([&own[0], &own[1]].map(|us| us.as_i64().unwrap()), &own[2]);
            let id = &own[&key];
            let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            assert!(keys.insert((id.clone(), created)), "{view}: {own} is there twice");
            if time == 0 {
                assert!(own["source"].is_null() && created == 0, "{view}: {own}");
                births.insert(id);
                continue;
            }
            let row = rows.remove(&(id, created));
            let row = row.unwrap_or_else(|| panic!("{view}: {own} is no row"));
            assert_eq!(time, row["as_of"].as_i64().unwrap() * 1_000, "{view}: {own}");
            for (name, of_line) in ORIGIN {
                assert_eq!(own[name], row[of_line], "{view}: {own}");
            }
            for (name, value) in row["features"].as_object().unwrap() {
                let is_same =
                    own[name] == *value || value.is_f64() && own[name].as_f64() == value.as_f64();
                assert!(is_same, "{view}: {name} of {own} is {value}");
            }
        }
        assert_eq!(rows.len(), 0, "{view}: no table has {:?}", rows.values().next());
        assert_eq!(births, born.remove(&view).unwrap_or_default(), "{view}");
    }
    count
}

#[test]
fn files_and_tables_have_the_rows_of_a_replay() {
    let postgres = Postgres::start(&[]);
    for (profile, job, source, times) in [
        ("fraud", tidemark_jobs::FRAUD, "transactions", "events"),
        ("personalization", tidemark_jobs::PERSONALIZATION, "clicks", "events"),
        ("behavior", tidemark_jobs::BEHAVIOR, "behavior_events", "events"),
        ("fraud", tidemark_jobs::FRAUD, "transactions", "changes"),
    ] {
        let folder = Folder::new("postgres-jobs");
        let done = |line: &str| {
            let ended = tidemark(folder.path(), line, b"");
            assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
        };
        done(&format!("generate --profile {profile} --events 4000 --seed 7 --out in.jsonl"));
        done(&format!(
            "replay {profile} --source {source}=in.jsonl --rows {times} --sealed rows.jsonl"
        ));
        job_over(&folder, job, "in.jsonl");
        // What the job `behavior` looks up.
        folder.write("ip_reputation.csv", tidemark_jobs::IP_REPUTATION);
        postgres.ask("drop schema if exists tidemark cascade");
        let settings = std::fs::read_to_string(folder.path().join("cluster.toml")).unwrap();
        let more = format!(
            "[sealed]\npath = \"sealed.jsonl\"\n[state]\nurl = \"state\"\n[offline.parquet]\n\
             url = \"files\"\nrows = {times:?}\n[offline.postgres]\nurl = {:?}\nrows = {times:?}\n",
            postgres.url()
        );
        folder.write("cluster.toml", settings + &more);
        let made = postgres.init(&folder, "job.toml");
        assert_eq!(made.code, 0, "{}", made.errors);
        let mut run = command();
        run.args(["run", "job.toml", "--port", "0"]).env(URL, postgres.url());
        let ended = run.current_dir(folder.path()).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        // Those behind the last cut stay in their file.
        let rows = std::fs::read_to_string(folder.path().join("rows.jsonl")).unwrap();
        let there = up_to_last(&postgres, &rows);
        folder.write("rows.jsonl", there.join("\n") + "\n");
        let count = same_rows(&postgres, there.iter().copied());
        let all = rows.lines().count();
        let is_short = times == "events" && all - count >= 100;
        assert!(count > 4_000 && !is_short, "{profile}, {times}: {count} of {all}");
        let files = match times {
            "events" => python(&folder, COMPARE, &["files"]),
            _ => {
                done(&format!(
                    "replay {profile} --source {source}=in.jsonl --rows {times} \
                     --sealed expected/{{view}}.parquet"
                ));
                python(&folder, SAME, &[&last_of(&postgres).to_string(), "files"])
            }
        };
        let files = files.split_whitespace().next().map(str::parse);
        assert_eq!(files, Some(Ok(count)), "{profile}, {times}");
    }
}

#[test]
fn each_row_is_in_its_table_once_wherever_the_process_is_killed() {
    let world = World::new(81, "");
    let expected = run::expected(&world.half.log);
    for fault in [
        "publish.tables.copied:1:KILL",
        "publish.tables.done:2:KILL",
        "publish.tables.copied:2:KILL",
    ] {
        let mut process = world.start(fault);
        process.wait();
        assert!(process.log().contains("a test wants this signal"), "{}", process.log());
    }
    let mut process = world.start("");
    process.until_ready();
    world.half.rest(&expected);
    world.until_written(&process);
    process.stop("TERM");
    let rows = world.compare(&expected);
    assert!(rows > 20_000, "{rows} rows");
    // A state that begins anew writes none of them again.
    std::fs::remove_dir_all(world.folder.file("state")).unwrap();
    std::fs::remove_file(world.folder.file("sealed.jsonl")).unwrap();
    let _: u64 = redis::cmd("DEL")
        .arg("tidemark:fraud:generation")
        .query(&mut world.half.redis.client())
        .unwrap();
    let mut process = world.start("");
    process.until_ready();
    until("the rows to be sealed again", || {
        process.log().contains("rows that are in tables already are passed over")
    });
    world.until_written(&process);
    process.stop("TERM");
    assert!(world.compare(&expected) >= rows);
}

/// What psql says of one row of a card, by the time of its `created`.
const ROW: &str = "select txn_count_5m from tidemark.transaction_stats_5m where card_id";

#[test]
fn rows_that_are_there_already_stay_as_they_are_and_all_others_come_once() {
    let world = World::with(86, "keep = true", "");
    let expected = run::expected(&world.half.log);
    let mut process = world.start("");
    process.until_ready();
    world.until_written(&process);
    process.stop("TERM");
    assert!(!process.log().contains("by another hand"), "{}", process.log());
    let first = world.compare(&expected);
    // Somebody loses how far rows are, and some of them; of one he knows better.
    let table = "tidemark.transaction_stats_5m";
    let count = |of: &str| -> usize {
        world.postgres.ask(&format!("select count(*) from {of}")).parse().unwrap()
    };
    let before = count(table);
    world.postgres.ask(&format!("delete from {table} where source_offset % 7 = 3"));
    assert!(before - count(table) > 500, "{before}");
    let known = "source_partition = 0 and source_offset = (select min(source_offset) \
                 from tidemark.transaction_stats_5m where source_partition = 0)";
    let was = world.postgres.ask(&format!("select txn_count_5m from {table} where {known}"));
    world.postgres.ask(&format!("update {table} set txn_count_5m = 999 where {known}"));
    // Somebody else has a row that the job has not read yet.
    let last = last_of(&world.postgres);
    let ahead = expected.sealed.lines().find_map(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        let is = row["view"] == "transaction_stats_5m" && row["as_of"].as_u64()? > last + 600_000;
        is.then_some(row)
    });
    let ahead = ahead.unwrap();
    let (card, as_of) = (ahead["entity_id"].as_str().unwrap(), ahead["as_of"].as_u64().unwrap());
    let time = format!("to_timestamp({as_of} / 1000.0)");
    world.postgres.ask(&format!(
        "insert into {table} (card_id, event_timestamp, created, txn_count_5m) \
         values ('{card}', {time}, {time}, 998)"
    ));
    let ahead = format!("{ROW} = '{card}' and created = {time}");
    world.postgres.ask("delete from tidemark.tidemark_progress");
    let mut process = world.start("");
    process.until_ready();
    world.half.rest(&expected);
    world.until_written(&process);
    process.stop("TERM");
    let says = "some of these sealed rows are in their tables already, by another hand or an older state: \
                those stay as they are";
    assert!(process.log().contains(says), "{}", process.log());
    assert_eq!(
        world.postgres.ask(&format!("select txn_count_5m from {table} where {known}")),
        "999"
    );
    assert_eq!(world.postgres.ask(&ahead), "998");
    // But for those two all are what the log makes, each once.
    world.postgres.ask(&format!("update {table} set txn_count_5m = {was} where {known}"));
    world
        .postgres
        .ask(&format!("delete from {table} where card_id = '{card}' and created = {time}"));
    let there = up_to_last(&world.postgres, &expected.sealed);
    let others = there.iter().copied().filter(|line| {
        let row: Value = serde_json::from_str(line).unwrap();
        row["view"] != "transaction_stats_5m"
            || row["entity_id"] != card
            || row["as_of"].as_u64() != Some(as_of)
    });
    let rows = same_rows(&world.postgres, others);
    assert!(rows + 1 == there.len() && rows > first + 5_000, "{rows} of {}", there.len());
}

#[test]
fn a_server_that_is_dead_or_hangs_holds_nobody_up_and_gets_all_rows_later() {
    let world = World::new(82, "");
    let expected = run::expected(&world.half.log);
    world.postgres.kill();
    let mut process = world.start("");
    process.until_ready();
    world.half.rest(&expected);
    until("health to name the sink", || {
        let (_, health) = process.get("/health").unwrap();
        health.contains("offline_postgres")
            && health.contains("writing sealed rows to PostgreSQL at")
    });
    let (_, metrics) = process.get("/metrics").unwrap();
    assert!(metrics.contains("tidemark_sink_up{sink=\"offline_postgres\"} 0"), "{metrics}");
    world.postgres.start_again();
    until("the sink to be up again", || {
        let (_, metrics) = process.get("/metrics").unwrap();
        metrics.contains("tidemark_sink_up{sink=\"offline_postgres\"} 1")
    });
    world.until_written(&process);
    // One that hangs does not keep the process from ending.
    world.postgres.signal("tidemark fraud", "STOP");
    process.stop("TERM");
    world.compare(&expected);
}

#[test]
fn a_run_that_was_taken_over_from_writes_nothing_more() {
    let world = World::new(83, "");
    let expected = run::expected(&world.half.log);
    let mut first = world.start("publish.tables.copied:1:STOP");
    until("the first to stop in the middle of a transaction", || {
        first.log().contains("a test wants this signal")
    });
    // It holds the row of progress until its connection ends.
    let ends = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                where application_name = 'tidemark fraud'";
    assert_ne!(world.postgres.ask(ends), "0");
    let mut second = world.start("");
    second.until_ready();
    world.half.rest(&expected);
    world.until_written(&second);
    let writer = "select writer from tidemark.tidemark_progress";
    let writes = world.postgres.ask(writer);
    first.signal("CONT");
    first.wait();
    assert_eq!(world.postgres.ask(writer), writes);
    second.stop("TERM");
    world.compare(&expected);
}

#[test]
fn a_column_that_was_renamed_by_hand_is_named_and_no_row_is_lost() {
    let world = World::new(84, "");
    let expected = run::expected(&world.half.log);
    let rename = |from: &str, to: &str| {
        let table = "tidemark.transaction_stats_5m";
        world.postgres.ask(&format!("alter table {table} rename column {from} to {to}"));
    };
    let mut process = world.start("");
    process.until_ready();
    world.until_written(&process);
    rename("txn_count_5m", "count_of_mine");
    world.half.rest(&expected);
    until("health to name the column", || {
        let (_, health) = process.get("/health").unwrap();
        health.contains("has no column txn_count_5m any more (nobody knows of count_of_mine there)")
    });
    process.stop("TERM");
    // Nor does one start that way, or is a second column made.
    let mut refused = world.start("");
    assert_eq!(refused.wait().code(), Some(1), "{}", refused.log());
    assert!(refused.log().contains("no column txn_count_5m"), "{}", refused.log());
    let made = world.postgres.init(&world.folder, "fraud");
    assert_eq!(made.code, 1, "{}", made.out);
    assert!(made.errors.contains("rename it back"), "{}", made.errors);
    rename("count_of_mine", "txn_count_5m");
    let mut process = world.start("");
    process.until_ready();
    world.until_written(&process);
    process.stop("TERM");
    world.compare(&expected);
}

#[test]
fn a_column_that_was_given_another_type_of_its_length_is_named_and_takes_no_value() {
    let world = World::new(85, "");
    let expected = run::expected(&world.half.log);
    let alter = |ty: &str| {
        let column = "alter column txn_count_5m";
        world
            .postgres
            .ask(&format!("alter table tidemark.transaction_stats_5m {column} type {ty}"));
    };
    let mut process = world.start("");
    process.until_ready();
    world.until_written(&process);
    alter("double precision");
    world.half.rest(&expected);
    until("health to name the column", || {
        let (_, health) = process.get("/health").unwrap();
        health.contains("txn_count_5m") && health.contains("double precision")
    });
    // The process still tries: it goes on when the column is what it was.
    alter("bigint");
    world.until_written(&process);
    process.stop("TERM");
    world.compare(&expected);
}

#[test]
fn tables_are_made_once_and_a_new_feature_is_a_new_column() {
    let postgres = Postgres::start(&["--password", "hunter2"]);
    let folder = Folder::new("postgres-init");
    let whole = tidemark_jobs::FRAUD;
    let without: String = whole
        .lines()
        .filter(|line| !line.starts_with("amount_max_5m "))
        .map(|l| format!("{l}\n"))
        .collect();
    assert_ne!(without.len(), whole.len());
    folder.write("job.toml", &without);
    let init = || {
        let ended = postgres.init(&folder, "job.toml");
        assert!(!format!("{}{}", ended.out, ended.errors).contains("hunter2"), "{}", ended.errors);
        ended
    };
    let schema = || {
        postgres.ask(
            "select table_name, column_name, data_type from information_schema.columns \
             where table_schema = 'tidemark' order by 1, ordinal_position",
        )
    };
    let made = init();
    assert_eq!((made.code, made.errors.as_str()), (0, ""));
    assert!(made.out.contains("made the table tidemark.transaction_stats_5m\n"), "{}", made.out);
    let before = schema();
    let again = init();
    assert!(again.out.starts_with("nothing to do"), "{}", again.out);
    assert_eq!(schema(), before);
    folder.write("job.toml", whole);
    let added = init();
    let told = ["transaction_stats_5m", "user_transaction_stats_5m"]
        .map(|table| format!("added to the table tidemark.{table}: amount_max_5m\n"));
    assert_eq!(added.out, told.concat(), "{}", added.errors);
    assert!(
        schema().contains("transaction_stats_5m|amount_max_5m|double precision"),
        "{}",
        schema()
    );
    postgres.ask("alter table tidemark.transaction_stats_5m alter column amount_max_5m type text");
    let retyped = init();
    assert_eq!(retyped.code, 1, "{}", retyped.out);
    let what = "the column amount_max_5m of the table transaction_stats_5m has the type text";
    assert!(retyped.errors.contains(what), "{}", retyped.errors);
    // Tables of others stay theirs.
    folder.write("job.toml", whole.replace("name = \"fraud\"", "name = \"other\""));
    let other = init();
    assert!(other.errors.contains("is that of the job fraud"), "{}", other.errors);
}

#[test]
fn a_server_is_reached_by_tls_and_its_certificate_is_checked() {
    let postgres = Postgres::start(&["--password", "hunter2", "--tls"]);
    let folder = Folder::new("postgres-tls");
    let refused = postgres.init(&folder, "fraud");
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.errors.contains("\"tls_ca_file\" in [offline.postgres]"), "{}", refused.errors);
    assert!(!refused.errors.contains("hunter2"), "{}", refused.errors);
    let ca = format!("[offline.postgres]\ntls_ca_file = {:?}\n", postgres.ca());
    folder.write("cluster.toml", ca);
    let made = postgres.init(&folder, "fraud");
    assert_eq!(made.code, 0, "{}", made.errors);
}

#[test]
fn settings_of_tables_that_cannot_be_are_refused_without_the_password() {
    let folder = Folder::new("postgres-refused");
    let refused = |text: &str, what: &str| refuses(&folder, text, what);
    let tables = "[offline.postgres]\nurl = \"postgres://u:hunter2@localhost/d\"\n";
    refused(tables, "needs \"path\" in [sealed]");
    let stream = "[sealed]\npath = \"-\"\n[state]\nurl = \"state\"\n";
    refused(&format!("{tables}{stream}"), "names the standard output");
    refused("[offline.postgres]\nrows = \"changes\"\n", "needs \"url\" there");
    refused("[offline.postgres]\nurl = \"mysql://u@localhost\"\n", "must be postgres://");
    let both = "[offline.parquet]\nurl = \"rows\"\nrows = \"changes\"\n[sealed]\npath = \"s\"\n\
                [state]\nurl = \"state\"\n";
    refused(&format!("{tables}{both}"), "must be the same");
    let wrong = "[offline.postgres]\nurl = \"postgres://u:hunter2@localhost:x/d\"\n";
    folder.write("cluster.toml", wrong);
    let output = command().args(["run", "fraud"]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("must be postgres://user:password@host") && !said.contains("hunter2"),
        "{said}"
    );
}
