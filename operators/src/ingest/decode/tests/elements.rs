//! Elements of arrays, and keys with dots.

use super::*;
use crate::plan::path::element;

fn parts(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// A source of optional fields at these paths.
fn at(paths: &[(&[&str], Type)]) -> SourcePlan {
    let names = ["a", "b", "c", "d", "e"];
    let fields: Vec<_> = names.iter().zip(paths).map(|(n, (_, ty))| (*n, *n, *ty, false)).collect();
    let mut source = source(&fields, ("t", TimeUnit::Ms));
    source.keys.clear();
    for (field, (path, _)) in source.fields.iter_mut().zip(paths) {
        field.path = parts(path);
        field.reading.invalid = crate::plan::Invalid::Null;
    }
    source
}

/// The texts of the row's cells, and which of them are invalid.
fn row(source: &SourcePlan, members: &str) -> (Vec<Option<String>>, Vec<usize>) {
    let record = format!(r#"{{"t":{T},{members}}}"#);
    let row = decode(source, &record).unwrap_or_else(|error| panic!("{record}: {error}"));
    let text =
        |column: &Column| column.bytes(0).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
    (row.columns.iter().map(text).collect(), row.invalid.iter().map(|it| it.field).collect())
}

#[test]
fn elements_are_counted_from_the_beginning_and_from_the_end() {
    let text = Type::Text;
    let source = at(&[
        (&["items", "[0]", "id"], text),
        (&["items", "[-1]", "id"], text),
        (&["items", "[1]", "tags", "[-2]"], text),
        (&["m", "[1]", "[0]"], text),
    ]);
    for (members, expected, invalid) in [
        (
            r#""items":[{"id":"x","n":[1]},{"id":"y","tags":["p","q","r"]},{"id":"z"}],"m":[[1],[2]]"#,
            [Some("x"), Some("z"), Some("q"), Some("2")],
            &[][..],
        ),
        (r#""items":[{"id":"x"}]"#, [Some("x"), Some("x"), None, None], &[]),
        (r#""items":[],"m":[]"#, [None; 4], &[]),
        (r#""items":null,"m":[[]]"#, [None; 4], &[]),
        (r#""items":[{"n":1},{"tags":["p"]}]"#, [None; 4], &[]),
        (r#""items":[null,{"tags":null,"id":7}]"#, [None, Some("7"), None, None], &[]),
        (r#""items":{"id":"x"}"#, [None; 4], &[0, 1, 2]),
        (r#""items":[5,{"id":{}}],"m":3"#, [None; 4], &[0, 1, 3]),
        (r#""items":NaN,"m":[NaN,Infinity]"#, [None; 4], &[0, 1, 2, 3]),
        // Of a key that is there twice the last value decides.
        (r#""items":[{"id":"x"}],"items":[{"n":1}]"#, [None; 4], &[]),
        (r#""items":5,"items":[{"id":"x"}]"#, [Some("x"), Some("x"), None, None], &[]),
        (
            r#""items":[{"id":"x","big":1e999}],"m":[1e999,[3]]"#,
            [Some("x"), Some("x"), None, Some("3")],
            &[],
        ),
    ] {
        let (cells, bad) = row(&source, members);
        assert_eq!(
            (cells, &bad[..]),
            (expected.map(|it| it.map(str::to_owned)).to_vec(), invalid),
            "{members}"
        );
    }
}

#[test]
fn a_record_may_have_an_object_or_an_array_there() {
    let mut source = at(&[(&["addr", "ip"], Type::Text)]);
    source.fields[0].aliases = vec![parts(&["addr", "[0]", "ip"])];
    for (members, ip) in [
        (r#""addr":{"ip":"x"}"#, Some("x")),
        (r#""addr":[{"ip":"y"},{"ip":"z"}]"#, Some("y")),
        (r#""addr":[]"#, None),
    ] {
        assert_eq!(row(&source, members), (vec![ip.map(str::to_owned)], vec![]), "{members}");
    }
    let wrong = decode(&source, format!(r#"{{"t":{T},"addr":7}}"#)).unwrap().invalid;
    let error = wrong[0].error.to_string();
    assert!(error.contains("expected an object or an array, found a number"), "{error}");
}

#[test]
fn a_key_may_have_dots_and_brackets() {
    let text = Type::Text;
    let source = at(&[
        (&["payment.amount"], text),
        (&["payment", "amount"], text),
        (&["items[0]"], text),
        (&["http.request", "id"], text),
    ]);
    let members =
        r#""payment.amount":"x","payment":{"amount":"y"},"items[0]":"z","http.request":{"id":"w"}"#;
    let expected = ["x", "y", "z", "w"].map(|it| Some(it.to_owned()));
    assert_eq!(row(&source, members).0, expected);
}

/// What is at a path, by way of a value tree: `Err` where something else stands in the way, and not
/// what the `other` path wants there.
fn found<'j>(record: &'j Json, path: &[String], other: &[String]) -> Result<Option<&'j Json>, ()> {
    let mut at = record;
    for (depth, part) in path.iter().enumerate() {
        let next = match (element(part), at) {
            (_, Json::Null) => return Ok(None),
            (None, Json::Object(members)) => members.get(part),
            (Some(n), Json::Array(all)) => match usize::try_from(n) {
                Ok(n) => all.get(n),
                Err(_) => {
                    let from_end = usize::from(n.unsigned_abs());
                    all.len().checked_sub(from_end).and_then(|n| all.get(n))
                }
            },
            _ => {
                let there = other.get(depth).filter(|_| other.starts_with(&path[..depth]));
                let wanted = there.is_some_and(|part| match element(part) {
                    Some(_) => at.is_array(),
                    None => at.is_object(),
                });
                return if wanted { Ok(None) } else { Err(()) };
            }
        };
        let Some(next) = next else { return Ok(None) };
        at = next;
    }
    Ok(Some(at))
}

fn tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        (0..9).prop_map(Json::from),
        "[a-c\"\\\\]{0,3}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map("[xy]", inner, 0..3)
                .prop_map(|map| Json::from(map.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

fn some_path() -> impl Strategy<Value = Vec<String>> {
    let part =
        prop_oneof![Just("x"), Just("y"), Just("[0]"), Just("[1]"), Just("[-1]"), Just("[-3]")];
    proptest::collection::vec(part.prop_map(str::to_owned), 0..4)
}

proptest! {
    #[test]
    fn a_path_finds_what_a_value_tree_has_there(
        value in tree(),
        first in some_path(),
        second in some_path(),
    ) {
        let path = |below: &[String]| [&["v".to_owned()][..], below].concat();
        let (first, second) = (path(&first), path(&second));
        let mut source = at(&[(&["a"], Type::Text), (&["b"], Type::Text)]);
        prop_assume!(!first.starts_with(&second) && !second.starts_with(&first));
        source.fields[0].path = first.clone();
        source.fields[1].path = second.clone();
        let record = json!({ "t": T, "v": value });
        // Spaces must not matter to what is read by its text.
        let text = serde_json::to_string_pretty(&record).unwrap();
        let decoded = decode(&source, &text).unwrap();
        for (at, (path, other)) in [(&first, &second), (&second, &first)].into_iter().enumerate() {
            let cell = decoded.columns[at].bytes(0);
            let invalid = decoded.invalid.iter().any(|it| it.field == at);
            match found(&record, path, other) {
                Ok(None | Some(Json::Null)) => prop_assert!(cell.is_none() && !invalid),
                Ok(Some(Json::String(text))) => prop_assert_eq!(cell, Some(text.as_bytes())),
                Ok(Some(Json::Number(number))) => {
                    let number = number.to_string();
                    prop_assert_eq!(cell, Some(number.as_bytes()));
                }
                Ok(Some(_)) | Err(()) => prop_assert!(cell.is_none() && invalid, "{}", text),
            }
        }
    }
}
