//! Stock Feast joins files of rows of changes: what it finds is what `tidemark historical` finds.

use super::stock::{Feast, environment};
use crate::change_rows::SPINE;
use crate::files::tidemark;
use crate::folder::Folder;
use crate::row_files::python;
use std::process::Command;

/// Asks the repository `repo` for a service at the times of `spine.csv`, and compares with `expected.parquet`.
const JOIN: &str = "\
import duckdb, pandas as pd
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
    known = duckdb.sql(f\"select distinct {key} from 'rows/{view.name}/*.parquet'\").df()[key]
    known = found[key].isin(set(known))
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

#[test]
fn stock_feast_joins_rows_of_changes_and_loses_and_mistakes_none() {
    let folder = Folder::new("feast-offline");
    let run = |line: &str| {
        let ended = tidemark(folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
    };
    run("generate --profile fraud --events 2500 --cards 200 --seed 12 --out in.jsonl");
    run("replay fraud --source transactions=in.jsonl --rows changes \
         --sealed rows/{view}/history.parquet");
    python(
        &folder,
        SPINE,
        &["700", "card_id,user_id,merchant_id,device_id,ip_address", "timestamp"],
    );
    run("historical fraud --source transactions=in.jsonl --entities spine.csv --time-unit ms \
         --service fraud_detection --out expected.parquet --full-feature-names");
    folder.write(
        "cluster.toml",
        "[sealed]\npath = \"sealed.jsonl\"\n[state]\nurl = \"state\"\n\
         [offline.parquet]\nurl = \"rows\"\nrows = \"changes\"\n",
    );
    run("feast fraud repo");
    let repo = folder.path().join("repo");
    let store = std::fs::read_to_string(repo.join("feature_store.yaml")).unwrap();
    // Nothing is asked online, so no Redis runs.
    let begins = store.find("online_store:").unwrap();
    let ends = store.find("offline_store:").unwrap();
    let store = format!("{}online_store:\n  type: sqlite\n{}", &store[..begins], &store[ends..]);
    for kind in ["file", "duckdb"] {
        let store = store.replace("type: file", &format!("type: {kind}"));
        std::fs::write(repo.join("feature_store.yaml"), store).unwrap();
        Feast::new(&repo).run(&["apply"]);
        let mut command = Command::new(environment().join("bin/python"));
        command.args(["-c", JOIN]).current_dir(folder.path()).env("FEAST_USAGE", "False");
        let ended = command.output().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{kind}: {errors}");
        let told = String::from_utf8(ended.stdout).unwrap();
        let told = told.lines().last().unwrap_or_default();
        let counts: Vec<u32> = told.split(' ').map(|count| count.parse().unwrap()).collect();
        assert!(counts[0] > 10_000 && counts[1] > 0, "{kind}: {told}");
    }
}
