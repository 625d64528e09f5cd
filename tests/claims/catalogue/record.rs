//! Events as the oracle sees them: their place in the order, and their fields by dotted path, as
//! they stand in the record. Numbers stay text until somebody asks.

use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A field that is neither absent nor null.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Text(String),
    /// A number or a bool, as it was written.
    Token(String),
}

/// One record that could be read as an object with a time.
#[derive(Clone, Debug)]
pub struct Event {
    pub ts: u64,
    pub partition: usize,
    pub offset: usize,
    cells: BTreeMap<String, Cell>,
}

impl Event {
    /// Reads a record; `None` when it is no JSON object or has no `timestamp`.
    pub fn read(record: &[u8], partition: usize, offset: usize) -> Option<Event> {
        let mut cells = BTreeMap::new();
        flatten("", std::str::from_utf8(record).ok()?, &mut cells)?;
        let ts = match cells.get("timestamp")? {
            Cell::Token(token) => token.parse().ok()?,
            Cell::Text(_) => return None,
        };
        Some(Event { ts, partition, offset, cells })
    }

    /// The text at `path`.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.cells.get(path)? {
            Cell::Text(text) => Some(text),
            Cell::Token(token) => panic!("{path} is {token} and should be text"),
        }
    }

    /// Whether the text at `path` is `value`.
    pub fn is(&self, path: &str, value: &str) -> bool {
        self.text(path) == Some(value)
    }

    /// The number at `path` in micro-units.
    pub fn micros(&self, path: &str) -> Option<i128> {
        match self.cells.get(path)? {
            Cell::Token(token) => Some(micros(token)),
            Cell::Text(text) => panic!("{path} is \"{text}\" and should be a number"),
        }
    }

    /// The integer at `path`.
    pub fn int(&self, path: &str) -> Option<i128> {
        match self.cells.get(path)? {
            Cell::Token(token) => Some(token.parse().unwrap()),
            Cell::Text(text) => panic!("{path} is \"{text}\" and should be an integer"),
        }
    }

    /// Whether there is a number at `path`.
    pub fn has_number(&self, path: &str) -> bool {
        matches!(self.cells.get(path), Some(Cell::Token(_)))
    }

    /// (country, city) or the like: null only when all parts are.
    pub fn tuple<'a>(&'a self, paths: &[&str]) -> Option<Vec<Option<&'a str>>> {
        let parts: Vec<_> = paths.iter().map(|path| self.text(path)).collect();
        parts.iter().any(Option::is_some).then_some(parts)
    }
}

fn flatten(prefix: &str, json: &str, cells: &mut BTreeMap<String, Cell>) -> Option<()> {
    let object: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
    for (name, value) in object {
        let path = format!("{prefix}{name}");
        let token = value.get();
        match token.as_bytes()[0] {
            b'{' => flatten(&format!("{path}."), token, cells)?,
            b'"' => {
                cells.insert(path, Cell::Text(serde_json::from_str(token).ok()?));
            }
            b'n' => {}
            _ => {
                cells.insert(path, Cell::Token(token.to_owned()));
            }
        }
    }
    Some(())
}

/// A JSON number times a million, rounded half to even.
fn micros(token: &str) -> i128 {
    let (mantissa, exponent) = match token.find(['e', 'E']) {
        Some(at) => (&token[..at], token[at + 1..].parse::<i32>().unwrap()),
        None => (token, 0),
    };
    let decimals = mantissa.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
    let digits: i128 = mantissa.replace('.', "").parse().unwrap();
    let places = exponent - decimals + 6;
    if places >= 0 {
        return digits * 10_i128.pow(places as u32);
    }
    // Beyond 38 digits nothing of what the histories hold is left.
    let Some(unit) = 10_i128.checked_pow(places.unsigned_abs()) else { return 0 };
    let (floor, rest) = (digits.div_euclid(unit), digits.rem_euclid(unit));
    let up = rest * 2 > unit || (rest * 2 == unit && floor % 2 != 0);
    floor + i128::from(up)
}

#[test]
fn decimals_are_read_by_their_text_and_rounded_half_to_even() {
    for (token, expected) in [
        ("12.5", 12_500_000),
        ("1E3", 1_000_000_000),
        ("0.0000005", 0),
        ("0.0000015", 2),
        ("-0.0000025", -2),
        ("-0.0000035", -4),
        ("-0.00000251", -3),
        ("999.9999995", 1_000_000_000),
        ("999.9999985", 999_999_998),
        ("15e-7", 2),
        ("9999999999.999999", 9_999_999_999_999_999),
        ("-0", 0),
    ] {
        assert_eq!(micros(token), expected, "{token}");
    }
}

#[test]
fn fields_are_found_by_dotted_path_and_null_is_absent() {
    let record = br#"{"timestamp":5,"data":{"ip":"1.2.3.4","x":null},"n":1.50,"city":"a\"b"}"#;
    let event = Event::read(record, 0, 0).unwrap();
    assert_eq!((event.ts, event.text("data.ip"), event.text("data.x")), (5, Some("1.2.3.4"), None));
    assert_eq!((event.micros("n"), event.text("city")), (Some(1_500_000), Some("a\"b")));
    assert_eq!(event.tuple(&["data.x", "city"]), Some(vec![None, Some("a\"b")]));
    assert_eq!(event.tuple(&["data.x", "absent"]), None);
    assert!(Event::read(b"{\"n\":1}", 0, 0).is_none());
    assert!(Event::read(b"not json", 0, 0).is_none());
}
