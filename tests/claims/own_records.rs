//! Records as people have them: they get in as they are, and exactly.

use crate::memory::{Output, Run, replay};
use std::sync::Arc;
use tidemark_operators::plan::Plan;

const T: u64 = 1_767_484_955_000;

/// A job with one source `tx`, its keys before its fields, and the view `v` of the entity `card`.
fn job(source: &str, fields: &str, features: &str) -> Arc<Plan> {
    let source =
        if source.contains("time =") { source } else { &format!("time = \"timestamp\"\n{source}") };
    let text = format!(
        "[job]\nname = \"case\"\n[sources.tx]\ntopic = \"tx\"\nout_of_orderness = \"5s\"\n{source}\n\
         [sources.tx.fields]\n{fields}\n[entities.card]\nkey = \"card_id\"\n\
         [views.v]\nentity = \"card\"\n[views.v.features]\n{features}\n"
    );
    tidemark_jobs::load("case.toml", &text).unwrap_or_else(|e| panic!("{e}")).plan
}

/// One partition's records through `plan`.
fn read(plan: &Arc<Plan>, records: &[&str]) -> Output {
    let log = vec![records.iter().map(|record| record.as_bytes().to_vec()).collect()];
    replay(plan, &log, &Run::default())
}

const CARD: &str = "card_id = \"string\"\namount = \"decimal\"";
const COUNT_AND_SUM: &str = "c = { aggregate = \"count\", window = \"5m\" }\n\
                             s = { aggregate = \"sum\", of = \"amount\", window = \"5m\" }";

#[test]
fn amounts_that_are_written_as_texts_are_summed() {
    let output = read(
        &job("", CARD, COUNT_AND_SUM),
        &[
            r#"{"timestamp": 1767484955000, "card_id": "c", "amount": "12.50"}"#,
            r#"{"timestamp": 1767484955000, "card_id": "c", "amount": "1e2"}"#,
            r#"{"timestamp": 1767484955000, "card_id": "c", "amount": "-3"}"#,
        ],
    );
    assert_eq!((output.verdicts, output.newest), ([3, 0, 0, 0], T));
    assert_eq!(output.live["v/c"], r#"{"c":3,"s":109.5}"#);
}

#[test]
fn an_id_is_one_entity_as_number_as_text_and_as_double_whatever_its_type() {
    for ty in ["string", "int"] {
        let fields = format!("card_id = \"{ty}\"\namount = \"decimal\"");
        let output = read(
            &job("", &fields, COUNT_AND_SUM),
            &[
                r#"{"timestamp": 1767484955000, "card_id": 12345, "amount": 10}"#,
                r#"{"timestamp": 1767484955000, "card_id": "12345", "amount": 10}"#,
                r#"{"timestamp": 1767484955000, "card_id": 12345.0, "amount": 10}"#,
            ],
        );
        assert_eq!(output.verdicts, [3, 0, 0, 0], "{ty}");
        assert_eq!(output.live["v/12345"], r#"{"c":3,"s":30.0}"#, "{ty}");
    }
    let strict = job("coerce = \"none\"", CARD, COUNT_AND_SUM);
    let output = read(&strict, &[r#"{"timestamp": 1767484955000, "card_id": 1, "amount": 10}"#]);
    assert_eq!(output.verdicts, [0, 0, 0, 1]);
}

#[test]
fn an_empty_text_is_no_entity() {
    let output = read(
        &job("", "card_id = \"string?\"\namount = \"decimal\"", COUNT_AND_SUM),
        &[r#"{"timestamp": 1767484955000, "card_id": "", "amount": 10}"#],
    );
    assert_eq!(output.live.len(), 0);
    assert_eq!(output.sealed, "");
}
