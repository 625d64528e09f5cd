use super::examples::{NAMES, evaluated, null_rule, of_function};
use super::operators::LEVELS;
use super::*;
use crate::expression::{operator_words, parse};

fn examples() -> Vec<&'static str> {
    let functions = functions().iter().flat_map(|function| of_function(function.name));
    LEVELS.iter().flat_map(|level| level.examples).chain(functions).copied().collect()
}

#[test]
fn every_function_has_a_null_rule_and_examples_that_call_it() {
    let page = expressions_page().markdown();
    for function in functions() {
        assert!(page.contains(&format!("### Function `{}`", function.name)), "{}", function.name);
        assert!(page.contains(&format!("`{}`", function.signature)), "{}", function.name);
        assert!(null_rule(function.name).is_some(), "{} has no null rule", function.name);
        let examples = of_function(function.name);
        assert!(!examples.is_empty(), "{} has no example", function.name);
        for example in examples {
            assert!(example.contains(&format!("{}(", function.name)), "{example}");
        }
    }
}

#[test]
fn every_operator_of_the_language_is_in_the_reference_with_an_example() {
    let documented: Vec<&str> = LEVELS.iter().flat_map(|level| level.written).copied().collect();
    for written in operator_words() {
        assert!(documented.contains(&written), "`{written}` is not in the reference");
    }
    for level in LEVELS {
        for written in level.written {
            let spaced = |text: &&str| text.split(' ').any(|word| word == *written);
            let two_words = |text: &&str| text.contains(&format!(" {written} "));
            let before = |text: &&str| text.contains(&format!("{written}amount"));
            let shown = level.examples.iter().any(|t| spaced(t) || two_words(t) || before(t));
            assert!(shown, "`{written}` has no example");
        }
    }
}

#[test]
fn every_example_is_right() {
    for text in examples() {
        evaluated(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    }
    let page = expressions_page().markdown();
    assert!(!page.contains("| column "), "an example of a section is wrong: {page}");
}

#[test]
fn the_null_rules_hold_for_the_examples() {
    for text in examples() {
        let known = evaluated(text).unwrap();
        let is_null = known.value == tidemark_operators::value::Value::Null;
        assert!(known.nullable || !is_null, "{text} is null and its type says that it cannot be");
    }
}

#[test]
fn values_of_examples_are_those_that_a_reader_expects() {
    for (text, expected) in [
        ("count > 2.5", "true"),
        ("7 / 2", "3.5"),
        ("at - \"2024-02-03T22:00:00Z\"", "1800000"),
        ("hour(at)", "22"),
        ("weekday(at)", "5"),
        ("flag and false", "false"),
        ("flag or true", "true"),
        ("amount / (count - 7)", "null"),
        ("if(flag, 1, 0)", "0"),
        ("if(approved, count, amount)", "7.0"),
        ("amount + 0.25", "120.75"),
        ("clamp01(-count)", "0"),
    ] {
        assert_eq!(shown(&evaluated(text).unwrap().value), expected, "{text}");
    }
}

#[test]
fn operators_are_listed_loosest_first() {
    // `a op b op' c` groups by the tighter one: it is what the same with parentheses there is.
    for (plain, explicit) in [
        ("approved or flag and approved", "approved or (flag and approved)"),
        ("not approved and flag", "(not approved) and flag"),
        ("not count = 7", "not (count = 7)"),
        ("count = 7 + 1", "count = (7 + 1)"),
        ("1 + count * 2", "1 + (count * 2)"),
        ("-count * 2", "(-count) * 2"),
    ] {
        let both = [plain, explicit].map(|text| evaluated(text).unwrap());
        assert_eq!(both[0], both[1], "{plain}");
        assert!(parse(plain).is_ok());
    }
}

#[test]
fn names_have_the_values_that_the_page_says() {
    for name in NAMES {
        let known = evaluated(name.name).unwrap();
        assert_eq!(
            known.value == tidemark_operators::value::Value::Null,
            name.null,
            "{}",
            name.name
        );
        assert_eq!((known.ty, known.nullable), (name.ty, name.null));
    }
}
