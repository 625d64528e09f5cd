//! Whole job files: what shipped ones compile to, and what is said about wrong ones.

mod catalogue;
mod identities;
mod mistakes;
mod mistakes_in_features;
mod mistakes_in_history;
mod mistakes_in_paths;
mod mistakes_in_tables;
mod mutations;
mod notes;
mod places;
mod plans;
mod plans_of_history;
mod values;
mod values_of_history;

use crate::{Job, load};

/// A small job that is right; tests change it.
pub(super) const SMALL: &str = r#"[job]
name = "small"

[sources.payments]
topic = "payments"
time = { field = "timestamp", unit = "ms" }
out_of_orderness = "5s"

[sources.payments.fields]
card_id = "string"
amount = "decimal"
country = "string?"
score = "double?"

[sources.payments.define]
large = 'amount >= 1000'

[entities.card]
key = "card_id"

[views.activity]
entity = "card"
where = 'amount > 0'

[views.activity.features]
count_5m = { aggregate = "count", window = "5m" }
amount_sum_5m = { aggregate = "sum", of = "amount", window = "5m" }
mean = { expression = 'amount_sum_5m / count_5m' }

[services.scoring]
views = ["activity"]
"#;

/// [`SMALL`] with `from` replaced by `to`.
pub(super) fn changed(from: &str, to: &str) -> String {
    assert_eq!(SMALL.matches(from).count(), 1, "{from}");
    SMALL.replace(from, to)
}

/// The job of a text that is right.
pub(super) fn job(text: &str) -> Job {
    load("job.toml", text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// What is said about a text that is wrong.
pub(super) fn mistakes(text: &str) -> String {
    load("job.toml", text).expect_err("the job is wrong").to_string()
}

/// Checks what is said about [`SMALL`] with `from` replaced by `to`.
#[track_caller]
pub(super) fn says(from: &str, to: &str, wanted: &str) {
    assert_eq!(mistakes(&changed(from, to)), wanted, "{from} -> {to}");
}
