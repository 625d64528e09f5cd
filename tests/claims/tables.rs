//! Reference tables: which version an event is looked up in, and when that is settled.

use crate::folder::Folder;
use crate::scripted::{Shown, Step, records, run, until};
use std::path::PathBuf;
use std::sync::Arc;
use tidemark::engine::Observer;
use tidemark::job_file;
use tidemark::tables::{OpenTables, TablesConfig};
use tidemark_operators::metrics::TableMetrics;
use tidemark_operators::plan::Plan;
use tidemark_operators::shared::Limits;

const T: u64 = 1_700_000_000_000;

const JOB: &str = r#"
[job]
name = "levels"
[sources.t]
files = ["memory"]
time = "ts"
out_of_orderness = "5s"
[sources.t.fields]
user = "string"
[sources.t.lookup]
level = { table = "levels", key = "user", column = "level", default = 0 }
name = { table = "levels", key = "user", column = "name" }
[tables.levels]
file = "tables/levels.csv"
key = "user"
columns = { level = "int", name = "string?" }
valid_from = "since"
reload = "100ms"
[entities.user]
key = "user"
[views.users]
entity = "user"
[views.users.features]
level = { aggregate = "latest", of = "level" }
name = { aggregate = "latest", of = "name" }
levels = { aggregate = "distinct", of = "level", window = "1m" }
total = { aggregate = "sum", of = "level", window = "1m" }
greatest = { aggregate = "max", of = "level", window = "1m" }
high = { aggregate = "count", where = 'level > 5', window = "1m" }
"#;

/// A folder with the job, and the table beside it.
struct Job(Folder);

impl Job {
    fn new(name: &str, table: &str) -> Job {
        let job = Job(Folder::new(name));
        job.0.write("levels.toml", JOB);
        job.write(table);
        job
    }

    fn table(&self) -> PathBuf {
        self.0.path().join("tables/levels.csv")
    }

    /// Replaces the table as one should: by renaming.
    fn write(&self, table: &str) {
        let new = self.0.write("tables/new.csv", format!("user,level,name,since\n{table}"));
        std::fs::rename(new, self.table()).unwrap();
    }

    fn plan(&self) -> Arc<Plan> {
        let job = job_file::load(&self.0.file("levels.toml"));
        job.unwrap_or_else(|e| panic!("{e}")).plan
    }
}

fn event(ts: u64) -> String {
    format!("{{\"ts\":{},\"user\":\"u\"}}", T + ts)
}

/// All have the level 1 up to 5, or 7: those with 7 are what `total` is above one for each other.
fn row(level: i64, name: Option<&str>, levels: u32, total: f64, greatest: i64) -> String {
    let high = if greatest > 5 { (total / 7.0) as i64 } else { 0 };
    let name = name.map_or("null".to_owned(), |name| format!("\"{name}\""));
    format!(
        "{{\"level\":{level},\"name\":{name},\"levels\":{levels},\"total\":{total:.1},\
         \"greatest\":{greatest},\"high\":{high}}}"
    )
}

fn newest(shown: &Shown) -> Option<String> {
    shown.get("users/u")?.last()?.clone()
}

/// The features of the sealed rows, by the time of the event.
fn sealed(lines: &str) -> Vec<(u64, String)> {
    let features = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let at = line.find("\"features\":").unwrap() + "\"features\":".len();
        (value["as_of"].as_u64().unwrap() - T, line[at..line.len() - 1].to_owned())
    };
    lines.lines().map(features).collect()
}

fn table(observer: &Observer) -> &TableMetrics {
    &observer.metrics[0].tables[0]
}

fn at_frontier(ts: u64) -> impl Fn(&Observer, &Shown) -> bool + Send {
    move |observer, _| observer.metrics[0].frontier.get() == T + ts
}

#[test]
fn a_reload_changes_events_from_its_time_on_and_no_other_live_and_sealed() {
    let job = Arc::new(Job::new("reload", "u,1,one,\n"));
    let (plan, files) = (job.plan(), Arc::clone(&job));
    let script: Vec<Step> = vec![
        records(0, &[event(1_000), event(20_000)]),
        until("the first is sealed", at_frontier(15_000)),
        until("both are shown as the first version has them", |_, shown| {
            newest(shown) == Some(row(1, Some("one"), 1, 2.0, 1))
        }),
        until("the table is replaced", move |_, _| {
            files.write("u,7,seven,\n");
            true
        }),
        until("the one that is not sealed is shown anew", |observer, shown| {
            assert!(observer.metrics[0].frontier.get() == T + 15_000, "nothing has come since");
            newest(shown) == Some(row(7, Some("seven"), 2, 8.0, 7))
        }),
        // Before the new version's time, and not sealed before it was known.
        records(2, &[event(15_500), event(15_999), event(16_000)]),
        until("they are shown", |_, shown| {
            newest(shown) == Some(row(7, Some("seven"), 2, 17.0, 7))
        }),
        until("the version is the second, from the next second above the frontier on", |o, _| {
            assert_eq!((table(o).effective.get(), table(o).failures.get()), (T + 16_000, 0));
            table(o).versions.get() == 2
        }),
    ];
    let outcome = run(&plan, Limits::default(), None, vec![script]);
    assert_eq!(outcome.verdicts, [5, 0, 0, 0]);
    let expected = [
        (1_000, row(1, Some("one"), 1, 1.0, 1)),
        (15_500, row(1, Some("one"), 1, 2.0, 1)),
        (15_999, row(1, Some("one"), 1, 3.0, 1)),
        (16_000, row(7, Some("seven"), 2, 10.0, 7)),
        (20_000, row(7, Some("seven"), 2, 17.0, 7)),
    ];
    assert_eq!(sealed(&outcome.sealed), expected);
    assert_eq!(newest(&outcome.shown), Some(expected[4].1.clone()), "live is sealed at the end");
}

#[test]
fn rows_are_valid_from_their_own_time_on_and_without_one_the_default_counts() {
    let since = |ts: u64| T + ts;
    let rows = format!("u,2,two,{}\nu,1,one,{}\nu,3,,{}\n", since(20), since(10), since(30));
    let job = Job::new("valid", &rows);
    let events = [9, 10, 19, 20, 30].map(event);
    let script = vec![records(0, &events)];
    let outcome = run(&job.plan(), Limits::default(), None, vec![script]);
    let expected = [
        (9, row(0, None, 1, 0.0, 0)),
        (10, row(1, Some("one"), 2, 1.0, 1)),
        (19, row(1, Some("one"), 2, 2.0, 1)),
        (20, row(2, Some("two"), 3, 4.0, 2)),
        (30, row(3, None, 4, 7.0, 3)),
    ];
    assert_eq!(sealed(&outcome.sealed), expected);
}

#[test]
fn a_version_with_a_mistake_is_counted_and_the_one_before_stays() {
    let job = Arc::new(Job::new("mistake", "u,1,one,\n"));
    let (plan, files) = (job.plan(), Arc::clone(&job));
    let script: Vec<Step> = vec![
        records(0, &[event(1_000)]),
        until("it is shown", |_, shown| newest(shown).is_some()),
        until("the table is replaced", move |_, _| {
            files.write("u,many,one,\n");
            true
        }),
        until("the mistake is found", |o, _| table(o).failures.get() == 1),
        records(1, &[event(30_000)]),
    ];
    let outcome = run(&plan, Limits::default(), None, vec![script]);
    let last = sealed(&outcome.sealed).pop();
    assert_eq!(last, Some((30_000, row(1, Some("one"), 1, 2.0, 1))));
}

#[test]
fn a_first_version_with_a_mistake_stops_the_job_and_names_its_place() {
    let job = Job::new("first", "u,1,one,\nv,many,two,\n");
    let failure = OpenTables::open(&job.plan(), &TablesConfig::default(), &|| true)
        .err()
        .unwrap()
        .to_string();
    let place = format!("in {}, line 3, column \"level\"", job.table().display());
    assert!(failure.contains(&place) && failure.contains("\"many\" is no int"), "{failure}");
}
