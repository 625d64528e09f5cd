//! The pages that are checked in are the ones that the program writes.

use super::{ServedDocs, html, of_job};
use crate::job_file;
use std::net::SocketAddr;
use std::path::Path;
use tidemark_jobs::SHIPPED;
use tidemark_jobs::docs::expressions_page;
use tidemark_operators::value::Value;

/// Compares a page with its file in `jobs/`.
fn assert_checked_in(name: &str, page: &str, command: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs").join(name);
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    let line = there.lines().zip(page.lines()).take_while(|(a, b)| a == b).count() + 1;
    assert!(
        there == page,
        "jobs/{name} is not the page that the program writes (first at line {line}): run \
         `cargo run -- {command} --output jobs/{name}` and check it in"
    );
}

#[test]
fn the_pages_of_the_shipped_jobs_are_checked_in() {
    for name in SHIPPED {
        let page = of_job(&job_file::load(name).unwrap()).markdown();
        assert_checked_in(&format!("{name}.md"), &page, &format!("docs {name}"));
    }
}

#[test]
fn the_reference_of_expressions_is_checked_in() {
    assert_checked_in("expressions.md", &expressions_page().markdown(), "docs --expressions");
}

#[test]
fn every_view_of_a_shipped_job_has_an_example() {
    for name in SHIPPED {
        let job = job_file::load(name).unwrap();
        let examples = super::sample::examples(&job).unwrap();
        for (at, example) in examples.iter().enumerate() {
            assert!(example.is_some(), "{name}, view {at}");
        }
    }
}

/// What shows nothing of a feature.
fn says_nothing(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Int(0)) || *value == Value::Double(0.0)
}

#[test]
fn examples_of_the_shipped_jobs_are_values_and_mostly_not_0() {
    for name in SHIPPED {
        let job = job_file::load(name).unwrap();
        let examples = super::sample::examples(&job).unwrap();
        let values: Vec<Value> = examples.into_iter().flat_map(|it| it.unwrap().values).collect();
        assert!(!values.contains(&Value::Null), "{name}: {values:?}");
        let zeros = values.iter().filter(|it| says_nothing(it)).count();
        assert!(zeros * 10 <= values.len(), "{name}: {zeros} of {}: {values:?}", values.len());
    }
}

#[test]
fn the_views_of_an_entity_have_the_same_one_as_their_example() {
    for name in SHIPPED {
        let job = job_file::load(name).unwrap();
        let examples = super::sample::examples(&job).unwrap();
        for (place, example) in job.plan.views.iter().zip(&examples) {
            let first = job.plan.views.iter().position(|it| it.entity == place.entity).unwrap();
            let (id, of_first) = (example.as_ref().unwrap(), examples[first].as_ref().unwrap());
            assert_eq!((&id.id, id.as_of), (&of_first.id, of_first.as_of), "{name}");
        }
    }
}

#[test]
fn every_link_inside_of_a_page_leads_somewhere() {
    for name in SHIPPED {
        let text = html::page(&of_job(&job_file::load(name).unwrap()));
        for link in text.split("href=\"#").skip(1).filter_map(|it| it.split('"').next()) {
            assert!(text.contains(&format!("id=\"{link}\"")), "{name}: {link}");
        }
    }
}

const OWN: &str = r#"
[job]
name = "own"
[sources.orders]
files = ["orders.jsonl"]
time = { field = "meta.at", unit = "rfc3339" }
out_of_orderness = "1s"
[sources.orders.fields]
shop_id = { type = "string", path = "shop.id" }
total = "decimal"
state = "string?"
from = "ip?"
[sources.orders.define]
failed = 'state = "failed"'
[entities.shop]
key = "shop_id"
[views.sales]
description = "<script>alert(1)</script>"
entity = "shop"
[views.sales.features]
orders = { aggregate = "count", window = "1h" }
failures = { aggregate = "count", where = 'failed', window = "1h" }
total = { aggregate = "sum", of = "total", window = "1h", description = "a | <img src=x>" }
last_from = { aggregate = "latest", of = "from" }
"#;

#[test]
fn a_job_with_sources_of_its_own_has_examples_from_its_fields() {
    let job = tidemark_jobs::load("own.toml", OWN).unwrap();
    let examples = super::sample::examples(&job).unwrap();
    let example = examples[0].clone().unwrap();
    assert!(example.id.starts_with("shop_000"), "{}", example.id);
    assert!(!example.values.contains(&Value::Null), "{example:?}");
    assert_ne!(example.values[1], Value::Int(0), "{example:?}");
    assert_eq!(super::sample::examples(&job).unwrap()[0], Some(example));
}

#[test]
fn nothing_in_a_job_file_is_markup_in_html() {
    let job = tidemark_jobs::load("own.toml", OWN).unwrap();
    let text = html::page(&of_job(&job));
    for tag in ["<script", "<img", "<link", "src=", "url(", "@import"] {
        let found = text.replace("&lt;img src=x&gt;", "");
        assert!(!found.contains(tag), "{tag}");
    }
    assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(text.contains("<a id=\"sales.total\" href=\"#sales.total\">"));
}

#[test]
fn a_server_shows_every_page_with_a_search_and_no_text_that_is_a_script() {
    let job = tidemark_jobs::load("own.toml", OWN).unwrap();
    let docs = ServedDocs::new(&job, SocketAddr::from(([0, 0, 0, 0], 6566)));
    let of_job = docs.file("").unwrap().text.into_owned();
    let links = of_job.split("href=\"").skip(1).filter_map(|it| it.split('"').next());
    let links: Vec<_> = links.filter(|it| !it.starts_with(['#', 'd'])).collect();
    assert!(links.len() > 20, "{links:?}");
    for link in links {
        let file = docs.file(link).unwrap_or_else(|| panic!("{link} leads nowhere"));
        if file.kind.starts_with("text/html") {
            assert_eq!(file.text.matches("<script").count(), 1, "{link}");
            assert!(file.text.contains("id=\"find\"") && !file.text.contains("<style"), "{link}");
        }
    }
    assert_eq!(of_job.matches("<script").count(), 1);
    for nothing in ["nothing.html", "serving", "../serving.html", ".html"] {
        assert!(docs.file(nothing).is_none(), "{nothing}");
    }
}
