//! JSON by the letter.

use super::*;

#[test]
fn words_for_no_number_are_refused_where_json_is_taken_by_the_letter() {
    let (lenient, mut strict) = (card(true), card(true));
    strict.strict_json = true;
    for (rest, by_the_letter) in [
        (r#""score":NaN"#, false),
        (r#""score":[Infinity,-Infinity]"#, false),
        (r#""country":NaN"#, false),
        (r#""score":1e999,"big":-1e-999"#, true),
        (r#""note":"NaN \\ud83d""#, true),
        (r#""NaN":"Infinity","score":[ ]"#, true),
    ] {
        let record = format!(r#"{{"card_id":"c","amount":1,"timestamp":{T},{rest}}}"#);
        let country = rest.contains("country");
        assert_eq!(decode(&lenient, &record).is_ok(), !country, "{record}");
        let read = decode(&strict, &record);
        assert_eq!(read.is_ok(), by_the_letter, "{record}");
        if let Err(error) = read {
            assert!(error.to_string().contains("is not one JSON value"), "{error}");
        }
    }
}

#[test]
fn a_record_that_is_an_array_is_refused_by_name() {
    for record in [r#"[{"card_id":"c"}]"#, "[]", " [1"] {
        let error = error(record);
        assert!(error.contains("array, as of several events: let the producer"), "{error}");
    }
}
