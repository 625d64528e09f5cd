//! Stock Feast asks the job itself what features were, by the store that `tidemark feast` writes.

use super::stock::{Feast, environment};
use crate::change_rows::SPINE;
use crate::files::tidemark;
use crate::folder::Folder;
use crate::row_files::python;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};
use tidemark_operators::plan::JoinKey;

/// A job's events, examples that ask for its features, and a repository that is applied.
pub struct Asked {
    pub folder: Folder,
    /// Each view with the key of its entity.
    pub views: Vec<(String, String)>,
}

impl Asked {
    /// `more`: what `historical` and `feast` are told besides.
    pub fn new(job: &str, source: &str, (events, examples): (u32, u32), more: &str) -> Asked {
        let folder = Folder::new("feast-log");
        let (file, text) = tidemark_jobs::shipped(job).unwrap();
        let plan = tidemark_jobs::load(file, text).unwrap().plan;
        let views = plan.entities.iter().flat_map(|entity| {
            let key = JoinKey::of(&plan, entity).name;
            entity.views.iter().map(move |view| (view.name.clone(), key.clone()))
        });
        let asked = Asked { views: views.collect(), folder };
        asked.run(&format!(
            "generate --profile {job} --events {events} --cards 200 --seed 21 --out in.jsonl"
        ));
        let keys: BTreeSet<&str> = asked.views.iter().map(|(_, key)| key.as_str()).collect();
        let keys = keys.into_iter().collect::<Vec<_>>().join(",");
        python(&asked.folder, SPINE, &[&examples.to_string(), &keys, "timestamp"]);
        asked.history(&["repeat"]);
        let names: Vec<_> = asked.views.iter().map(|(view, _)| view.as_str()).collect();
        asked.run(&format!(
            "historical {job} --source {source}=in.jsonl --entities spine.csv --time-unit ms \
             --features {} --out expected.parquet --full-feature-names{more}",
            names.join(",")
        ));
        asked.run(&format!("feast {job} repo --source {source}=in.jsonl{more}"));
        asked
    }

    fn run(&self, line: &str) {
        let ended = tidemark(self.folder.path(), line, b"");
        assert_eq!(ended.code, 0, "{line}: {}", ended.errors);
    }

    /// Runs Feast in the repository, once nothing that is asked online is looked for in Redis.
    pub fn applied(&self) {
        without_redis(&self.folder.path().join("repo"));
        Feast::new(&self.folder.path().join("repo")).run(&["apply"]);
    }

    fn output(&self, arguments: &[&str]) -> Output {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/feast/log_history.py");
        let mut command = Command::new(environment().join("bin/python"));
        command.arg(script).args(arguments).current_dir(self.folder.path());
        finds_program(&mut command).output().unwrap()
    }

    /// What `log_history.py` says, which has to succeed.
    pub fn history(&self, arguments: &[&str]) -> String {
        let ended = self.output(arguments);
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(ended.stdout).unwrap()
    }
}

/// Has a command find the program under test, and no setting of this process.
pub fn finds_program(command: &mut Command) -> &mut Command {
    let program = Path::new(env!("CARGO_BIN_EXE_tidemark")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    for (name, _) in tidemark::config::VARIABLES {
        command.env_remove(name);
    }
    command.env("PATH", format!("{}:{path}", program.display())).env("FEAST_USAGE", "False")
}

/// Has a repository keep its online rows where no server is needed.
pub fn without_redis(repo: &Path) {
    let file = repo.join("feature_store.yaml");
    let store = std::fs::read_to_string(&file).unwrap();
    let (begins, ends) =
        (store.find("online_store:").unwrap(), store.find("offline_store:").unwrap());
    let store = format!("{}online_store:\n  type: sqlite\n{}", &store[..begins], &store[ends..]);
    std::fs::write(file, store).unwrap();
}

fn every_example_has_its_features(job: &str, source: &str) {
    let asked = Asked::new(job, source, (6_000, 3_000), "");
    asked.applied();
    let views: Vec<_> = asked.views.iter().map(|(view, key)| format!("{view}={key}")).collect();
    let arguments: Vec<_> = ["same"].into_iter().chain(views.iter().map(String::as_str)).collect();
    let told = asked.history(&arguments);
    let counts: Vec<usize> = told.split_whitespace().map(|count| count.parse().unwrap()).collect();
    assert_eq!(counts[0], 3_000 + 3_000 / 8, "{told}");
    assert!(counts[1] > 40_000 && counts[2] > 10_000, "{told}");
}

#[test]
fn feast_gets_every_example_of_payments_in_order_and_exact_from_the_log() {
    every_example_has_its_features("fraud", "transactions");
}

#[test]
fn feast_gets_every_example_of_clicks_in_order_and_exact_from_the_log() {
    every_example_has_its_features("personalization", "clicks");
}

#[test]
fn feast_asks_the_log_for_services_on_demand_features_aliases_and_saved_sets() {
    let asked = Asked::new("fraud", "transactions", (1_500, 600), " --before");
    // The files are those that there are when it is asked.
    asked.run("feast fraud repo --source transactions=[i-j]?.jsonl --before");
    asked.applied();
    assert_eq!(asked.history(&["others"]).lines().last(), Some("done"));
    // Run by mistake, materializing changes nothing, and says so.
    let repo = asked.folder.path().join("repo");
    let mut command =
        Feast::new(&repo).command(&["materialize", "2020-01-01T00:00:00", "2030-01-01T00:00:00"]);
    let ended = command.args(["--views", "merchant_stats"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("there is nothing to materialize"), "{said}");
}

#[test]
fn what_feast_cannot_ask_of_the_log_is_refused_by_what_is_wrong() {
    let asked = Asked::new("fraud", "transactions", (200, 20), "");
    asked.applied();
    let told = asked.history(&["refused"]);
    let lines = told.lines().filter(|line| line.starts_with('[')).map(|line| {
        let [what, kind, said]: [String; 3] = serde_json::from_str(line).unwrap();
        (what, format!("{kind}: {said}"))
    });
    let refused: BTreeMap<String, String> = lines.collect();
    let expected = [
        ("sql", "TidemarkError: entity_df is SQL: name the examples in a pandas.DataFrame"),
        ("span", "TidemarkError: entity_df is nothing"),
        ("no key", "has no column \"card_id\""),
        ("label", "has a column \"txn_count_5m\", which is a feature"),
        ("numbers", "has 1767571200000: give datetimes or texts in ISO 8601"),
        ("no time", "row 0 of entity_df has no time in \"event_timestamp\""),
        ("float", "row 0 of entity_df has 1.5 in \"card_id\", where keys are texts"),
        ("known", "NotImplementedError: filter_by_created_timestamp asks what was known by then"),
        // What the program says, as it says it.
        ("1969", "failed with exit code 2:\nerror: cannot read the examples in"),
        ("program", "cannot start 'no_such_program'"),
        ("job", "cannot read the job file \"other.toml\""),
        ("file", "out.jsonl"),
        ("pattern", "source transactions: there is no file '"),
        ("lag", "nothing says when the records of source \"transactions\" arrived"),
        ("setting", "colour"),
        ("push", "TidemarkError: the history of Tidemark's views is the log of events"),
    ];
    for (what, said) in expected {
        let found = refused.get(what).unwrap_or_else(|| panic!("{what}: {told}"));
        assert!(found.contains(said), "{what}: {found}");
    }
    assert_eq!(refused.len(), expected.len());
}

#[test]
fn a_repository_says_from_where_history_comes() {
    let folder = Folder::new("feast-history");
    let written = |line: &str| {
        let ended = tidemark(folder.path(), &format!("feast {line}"), b"");
        let text = |name: &str| {
            std::fs::read_to_string(folder.path().join("repo").join(name)).unwrap_or_default()
        };
        (ended, text("feature_store.yaml"), text("feature_views.py"))
    };
    let place = folder.path().canonicalize().unwrap();
    let place = place.display();
    let (_, store, views) =
        written("fraud repo --source transactions=a.jsonl,log/*.jsonl --known lag=300ms");
    let told = format!(
        "offline_store:\n  type: tidemark_offline.TidemarkOfflineStore\n  job: \"fraud\"\n  sources:\n    \
         \"transactions\": [\"{place}/a.jsonl\", \"{place}/log/*.jsonl\"]\n  known: \"lag=300ms\"\n"
    );
    assert!(store.contains(&told), "{store}");
    assert!(
        views.contains("source=TidemarkSource(name=\"ip_stats_history\", view=\"ip_stats\")"),
        "{views}"
    );
    let (_, store, views) = written("fraud repo --sealed rows/{view}.parquet");
    assert!(store.contains("offline_store:\n  type: file\n"), "{store}");
    assert!(views.contains(&format!("path=\"{place}/rows/ip_stats.parquet\"")), "{views}");
    // A folder of rows needs nothing that a job that writes there needs.
    folder.write("cluster.toml", "[offline.parquet]\nurl = \"rows\"\nrows = \"changes\"\n");
    let (_, store, views) = written("fraud repo");
    assert!(store.contains("offline_store:\n  type: file\n"), "{store}");
    assert!(views.contains(&format!("path=\"{place}/rows/ip_stats/*.parquet\"")), "{views}");
    assert!(views.contains("right at any"), "{views}");
    let run = tidemark(folder.path(), "run fraud", b"");
    assert!(run.code == 2 && run.errors.contains("needs \"path\" in [sealed]"), "{}", run.errors);
    let check = tidemark(folder.path(), "check fraud --cluster cluster.toml", b"");
    assert!(
        check.code == 2 && check.errors.contains("needs \"path\" in [sealed]"),
        "{}",
        check.errors
    );
    let (_, store, _) = written("fraud repo --source transactions=a.jsonl --before");
    assert!(store.contains("  before: true\n"), "{store}");
    folder.write(
        "cluster.toml",
        "[offline.postgres]\nurl = \"postgres://me@db/f\"\nrows = \"changes\"\n",
    );
    let (_, store, views) = written("fraud repo");
    assert!(store.contains("offline_store:\n  type: postgres\n  host: \"db\"\n"), "{store}");
    assert!(views.contains("table=\"\\\"tidemark\\\".\\\"ip_stats\\\"\""), "{views}");
    for (line, said) in [
        ("fraud repo --history files", "there is no \"url\" in [offline.parquet]"),
        ("fraud repo --history tables --source transactions=a", "cannot be used with"),
        ("fraud repo --source clicks=a", "job \"fraud\" has no source \"clicks\""),
        ("fraud repo --sealed rows.parquet", "would be the rows of every view"),
    ] {
        let (refused, ..) = written(line);
        assert!(refused.code == 2 && refused.errors.contains(said), "{line}: {}", refused.errors);
    }
    folder.write("cluster.toml", "");
    let (refused, ..) = written("fraud repo --history tables");
    assert!(
        refused.errors.contains("there is no \"url\" in [offline.postgres]"),
        "{}",
        refused.errors
    );
    let (_, store, views) = written("fraud repo");
    assert!(store.contains("offline_store:\n  type: file\n"), "{store}");
    assert!(views.contains("path=\"data/ip_stats/*.parquet\""), "{views}");
}
