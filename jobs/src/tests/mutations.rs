//! Job files that somebody is still typing.

use crate::{BEHAVIOR, FRAUD, PERSONALIZATION, load};
use proptest::prelude::*;

const JOBS: [&str; 3] = [FRAUD, PERSONALIZATION, BEHAVIOR];
/// More characters than any of them has.
const LONGEST: usize = 10_000;

/// Pieces that appear where they do not belong.
const PIECES: [&str; 28] = [
    "\"",
    "'",
    "'''",
    "[",
    "]",
    "{",
    "}",
    "=",
    "\n",
    ".",
    ",",
    "#",
    "-",
    "0",
    "99999999999999999999",
    "true",
    "views",
    "[views.x]",
    "amount",
    "velocity_score",
    "session = \"30m\", ",
    "window = \"5m\", ",
    "[\"country\", \"city\"]",
    "change_ratio",
    "é",
    "\u{0}",
    "(",
    "1979-05-27",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_job_file_panics_and_every_error_has_a_place(
        job in prop::sample::select(&JOBS[..]),
        edits in prop::collection::vec((0..LONGEST, 0..40_usize, 0..PIECES.len() + 8), 1..6),
    ) {
        let mut text: Vec<char> = job.chars().collect();
        for (at, cut, piece) in edits {
            let at = at % (text.len() + 1);
            let end = (at + cut).min(text.len());
            let piece = PIECES.get(piece).copied().unwrap_or_default();
            text.splice(at..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        let lines = text.split('\n').count();
        match load("job.toml", &text) {
            Ok(job) => prop_assert!(!job.report().is_empty()),
            Err(errors) => {
                prop_assert!(!errors.problems.is_empty());
                for problem in &errors.problems {
                    prop_assert!((1..=lines).contains(&problem.line), "{errors}");
                    prop_assert!(problem.column >= 1);
                    prop_assert!(!problem.message.contains('\n'), "{errors}");
                }
                prop_assert!(errors.problems.is_sorted_by_key(|problem| problem.line));
            }
        }
    }

    #[test]
    fn any_name_or_value_may_be_exchanged_for_another(
        job in prop::sample::select(&JOBS[..]),
        swaps in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
    ) {
        let words: Vec<&str> = job.split_inclusive([' ', '\n', '.', '"', ']', '=']).collect();
        let mut swapped = words.clone();
        for (to, from) in swaps {
            swapped[to.index(words.len())] = words[from.index(words.len())];
        }
        let _ = load("job.toml", &swapped.concat());
    }
}

#[test]
fn nesting_without_end_is_an_error_and_not_a_stack_overflow() {
    for (open, close) in [("[", "]"), ("{ a = ", "}")] {
        let deep = format!("a = {}{}", open.repeat(50_000), close.repeat(50_000));
        assert!(load("job.toml", &deep).is_err());
    }
    assert!(load("job.toml", &format!("[{}]", "a.".repeat(50_000) + "a")).is_err());
    let nested = format!("'{}amount{} > 0'", "(".repeat(8_000), ")".repeat(8_000));
    assert!(load("job.toml", &super::changed("'amount > 0'", &nested)).is_err());
}

#[test]
fn lines_and_columns_are_the_same_with_windows_line_ends() {
    let text = super::changed("'amount > 0'", "'''\n  large\n  and amuont > 0'''");
    let said = super::mistakes(&text.replace('\n', "\r\n"));
    assert_eq!(said, super::mistakes(&text));
    assert!(said.starts_with("job.toml:25:7: "), "{said}");
}
