//! Rows at decay edges: the newest one at or before any time says what brute force finds there, whoever joins
//! them.

use crate::files::tidemark;
use crate::folder::Folder;
use crate::historical::Told;
use crate::row_files::python;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use tidemark_operators::plan::JoinKey;

const SEEDS: u64 = 80;
/// Times that are asked of each view and history.
const ASKED: usize = 150;

/// The rows of one view and entity, in the order of their lines.
#[derive(Default)]
struct Rows(Vec<RowTold>);

struct RowTold {
    as_of: u64,
    features: String,
    is_of_event: bool,
    first: bool,
}

impl Rows {
    /// What a join of them finds at `t`; `None`: they say nothing of it.
    fn at(&self, t: u64) -> Option<&str> {
        let rows = &self.0[..self.0.partition_point(|row| row.as_of <= t)];
        rows.last().map(|row| row.features.as_str())
    }

    /// Each says something: it is an event's, or differs from the one before it.
    fn are_fewest(&self) -> bool {
        let own = self.0.iter().enumerate().filter(|(_, row)| !row.is_of_event);
        own.fold(true, |all, (at, row)| {
            let before = at.checked_sub(1).map(|at| &self.0[at]);
            all && before.map_or(row.first, |before| {
                before.as_of < row.as_of && before.features != row.features
            })
        })
    }
}

/// The rows by view and entity; they come in the order of time.
fn rows(lines: &str) -> HashMap<(String, String), Rows> {
    let (mut all, mut newest) = (HashMap::<_, Rows>::new(), 0);
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let features = line.find("\"features\":").unwrap() + "\"features\":".len();
        let told = RowTold {
            as_of: row["as_of"].as_u64().unwrap(),
            features: line[features..line.len() - 1].to_owned(),
            is_of_event: !row["source"].is_null(),
            first: row["first"] == true,
        };
        assert!(told.as_of >= newest, "{line}");
        newest = told.as_of;
        all.entry((text("view"), text("entity_id"))).or_default().0.push(told);
    }
    all
}

/// The features of a view as a line has them.
fn shown(values: &[String]) -> String {
    let named = values.iter().enumerate().map(|(n, value)| format!("\"f{n}\":{value}"));
    format!("{{{}}}", named.collect::<Vec<_>>().join(","))
}

#[test]
fn the_newest_row_at_any_time_is_what_brute_force_finds_whatever_the_workers() {
    let (mut found, mut changes) = (0, 0);
    for seed in 0..SEEDS {
        let (told, mut rng) = (Told::new(seed), SmallRng::seed_from_u64(seed));
        let replay = |workers: usize, rows: &str| {
            let line = format!(
                "replay job.toml --workers {workers} --sealed rows.jsonl --rows {rows}{}",
                told.sources
            );
            let ended = tidemark(told.folder.path(), &line, b"");
            assert_eq!(ended.code, 0, "seed {seed}: {}", ended.errors);
            std::fs::read_to_string(told.folder.path().join("rows.jsonl")).unwrap()
        };
        let lines = replay(1, "changes");
        assert!(lines == replay(2, "changes"), "seed {seed}");
        assert!(lines == replay(3, "changes"), "seed {seed}");
        let events = lines.lines().filter(|line| !line.contains("\"source\":null"));
        let events: String =
            events.map(|line| line.replace(",\"first\":true", "") + "\n").collect();
        assert!(events == replay(1, "events"), "seed {seed}: rows of events are among them");
        let rows = rows(&lines);
        for ((view, id), rows) in &rows {
            assert!(rows.are_fewest(), "seed {seed}: {view} of {id}");
            changes += rows.0.iter().filter(|row| !row.is_of_event).count();
        }
        for at in 0..told.world.views.len() {
            for _ in 0..ASKED {
                let kind = &told.world.views[at].entity;
                let id = format!("{}{}", &kind[..1], rng.random_range(0..8));
                let t = told.world.telling_time(&told.accepted, &mut rng);
                let expected = shown(&told.world.values_at(at, &told.accepted, &id, (t, false)));
                let own = rows.get(&(format!("v{at}"), id.clone()));
                if let Some(own) = own.filter(|own| own.at(t).is_none()) {
                    assert!(own.0[0].first, "seed {seed}: v{at} of {id}");
                }
                // Before the first there is what a view has of nobody.
                let nobody = || shown(&told.world.values_of(at, &[], &id, t));
                let joined = own.and_then(|own| own.at(t)).map_or_else(nobody, str::to_owned);
                assert_eq!(
                    joined,
                    expected,
                    "seed {seed}: v{at} of {id} at {t}\n{}",
                    told.world.job()
                );
                found += usize::from(own.is_some());
            }
        }
    }
    assert!(found > 10_000 && changes > 10_000, "{found} answers, {changes} changes");
}

/// Makes a spine of `argv[1]` examples from events: entities that have events and some that have none, at times
/// before, among and long after them, many of them ties.
pub const SPINE: &str = "\
import json, random, sys, datetime as dt
count, keys, time = int(sys.argv[1]), sys.argv[2].split(','), sys.argv[3]
rng = random.Random(5)
events = [json.loads(line) for line in open('in.jsonl')]
def ms(event):
    told = event[time]
    if isinstance(told, str):
        told = dt.datetime.fromisoformat(told).timestamp() * 1000
    return round(told)
times = [ms(event) for event in events]
low, high = min(times), max(times)
EDGES = [0, 1, 300_000, 1_800_000, 3_600_000, 86_400_000, 7 * 86_400_000]
out = open('spine.csv', 'w')
out.write(','.join(keys + ['event_timestamp']) + '\\n')
for row in range(count):
    ids = [str(rng.choice(events).get(key) or '') for key in keys]
    nobody = [f'203.0.{row % 256}.{row // 256}' if key == 'ip_address' else f'nobody{row}' for key in keys]
    ids = [n if rng.random() < 0.02 else i for n, i in zip(nobody, ids)]
    t = rng.choice(times) + rng.choice(EDGES) + rng.choice([-1, 0, 0, 0, 1])
    kind = rng.random()
    if kind < 0.4: t = rng.randint(low, high)
    elif kind < 0.45: t = rng.randint(1, low)
    elif kind < 0.5: t = rng.randint(high, high + 400 * 86_400_000)
    out.write(','.join(ids + [str(t)]) + '\\n')
";

/// Times of all three jobs together at which DuckDB joins their rows.
const JOINED: u32 = 100_000;

/// Compares what DuckDB's ASOF joins of files of rows find with the columns of `expected.parquet`. Prints how
/// many rows of the spine were compared in at least one view, how many values, and how many rows were of an
/// entity that a view has no row of.
const JOIN: &str = "\
import duckdb, sys
duckdb.sql(\"set timezone = 'UTC'\")
total = others = 0
times = set()
for told in sys.argv[1:]:
    view, key = told.split('=')
    columns = duckdb.sql(f\"describe select * from 'rows/{view}.parquet'\").fetchall()
    features = [c[0] for c in columns[3:-3]]
    pairs = ', '.join(f'joined.\"{f}\", spine.\"{view}__{f}\"' for f in features)
    found = duckdb.sql(f'''
        select spine.{key}, joined.{key} is not null, spine.nth, {pairs}
        from (select *, row_number() over () as nth,
                epoch_ms(event_timestamp::bigint) at time zone 'UTC' as at from 'expected.parquet') spine
        asof left join 'rows/{view}.parquet' joined
          on spine.{key} = joined.{key} and spine.at >= joined.event_timestamp
        where spine.{key} is not null''').fetchall()
    known = {r[0] for r in duckdb.sql(f\"select distinct {key} from 'rows/{view}.parquet'\").fetchall()}
    for row in found:
        if row[0] not in known:
            others += 1
            continue
        assert row[1], ('lost', view, row)
        times.add(row[2])
        for at, feature in enumerate(features):
            joined, expected = row[3 + 2 * at], row[4 + 2 * at]
            assert joined == expected and (joined is None) == (expected is None), (view, feature, row)
            total += 1
print(len(times), total, others)
";

/// Joins rows of a shipped job at so many times, of an entity of each of its types.
fn joined(job: &str, source: &str, examples: u32) {
    let folder = Folder::new("change-rows");
    let run = |line: &str| {
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
    };
    run(&format!("generate --profile {job} --events 6000 --cards 500 --seed 11 --out in.jsonl"));
    run(&format!(
        "replay {job} --source {source}=in.jsonl --rows changes --sealed rows/{{view}}.parquet \
         --workers 2"
    ));
    let loaded = tidemark_jobs::shipped(job).unwrap();
    let plan = tidemark_jobs::load(loaded.0, loaded.1).unwrap().plan;
    let (mut keys, mut views) = (BTreeSet::new(), Vec::new());
    for entity in &plan.entities {
        let key = JoinKey::of(&plan, entity).name;
        views.extend(entity.views.iter().map(|view| format!("{}={key}", view.name)));
        keys.insert(key);
    }
    let keys: Vec<String> = keys.into_iter().collect();
    python(&folder, SPINE, &[&examples.to_string(), &keys.join(","), "timestamp"]);
    let names: Vec<&str> = views.iter().filter_map(|view| Some(view.split_once('=')?.0)).collect();
    run(&format!(
        "historical {job} --source {source}=in.jsonl --entities spine.csv --time-unit ms \
         --features {} --out expected.parquet --workers 2 --full-feature-names",
        names.join(",")
    ));
    let views: Vec<&str> = views.iter().map(String::as_str).collect();
    let said = python(&folder, JOIN, &views);
    let counts: Vec<u32> = said.split_whitespace().map(|count| count.parse().unwrap()).collect();
    assert!(counts[1] > examples * 10 && counts[2] > 0, "{job}: {said}");
    assert!(counts[0] * 3 >= JOINED, "{job}: {said}");
}

#[test]
fn what_duckdb_joins_of_cards_is_what_they_are_at_any_time() {
    joined("fraud", "transactions", 35_000);
}

#[test]
fn what_duckdb_joins_of_shoppers_is_what_they_are_at_any_time() {
    joined("personalization", "clicks", 35_000);
}

#[test]
fn what_duckdb_joins_of_users_is_what_they_are_at_any_time() {
    joined("behavior", "behavior_events", 35_000);
}
