//! Fields and times that are not in a record's value.

use super::{changed, mistakes, says};
use tidemark_operators::plan::{Framing, Place, RecordPart};

const SCORE: &str = "score = \"double?\"";
const TIME: &str = "{ field = \"timestamp\", unit = \"ms\" }";

#[test]
fn a_field_is_in_the_key_a_header_or_the_log_and_check_says_where() {
    for (written, place, path, shown) in [
        ("key = true", Place::Key, "", " from the record's key"),
        ("key = \"a.b\"", Place::Key, "a.b", " from a.b of the record's key"),
        (
            "header = \"x-score\"",
            Place::Header("x-score".to_owned()),
            "",
            " from the header x-score",
        ),
        ("record = \"offset\"", Place::Record(RecordPart::Offset), "", " from the record's offset"),
    ] {
        let text = changed(SCORE, &format!("score = {{ type = \"int\", {written} }}"));
        let job = super::load("job.toml", &text).unwrap_or_else(|e| panic!("{e}"));
        let fields = &job.plan.sources[0].fields;
        let score = fields.iter().find(|field| field.name == "score").unwrap();
        assert_eq!((&score.place, score.path.join(".")), (&place, path.to_owned()));
        assert!(job.report().contains(&format!("score int{shown}")), "{}", job.report());
    }
}

#[test]
fn the_event_time_is_the_records_timestamp_or_in_a_header() {
    let text = changed(TIME, "{ record = \"timestamp\" }");
    let job = super::load("job.toml", &text).unwrap_or_else(|e| panic!("{e}"));
    assert!(job.report().contains("the record's timestamp (ms)"), "{}", job.report());
    let text = changed(TIME, "{ header = \"at\", unit = \"iso\", zone = \"UTC\" }");
    let job = super::load("job.toml", &text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(job.plan.sources[0].headers(), ["at"]);
    for (time, why) in [
        ("{ record = \"offset\" }", "is the record's offset, no time"),
        ("{ record = \"timestamp\", unit = \"s\" }", "cannot stand beside record = \"timestamp\""),
        ("{ field = \"timestamp\", header = \"at\" }", "cannot stand beside \"header\""),
        ("{ key = false }", "\"key\" in"),
        ("{ unit = \"s\" }", "\"field\""),
    ] {
        let said = mistakes(&changed(TIME, time));
        assert!(said.contains(why), "{time}: {said}");
    }
}

#[test]
fn a_place_that_cannot_be_is_refused() {
    says(
        SCORE,
        "score = { type = \"double\", record = \"offset\" }",
        "job.toml:13:37: field \"score\" is the record's offset, which is int or string, not double",
    );
    for (field, why) in [
        ("{ type = \"int\", key = true, header = \"x\" }", "cannot stand beside \"key\""),
        ("{ type = \"int\", header = \"x\", path = \"y\" }", "cannot stand beside \"header\""),
        ("{ type = \"int\", header = \"x\", aliases = [\"y\"] }", "cannot stand beside \"header\""),
        ("{ type = \"int\", header = \"\" }", "must be a name of 1 to 249 bytes"),
        ("{ type = \"int\", key = false }", "cannot be false"),
        ("{ type = \"int\", record = \"headers\" }", "\"record\""),
    ] {
        let said = mistakes(&changed(SCORE, &format!("score = {field}")));
        assert!(said.contains(why), "{field}: {said}");
    }
    let twice =
        "score = { type = \"int?\", header = \"x\" }\nother = { type = \"int?\", header = \"x\" }";
    let said = mistakes(&changed(SCORE, twice));
    assert!(said.contains("both read \"the header x\""), "{said}");
}

#[test]
fn what_no_line_of_a_file_has_is_refused_there_unless_it_is_a_dump() {
    let files = |more: &str| {
        let text = changed(SCORE, "score = { type = \"double?\", header = \"x-score\" }");
        assert!(text.contains("topic = \"payments\""), "{text}");
        text.replace("topic = \"payments\"", &format!("files = [\"a.jsonl\"]{more}"))
    };
    let said = mistakes(&files(""));
    assert!(said.contains("is the header x-score, which no line of a file has"), "{said}");
    assert!(said.contains("framing = \"kcat\""), "{said}");
    let dump = super::load("job.toml", &files("\nframing = \"kcat\"")).unwrap();
    assert_eq!(dump.plan.sources[0].framing, Framing::Kcat);
    assert!(dump.report().contains("kcat -J"), "{}", dump.report());
    let topic = files("\nframing = \"kcat\"")
        .replace("\"double?\", header = \"x-score\"", "\"string?\", record = \"topic\"");
    assert!(mistakes(&topic).contains("is the record's topic, and files are of none"));
    let said = mistakes(&files("\nframing = \"kcat\"\nformat = \"avro\""));
    assert!(said.contains("\"framing\""), "{said}");
}
