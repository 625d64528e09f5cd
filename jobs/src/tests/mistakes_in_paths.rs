//! What is said about paths that can never match.

use super::{changed, mistakes, says};

#[test]
fn elements_of_arrays_cannot_be_read() {
    says(
        "score = \"double?\"",
        "score = { type = \"double\", path = \"items[0].price\" }",
        "job.toml:13:35: \"path\" in field \"score\" can never match: \"items[0].price\" names an \
         element of an array, and no elements of arrays are read\n  a path is names of objects with \
         dots between them: let the producer write the value outside of the array, or one record for \
         each element",
    );
    let text = changed("{ field = \"timestamp\", unit = \"ms\" }", "\"$.timestamp\"");
    assert!(mistakes(&text).contains("write \"timestamp\""), "{}", mistakes(&text));
}

#[test]
fn a_path_through_a_value_can_never_match() {
    says(
        "score = \"double?\"",
        "score = { type = \"double\", path = \"country.score\" }",
        "job.toml:13:35: field \"score\" can never match: \"country.score\" leads through \
         \"country\", which field \"country\" reads as a value\n  a record has a value at \"country\" \
         or an object: leave out the one that yours do not have",
    );
    for (field, through) in [
        ("{ type = \"double\", path = \"timestamp.score\" }", "\"time\" of source"),
        ("{ type = \"double\", aliases = [\"x\", \"country.a.b\"] }", "field \"country\""),
        ("{ type = \"double\", path = \"score.value\", aliases = [\"score\"] }", "field \"score\""),
    ] {
        let said = mistakes(&changed("score = \"double?\"", &format!("score = {field}")));
        assert!(said.contains("can never match") && said.contains(through), "{said}");
    }
    let nested =
        changed("score = \"double?\"", "score = { type = \"double\", path = \"c.score\" }");
    assert!(super::load("job.toml", &nested).is_ok(), "beside, not through");
}

#[test]
fn the_arrival_is_a_value_too() {
    let text = changed("score = \"double?\"", "score = { type = \"double\", path = \"at.score\" }")
        .replace("out_of_orderness", "arrival_field = \"at\"\nout_of_orderness");
    assert!(mistakes(&text).contains("which \"arrival_field\" of source"), "{}", mistakes(&text));
}

#[test]
fn everything_wrong_with_a_job_comes_at_once() {
    let text = changed("score = \"double?\"", "score = { type = \"double\", path = \"a[0]\" }")
        .replace("large = 'amount >= 1000'", "large = 'country + 1 > score and card_id'")
        .replace("topic = \"payments\"", "topic = \"no topic\"")
        .replace(
            "mean = ",
            "m = { aggregate = \"decay\" }\nn = { expression = 'abs(country) + ln(card_id)' }\nmean = ",
        )
        .replace("views = [\"activity\"]", "views = [\"activty\"]");
    let said = mistakes(&text);
    for part in [
        "job.toml:5:9: \"topic\"",
        "job.toml:13:35: \"path\"",
        "job.toml:16:10: definition \"large\": `+` takes numbers",
        "job.toml:16:34: definition \"large\": `and` takes bools",
        "job.toml:28:19: feature \"m\" has no such aggregate",
        "job.toml:29:25: \"expression\" in feature \"n\": `abs` takes a number",
        "job.toml:29:39: \"expression\" in feature \"n\": `ln` takes a number",
        "job.toml:33:10: service \"scoring\" names no view",
    ] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
}
