//! Pages of jobs: what they say about nulls, and that nothing in a job file becomes markup.

use super::{Page, job_file_page, job_page};
use crate::{FRAUD, Job, load};

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
    assert_eq!(stats("txn_count_5m"), "never: `0` without events");
    assert_eq!(stats("amount_sum_5m"), "never: `0.0` without events");
    assert_eq!(stats("amount_max_5m"), "when the 5m window holds no event");
    assert_eq!(stats("is_weekend"), "when no event is younger than 30d");
    assert_eq!(
        stats("time_since_last_txn_min"),
        "when no event is younger than 30d, or the latest has none before it within 30d"
    );
    assert_eq!(
        stats("amount_zscore"),
        "when no event is younger than 30d, or the 24h window holds no event, or \
         `amount_stddev_24h` is null or 0"
    );
    assert_eq!(stats("is_high_velocity"), "never: `false` without events");
    assert_eq!(stats("geo_diversity_score"), "never: `0.0` without events");
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
    assert_eq!(rule("last_b"), "when no event is younger than 24h, or the latest has no `b`");
    assert_eq!(rule("avg_x"), "when the 1h window, delayed 2h, holds no matching event with `x`");
    assert_eq!(
        rule("both"),
        "when `last_b` is null, or `avg_x` is null, if the result depends on it"
    );
    assert_eq!(rule("either"), "never: `0` without events");
    assert_eq!(rule("unknown"), "never: `0.5` without events");
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
