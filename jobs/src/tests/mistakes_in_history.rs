//! What is said about mistakes in tuples, sequences and sessions.

use super::{SMALL, changed, mistakes, says};

/// Checks what is said about [`SMALL`] with the feature `a = { .. }` in the place of `mean`.
#[track_caller]
fn feature_says(feature: &str, wanted: &str) {
    says("mean = { expression = 'amount_sum_5m / count_5m' }", &format!("a = {feature}"), wanted);
}

#[test]
fn a_feature_is_over_a_window_or_a_session() {
    feature_says(
        r#"{ aggregate = "count", window = "5m", session = "30m" }"#,
        r#"job.toml:28:28: "window" in feature "a" cannot stand beside "session": a feature is over one or the other"#,
    );
    feature_says(
        r#"{ aggregate = "sum", of = "amount" }"#,
        r#"job.toml:28:1: missing key "window" in feature "a""#,
    );
    feature_says(
        r#"{ aggregate = "ratio", where = 'large', sesion = "30m" }"#,
        r#"job.toml:28:45: missing key "session" in feature "a"
  "sesion" is unknown; did you mean "session"?"#,
    );
    feature_says(
        r#"{ aggregate = "count", session = "30m", delay = "1d" }"#,
        r#"job.toml:28:45: "delay" in feature "a" is for aggregates over a window; a session has none"#,
    );
    feature_says(
        r#"{ aggregate = "count", session = "30m", horizon = "1d" }"#,
        r#"job.toml:28:45: "horizon" in feature "a" is for features at the latest event; a session is seen until it is closed"#,
    );
    feature_says(
        r#"{ aggregate = "count", session = "0s" }"#,
        r#"job.toml:28:38: "session" in feature "a" must be a duration from 1ms to 366d, not "0s""#,
    );
    feature_says(
        r#"{ aggregate = "count", session = 30 }"#,
        r#"job.toml:28:38: "session" in feature "a" must be a duration from 1ms to 366d, found the integer 30
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    feature_says(
        r#"{ aggregate = "count", session = "30m", gap = "1d" }"#,
        r#"job.toml:28:45: unknown key "gap" in feature "a"
  the valid names are: description, hidden, aggregate, session, where"#,
    );
}

#[test]
fn aggregates_without_sessions_say_which_have_them() {
    feature_says(
        r#"{ aggregate = "max", of = "amount", session = "30m" }"#,
        r#"job.toml:28:41: "session" in feature "a" is for count, sum, ratio, first, last and duration; this one takes a "window""#,
    );
    feature_says(
        r#"{ aggregate = "changes", of = "country", session = "30m", where = 'large', horizon = "1d" }"#,
        r#"job.toml:28:46: "session" in feature "a" is for count, sum, ratio, first, last and duration; this one takes a "window""#,
    );
    feature_says(
        r#"{ aggregate = "is_new", of = "country", session = "30m" }"#,
        r#"job.toml:28:45: "session" in feature "a" is for count, sum, ratio, first, last and duration; this one takes a "horizon""#,
    );
    feature_says(
        r#"{ expression = 'amount', session = "30m" }"#,
        r#"job.toml:28:30: "session" in feature "a" is for aggregates; an expression names features that have sessions"#,
    );
}

#[test]
fn aggregates_of_sessions_only_say_so() {
    feature_says(
        r#"{ aggregate = "duration", window = "5m" }"#,
        r#"job.toml:28:31: "window" in feature "a" is for aggregates over a window; this one takes a "session""#,
    );
    feature_says(
        r#"{ aggregate = "first", of = "country" }"#,
        r#"job.toml:28:1: missing key "session" in feature "a""#,
    );
    feature_says(
        r#"{ aggregate = "last", session = "30m", where = 'large' }"#,
        r#"job.toml:28:44: "where" in feature "a" narrows what is counted in a session; this one looks at all of its events"#,
    );
    feature_says(
        r#"{ aggregate = "duration", session = "30m", unit = "m" }"#,
        r#"job.toml:28:55: "unit" in feature "a" cannot be "m"
  did you mean "ms"?"#,
    );
    feature_says(
        r#"{ aggregate = "duration", session = "30m", of = "amount" }"#,
        r#"job.toml:28:48: unknown key "of" in feature "a"
  the valid names are: description, hidden, aggregate, session, unit"#,
    );
    feature_says(
        r#"{ aggregate = "first", session = "30m", of = "contry" }"#,
        r#"job.toml:28:50: "of" in feature "a" names no field: "contry"
  did you mean "country"?"#,
    );
    feature_says(
        r#"{ aggregate = "sum", session = "30m", of = "score" }"#,
        r#"job.toml:28:48: "sum" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
}

#[test]
fn a_tuple_has_two_to_eight_different_fields_that_can_be_told_apart() {
    feature_says(
        r#"{ aggregate = "distinct", of = [], window = "5m" }"#,
        r#"job.toml:28:1: "of" in feature "a" must name 2 to 8 fields when it is a list, not 0"#,
    );
    feature_says(
        r#"{ aggregate = "distinct", of = ["country"], window = "5m" }"#,
        r#"job.toml:28:37: "of" in feature "a" must name 2 to 8 fields when it is a list, not 1
  name one field without brackets"#,
    );
    feature_says(
        r#"{ aggregate = "distinct", of = ["a", "b", "c", "d", "e", "f", "g", "h", "i"], window = "5m" }"#,
        r#"job.toml:28:37: "of" in feature "a" must name 2 to 8 fields when it is a list, not 9"#,
    );
    feature_says(
        r#"{ aggregate = "entropy", of = ["country", "country"], window = "5m" }"#,
        r#"job.toml:28:47: "of" in feature "a" names "country" twice"#,
    );
    feature_says(
        r#"{ aggregate = "is_new", of = ["country", 5] }"#,
        r#"job.toml:28:46: "of" in feature "a" must be a list of texts, such as ["a", "b"], found the integer 5"#,
    );
    feature_says(
        r#"{ aggregate = "is_new", of = ["contry", "score"] }"#,
        r#"job.toml:28:35: "of" in feature "a" names no field: "contry"
  did you mean "country"?
job.toml:28:45: "is_new" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
    feature_says(
        r#"{ aggregate = "latest", of = ["country", "amount"] }"#,
        r#"job.toml:28:34: "of" in feature "a" must be a text in quotes, found a list"#,
    );
}

#[test]
fn a_source_has_all_fields_of_a_tuple_or_none() {
    let text = format!(
        "{SMALL}[sources.refunds]\ntopic = \"refunds\"\ntime = \"at\"\nout_of_orderness = \"0s\"\n\
         fields = {{ card_id = \"string\", country = \"string\" }}\n[views.both]\nentity = \"card\"\n\
         sources = [\"payments\", \"refunds\"]\n[views.both.features]\n\
         a = {{ aggregate = \"distinct\", of = [\"country\", \"amount\"], window = \"5m\" }}\n"
    );
    assert_eq!(
        mistakes(&text.replace("where = 'amount > 0'", "source = \"payments\"")),
        "job.toml:41:48: \"of\" in feature \"a\": source \"refunds\" has some fields of (country, amount), \
         but no \"amount\"\n  declare it there as optional, or leave it out here"
    );
}

#[test]
fn sequences_say_what_they_lack_and_what_they_do_not_take() {
    feature_says(
        r#"{ aggregate = "changes", window = "5m" }"#,
        r#"job.toml:28:1: missing key "of" in feature "a""#,
    );
    feature_says(
        r#"{ aggregate = "change_ratio", of = "country" }"#,
        r#"job.toml:28:1: missing key "window" in feature "a""#,
    );
    feature_says(
        r#"{ aggregate = "changes", of = "country", window = "5m", horizon = "0s" }"#,
        r#"job.toml:28:71: "horizon" in feature "a" must be a duration from 1ms to 366d, not "0s""#,
    );
    feature_says(
        r#"{ aggregate = "change_ratio", of = "score", window = "5m" }"#,
        r#"job.toml:28:40: "change_ratio" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
    feature_says(
        r#"{ aggregate = "is_new", of = "country", window = "5m" }"#,
        r#"job.toml:28:45: "window" in feature "a" is for aggregates over a window; this one takes a "horizon""#,
    );
    feature_says(
        r#"{ aggregate = "previous", horizon = "1d" }"#,
        r#"job.toml:28:1: missing key "of" in feature "a""#,
    );
    feature_says(
        r#"{ aggregate = "hour_share", window = "1d", horizon = "1d" }"#,
        r#"job.toml:28:48: "horizon" in feature "a" is for features at the latest event; this one takes a "window""#,
    );
    feature_says(
        r#"{ aggregate = "hour_share", window = "1d", of = "country" }"#,
        r#"job.toml:28:48: unknown key "of" in feature "a"
  the valid names are: description, hidden, aggregate, window, delay, where"#,
    );
}

#[test]
fn changes_take_filters_of_their_entity() {
    let features = |count: usize| -> String {
        (1..count)
            .map(|i| {
                format!(
                    "f{i} = {{ aggregate = \"changes\", of = \"country\", window = \"1m\", horizon = \"{i}s\" }}\n"
                )
            })
            .collect()
    };
    let small = SMALL.replace("mean = { expression = 'amount_sum_5m / count_5m' }\n", "");
    // With the view's own filter and features, 62 changes fit, and one more in another view.
    let text = |more: &str| {
        let small = small.replace("[services", &format!("{}[services", features(63)));
        format!(
            "{small}[views.other]\nentity = \"card\"\nwhere = 'amount > 0'\n[views.other.features]\n\
             first = {{ aggregate = \"changes\", of = \"card_id\", window = \"1m\" }}\n{more}"
        )
    };
    assert!(crate::load("job.toml", &text("")).is_ok());
    // Equal ones are shared.
    let same = "b = { aggregate = \"change_ratio\", of = \"card_id\", window = \"2m\" }\n";
    assert!(crate::load("job.toml", &text(same)).is_ok());
    let other = "b = { aggregate = \"change_ratio\", of = \"amount\", window = \"2m\" }\n";
    assert_eq!(
        mistakes(&text(other)),
        "job.toml:98:40: \"of\" in feature \"b\": the views of entity \"card\" have more than 64 \
         different filters\n  each field whose changes are counted is a filter too"
    );
}

#[test]
fn a_mistake_beside_a_session_is_said_once_in_views_that_are_alike() {
    let text = changed("mean = {", "n = { aggregate = \"count\", session = \"30 m\" }\nmean = {");
    let text = format!("{text}[views.b]\nentity = \"card\"\nlike = \"activity\"\n");
    assert_eq!(mistakes(&text).lines().count(), 2);
}
