//! Tables and lookups: what they compile to, and what is said about wrong ones.

use super::{job, mistakes};
use tidemark_operators::plan::{LookupPlan, Matching, Storage, TableFrom};
use tidemark_operators::value::{Cell, Type};

const TABLES: &str = r#"[job]
name = "tables"

[sources.payments]
topic = "payments"
time = "timestamp"
out_of_orderness = "5s"

[sources.payments.fields]
card_id = "string"
address = "ip?"
shop = "string?"

[sources.payments.define]
large = 'shop = "x"'

[sources.payments.lookup]
risk = { table = "networks", key = "address", column = "risk", default = 0.5 }
place = { table = "networks", key = "address", column = "place" }
rate = { table = "rates", key = "shop", column = "rate" }

[tables.networks]
file = "networks.csv"
key = "network"
match = "prefix"
columns = { risk = "decimal", place = "string?" }

[tables.rates]
topic = "rates"
time = "at"
out_of_orderness = "1m"
key = "shop"
columns = { rate = "int" }

[entities.card]
key = "card_id"

[views.cards]
entity = "card"

[views.cards.features]
risk = { aggregate = "latest", of = "risk" }
worst_1h = { aggregate = "max", of = "risk", window = "1h" }
places_1h = { aggregate = "distinct", of = "place", window = "1h" }
rated = { expression = 'rate > 3 and risk < 1' }
"#;

#[track_caller]
fn says(from: &str, to: &str, wanted: &str) {
    assert_eq!(TABLES.matches(from).count(), 1, "{from}");
    let said = mistakes(&TABLES.replace(from, to));
    assert_eq!(said, wanted, "{from} -> {to}");
}

#[test]
fn lookups_become_derived_attributes_of_their_entity() {
    let job = job(TABLES);
    let (tables, entity) = (&job.plan.tables, &job.plan.entities[0]);
    assert_eq!(tables[0].matching, Matching::Prefix);
    assert!(matches!(&tables[0].from, TableFrom::File { reload: 10_000, valid_from: None, .. }));
    assert_eq!(tables[1].matching, Matching::Exact(Type::Text));
    let TableFrom::Topic { source, .. } = &tables[1].from else { panic!("a topic") };
    assert_eq!((source.out_of_orderness, source.idle_after), (60_000, 30_000));
    let shown = |lookup: &LookupPlan| {
        let (key, target) = (&entity.attributes[lookup.key], &entity.attributes[lookup.target]);
        assert!(key.storage == Storage::Symbol && !key.derived && target.derived);
        (key.name.clone(), target.name.clone(), target.storage, lookup.default.clone())
    };
    let looked: Vec<_> = entity.lookups.iter().map(shown).collect();
    let lookup = |key: &str, target: &str, storage, default| {
        (key.to_owned(), target.to_owned(), storage, default)
    };
    let half = Cell::Word(500_000);
    let expected = [
        lookup("address", "risk", Storage::Wide, half),
        lookup("address", "place", Storage::Symbol, Cell::Null),
        lookup("shop", "rate", Storage::Wide, Cell::Null),
    ];
    assert_eq!(looked, expected);
    assert!(entity.lookups.iter().all(|lookup| lookup.sources == [true]));
}

#[test]
fn lookups_name_tables_columns_and_fields_of_the_right_type() {
    says(
        r#"risk = { table = "networks", key"#,
        r#"risk = { table = "network", key"#,
        "job.toml:18:18: lookup \"risk\" names no table: \"network\"\n  did you mean \"networks\"?",
    );
    says(
        r#"column = "place" }"#,
        r#"column = "plase" }"#,
        "job.toml:19:57: lookup \"place\": table \"networks\" has no column \"plase\"\n  did you \
         mean \"place\"?",
    );
    says(
        r#"place = { table = "networks", key = "address""#,
        r#"place = { table = "networks", key = "shop""#,
        "job.toml:19:37: the key of lookup \"place\" must be of type ip, as that of table \
         \"networks\", \"shop\" is of type string",
    );
    says(
        r#"key = "shop", column"#,
        r#"key = "shopp", column"#,
        "job.toml:20:33: the key of lookup \"rate\" is no field of source \"payments\": \
         \"shopp\"\n  did you mean \"shop\"?",
    );
    says(
        "default = 0.5",
        "default = \"low\"",
        "job.toml:18:74: \"default\" in lookup \"risk\" must be of the column's type, decimal",
    );
    says(
        "place = { table",
        "shop = { table",
        "job.toml:19:1: lookup \"shop\" has the name of a field\njob.toml:44:44: \"of\" in feature \
         \"places_1h\" names no field: \"place\"\n  the valid names are: card_id, address, shop, \
         timestamp, event_time, large, risk, rate",
    );
}

#[test]
fn filters_over_what_is_looked_up_are_conditions_over_attributes() {
    let text = TABLES.replace(r#"'shop = "x"'"#, r#"'shop = "x" and risk > 1'"#);
    let counted = r#"of = "place", where = 'large', window = "1h" }
again_1h = { aggregate = "count", where = 'shop = "x" and risk > 1', window = "1h"#;
    let text = text.replace(r#"of = "place", window = "1h"#, counted);
    let job = job(&text);
    let entity = &job.plan.entities[0];
    let [late] = entity.late.as_slice() else { panic!("one and the same: {:?}", entity.late) };
    let condition = late.by_source[0].as_ref().unwrap();
    let mut names: Vec<&str> =
        condition.inputs().iter().map(|input| entity.attributes[*input].name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["risk", "shop"]);
    let source = entity.sources[0].as_ref().unwrap();
    assert_eq!((source.bits[late.bit], job.plan.sources[0].predicates.len()), (None, 0));
    let extents = &entity.views[0].extents;
    assert!(extents.iter().all(|(mask, _)| *mask == 0), "rows live whatever is found: {extents:?}");
}

#[test]
fn a_source_that_looks_nothing_up_matches_what_its_fields_alone_decide() {
    let other = r#"
[sources.refunds]
topic = "refunds"
time = "timestamp"
out_of_orderness = "5s"
[sources.refunds.fields]
card_id = "string"
[tables.networks]"#;
    let text = TABLES.replacen("\n[tables.networks]", other, 1);
    let text = text
        .replace("entity = \"card\"", "entity = \"card\"\nsources = [\"payments\", \"refunds\"]");
    let text =
        text.replace(r#"of = "place", window"#, r#"of = "place", where = 'risk > 1', window"#);
    let job = job(&text);
    let entity = &job.plan.entities[0];
    let [payments, refunds] = entity.late[0].by_source.as_slice() else { panic!("two sources") };
    assert_eq!(payments.as_ref().map(|it| it.inputs().len()), Some(1));
    assert_eq!(refunds.as_ref().map(|it| it.inputs().len()), Some(0), "there it is null");
}

#[test]
fn what_is_looked_up_decides_neither_a_views_events_nor_which_is_the_latest() {
    says(
        "entity = \"card\"",
        "entity = \"card\"\nwhere = 'risk > 1'",
        "job.toml:40:10: \"where\" in view \"cards\": is about what is looked up in a table, and \
         which events are the view's is known before that\n  put it into the \"where\" of features \
         over a window or session",
    );
    says(
        r#"of = "risk" }"#,
        r#"of = "risk", where = 'risk > 1' }"#,
        "job.toml:42:54: \"where\" in feature \"risk\": is about what is looked up in a table: only \
         features that count over a window or session can be filtered by that",
    );
    says(
        r#"of = "place", window"#,
        r#"of = ["shop", "place"], window"#,
        "job.toml:44:53: \"of\" in feature \"places_1h\": \"place\" is looked up in a table, so it \
         cannot be one of several fields\n  name it alone",
    );
}

#[test]
fn tables_are_files_or_topics_and_say_what_they_consist_of() {
    says(
        r#"file = "networks.csv""#,
        "file = \"networks.csv\"\nidle_after = \"1s\"",
        "job.toml:24:1: \"idle_after\" in table \"networks\" is for topics; a file has \"valid_from\"",
    );
    says(
        r#"file = "networks.csv""#,
        "file = \"networks.csv\"\ntopic = \"networks\"\ntime = \"t\"\nout_of_orderness = \"1s\"",
        "job.toml:23:1: \"file\" in table \"networks\" cannot stand beside \"topic\": a table has \
         one or the other",
    );
    says("out_of_orderness = \"1m\"\n", "", {
        "job.toml:28:9: missing key \"out_of_orderness\" in table \"rates\""
    });
    says(
        r#"match = "prefix""#,
        "match = \"prefix\"\nkey_type = \"ip\"",
        "job.toml:26:1: \"key_type\" in table \"networks\" is for \"match\" exact: the key is an \
         IP prefix",
    );
    says(
        r#"risk = "decimal","#,
        r#"risk = "decimals","#,
        "job.toml:26:20: column \"risk\" cannot be of type \"decimals\"\n  did you mean \"decimal\"?",
    );
    says(
        "[entities.card]",
        "[tables.unused]\nfile = \"u.csv\"\nkey = \"k\"\ncolumns = { v = \"int\" }\n[entities.card]",
        "job.toml:35:9: nothing is looked up in table \"unused\"\n  remove it, or add what was to \
         use it",
    );
}
