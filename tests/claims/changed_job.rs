//! A job that is changed and goes on: what is added is filled from what is kept, and says from when it
//! lacks nothing; what is not kept at all is refused by name.

use crate::folder::Folder;
use crate::memory::{self, Record, Run};
use crate::run::{self, Process, settings, topic, traffic, until, write};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use tidemark::checkpoint::{Manifest, Manifests};
use tidemark::objects::{self, Absent};

const MINUTE: u64 = 60_000;
/// Parts of the log, each with checkpoints of its own.
const PARTS: usize = 12;

/// A job on cards with these features in the view `changed`, and one that never changes.
pub fn job(features: &str) -> String {
    let fraud = std::fs::read_to_string("jobs/fraud.toml").unwrap();
    let source = &fraud[fraud.find("[sources.transactions]").unwrap()..];
    let source = &source[..source.find("[sources.transactions.define]").unwrap()];
    format!(
        "[job]\nname = \"changed\"\n{source}\n[entities.card]\nkey = \"card_id\"\n\
         [views.same]\nentity = \"card\"\nsource = \"transactions\"\nttl = \"2d\"\n\
         [views.same.features]\ncount_20m = {{ aggregate = \"count\", window = \"20m\" }}\n\
         [views.changed]\nentity = \"card\"\nsource = \"transactions\"\nttl = \"2d\"\n\
         [views.changed.features]\nsum_20m = {{ aggregate = \"sum\", of = \"amount\", window = \
         \"20m\" }}\n{features}"
    )
}

/// A job on a topic that gets its log part by part.
struct Changing {
    log: Vec<Vec<(Record, Record)>>,
    folder: Folder,
    topic: String,
}

impl Changing {
    fn new(seed: u64) -> Changing {
        let log = traffic(seed, 6_000);
        let folder = Folder::new("changed-job");
        let state = folder.file("state");
        settings(
            folder.path(),
            &format!(
                "[online]\nkind = \"embedded\"\n[state]\nurl = {state:?}\ncheckpoint_interval = \
                 \"100ms\"
snapshot_interval = \"1s\"\n"
            ),
        );
        let topic = topic(&part(&log, 0));
        Changing { log, folder, topic }
    }

    fn start(&self, features: &str, more: &[&str]) -> Process {
        let _ = std::fs::remove_file(self.folder.file("log"));
        self.folder.write("job.toml", job(features));
        let brokers = run::kafka().bootstrap_servers;
        let variables =
            [("KAFKA_BOOTSTRAP_SERVERS", brokers.as_str()), ("KAFKA_TOPIC", &self.topic)];
        Process::start_with(self.folder.path(), &self.folder.file("job.toml"), &variables, more)
    }

    /// Writes these parts, each behind a checkpoint of those before, and after the time of a snapshot.
    fn write(&self, parts: std::ops::Range<usize>) {
        for at in parts {
            let before = newest(self.folder.path()).map_or(0, |manifest| manifest.cut);
            if at > 0 {
                write(&self.topic, &part(&self.log, at));
            }
            until("a checkpoint", || {
                newest(self.folder.path()).is_some_and(|manifest| manifest.cut > before)
            });
            std::thread::sleep(Duration::from_millis(1_200));
        }
    }

    /// `complete_from` and features of the first card of the log in a view.
    fn row(&self, process: &Process, view: &str) -> (Option<u64>, Value) {
        let (code, row) = process.json(&format!("/features/{view}/{}", self.card()));
        assert_eq!(code, 200, "{row}");
        (row["complete_from"].as_u64(), row["features"].clone())
    }

    /// A card that pays often.
    fn card(&self) -> String {
        let mut counts = BTreeMap::<&[u8], usize>::new();
        for (key, _) in self.log.iter().flatten() {
            *counts.entry(key).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count).unwrap().0;
        String::from_utf8(most.to_vec()).unwrap()
    }

    /// The same features by a replay of the whole log.
    fn replayed(&self, features: &str, view: &str) -> Value {
        let plan = tidemark_jobs::load("job.toml", &job(features)).unwrap().plan;
        let values =
            |of: &Vec<(Record, Record)>| of.iter().map(|record| record.1.clone()).collect();
        let output = memory::replay(&plan, &self.log.iter().map(values).collect(), &Run::default());
        serde_json::from_str(&output.live[&format!("{view}/{}", self.card())]).unwrap()
    }
}

fn part(log: &[Vec<(Record, Record)>], at: usize) -> Vec<Vec<(Record, Record)>> {
    let of = |records: &Vec<(Record, Record)>| {
        records[records.len() * at / PARTS..records.len() * (at + 1) / PARTS].to_vec()
    };
    log.iter().map(of).collect()
}

pub fn newest(folder: &Path) -> Option<Manifest> {
    let url = folder.join("state").display().to_string();
    let objects = objects::open(&url, Absent::Refused).ok()?;
    Some(Manifests::new(&*objects).newest().ok()??.manifest)
}

#[test]
fn an_added_window_is_filled_from_the_rows_that_are_kept_and_says_from_when_it_is_complete() {
    // Where snapshots are seldom, as on a busy machine, more rows may be kept than the window needs.
    let begun = || {
        let changing = Changing::new(51);
        let mut process = changing.start("", &[]);
        changing.write(0..8);
        process.until_ready();
        assert_eq!(changing.row(&process, "changed").0, None, "it was never without");
        process.stop("TERM");
        let kept = newest(changing.folder.path()).unwrap();
        let rows_from = kept.rows_from.unwrap();
        assert!(rows_from > 0 && rows_from < kept.cut, "rows have gone, and not all");
        (rows_from + 60 * MINUTE > kept.cut).then_some((changing, rows_from))
    };
    let (changing, rows_from) = (0..10).find_map(|_| begun()).expect("fewer rows than an hour's");
    let added = "count_1h = { aggregate = \"count\", window = \"1h\" }\n";
    // It says so after the first start that knows it, and after another one.
    for _ in 0..2 {
        let mut process = changing.start(added, &[]);
        process.until_ready();
        let (from, _) = changing.row(&process, "changed");
        assert_eq!(from, Some(rows_from + 60 * MINUTE));
        process.stop("TERM");
    }
    let mut process = changing.start(added, &[]);
    process.until_ready();
    changing.write(8..PARTS);
    until("all to be read", || {
        changing.row(&process, "changed").1 == changing.replayed(added, "changed")
    });
    process.stop("TERM");
    let end = newest(changing.folder.path()).unwrap();
    assert!(end.cut > rows_from + 60 * MINUTE);
    assert_eq!(end.lacking, []);
}

#[test]
fn what_past_events_do_not_have_is_refused_by_name_until_their_entity_may_start_empty() {
    let changing = Changing::new(53);
    let mut process = changing.start("", &[]);
    changing.write(0..3);
    process.until_ready();
    process.stop("TERM");
    let cut = newest(changing.folder.path()).unwrap().cut;
    let added = "countries = { aggregate = \"distinct\", of = \"country\", window = \"20m\" }\n";
    let mut process = changing.start(added, &[]);
    // As whatever is wrong before a start: who supervises it is not to try again.
    assert_eq!(process.wait().code(), Some(2));
    let said = process.log();
    for part in ["\"card\"", "transactions.country", "--start-empty card"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    let mut process = changing.start(added, &["--start-empty", "cards"]);
    assert_eq!(process.wait().code(), Some(2));
    assert!(process.log().contains("name one of: \"card\""), "{}", process.log());
    // Once is enough: a later start knows that it was accepted.
    for more in [&["--start-empty", "card"][..], &[]] {
        let mut process = changing.start(added, more);
        process.until_ready();
        assert_eq!(changing.row(&process, "changed").0, Some(cut + 20 * MINUTE));
        process.stop("TERM");
    }
    let mut process = changing.start(added, &[]);
    process.until_ready();
    changing.write(3..PARTS);
    until("all to be read", || {
        changing.row(&process, "changed").1 == changing.replayed(added, "changed")
    });
    process.stop("TERM");
    assert_eq!(newest(changing.folder.path()).unwrap().lacking, []);
}
