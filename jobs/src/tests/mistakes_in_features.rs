//! What is said about mistakes in features.

use super::{SMALL, changed, mistakes, says};

#[test]
fn an_unknown_key_of_a_feature_is_answered_with_the_nearest_one() {
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", widow = "5m" }"#,
        r#"job.toml:26:35: missing key "window" in feature "count_5m"
  "widow" is unknown; did you mean "window"?"#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", widow = "5m" }"#,
        r#"job.toml:26:50: unknown key "widow" in feature "count_5m"
  did you mean "window"?"#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ agregate = "count", window = "5m" }"#,
        r#"job.toml:26:14: missing key "aggregate" in feature "count_5m"
  "agregate" is unknown; did you mean "aggregate"?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expresion = 'amount_sum_5m / count_5m' }",
        r#"job.toml:28:10: missing key "expression" in feature "mean"
  "expresion" is unknown; did you mean "expression"?"#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", of = "amount" }"#,
        r#"job.toml:26:50: unknown key "of" in feature "count_5m"
  the valid names are: description, hidden, aggregate, window, session, delay, where"#,
    );
}

#[test]
fn a_missing_key_of_a_feature_is_named() {
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count" }"#,
        r#"job.toml:26:1: missing key "window" in feature "count_5m""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ window = "5m" }"#,
        r#"job.toml:26:1: missing key "aggregate" in feature "count_5m"
  name an aggregate, or write an "expression""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"mean = { aggregate = "sum", window = "5m" }"#,
        r#"job.toml:28:1: missing key "of" in feature "mean""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"mean = { aggregate = "ratio", window = "5m" }"#,
        r#"job.toml:28:1: missing key "where" in feature "mean""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        "{}",
        r#"job.toml:26:1: missing key "aggregate" in feature "count_5m"
  name an aggregate, or write an "expression""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#""count""#,
        r#"job.toml:26:12: feature "count_5m" must be a table such as { aggregate = "count", window = "5m" }, found a text"#,
    );
}

#[test]
fn an_aggregate_that_is_not_there_is_answered_with_the_nearest_one() {
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "cuont", window = "5m" }"#,
        r#"job.toml:26:26: feature "count_5m" has no such aggregate: "cuont"
  did you mean "count"?"#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "skewness", window = "5m" }"#,
        r#"job.toml:26:26: feature "count_5m" has no such aggregate: "skewness"
  the valid names are: count, sum, avg, max, min, stddev, distinct, entropy, ratio, hour_share, changes, change_ratio, latest, previous, previous_gap, is_new, first, last, duration"#,
    );
}

#[test]
fn windows_are_longer_than_nothing_and_at_most_a_year() {
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "0s" }"#,
        r#"job.toml:26:44: "window" in feature "count_5m" must be a duration from 1ms to 366d, not "0s""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "-5m" }"#,
        r#"job.toml:26:44: "window" in feature "count_5m" must be a duration from 1ms to 366d, not "-5m"
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = 300 }"#,
        r#"job.toml:26:44: "window" in feature "count_5m" must be a duration from 1ms to 366d, found the integer 300
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "367d" }"#,
        r#"job.toml:26:44: "window" in feature "count_5m" must be a duration from 1ms to 366d, not "367d""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", delay = "0s" }"#,
        r#"job.toml:26:58: "delay" in feature "count_5m" must be a duration from 1ms to 366d, not "0s""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", delay = "367d" }"#,
        r#"job.toml:26:58: "delay" in feature "count_5m" must be a duration from 1ms to 366d, not "367d""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"gap = { aggregate = "previous_gap", horizon = "0s" }"#,
        r#"job.toml:28:47: "horizon" in feature "gap" must be a duration from 1ms to 366d, not "0s""#,
    );
}

#[test]
fn windows_delays_and_horizons_stand_only_where_they_mean_something() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"gap = { aggregate = "previous_gap", delay = "1d" }"#,
        r#"job.toml:28:37: "delay" in feature "gap" is for aggregates over a window; this one looks at the latest event"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "latest", of = "amount", window = "5m" }"#,
        r#"job.toml:28:44: "window" in feature "a" is for aggregates over a window; this one takes a "horizon""#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", horizon = "1d" }"#,
        r#"job.toml:26:50: "horizon" in feature "count_5m" is for features at the latest event; this one takes a "window""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"mean = { expression = 'amount', delay = "1d" }"#,
        r#"job.toml:28:33: "delay" in feature "mean" is for aggregates over a window; an expression has none"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"mean = { expression = 'amount', window = "1d" }"#,
        r#"job.toml:28:33: "window" in feature "mean" is for aggregates; an expression names features that have windows"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'amount', where = 'large' }",
        r#"job.toml:28:33: "where" in feature "mean" is for aggregates; in an expression write if(condition, value, other)"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"mean = { expression = 'amount', aggregate = "count" }"#,
        r#"job.toml:28:33: "aggregate" in feature "mean" cannot stand beside "expression""#,
    );
}

#[test]
fn aggregates_take_fields_of_some_types() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "sum", of = "score", window = "5m" }"#,
        r#"job.toml:28:31: "sum" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "avg", of = "country", window = "5m" }"#,
        r#"job.toml:28:31: "avg" in feature "a" cannot be of "country", which is of type string
  it takes int, decimal"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "stddev", of = "timestamp", window = "5m" }"#,
        r#"job.toml:28:34: "stddev" in feature "a" cannot be of "timestamp", which is of type timestamp
  it takes int, decimal"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "max", of = "score", window = "5m" }"#,
        r#"job.toml:28:31: "max" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "min", of = "country", window = "5m" }"#,
        r#"job.toml:28:31: "min" in feature "a" cannot be of "country", which is of type string
  it takes int, decimal, timestamp"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "distinct", of = "score", window = "5m" }"#,
        r#"job.toml:28:36: "distinct" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "entropy", of = "score", window = "5m" }"#,
        r#"job.toml:28:35: "entropy" in feature "a" cannot be of "score", which is of type double
  double fields can be filtered and shown, not aggregated: declare it "decimal""#,
    );
}

#[test]
fn aggregates_name_fields() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "sum", of = "amuont", window = "5m" }"#,
        r#"job.toml:28:31: "of" in feature "a" names no field: "amuont"
  did you mean "amount"?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "latest", of = "mean", }"#,
        r#"job.toml:28:34: "of" in feature "a" names no field: "mean"
  the valid names are: card_id, amount, country, score, timestamp, event_time, large"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "distinct", of = "large", window = "5m" }"#,
        r#"job.toml:28:36: "of" in feature "a" names a definition, "large": it takes a field"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "sum", of = 5, window = "5m" }"#,
        r#"job.toml:28:31: "of" in feature "a" must be a text in quotes, found the integer 5"#,
    );
}

#[test]
fn options_of_aggregates_are_checked() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "entropy", of = "country", window = "5m", normalised = "yes" }"#,
        r#"job.toml:28:74: "normalised" in feature "a" must be true or false, found a text"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "previous_gap", unit = "minutes" }"#,
        r#"job.toml:28:42: "unit" in feature "a" cannot be "minutes"
  the valid names are: ms, s, min, h, d"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "previous_gap", unit = "mi" }"#,
        r#"job.toml:28:42: "unit" in feature "a" cannot be "mi"
  did you mean "min"?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "ratio", where = 'large', over = 'amount', window = "5m" }"#,
        r#"job.toml:28:53: "over" in feature "a": must be true or false, but is of type decimal
  compare it with something"#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", where = 'large or' }"#,
        r#"job.toml:26:67: "where" in feature "count_5m": expected a value, found the end
  a value is a number, a string, a name, a call or `( ... )`"#,
    );
    says(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", hidden = 1 }"#,
        r#"job.toml:26:59: "hidden" in feature "count_5m" must be true or false, found the integer 1"#,
    );
}

#[test]
fn the_names_in_an_expression_are_features_fields_or_features_of_other_views() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'amount_sum_5 / count_5m' }",
        r#"job.toml:28:24: "expression" in feature "mean": there is no feature or field "amount_sum_5"
  did you mean "amount_sum_5m"?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'activty.count_5m' }",
        r#"job.toml:28:24: "expression" in feature "mean": there is no view "activty"
  did you mean "activity"?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'activity.cuont_5m' }",
        r#"job.toml:28:24: "expression" in feature "mean": view "activity" has no feature "cuont_5m"
  did you mean "count_5m"?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = '1 + 1' }",
        r#"job.toml:28:24: "expression" in feature "mean": names no feature and no field, so there is nothing it could follow"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'xyzzy' }",
        r#"job.toml:28:24: "expression" in feature "mean": there is no feature or field "xyzzy"
  the valid names are: count_5m, amount_sum_5m, mean, card_id, amount, country, score, timestamp, event_time, large"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"mean = { expression = 'contry = "US"' }"#,
        r#"job.toml:28:24: "expression" in feature "mean": there is no feature or field "contry"
  did you mean "country"?"#,
    );
}

#[test]
fn expressions_are_typed() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'country + 1' }",
        r#"job.toml:28:24: "expression" in feature "mean": `+` takes numbers, this is of type string"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'clamp1(count_5m)' }",
        r#"job.toml:28:24: "expression" in feature "mean": unknown function `clamp1`
  did you mean `clamp01`?"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'count_5m /' }",
        r#"job.toml:28:34: "expression" in feature "mean": expected a value, found the end
  a value is a number, a string, a name, a call or `( ... )`"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 7 }",
        r#"job.toml:28:23: "expression" in feature "mean" must be a text in quotes, found the integer 7"#,
    );
}

#[test]
fn a_cycle_is_an_error_that_names_its_path() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "mean = { expression = 'mean + 1' }",
        r#"job.toml:28:24: "expression" in feature "mean": it is defined by itself: mean -> mean"#,
    );
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        "a = { expression = 'b + 1' }\nb = { expression = 'c + 1' }\nc = { expression = 'a + count_5m' }",
        r#"job.toml:28:21: "expression" in feature "a": it is defined by itself: a -> b -> c -> a"#,
    );
    says(
        "[services.scoring]",
        "a = { expression = 'other.b' }\n[views.other]\nentity = \"card\"\nfeatures = { b = { expression = 'activity.a' } }\n[services.scoring]",
        r#"job.toml:30:21: "expression" in feature "a": it is defined by itself: activity.a -> other.b -> activity.a"#,
    );
}

#[test]
fn a_feature_of_another_entitys_view_cannot_be_named() {
    says(
        "[services.scoring]",
        "[entities.land]\nkey = \"country\"\n[views.lands]\nentity = \"land\"\nfeatures = { b = { expression = 'activity.mean' } }\n[services.scoring]",
        r#"job.toml:34:34: "expression" in feature "b": view "activity" is of entity "card", this one of entity "land""#,
    );
}

#[test]
fn a_hidden_feature_must_be_named_by_something() {
    says(
        "mean = { expression = 'amount_sum_5m / count_5m' }",
        r#"a = { aggregate = "count", window = "1h", hidden = true }"#,
        r#"job.toml:28:1: feature "a" is hidden, and no expression names it
  remove it, or add what was to use it"#,
    );
}

#[test]
fn a_view_has_at_most_64_features() {
    let features = |count: usize| -> String {
        (3..count)
            .map(|i| format!("f{i} = {{ aggregate = \"count\", window = \"{i}s\" }}\n"))
            .collect()
    };
    let text = |count| changed("mean = {", &format!("{}mean = {{", features(count)));
    assert!(crate::load("job.toml", &text(64)).is_ok());
    let wanted = "job.toml:90:1: a view has at most 64 features, this one has 65";
    assert_eq!(mistakes(&text(65)), wanted);
}

#[test]
fn an_entity_has_at_most_64_filters() {
    let features = |from: usize, count: usize| -> String {
        (from..count)
            .map(|i| {
                format!(
                    "f{i} = {{ aggregate = \"count\", window = \"1m\", where = 'amount > {i}' }}\n"
                )
            })
            .collect()
    };
    // The view's own filter is `amount > 0`.
    let text = |count: usize| {
        let other = format!(
            "[views.other]\nentity = \"card\"\nwhere = 'amount > 0'\n[views.other.features]\n{}",
            features(40, count)
        );
        changed("mean = {", &format!("{}mean = {{", features(1, 40)))
            .replace("[services.scoring]", &format!("{other}[services.scoring]"))
    };
    assert!(crate::load("job.toml", &text(64)).is_ok());
    assert_eq!(
        mistakes(&text(65)),
        "job.toml:97:54: \"where\" in feature \"f64\": the views of entity \"card\" have more than 64 \
         different filters"
    );
}

#[test]
fn a_mistake_in_features_that_several_views_have_is_said_once() {
    let text = format!("{SMALL}[views.b]\nentity = \"card\"\nlike = \"activity\"\n")
        .replace("of = \"amount\"", "of = \"amuont\"");
    assert_eq!(
        mistakes(&text),
        "job.toml:27:43: \"of\" in feature \"amount_sum_5m\" names no field: \"amuont\"\n  \
         did you mean \"amount\"?"
    );
}

#[test]
fn the_event_time_goes_by_its_field_only_where_all_sources_of_the_view_call_it_so() {
    let second = |time: &str| {
        let refunds = format!(
            "[sources.refunds]\ntopic = \"refunds\"\ntime = \"{time}\"\nout_of_orderness = \"0s\"\n\
             [sources.refunds.fields]\ncard_id = \"string\"\namount = \"decimal\"\n"
        );
        changed("[services.scoring]", &format!("{refunds}[services.scoring]"))
            .replace("where = 'amount > 0'", "sources = [\"payments\", \"refunds\"]")
    };
    let only = "\"timestamp\" is the event time of source \"payments\" only: write event_time";
    let filtered =
        ("window = \"5m\" }\namount", "window = \"5m\", where = 'hour(timestamp) < 6' }\namount");
    let uses = [
        (filtered.0, filtered.1, "where"),
        ("'amount_sum_5m / count_5m'", "'hour(timestamp)'", "expression"),
        ("of = \"amount\"", "of = \"timestamp\"", "of"),
        // By a definition, which is of the one source.
        ("'amount_sum_5m / count_5m'", "'if(large, 1, 2)'", "expression"),
    ];
    for (from, to, key) in uses {
        let text =
            second("at").replace(from, to).replace("'amount >= 1000'", "'hour(timestamp) < 6'");
        let text = text
            .replace("aggregate = \"sum\"", "aggregate = \"max\"")
            .replace("'amount_sum_5m / count_5m'", "'count_5m + 1'");
        let said = mistakes(&text);
        assert!(said.contains(only) && said.contains(&format!("\"{key}\" in")), "{to}: {said}");
        let right = text
            .replace("timestamp)", "event_time)")
            .replace("= \"timestamp\",", "= \"event_time\",");
        crate::load("job.toml", &right).unwrap_or_else(|e| panic!("{to}: {e}"));
        let same = second("timestamp").replace(from, to);
        let same = same
            .replace("aggregate = \"sum\"", "aggregate = \"max\"")
            .replace("'amount_sum_5m / count_5m'", "'count_5m + 1'");
        crate::load("job.toml", &same).unwrap_or_else(|e| panic!("{to}: {e}"));
    }
}

#[test]
fn invalid_asks_about_a_field_by_its_name() {
    let said = |filter: &str| mistakes(&changed("'amount > 0'", &format!("'{filter}'")));
    let place = "job.toml:23:10: \"where\" in view \"activity\": ";
    assert_eq!(
        said("invalid(contry)"),
        format!("{place}source \"payments\" has no field \"contry\"\n  did you mean \"country\"?")
    );
    assert_eq!(
        said("invalid(large)"),
        format!(
            "{place}source \"payments\" has no field \"large\"\n  the valid names are: card_id, amount, \
             country, score"
        )
    );
    for wrong in ["invalid(country, score)", "invalid()", "invalid(1)", "invalid(score + 1)"] {
        let said = said(wrong);
        assert!(said.contains("`invalid` takes"), "{wrong}: {said}");
    }
    let derived = changed("'amount_sum_5m / count_5m'", "'invalid(scor)'");
    assert!(mistakes(&derived).contains("there is no field \"scor\"\n  did you mean \"score\"?"));
    // Of a required field it is allowed, and said to say nothing.
    let loaded = crate::load("job.toml", &changed("'amount > 0'", "'invalid(amount)'")).unwrap();
    let notes: Vec<String> = loaded.notes.iter().map(|note| note.message.clone()).collect();
    assert!(
        notes.join("\n").contains("invalid(amount) is never true of source \"payments\""),
        "{notes:?}"
    );
}

#[test]
fn definitions_that_grow_without_measure_are_an_error() {
    let doubling: String = (1..60).map(|i| format!("d{i} = 'd{0} or d{0}'\n", i - 1)).collect();
    let text = changed("large =", &format!("d0 = 'amount > 0'\n{doubling}large ="));
    assert!(mistakes(&text).contains("definition \"d"));
}

#[test]
fn a_long_chain_of_features_across_views_is_worked_off() {
    let mut text = SMALL.to_owned();
    for view in 0..50 {
        text.push_str(&format!("[views.v{view}]\nentity = \"card\"\n[views.v{view}.features]\n"));
        for feature in (0..64).rev() {
            let next = match (view, feature) {
                (0, 0) => "activity.mean".to_owned(),
                (_, 0) => format!("v{}.f63", view - 1),
                (_, _) => format!("f{}", feature - 1),
            };
            text.push_str(&format!("f{feature} = {{ expression = '{next} + 1' }}\n"));
        }
    }
    let job = crate::load("job.toml", &text).expect("the job is right");
    assert_eq!(job.plan.view(50).expect("a view").derived.len(), 50 * 64 + 1);
}

#[test]
fn what_others_aggregate_is_told_from_what_only_looks_like_it() {
    for (aggregate, wanted, misleading) in [
        ("last_k", "no list of the last events is kept", "did you mean"),
        ("last_10", "no list of the last events is kept", "did you mean"),
        ("decay", "nothing is weighed by its age", "valid names"),
        ("p95", "there are no percentiles", "valid names"),
    ] {
        let said = mistakes(&changed(
            r#"{ aggregate = "count", window = "5m" }"#,
            &format!(r#"{{ aggregate = "{aggregate}", of = "amount", window = "5m" }}"#),
        ));
        assert!(said.contains(wanted) && !said.contains(misleading), "{said}");
    }
    let said = mistakes(&changed(
        r#"{ aggregate = "count", window = "5m" }"#,
        r#"{ aggregate = "count", window = "5m", decay = "1h" }"#,
    ));
    assert!(said.contains("unknown key \"decay\"") && !said.contains("delay\"?"), "{said}");
    assert!(said.contains("nothing is weighed by its age"), "{said}");
}

#[test]
fn a_function_that_is_not_there_is_answered_with_all_there_are_or_the_aggregate() {
    let said = |expression: &str| {
        mistakes(&changed("'amount_sum_5m / count_5m'", &format!("'{expression}'")))
    };
    let all = said("round(count_5m)");
    for function in crate::expression::functions() {
        assert!(all.contains(&format!("`{}`", function.name)), "{all}");
    }
    assert!(said("last_k(amount)").contains("no list of the last events is kept"));
    assert!(said("sum(amount)").contains("with aggregate = \"sum\""));
}
