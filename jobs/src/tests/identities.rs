//! What state is told apart by.

use super::job;
use crate::{BEHAVIOR, FRAUD, PERSONALIZATION};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use tidemark_operators::entity_log::{BitFrom, RowMapping};
use tidemark_operators::plan::identity::{EntityIdentities, RowIdentities};

const KINDS: &str = r#"[job]
name = "kinds"
timezone = "Europe/Stockholm"

[sources.payments]
topic = "payments"
time = { field = "timestamp", unit = "ms" }
out_of_orderness = "5s"

[sources.payments.fields]
card_id = "string"
amount = "decimal"
country = "string?"
ip = "ip?"

[sources.payments.define]
large = 'amount >= 1000'
late = 'hour(event_time) >= 22'

[entities.card]
key = "card_id"

[views.activity]
entity = "card"
where = 'amount > 0'

[views.activity.features]
count_5m = { aggregate = "count", window = "5m", where = "large" }
at_night = { aggregate = "count", window = "1h", where = "late" }
amount_sum_5m = { aggregate = "sum", of = "amount", window = "5m", delay = "1m" }
places = { aggregate = "distinct", of = ["ip", "country"], window = "1h" }
hours = { aggregate = "hour_share", window = "30d" }
changes = { aggregate = "changes", of = "country", window = "1h", horizon = "2h" }
is_new = { aggregate = "is_new", of = "ip", horizon = "3h" }
last = { aggregate = "latest", of = "amount", horizon = "4h" }
so_far = { aggregate = "count", session = "10m", where = "large" }
first = { aggregate = "first", of = "country", session = "10m" }
"#;

fn identities(text: &str) -> EntityIdentities {
    let plan = job(text).plan;
    EntityIdentities::new(&plan, &plan.entities[0], None)
}

/// All of them: of attributes, bits and components.
fn all(identities: &EntityIdentities) -> BTreeSet<String> {
    let RowIdentities { keys, attributes, bits, .. } = &identities.rows;
    let rows = keys.iter().chain(attributes).chain(bits).cloned();
    rows.chain(identities.components.iter().map(|component| component.identity.clone())).collect()
}

fn changed(from: &str, to: &str) -> String {
    assert_eq!(KINDS.matches(from).count(), 1, "{from}");
    KINDS.replace(from, to)
}

#[test]
fn identities_stay_when_names_places_and_what_does_not_matter_change() {
    let was = all(&identities(KINDS));
    let (front, features) = KINDS.split_once("[views.activity.features]\n").unwrap();
    let reversed: Vec<&str> = features.lines().rev().collect();
    let reversed = format!("{front}[views.activity.features]\n{}\n", reversed.join("\n"));
    let same = [
        reversed,
        changed("name = \"kinds\"", "name = \"other\""),
        changed("topic = \"payments\"", "topic = \"others\""),
        changed("amount_sum_5m", "renamed"),
        KINDS.replace("activity", "renamed"),
        KINDS.replace("large", "huge"),
        changed("large = 'amount >= 1000'", "large = 'amount >= 1000.0'"),
        changed("amount = \"decimal\"", "amount = { type = \"decimal\", path = \"a.b\" }"),
        changed("country = \"string?\"", "country = { type = \"string\", default = \"se\" }"),
        changed("out_of_orderness = \"5s\"", "out_of_orderness = \"9s\""),
        changed("where = 'amount > 0'\n", "where = 'amount > 0'\nttl = \"9d\"\n"),
    ];
    for text in same {
        assert_eq!(all(&identities(&text)), was, "{text}");
    }
}

#[test]
fn what_is_added_leaves_the_identities_of_what_is_there() {
    let was = all(&identities(KINDS));
    let more = [
        format!("{KINDS}more = {{ aggregate = \"max\", of = \"amount\", window = \"7m\" }}\n"),
        format!(
            "{KINDS}[views.more]\nentity = \"card\"\n[views.more.features]\n\
             n = {{ aggregate = \"count\", window = \"1m\", where = 'country = \"se\"' }}\n"
        ),
    ];
    for text in more {
        let is = all(&identities(&text));
        assert!(is.is_superset(&was) && is.len() > was.len(), "{text}\n{is:#?}");
    }
}

#[test]
fn an_identity_changes_with_what_the_state_is_made_from() {
    let was = all(&identities(KINDS));
    let changes = [
        ("where = 'amount > 0'", "where = 'amount > 1'"),
        ("'amount >= 1000'", "'amount > 1000'"),
        (
            "count_5m = { aggregate = \"count\", window = \"5m\"",
            "c = { aggregate = \"count\", window = \"6m\"",
        ),
        ("delay = \"1m\"", "delay = \"2m\""),
        ("Europe/Stockholm", "Europe/Helsinki"),
        ("amount = \"decimal\"", "amount = \"decimal(2)\""),
        ("key = \"card_id\"", "key = \"country\""),
        ("horizon = \"2h\"", "horizon = \"3h\""),
        ("of = \"ip\", horizon", "of = \"country\", horizon"),
        ("of = [\"ip\", \"country\"]", "of = [\"country\", \"ip\"]"),
        (
            "first\", of = \"country\", session = \"10m\"",
            "first\", of = \"country\", session = \"11m\"",
        ),
    ];
    for (from, to) in changes {
        let is = all(&identities(&changed(from, to)));
        assert!(!is.is_superset(&was), "{from} -> {to}\n{is:#?}");
    }
}

#[test]
fn a_longer_horizon_finds_what_was_kept_for_a_shorter_one() {
    let of = |identities: &EntityIdentities| {
        let mut all = identities.components.iter();
        all.find(|c| c.identity.contains("decimal payments.amount:decimal] of the latest")).cloned()
    };
    let (short, long) = (
        of(&identities(KINDS)).unwrap(),
        of(&identities(&changed("horizon = \"4h\"", "horizon = \"90d\""))).unwrap(),
    );
    use tidemark_operators::plan::identity::Stored::{Reaches, Whole};
    assert_eq!(short.is(&long.identity), Some(Whole));
    assert_eq!(
        long.is(&short.identity),
        Some(Reaches(30 * 86_400_000)),
        "as long as its row lives"
    );
    assert_eq!(long.is("latest event of nobody, kept 99999999999 ms"), None);
}

/// Rows of [`KINDS`] under a job.
fn mapped(text: &str) -> (RowMapping, Vec<String>) {
    let stored = identities(KINDS).rows;
    let plan = job(text).plan;
    let own = EntityIdentities::new(&plan, &plan.entities[0], Some(&stored.sources)).rows;
    RowMapping::between(&stored, &own)
}

#[test]
fn rows_are_read_under_a_job_that_has_a_source_more() {
    let text = KINDS
        .replace("key = \"card_id\"", "keys = { payments = \"card_id\", calls = \"card\" }")
        + "[sources.calls]\ntopic = \"calls\"\ntime = { field = \"t\", unit = \"ms\" }\n\
           out_of_orderness = \"1s\"\n[sources.calls.fields]\ncard = \"string\"\nlength = \"int\"\n\
           [views.calls]\nentity = \"card\"\nsources = [\"calls\"]\n[views.calls.features]\n\
           n = { aggregate = \"sum\", of = \"length\", window = \"1h\", where = 'length > 3' }\n";
    let text = text.replace(
        "[views.activity]\nentity = \"card\"\n",
        "[views.activity]\nentity = \"card\"\nsources = [\"payments\"]\n",
    );
    let (mapping, missing) = mapped(&text);
    assert!(missing.is_empty(), "{missing:?}");
    let before = identities(KINDS).rows;
    let kept = mapping.attributes.iter().flatten().count();
    assert_eq!(kept, before.attributes.len(), "all that was stored is read");
    assert!(mapping.bits.contains(&BitFrom::Never), "no stored row is a long call");
}

#[test]
fn what_stored_rows_lack_is_named() {
    let feature =
        "n = { aggregate = \"sum\", of = \"amount\", window = \"1h\", where = 'country = \"se\"' }";
    let (mapping, missing) = mapped(&format!("{KINDS}{feature}\n"));
    assert_eq!(missing, ["payments where (country:string = \"se\")"]);
    assert_eq!(mapping.bits.iter().filter(|bit| **bit == BitFrom::Never).count(), 1);
    // An amount that is counted distinct too is there, as a word.
    let feature = "n = { aggregate = \"distinct\", of = \"amount\", window = \"1h\" }";
    assert_eq!(mapped(&format!("{KINDS}{feature}\n")).1, Vec::<String>::new());
    let (_, missing) = mapped(&changed("key = \"card_id\"", "key = \"country\""));
    assert_eq!(missing[0], "key payments.country:string");
}

#[test]
fn identities_of_the_shipped_jobs_are_what_they_were_when_they_were_first_stored() {
    let mut text = String::new();
    for source in [FRAUD, PERSONALIZATION, BEHAVIOR] {
        let plan = job(source).plan;
        for entity in &plan.entities {
            let _ = writeln!(text, "{} {}", plan.name, entity.name);
            for identity in all(&EntityIdentities::new(&plan, entity, None)) {
                let _ = writeln!(text, "  {identity}");
            }
        }
    }
    // Whoever changes one of these orphans what is stored under it.
    let stored = include_str!("identities.txt");
    let difference = stored.lines().zip(text.lines()).find(|(was, is)| was != is);
    assert_eq!((difference, text.lines().count()), (None, stored.lines().count()), "{text}");
}
