//! The public suite of JSON parsers' corner cases, each as a value in a record: where nothing is read,
//! and where a field is.

use super::*;

const SUITE: &str = include_str!("json_suite.txt");

/// What the suite has as invalid, and is taken: why.
const TAKEN: [(&str, &str); 3] = [
    ("n_number_NaN", "a word that stands for no number is a value that cannot be read"),
    ("n_number_infinity", "the same"),
    ("n_number_minus_infinity", "the same"),
];

/// A case: its name, and its bytes.
fn cases() -> Vec<(&'static str, Vec<u8>)> {
    let lines = SUITE.lines().filter(|line| !line.starts_with('#'));
    let case = |line: &'static str| {
        let mut columns = line.splitn(3, '\t');
        let (name, count) = (columns.next().unwrap(), columns.next().unwrap());
        (name, unescaped(columns.next().unwrap()).repeat(count.parse().unwrap()))
    };
    lines.map(case).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let (mut bytes, mut chars) = (Vec::new(), text.bytes());
    while let Some(byte) = chars.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match chars.next().unwrap() {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits: String =
                    [chars.next(), chars.next()].map(|it| char::from(it.unwrap())).iter().collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

/// Whether a record is taken that has `value` under the name `name`, by the letter or not.
fn is_taken(name: &str, value: &[u8], strict: bool) -> bool {
    let mut source = card(true);
    source.strict_json = strict;
    source.fields[2].reading.invalid = crate::plan::Invalid::Null;
    let front = format!(r#"{{"card_id":"c","amount":1,"timestamp":{T},"{name}":"#);
    match decode(&source, [front.as_bytes(), value, b"}"].concat()) {
        Ok(row) => row.rows() == 1,
        Err(DecodeError::Syntax { .. } | DecodeError::NotUtf8 { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn valid_json_is_taken_and_invalid_json_is_not_but_for_what_the_rules_take() {
    let cases = cases();
    let valid = cases.iter().filter(|(name, _)| name.starts_with("y_")).count();
    assert_eq!((valid, cases.len() - valid), (95, 188));
    for (case, value) in &cases {
        let taken = TAKEN.iter().any(|(name, _)| name == case);
        for name in ["skipped", "country"] {
            let expected = case.starts_with("y_") || taken;
            assert_eq!(is_taken(name, value, false), expected, "{case} as {name}");
            assert_eq!(is_taken(name, value, true), expected && !taken, "{case} as {name}, strict");
        }
    }
}
