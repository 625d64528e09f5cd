//! Stock Feast joins files and tables of rows of changes: what it finds is what `tidemark historical` finds.

use super::log::{finds_program, without_redis};
use super::stock::{Feast, environment};
use crate::change_rows::SPINE;
use crate::files::{job_over, tidemark};
use crate::folder::Folder;
use crate::postgres_server::{Postgres, URL};
use crate::row_files::python;
use crate::run::command;
use std::process::Command;

/// The keys of the job `fraud`.
const KEYS: &str = "card_id,user_id,merchant_id,device_id,ip_address";

/// Asks the repository `repo` for a service at the times of `spine.csv`, and compares with `expected.parquet`. Says how
/// many values are equal, and how many are of entities that have no rows: in files, or in the tables at `argv[1]`.
const JOIN: &str = "\
import duckdb, pandas as pd, psycopg, sys
from feast import FeatureStore
store = FeatureStore('repo')
spine = pd.read_csv('spine.csv', dtype=str)
spine['event_timestamp'] = pd.to_datetime(spine['event_timestamp'].astype('int64'), unit='ms', utc=True)
spine['row'] = range(len(spine))
service = store.get_feature_service('fraud_detection')
found = store.get_historical_features(entity_df=spine, features=service, full_feature_names=True).to_df()
expected = duckdb.sql(\"select * from 'expected.parquet'\").df()
assert sorted(found['row']) == list(range(len(expected))), 'rows are lost'
found = found.sort_values('row').reset_index(drop=True)
values = nobody = 0
for view in service.feature_view_projections:
    key = store.get_entity(store.get_feature_view(view.name).entities[0]).join_key
    if sys.argv[1:]:
        rows = psycopg.connect(sys.argv[1]).execute(f'select distinct {key} from tidemark.\"{view.name}\"')
        known = {row[0] for row in rows}
    else:
        known = set(duckdb.sql(f\"select distinct {key} from 'rows/{view.name}/*.parquet'\").df()[key])
    known = found[key].isin(known)
    for feature in view.features:
        name = f'{view.name}__{feature.name}'
        own, there = found[name], expected[name]
        nulls = own.isna()
        assert nulls[~known].all(), name
        same = (nulls & there.isna()) | (own == there).fillna(False)
        assert same[known].all(), (name, found[known & ~same], there[known & ~same])
        values += int(known.sum())
        nobody += int((~known).sum())
print(values, nobody)
";

/// Runs a command that must succeed.
fn run(folder: &Folder, line: &str) {
    let ended = tidemark(folder.path(), line, b"");
    assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
}

/// What features were at the times of `spine.csv`, in `expected.parquet`.
fn expect(folder: &Folder) {
    run(
        folder,
        "historical fraud --source transactions=in.jsonl --entities spine.csv --time-unit ms --service \
         fraud_detection --out expected.parquet --full-feature-names",
    );
}

/// Has some examples twice.
fn repeat(folder: &Folder) {
    let spine = std::fs::read_to_string(folder.path().join("spine.csv")).unwrap();
    let again: Vec<&str> = spine.lines().skip(1).step_by(8).collect();
    folder.write("spine.csv", format!("{spine}{}\n", again.join("\n")));
}

/// Applies the repository, and compares what it finds; how many values it compared.
fn compare(folder: &Folder, store: &str, arguments: &[&str], password: &str) -> u32 {
    let repo = folder.path().join("repo");
    let mut apply = Feast::new(&repo).command(&["apply"]);
    let applied = apply.env("POSTGRES_PASSWORD", password).output().unwrap();
    assert!(applied.status.success(), "{store}: {}", String::from_utf8_lossy(&applied.stderr));
    let mut command = Command::new(environment().join("bin/python"));
    command.args(["-c", JOIN]).args(arguments).current_dir(folder.path());
    let ended = finds_program(&mut command).env("POSTGRES_PASSWORD", password).output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{store}: {errors}");
    let told = String::from_utf8(ended.stdout).unwrap();
    let told = told.lines().last().unwrap_or_default();
    let counts: Vec<u32> = told.split(' ').map(|count| count.parse().unwrap()).collect();
    assert!(counts[1] > 0, "{store}: {told}");
    counts[0]
}

#[test]
fn stock_feast_joins_rows_of_changes_and_loses_and_mistakes_none() {
    let folder = Folder::new("feast-offline");
    run(&folder, "generate --profile fraud --events 2500 --cards 200 --seed 12 --out in.jsonl");
    run(
        &folder,
        "replay fraud --source transactions=in.jsonl --rows changes --sealed \
         rows/{view}/history.parquet",
    );
    python(&folder, SPINE, &["700", KEYS, "timestamp"]);
    expect(&folder);
    run(&folder, "feast fraud repo --sealed rows/{view}/history.parquet");
    let repo = folder.path().join("repo");
    without_redis(&repo);
    let store = std::fs::read_to_string(repo.join("feature_store.yaml")).unwrap();
    for kind in ["file", "duckdb"] {
        if kind == "duckdb" {
            // Dask would make one of those that are equal in keys and time.
            repeat(&folder);
            expect(&folder);
        }
        let store = store.replace("type: file", &format!("type: {kind}"));
        std::fs::write(repo.join("feature_store.yaml"), store).unwrap();
        assert!(compare(&folder, kind, &[], "") > 10_000, "{kind}");
    }
}

#[test]
fn stock_feast_joins_tables_of_changes_in_postgres_and_loses_and_mistakes_none() {
    let folder = Folder::new("feast-tables");
    let password = "hunter2";
    let postgres = Postgres::start(&["--password", password, "--tls"]);
    run(&folder, "generate --profile fraud --events 2500 --cards 200 --seed 13 --out in.jsonl");
    job_over(&folder, tidemark_jobs::FRAUD, "in.jsonl");
    let settings = std::fs::read_to_string(folder.path().join("cluster.toml")).unwrap();
    let tables = format!(
        "[sealed]\npath = \"sealed.jsonl\"\n[state]\nurl = \"state\"\n[offline.postgres]\nrows = \"changes\"\n\
         url = {:?}\ntls_ca_file = {:?}\n",
        postgres.url(),
        postgres.ca()
    );
    folder.write("cluster.toml", settings + &tables);
    let made = postgres.init(&folder, "job.toml");
    assert_eq!(made.code, 0, "{}", made.errors);
    let mut process = command();
    process.args(["run", "job.toml", "--port", "0"]).env(URL, postgres.url());
    let ended = process.current_dir(folder.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    // What is behind the last row of a table is not known there yet.
    let last = postgres.ask("select last_as_of from tidemark.tidemark_progress");
    python(&folder, SPINE, &["1500", KEYS, "timestamp"]);
    let spine = std::fs::read_to_string(folder.path().join("spine.csv")).unwrap();
    let last: u64 = last.parse().unwrap();
    // The header has no time.
    let is_known = |line: &&str| line.rsplit(',').next().unwrap().parse().unwrap_or(0) <= last;
    let spine: Vec<&str> = spine.lines().filter(is_known).collect();
    assert!(spine.len() > 800, "{}", spine.len());
    folder.write("spine.csv", spine.join("\n") + "\n");
    repeat(&folder);
    expect(&folder);
    run(&folder, "feast job.toml repo");
    let repo = folder.path().join("repo");
    for file in ["feature_store.yaml", "feature_views.py", "requirements.txt"] {
        let text = std::fs::read_to_string(repo.join(file)).unwrap();
        assert!(!text.contains(password), "{text}");
        assert!(text.contains("postgres") || text.contains("PostgreSQLSource"), "{text}");
    }
    without_redis(&repo);
    assert!(compare(&folder, "postgres", &[postgres.url()], password) > 10_000);
    let mut plan = Feast::new(&repo).command(&["plan"]);
    let planned = plan.env("POSTGRES_PASSWORD", password).output().unwrap();
    let told = String::from_utf8_lossy(&planned.stdout);
    assert!(planned.status.success() && told.contains("No changes to registry"), "{told}");
}
