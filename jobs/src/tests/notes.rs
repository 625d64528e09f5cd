//! What is noted about jobs that are right and may not mean what their author thinks.

use super::{changed, job};

/// What is noted about the small job with more features.
fn noted(features: &str) -> Vec<String> {
    let mean = "mean = { expression = 'amount_sum_5m / count_5m' }\n";
    let job = job(&changed(mean, &format!("{mean}{features}\n")));
    let notes = job.notes.iter();
    notes.map(|note| format!("{}:{}: {}", note.line, note.column, note.message)).collect()
}

const SUBTRACTS: &str = "takes the latest event out of a window as of now, which is right for the \
                         millisecond of that event only: once it has left the window it is still \
                         taken out, down to below 0";

#[test]
fn a_latest_event_that_is_subtracted_from_a_window_is_noted_where_it_stands() {
    assert_eq!(
        noted("others = { expression = 'amount_sum_5m - if(large, amount, 0)' }"),
        [format!("29:26: \"expression\" in feature \"others\" {SUBTRACTS}")]
    );
    assert_eq!(
        noted(
            "newest = { aggregate = \"latest\", of = \"amount\" }\n\
             others = { expression = 'clamp01(amount_sum_5m - newest)' }"
        ),
        [format!("30:26: \"expression\" in feature \"others\" {SUBTRACTS}")],
        "through a feature"
    );
}

#[test]
fn a_window_that_is_hardly_delayed_is_noted_with_its_delay() {
    let before =
        "before = { aggregate = \"sum\", of = \"amount\", window = \"5m\", delay = \"1ms\" }\n";
    let [note] = &noted(&format!("{before}share = {{ expression = 'amount / before' }}"))[..]
    else {
        panic!("one note");
    };
    assert!(note.starts_with("30:25: \"expression\" in feature \"share\" is without"), "{note}");
    assert!(note.contains("for 1ms only"), "{note}");
}

#[test]
fn any_other_mixture_is_noted_once_where_it_arises() {
    let score = "score_of = { expression = '(amount - mean) / amount_sum_5m' }\n";
    let notes = noted(&format!("{score}flag = {{ expression = 'score_of > count_5m' }}"));
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert!(note.contains("feature \"score_of\" mixes windows as of now"), "{note}");
}

#[test]
fn windows_alone_and_the_latest_event_alone_are_not_noted() {
    for feature in [
        "x = { expression = 'amount_sum_5m - count_5m' }",
        "x = { expression = 'amount - coalesce(score, 0)' }",
        "x = { expression = 'hour(timestamp) >= 22' }",
        "x = { aggregate = \"sum\", of = \"amount\", window = \"5m\", delay = \"1ms\" }",
    ] {
        assert_eq!(noted(feature), [""; 0], "{feature}");
    }
    assert!(super::job(super::SMALL).notes.is_empty());
}

#[test]
fn a_number_in_a_path_is_noted_as_the_name_it_is() {
    let text =
        changed("score = \"double?\"", "score = { type = \"double\", path = \"a.0.score\" }");
    let notes = job(&text).notes;
    let [note] = &notes[..] else { panic!("{notes:?}") };
    assert_eq!((note.line, note.column), (13, 35));
    assert!(note.message.contains("under the name \"0\""), "{}", note.message);
}
