//! What producers write instead of JSON, read as what it can only mean: after the parser has refused
//! a record, and never before.

/// The same text, as long as before, with
///
/// - the words `NaN`, `Infinity` and `-Infinity` outside of strings as arrays of nothing, which are
///   skipped where nothing is read and are no value of any field where something is;
/// - every half of a surrogate pair in a string as U+FFFD.
pub fn mended(text: &str) -> String {
    const WORDS: [(&[u8], &str); 3] =
        [(b"NaN", NAN), (b"Infinity", INFINITY), (b"-Infinity", MINUS_INFINITY)];
    let bytes = text.as_bytes();
    let mut mended = text.to_owned();
    let (mut at, mut inside) = (0, false);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let word = WORDS.iter().find(|(word, _)| !inside && rest.starts_with(word));
        let (length, instead) = match (rest, word) {
            (_, Some((word, instead))) => (word.len(), Some(*instead)),
            ([b'"', ..], _) => {
                inside = !inside;
                (1, None)
            }
            ([b'\\', b'u', digits @ ..], _) if inside => match (unit(digits), digits.get(4..)) {
                (Some(0xd800..=0xdbff), Some([b'\\', b'u', low @ ..]))
                    if matches!(unit(low), Some(0xdc00..=0xdfff)) =>
                {
                    (12, None)
                }
                (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd")),
                _ => (2, None),
            },
            ([b'\\', _, ..], _) if inside => (2, None),
            _ => (1, None),
        };
        // Both are ASCII, so that these are the bounds of characters.
        if let Some(instead) = instead {
            mended.replace_range(at..at + length, instead);
        }
        at += length;
    }
    mended
}

const NAN: &str = "[ ]";
const INFINITY: &str = "[      ]";
const MINUS_INFINITY: &str = "[       ]";

/// Whether a word for no number stood where an array is now.
pub(super) fn is_word(array: &str) -> bool {
    [NAN, INFINITY, MINUS_INFINITY].contains(&array)
}

/// What stood where an array is now: how errors call it.
pub(super) fn word(array: &str) -> &'static str {
    match array {
        NAN => "NaN",
        INFINITY => "Infinity",
        MINUS_INFINITY => "-Infinity",
        _ => "an array",
    }
}

/// The number that four hexadecimal digits are.
fn unit(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_for_numbers_or_characters_is_mended_and_nothing_moves() {
        for (text, expected) in [
            (r#"{"a":NaN,"b":-Infinity}"#, r#"{"a":[ ],"b":[       ]}"#),
            (r#"{"a":"NaN","NaN":Infinity}"#, r#"{"a":"NaN","NaN":[      ]}"#),
            (r#"{"a":"\"NaN\"",b}"#, r#"{"a":"\"NaN\"",b}"#),
            (r#"["\\",NaN]"#, r#"["\\",[ ]]"#),
            (r#""\ud83e\udd80 \ud83e \udd80\uD83E""#, r#""\ud83e\udd80 \ufffd \ufffd\ufffd""#),
            (r#""\ud83e\ud83e\udd80\u00e9""#, r#""\ufffd\ud83e\udd80\u00e9""#),
            (r#""\\ud800\ud8"#, r#""\\ud800\ud8"#),
            ("\"\u{1F980}\\", "\"\u{1F980}\\"),
        ] {
            assert_eq!(mended(text), expected);
        }
    }
}
