use super::*;

/// A view with a feature of each of two kinds.
fn view() -> RowView {
    use ParquetKind::{Double, Int, Text, Time};
    let columns = [
        ("card_id", Text),
        ("event_timestamp", Time),
        ("created", Time),
        ("count", Int),
        ("sum", Double),
        ("source", Text),
        ("source_partition", Int),
        ("source_offset", Int),
    ];
    RowView {
        name: "stats".to_owned(),
        columns: columns.map(|(name, kind)| (name.to_owned(), kind)).into(),
        features: Vec::new(),
        empty: vec![ParquetValue::Int(0), ParquetValue::Null],
    }
}

/// Its table, as it was made.
fn found() -> FoundTable {
    let columns = view().columns;
    FoundTable {
        made: columns.iter().map(|(name, _)| name.clone()).collect(),
        columns: columns
            .into_iter()
            .map(|(name, kind)| (name, sql_type(kind).to_owned()))
            .collect(),
        job: Some("fraud".to_owned()),
    }
}

fn refused(found: &FoundTable, what: &[&str]) {
    let why = found.lacks("fraud", &view()).unwrap_err();
    assert!(what.iter().all(|part| why.contains(part)), "{why}");
}

#[test]
fn a_table_that_was_made_fits_and_a_new_feature_is_a_column_that_it_lacks() {
    assert_eq!(found().lacks("fraud", &view()), Ok(vec![]));
    let mut older = found();
    older.columns.remove(3);
    older.made.remove(3);
    assert_eq!(older.lacks("fraud", &view()), Ok(vec![3]));
    // Of a feature that is no more the column stays.
    let mut wider = found();
    wider.columns.push(("gone".to_owned(), "text".to_owned()));
    wider.made.push("gone".to_owned());
    assert_eq!(wider.lacks("fraud", &view()), Ok(vec![]));
}

#[test]
fn what_was_changed_by_hand_is_named_with_what_to_do() {
    let mut renamed = found();
    "total".clone_into(&mut renamed.columns[4].0);
    refused(
        &renamed,
        &["no column sum any more", "(nobody knows of total there)", "rename it back"],
    );
    let mut retyped = found();
    "text".clone_into(&mut retyped.columns[3].1);
    refused(&retyped, &["the column count of the table stats has the type text", "bigint"]);
    refused(&FoundTable { job: None, ..found() }, &["has not made", "another \"schema\""]);
    let job = Some("other".to_owned());
    refused(&FoundTable { job, ..found() }, &["that of the job other"]);
}

#[test]
fn names_that_do_not_fit_are_refused() {
    assert_eq!(names_fit(&[view()]), Ok(()));
    let named = |name: String| names_fit(&[RowView { name, ..view() }]);
    assert_eq!(named("v".repeat(54)), Ok(()));
    assert!(named("v".repeat(55)).unwrap_err().contains("more than 54 bytes"));
    assert!(named("tidemark_columns".to_owned()).unwrap_err().contains("its own"));
    let mut long = view();
    long.columns[3].0 = "f".repeat(64);
    assert!(names_fit(&[long]).unwrap_err().contains("more than 63 bytes"));
}

#[test]
fn statements_name_everything_in_quotes() {
    assert_eq!(
        create("my \"own\"", &view()),
        "create table \"my \"\"own\"\"\".\"stats\" (\"card_id\" text not null, \"event_timestamp\" timestamp \
         with time zone not null, \"created\" timestamp with time zone not null, \"count\" bigint, \"sum\" \
         double precision, \"source\" text, \"source_partition\" bigint, \"source_offset\" bigint, primary \
         key (\"card_id\", \"event_timestamp\", \"created\")) partition by range (event_timestamp);"
    );
    assert_eq!(
        birth("t", &view()),
        "insert into \"t\".\"stats\" (\"card_id\", \"event_timestamp\", \"created\", \"count\", \"sum\") select \
         born, '1970-01-01 00:00:00+00', '1970-01-01 00:00:00+00', '0'::bigint, null from unnest($1::text[]) \
         born on conflict do nothing"
    );
    let december = Month { year: 2025, month: 12 };
    assert_eq!(month_name(&view(), december), "stats_p2025_12");
    let month = create_month("t", &view(), december);
    assert!(
        month.contains("from ('2025-12-01 00:00:00+00') to ('2026-01-01 00:00:00+00')"),
        "{month}"
    );
}
