//! Filters over what is looked up, against the same filters over fields that say the same.

use crate::folder::Folder;
use crate::memory::{Log, Run, replay};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use tidemark::engine::Online;
use tidemark::job_file;
use tidemark_operators::plan::Plan;

const T: u64 = 1_700_000_000_000;
const SECOND: u64 = 1_000;

/// What both jobs have; they differ in where `risk` and `label` are from.
const JOB: &str = r#"
[job]
name = "looked_up"
[sources.t]
files = ["memory"]
time = "ts"
out_of_orderness = "5s"
[sources.t.fields]
user = "string"
place = "string?"
amount = "decimal"
speed = "double?"
good = "bool?"
at = "ip?"
FIELDS
[sources.t.define]
dangerous = 'risk > 0.5 and amount >= 1'
[entities.user]
key = "user"
[entities.place]
key = "place"
[views.users]
entity = "user"
[views.users.features]
all = { aggregate = "count", window = "10m" }
risky = { aggregate = "count", where = 'risk > 0.5', window = "1m" }
share = { aggregate = "ratio", where = 'risk > 0.5 and good', over = 'label = "x" or good', window = "5m" }
spent = { aggregate = "sum", of = "amount", where = 'risk >= 0.25 and amount > 3', window = "1m" }
places = { aggregate = "distinct", of = "place", where = 'label = "x"', window = "1m" }
spread = { aggregate = "entropy", of = "at", where = 'not is_null(label)', window = "5m" }
most = { aggregate = "max", of = "amount", where = 'risk < 0.5', window = "1m" }
fast = { aggregate = "stddev", of = "amount", where = 'risk < 0.9 and speed > 1.5', window = "5m", delay = "10s" }
addressed = { aggregate = "count", where = 'is_null(label) and is_null(at)', window = "1m" }
named = { aggregate = "count", where = 'dangerous', window = "1m" }
timed = { aggregate = "count", where = 'dangerous or hour(ts) < 23', window = "1m" }
visit = { aggregate = "count", where = 'risk > 0.5', session = "20s" }
visit_spent = { aggregate = "sum", of = "amount", where = 'dangerous', session = "20s" }
sly = { aggregate = "count", where = 'risk > 0.5 and invalid(at)', window = "1m" }
open = { aggregate = "count", where = 'risk > 0.25 and not invalid(at) and hour(event_time) < 23', window = "1m" }
turns = { aggregate = "changes", of = "place", where = 'risk > 0.1', window = "5m", horizon = "2m" }
is_dangerous = { expression = 'dangerous or all > 30' }
[views.places]
entity = "place"
[views.places.features]
all = { aggregate = "count", window = "10m" }
risky = { aggregate = "count", where = 'risk > 0.5', window = "1m" }
worst = { aggregate = "max", of = "risk", where = 'label != "y"', window = "1m" }
"#;

const GIVEN: &str = r#"
risk = { type = "decimal(2)", path = "given.risk" }
label = { type = "string", path = "given.label", optional = true }
"#;

const LOOKED_UP: &str = r#"
[sources.t.lookup]
risk = { table = "places", key = "place", column = "risk", default = 0.5 }
label = { table = "places", key = "place", column = "label" }
[tables.places]
file = "places.csv"
key = "place"
columns = { risk = "decimal(2)", label = "string?" }
valid_from = "since"
"#;

/// The rows of the table: place, risk in hundredths, label, since.
type Rows = Vec<(usize, u64, Option<&'static str>, u64)>;

fn rows(random: &mut SmallRng) -> Rows {
    let mut rows = Rows::new();
    for place in 0..8 {
        for _ in 0..random.random_range(0..4) {
            let label = [None, Some("x"), Some("y")][random.random_range(0..3)];
            let since = T + SECOND * random.random_range(0..400);
            if !rows.iter().any(|row| (row.0, row.3) == (place, since)) {
                rows.push((place, random.random_range(0..100), label, since));
            }
        }
    }
    rows
}

/// Events of a few users in two partitions, each with what the table says as of its time.
fn history(rows: &Rows, random: &mut SmallRng) -> Log {
    let mut log = Log::new();
    for partition in 0..2 {
        let mut records = Vec::new();
        for at in 0..1_500_u64 {
            let ts = T + at * 300 + random.random_range(0..4_000) + partition;
            let place = random.random_bool(0.9).then(|| random.random_range(0..9));
            let row = rows
                .iter()
                .filter(|row| Some(row.0) == place && row.3 <= ts)
                .max_by_key(|row| row.3);
            let (risk, label) = row.map_or((50, None), |row| (row.1, row.2));
            let quoted = |text: Option<String>| text.map_or("null".into(), |t| format!("{t:?}"));
            let place = quoted(place.map(|place| format!("p{place}")));
            // Every third is none.
            let host = ["1", "2", "none"][(ts % 3) as usize];
            let ip = random.random_bool(0.5).then(|| format!("10.0.0.{host}"));
            let good = ["true", "false", "null"][random.random_range(0..3)];
            let speed = ["1.25", "2.5", "null"][random.random_range(0..3)];
            let record = format!(
                "{{\"ts\":{ts},\"user\":\"u{}\",\"place\":{place},\"amount\":{}.5,\"speed\":{speed},\
                 \"good\":{good},\"at\":{},\"given\":{{\"risk\":{}.{:02},\"label\":{}}}}}",
                random.random_range(0..3),
                random.random_range(0..6),
                quoted(ip),
                risk / 100,
                risk % 100,
                quoted(label.map(str::to_owned)),
            );
            records.push(record.into_bytes());
        }
        log.push(records);
    }
    log
}

/// A folder with the table.
fn folder(rows: &Rows) -> Folder {
    let mut table = "place,risk,label,since\n".to_owned();
    for (place, risk, label, since) in rows {
        let (whole, label) = (risk / 100, label.unwrap_or(""));
        table.push_str(&format!("p{place},{whole}.{:02},{label},{since}\n", risk % 100));
    }
    let folder = Folder::new("looked-up");
    folder.write("places.csv", table);
    folder
}

fn plan(folder: &Folder, fields: &str) -> Arc<Plan> {
    let path = folder.write("job.toml", JOB.replace("FIELDS", fields));
    job_file::load(path.to_str().unwrap()).unwrap_or_else(|e| panic!("{e}")).plan
}

#[test]
fn a_filter_over_what_is_looked_up_gives_what_one_over_fields_that_say_the_same_gives() {
    for seed in 0..6 {
        let mut random = SmallRng::seed_from_u64(seed);
        let rows = rows(&mut random);
        let folder = folder(&rows);
        let log = history(&rows, &mut random);
        let given = replay(&plan(&folder, GIVEN), &log, &Run::default());
        let plan = plan(&folder, LOOKED_UP);
        assert!(plan.entities.iter().all(|entity| !entity.late.is_empty()));
        for workers in [1, 2, 3] {
            let online = if workers == 2 { Online::EveryStep } else { Online::AtEnd };
            let run = Run { workers, seed: 7 * seed, online, ..Run::default() };
            let found = replay(&plan, &log, &run);
            assert!(found.sealed == given.sealed, "seed {seed}, {workers} workers, sealed");
            assert_eq!(found.live, given.live, "seed {seed}, {workers} workers, live");
        }
        for counted in ["\"risky\":3", "\"sly\":2", "\"open\":3"] {
            assert!(given.sealed.contains(counted), "something is counted: {counted}");
        }
    }
}
