//! What is said about paths that can never match.

use super::{changed, mistakes, says};

#[test]
fn elements_of_arrays_are_named_in_one_way() {
    says(
        "score = \"double?\"",
        "score = { type = \"double\", path = \"items[*].price\" }",
        "job.toml:13:35: \"path\" in field \"score\" can never match: \"items[*].price\" names \
         elements of an array in a way that is not read\n  write the number of an element, as in \
         \"items[0].price\", or as in \"items[-1]\" from the end, at most 999",
    );
    for (path, why) in [
        ("\"items[1000]\"", "in a way that is not read"),
        ("\"[0].price\"", "begins with an element of an array"),
        ("[\"[0]\", \"price\"]", "begins with an element of an array"),
        ("[]", "is no path to a field: an empty list"),
        ("[\"a\", \"\"]", "is no path to a field: [\"a\", \"\"]"),
    ] {
        let field = format!("score = {{ type = \"double\", path = {path} }}");
        let said = mistakes(&changed("score = \"double?\"", &field));
        assert!(said.contains(why), "{path}: {said}");
    }
    let text = changed("{ field = \"timestamp\", unit = \"ms\" }", "\"$.timestamp\"");
    assert!(mistakes(&text).contains("write \"timestamp\""), "{}", mistakes(&text));
}

#[test]
fn a_text_is_split_and_a_list_is_taken_piece_by_piece() {
    let path = |source: &str, path: &str| {
        let field = format!("score = {{ type = \"double\", path = {path} }}");
        let text = changed("score = \"double?\"", &field)
            .replace("out_of_orderness", &format!("{source}out_of_orderness"));
        let job = super::load("job.toml", &text).unwrap_or_else(|e| panic!("{e}"));
        let fields = job.sources[0].declared.clone();
        fields.into_iter().find(|field| field.name == "score").map(|field| field.path).unwrap()
    };
    for (written, parts) in [
        ("\"a.b\"", &["a", "b"][..]),
        ("[\"a.b\"]", &["a.b"]),
        ("[\"a.b\", \"c\"]", &["a.b", "c"]),
        ("\"items[0].price\"", &["items", "[0]", "price"]),
        ("\"m[0][-1]\"", &["m", "[0]", "[-1]"]),
        ("[\"items[0]\"]", &["items[0]"]),
        ("[\"items\", \"[0]\"]", &["items", "[0]"]),
        ("\"a[b]\"", &["a[b]"]),
    ] {
        assert_eq!(path("", written), parts, "{written}");
    }
    assert_eq!(path("format = \"csv\"\n", "\"a.b[0]\""), ["a.b[0]"], "the name of a column");
}

#[test]
fn what_is_only_for_one_format_is_refused_elsewhere() {
    for (source, said) in [
        ("delimiter = \";\"", "\"delimiter\" in source \"payments\" is for format = \"csv\""),
        ("format = \"csv\"\ndelimiter = \";;\"", "is no byte that can lie between cells: \";;\""),
        ("format = \"csv\"\ndelimiter = \"\\n\"", "is no byte that can lie between cells: \"\\n\""),
        ("format = \"csv\"\ncoerce = \"none\"", "is not for CSV, where all values are texts"),
        (
            "format = \"csv\"\njson = \"strict\"",
            "\"json\" in source \"payments\" is for format = \"json\"",
        ),
        ("json = \"loose\"", "\"json\" in source \"payments\" cannot be \"loose\""),
    ] {
        let text = changed("out_of_orderness", &format!("{source}\nout_of_orderness"));
        let mistakes = mistakes(&text);
        assert!(mistakes.contains(said), "{source}: {mistakes}");
    }
    let avro = changed("score = \"double?\"", "score = { type = \"double\", path = \"a[0]\" }")
        .replace("out_of_orderness", "format = \"avro\"\nout_of_orderness");
    assert!(mistakes(&avro).contains("of Avro records none are read"), "{}", mistakes(&avro));
    let topic = changed("out_of_orderness", "format = \"csv\"\nout_of_orderness");
    let notes = super::load("job.toml", &topic).unwrap().notes;
    assert!(notes.iter().any(|note| note.message.contains("reads CSV from files only")));
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
    let text = changed("score = \"double?\"", "score = { type = \"double\", path = \"a[*]\" }")
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
