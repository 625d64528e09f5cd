//! What a record has besides its value, and what serializers put around that.

mod dump;
mod places;
mod tables;

use crate::memory::{Run, replay};
use std::sync::Arc;
use tidemark_operators::plan::Plan;

const T: u64 = 1_767_484_955_000;

fn load(text: &str) -> Arc<Plan> {
    tidemark_jobs::load("case.toml", text).unwrap_or_else(|e| panic!("{e}")).plan
}

const SUM: &str = r#"
[job]
name = "case"
[sources.tx]
topic = "tx"
time = "timestamp"
out_of_orderness = "5s"
[sources.tx.fields]
card_id = "string"
amount = "decimal"
[entities.card]
key = "card_id"
[views.v]
entity = "card"
[views.v.features]
s = { aggregate = "sum", of = "amount", window = "5m" }
"#;

#[test]
fn json_behind_the_five_bytes_of_a_schema_registry_is_read_as_json() {
    let json = format!(r#"{{"timestamp": {T}, "card_id": "c", "amount": 10}}"#).into_bytes();
    let framed = |frame: &[u8]| [frame, &json].concat();
    let log = vec![vec![
        framed(&[0, 0, 0, 0, 7]),
        framed(&[0, 0xff, 0xff, 0xff, 0xff]),
        json.clone(),
        framed(&[0, 0, 0, 7]),
        framed(&[1, 0, 0, 0, 7]),
        vec![0, 0, 0, 0, 7],
    ]];
    let output = replay(&load(SUM), &log, &Run::default());
    assert_eq!(output.verdicts, [3, 0, 0, 3]);
    assert_eq!(output.live["v/c"], r#"{"s":30.0}"#);
    let bytes: Vec<_> = output.dead.into_iter().map(|letter| letter.value.unwrap()).collect();
    assert_eq!(bytes, log[0][3..], "they keep their bytes as they came");
}
