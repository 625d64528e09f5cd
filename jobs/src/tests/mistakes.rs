//! What is said about mistakes in everything but features.

use super::{SMALL, changed, mistakes, says};

#[test]
fn an_unknown_key_is_answered_with_the_nearest_one() {
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nttll = \"2d\"",
        r#"job.toml:23:1: unknown key "ttll" in view "activity"
  did you mean "ttl"?"#,
    );
    says(
        r#"out_of_orderness = "5s""#,
        "out_of_orderness = \"5s\"\nstrat = \"latest\"",
        r#"job.toml:8:1: unknown key "strat" in source "payments"
  did you mean "start"?"#,
    );
    says(
        "[services.scoring]",
        "[service.scoring]",
        r#"job.toml:30:2: unknown key "service" in the file
  did you mean "services"?"#,
    );
    says(
        r#"name = "small""#,
        "name = \"small\"\ncolour = \"red\"",
        r#"job.toml:3:1: unknown key "colour" in [job]
  the valid names are: name, description, timezone, distinct_max"#,
    );
    says(
        r#"key = "card_id""#,
        "key = \"card_id\"\ndescripton = \"\"",
        r#"job.toml:20:1: unknown key "descripton" in entity "card"
  did you mean "description"?"#,
    );
    says(
        r#"views = ["activity"]"#,
        "views = [\"activity\"]\nfeature = []",
        r#"job.toml:32:1: unknown key "feature" in service "scoring"
  did you mean "features"?"#,
    );
    says(
        r#"unit = "ms" }"#,
        r#"unti = "ms" }"#,
        r#"job.toml:6:31: unknown key "unti" in "time" of source "payments"
  did you mean "unit"?"#,
    );
}

#[test]
fn a_missing_key_is_named() {
    says("name = \"small\"\n", "", r#"job.toml:1:2: missing key "name" in [job]"#);
    says(
        "out_of_orderness = \"5s\"\n",
        "",
        r#"job.toml:4:10: missing key "out_of_orderness" in source "payments""#,
    );
    says(
        "topic = \"payments\"\n",
        "",
        r#"job.toml:4:10: missing key "topic" in source "payments""#,
    );
    says(
        "time = { field = \"timestamp\", unit = \"ms\" }\n",
        "",
        r#"job.toml:4:10: missing key "time" in source "payments""#,
    );
    says(
        r#"field = "timestamp", "#,
        "",
        r#"job.toml:6:1: missing key "field" in "time" of source "payments""#,
    );
    says("key = \"card_id\"\n", "", r#"job.toml:18:11: missing key "key" in entity "card""#);
    says("entity = \"card\"\n", "", r#"job.toml:21:8: missing key "entity" in view "activity""#);
    says(
        "views = [\"activity\"]\n",
        "",
        r#"job.toml:30:11: missing key "views" in service "scoring""#,
    );
    says(
        r#"key = "card_id""#,
        r#"kye = "card_id""#,
        r#"job.toml:19:1: missing key "key" in entity "card"
  "kye" is unknown; did you mean "key"?"#,
    );
}

#[test]
fn a_missing_section_is_named() {
    says("[job]\nname = \"small\"\n", "", r#"job.toml:1:1: missing key "job" in the file"#);
    says(
        "[entities.card]\nkey = \"card_id\"\n",
        "",
        r#"job.toml:1:1: missing key "entities" in the file"#,
    );
    says(
        "[services.scoring]",
        "[servces.scoring]",
        r#"job.toml:30:2: unknown key "servces" in the file
  did you mean "services"?"#,
    );
}

#[test]
fn a_value_of_another_type_is_named_with_what_it_must_be() {
    says(
        r#"name = "small""#,
        "name = 7",
        r#"job.toml:2:8: "name" in [job] must be a text in quotes, found the integer 7"#,
    );
    says(
        r#"out_of_orderness = "5s""#,
        "out_of_orderness = 5",
        r#"job.toml:7:20: "out_of_orderness" in source "payments" must be a duration from 0s to 30d, found the integer 5
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nformat = true",
        r#"job.toml:6:10: "format" in source "payments" must be a text in quotes, found true"#,
    );
    says(
        r#"views = ["activity"]"#,
        r#"views = "activity""#,
        r#"job.toml:31:9: "views" in service "scoring" must be a list of texts, such as ["a", "b"], found a text"#,
    );
    says(
        r#"views = ["activity"]"#,
        r#"views = ["activity", 5]"#,
        r#"job.toml:31:22: "views" in service "scoring" must be a list of texts, such as ["a", "b"], found the integer 5"#,
    );
    says(
        "[entities.card]\nkey = \"card_id\"",
        "[entities]\ncard = \"card_id\"",
        r#"job.toml:19:8: entity "card" must be a table [entities.card], found a text"#,
    );
    says(
        r#"name = "small""#,
        "name = \"small\"\ndistinct_max = \"many\"",
        r#"job.toml:3:16: "distinct_max" in [job] must be an integer from 1 to 1000000000, found a text"#,
    );
    says(
        r#"name = "small""#,
        "name = \"small\"\ndistinct_max = 0",
        r#"job.toml:3:16: "distinct_max" in [job] must be an integer from 1 to 1000000000, not "0""#,
    );
    says(
        r#"name = "small""#,
        "name = \"small\"\ndistinct_max = 1.5",
        r#"job.toml:3:16: "distinct_max" in [job] must be an integer from 1 to 1000000000, found the number 1.5"#,
    );
    says(
        r#"amount = "decimal""#,
        "amount = 1979-05-27",
        r#"job.toml:11:10: field "amount" must be a type such as "string", or a table with a "type", found a date"#,
    );
    says(
        r#"amount = "decimal""#,
        r#"amount = { type = "decimal", optional = "yes" }"#,
        r#"job.toml:11:41: "optional" in field "amount" must be true or false, found a text"#,
    );
    says(
        "large = 'amount >= 1000'",
        "large = 1000",
        r#"job.toml:16:9: definition "large" must be an expression in quotes, found the integer 1000"#,
    );
}

#[test]
fn durations_need_units_and_bounds() {
    says(
        r#"out_of_orderness = "5s""#,
        r#"out_of_orderness = "5""#,
        r#"job.toml:7:20: "out_of_orderness" in source "payments" must be a duration from 0s to 30d, not "5"
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"out_of_orderness = "5s""#,
        r#"out_of_orderness = "5 seconds""#,
        r#"job.toml:7:20: "out_of_orderness" in source "payments" must be a duration from 0s to 30d, not "5 seconds"
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"out_of_orderness = "5s""#,
        r#"out_of_orderness = "31d""#,
        r#"job.toml:7:20: "out_of_orderness" in source "payments" must be a duration from 0s to 30d, not "31d""#,
    );
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nttl = \"0s\"",
        r#"job.toml:23:7: "ttl" in view "activity" must be a duration from 1s to 3660d, not "0s""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nidle_after = \"0s\"",
        r#"job.toml:6:14: "idle_after" in source "payments" must be a duration from 1ms to 24h, not "0s""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nhold_max = \"29s\"",
        r#"job.toml:6:12: "hold_max" in source "payments" is shorter than "idle_after", 30s
  a partition that says nothing holds the others back for "idle_after" in any case: shorten that too"#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nidle_after = \"-5s\"",
        r#"job.toml:6:14: "idle_after" in source "payments" must be a duration from 1ms to 24h, not "-5s"
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nmax_future_skew = \"1.5h\"",
        r#"job.toml:6:19: "max_future_skew" in source "payments" must be a duration from 0s to 366d, not "1.5h"
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
}

#[test]
fn what_is_said_of_arrivals_fits_together() {
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nmax_ahead = \"never\"",
        r#"job.toml:6:13: "max_ahead" in source "payments" must be a duration from 0s to 366d, or "none", not "never"
  write whole numbers with units d, h, m, s or ms, as in "90s" or "1h30m""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\narrival = \"none\"\narrival_field = \"seen\"\nmax_ahead = \"1s\"\n\
         max_future_skew = \"1m\"",
        r#"job.toml:7:1: "arrival_field" in source "payments" cannot stand beside arrival = "none"
job.toml:8:1: "max_ahead" in source "payments" is about arrivals, which arrival = "none" switches off
job.toml:9:1: "max_future_skew" in source "payments" is about arrivals, which arrival = "none" switches off"#,
    );
}

#[test]
fn a_name_given_twice_is_an_error_and_the_rest_is_checked_all_the_same() {
    says(
        r#"country = "string?""#,
        r#"card_id = "string?""#,
        r#"job.toml:12:1: duplicate key "card_id"
  every name is given once; rename or remove one of them"#,
    );
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nentity = \"crad\"",
        r#"job.toml:23:1: duplicate key "entity"
  every name is given once; rename or remove one of them"#,
    );
    says(
        "count_5m = { aggregate",
        "amount_sum_5m = { aggregate",
        r#"job.toml:27:1: duplicate key "amount_sum_5m"
  every name is given once; rename or remove one of them
job.toml:28:40: "expression" in feature "mean": there is no feature or field "count_5m"
  the valid names are: amount_sum_5m, mean, card_id, amount, country, score, timestamp, event_time, large"#,
    );
}

#[test]
fn what_is_not_toml_is_an_error_with_its_place() {
    says(
        r#"name = "small""#,
        r#"name = "small"#,
        r#"job.toml:2:14: this is not TOML: invalid basic string, expected `"`"#,
    );
    says(
        "[sources.payments]",
        "[sources.payments",
        "job.toml:4:18: this is not TOML: unclosed table, expected `]`",
    );
    says(
        r#"key = "card_id""#,
        "key = card_id",
        "job.toml:19:7: this is not TOML: string values must be quoted, expected literal string",
    );
}

#[test]
fn names_are_words() {
    says(
        r#"name = "small""#,
        r#"name = "a b""#,
        r#"job.toml:2:8: job "a b" is not a name: use letters a to z, digits and _, not starting with a digit"#,
    );
    says(
        "[entities.card]",
        r#"[entities."9card"]"#,
        r#"job.toml:18:11: entity "9card" is not a name: use letters a to z, digits and _, not starting with a digit
job.toml:22:10: "entity" in view "activity" names no entity: "card"
  did you mean "9card"?"#,
    );
    says(
        r#"country = "string?""#,
        r#""coun.try" = "string?""#,
        r#"job.toml:12:1: field "coun.try" is not a name: use letters a to z, digits and _, not starting with a digit"#,
    );
    says(
        r#"country = "string?""#,
        r#"in = "string?""#,
        r#"job.toml:12:1: field "in" is a word of the expression language"#,
    );
    says(
        r#"country = "string?""#,
        r#""" = "string?""#,
        r#"job.toml:12:1: field "" is not a name: use letters a to z, digits and _, not starting with a digit"#,
    );
    says(
        r#"country = "string?""#,
        r#""länge" = "string?""#,
        r#"job.toml:12:1: field "länge" is not a name: use letters a to z, digits and _, not starting with a digit"#,
    );
    says(
        r#"country = "string?""#,
        r#"coooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo = "string?""#,
        r#"job.toml:12:1: field "cooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo" is longer than 64 characters"#,
    );
}

#[test]
fn types_are_suggested() {
    says(
        r#"amount = "decimal""#,
        r#"amount = "decimla""#,
        r#"job.toml:11:10: field "amount" cannot be of type "decimla"
  did you mean "decimal"?"#,
    );
    says(
        r#"country = "string?""#,
        r#"country = "text""#,
        r#"job.toml:12:11: field "country" cannot be of type "text"
  did you mean "string"?"#,
    );
    says(
        r#"country = "string?""#,
        r#"country = "float?""#,
        r#"job.toml:12:11: field "country" cannot be of type "float"
  did you mean "double"?"#,
    );
    says(
        r#"country = "string?""#,
        r#"country = "money""#,
        r#"job.toml:12:11: field "country" cannot be of type "money"
  the valid names are: string, int, decimal, double, bool, timestamp, ip"#,
    );
}

#[test]
fn a_source_reads_a_topic_or_files() {
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nfiles = [\"a.jsonl\"]",
        r#"job.toml:6:1: "files" in source "payments" cannot stand beside "topic": a source has one or the other"#,
    );
    says(
        r#"topic = "payments""#,
        "files = []",
        r#"job.toml:4:10: "files" in source "payments" must name 1 to 4096 files, not 0"#,
    );
    says(
        r#"topic = "payments""#,
        r#"topic = "a b""#,
        r#"job.toml:5:9: "topic" in source "payments" is no Kafka topic: "a b"
  a topic has 1 to 249 letters a to z, digits, dots, _ or -"#,
    );
    says(
        r#"topic = "payments""#,
        "files = [\"a.jsonl\"]\nstart = \"latest\"",
        r#"job.toml:6:1: "start" in source "payments" is for topics; files are read from their beginning"#,
    );
}

#[test]
fn only_topics_of_avro_wait_for_schemas() {
    let refused =
        r#"job.toml:6:1: "schema_wait" in source "payments" is for topics of Avro records only"#;
    says(r#"topic = "payments""#, "topic = \"payments\"\nschema_wait = \"5s\"", refused);
    says(
        r#"topic = "payments""#,
        "files = [\"a.avro\"]\nschema_wait = \"5s\"\nformat = \"avro\"",
        refused,
    );
}

#[test]
fn a_default_is_of_its_fields_type() {
    let field = |rest: &str| format!("country = {{ {rest} }}");
    for (ty, default, wanted, found) in [
        (
            "decimal",
            "\"1\"",
            "a number of at most 18 digits, and no more decimals than its type, such as 0.5",
            "\"1\"",
        ),
        (
            "decimal",
            "1e12",
            "a number of at most 18 digits, and no more decimals than its type, such as 0.5",
            "1e12",
        ),
        (
            "decimal(2)",
            "0.125",
            "a number of at most 18 digits, and no more decimals than its type, such as 0.5",
            "0.125",
        ),
        ("int", "1.0", "an integer, such as 0", "1.0"),
        ("int", "-9223372036854775808", "an integer, such as 0", "-9223372036854775808"),
        ("double", "nan", "a finite number, such as 0.5", "nan"),
        ("bool", "1", "true or false", "1"),
        ("string", "true", "a text in quotes", "true"),
        ("ip", "\"1.2.3\"", "an address in quotes, such as \"192.0.2.1\"", "\"1.2.3\""),
        (
            "timestamp",
            "1800-01-01",
            "a time since 1970, such as \"2026-01-31T00:00:00Z\", or its milliseconds",
            "1800-01-01",
        ),
    ] {
        let column = format!("country = {{ type = \"{ty}\", default = ").len() + 1;
        says(
            r#"country = "string?""#,
            &field(&format!("type = \"{ty}\", default = {default}")),
            &format!(
                "job.toml:12:{column}: the default of field \"country\" must be {wanted}, found {found}"
            ),
        );
    }
    says(
        r#"country = "string?""#,
        &field(r#"type = "string", default = ["a"]"#),
        r#"job.toml:12:40: "default" in field "country" must be a single value, found a list"#,
    );
}

#[test]
fn a_path_is_read_once() {
    says(
        r#"country = "string?""#,
        r#"country = { type = "string", aliases = ["c", "amount"] }"#,
        r#"job.toml:12:1: field "country" and field "amount" both read "amount"
  let one of them read it; a definition can give it a second name"#,
    );
    says(
        r#"country = "string?""#,
        r#"country = { type = "string", aliases = ["c", "country"] }"#,
        r#"job.toml:12:46: field "country" reads "country" twice
  remove this alias"#,
    );
    says(
        r#"country = "string?""#,
        r#"country = { type = "string", aliases = ["a..b"] }"#,
        r#"job.toml:12:41: "aliases" in field "country" is no path to a field: "a..b"
  write names with dots between them, at most 16, as in "data.source_ip""#,
    );
    let many: Vec<String> = (0..17).map(|i| format!("\"a{i}\"")).collect();
    let said = mistakes(&changed(
        r#"country = "string?""#,
        &format!("country = {{ type = \"string\", aliases = [{}] }}", many.join(", ")),
    ));
    assert!(said.contains("field \"country\" has 17 aliases, the limit is 16"), "{said}");
}

#[test]
fn formats_starts_and_units_are_suggested() {
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nformat = \"jsno\"",
        r#"job.toml:6:10: "format" in source "payments" cannot be "jsno"
  did you mean "json"?"#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nformat = \"parquet\"",
        r#"job.toml:6:10: "format" in source "payments" cannot be "parquet"
  the valid names are: json, avro, csv"#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nstart = \"earlist\"",
        r#"job.toml:6:9: "start" in source "payments" cannot be "earlist"
  did you mean "earliest"?"#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nstart = \"yesterday\"",
        r#"job.toml:6:9: "start" in source "payments" cannot be "yesterday"
  write "earliest", "latest", a time such as "2026-01-31T00:00:00Z", or a duration such as "6h ago""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nstart = \"6 ago\"",
        r#"job.toml:6:9: "start" in source "payments" cannot be "6 ago"
  write "earliest", "latest", a time such as "2026-01-31T00:00:00Z", or a duration such as "6h ago""#,
    );
    says(
        r#"unit = "ms""#,
        r#"unit = "millis""#,
        r#"job.toml:6:38: "unit" in "time" of source "payments" cannot be "millis"
  the valid names are: ms, s, us, ns, rfc3339, iso, auto"#,
    );
    says(
        r#"name = "small""#,
        "name = \"small\"\ntimezone = \"Europe/Berln\"",
        r#"job.toml:3:12: "timezone" in [job] names no time zone: "Europe/Berln"
  did you mean "Europe/Berlin"?"#,
    );
    says(
        r#"name = "small""#,
        "name = \"small\"\ntimezone = \"Mars\"",
        r#"job.toml:3:12: "timezone" in [job] names no time zone: "Mars"
  use an IANA name such as "UTC" or "Europe/Berlin""#,
    );
}

#[test]
fn times_and_paths_are_checked() {
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nevent_time_min = \"1990\"",
        r#"job.toml:6:18: "event_time_min" in source "payments" is no time since 1970: "1990"
  write it as RFC 3339, such as "1990-01-01T00:00:00Z""#,
    );
    says(
        r#"topic = "payments""#,
        "topic = \"payments\"\nevent_time_min = \"2200-01-01T00:00:00Z\"",
        r#"job.toml:4:10: "event_time_min" in source "payments" is not before "event_time_max""#,
    );
    says(
        r#"field = "timestamp""#,
        r#"field = "a..b""#,
        r#"job.toml:6:18: "field" in "time" of source "payments" is no path to a field: "a..b"
  write names with dots between them, at most 16, as in "data.source_ip""#,
    );
    says(
        r#"amount = "decimal""#,
        r#"amount = { type = "decimal", path = "" }"#,
        r#"job.toml:11:37: "path" in field "amount" is no path to a field: ""
  write names with dots between them, at most 16, as in "data.source_ip""#,
    );
    says(
        r#"country = "string?""#,
        r#"event_time = "timestamp""#,
        r#"job.toml:12:1: field "event_time" has the name that the event time has in expressions
  remove it, or give it another name and path = "event_time""#,
    );
}

#[test]
fn definitions_are_checked() {
    says(
        "large = 'amount >= 1000'",
        "large = 'amuont >= 1000'",
        r#"job.toml:16:10: definition "large": source "payments" has no field "amuont"
  did you mean "amount"?"#,
    );
    says(
        "large = 'amount >= 1000'",
        "large = 'amount >= '",
        r#"job.toml:16:20: definition "large": expected a value, found the end
  a value is a number, a string, a name, a call or `( ... )`"#,
    );
    says(
        "large = 'amount >= 1000'",
        "large = 'not small'\nsmall = 'not large'",
        r#"job.toml:16:1: definition "large" is defined by itself: large -> small -> large"#,
    );
    says(
        "large = 'amount >= 1000'",
        "amount = 'score > 1'",
        r#"job.toml:16:1: definition "amount" has the name of a field"#,
    );
    says(
        "large = 'amount >= 1000'",
        "large = 'country >= 1000'",
        r#"job.toml:16:21: definition "large": cannot compare `1000` with type string
  write it in quotes to compare it as a string"#,
    );
    says(
        "large = 'amount >= 1000'",
        "large = 'large'",
        r#"job.toml:16:1: definition "large" is defined by itself: large -> large"#,
    );
}

#[test]
fn entities_and_their_keys_are_checked() {
    says(
        r#"key = "card_id""#,
        r#"key = "cardid""#,
        r#"job.toml:19:7: the key of entity "card" is no field of source "payments": "cardid"
  did you mean "card_id"?"#,
    );
    says(
        r#"key = "card_id""#,
        r#"key = "amount""#,
        r#"job.toml:19:7: the key of entity "card" must be a string, an int or an ip, "amount" is of type decimal"#,
    );
    says(
        r#"key = "card_id""#,
        r#"keys = { payment = "card_id" }"#,
        r#"job.toml:18:11: "keys" of entity "card" names no key in source "payments", which its views read
job.toml:19:10: "keys" of entity "card" names no source: "payment"
  did you mean "payments"?"#,
    );
    says(
        r#"key = "card_id""#,
        "keys = { payments = \"card_id\" }\nkey = \"card_id\"",
        r#"job.toml:20:1: "key" in entity "card" cannot stand beside "keys": an entity has one or the other"#,
    );
    says(
        r#"key = "card_id""#,
        "keys = {}",
        r#"job.toml:19:1: "keys" of entity "card" names no source"#,
    );
    says(
        r#"key = "card_id""#,
        "keys = { payments = 5 }",
        r#"job.toml:19:21: the key in source "payments" must be a field's name, found the integer 5"#,
    );
    says(
        "[entities.card]",
        "[entities.user]\nkey = \"card_id\"\n[entities.card]",
        r#"job.toml:18:11: entity "user" has no view
  remove it, or add what was to use it"#,
    );
}

#[test]
fn views_name_entities_sources_and_each_other() {
    says(
        r#"entity = "card""#,
        r#"entity = "crad""#,
        r#"job.toml:22:10: "entity" in view "activity" names no entity: "crad"
  did you mean "card"?"#,
    );
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nsource = \"payment\"",
        r#"job.toml:23:10: "source" in view "activity" names no source: "payment"
  did you mean "payments"?"#,
    );
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nsources = [\"payments\", \"payments\"]",
        r#"job.toml:23:24: view "activity" names source "payments" twice"#,
    );
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nsources = []",
        r#"job.toml:21:8: "sources" in view "activity" names no source"#,
    );
    says(
        r#"entity = "card""#,
        "entity = \"card\"\nsource = \"payments\"\nsources = [\"payments\"]",
        r#"job.toml:23:1: "source" in view "activity" cannot stand beside "sources": a view has one or the other"#,
    );
    says(
        "[services.scoring]",
        "[views.b]\nentity = \"card\"\nlike = \"activty\"\n[services.scoring]",
        r#"job.toml:32:8: "like" in view "b" names no view: "activty"
  did you mean "activity"?"#,
    );
    says(
        "[services.scoring]",
        "[views.b]\nentity = \"card\"\nlike = \"b\"\n[services.scoring]",
        r#"job.toml:32:8: "like" in view "b" names "b", which has no features of its own
  name the view that lists the features"#,
    );
    says(
        "[services.scoring]",
        "[views.b]\nentity = \"card\"\n[services.scoring]",
        r#"job.toml:30:8: missing key "features" in view "b""#,
    );
    says(
        "[services.scoring]",
        "[views.b]\nentity = \"card\"\nfeatures = {}\n[services.scoring]",
        r#"job.toml:32:1: the features of view "b" are missing: add at least one"#,
    );
    says(
        "[services.scoring]",
        "[views.b]\nentity = \"card\"\nlike = \"activity\"\nfeatures = {}\n[services.scoring]",
        r#"job.toml:33:1: "features" in view "b" cannot stand beside "like": the features are that view's"#,
    );
    says(
        "[services.scoring]",
        "[sources.b]\ntopic = \"b\"\ntime = \"t\"\nout_of_orderness = \"0s\"\nfields = { card_id = \"string\" }\n[services.scoring]",
        r#"job.toml:21:8: missing key "source" in view "activity"
  name one of payments, b"#,
    );
}

#[test]
fn a_source_that_no_view_reads_is_an_error() {
    says(
        "where = 'amount > 0'",
        "source = \"payments\"\n[sources.b]\ntopic = \"b\"\ntime = \"t\"\nout_of_orderness = \"0s\"\nfields = { card_id = \"string\" }",
        r#"job.toml:24:10: source "b" is read by no view
  remove it, or add what was to use it"#,
    );
}

#[test]
fn services_name_views_and_features() {
    says(
        r#"views = ["activity"]"#,
        r#"views = ["activty"]"#,
        r#"job.toml:31:10: service "scoring" names no view: "activty"
  did you mean "activity"?"#,
    );
    says(
        r#"views = ["activity"]"#,
        r#"features = ["activity.maen"]"#,
        r#"job.toml:31:13: service "scoring" names no feature of view "activity": "maen"
  did you mean "mean"?"#,
    );
    says(
        r#"views = ["activity"]"#,
        r#"features = ["mean"]"#,
        r#"job.toml:31:13: service "scoring" names no feature: "mean"
  write features as "view.feature""#,
    );
    says(
        r#"views = ["activity"]"#,
        r#"features = ["activty.mean"]"#,
        r#"job.toml:31:13: service "scoring" names no view: "activty"
  did you mean "activity"?"#,
    );
}

#[test]
fn filters_are_checked() {
    says(
        "where = 'amount > 0'",
        "where = 'amount'",
        r#"job.toml:23:10: "where" in view "activity": must be true or false, but is of type decimal
  compare it with something"#,
    );
    says(
        "where = 'amount > 0'",
        "where = 'amuont > 0'",
        r#"job.toml:23:10: "where" in view "activity": source "payments" has no field "amuont"
  did you mean "amount"?"#,
    );
    says(
        "where = 'amount > 0'",
        "where = 'count_5m > 0'",
        r#"job.toml:23:10: "where" in view "activity": source "payments" has no field "count_5m"
  the valid names are: card_id, amount, country, score, timestamp, event_time, large"#,
    );
    says(
        "where = 'amount > 0'",
        "where = 5",
        r#"job.toml:23:9: "where" in view "activity" must be a text in quotes, found the integer 5"#,
    );
    says(
        "where = 'amount > 0'",
        "where = 'amount > '",
        r#"job.toml:23:19: "where" in view "activity": expected a value, found the end
  a value is a number, a string, a name, a call or `( ... )`"#,
    );
    says(
        "where = 'amount > 0'",
        "where = \"\"\"\n  large\n  and amuont > 0\"\"\"",
        r#"job.toml:25:7: "where" in view "activity": source "payments" has no field "amuont"
  did you mean "amount"?"#,
    );
}

#[test]
fn all_mistakes_are_listed_by_line() {
    let text = SMALL
        .replace("timestamp\"", "\"")
        .replace("country = \"string?\"", "country = \"sting\"")
        .replace("window = \"5m\"", "widow = \"5m\"")
        .replace("views = [\"activity\"]", "views = [\"activties\"]");
    let said = mistakes(&text);
    let lines: Vec<&str> = said.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(
        lines,
        [
            "job.toml:6:18: \"field\" in \"time\" of source \"payments\" is no path to a field: \"\"",
            "job.toml:12:11: field \"country\" cannot be of type \"sting\"",
            "job.toml:26:35: missing key \"window\" in feature \"count_5m\"",
            "job.toml:27:53: missing key \"window\" in feature \"amount_sum_5m\"",
            "job.toml:31:10: service \"scoring\" names no view: \"activties\"",
        ]
    );
}

#[test]
fn at_most_a_hundred_mistakes_are_listed_and_the_others_counted() {
    let keys: String = (0..150).map(|i| format!("wrong_{i} = 1\n")).collect();
    let errors = crate::load(
        "job.toml",
        &changed("key = \"card_id\"\n", &format!("key = \"card_id\"\n{keys}")),
    )
    .expect_err("the job is wrong");
    assert_eq!((errors.problems.len(), errors.unlisted), (100, 50));
    assert!(errors.to_string().ends_with("\njob.toml: and 50 more"));
    assert_eq!(errors.problems[0].key.as_deref(), Some("wrong_0"));
}

#[test]
fn an_empty_file_lacks_everything() {
    assert_eq!(
        mistakes(""),
        "job.toml:1:1: missing key \"entities\" in the file\n\
         job.toml:1:1: missing key \"job\" in the file\n\
         job.toml:1:1: missing key \"sources\" in the file\n\
         job.toml:1:1: missing key \"views\" in the file"
    );
}

#[test]
fn a_file_longer_than_a_mebibyte_is_not_read() {
    let text = "#".repeat((1 << 20) + 1);
    let wanted = "job.toml:1:1: the file has 1048577 bytes; at most 1048576 are read";
    assert_eq!(mistakes(&text), wanted);
    assert!(mistakes(&"#".repeat(1 << 20)).contains("missing key \"job\""));
}

#[test]
fn there_are_bounds_on_how_many_fields_definitions_views_and_sources_there_are() {
    let fields: String = (0..510).map(|i| format!("f{i} = \"int?\"\n")).collect();
    let definitions: String = (0..257).map(|i| format!("d{i} = 'amount > {i}'\n")).collect();
    let views: String = (0..256)
        .map(|i| format!("[views.v{i}]\nentity = \"card\"\nlike = \"activity\"\n"))
        .collect();
    let said = |from: &str, added: &str| mistakes(&changed(from, &format!("{added}{from}")));
    let wanted = "job.toml:522:1: a source has at most 512 fields, this one has 514";
    assert_eq!(said("country = \"string?\"", &fields).lines().next(), Some(wanted));
    let wanted = "job.toml:272:1: a source has at most 256 definitions, this one has 258";
    assert_eq!(said("large =", &definitions).lines().next(), Some(wanted));
    let wanted = "job.toml:795:8: a job has at most 256 views, this one has 257";
    assert_eq!(said("[services.scoring]", &views).lines().next(), Some(wanted));
}

#[test]
fn two_sources_of_one_view_agree_about_what_a_name_is() {
    let second = "[sources.refunds]\ntopic = \"refunds\"\ntime = \"at\"\nout_of_orderness = \"0s\"\n\
        [sources.refunds.fields]\ncard_id = \"string\"\namount = \"int\"\n";
    let text = changed("[services.scoring]", &format!("{second}[services.scoring]"))
        .replace("where = 'amount > 0'", "sources = [\"payments\", \"refunds\"]");
    assert_eq!(
        mistakes(&text),
        "job.toml:27:43: \"of\" in feature \"amount_sum_5m\": \"amount\" is of type decimal in source \
         \"payments\" and of type int in source \"refunds\""
    );
}

#[test]
fn a_decimal_has_one_scale_in_a_view_and_at_most_twelve_decimals() {
    let second = "[sources.refunds]\ntopic = \"refunds\"\ntime = \"at\"\nout_of_orderness = \"0s\"\n\
        [sources.refunds.fields]\ncard_id = \"string\"\namount = \"decimal(2)\"\n";
    let text = changed("[services.scoring]", &format!("{second}[services.scoring]"))
        .replace("where = 'amount > 0'", "sources = [\"payments\", \"refunds\"]");
    assert_eq!(
        mistakes(&text),
        "job.toml:27:43: \"of\" in feature \"amount_sum_5m\": \"amount\" is of type decimal in source \
         \"payments\" and of type decimal(2) in source \"refunds\""
    );
    crate::load("job.toml", &text.replace("decimal(2)", "decimal(6)")).expect("they are one type");
    for wrong in ["decimal(13)", "decimal(-1)", "decimal(2", "decimal(2)x", "decimal(02)"] {
        says(
            r#"amount = "decimal""#,
            &format!("amount = \"{wrong}\""),
            &format!(
                "job.toml:11:10: field \"amount\" cannot be of type \"{wrong}\"\n  a decimal has 0 to 12 \
                 decimals, as in \"decimal(2)\""
            ),
        );
    }
}
