//! Pages of jobs: what they say about nulls, and that nothing in a job file becomes markup.

use super::{Example, Page, job_file_page};
use crate::{BEHAVIOR, FRAUD, Job, PERSONALIZATION, load};

fn job_page(job: &Job, examples: &[Option<Example>]) -> Page {
    super::job_page(job, examples, "http://localhost:6566")
}

fn fraud() -> Job {
    load("fraud.toml", FRAUD).unwrap()
}

/// The row of a feature in the section of a view, cell by cell.
fn cells(page: &Page, view: &str, feature: &str) -> Vec<String> {
    let section = page.sections.iter().find(|it| it.name.as_deref() == Some(view)).unwrap();
    let start = format!("| `{feature}` |");
    let line = section.body.lines().find(|line| line.starts_with(&start)).unwrap();
    line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

fn null_rule(page: &Page, view: &str, feature: &str) -> String {
    cells(page, view, feature)[4].clone()
}

#[test]
fn null_rules_say_what_makes_a_feature_null() {
    let page = job_page(&fraud(), &[]);
    let stats = |feature| null_rule(&page, "transaction_stats_5m", feature);
    assert_eq!(stats("txn_count_5m"), "never; `0` without events");
    assert_eq!(stats("amount_sum_5m"), "never; `0.0` without events");
    assert_eq!(stats("amount_max_5m"), "when the 5m window holds no event");
    assert_eq!(stats("is_weekend"), "when there is no event yet, or the latest is 30d old");
    assert_eq!(
        stats("time_since_last_txn_min"),
        "when there is no event yet, or the latest is 30d old, or there is none less than 30d before \
         it"
    );
    assert_eq!(
        stats("amount_zscore"),
        "when there is no event yet, or the latest is 30d old, or the 24h window holds no event, or \
         `amount_stddev_24h` is null or 0"
    );
    assert_eq!(stats("is_high_velocity"), "never; `false` without events");
    assert_eq!(stats("geo_diversity_score"), "never; `0.0` without events");
}

const JOB: &str = r#"
[job]
name = "j"
description = "<b>bold</b> | [x](y)"
[sources.s]
topic = "t"
time = { field = "at" }
out_of_orderness = "1s"
[sources.s.fields]
id = "string"
x = "decimal?"
b = "bool?"
[entities.e]
key = "id"
[views.v]
entity = "e"
[views.v.features]
last_b = { aggregate = "latest", of = "b", horizon = "1d" }
avg_x = { aggregate = "avg", of = "x", window = "1h", delay = "2h", where = 'x > 1 or id = "<i>|`"' }
both = { expression = 'last_b and avg_x > 1' }
either = { expression = 'if(last_b, 1, 0)' }
unknown = { expression = 'coalesce(avg_x, 0.5)' }
root = { expression = 'sqrt(avg_x - 1)' }
share = { expression = 'avg_x / (avg_x + 1)' }
"#;

#[test]
fn null_rules_follow_expressions_filters_and_delays() {
    let page = job_page(&load("j.toml", JOB).unwrap(), &[]);
    let rule = |feature| null_rule(&page, "v", feature);
    assert_eq!(
        rule("last_b"),
        "when there is no event yet, or the latest is 24h old, or the latest has no `b`"
    );
    assert_eq!(rule("avg_x"), "when the 1h window, delayed 2h, holds no matching event with `x`");
    assert_eq!(
        rule("both"),
        "when `last_b` is null, or `avg_x` is null, if the result depends on it"
    );
    assert_eq!(rule("either"), "never; `0` without events");
    assert_eq!(rule("unknown"), "never; `0.5` without events");
    assert_eq!(rule("root"), "when `avg_x` is null, or the number under the root is negative");
    assert_eq!(rule("share"), "when `avg_x` is null, or its divisor is 0");
}

#[test]
fn what_a_job_file_says_is_text_and_not_markup() {
    let text = job_page(&load("j.toml", JOB).unwrap(), &[]).markdown();
    assert!(text.contains(r"\<b\>bold\</b\> \| \[x\](y)"), "{text}");
    assert!(!text.contains("<b>"), "{text}");
    let row = text.lines().find(|line| line.starts_with("| `avg_x`")).unwrap();
    assert!(row.contains(r#"id = "\<i\>\|\`""#), "{row}");
}

#[test]
fn every_feature_of_every_view_is_on_the_page_once() {
    let job = fraud();
    let page = job_page(&job, &[]);
    for view in (0..job.plan.views.len()).filter_map(|view| job.plan.view(view)) {
        for feature in &view.features {
            assert_eq!(cells(&page, &view.name, &feature.name).len(), 7, "{}", feature.name);
        }
    }
    let text = page.markdown();
    for section in &page.sections {
        assert!(text.contains(&format!("(#{})", section.anchor())), "{}", section.title());
    }
}

#[test]
fn hidden_features_that_expressions_name_are_explained() {
    let text = job_page(&fraud(), &[]).markdown();
    assert!(text.contains("| `amount_avg_24h` | average amount | 24h | 24 B |"), "{text}");
}

#[test]
fn the_page_about_job_files_has_its_sections_keys() {
    let text = job_file_page().markdown();
    for key in ["[sources.transactions]", "out_of_orderness", "[views.activity]", "[services"] {
        assert!(text.contains(key), "{key}: {text}");
    }
    assert!(!text.contains("pub mod"), "{text}");
}

/// The body of a section.
fn section<'p>(page: &'p Page, title: &str) -> &'p str {
    &page.sections.iter().find(|it| it.title() == title).unwrap().body
}

const WITH_HISTORY: &str = r#"
[job]
name = "j"
[sources.s]
topic = "t"
time = { field = "at" }
out_of_orderness = "1s"
[sources.s.fields]
id = "string"
x = "double?"
b = { type = "string", aliases = ["c.d", "e"], default = "none" }
country = "string?"
ip = "ip?"
amount = "decimal"
[sources.s.lookup]
score = { table = "scores", key = "ip", column = "score" }
limit = { table = "limits", key = "country", column = "most", default = 12.5 }
[tables.scores]
topic = "scores"
time = { field = "since" }
out_of_orderness = "5s"
key = "network"
match = "prefix"
columns = { score = "double?" }
[tables.limits]
description = "what is usual"
file = "limits.csv"
key = "country"
columns = { most = "decimal" }
valid_from = "since"
reload = "1m"
rows_max = 300
[entities.e]
key = "id"
[views.v]
entity = "e"
[views.v.features]
n = { aggregate = "count", window = "5m" }
entry = { aggregate = "first", of = "country", session = "30m" }
visits = { aggregate = "count", session = "30m" }
from = { aggregate = "first", session = "30m" }
is_new = { aggregate = "is_new", of = ["country", "x2"], horizon = "7d" }
before = { aggregate = "previous", of = "amount", horizon = "7d" }
product = { expression = 'x * x' }
sum = { expression = 'coalesce(x, 1) * 2 + n' }
safe = { expression = 'amount * 1000 / 7' }
last_score = { aggregate = "latest", of = "score" }
most = { aggregate = "max", of = "limit", window = "1h" }
mixed = { expression = 'visits + n > limit' }
"#;

fn with_history() -> Page {
    let text = WITH_HISTORY.replace("\"x2\"", "\"b\"");
    job_page(&load("j.toml", &text).unwrap_or_else(|errors| panic!("{errors}")), &[])
}

#[test]
fn null_rules_know_sessions_history_and_lookups() {
    let page = with_history();
    let rule = |feature| null_rule(&page, "v", feature);
    assert_eq!(rule("entry"), "when no session is open, or its first event has no `country`");
    assert_eq!(rule("from"), "when no session is open");
    assert_eq!(rule("visits"), "never; `0` without events");
    assert_eq!(
        rule("is_new"),
        "when there is no event yet, or the latest is 7d old, or the latest has no `(country, b)`"
    );
    assert_eq!(
        rule("before"),
        "when there is no event yet, or the latest is 7d old, or there is none less than 7d before \
         it"
    );
    assert_eq!(
        rule("last_score"),
        "when there is no event yet, or the latest is 30d old, or the latest has no `ip`, or \
         `scores` no row for it or no `score` in that"
    );
    assert_eq!(rule("most"), "when the 1h window holds no event");
}

#[test]
fn only_what_can_leave_the_range_of_doubles_is_said_to() {
    let page = with_history();
    let rule = |feature| null_rule(&page, "v", feature);
    assert!(rule("product").ends_with("`x`, or a number on the way is beyond 1.8e308"));
    assert_eq!(
        rule("sum"),
        "only when a number on the way is beyond 1.8e308; `2.0` without events"
    );
    assert!(!rule("safe").contains("1.8e308"), "{}", rule("safe"));
    for text in [FRAUD, PERSONALIZATION] {
        let page = job_page(&load("j.toml", text).unwrap(), &[]).markdown();
        assert!(!page.contains("1.8e308"), "{page}");
    }
}

#[test]
fn expressions_are_over_all_that_their_names_are() {
    let page = with_history();
    assert_eq!(cells(&page, "v", "mixed")[3], "5m; session, 30m; latest, 30d");
    let page = job_page(&fraud(), &[]);
    assert_eq!(cells(&page, "transaction_stats_5m", "amount_zscore")[3], "24h; latest, 30d");
    assert_eq!(cells(&page, "transaction_stats_5m", "is_high_velocity")[3], "5m");
}

#[test]
fn tables_are_described_and_features_say_what_they_look_up() {
    let page = with_history();
    let limits = section(&page, "Table limits");
    for said in [
        "What is usual.",
        "`limits.csv`, CSV, relative to the job file; looked at every 1m",
        "`country`, `string`; the row that has the same key",
        "`limit` is `most` by the field `country` of `s`",
        "from the time in the column `since` on",
        "at most 300",
        "| `most` | `decimal` | always |",
        "looked up once",
    ] {
        assert!(limits.contains(said), "{said}: {limits}");
    }
    let scores = section(&page, "Table scores");
    for said in
        ["`scores`, read all the time", "longest prefix", "| `score` | `double` | may be missing |"]
    {
        assert!(scores.contains(said), "{said}: {scores}");
    }
    let most = &cells(&page, "v", "most")[2];
    assert!(
        most.ends_with(
            "; `limit` is `most` of [`limits`](#table-limits) by `country`, else `12.5`"
        ),
        "{most}"
    );
    let source = section(&page, "Source s");
    assert!(
        source.contains(
            "| `score` | `score` of the table [`scores`](#table-scores) by `ip` | null |"
        ),
        "{source}"
    );
    assert!(
        source.contains(
            "| `b` | `string` | `b`, else `c.d`, else `e` | `\"none\"`; null is refused |"
        ),
        "{source}"
    );
}

#[test]
fn words_are_explained_where_the_job_uses_them() {
    let words = |text| {
        section(&job_page(&load("j.toml", text).unwrap(), &[]), "Words in definitions").to_owned()
    };
    let behavior = words(BEHAVIOR);
    for word in ["changes of *x*", "normalised entropy", "busiest hour", "(*x*, *y*)"] {
        assert!(behavior.contains(word), "{word}: {behavior}");
        assert!(!words(PERSONALIZATION).contains(word), "{word}");
    }
    assert!(words(FRAUD).contains("population standard deviation"));
}

#[test]
fn what_an_entity_takes_is_a_sum_with_an_example() {
    let page = job_page(&load("j.toml", BEHAVIOR).unwrap(), &[]);
    let user = section(&page, "Entity user");
    assert!(user.contains("at most 600 + 96 *n* + 16 *d* + 48 *s* bytes for each user"), "{user}");
    // 600 + 96 * 100 + 16 * 50 + 48 * 20
    assert!(user.contains("11,960 bytes with *n* = 100, *d* = 50, *s* = 20"), "{user}");
}

#[test]
fn a_service_is_shown_with_the_question_that_a_model_asks() {
    let page = job_page(&fraud(), &[]);
    let service = page.sections.iter().find(|it| it.label == "Service").unwrap();
    let question = "-d '{\"feature_service\": \"fraud_detection\", \"entities\": {\"card_id\": \
                    [\"card_0000017\"]}}'";
    assert!(service.body.contains(question), "{}", service.body);
    let text = FRAUD.replace("[services.fraud_detection]\n", "[services.\"it's\"]\n");
    // Names are checked: none can end the shell's text.
    assert!(load("fraud.toml", &text).is_err());
}
