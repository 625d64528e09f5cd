//! `tidemark test`: the shipped jobs' cases hold, and what does not hold is said so that people can
//! act on it.

use std::process::{Command, Output};
use tidemark::cases::{CasesError, Options, Outcome, check, shipped_cases};
use tidemark_jobs::{Job, SHIPPED, shipped};

/// A shipped job, with its tables.
fn job(name: &str) -> Job {
    tidemark::job_file::load(name).unwrap_or_else(|failure| panic!("{failure}"))
}

fn outcome(job: &Job, cases: &str) -> Outcome {
    crate::memory::fail_fast();
    match check(job, "my.cases.toml", cases, &Options::default()) {
        Ok(outcome) => outcome,
        Err(error) => panic!("{error}"),
    }
}

/// What is wrong with a file of cases.
fn wrong(job: &Job, cases: &str) -> String {
    match check(job, "my.cases.toml", cases, &Options::default()) {
        Err(CasesError::File(errors)) => errors.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_cases_of_the_shipped_jobs_hold() {
    for name in SHIPPED {
        let (file, cases) = shipped_cases(name).unwrap();
        let outcome = check(&job(name), file, cases, &Options::default());
        let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
        assert!(outcome.failed == 0 && outcome.passed > 5, "{}", outcome.report);
    }
}

#[test]
fn every_view_and_feature_of_a_shipped_job_is_in_its_cases() {
    for name in SHIPPED {
        let (file, cases) = shipped_cases(name).unwrap();
        let words: Vec<_> = cases.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let plan = job(name).plan;
        for view in (0..plan.views.len()).filter_map(|at| plan.view(at)) {
            let names = view.features.iter().map(|feature| &feature.name);
            for name in names.chain([&view.name]) {
                assert!(words.contains(&name.as_str()), "no {name} of {} in {file}", view.name);
            }
        }
    }
}

const CASE: &str = "\
[defaults.transactions]
card_id = \"c1\"
amount = 10
[[case]]
name = \"three\"
events = [{ at = \"+10s\" }, { at = \"+1s\" }, { at = \"+12s\", amount = \"x\" }]
";

#[test]
fn a_wrong_expectation_shows_where_what_and_the_rest_of_the_row() {
    let expect = "\
dead = [{ event = 2, reason = \"late\" }, { event = 3, reason = \"malformed\" }]
[[case.expect]]
at = \"+10s\"
view = \"card_fraud_indicators\"
id = \"c1\"
features = { fail_60s = 2, merchant_count = 0, uniq_ip_60s = 1 }
[[case]]
name = \"another\"
events = [{ at = \"+0s\" }]
";
    let outcome = outcome(&job("fraud"), &format!("{CASE}{expect}"));
    assert_eq!((outcome.passed, outcome.failed), (1, 1));
    let text = "\
FAILED  three (my.cases.toml:4)
  card_fraud_indicators of \"c1\" at +10s (2026-03-02T12:00:10Z), my.cases.toml:8
    fail_60s: expected 2, got 0
    uniq_ip_60s: expected 1, got 0
    the row: fail_60s = 0, uniq_ip_60s = 0, merchant_count = 0, device_fingerprint_count = 0
    hint: event 2 is late: 4s behind its source's watermark 2026-03-02T12:00:05Z; no row sees it
    hint: event 3 is malformed: field \"amount\" (at \"amount\"): expected a decimal number within \
                +-1e12, found string \"x\"; no row sees it
ok      another
";
    assert_eq!(outcome.report, text);
}

#[test]
fn doubles_nulls_and_rows_that_are_there_or_not_are_told_apart() {
    let expect = "\
dead = [{ event = 2, reason = \"late\" }, { event = 3, reason = \"malformed\" }]
expect = [
  { at = \"+10s\", view = \"transaction_stats_5m\", id = \"c1\", features = { amount_sum_5m = 10.00000002, velocity_score = 0.05150000001 } },
  { at = \"+10s\", view = \"transaction_stats_5m\", id = \"c1\", null = [\"amount_avg_5m\", \"amount_zscore\"] },
  { at = \"+10s\", view = \"transaction_stats_5m\", id = \"c1\", features = { amount_zscore = 0 } },
  { at = \"+10s\", view = \"transaction_stats_5m\", id = \"c2\", features = { txn_count_5m = 0 } },
  { at = \"+31d\", view = \"transaction_stats_5m\", id = \"c1\", features = { txn_count_5m = 0 } },
  { at = \"+10s\", view = \"transaction_stats_5m\", id = \"c1\", absent = true },
]
";
    let report = outcome(&job("fraud"), &format!("{CASE}{expect}")).report;
    for part in [
        "    amount_sum_5m: expected 10.00000002, got 10.0\n",
        "    amount_avg_5m: expected null, got 10.0\n",
        "    amount_zscore: expected 0.0, got null\n",
        "    hint: no event has the id \"c2\"; there are: c1\n",
        "(2026-04-02T12:00:00Z), my.cases.toml:13\n    expected a row, got none\n",
        "the empty values: to expect it, write absent = true\n",
        "    expected no row, got one\n",
    ] {
        assert!(report.contains(part), "no {part} in\n{report}");
    }
    assert!(!report.contains("velocity_score: expected"), "{report}");
    assert!(!report.contains("defect"), "{report}");
}

#[test]
fn dead_letters_are_expected_one_by_one_with_their_reasons() {
    let job = job("fraud");
    let report = |dead: &str| outcome(&job, &format!("{CASE}dead = [{dead}]\n")).report;
    let late = "{ event = 2, reason = \"late\" }";
    let malformed = "{ event = 3, reason = \"malformed\", error = \"amount\" }";
    assert_eq!(report(&format!("{late}, {malformed}")), "ok      three\n");
    let unexpected = report(late);
    for part in ["  event 3 is malformed: field \"amount\"", "add dead = [{ event = 3, reason = "] {
        assert!(unexpected.contains(part), "{unexpected}");
    }
    let accepted = report(&format!("{late}, {malformed}, {{ event = 1, reason = \"future\" }}"));
    let part = "  event 1: expected to be future (my.cases.toml:7), but it was accepted\n";
    assert!(accepted.contains(part), "{accepted}");
    let reason = report(&format!("{}, {malformed}", late.replace("late", "malformed")));
    let part = "event 2: expected to be malformed (my.cases.toml:7), but it is late: 4s behind";
    assert!(reason.contains(part), "{reason}");
    let error = report(&format!("{late}, {}", malformed.replace("amount", "card")));
    let part = "event 3: expected to be malformed with \"card\" in the error";
    assert!(error.contains(part), "{error}");
}

#[test]
fn every_mistake_of_a_file_has_its_place_and_the_nearest_name() {
    let job = job("fraud");
    let event = |event: &str| format!("[[case]]\nname = \"a\"\nevents = [{{ {event} }}]\n");
    let expect =
        |expect: &str| format!("[[case]]\nname = \"a\"\nexpect = [{{ at = \"+0s\", {expect} }}]\n");
    let stats = "view = \"transaction_stats_5m\"";
    for (cases, at, parts) in [
        (
            event("at = \"+0s\", cardid = \"c1\""),
            "3:25",
            "unknown field \"cardid\" of source|mean \"card_id\"?",
        ),
        (event("at = \"+0s\", card_id = [1]"), "3:35", "\"card_id\" must be a text, a number"),
        (
            event("at = \"90s\""),
            "3:18",
            "\"at\" in case \"a\": event 1 is no time: \"90s\"|+5m-1ms",
        ),
        (event("card_id = \"c1\""), "3:11", "missing key \"at\" in case \"a\": event 1"),
        (event("at = \"+0s\", timestamp = 1"), "3:25", "is the event time, which is written as"),
        (event("at = \"+0s\", raw = \"x\""), "3:13", "cannot stand beside \"raw\""),
        (event("at = \"+0s\", source = \"clicks\""), "3:34", "unknown source \"clicks\""),
        (event("at = \"+0s\", without = [\"amont\"]"), "3:36", "mean \"amount\"?"),
        (
            expect("view = \"transaction_stats\", id = \"c\""),
            "3:32",
            "mean \"transaction_stats_5m\"",
        ),
        (expect(&format!("{stats}, absent = true")), "3:11", "missing key \"id\""),
        (expect(&format!("{stats}, id = \"c\"")), "3:11", "expects nothing|absent = true"),
        (
            expect(&format!("{stats}, id = \"c\", features = {{ txn_count_5 = 1 }}")),
            "3:79",
            "unknown feature \"txn_count_5\" in view|mean \"txn_count_5m\"?",
        ),
        (
            expect(&format!("{stats}, id = \"c\", features = {{ txn_count_5m = 1.5 }}")),
            "3:94",
            "must be an integer|found the number 1.5",
        ),
        (
            expect(&format!("{stats}, id = \"c\", null = [\"txn_count_5m\"]")),
            "3:74",
            "is never null",
        ),
        ("strat = \"x\"\n[[case]]\nname = \"a\"\n".into(), "1:1", "mean \"start\"?"),
        ("start = \"noon\"\n[[case]]\nname = \"a\"\n".into(), "1:9", "is no time: \"noon\""),
        ("[defaults.clicks]\nx = 1\n[[case]]\nname = \"a\"".into(), "1:11", "source \"clicks\""),
        ("[[case]]\nname = \"a\"\n[[case]]\nname = \"a\"\n".into(), "4:8", "second case|line 1"),
        ("[[case]]\nevents = []\n".into(), "1:1", "missing key \"name\" in case 1"),
        ("start = \"2026-03-02T12:00:00Z\"\n".into(), "1:1", "missing key \"case\""),
        (
            "[[case]]\nname = \"a\"\ndead = [{ event = 1, reason = \"old\" }]\n".into(),
            "3:31",
            "cannot be \"old\"|late, future, malformed|is the number of an event, and the case",
        ),
    ] {
        let said = wrong(&job, &cases);
        let place = format!("my.cases.toml:{at}: ");
        assert!(said.contains(&place), "no {place} in\n{said}\nof\n{cases}");
        for part in parts.split('|') {
            assert!(said.contains(part), "no {part} in\n{said}");
        }
    }
}

const TWO_SOURCES: &str = r#"
[job]
name = "two"
[sources.orders]
files = ["a"]
time = { field = "meta.at", unit = "rfc3339" }
arrival_field = "meta.seen"
max_future_skew = "1m"
out_of_orderness = "1s"
[sources.orders.fields]
who = { type = "string", path = "user.id" }
source = { type = "string", path = "user.source", optional = true }
total = { type = "decimal", path = "sum", optional = true }
[sources.visits]
files = ["b"]
time = { field = "t", unit = "s" }
out_of_orderness = "10s"
[sources.visits.fields]
who = "string"
seconds = "int?"
good = "bool?"
[entities.user]
keys = { orders = "who", visits = "who" }
[views.all]
entity = "user"
sources = ["orders", "visits"]
[views.all.features]
n = { aggregate = "count", window = "1m" }
spent = { aggregate = "sum", of = "total", window = "1m" }
[views.bought]
entity = "user"
source = "orders"
[views.bought.features]
from = { aggregate = "latest", of = "source", horizon = "1m" }
"#;

#[test]
fn each_source_is_a_partition_with_its_own_times_and_records() {
    let job = tidemark_jobs::load("two.toml", TWO_SOURCES).unwrap_or_else(|e| panic!("{e}"));
    let cases = r#"
[defaults.orders]
user.id = "u"
[defaults.visits]
who = "u"
[[case]]
name = "two sources"
start = "2026-03-02T12:00:00.250Z"
[[case.events]]
source = "orders"
at = "+30s"
sum = 2.5
fields = { source = "shop" }
[[case.events]]
source = "visits"
at = "+9s"
seconds = 5
good = true
[[case.events]]
source = "visits"
at = "+0s"
[[case.events]]
source = "orders"
at = "+28s"
[[case.events]]
source = "orders"
at = "+5m"
arrived = "+4m-1ms"
[[case.events]]
source = "orders"
raw = '{"meta":{"at":"2026-03-02T12:00:31.250Z"},"user":{"id":"u"},"sum":1}'
[[case]]
name = "a field named as a key"
[[case.events]]
source = "orders"
at = "+0s"
user.source = "web"
total = 1
"#;
    let dead = "dead = [{ event = 4, reason = \"late\" }, { event = 5, reason = \"future\" }]\n";
    let expect = "\
expect = [
  { at = \"+9s\", view = \"all\", id = \"u\", features = { n = 2, spent = 0 } },
  { at = \"+30s\", view = \"all\", id = \"u\", features = { n = 3, spent = 2.5 } },
  { at = \"+30s\", view = \"bought\", id = \"u\", features = { from = \"shop\" } },
  { at = \"+31s\", view = \"bought\", id = \"u\", null = [\"from\"] },
  { at = \"+1m9s\", view = \"all\", id = \"u\", features = { n = 2, spent = 3.5 } },
]
";
    let with = "start = \"2026-03-02T12:00:00.250Z\"\n";
    let cases = cases.replace(with, &format!("{with}{dead}{expect}"));
    let report = outcome(&job, &cases).report;
    assert_eq!(report, "ok      two sources\nok      a field named as a key\n");

    let said = wrong(&job, "[[case]]\nname = \"a\"\nevents = [{ at = \"+0s\" }]\n");
    assert!(said.contains("3:11: missing key \"source\""), "{said}");
    let said =
        wrong(&job, "[[case]]\nname = \"a\"\nevents = [{ at = \"+0s\", source = \"web\" }]\n");
    assert!(said.contains("write fields = { source = .. }"), "{said}");
}

#[test]
fn a_view_with_a_condition_is_held_to_its_own_events() {
    let text = TWO_SOURCES
        .replace("[views.bought]\n", "[views.bought]\nwhere = 'total > 5'\n")
        .replace("from =", "m = { aggregate = \"count\", window = \"1m\" }\nfrom =");
    let job = tidemark_jobs::load("two.toml", &text).unwrap_or_else(|e| panic!("{e}"));
    let cases = r#"
[defaults.orders]
who = "u"
[[case]]
name = "only what is dear"
events = [
  { source = "orders", at = "+0s", total = 5 },
  { source = "orders", at = "+1s", total = 6 },
  { source = "orders", at = "+2s", total = 5 },
]
expect = [
  { at = "+0s", view = "bought", id = "u", absent = true },
  { at = "+1s", view = "bought", id = "u", features = { m = 1 } },
  { at = "+2s", view = "bought", id = "u", features = { m = 1 } },
]
"#;
    assert_eq!(outcome(&job, cases).report, "ok      only what is dear\n");
}

fn tidemark(arguments: &[&str]) -> (i32, String, String) {
    let binary = env!("CARGO_BIN_EXE_tidemark");
    let Output { status, stdout, stderr } = Command::new(binary).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn the_command_exits_with_3_for_a_failed_case_and_with_2_for_a_wrong_file() {
    let (code, said, errors) = tidemark(&["test", "fraud", "--case", "weekend", "--workers", "2"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    assert_eq!(
        said,
        "ok      the weekend is Saturday and Sunday\n1 passed (each on 2 worker threads)\n"
    );
    let folder = std::env::temp_dir().join(format!("tidemark-cases-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    std::fs::write(file("mine.toml"), shipped("fraud").unwrap().1).unwrap();
    std::fs::write(file("mine.cases.toml"), CASE).unwrap();
    std::fs::write(file("bad.toml"), CASE.replace("amount", "amout")).unwrap();
    // Beside the job, without being named.
    let failed = tidemark(&["test", &file("mine.toml")]);
    let bad = tidemark(&["test", "fraud", &file("bad.toml")]);
    let missing = tidemark(&["test", "fraud", &file("none.toml")]);
    let nothing = tidemark(&["test", "fraud", "--case", "no such case"]);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(failed.0 == 3 && failed.1.contains("FAILED  three ("), "{failed:?}");
    assert!(failed.1.ends_with("0 passed, 1 FAILED (each on 1 and 3 worker threads)\n"));
    assert!(bad.0 == 2 && bad.1.is_empty(), "{bad:?}");
    assert!(bad.2.contains("bad.toml:3:1: ") && bad.2.contains("\"amount\"?"), "{bad:?}");
    assert!(missing.0 == 2 && missing.2.contains("cannot read the cases"), "{missing:?}");
    assert!(nothing.0 == 2 && nothing.2.contains("no case has \"no such case\""), "{nothing:?}");
}
